//! Splits arrays into items. Pure; JSON text in, JSON text out, without building the values.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::model::json::Object;

/// Arrays taken out of the values they stood in, and made into items. Of a product no item is made before it is asked for: there may be
/// many more of them than elements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Split {
    items: Items,
    /// By name, the values without the arrays; a value that was the array is not among them.
    pub(crate) rest: Vec<(Arc<str>, Arc<str>)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Items {
    Plain(Vec<Arc<str>>),
    /// Elements of arrays in an array, each with the place of its own array there, and its place in it.
    Flat {
        items: Vec<(Arc<str>, usize, usize)>,
        parents: Vec<Arc<str>>,
    },
    /// Each element of one with each of the others.
    Product(Vec<(Arc<str>, Vec<Arc<str>>)>),
}

/// One item, with what comes beside it into the input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) json: Arc<str>,
    pub(crate) beside: Vec<(&'static str, Arc<str>)>,
}

/// An array, and the value without it; `None` where the value was the array.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Taken {
    pub(crate) items: Vec<Arc<str>>,
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

impl Split {
    /// An item for each element.
    pub(crate) fn plain(name: Arc<str>, Taken { items, rest }: Taken) -> Split {
        let rest = rest.map(|rest| (name, rest)).into_iter().collect();
        Split { items: Items::Plain(items), rest }
    }

    /// An item for each element of the arrays at `path` in the elements. What is null has none: an item that was skipped.
    pub(crate) fn flat(name: Arc<str>, taken: Taken, place: &str, path: &[String]) -> Result<Split, SplitError> {
        let (mut items, mut parents) = (Vec::new(), Vec::with_capacity(taken.items.len()));
        for (at, element) in taken.items.into_iter().enumerate() {
            if kind(&element) == "null" {
                parents.push(element);
                continue;
            }
            let Taken { items: inner, rest } = take(&format!("{place}[{at}]"), &element, path)?;
            parents.push(rest.unwrap_or_else(|| "null".into()));
            items.extend(inner.into_iter().enumerate().map(|(within, item)| (item, at, within)));
        }
        let rest = taken.rest.map(|rest| (name, rest)).into_iter().collect();
        Ok(Split { items: Items::Flat { items, parents }, rest })
    }

    /// An item for each element of the first array with each of the others, the last one changing fastest.
    pub(crate) fn product(arrays: Vec<(Arc<str>, Vec<Arc<str>>)>, rest: Vec<(Arc<str>, Arc<str>)>) -> Split {
        Split { items: Items::Product(arrays), rest }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.items {
            Items::Plain(items) => items.len(),
            Items::Flat { items, .. } => items.len(),
            Items::Product(arrays) => {
                arrays.iter().fold(1, |product: usize, (_, array)| product.saturating_mul(array.len()))
            }
        }
    }

    pub(crate) fn item(&self, at: usize) -> Option<Item> {
        match &self.items {
            Items::Plain(items) => Some(Item { json: items.get(at)?.clone(), beside: Vec::new() }),
            Items::Flat { items, parents } => {
                let (json, parent, within) = items.get(at)?;
                let index = format!("[{parent},{within}]");
                let beside = vec![("parent", parents.get(*parent)?.clone()), ("index", index.into())];
                Some(Item { json: json.clone(), beside })
            }
            Items::Product(arrays) => product_item(arrays, at),
        }
    }
}

fn product_item(arrays: &[(Arc<str>, Vec<Arc<str>>)], mut at: usize) -> Option<Item> {
    let mut places = Vec::with_capacity(arrays.len());
    for (_, array) in arrays.iter().rev() {
        places.push(at.checked_rem(array.len())?);
        at /= array.len();
    }
    if at > 0 {
        return None;
    }
    places.reverse();
    let elements = arrays.iter().zip(&places).map(|((name, array), place)| Some((name, array.get(*place)?)));
    let elements: Vec<(&Arc<str>, &Arc<str>)> = elements.collect::<Option<_>>()?;
    let listed: Vec<String> =
        elements.into_iter().map(|(name, element)| format!("{}:{element}", quoted(name))).collect();
    let index: Vec<String> = places.iter().map(usize::to_string).collect();
    let beside = vec![("index", format!("[{}]", index.join(",")).into())];
    Some(Item { json: format!("{{{}}}", listed.join(",")).into(), beside })
}

fn quoted(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}

/// Takes the array at `path` out of `json`; `root` is what the value is called in messages.
pub(crate) fn take(root: &str, json: &str, path: &[String]) -> Result<Taken, SplitError> {
    match path.split_first() {
        None => Ok(Taken { items: elements(root, json)?, rest: None }),
        Some((key, below)) => {
            let mut object = object(root, json, key)?;
            let place = format!("{root}.{key}");
            let value = object.get(key).ok_or_else(|| SplitError::Missing(place.clone()))?;
            let Taken { items, rest } = take(&place, value, below)?;
            match rest {
                None => object.remove(key),
                Some(rest) => object.put(key, rest.to_string()),
            }
            Ok(Taken { items, rest: Some(object.to_text().into()) })
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
        let split = take("check", r#"{"z":1,"a":{"scenes":[1, {"b":2},"c"],"x":[]}}"#, &path(&["a", "scenes"]));
        let Ok(split) = split else { panic!("{split:?}") };
        assert_eq!(split.items.iter().map(AsRef::as_ref).collect::<Vec<_>>(), ["1", r#"{"b":2}"#, "\"c\""]);
        assert_eq!(split.rest.as_deref(), Some(r#"{"z":1,"a":{"x":[]}}"#));
    }

    #[test]
    fn what_is_no_array_is_named() {
        let said = |json, keys: &[&str]| take("s", json, &path(keys)).unwrap_err().to_string();
        assert_eq!(said("{}", &["a"]), "there is no `s.a`");
        assert_eq!(said(r#"{"a":null}"#, &["a"]), "`s.a` is null, not an array");
        assert_eq!(said("[1]", &["a"]), "`s` is an array, which has no `a`");
        assert_eq!(said("7", &[]), "`s` is a number, not an array");
    }

    fn shown(split: &Split) -> String {
        let item = |at| {
            let Item { json, beside } = split.item(at).expect("within its length");
            let beside: Vec<String> = beside.iter().map(|(name, json)| format!("{name} {json}")).collect();
            format!("{json} ({})\n", beside.join(", "))
        };
        assert_eq!(split.item(split.len()), None);
        (0..split.len()).map(item).collect()
    }

    #[test]
    fn an_array_of_arrays_is_flattened_and_each_item_knows_its_parent() {
        let json = r#"[{"title":"a","pages":[1,2]},{"pages":[]},null,{"pages":[3],"title":"b"}]"#;
        let taken = take("render", json, &[]).expect("an array");
        let split = Split::flat("render".into(), taken, "render", &path(&["pages"])).expect("arrays");
        insta::assert_snapshot!(shown(&split), @r#"
        1 (parent {"title":"a"}, index [0,0])
        2 (parent {"title":"a"}, index [0,1])
        3 (parent {"title":"b"}, index [3,0])
        "#);
        let nested = take("plan", "[[1],[2,3]]", &[]).expect("an array");
        let split = Split::flat("plan".into(), nested, "plan", &[]).expect("arrays");
        insta::assert_snapshot!(shown(&split), @r"
        1 (parent null, index [0,0])
        2 (parent null, index [1,0])
        3 (parent null, index [1,1])
        ");
        let odd = take("plan", r#"[{"pages":[]},{"pages":7}]"#, &[]).expect("an array");
        let said = Split::flat("plan".into(), odd, "plan", &path(&["pages"])).expect_err("no array").to_string();
        assert_eq!(said, "`plan[1].pages` is a number, not an array");
    }

    #[test]
    fn a_product_has_each_element_with_each_of_the_others() {
        let array = |name: &str, items: &[&str]| (Arc::from(name), items.iter().map(|item| Arc::from(*item)).collect());
        let split = Split::product(vec![array("probe", &["1", "2"]), array("codec", &["\"a\"", "\"b\""])], Vec::new());
        insta::assert_snapshot!(shown(&split), @r#"
        {"probe":1,"codec":"a"} (index [0,0])
        {"probe":1,"codec":"b"} (index [0,1])
        {"probe":2,"codec":"a"} (index [1,0])
        {"probe":2,"codec":"b"} (index [1,1])
        "#);
        let none = Split::product(vec![array("probe", &["1"]), array("codec", &[])], Vec::new());
        assert_eq!((none.len(), none.item(0)), (0, None));
    }

    proptest! {
        #[test]
        fn every_element_becomes_an_item_in_order(values in prop::collection::vec(any::<i32>(), 0..50)) {
            let json = serde_json::json!({"k": values, "other": true}).to_string();
            let split = take("s", &json, &path(&["k"])).expect("an array");
            let back: Vec<i32> = split.items.iter().map(|i| i.parse().expect("a number")).collect();
            prop_assert_eq!(back, values);
            prop_assert_eq!(split.rest.as_deref(), Some(r#"{"other":true}"#));
        }
    }
}
