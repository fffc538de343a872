//! A stage's own meanings of exit codes and statuses.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::model::failure::FailureClass;

/// Exit codes that a file may give a class: of a program that failed. 128 and its number is a signal, as shells say it.
pub(crate) const EXIT_CODES: RangeInclusive<u16> = 1..=255;
/// Statuses that a file may give a class: those of an answer, also the ones that some servers made up.
pub(crate) const STATUSES: RangeInclusive<u16> = 200..=999;

/// Classes by exit code or status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Classes(BTreeMap<u16, FailureClass>);

impl Classes {
    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The class of that exit code or status, where the file gives it one.
    pub(crate) fn of(&self, code: u16) -> Option<FailureClass> {
        self.0.get(&code).copied()
    }

    /// Whether every code is among these, and every class is one that a stage can fail with.
    pub(crate) fn are_within(&self, codes: &RangeInclusive<u16>) -> bool {
        self.0.iter().all(|(code, class)| codes.contains(code) && class.is_returned_by_stages())
    }
}

impl FromIterator<(u16, FailureClass)> for Classes {
    fn from_iter<T: IntoIterator<Item = (u16, FailureClass)>>(classes: T) -> Classes {
        Classes(classes.into_iter().collect())
    }
}
