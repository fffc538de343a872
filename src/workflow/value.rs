//! The typed values of a workflow file, read one by one; a value of another type is a mistake.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::mistake::{Mistake, shown};

/// A value of the file, with its place.
pub(crate) type Value<'i> = Spanned<DeValue<'i>>;

/// A text from the file, with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
}

/// A key that may not be there.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Field<T> {
    #[default]
    Absent,
    /// It is there, and wrong; the mistake has been told.
    Wrong,
    Right(T),
}

impl<T> Field<T> {
    pub(crate) fn of(read: Option<T>) -> Field<T> {
        read.map_or(Field::Wrong, Field::Right)
    }

    pub(crate) fn right(self) -> Option<T> {
        match self {
            Field::Right(value) => Some(value),
            Field::Absent | Field::Wrong => None,
        }
    }
}

/// What a key holds, for the message about one that holds something else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) key: &'static str,
    /// As in "a text".
    pub(crate) what: &'static str,
    /// A line of the file that would be right.
    pub(crate) example: &'static str,
    /// What else can be done about an empty one.
    pub(crate) or: &'static str,
}

/// A text that is not empty and holds nothing that cannot be seen; `lines` allows line ends and tabs.
pub(crate) fn text(value: &Value<'_>, wanted: Wanted, lines: bool, found: &mut Vec<Mistake>) -> Option<Word> {
    let DeValue::String(text) = value.get_ref() else {
        return wrong_type(value, wanted, found);
    };
    let span = value.span();
    let hidden = |c: &char| c.is_control() && !(lines && matches!(c, '\n' | '\r' | '\t'));
    if let Some(c) = text.chars().find(hidden) {
        let character =
            if c == '\0' { "a NUL character".to_owned() } else { format!("the control character U+{:04X}", c as u32) };
        let title = format!("`{}` holds {character}", wanted.key);
        found.push(Mistake::new(span, title, "", "remove it"));
        return None;
    }
    if text.trim().is_empty() {
        let help = format!("write {}{}", wanted.example, wanted.or);
        found.push(Mistake::new(span, format!("`{}` is empty", wanted.key), "", help));
        return None;
    }
    Some(Word { text: text.clone().into_owned(), span })
}

/// An array of texts; those that are none are told, and left out.
pub(crate) fn texts(value: &Value<'_>, wanted: Wanted, found: &mut Vec<Mistake>) -> Vec<Word> {
    match value.get_ref() {
        DeValue::Array(array) => array.iter().filter_map(|element| element_text(element, wanted, found)).collect(),
        DeValue::String(text) => {
            let help = format!("write {} = [\"{}\"]", wanted.key, text.escape_debug());
            let help =
                if text.trim().is_empty() || text.len() > 80 { format!("write {}", wanted.example) } else { help };
            let title = format!("`{}` must be {}", wanted.key, wanted.what);
            found.push(Mistake::new(value.span(), title, "found a string", help));
            Vec::new()
        }
        _ => wrong_type(value, wanted, found).unwrap_or_default(),
    }
}

fn element_text(element: &Value<'_>, wanted: Wanted, found: &mut Vec<Mistake>) -> Option<Word> {
    let title = || format!("`{}` must be {}", wanted.key, wanted.what);
    let label = match element.get_ref() {
        DeValue::String(text) if text.trim().is_empty() => "this element is empty".to_owned(),
        DeValue::String(_) => return text(element, wanted, false, found),
        other => format!("this element is {}", name_of(other)),
    };
    found.push(Mistake::new(element.span(), title(), label, format!("write {}", wanted.example)));
    None
}

/// Tells that a value is of another type; nothing was read.
pub(crate) fn wrong_type<T>(value: &Value<'_>, wanted: Wanted, found: &mut Vec<Mistake>) -> Option<T> {
    let title = format!("`{}` must be {}", wanted.key, wanted.what);
    let label = format!("found {}", name_of(value.get_ref()));
    found.push(Mistake::new(value.span(), title, label, format!("write {}", wanted.example)));
    None
}

/// The type of a value, as people call it.
pub(crate) fn name_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// Tells of a key that there is not. One that has its place elsewhere says where.
pub(crate) fn unknown_key(
    key: &Word,
    place: &str,
    keys: &[&str],
    meant: Option<&str>,
    elsewhere: Option<&str>,
    found: &mut Vec<Mistake>,
) {
    let help = match (elsewhere, meant) {
        (Some(elsewhere), _) => elsewhere.to_owned(),
        (None, Some(meant)) => format!("did you mean `{meant}`?"),
        (None, None) => {
            let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            format!("the keys of {place} are {}", keys.join(", "))
        }
    };
    let title = format!("there is no key {} in {place}", shown(&key.text));
    found.push(Mistake::new(key.span.clone(), title, "", help));
}
