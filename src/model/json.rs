//! JSON as it was written: the value at a path is found and replaced as text, so that the digits of a number and the order of
//! keys stay as they are. Pure.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::quoted;

/// What stands at that place: a key of an object, or the number of an element of an array, from the outside in.
pub(crate) fn at<'t>(json: &'t str, path: &[String]) -> Option<&'t str> {
    path.iter().try_fold(json, |json, key| inside(json, key))
}

/// One step further in; `None` where there is no such thing.
fn inside<'t>(json: &'t str, key: &str) -> Option<&'t str> {
    let found = serde_json::Deserializer::from_str(json).deserialize_any(Inside(key)).ok()?;
    found.map(RawValue::get)
}

struct Inside<'k>(&'k str);

impl<'de> Visitor<'de> for Inside<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<&RawValue>()? {
            // Of a key that is there twice the last one counts, as it does for Postgres and for most programs.
            match is_key(key.get(), self.0) {
                true => found = Some(map.next_value()?),
                false => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(found)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut elements: S) -> Result<Self::Value, S::Error> {
        let number: usize = self.0.parse().map_err(|_| S::Error::custom("no number of an element"))?;
        for _ in 0..number {
            if elements.next_element::<IgnoredAny>()?.is_none() {
                return Ok(None);
            }
        }
        let found = elements.next_element()?;
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}

/// Whether a key as it is written is that one.
fn is_key(written: &str, key: &str) -> bool {
    match written.contains('\\') {
        true => serde_json::from_str::<String>(written).is_ok_and(|read| read == key),
        false => written.get(1..written.len() - 1) == Some(key),
    }
}

/// An object in the order it was written, keys and values by their very text.
#[derive(Debug, Default)]
pub(crate) struct Object<'t>(Vec<(Cow<'t, str>, Cow<'t, str>)>);

impl<'t> Object<'t> {
    /// `None` where the text is no object.
    pub(crate) fn read(json: &'t str) -> Option<Object<'t>> {
        serde_json::from_str(json).ok()
    }

    /// Which field has that key: of several the last one.
    fn place(&self, key: &str) -> Option<usize> {
        self.0.iter().rposition(|(written, _)| is_key(written, key))
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.place(key).map(|place| &*self.0[place].1)
    }

    /// Takes the field away, and every other of that key.
    pub(crate) fn remove(&mut self, key: &str) {
        self.0.retain(|(written, _)| !is_key(written, key));
    }

    /// Puts a value in the place of the one that the key has, or behind all others.
    pub(crate) fn put(&mut self, key: &str, json: String) {
        match self.place(key) {
            Some(place) => self.0[place].1 = json.into(),
            None => self.0.push((string(key).into(), json.into())),
        }
    }

    pub(crate) fn to_text(&self) -> String {
        let fields: Vec<String> = self.0.iter().map(|(key, value)| format!("{key}:{value}")).collect();
        format!("{{{}}}", fields.join(","))
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object<'de>, M::Error> {
                let mut object = Object::default();
                while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    object.0.push((key.get().into(), value.get().into()));
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// What holds the place is no object, so that it cannot have that key.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the key `{}` cannot be set: what would hold it is no object", quoted::quoted(.0))]
pub(crate) struct NoObject(String);

/// The text with that value at that place; objects that lead there are made where nothing or null stands.
pub(crate) fn with(json: &str, path: &[&str], value: &str) -> Result<String, NoObject> {
    let Some((key, below)) = path.split_first() else { return Ok(value.to_owned()) };
    let object = if json.trim() == "null" { Some(Object::default()) } else { Object::read(json) };
    let mut object = object.ok_or_else(|| NoObject((*key).to_owned()))?;
    let inner = with(object.get(key).unwrap_or("null"), below, value)?;
    object.put(key, inner);
    Ok(object.to_text())
}

/// A text as JSON.
pub(crate) fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The same on one line, without white space between its parts.
pub(crate) fn compact(json: &str) -> String {
    Pieces::of(json).map(|(_, piece)| piece).collect()
}

/// The same on many lines, as `serde_json` indents.
pub(crate) fn indented(json: &str) -> String {
    let (mut text, mut depth) = (String::with_capacity(2 * json.len()), 0);
    let mut pieces = Pieces::of(json).map(|(_, piece)| piece).peekable();
    let line = |depth: usize| format!("\n{}", "  ".repeat(depth));
    while let Some(piece) = pieces.next() {
        match piece {
            "{" | "[" => {
                text += piece;
                match pieces.next_if(|next| matches!(*next, "}" | "]")) {
                    Some(end) => text += end,
                    None => {
                        depth += 1;
                        text += &line(depth);
                    }
                }
            }
            "}" | "]" => {
                depth = depth.saturating_sub(1);
                text += &line(depth);
                text += piece;
            }
            "," => {
                text += piece;
                text += &line(depth);
            }
            ":" => text += ": ",
            other => text += other,
        }
    }
    text
}

/// Where in the text the byte stands, for people: ``the string at `a.0.b` (character 7)``.
pub(crate) fn place(json: &str, byte: usize) -> String {
    /// A key as it is written, or the number of an element.
    enum Step<'t> {
        Key(&'t str),
        Number(usize),
    }
    let (mut path, mut awaits_key) = (Vec::new(), false);
    for (start, piece) in Pieces::of(json) {
        if start + piece.len() > byte {
            break;
        }
        match (piece, path.last_mut()) {
            ("{", _) => path.push(Step::Key("")),
            ("[", _) => path.push(Step::Number(0)),
            ("}" | "]", _) => _ = path.pop(),
            (",", Some(Step::Number(number))) => *number += 1,
            (key, Some(Step::Key(last))) if awaits_key && key.starts_with('"') => *last = key.trim_matches('"'),
            _ => {}
        }
        awaits_key = piece == "{" || (piece == "," && matches!(path.last(), Some(Step::Key(_))));
    }
    if awaits_key {
        path.pop();
    }
    let steps = path.iter().map(|step| match step {
        Step::Key(key) => key.chars().filter(|c| !c.is_control()).take(KEY).collect(),
        Step::Number(number) => number.to_string(),
    });
    let at = steps.collect::<Vec<String>>().join(".");
    let (what, at) = match (awaits_key, at.is_empty()) {
        (true, true) => ("a key", String::new()),
        (true, false) => ("a key of", format!(" `{at}`")),
        (false, true) => ("the string", String::new()),
        (false, false) => ("the string at", format!(" `{at}`")),
    };
    format!("{what}{at} (character {})", json.get(..byte).unwrap_or_default().chars().count() + 1)
}

/// That [`place`], of a text that is the value of a key. The character is still counted in the text itself.
pub(crate) fn below(place: &str, key: &str) -> String {
    if let Some((what, path)) = place.split_once(" `") {
        return format!("{what} `{key}.{path}");
    }
    let (what, character) = place.split_once(" (").unwrap_or((place, ""));
    let place = if what == "a key" { "of" } else { "at" };
    format!("{what} {place} `{key}` ({character}")
}

/// Characters of a key that a message quotes.
const KEY: usize = 40;

/// Strings, numbers, words and marks of a text, with where they begin; white space between them is left out. Of what is
/// not JSON it makes something too.
struct Pieces<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Pieces<'t> {
    fn of(text: &'t str) -> Pieces<'t> {
        Pieces { text, at: 0 }
    }
}

impl<'t> Iterator for Pieces<'t> {
    type Item = (usize, &'t str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.text[self.at..].trim_start_matches([' ', '\t', '\n', '\r']);
        let start = self.text.len() - rest.len();
        let length = match rest.chars().next()? {
            '"' => quoted(rest),
            '{' | '}' | '[' | ']' | ',' | ':' => 1,
            _ => rest.find([' ', '\t', '\n', '\r', '"', '{', '}', '[', ']', ',', ':']).unwrap_or(rest.len()),
        };
        self.at = start + length;
        Some((start, &rest[..length]))
    }
}

/// Bytes of the string that the text begins with.
fn quoted(text: &str) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return at + 1,
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests;
