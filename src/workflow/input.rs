//! What a workflow declares about the input of its runs: keys, their types, and defaults. The database holds every run to it
//! (`migrations/functions/fit_input.sql`), whoever starts it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::state::states;

/// The keys of the table `[input]`, by name. An input is an object of these and no others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct DeclaredInput(pub(crate) Vec<InputKey>);

/// One key of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InputKey {
    pub(crate) key: String,
    #[serde(rename = "type")]
    pub(crate) kind: InputType,
    /// It may be left out, and nothing stands there then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) optional: bool,
    /// JSON text of what stands there where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) default: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
}

states! {
    /// The types of JSON, and whole numbers.
    #[derive(serde::Deserialize)]
    pub(crate) enum InputType {
        String = "string",
        Number = "number",
        Integer = "integer",
        Boolean = "boolean",
        Array = "array",
        Object = "object",
        Any = "any",
    }
}

impl InputType {
    /// As people call a value of it.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            InputType::String => "a string",
            InputType::Number => "a number",
            InputType::Integer => "a whole number",
            InputType::Boolean => "true or false",
            InputType::Array => "an array",
            InputType::Object => "an object",
            InputType::Any => "anything",
        }
    }

    /// Whether something may stand inside of it.
    pub(crate) fn has_keys(self) -> bool {
        matches!(self, InputType::Array | InputType::Object | InputType::Any)
    }
}

impl DeclaredInput {
    pub(crate) fn key(&self, name: &str) -> Option<&InputKey> {
        self.0.iter().find(|key| key.key == name)
    }

    /// Whether each has a name of its own.
    pub(crate) fn has_distinct_keys(&self) -> bool {
        self.0.iter().enumerate().all(|(at, key)| !key.key.is_empty() && self.0[..at].iter().all(|k| k.key != key.key))
    }
}
