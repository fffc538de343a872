//! Fills the templates of a stage: variables from the worker's environment, places from the stage's input, and what the
//! attempt knows of itself.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use super::variables;
use crate::model::failure::Failure;
use crate::model::json::{self, Object};
use crate::workflow::named_file::NamedFile;
use crate::workflow::own::{Own, Tell};
use crate::workflow::template::{Part, Place, Template};

/// Where files are, by the text that names them.
pub(crate) type FilesByText = HashMap<NamedFile, Vec<String>>;

/// What templates are filled from. The values of variables go to programs and servers, and into nothing that is kept.
pub(crate) struct Filler<'i> {
    input: &'i str,
    /// Its parts by name; read when the first place is asked for.
    parts: OnceLock<Object<'i>>,
    tell: &'i Tell<'i>,
    variable: fn(&str) -> Result<String, Failure>,
    /// `None` where they stay as they are written.
    files: Option<&'i FilesByText>,
}

impl<'i> Filler<'i> {
    /// `input` is the stage's input, a JSON object; `tell` tells of the attempt.
    pub(crate) fn new(input: &'i str, tell: &'i Tell<'i>) -> Filler<'i> {
        Filler { input, parts: OnceLock::new(), tell, variable, files: None }
    }

    /// The same for texts that are shown: variables stay in them as they are written.
    pub(crate) fn keeping_variables(input: &'i str, tell: &'i Tell<'i>) -> Filler<'i> {
        Filler { variable: |name| Ok(format!("${{{name}}}")), ..Filler::new(input, tell) }
    }

    /// The same for a shell: NUL, which is in no text, stands around the names of variables.
    pub(super) fn marking_variables(self) -> Filler<'i> {
        Filler { variable: |name| Ok(format!("\0{name}\0")), ..self }
    }

    /// The same for a program, whose files are there.
    pub(crate) fn with_files(self, files: &'i FilesByText) -> Filler<'i> {
        Filler { files: Some(files), ..self }
    }

    /// The arguments that an argument of the file becomes: files that stand alone are one each.
    pub(crate) fn arguments(&self, template: &Template) -> Result<Vec<String>, Failure> {
        match (template.parts(), self.files) {
            ([Part::File(file)], Some(files)) => Ok(files.get(file).cloned().unwrap_or_default()),
            _ => Ok(vec![self.plain(template)?]),
        }
    }

    fn file(&self, file: &NamedFile) -> Result<String, Failure> {
        let Some(files) = self.files else { return Ok(format!("{{{{file:{file}}}}}")) };
        match files.get(file).map(Vec::as_slice).unwrap_or_default() {
            [one] => Ok(one.clone()),
            found => Err(Failure::invalid_input(format!(
                "`{{{{file:{file}}}}}` is {} files, and stands where one is wanted; let it be an argument of its own",
                found.len()
            ))),
        }
    }

    fn out(&self, name: &str) -> Result<String, Failure> {
        match self.files {
            None => Ok(format!("{{{{out:{name}}}}}")),
            Some(_) => Ok(format!("{}/{name}", self.own(Own::Artifacts)?)),
        }
    }

    /// The text, with every part filled in; what comes from the input goes through `escape`.
    pub(crate) fn escaped(&self, template: &Template, escape: fn(&str) -> String) -> Result<String, Failure> {
        let mut text = String::new();
        for part in template.parts() {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Variable(name) => text.push_str(&(self.variable)(name)?),
                Part::Place(place) => text.push_str(&escape(&self.place(place)?)),
                Part::Own(own) => text.push_str(&escape(&self.own(*own)?)),
                Part::File(file) => text.push_str(&self.file(file)?),
                Part::Out(name) => text.push_str(&self.out(name.as_str())?),
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

    fn own(&self, own: Own) -> Result<Cow<'i, str>, Failure> {
        // Whether the stage has it was checked with its file.
        (self.tell)(own).ok_or_else(|| Failure::invalid_input(format!("this stage has no `{}`", own.place())))
    }

    /// The JSON at a place of the input.
    pub(crate) fn found(&self, place: &Place) -> Option<&str> {
        // The engine put the object together; it is JSON.
        let parts = self.parts.get_or_init(|| Object::read(self.input).unwrap_or_default());
        parts.get(&place.head).and_then(|part| json::at(part, &place.path))
    }

    /// What stands at a place of the input: a string as it is, anything else as JSON, on one line; its fallback where
    /// nothing is
    /// there.
    pub(crate) fn place(&self, place: &Place) -> Result<String, Failure> {
        let found = self.found(place);
        match found {
            None | Some("null") => place.fallback.clone().ok_or_else(|| {
                let what = if found.is_none() { "is not in" } else { "is null in" };
                Failure::invalid_input(format!(
                    "`{place}` {what} the stage's input; give it a value, or a default in the workflow file: \
                     {{{{{place} | \"...\"}}}}"
                ))
            }),
            Some(string) if string.starts_with('"') => serde_json::from_str(string).map_err(|error| {
                Failure::invalid_input(format!("the string at `{place}` of the stage's input cannot be read: {error}"))
            }),
            Some(other) => Ok(json::compact(other)),
        }
    }
}

/// Bytes of a text that was filled in: more than any program or server takes. A place of a megabyte may stand in it a
/// thousand
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
    variables::text(name).map_err(|error| match error {
        std::env::VarError::NotPresent => {
            Failure::auth_failure(format!("the variable {name} is not set in the worker's environment"))
        }
        std::env::VarError::NotUnicode(_) => Failure::auth_failure(format!("the variable {name} is no UTF-8 text")),
    })
}

/// Variables that the templates name and that are not set here.
pub(crate) fn unset<'t>(templates: impl IntoIterator<Item = &'t Template>) -> Vec<&'t str> {
    let mut unset: Vec<&str> =
        templates.into_iter().flat_map(Template::variables).filter(|name| !variables::will_be_set(name)).collect();
    unset.sort_unstable();
    unset.dedup();
    unset
}

/// The text, where no attempt makes another one of it.
pub(crate) fn known(template: &Template) -> Option<String> {
    let part = |part: &Part| match part {
        Part::Text(text) => Some(text.clone()),
        Part::Variable(name) => variables::text(name).ok(),
        Part::Place(_) | Part::Own(_) | Part::File(_) | Part::Out(_) => None,
    };
    template.parts().iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: &str = r#"{"input":{"lang":"en","half":"\ud83d"},"item":{"pages":[{"n":7},{"n":[1, 2]}],"no":null,
        "exact": { "z": 12345678901234567890123, "a": [-0, 1.10, 1e999] }, "far": 1e999, "é": "\u00e9"}}"#;

    fn filled(text: &str) -> Result<String, String> {
        let template = Template::parse(text).expect("a template");
        let tell = |own| (own == Own::Id).then_some(Cow::Borrowed("7"));
        Filler::new(INPUT, &tell).plain(&template).map_err(|failure| failure.to_string())
    }

    #[test]
    fn places_are_filled_from_the_input() {
        assert_eq!(filled("--{{input.lang}}={{item.pages.0.n}}"), Ok("--en=7".to_owned()));
        assert_eq!(filled("{{item.pages.1.n}}"), Ok("[1,2]".to_owned()));
        assert_eq!(filled("$5 {{{{"), Ok("$5 {{".to_owned()));
    }

    #[test]
    fn what_is_filled_in_is_what_was_written_whatever_stands_beside_it() {
        let expected = r#"1e999 é 1.10 {"z":12345678901234567890123,"a":[-0,1.10,1e999]}"#;
        assert_eq!(filled("{{item.far}} {{item.é}} {{item.exact.a.1}} {{item.exact}}"), Ok(expected.to_owned()));
        let said = filled("{{input.half}}").unwrap_err();
        assert!(
            said.starts_with("invalid_input: the string at `input.half` of the stage's input cannot be read"),
            "{said}"
        );
    }

    #[test]
    fn a_fallback_stands_where_nothing_is() {
        assert_eq!(
            filled(r#"{{input.lang | "de"}} {{input.tone | "dry"}} {{item.no | ''}}."#),
            Ok("en dry .".to_owned())
        );
        assert_eq!(
            filled("{{item.pages.9.n | '{{run.id}}'}}"),
            Ok("{{run.id}}".to_owned()),
            "nothing is filled in twice"
        );
    }

    #[test]
    fn the_attempt_tells_of_itself() {
        assert_eq!(filled("run-{{run.id}}"), Ok("run-7".to_owned()));
        assert_eq!(filled("{{run.item}}"), Err("invalid_input: this stage has no `run.item`".to_owned()));
    }

    #[test]
    fn what_is_not_there_is_invalid_input() {
        for place in ["item.pages.2", "item.pages.x", "item.no", "input.lang.x", "other"] {
            let what = if place == "item.no" { "is null in" } else { "is not in" };
            let said = format!("invalid_input: `{place}` {what} the stage's input; ");
            let told = filled(&format!("{{{{{place}}}}}")).unwrap_err();
            assert!(told.starts_with(&said) && told.ends_with(&format!("{{{{{place} | \"...\"}}}}")), "{told}");
        }
    }

    #[test]
    fn a_text_is_not_filled_in_beyond_what_anybody_takes() {
        let input = serde_json::json!({"item": "x".repeat(1 << 20)}).to_string();
        let template = Template::parse(&"{{item}}".repeat(100_000)).expect("a template");
        let refused = Filler::new(&input, &|_| None).plain(&template).expect_err("too long").to_string();
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
}
