//! Why serde or axum could not read a request, in words for the caller. Pure.

use crate::model::quoted::quoted;

/// What they put before it, which names their types and not the request.
const BEFORE: [&str; 3] = ["Failed to deserialize query string: ", "Invalid URL: ", "Failed to deserialize form: "];

/// What an id looks like.
const ID: &str = "an id such as 01890f3e-7c00-7000-8000-000000000000";

/// The same in plain words, and short: what is quoted in it was sent by somebody.
pub(super) fn in_words(said: &str) -> String {
    let said = BEFORE.iter().fold(said, |said, before| said.strip_prefix(before).unwrap_or(said));
    let (said, place) = placed(said);
    let said = parameter(said).map_or_else(|| plain(said), |(name, said)| about(name, said));
    format!("{}{place}", shortened(&said))
}

/// Without where in the body it was, and that as people write it.
fn placed(said: &str) -> (&str, String) {
    let Some((said, at)) = said.rsplit_once(" at line ") else { return (said, String::new()) };
    match at.split_once(" column ") {
        Some((line, column)) => (said, format!(" (line {line}, column {column})")),
        None => (said, String::new()),
    }
}

/// The parameter that it is about, where it begins with one.
fn parameter(said: &str) -> Option<(&str, &str)> {
    if let Some((name, rest)) = said.strip_prefix("Cannot parse `").and_then(|said| said.split_once("` with value `")) {
        return Some((name, rest.split_once("`: ").map_or(rest, |(_, rest)| rest)));
    }
    let (name, rest) = said.split_once(": ")?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-[].".contains(c));
    (is_name && !said.starts_with("invalid type")).then_some((name, rest))
}

fn about(name: &str, said: &str) -> String {
    let names_it =
        said.starts_with("unknown field `") || said.strip_prefix(name).is_some_and(|said| said.starts_with(": "));
    if names_it { plain(said) } else { format!("{name}: {}", plain(said)) }
}

fn plain(said: &str) -> String {
    let between = |before: &str, middle: &str| said.strip_prefix(before)?.split_once(middle);
    if let Some((name, known)) = between("unknown field `", "`, expected ") {
        return format!("`{name}` is not known here; {}", one_of(known, "there is "));
    }
    if let Some((value, known)) = between("unknown variant `", "`, expected ") {
        return format!("`{value}` is not known here; {}", one_of(known, "it is one of "));
    }
    if let Some(name) = said.strip_prefix("missing field ") {
        return format!("{name} is missing");
    }
    if let Some(name) = said.strip_prefix("duplicate field ") {
        return format!("{name} is given twice");
    }
    if let Some((found, wanted)) = between("invalid type: ", ", expected ") {
        return format!("it must be {wanted}, and is {found}");
    }
    match said {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "it must be a whole number".to_owned()
        }
        "number too large to fit in target type" => "it is too large a number".to_owned(),
        "provided string was not `true` or `false`" => "it must be true or false".to_owned(),
        _ if said.starts_with("UUID parsing failed") => format!("it must be {ID}"),
        _ if said.starts_with("EOF while parsing") => "it ends before it is complete".to_owned(),
        _ => said.to_owned(),
    }
}

/// What is known, without the words and the ticks around it.
fn one_of(known: &str, before: &str) -> String {
    let known = known.strip_prefix("one of ").unwrap_or(known).replace('`', "");
    if known == "there are no fields" { known } else { format!("{before}{known}") }
}

/// What stands between ticks was sent.
fn shortened(said: &str) -> String {
    let parts = said.split('`').enumerate().map(|(at, part)| if at % 2 == 1 { quoted(part) } else { part.to_owned() });
    let said = parts.collect::<Vec<_>>().join("`");
    said.chars().take(1000).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_read_is_said_in_plain_words() {
        let query = "Failed to deserialize query string: ";
        for (said, words) in [
            ("limit: a limit is between 1 and 1000", "limit: a limit is between 1 and 1000"),
            ("limit: invalid digit found in string", "limit: it must be a whole number"),
            ("duplicate field `limit`", "`limit` is given twice"),
            (
                "after: UUID parsing failed: invalid character: found `x` at 0",
                "after: it must be an id such as 01890f3e-7c00-7000-8000-000000000000",
            ),
            (
                "state: unknown variant `nonsense`, expected one of `running`, `done`",
                "state: `nonsense` is not known here; it is one of running, done",
            ),
            (
                "wrokflow: unknown field `wrokflow`, expected one of `workflow`, `state`",
                "`wrokflow` is not known here; there is workflow, state",
            ),
            ("where: where: write it as input.PATH=VALUE", "where: write it as input.PATH=VALUE"),
            ("all: provided string was not `true` or `false`", "all: it must be true or false"),
        ] {
            assert_eq!(in_words(&format!("{query}{said}")), words);
        }
        for (said, words) in [
            (
                "Invalid URL: Cannot parse `run` with value `x`: UUID parsing failed: invalid character: found `x` at 0",
                "run: it must be an id such as 01890f3e-7c00-7000-8000-000000000000",
            ),
            ("EOF while parsing a value at line 1 column 13", "it ends before it is complete (line 1, column 13)"),
            ("missing field `workflow` at line 1 column 2", "`workflow` is missing (line 1, column 2)"),
            (
                "invalid type: integer `7`, expected a string at line 1 column 14",
                "it must be a string, and is integer `7` (line 1, column 14)",
            ),
            (
                "a priority is between -1000 and 1000 at line 1 column 39",
                "a priority is between -1000 and 1000 (line 1, column 39)",
            ),
        ] {
            assert_eq!(in_words(said), words);
        }
        let long = "7".repeat(4000);
        assert!(
            in_words(&format!("unknown field `{long}`, expected `a`")).ends_with("…` is not known here; there is a")
        );
    }

    proptest! {
        #[test]
        fn whatever_was_sent_the_answer_is_short(said in "[a-z`: ]{0,3000}") {
            prop_assert!(in_words(&said).chars().count() <= 1100);
        }
    }
}
