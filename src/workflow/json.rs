//! Values of a file that are handed on as JSON.

use toml::de::DeValue;

use super::keys::Key;
use super::mistake::Mistake;
use super::value::{self, Value};

/// The same value as JSON, with the digits of its numbers as they stand.
pub(crate) fn json(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<String> {
    let wrong = |why: &str, found: &mut Vec<Mistake>| {
        value::wrong(value, format!("`{}` is nothing that JSON has", key.name), why, "write another value", found)
    };
    match value.get_ref() {
        DeValue::String(text) if text.contains('\0') => wrong("it holds a NUL character", found),
        DeValue::String(text) => Some(quoted(text)),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().trim_start_matches('+').to_owned()),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Some(number.to_string()),
            Err(_) => wrong("the number is too large", found),
        },
        DeValue::Float(number) if number.as_str().ends_with(|c: char| c.is_ascii_digit()) => {
            Some(number.as_str().trim_start_matches('+').to_owned())
        }
        DeValue::Float(_) => wrong("it is no number that can be written down", found),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(_) => wrong("put dates and times in quotes", found),
        DeValue::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(|element| json(element, key, found)).collect();
            Some(format!("[{}]", elements.into_iter().collect::<Option<Vec<_>>>()?.join(",")))
        }
        DeValue::Table(table) => {
            let entries: Vec<_> = value::entries(table)
                .map(|(name, value)| json(value, key, found).map(|value| format!("{}:{value}", quoted(&name.text))))
                .collect();
            Some(format!("{{{}}}", entries.into_iter().collect::<Option<Vec<_>>>()?.join(",")))
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
