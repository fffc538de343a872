//! The table `repeat` of a stage that decides whether it was good enough.

use std::ops::Range;

use crate::workflow::condition::Condition;
use crate::workflow::definition::Then;
use crate::workflow::keys::{self, Key, Shape};
use crate::workflow::mistake::Mistake;
use crate::workflow::suggestion::suggestion;
use crate::workflow::value::{self, Value, Word};

/// The table, key by key.
#[derive(Debug, Clone)]
pub(crate) struct DraftRepeat {
    pub(crate) span: Range<usize>,
    /// The stage itself, where it is left out.
    pub(crate) from: Option<Word>,
    pub(crate) until: (Word, Condition),
    pub(crate) at_most: u32,
    pub(crate) then: Then,
}

/// Reads it; `None` where something in it is wrong.
pub(super) fn repeat(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<DraftRepeat> {
    let before = found.len();
    let table = value::table(value, key, found)?;
    let (mut from, mut until, mut at_most, mut then) = (None, None, None, None);
    for (key, value) in value::entries(table) {
        match key.text.as_str() {
            "from" => from = value::text(value, keys::FROM, false, found),
            "until" => until = value::condition(value, keys::GOOD, found),
            "at_most" => at_most = value::number(value, keys::AT_MOST, found),
            "then" => {
                let Shape::Word(words) = keys::THEN.shape else { continue };
                then = value::one_of(value, keys::THEN, words, found);
            }
            unknown => {
                let meant = suggestion(unknown, keys::REPEAT_KEYS, found.len());
                value::unknown_key(&key, "`repeat`", keys::REPEAT_KEYS, meant, None, found);
            }
        }
    }
    for (key, why) in [
        (keys::GOOD, "does not say what is good enough"),
        (keys::AT_MOST, "does not say how many rounds there are at most, and might never end"),
    ] {
        if !table.contains_key(key.name) {
            found.push(Mistake::new(value.span(), format!("`repeat` {why}"), "", format!("add {}", key.example)));
        }
    }
    let then = if then == Some("keep") { Then::Keep } else { Then::Fail };
    let repeat = DraftRepeat { span: value.span(), from, until: until?, at_most: at_most?, then };
    (found.len() == before).then_some(repeat)
}
