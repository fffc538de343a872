//! What a stage can have as its output, by the way it runs. Pure.

use serde_json::Value;

use super::definition::{AnswerFormat, OutputFormat, Stage, StageKind};
use crate::model::quoted::quoted;

impl Stage {
    /// Why the stage never has that output, which is JSON; `None` where it may. One that waits has what its service answers.
    pub(crate) fn never_outputs(&self, json: &str) -> Option<String> {
        if self.wait.is_some() { None } else { self.kind.never_outputs(json) }
    }
}

impl StageKind {
    /// Why a stage that runs so never has that output, which is JSON; `None` where it may.
    pub(crate) fn never_outputs(&self, json: &str) -> Option<String> {
        let text = || {
            (!json.trim_start().starts_with('"'))
                .then(|| format!("with output = \"text\" it is a string, and this is {}", shortened(json)))
        };
        match self {
            StageKind::Command(stage) if stage.output == OutputFormat::Text => text(),
            StageKind::Http(stage) if stage.output == AnswerFormat::Text => text(),
            StageKind::Http(stage) if stage.output == AnswerFormat::Response => {
                let response: Value = serde_json::from_str(json).unwrap_or_default();
                (!is_response(&response)).then(|| {
                    format!(
                        "with output = \"response\" it is an object of status (200 to 299: any other is a failure), headers (names in \
                         small letters, values as strings) and body, and this is {}",
                        shortened(json)
                    )
                })
            }
            StageKind::Sql(_) => {
                let answer: Value = serde_json::from_str(json).unwrap_or_default();
                let is_answer = answer["rows"].is_array() && answer["count"].is_u64();
                (!is_answer).then(|| {
                    format!(
                        "of a stage with `sql` it is an object of rows (an array) and count (a number), and this is {}",
                        shortened(json)
                    )
                })
            }
            StageKind::Sleep(_) => {
                let slept: Value = serde_json::from_str(json).unwrap_or_default();
                let is_slept = slept["since"].is_string() && slept["until"].is_string() && slept["woken"].is_boolean();
                (!is_slept).then(|| {
                    format!(
                        "of a stage that sleeps it is an object of since and until (times) and woken (true or false), and this is {}",
                        shortened(json)
                    )
                })
            }
            StageKind::Signal(signal) => {
                let answer: Value = serde_json::from_str(json).unwrap_or_default();
                let is_on_timeout = signal.on_timeout.as_ref().is_some_and(|text| text == json);
                (signal.payload.is_some() && !answer.is_object() && !is_on_timeout).then(|| {
                    format!("an answer is an object of the keys under `payload`, and this is {}", shortened(json))
                })
            }
            StageKind::Run(run) if run.detached => {
                let begun: Value = serde_json::from_str(json).unwrap_or_default();
                (!begun["run"].is_string()).then(|| {
                    format!("with detached = true it is an object of run (its id), and this is {}", shortened(json))
                })
            }
            StageKind::Rust { .. } | StageKind::Command(_) | StageKind::Http(_) | StageKind::Run(_) => None,
        }
    }
}

/// What a stage makes of an answer that is a success.
fn is_response(value: &Value) -> bool {
    let is_header = |(name, value): (&String, &Value)| {
        let texts = |value: &Value| value.as_array().is_some_and(|all| all.iter().all(Value::is_string));
        !name.chars().any(char::is_uppercase) && if name == "set-cookie" { texts(value) } else { value.is_string() }
    };
    value["status"].as_u64().is_some_and(|status| (200..300).contains(&status))
        && value["headers"].as_object().is_some_and(|headers| headers.iter().all(is_header))
        && value.get("body").is_some()
}

fn shortened(json: &str) -> String {
    let beginning: String = json.chars().take(60).collect();
    let more = if beginning.len() < json.len() { "…" } else { "" };
    format!("{}{more}", quoted(&beginning))
}
