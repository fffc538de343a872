//! What is found, set and shown is the text that was written.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const TEXT: &str =
    r#"{ "n" : 12345678901234567890123, "b":-0,"a": [1.10, {"k\u00e9y": 1e999}], "n": 1E+2, "😀": "\ud800" }"#;

fn found(path: &str) -> Option<&'static str> {
    let path: Vec<String> = path.split('.').map(str::to_owned).collect();
    at(TEXT, &path)
}

#[test]
fn what_stands_at_a_place_is_its_very_text() {
    for (path, expected) in [
        ("b", "-0"),
        ("n", "1E+2"),
        ("a", r#"[1.10, {"k\u00e9y": 1e999}]"#),
        ("a.0", "1.10"),
        ("a.1.kéy", "1e999"),
        ("😀", r#""\ud800""#),
    ] {
        assert_eq!(found(path), Some(expected), "{path}");
    }
    for path in ["c", "a.2", "a.x", "a.-1", "b.0", "😀.0", "n.n"] {
        assert_eq!(found(path), None, "{path}");
    }
    assert_eq!(at(TEXT, &[]), Some(TEXT));
}

#[test]
fn what_is_set_leaves_all_else_as_it_was() {
    let set = |json, path: &[&str], value| with(json, path, value);
    assert_eq!(set(r#"{"b": 1.0, "a": 1e400}"#, &["c"], "1.10"), Ok(r#"{"b":1.0,"a":1e400,"c":1.10}"#.to_owned()));
    assert_eq!(set(r#"{"a": {"x": [ 1 ], "y": -0}}"#, &["a", "y"], "2"), Ok(r#"{"a":{"x":[ 1 ],"y":2}}"#.to_owned()));
    assert_eq!(set(r#"{"\u00e9": 1, "\u00e9": 2}"#, &["é"], "3"), Ok(r#"{"\u00e9":1,"\u00e9":3}"#.to_owned()));
    assert_eq!(set("null", &["a\"", "b"], "null"), Ok(r#"{"a\"":{"b":null}}"#.to_owned()));
    for json in ["1", "[]", "\"x\"", r#"{"a": true}"#] {
        assert!(set(json, &["a", "b"], "1").is_err(), "{json}");
    }
}

#[test]
fn a_place_is_told_by_its_keys_and_its_character() {
    let of = |json: &str| place(json, json.find('!').expect("a mark"));
    assert_eq!(of(r#""é!""#), "the string (character 3)");
    assert_eq!(of(r#"[1, ["a", "!"]]"#), "the string at `1.1` (character 12)");
    assert_eq!(of(r#"{"a": {"b": 1, "c d": [[], {}, "x!"]}, "e": 1}"#), "the string at `a.c d.2` (character 34)");
    assert_eq!(of(r#"{"a": {"b": 1, "!": 2}}"#), "a key of `a` (character 17)");
    assert_eq!(of(r#"{"a": 1, "!": 2}"#), "a key (character 11)");
}

/// Any JSON whose numbers every program writes alike.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z\"\\\\é]{0,4}", inner, 0..5).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn white_space_is_all_that_comes_and_goes(value in any_json()) {
        let (dense, pretty) = (value.to_string(), serde_json::to_string_pretty(&value).expect("JSON"));
        prop_assert_eq!(&indented(&dense), &pretty);
        prop_assert_eq!(compact(&pretty), dense);
    }

    #[test]
    fn every_value_is_found_where_a_reader_finds_it(value in any_json()) {
        let json = value.to_string();
        let pointers = pointers(&value);
        for path in pointers {
            let read = path.iter().try_fold(&value, |at, key| match at {
                Value::Array(elements) => elements.get(key.parse::<usize>().ok()?),
                other => other.get(key),
            });
            prop_assert_eq!(at(&json, &path).map(str::to_owned), read.map(Value::to_string));
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>(), byte in 0usize..100, json in "[\\[\\]{},:\"\\\\a1 ]{0,40}") {
        for text in [text, json] {
            drop((compact(&text), indented(&text), place(&text, byte), at(&text, &["a".to_owned(), "0".to_owned()])));
            with(&text, &["a", "b"], "1").ok();
        }
    }
}

/// Where something stands in the value.
fn pointers(value: &Value) -> Vec<Vec<String>> {
    let below = |key: String, inner: &Value| {
        pointers(inner).into_iter().map(move |path| [vec![key.clone()], path].concat()).collect::<Vec<_>>()
    };
    let inner: Vec<Vec<String>> = match value {
        Value::Array(elements) => {
            elements.iter().enumerate().flat_map(|(n, inner)| below(n.to_string(), inner)).collect()
        }
        Value::Object(fields) => fields.iter().flat_map(|(key, inner)| below(key.clone(), inner)).collect(),
        _ => Vec::new(),
    };
    [vec![Vec::new()], inner].concat()
}
