//! The name of a failure class in a file.

use super::keys::{self, Key};
use super::mistake::{Mistake, shown};
use super::suggestion::suggestion;
use super::value::{self, Value};
use crate::model::failure::FailureClass;

/// One that a stage can fail with.
pub(crate) fn class(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<FailureClass> {
    let known: Vec<Key> = keys::classes().map(keys::class).collect();
    let word = value::text(value, key, false, found)?;
    let class = FailureClass::from_word(&word.text).filter(|class| class.is_returned_by_stages());
    if class.is_none() {
        let help = match suggestion(&word.text, &known, found.len()) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => format!("the classes are {}", known.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")),
        };
        let title = format!("{} is no class of failures", shown(&word.text));
        found.push(Mistake::new(word.span, title, "", help));
    }
    class
}
