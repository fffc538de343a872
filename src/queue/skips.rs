//! What follows a skip: a stage is skipped with one that it needs, unless it accepts that. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::id::RunKey;

/// Characters of a reason.
const LONGEST: usize = 1_000;

/// Words of piton.settle_race, too.
pub(super) const ANOTHER_WAS_FIRST: &str = "another was first";

/// Stages that were skipped, as far as that is known without reading.
#[derive(Debug, Default)]
pub(super) struct Skips(HashMap<(RunKey, i16), Arc<str>>);

impl Skips {
    pub(super) fn insert(&mut self, stage: (RunKey, i16), reason: &str) {
        self.0.insert(stage, reason.into());
    }

    pub(super) fn get(&self, stage: (RunKey, i16)) -> Option<Arc<str>> {
        self.0.get(&stage).cloned()
    }
}

/// What became of the needs of a stage.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// With that many it begins, where they race.
    first: Option<u32>,
    done: u32,
    /// The first one that it does not accept the skip of.
    lacks: Option<String>,
    accepted: Vec<String>,
}

impl Needs {
    pub(super) fn of(first: Option<u32>) -> Needs {
        Needs { first, ..Needs::default() }
    }

    pub(super) fn add(&mut self, name: &str, skipped: Option<&str>, is_accepted: bool) {
        match skipped {
            None => self.done = self.done.saturating_add(1),
            Some(_) if is_accepted => self.accepted.push(format!("`{name}`")),
            Some(reason) => _ = self.lacks.get_or_insert_with(|| because_of(&format!("needs `{name}`"), reason)),
        }
    }

    /// It runs after the failure of that one, which was given up or not.
    pub(super) fn add_failure(&mut self, name: &str, is_given_up: bool, skipped: Option<&str>) {
        match (is_given_up, skipped) {
            (true, _) => self.done = self.done.saturating_add(1),
            (false, None) => _ = self.lacks.get_or_insert_with(|| format!("`{name}` has not failed")),
            (false, Some(reason)) => {
                _ = self.lacks.get_or_insert_with(|| because_of(&format!("needs the failure of `{name}`"), reason));
            }
        }
    }

    /// Why the stage is skipped; `None` where it runs.
    pub(super) fn reason(self) -> Option<Arc<str>> {
        if let Some(first) = self.first.filter(|first| self.done < *first) {
            let lost = self.accepted.join(", ");
            let reason = format!("it begins with the first {first} of what it needs, and these were skipped: {lost}");
            return Some(shortened(&reason).into());
        }
        let all = || format!("all that it needs was skipped: {}", self.accepted.join(", "));
        let none_is_left = self.done == 0 && !self.accepted.is_empty();
        self.lacks.clone().or_else(|| none_is_left.then(all)).map(|reason| shortened(&reason).into())
    }
}

/// An item follows one that was skipped.
pub(super) fn followed(stage: &str, item: i32, skipped: Option<&str>) -> Option<Arc<str>> {
    skipped.map(|reason| shortened(&because_of(&format!("needs item {item} of `{stage}`"), reason)).into())
}

/// Of a chain of skips the first one is the reason of all.
fn because_of(needs: &str, reason: &str) -> String {
    const SKIPPED: &str = ", which was skipped: ";
    let first = match reason.split_once(SKIPPED) {
        Some((before, first)) if before.starts_with("needs ") => first,
        _ => reason,
    };
    format!("{needs}{SKIPPED}{first}")
}

pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(needs: &[(&str, Option<&str>, bool)]) -> Option<String> {
        let mut all = Needs::default();
        needs.iter().for_each(|(name, skipped, accepted)| all.add(name, *skipped, *accepted));
        all.reason().map(|reason| reason.to_string())
    }

    #[test]
    fn a_stage_is_skipped_with_a_need_unless_it_accepts_that_and_has_another() {
        assert_eq!(reason(&[]), None);
        assert_eq!(reason(&[("a", None, false), ("b", Some("x"), true)]), None);
        let skipped = |text: &str| Some(text.to_owned());
        assert_eq!(reason(&[("a", None, false), ("b", Some("x"), false)]), skipped("needs `b`, which was skipped: x"));
        assert_eq!(
            reason(&[("a", Some("x"), true), ("b", Some("y"), true)]),
            skipped("all that it needs was skipped: `a`, `b`")
        );
        assert_eq!(
            reason(&[("a", Some("x"), true), ("b", Some("y"), false)]),
            skipped("needs `b`, which was skipped: y")
        );
    }

    #[test]
    fn a_race_is_skipped_when_too_few_are_done() {
        let reason = |needs: &[(&str, Option<&str>)]| {
            let mut all = Needs::of(Some(2));
            needs.iter().for_each(|(name, skipped)| all.add(name, *skipped, true));
            all.reason().map(|reason| reason.to_string())
        };
        assert_eq!(reason(&[("a", None), ("b", Some("x")), ("c", None)]), None);
        assert_eq!(
            reason(&[("a", None), ("b", Some("x")), ("c", Some("y"))]).as_deref(),
            Some("it begins with the first 2 of what it needs, and these were skipped: `b`, `c`")
        );
    }

    #[test]
    fn a_chain_of_skips_keeps_the_first_reason() {
        let first = reason(&[("a", Some("`a.x` is false"), false)]).unwrap();
        assert_eq!(reason(&[("b", Some(&first), false)]).unwrap(), "needs `b`, which was skipped: `a.x` is false");
        assert_eq!(
            followed("c", 3, Some(&first)).as_deref(),
            Some("needs item 3 of `c`, which was skipped: `a.x` is false")
        );
    }
}
