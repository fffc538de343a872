//! The name of a failure class in a file.

use super::keys::{self, Key};
use super::mistake::{Mistake, shown};
use super::suggestion::suggestion;
use super::value::{self, Value};
use crate::model::failure::FailureClass;

/// One that a stage can fail with.
pub(crate) fn class(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<FailureClass> {
    one_of(value, key, keys::classes(), found)
}

/// One that a job can be given up with because of what its stage came to.
pub(crate) fn class_of_end(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<FailureClass> {
    one_of(value, key, keys::classes_of_ends(), found)
}

fn one_of(
    value: &Value<'_>,
    key: Key,
    classes: impl Iterator<Item = FailureClass>,
    found: &mut Vec<Mistake>,
) -> Option<FailureClass> {
    let known: Vec<Key> = classes.map(keys::class).collect();
    let word = value::text(value, key, false, found)?;
    let is_known = |class: &FailureClass| known.iter().any(|known| known.name == class.as_str());
    let class = FailureClass::from_word(&word.text).filter(is_known);
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
