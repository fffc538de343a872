//! Stages that start a run of another workflow: its input, and what they make of its end. The engine starts it with the wait for it.

use serde::Deserialize;

use super::fill::Filler;
use super::handler::Offer;
use crate::model::failure::{Failure, FailureClass};
use crate::model::json;
use crate::model::payload::Payload;
use crate::model::wait::NewChild;
use crate::workflow::definition::RunStage;
use crate::workflow::input_template::InputTemplate;
use crate::workflow::template::{Part, Template};

/// The run that an attempt at the stage starts.
pub(super) fn new(stage: &RunStage, offer: &Offer) -> Result<NewChild, Failure> {
    let tell = |own| offer.context.tell(own);
    let input = input(stage, &Filler::new(&offer.input, &tell), &offer.input)?;
    let refused =
        |error| Failure::invalid_input(format!("a run of `{}` cannot start on its input: {error}", stage.workflow));
    let input = Payload::parse(&input, offer.limits.payload_bytes).map_err(refused)?;
    Ok(NewChild { workflow: stage.workflow.to_string(), input, detached: stage.detached })
}

/// JSON text of its input; `given` is what the stage itself gets.
pub(super) fn input(stage: &RunStage, filler: &Filler<'_>, given: &str) -> Result<String, Failure> {
    let Some(template) = &stage.input else { return Ok(given.to_owned()) };
    let mut text = String::new();
    fill(template, filler, &mut text)?;
    Ok(text)
}

fn fill(input: &InputTemplate, filler: &Filler<'_>, text: &mut String) -> Result<(), Failure> {
    match input {
        InputTemplate::Text(template) => text.push_str(&value(template, filler)?),
        InputTemplate::Other(json) => text.push_str(json),
        InputTemplate::Array(elements) => {
            text.push('[');
            for (at, element) in elements.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                fill(element, filler, text)?;
            }
            text.push(']');
        }
        InputTemplate::Object(entries) => {
            text.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                text.push_str(&json::string(key));
                text.push(':');
                fill(value, filler, text)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

/// JSON text of what a text becomes.
fn value(template: &Template, filler: &Filler<'_>) -> Result<String, Failure> {
    if let [Part::Place(place)] = template.parts()
        && let Some(found) = filler.found(place)
        && (found != "null" || place.fallback.is_none())
    {
        return Ok(json::compact(found));
    }
    Ok(json::string(&filler.plain(template)?))
}

/// What a run that did not finish leaves behind for the stage that started it.
#[derive(Debug, Deserialize)]
struct Unfinished {
    run: String,
    workflow: String,
    state: String,
    class: Option<String>,
    message: Option<String>,
}

/// The failure of the stage whose run ended without an output; `said` is what `piton.answer_parent` recorded.
pub(super) fn failed(said: &str) -> Failure {
    let Ok(Unfinished { run, workflow, state, class, message }) = serde_json::from_str(said) else {
        return Failure::found(FailureClass::ChildFailed, "the run that was waited for did not finish");
    };
    let why = match (class, message) {
        (Some(class), Some(message)) => format!(": {class}: {message}"),
        (_, Some(message)) => format!(": {message}"),
        _ => String::new(),
    };
    let detail = serde_json::json!({"run": run, "workflow": workflow, "state": state});
    let what = match state.as_str() {
        "failed" => "failed",
        "done" => "is done, and its output cannot be used",
        _ => "was cancelled",
    };
    Failure::found(FailureClass::ChildFailed, format!("run {run} of {workflow} {what}{why}")).detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(input: &InputTemplate) -> Result<String, String> {
        let given = r#"{"input":{"lang":"en","n":1.10,"no":null},"item":{"a":[ 1, 12345678901234567890123 ]}}"#;
        let tell = |_| None;
        let mut text = String::new();
        fill(input, &Filler::new(given, &tell), &mut text).map_err(|failure| failure.to_string())?;
        Ok(text)
    }

    fn text(text: &str) -> InputTemplate {
        InputTemplate::Text(Template::parse(text).expect("a template"))
    }

    #[test]
    fn a_place_alone_is_its_value_and_anything_else_a_string() {
        assert_eq!(filled(&text("{{item.a}}")), Ok("[1,12345678901234567890123]".to_owned()));
        assert_eq!(filled(&text("{{input.n}}")), Ok("1.10".to_owned()));
        assert_eq!(filled(&text("{{input.lang}}")), Ok(r#""en""#.to_owned()));
        assert_eq!(filled(&text("{{input.no}}")), Ok("null".to_owned()));
        assert_eq!(filled(&text(r#"{{input.no | "x"}}"#)), Ok(r#""x""#.to_owned()));
        assert_eq!(filled(&text("n-{{input.n}}\"")), Ok(r#""n-1.10\"""#.to_owned()));
        assert!(filled(&text("{{input.other}}")).unwrap_err().starts_with("invalid_input: `input.other` is not in"));
    }

    #[test]
    fn tables_and_arrays_keep_their_order_and_numbers_their_digits() {
        let input = InputTemplate::Object(vec![
            (
                "z\"".to_owned(),
                InputTemplate::Array(vec![InputTemplate::Other("2.50".to_owned()), text("{{input.lang}}")]),
            ),
            ("a".to_owned(), InputTemplate::Object(Vec::new())),
        ]);
        assert_eq!(filled(&input), Ok(r#"{"z\"":[2.50,"en"],"a":{}}"#.to_owned()));
    }
}
