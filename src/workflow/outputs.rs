//! What a stage can have as its output, by the way it runs. Pure.

use serde_json::Value;

use super::definition::{AnswerFormat, OutputFormat, StageKind};
use crate::model::quoted::quoted;

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
                let is_one =
                    response["status"].is_u64() && response["headers"].is_object() && response.get("body").is_some();
                (!is_one).then(|| {
                    format!(
                        "with output = \"response\" it is an object of status, headers and body, and this is {}",
                        shortened(json)
                    )
                })
            }
            StageKind::Rust { .. } | StageKind::Command(_) | StageKind::Http(_) => None,
        }
    }
}

fn shortened(json: &str) -> String {
    let beginning: String = json.chars().take(60).collect();
    let more = if beginning.len() < json.len() { "…" } else { "" };
    format!("{}{more}", quoted(&beginning))
}
