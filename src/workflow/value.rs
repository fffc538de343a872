//! The typed values of a workflow file, read one by one; a value of another type is a mistake.

use std::ops::Range;
use std::time::Duration;

use bytesize::ByteSize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::condition::Condition;
use super::duration;
use super::keys::{Key, Shape};
use super::mistake::{Mistake, shown};
use super::name::NameError;
use super::quorum::AtLeast;
use super::rate::Rate;
use super::similar::similar;
use super::template::Template;

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

/// A text that is not empty and holds nothing that cannot be seen; `lines` allows line ends and tabs.
pub(crate) fn text(value: &Value<'_>, key: Key, lines: bool, found: &mut Vec<Mistake>) -> Option<Word> {
    let DeValue::String(text) = value.get_ref() else {
        return wrong_type(value, key, found);
    };
    let span = value.span();
    let hidden = |c: &char| c.is_control() && !(lines && matches!(c, '\n' | '\r' | '\t'));
    if let Some(c) = text.chars().find(hidden) {
        let character =
            if c == '\0' { "a NUL character".to_owned() } else { format!("the control character U+{:04X}", c as u32) };
        let title = format!("`{}` holds {character}", key.name);
        found.push(Mistake::new(span, title, "", "remove it"));
        return None;
    }
    if text.trim().is_empty() {
        let help = format!("write {}{}", key.example, key.or);
        found.push(Mistake::new(span, format!("`{}` is empty", key.name), "", help));
        return None;
    }
    Some(Word { text: text.clone().into_owned(), span })
}

/// An array of texts; those that are none are told, and left out.
pub(crate) fn texts(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Vec<Word> {
    match value.get_ref() {
        DeValue::Array(array) => texts_of(array, key, found),
        DeValue::String(text) => {
            let help = format!("write {} = [\"{}\"]", key.name, text.escape_debug());
            let help = if text.trim().is_empty() || text.len() > 80 { format!("write {}", key.example) } else { help };
            let title = format!("`{}` must be {}", key.name, key.what);
            found.push(Mistake::new(value.span(), title, "found a string", help));
            Vec::new()
        }
        _ => wrong_type(value, key, found).unwrap_or_default(),
    }
}

/// The elements of such an array.
pub(crate) fn texts_of(elements: &[Value<'_>], key: Key, found: &mut Vec<Mistake>) -> Vec<Word> {
    elements.iter().filter_map(|element| element_text(element, key, found)).collect()
}

fn element_text(element: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<Word> {
    let title = || format!("`{}` must be {}", key.name, key.what);
    let label = match element.get_ref() {
        DeValue::String(text) if text.trim().is_empty() => "this element is empty".to_owned(),
        DeValue::String(_) => return text(element, key, false, found),
        other => format!("this element is {}", name_of(other)),
    };
    found.push(Mistake::new(element.span(), title(), label, format!("write {}", key.example)));
    None
}

/// A duration that is longer than nothing.
pub(crate) fn duration(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<Duration> {
    if let DeValue::Integer(number) = value.get_ref()
        && number.radix() == 10
    {
        let help = format!("write {} = \"{}s\" for seconds", key.name, number.as_str());
        return wrong(
            value,
            format!("`{}` must be a duration in quotes", key.name),
            "found a whole number",
            help,
            found,
        );
    }
    let word = text(value, key, false, found)?;
    match duration::parse(&word.text) {
        Ok(duration) => Some(duration),
        Err(error) => {
            let title = format!("{} is no {}", shown(&word.text), key.name.replace('_', " "));
            wrong(value, title, "", error.to_string(), found)
        }
    }
}

/// An amount of memory: at least a megabyte, for no program runs in less.
pub(crate) fn size(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<u64> {
    let word = text(value, key, false, found)?;
    let has_unit = word.text.ends_with(['B', 'b']);
    match word.text.parse::<ByteSize>() {
        Ok(size) if has_unit && size >= ByteSize::mb(1) => Some(size.as_u64()),
        Ok(_) | Err(_) => {
            let help = "write a number and a unit (MB, MiB, GB or GiB), such as \"512MiB\"; at least 1MB";
            wrong(value, format!("{} is no amount of memory", shown(&word.text)), "", help, found)
        }
    }
}

/// A whole number within what the key allows.
pub(crate) fn number(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<u32> {
    let allowed = match key.shape {
        Shape::Count { most } => 0..=most,
        Shape::Number { most } => 1..=most,
        _ => return wrong_type(value, key, found),
    };
    let DeValue::Integer(number) = value.get_ref() else { return wrong_type(value, key, found) };
    match u32::from_str_radix(number.as_str(), number.radix()) {
        Ok(number) if allowed.contains(&number) => Some(number),
        Ok(_) | Err(_) => {
            let (title, help) = (format!("`{}` must be {}", key.name, key.what), format!("write {}", key.example));
            wrong(value, title, format!("found {}", number.as_str()), help, found)
        }
    }
}

/// So many attempts in a time.
pub(crate) fn rate(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<Rate> {
    let word = text(value, key, false, found)?;
    match Rate::parse(&word.text) {
        Ok(rate) => Some(rate),
        Err(error) => wrong(value, format!("{} is no rate", shown(&word.text)), "", error.to_string(), found),
    }
}

/// A number from 0 to 1.
pub(crate) fn share(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<f64> {
    let number = match value.get_ref() {
        DeValue::Integer(number) => number.as_str().parse::<f64>(),
        DeValue::Float(number) => number.as_str().parse::<f64>(),
        _ => return wrong_type(value, key, found),
    };
    match number {
        Ok(share) if (0.0..=1.0).contains(&share) => Some(share),
        Ok(_) | Err(_) => {
            let (title, help) = (format!("`{}` must be {}", key.name, key.what), format!("write {}", key.example));
            wrong(value, title, "", help, found)
        }
    }
}

/// A share of items, or how many: a number with a point is a share.
pub(crate) fn portion(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<AtLeast> {
    const MOST: u32 = 1_000_000_000;
    let portion = match value.get_ref() {
        DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|items| (1..=MOST).contains(items))
            .map(AtLeast::Items),
        DeValue::Float(number) => number.as_str().parse().ok().and_then(AtLeast::share),
        _ => return wrong_type(value, key, found),
    };
    let title = || format!("`{}` must be {}", key.name, key.what);
    let help = || format!("write {}; a share has six digits behind the point at most", key.example);
    portion.or_else(|| wrong(value, title(), "", help(), found))
}

/// An expression that is true or false.
pub(crate) fn condition(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<(Word, Condition)> {
    let word = text(value, key, true, found)?;
    match Condition::parse(&word.text) {
        Ok(condition) => Some((word, condition)),
        Err(error) => wrong(value, format!("`{}` is no condition", key.name), "", error.to_string(), found),
    }
}

/// True or false.
pub(crate) fn flag(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<bool> {
    match value.get_ref() {
        DeValue::Boolean(flag) => Some(*flag),
        _ => wrong_type(value, key, found),
    }
}

/// One of some words.
pub(crate) fn one_of(
    value: &Value<'_>,
    key: Key,
    words: &[&'static str],
    found: &mut Vec<Mistake>,
) -> Option<&'static str> {
    let word = text(value, key, false, found)?;
    if let Some(known) = words.iter().find(|known| **known == word.text) {
        return Some(known);
    }
    let help = match similar(&word.text, words.iter().copied()) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => format!("write one of \"{}\"", words.join("\", \"")),
    };
    wrong(value, format!("{} is no {}", shown(&word.text), key.name), "", help, found)
}

/// A table, whatever is in it.
pub(crate) fn table<'v, 'i>(value: &'v Value<'i>, key: Key, found: &mut Vec<Mistake>) -> Option<&'v DeTable<'i>> {
    match value.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => wrong_type(value, key, found),
    }
}

/// The keys of a table with their values.
pub(crate) fn entries<'v, 'i>(table: &'v DeTable<'i>) -> impl Iterator<Item = (Word, &'v Value<'i>)> {
    table.iter().map(|(key, value)| (Word { text: key.get_ref().clone().into_owned(), span: key.span() }, value))
}

/// A text that is filled in when a stage starts; it may be empty.
pub(crate) fn template(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<(Word, Template)> {
    let DeValue::String(text) = value.get_ref() else { return wrong_type(value, key, found) };
    match Template::parse(text) {
        Ok(template) => Some((Word { text: text.clone().into_owned(), span: value.span() }, template)),
        Err(error) => {
            let title = format!("`{}` cannot be filled in", key.name);
            wrong(value, title, "", error.to_string(), found)
        }
    }
}

/// Tells what is wrong with a value.
pub(crate) fn wrong<T>(
    value: &Value<'_>,
    title: String,
    label: impl Into<String>,
    help: impl Into<String>,
    found: &mut Vec<Mistake>,
) -> Option<T> {
    found.push(Mistake::new(value.span(), title, label, help));
    None
}

/// Tells that a value is of another type; nothing was read.
pub(crate) fn wrong_type<T>(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<T> {
    let title = format!("`{}` must be {}", key.name, key.what);
    let label = format!("found {}", name_of(value.get_ref()));
    found.push(Mistake::new(value.span(), title, label, format!("write {}", key.example)));
    None
}

/// What is wrong with a name, and the nearest one that is right.
pub(crate) fn bad_name(what: &str, word: &Word, error: &NameError, help: String) -> Mistake {
    let title = format!("{} is no name for a {what}", shown(&word.text));
    Mistake::new(word.span.clone(), title, error.to_string(), help)
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
    keys: &[Key],
    meant: Option<&str>,
    elsewhere: Option<&str>,
    found: &mut Vec<Mistake>,
) {
    let help = match (elsewhere, meant) {
        (Some(elsewhere), _) => elsewhere.to_owned(),
        (None, Some(meant)) => format!("did you mean `{meant}`?"),
        (None, None) => {
            let keys: Vec<String> = keys.iter().map(|key| format!("`{}`", key.name)).collect();
            format!("the keys of {place} are {}", keys.join(", "))
        }
    };
    let title = format!("there is no key {} in {place}", shown(&key.text));
    found.push(Mistake::new(key.span.clone(), title, "", help));
}
