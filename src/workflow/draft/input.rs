//! The table `[input]` of a workflow.

use toml::de::{DeTable, DeValue};

use crate::workflow::input::{DeclaredInput, InputKey, InputType};
use crate::workflow::json::json;
use crate::workflow::keys::{self, Key};
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::suggestion::suggestion;
use crate::workflow::value::{self, Value, Word};

/// Reads it, or another one that is written in the same way.
pub(super) fn declared(value: &Value<'_>, key_of: Key, found: &mut Vec<Mistake>) -> Option<DeclaredInput> {
    let table = value::table(value, key_of, found)?;
    let read: Vec<_> = value::entries(table).map(|(word, value)| key(word, value, found)).collect();
    let mut keys = read.into_iter().collect::<Option<Vec<_>>>()?;
    // Their order means nothing, and makes no new version.
    keys.sort_by(|one, other| one.key.cmp(&other.key));
    Some(DeclaredInput(keys))
}

fn key(word: Word, value: &Value<'_>, found: &mut Vec<Mistake>) -> Option<InputKey> {
    if word.text.is_empty() || word.text.contains(char::is_control) {
        let title = format!("{} is no key of an input", shown(&word.text));
        found.push(Mistake::new(word.span, title, "", "write a name that can be seen, such as topic"));
        return None;
    }
    match value.get_ref() {
        DeValue::Table(table) => described(word, table, found),
        _ => Some(InputKey {
            key: word.text,
            kind: kind(value, found)?,
            optional: false,
            default: None,
            description: None,
        }),
    }
}

fn described(word: Word, table: &DeTable<'_>, found: &mut Vec<Mistake>) -> Option<InputKey> {
    let before = found.len();
    let (mut of_type, mut required, mut default, mut description) = (None, None, None, None);
    for (key, value) in value::entries(table) {
        match key.text.as_str() {
            "type" => of_type = kind(value, found),
            "required" => required = value::flag(value, keys::REQUIRED, found),
            "default" => default = json(value, keys::DEFAULT, found).map(|text| (text, value)),
            "description" => description = value::text(value, keys::INPUT_DESCRIPTION, true, found),
            unknown => {
                let meant = suggestion(unknown, keys::INPUT_KEYS, found.len());
                value::unknown_key(&key, "the table of an input key", keys::INPUT_KEYS, meant, None, found);
            }
        }
    }
    if !table.contains_key("type") {
        let title = format!("{} has no type", shown(&word.text));
        let help = format!("add {}; the types are {}", keys::TYPE.example, keys::TYPES.join(", "));
        found.push(Mistake::new(word.span.clone(), title, "", help));
    }
    if let (Some(kind), Some((_, value))) = (of_type, &default)
        && !fits(kind, value.get_ref())
    {
        let (key, kind) = (shown(&word.text), kind.in_words());
        let title = format!("the default of {key} is {}, and {key} is {kind}", value::name_of(value.get_ref()));
        found.push(Mistake::new(value.span(), title, "", "write another default, or another type"));
    }
    if let (Some(true), Some((_, value))) = (required, &default) {
        let title = format!("{} has a default, so it may be left out", shown(&word.text));
        found.push(Mistake::new(value.span(), title, "", "remove `default`, or `required = true`"));
    }
    let (default, description) = (default.map(|(text, _)| text), description.map(|word| word.text));
    let optional = required == Some(false) && default.is_none();
    let key = InputKey { key: word.text, kind: of_type?, optional, default, description };
    (found.len() == before).then_some(key)
}

fn kind(value: &Value<'_>, found: &mut Vec<Mistake>) -> Option<InputType> {
    InputType::from_word(value::one_of(value, keys::TYPE, keys::TYPES, found)?)
}

fn fits(kind: InputType, value: &DeValue<'_>) -> bool {
    match kind {
        InputType::String => matches!(value, DeValue::String(_)),
        InputType::Number => matches!(value, DeValue::Integer(_) | DeValue::Float(_)),
        InputType::Integer => matches!(value, DeValue::Integer(_)),
        InputType::Boolean => matches!(value, DeValue::Boolean(_)),
        InputType::Array => matches!(value, DeValue::Array(_)),
        InputType::Object => matches!(value, DeValue::Table(_)),
        InputType::Any => true,
    }
}
