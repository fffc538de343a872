//! What an expression sees of JSON: the places that it reads, and nothing beside them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cel::Value;
use cel::objects::{Key, Map};
use serde_json::value::RawValue;

use super::reads::Read;
use super::undecided::{MOST_BYTES, Undecided};

/// Which parts of a value are read.
#[derive(Default)]
struct Wanted<'r> {
    whole: bool,
    keys: BTreeMap<&'r str, Wanted<'r>>,
}

/// Values by name, and how many bytes of JSON they were. A name that `find` does not have is left out.
pub(super) fn seen<'j>(
    reads: &[Read],
    find: &impl Fn(&str) -> Option<&'j str>,
) -> Result<(Vec<(String, Value)>, usize), Undecided> {
    let mut wanted: BTreeMap<&str, Wanted<'_>> = BTreeMap::new();
    for read in reads {
        let mut at = wanted.entry(read.head.as_str()).or_default();
        for key in &read.path {
            at = at.keys.entry(key.as_str()).or_default();
        }
        at.whole = true;
    }
    let mut bytes = 0;
    let mut values = Vec::with_capacity(wanted.len());
    for (name, wanted) in wanted {
        let Some(json) = find(name) else { continue };
        values.push((name.to_owned(), part(json, &wanted, name, &mut bytes)?));
    }
    Ok((values, bytes))
}

fn part(json: &str, wanted: &Wanted<'_>, name: &str, bytes: &mut usize) -> Result<Value, Undecided> {
    let json = json.trim();
    if wanted.whole || !json.starts_with('{') {
        *bytes += json.len();
        if *bytes > MOST_BYTES {
            return Err(Undecided::TooLarge);
        }
        return value(json).ok_or_else(|| Undecided::Unreadable(name.to_owned()));
    }
    let fields: HashMap<String, &RawValue> =
        serde_json::from_str(json).map_err(|_| Undecided::Unreadable(name.to_owned()))?;
    let mut map = HashMap::new();
    for (key, wanted) in &wanted.keys {
        if let Some(field) = fields.get(*key) {
            map.insert(Key::from(*key), part(field.get(), wanted, name, bytes)?);
        }
    }
    Ok(Value::Map(Map { map: Arc::new(map) }))
}

/// `None` where a text in it is no text, such as half a surrogate pair.
fn value(json: &str) -> Option<Value> {
    let json = json.trim();
    Some(match json.as_bytes().first()? {
        b'{' => {
            let fields: HashMap<String, &RawValue> = serde_json::from_str(json).ok()?;
            let fields = fields.into_iter().map(|(key, field)| Some((Key::from(key), value(field.get())?)));
            Value::Map(Map { map: Arc::new(fields.collect::<Option<_>>()?) })
        }
        b'[' => {
            let elements: Vec<&RawValue> = serde_json::from_str(json).ok()?;
            Value::List(Arc::new(elements.into_iter().map(|element| value(element.get())).collect::<Option<_>>()?))
        }
        b'"' => Value::String(Arc::new(serde_json::from_str(json).ok()?)),
        b't' => Value::Bool(true),
        b'f' => Value::Bool(false),
        b'n' => Value::Null,
        _ => number(json),
    })
}

/// What does not fit is the text of its digits.
fn number(digits: &str) -> Value {
    let text = || Value::String(Arc::new(digits.to_owned()));
    if let Ok(number) = digits.parse::<i64>() {
        return Value::Int(number);
    }
    if let Ok(number) = digits.parse::<u64>() {
        return Value::UInt(number);
    }
    let is_whole = !digits.contains(['.', 'e', 'E']);
    match digits.parse::<f64>() {
        Ok(number) if number.is_finite() && !is_whole => Value::Float(number),
        Ok(_) | Err(_) => text(),
    }
}

/// What a result is that is not true or false.
pub(super) fn in_words(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "an array",
        Value::Map(_) => "an object",
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => "a number",
        Value::String(_) | Value::Bytes(_) => "a text",
        Value::Bool(_) => "true or false",
        Value::Null => "null",
        _ => "no value of JSON",
    }
}
