//! The end that each job of a campaign must come to: drawn from its run's seed, known to its handler and to the judge. Pure.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::model::digest;
use crate::model::failure::FailureClass;

/// How an attempt does not finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stumble {
    Fails(FailureClass),
    /// The handler panics.
    Panics,
    /// It takes longer than its stage may.
    Hangs,
    /// It takes its process along.
    Aborts,
}

impl Stumble {
    /// The class on record.
    pub(crate) fn class(self) -> FailureClass {
        match self {
            Stumble::Fails(class) => class,
            Stumble::Panics => FailureClass::Unknown,
            Stumble::Hangs => FailureClass::NetworkTimeout,
            Stumble::Aborts => FailureClass::Crashed,
        }
    }
}

/// What becomes of a job.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fate {
    /// It finishes. Its first attempts may stumble, within what its retries allow.
    Finishes(Vec<Stumble>),
    /// No attempt ever finishes.
    Dies(Stumble),
}

impl Fate {
    /// How that attempt stumbles, if it does.
    pub(crate) fn stumble(&self, attempt: u32) -> Option<Stumble> {
        match self {
            Fate::Finishes(stumbles) => stumbles.get(attempt.saturating_sub(1) as usize).copied(),
            Fate::Dies(stumble) => Some(*stumble),
        }
    }
}

/// A job of a campaign.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Job {
    pub(crate) fate: Fate,
    pub(crate) takes: Duration,
    /// What its output holds.
    pub(crate) value: u64,
}

/// The job of that stage and item, in a run of that seed.
pub(crate) fn of(seed: u64, stage: &str, item: Option<u32>) -> Job {
    let name = digest::of(&format!("{seed}/{stage}/{item:?}"));
    let mut dice = StdRng::from_seed(name);
    let takes = Duration::from_millis(match dice.random_range(0..100) {
        0..80 => dice.random_range(2..100),
        80..97 => dice.random_range(100..600),
        _ => dice.random_range(1_000..3_000),
    });
    Job { fate: fate(&mut dice), takes, value: u64::from(dice.random::<u32>()) }
}

fn fate(dice: &mut StdRng) -> Fate {
    match dice.random_range(0..10_000) {
        0..3 => Fate::Dies(Stumble::Aborts),
        3..100 => Fate::Dies(stumble(dice, FailureClass::ALL)),
        100..1_300 => {
            // One of a kind: every class that is retried at all allows that.
            let retried = [FailureClass::NetworkTimeout, FailureClass::RateLimited, FailureClass::ResourceUnavailable];
            let first = stumble(dice, &retried);
            let second = (dice.random_bool(0.3)).then_some(Stumble::Fails(FailureClass::OutOfMemory));
            Fate::Finishes([first].into_iter().chain(second).collect())
        }
        _ => Fate::Finishes(Vec::new()),
    }
}

fn stumble(dice: &mut StdRng, classes: &[FailureClass]) -> Stumble {
    match dice.random_range(0..20) {
        0 => Stumble::Hangs,
        1..4 => Stumble::Panics,
        _ => {
            let class = classes[dice.random_range(0..classes.len())];
            // Nobody's handler can know of the other two.
            Stumble::Fails(if class.is_returned_by_stages() { class } else { FailureClass::InvalidInput })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_one_fate_and_there_are_all_kinds_of_them() {
        assert_eq!(of(1, "part", Some(2)), of(1, "part", Some(2)));
        let jobs: Vec<Job> = (0..20_000).map(|item| of(1, "part", Some(item))).collect();
        let die = |of: Stumble| jobs.iter().filter(|job| job.fate == Fate::Dies(of)).count();
        assert!(die(Stumble::Aborts) > 0 && die(Stumble::Panics) > 0 && die(Stumble::Hangs) > 0);
        assert!(die(Stumble::Fails(FailureClass::RateLimited)) > 0);
        let stumbles = jobs.iter().filter(|job| job.fate.stumble(1).is_some()).count();
        assert!((1_500..4_000).contains(&stumbles), "{stumbles} of 20,000 stumble");
    }
}
