//! The answer of a program or a server, as a stage's output.

use serde::de::IgnoredAny;

use super::secrets::Secrets;
use crate::model::failure::Failure;
use crate::model::payload::{Payload, PayloadError};
use crate::workflow::definition::OutputFormat;

/// Characters of an answer that a message quotes.
const QUOTED: usize = 80;

/// The answer as a payload; `who` begins the sentence about one that is none, as in "the command printed". An output
/// is handed on as it is; where it is only quoted, secrets are hidden.
pub(crate) fn payload(
    answer: &str,
    format: OutputFormat,
    who: &str,
    limit: usize,
    secrets: &Secrets,
) -> Result<Payload, Failure> {
    payload_at(None, answer, format, who, limit, secrets)
}

/// The same of an answer that becomes the value of that key of the output: what is wrong with it has its place there.
pub(crate) fn payload_at(
    key: Option<&str>,
    answer: &str,
    format: OutputFormat,
    who: &str,
    limit: usize,
    secrets: &Secrets,
) -> Result<Payload, Failure> {
    let read = match format {
        OutputFormat::Json => Payload::parse(answer, limit),
        OutputFormat::Text => Payload::of(&without_line_end(answer), limit),
    };
    read.map_err(|error| match error {
        PayloadError::NotJson(_) if answer.trim().is_empty() => Failure::invalid_input(format!(
            "{who} nothing, but the output must be JSON: make it null, or set output = \"text\""
        )),
        PayloadError::NotJson(_) if are_many(answer) => Failure::invalid_input(format!(
            "{who} more than one JSON value (`{}`), but a stage has one output: make it one array, as \
             `jq -s .` does, or set output = \"text\" to take it as one string",
            quoted(secrets.hide(answer).trim())
        )),
        PayloadError::NotJson(error) => Failure::invalid_input(format!(
            "{who} `{}`, which is not JSON ({error}); set output = \"text\" to take it as a string",
            // Hidden before it is cut: half a secret would not be found any more.
            quoted(secrets.hide(answer).trim())
        )),
        other => {
            let refused = key.map_or_else(|| other.clone(), |key| other.clone().below(key));
            Failure::invalid_input(format!("the stage's output was refused: {refused}"))
        }
    })
}

/// The text without the line end at its end, be it that of Windows.
fn without_line_end(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line))
}

/// Whether it is JSON values one behind the other, such as a number on each line.
fn are_many(answer: &str) -> bool {
    let mut values = serde_json::Deserializer::from_str(answer).into_iter::<IgnoredAny>();
    values.by_ref().take(2).filter(Result::is_ok).count() == 2
}

/// The beginning of a text, for a message.
pub(crate) fn quoted(text: &str) -> String {
    let shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(QUOTED).collect();
    if text.chars().nth(QUOTED).is_some() { shown + "…" } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(answer: &str, format: OutputFormat) -> Result<String, String> {
        let read = payload(answer, format, "the command printed", 100, &Secrets::default());
        read.map(|p| p.as_str().to_owned()).map_err(|failure| failure.message().to_owned())
    }

    #[test]
    fn json_is_taken_and_what_is_none_is_quoted() {
        assert_eq!(said(" {\"a\": 1}\n", OutputFormat::Json), Ok("{\"a\": 1}".to_owned()));
        insta::assert_snapshot!(said("", OutputFormat::Json).unwrap_err(), @r#"the command printed nothing, but the output must be JSON: make it null, or set output = "text""#);
        insta::assert_snapshot!(said("Tue Nov 24\n", OutputFormat::Json).unwrap_err(), @r#"the command printed `Tue Nov 24`, which is not JSON (expected value at line 1 column 1); set output = "text" to take it as a string"#);
    }

    #[test]
    fn values_one_behind_the_other_are_refused_with_the_cure() {
        insta::assert_snapshot!(said("1\n2\n3\n", OutputFormat::Json).unwrap_err(), @r#"the command printed more than one JSON value (`1 2 3`), but a stage has one output: make it one array, as `jq -s .` does, or set output = "text" to take it as one string"#);
        for (answer, one) in [("{\"a\":1}\r\n{\"a\":2}\r\n", false), ("7 apples", true), ("1,2", true), ("NaN", true)] {
            let said = said(answer, OutputFormat::Json).unwrap_err();
            assert_eq!(said.contains("which is not JSON"), one, "{said}");
        }
    }

    #[test]
    fn text_is_one_string_without_its_last_line_end() {
        assert_eq!(said("a\r\nb\r\n", OutputFormat::Text), Ok("\"a\\r\\nb\"".to_owned()));
        assert_eq!(said("a\r", OutputFormat::Text), Ok("\"a\\r\"".to_owned()));
        assert_eq!(said("a \"b\"\n\n", OutputFormat::Text), Ok("\"a \\\"b\\\"\\n\"".to_owned()));
        assert_eq!(said("", OutputFormat::Text), Ok("\"\"".to_owned()));
        assert!(said(&"x".repeat(100), OutputFormat::Text).unwrap_err().contains("102 bytes, over the limit of 100"));
    }
}
