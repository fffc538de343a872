//! Outcomes that are decided and wait for the next commit.

use std::sync::Arc;

use super::hand_off::HandOff;
use super::version::Version;
use crate::model::claim::Claim;
use crate::model::id::RunKey;
use crate::store::endings::Ending;

/// Bytes of results that one statement carries, unless a single one has more.
const MOST_BYTES: usize = 32 << 20;

/// How many of the first ends one statement carries, by their bytes: one at least, where there is one.
pub(super) fn first_that_fit(bytes: impl Iterator<Item = usize>) -> usize {
    let mut sum = 0usize;
    let fits = |(at, bytes): &(usize, usize)| {
        sum = sum.saturating_add(*bytes);
        *at == 0 || sum <= MOST_BYTES
    };
    bytes.enumerate().take_while(fits).count()
}

/// Ends that are decided.
#[derive(Default)]
pub(super) struct Commits {
    pub(super) ends: Vec<(Claim, Ending)>,
    /// For each, what its next stage or item needs if the branch stays here.
    pub(super) hand_off: Vec<Option<HandOff>>,
    /// For each, the definition it follows, where it is known.
    pub(super) versions: Vec<Option<Arc<Version>>>,
    /// For each, how many artifacts it has kept whole, where it has to say what becomes of some.
    pub(super) artifacts: Vec<Option<i32>>,
    /// For each that may end a run which a stage waits for, the run of that stage: all of these ends, or none.
    pub(super) parents: Vec<RunKey>,
}

impl Commits {
    pub(super) fn push(
        &mut self,
        version: Option<Arc<Version>>,
        (claim, ending, hand_off): (Claim, Ending, Option<HandOff>),
        artifacts: Option<i32>,
    ) {
        self.ends.push((claim, ending));
        self.hand_off.push(hand_off);
        self.versions.push(version);
        self.artifacts.push(artifacts);
    }

    /// That end is another one than was expected; its branch stays nowhere.
    pub(super) fn put_instead(&mut self, at: usize, ending: Ending) {
        if let (Some(end), Some(hand_off)) = (self.ends.get_mut(at), self.hand_off.get_mut(at)) {
            end.1 = ending;
            *hand_off = None;
        }
    }

    /// The definition that an end's job follows.
    pub(super) fn version(&self, at: usize) -> Option<&Version> {
        self.versions.get(at)?.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_carries_so_many_bytes_and_one_end_at_least() {
        let fit = |bytes: &[usize]| first_that_fit(bytes.iter().copied());
        assert_eq!(fit(&[]), 0);
        assert_eq!(fit(&[10; 500]), 500);
        assert_eq!(fit(&[1 << 20; 500]), 32);
        assert_eq!(fit(&[64 << 20, 1]), 1);
        assert_eq!(fit(&[1, 64 << 20]), 1);
        assert_eq!(fit(&[usize::MAX, usize::MAX]), 1);
    }
}
