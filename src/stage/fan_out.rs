//! Splits an array into items. Pure; JSON text in, JSON text out, without building the values.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::model::json::Object;

/// An array taken out of the value it stood in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Split {
    pub(crate) items: Vec<Arc<str>>,
    /// The value without the array; `None` where the value was the array.
    pub(crate) rest: Option<Arc<str>>,
}

/// Why there is nothing to split.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum SplitError {
    #[error("there is no `{0}`")]
    Missing(String),
    #[error("`{place}` is {found}, not an array")]
    NoArray { place: String, found: &'static str },
    #[error("`{place}` is {found}, which has no `{key}`")]
    NoObject { place: String, found: &'static str, key: String },
    #[error("it is not JSON: {0}")]
    NotJson(String),
}

/// Takes the array at `path` out of `json`; `root` is what the value is called in messages.
pub(crate) fn split(root: &str, json: &str, path: &[String]) -> Result<Split, SplitError> {
    match path.split_first() {
        None => Ok(Split { items: elements(root, json)?, rest: None }),
        Some((key, below)) => {
            let mut object = object(root, json, key)?;
            let place = format!("{root}.{key}");
            let value = object.get(key).ok_or_else(|| SplitError::Missing(place.clone()))?;
            let Split { items, rest } = split(&place, value, below)?;
            match rest {
                None => object.remove(key),
                Some(rest) => object.put(key, rest.to_string()),
            }
            Ok(Split { items, rest: Some(object.to_text().into()) })
        }
    }
}

fn elements(place: &str, json: &str) -> Result<Vec<Arc<str>>, SplitError> {
    if kind(json) != "an array" {
        return Err(SplitError::NoArray { place: place.to_owned(), found: kind(json) });
    }
    let items: Vec<&RawValue> = serde_json::from_str(json).map_err(not_json)?;
    Ok(items.into_iter().map(|item| Arc::from(item.get())).collect())
}

fn object<'j>(place: &str, json: &'j str, key: &str) -> Result<Object<'j>, SplitError> {
    if kind(json) != "an object" {
        return Err(SplitError::NoObject { place: place.to_owned(), found: kind(json), key: key.to_owned() });
    }
    serde_json::from_str(json).map_err(not_json)
}

fn not_json(error: serde_json::Error) -> SplitError {
    SplitError::NotJson(error.to_string())
}

/// What a JSON text is, for people.
fn kind(json: &str) -> &'static str {
    match json.trim_start().bytes().next() {
        Some(b'[') => "an array",
        Some(b'{') => "an object",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|k| (*k).to_owned()).collect()
    }

    #[test]
    fn the_array_is_taken_out_and_the_rest_keeps_its_order() {
        let split = split("check", r#"{"z":1,"a":{"scenes":[1, {"b":2},"c"],"x":[]}}"#, &path(&["a", "scenes"]));
        let Ok(split) = split else { panic!("{split:?}") };
        assert_eq!(split.items.iter().map(AsRef::as_ref).collect::<Vec<_>>(), ["1", r#"{"b":2}"#, "\"c\""]);
        assert_eq!(split.rest.as_deref(), Some(r#"{"z":1,"a":{"x":[]}}"#));
    }

    #[test]
    fn what_is_no_array_is_named() {
        let said = |json, keys: &[&str]| split("s", json, &path(keys)).unwrap_err().to_string();
        assert_eq!(said("{}", &["a"]), "there is no `s.a`");
        assert_eq!(said(r#"{"a":null}"#, &["a"]), "`s.a` is null, not an array");
        assert_eq!(said("[1]", &["a"]), "`s` is an array, which has no `a`");
        assert_eq!(said("7", &[]), "`s` is a number, not an array");
    }

    proptest! {
        #[test]
        fn every_element_becomes_an_item_in_order(values in prop::collection::vec(any::<i32>(), 0..50)) {
            let json = serde_json::json!({"k": values, "other": true}).to_string();
            let split = split("s", &json, &path(&["k"])).expect("an array");
            let back: Vec<i32> = split.items.iter().map(|i| i.parse().expect("a number")).collect();
            prop_assert_eq!(back, values);
            prop_assert_eq!(split.rest.as_deref(), Some(r#"{"other":true}"#));
        }
    }
}
