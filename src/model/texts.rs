//! The texts in a JSON value. Pure.

use serde_json::Value;

/// The value with every text in it changed, the keys too.
pub(super) fn changed(value: Value, change: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(&text)),
        Value::Array(elements) => elements.into_iter().map(|element| changed(element, change)).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, field)| (change(&key), changed(field, change))).collect::<Value>()
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}
