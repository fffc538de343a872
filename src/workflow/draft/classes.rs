//! The table `classes` of a command or a request.

use std::ops::RangeInclusive;

use crate::workflow::class::class;
use crate::workflow::classes::{Classes, EXIT_CODES};
use crate::workflow::keys::Key;
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
    let one = Key { name: "class", what: "the name of a class in quotes", or: "", ..key };
    let read: Vec<_> =
        value::entries(table).map(|(word, value)| (code(&word, key, codes, found), class(value, one, found))).collect();
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
