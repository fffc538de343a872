//! What a run under test has given up.

use crate::store::dead_letters::DeadLetter;

/// A job that was given up and that nobody has retried or dismissed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestDeadLetter {
    /// Its stage's name.
    pub stage: String,
    /// The item of a fanned-out stage, from 0.
    pub item: Option<i32>,
    /// The failure class of its last attempt.
    pub class: String,
    /// What that attempt said.
    pub message: String,
    /// How many attempts it had.
    pub attempts: i32,
}

impl From<DeadLetter> for TestDeadLetter {
    fn from(letter: DeadLetter) -> TestDeadLetter {
        let DeadLetter { stage, item, class, message, attempts, .. } = letter;
        TestDeadLetter { stage, item, class, message, attempts }
    }
}
