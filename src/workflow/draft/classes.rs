//! The table `classes` of a command or a request.

use std::ops::RangeInclusive;

use super::suggestion::suggestion;
use crate::model::failure::FailureClass;
use crate::workflow::classes::{Classes, EXIT_CODES};
use crate::workflow::keys::{self, Key};
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::value::{self, Value, Word};

/// Reads it; `codes` are those that it may name.
pub(super) fn classes(
    value: &Value<'_>,
    key: Key,
    codes: &RangeInclusive<u16>,
    found: &mut Vec<Mistake>,
) -> Option<Classes> {
    let table = value::table(value, key, found)?;
    let read: Vec<_> =
        value::entries(table).map(|(word, value)| (code(&word, key, codes, found), class(value, key, found))).collect();
    read.into_iter().map(|(code, class)| Some((code?, class?))).collect()
}

fn code(word: &Word, key: Key, codes: &RangeInclusive<u16>, found: &mut Vec<Mistake>) -> Option<u16> {
    // As people write a number, so that none stands there twice.
    let number = word.text.parse().ok().filter(|number: &u16| number.to_string() == word.text);
    if let Some(number) = number.filter(|number| codes.contains(number)) {
        return Some(number);
    }
    let what = if *codes == EXIT_CODES { "exit code" } else { "status" };
    let title = format!("{} is no {what} that `classes` can name", shown(&word.text));
    let help = format!("write a number from {} to {}, as in {}", codes.start(), codes.end(), key.example);
    found.push(Mistake::new(word.span.clone(), title, "", help));
    None
}

fn class(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<FailureClass> {
    let known: Vec<Key> = keys::classes().map(keys::class).collect();
    let one = Key { name: "class", what: "the name of a class in quotes", or: "", ..key };
    let word = value::text(value, one, false, found)?;
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
