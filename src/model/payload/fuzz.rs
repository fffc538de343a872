//! The scanner, compared with an independent JSON parser.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::Value;

use super::*;
use crate::model::fuzz;

const PIECES: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    "\"",
    "\\",
    "\\\\",
    "\\\"",
    "\\u0000",
    "u0000",
    "\\u",
    "\\ud800",
    "\"a\":",
    "1",
    "-0",
    "1e999",
    "true",
    "null",
    " ",
    "\n",
    "[[[[[[[[[[[[[[[[[[[[",
    "]]]]]]]]]]]]]]]]]]]]",
    "\u{feff}",
    "é",
];

/// What is in, is JSON as it was written but for a byte order mark, and within every limit.
fn holds(text: String) -> Result<(), TestCaseError> {
    const LIMIT: usize = 60;
    let Ok(payload) = Payload::parse(&text, LIMIT) else { return Ok(()) };
    prop_assert_eq!(payload.as_str(), text.strip_prefix('\u{feff}').unwrap_or(&text).trim());
    prop_assert!(payload.as_str().len() <= LIMIT);
    prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(payload.as_str()).is_ok());
    prop_assert!(!holds_a_nul(payload.as_str()));
    Ok(())
}

/// By the rules of JSON: an odd number of backslashes stands before it.
fn holds_a_nul(text: &str) -> bool {
    text.match_indices("u0000").any(|(at, _)| {
        let before = &text[..at];
        (before.len() - before.trim_end_matches('\\').len()) % 2 == 1
    })
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(values) => 1 + values.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(values) => values.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn values() -> impl Strategy<Value = (Value, usize, bool)> {
    let text = prop_oneof![any::<String>(), "[\\\\\"\\[\\]{}u0\u{0}]{0,8}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.clone().prop_map(Value::from)
    ];
    let value = leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..4).prop_map(Value::from_iter),
        ]
    });
    (value, 90usize..110, any::<bool>())
}

/// A value is refused exactly when it is too deep or holds a NUL.
fn decides((value, around, pretty): (Value, usize, bool)) -> Result<(), TestCaseError> {
    let (deep, nul) = (depth(&value) + around > MAX_DEPTH, has_nul(&value));
    let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
    let text = format!("{}{}{}", "[".repeat(around), text.expect("JSON"), "]".repeat(around));
    let said = Payload::parse(&text, usize::MAX);
    prop_assert_eq!(said.is_ok(), !deep && !nul, "{:?}", said);
    Ok(())
}

#[test]
fn what_is_in_is_json_within_the_limits() {
    fuzz::shortly(fuzz::pieces(PIECES, 12), holds);
    fuzz::shortly(values(), decides);
}

#[test]
#[ignore = "two minutes"]
fn fuzz_the_payload_scanner() {
    fuzz::for_a_minute(fuzz::pieces(PIECES, 40), holds);
    fuzz::for_a_minute(values(), decides);
}
