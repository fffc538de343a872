//! Fills the templates of a stage: variables from the worker's environment, places from the stage's input.

use std::sync::OnceLock;

use serde_json::Value;

use crate::model::failure::Failure;
use crate::workflow::template::{Part, Place, Template};

/// What templates are filled from. The values of variables go to programs and servers, and into nothing that is kept.
pub(crate) struct Filler<'i> {
    input: &'i str,
    read: OnceLock<Value>,
}

impl<'i> Filler<'i> {
    /// `input` is the stage's input, a JSON object.
    pub(crate) fn new(input: &'i str) -> Filler<'i> {
        Filler { input, read: OnceLock::new() }
    }

    /// The text, with every part filled in; what comes from the input goes through `escape`.
    pub(crate) fn escaped(&self, template: &Template, escape: fn(&str) -> String) -> Result<String, Failure> {
        let mut text = String::new();
        for part in template.parts() {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Variable(name) => text.push_str(&variable(name)?),
                Part::Place(place) => text.push_str(&escape(&self.place(place)?)),
            }
            if text.len() > LONGEST {
                return Err(too_long(template));
            }
        }
        Ok(text)
    }

    /// The text, with every part filled in as it is.
    pub(crate) fn plain(&self, template: &Template) -> Result<String, Failure> {
        self.escaped(template, str::to_owned)
    }

    /// What stands at a place of the input: a string as it is, anything else as JSON.
    pub(crate) fn place(&self, place: &Place) -> Result<String, Failure> {
        // The engine put the object together; it is JSON.
        let read = self.read.get_or_init(|| serde_json::from_str(self.input).unwrap_or_default());
        let found = place.path.iter().try_fold(read.get(&place.head), |at, key| match at? {
            Value::Array(elements) => Some(elements.get(key.parse::<usize>().ok()?)),
            other => Some(other.get(key)),
        });
        match found.flatten() {
            None | Some(Value::Null) => {
                Err(Failure::invalid_input(format!("there is no `{place}` in the stage's input")))
            }
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Ok(other.to_string()),
        }
    }
}

/// Bytes of a text that was filled in: more than any program or server takes. A place of a megabyte may stand in it a thousand
/// times.
const LONGEST: usize = 4 << 20;

fn too_long(template: &Template) -> Failure {
    let shown: String = template.as_str().chars().take(40).collect();
    let message = format!(
        "`{shown}` comes to more than {LONGEST} bytes with what stands in the input; hand it over as the input"
    );
    Failure::invalid_input(message)
}

/// A variable of this process' environment.
fn variable(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|error| match error {
        std::env::VarError::NotPresent => {
            Failure::auth_failure(format!("the variable {name} is not set in the worker's environment"))
        }
        std::env::VarError::NotUnicode(_) => Failure::auth_failure(format!("the variable {name} is no UTF-8 text")),
    })
}

/// Variables that the templates name and that are not set here.
pub(crate) fn unset<'t>(templates: impl IntoIterator<Item = &'t Template>) -> Vec<&'t str> {
    let mut unset: Vec<&str> =
        templates.into_iter().flat_map(Template::variables).filter(|name| std::env::var_os(name).is_none()).collect();
    unset.sort_unstable();
    unset.dedup();
    unset
}

/// Values that must not be kept: where one turns up in what a program or a server said, its name stands instead.
#[derive(Default)]
pub(crate) struct Secrets(Vec<(String, String)>);

/// Shorter values are ordinary words, and hiding them would only garble messages.
const SHORTEST_SECRET: usize = 6;

impl Secrets {
    /// The values of these variables of this process' environment, also as a server repeats them within JSON.
    pub(crate) fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Secrets {
        let value = |name: &str| std::env::var(name).ok().filter(|value| value.len() >= SHORTEST_SECRET);
        Secrets::known(names.into_iter().filter_map(|name| Some((name.to_owned(), value(name)?))))
    }

    fn known(values: impl Iterator<Item = (String, String)>) -> Secrets {
        let mut known: Vec<(String, String)> =
            values.flat_map(|(name, value)| [(name.clone(), in_json(&value)), (name, value)]).collect();
        // A value may be part of another one.
        known.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        known.dedup();
        Secrets(known)
    }

    /// Bytes of the longest.
    pub(crate) fn longest(&self) -> usize {
        self.0.first().map_or(0, |(_, value)| value.len())
    }

    /// The text without them.
    pub(crate) fn hide(&self, text: &str) -> String {
        let hidden = |text: String, (name, value): &(String, String)| text.replace(value, &format!("${{{name}}}"));
        self.0.iter().fold(text.to_owned(), hidden)
    }

    /// At most so many bytes of the text without them. Unless it is whole, one of them may have begun at its end: that
    /// piece is left out too.
    pub(crate) fn hide_in_beginning(&self, text: &str, whole: bool, most: usize) -> String {
        let mut hidden = self.hide(text);
        if !whole {
            // Half a character was read as this one.
            let cut = hidden.trim_end_matches(char::REPLACEMENT_CHARACTER).len();
            hidden.truncate(cut - self.begun_at_the_end_of(&hidden[..cut]));
        }
        let most = (0..=most.min(hidden.len())).rev().find(|at| hidden.is_char_boundary(*at)).unwrap_or(0);
        hidden.truncate(most);
        hidden
    }

    /// Bytes at the end of the text that a value begins with.
    fn begun_at_the_end_of(&self, text: &str) -> usize {
        let begun = |value: &str| value.char_indices().map(|(at, _)| at).rev().find(|at| text.ends_with(&value[..*at]));
        self.0.iter().filter_map(|(_, value)| begun(value)).max().unwrap_or(0)
    }
}

/// The text as it stands in a JSON string.
fn in_json(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INPUT: &str = r#"{"input":{"lang":"en"},"item":{"pages":[{"n":7},{"n":[1,2]}],"no":null}}"#;

    fn filled(text: &str) -> Result<String, String> {
        let template = Template::parse(text).expect("a template");
        Filler::new(INPUT).plain(&template).map_err(|failure| failure.to_string())
    }

    #[test]
    fn places_are_filled_from_the_input() {
        assert_eq!(filled("--{{input.lang}}={{item.pages.0.n}}"), Ok("--en=7".to_owned()));
        assert_eq!(filled("{{item.pages.1.n}}"), Ok("[1,2]".to_owned()));
        assert_eq!(filled("$5 {{{{"), Ok("$5 {{".to_owned()));
    }

    #[test]
    fn what_is_not_there_is_invalid_input() {
        for place in ["item.pages.2", "item.pages.x", "item.no", "input.lang.x", "other"] {
            let said = format!("invalid_input: there is no `{place}` in the stage's input");
            assert_eq!(filled(&format!("{{{{{place}}}}}")), Err(said));
        }
    }

    #[test]
    fn a_text_is_not_filled_in_beyond_what_anybody_takes() {
        let input = serde_json::json!({"item": "x".repeat(1 << 20)}).to_string();
        let template = Template::parse(&"{{item}}".repeat(100_000)).expect("a template");
        let refused = Filler::new(&input).plain(&template).expect_err("too long").to_string();
        assert!(refused.starts_with("invalid_input: `{{item}}"), "{refused}");
        assert!(refused.contains("comes to more than 4194304 bytes"), "{refused}");
    }

    #[test]
    fn variables_that_are_not_set_are_named() {
        let said = "auth_failure: the variable PITON_TEST_UNSET is not set in the worker's environment";
        assert_eq!(filled("x${PITON_TEST_UNSET}"), Err(said.to_owned()));
        let template = Template::parse("${PITON_TEST_UNSET}${PATH}${PITON_TEST_UNSET}").expect("a template");
        assert_eq!(unset([&template]), ["PITON_TEST_UNSET"]);
    }

    #[test]
    fn a_value_that_turns_up_is_hidden_behind_its_name() {
        let secrets = secrets();
        assert_eq!(secrets.hide("401 for s3\"cret-and-more, s3\"cret"), "401 for ${KEY}, ${PART}");
        assert_eq!(secrets.hide(r#"{"key": "s3\"cret-and-more"}"#), r#"{"key": "${KEY}"}"#);
    }

    fn secrets() -> Secrets {
        let known = [("PART", "s3\"cret"), ("KEY", "s3\"cret-and-more")];
        Secrets::known(known.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    proptest! {
        #[test]
        fn no_piece_of_a_value_is_in_a_text_that_was_cut(
            before in "[a-z\"é]{0,30}", cut in 0usize..60, most in 0usize..60
        ) {
            let text = format!("{before}s3\"cret-and-more s3\\\"cret-and-more");
            let cut = text.char_indices().map(|(at, _)| at).take(cut).last().unwrap_or(0);
            let hidden = secrets().hide_in_beginning(&text[..cut], false, most);
            prop_assert!(!hidden.contains("s3") && hidden.len() <= most, "{}", hidden);
        }

        #[test]
        fn a_text_without_values_is_only_cut(text in "[a-r\"é]{0,30}", most in 0usize..40) {
            let kept = secrets().hide_in_beginning(&text, true, most);
            prop_assert!(text.starts_with(&kept) && kept.len() <= most && (text.len() <= most || kept.len() + 2 > most));
        }
    }
}
