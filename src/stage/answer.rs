//! What a program or a server answered, as a stage's output.

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
    let read = match format {
        OutputFormat::Json => Payload::parse(answer, limit),
        OutputFormat::Text => Payload::of(&answer.strip_suffix('\n').unwrap_or(answer), limit),
    };
    read.map_err(|error| match error {
        PayloadError::NotJson(_) if answer.trim().is_empty() => Failure::invalid_input(format!(
            "{who} nothing, and the output must be JSON; let it be null, or write output = \"text\""
        )),
        PayloadError::NotJson(error) => Failure::invalid_input(format!(
            "{who} `{}`, which is not JSON ({error}); write output = \"text\" to take it as a string",
            // Hidden before it is cut: half a secret would not be found any more.
            quoted(secrets.hide(answer).trim())
        )),
        other => Failure::invalid_input(format!("the stage's output was refused: {other}")),
    })
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
        insta::assert_snapshot!(said("", OutputFormat::Json).unwrap_err(), @r#"the command printed nothing, and the output must be JSON; let it be null, or write output = "text""#);
        insta::assert_snapshot!(said("Tue Nov 24\n", OutputFormat::Json).unwrap_err(), @r#"the command printed `Tue Nov 24`, which is not JSON (expected value at line 1 column 1); write output = "text" to take it as a string"#);
    }

    #[test]
    fn text_is_one_string_without_its_last_line_end() {
        assert_eq!(said("a \"b\"\n\n", OutputFormat::Text), Ok("\"a \\\"b\\\"\\n\"".to_owned()));
        assert_eq!(said("", OutputFormat::Text), Ok("\"\"".to_owned()));
        assert!(said(&"x".repeat(100), OutputFormat::Text).unwrap_err().contains("102 bytes, over the limit of 100"));
    }
}
