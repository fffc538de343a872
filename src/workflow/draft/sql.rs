//! What a stage with `sql` says.

use crate::workflow::keys::{self, Key};
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::sql::{Statement, odd_role};
use crate::workflow::value::{self, Value, Word};

/// The statement; the places in it are someone else's.
pub(super) fn statement(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<(Word, Statement)> {
    let word = value::text(value, key, true, found)?;
    match Statement::parse(&word.text) {
        Ok(statement) => Some((word, statement)),
        Err(error) => {
            found.push(Mistake::new(word.span, "`sql` is no statement for a stage", "", error.to_string()));
            None
        }
    }
}

/// Tells that it does not say whose rights it has.
pub(super) fn no_role(statement: &Value<'_>) -> Mistake {
    let help = format!("add {}: a role of the database that can do what the statement needs", keys::ROLE.example);
    Mistake::new(statement.span(), "`sql` does not say whose rights it has", "", help)
}

pub(super) fn role(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<String> {
    let word = value::text(value, key, false, found)?;
    let Some(help) = odd_role(&word.text) else { return Some(word.text) };
    let title = format!("{} is no role for a stage", shown(&word.text));
    found.push(Mistake::new(word.span, title, "", help));
    None
}
