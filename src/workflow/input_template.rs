//! The input that a stage gives to a run that it starts: JSON whose texts are filled in.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::template::Template;

/// As it stands in the file, with the digits of its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InputTemplate {
    /// A place alone is the value that stands there, anything else a string.
    Text(Template),
    /// JSON text of a number, of true or of false.
    Other(String),
    Array(Vec<InputTemplate>),
    Object(Vec<(String, InputTemplate)>),
}

impl InputTemplate {
    pub(crate) fn templates(&self) -> Vec<&Template> {
        match self {
            InputTemplate::Text(template) => vec![template],
            InputTemplate::Other(_) => Vec::new(),
            InputTemplate::Array(elements) => elements.iter().flat_map(InputTemplate::templates).collect(),
            InputTemplate::Object(entries) => entries.iter().flat_map(|(_, value)| value.templates()).collect(),
        }
    }

    /// The keys that it certainly has; `None` where it is no object.
    pub(crate) fn keys(&self) -> Option<Vec<&str>> {
        match self {
            InputTemplate::Object(entries) => Some(entries.iter().map(|(key, _)| key.as_str()).collect()),
            InputTemplate::Text(_) | InputTemplate::Other(_) | InputTemplate::Array(_) => None,
        }
    }

    /// As it is written, for people.
    pub(crate) fn written(&self) -> Value {
        match self {
            InputTemplate::Text(template) => template.as_str().into(),
            InputTemplate::Other(json) => serde_json::from_str(json).unwrap_or_default(),
            InputTemplate::Array(elements) => elements.iter().map(InputTemplate::written).collect(),
            InputTemplate::Object(entries) => {
                entries.iter().map(|(key, value)| (key.clone(), value.written())).collect()
            }
        }
    }

    /// Whether what stands in place of numbers is JSON.
    pub(super) fn is_sound(&self) -> bool {
        match self {
            InputTemplate::Text(_) => true,
            InputTemplate::Other(json) => serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok(),
            InputTemplate::Array(elements) => elements.iter().all(InputTemplate::is_sound),
            InputTemplate::Object(entries) => entries.iter().all(|(_, value)| value.is_sound()),
        }
    }
}
