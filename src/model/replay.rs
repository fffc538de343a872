//! What another retry policy would have made of a job's failures. Pure.

use std::time::Duration;

use super::failure::FailureClass;
use super::retry::{History, RetryPolicy, Verdict};

/// A failed attempt, as far as policies look at it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Failed {
    pub(crate) class: FailureClass,
    /// From the start of the job's first attempt to the end of this one.
    pub(crate) since_first: Duration,
}

/// How a job that failed at times ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobEnd {
    /// It was given up.
    Dead,
    /// It has its checkpoint.
    Done,
    /// It goes on, or its run ended for another reason.
    Open,
}

/// What would have become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replay {
    /// The same, as far as the failures on record tell.
    Same,
    /// It would have been tried again, up to that many times if it had gone on failing as it did last.
    GoesOn { more: u32 },
    /// It would have been given up, that many failures earlier or more.
    GivenUp { earlier: u32 },
}

/// Beyond this, more retries are not counted.
const MOST: u32 = 10_000;

/// Goes through the failures as they came, then, for a job that was given up, on with the class of the last.
pub(crate) fn replay(policy: &RetryPolicy, failures: &[Failed], end: JobEnd) -> Replay {
    let Some((last, before)) = failures.split_last() else { return Replay::Same };
    let is_given_up = |at: usize| {
        let failed = failures[at];
        gives_up(policy, failed, &failures[..at])
    };
    if let Some(at) = (0..before.len()).find(|at| is_given_up(*at)) {
        return Replay::GivenUp { earlier: count(failures.len() - 1 - at) };
    }
    match (end, is_given_up(before.len())) {
        (JobEnd::Dead, true) | (JobEnd::Done | JobEnd::Open, false) => Replay::Same,
        (JobEnd::Done | JobEnd::Open, true) => Replay::GivenUp { earlier: 0 },
        (JobEnd::Dead, false) => goes_on(policy, failures, *last),
    }
}

/// Retries until the policy gives up. They are not waited for: a deadline is held against the time that had passed.
fn goes_on(policy: &RetryPolicy, failures: &[Failed], last: Failed) -> Replay {
    let of_class = count(failures.iter().filter(|failed| failed.class == last.class).count());
    let all = count(failures.len());
    let more = (1..MOST).find(|more| {
        let (of_this_class, of_any_class) = (of_class - 1 + more, all - 1 + more);
        let history = History { of_this_class, of_any_class, since_first: last.since_first };
        policy.decide(last.class, history, None, 0.0) == Verdict::GiveUp
    });
    Replay::GoesOn { more: more.unwrap_or(MOST) }
}

fn gives_up(policy: &RetryPolicy, failed: Failed, before: &[Failed]) -> bool {
    let of_this_class = count(before.iter().filter(|earlier| earlier.class == failed.class).count());
    let history = History { of_this_class, of_any_class: count(before.len()), since_first: failed.since_first };
    policy.decide(failed.class, history, None, 0.0) == Verdict::GiveUp
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failed(class: FailureClass, count: u64) -> Vec<Failed> {
        (1..=count).map(|s| Failed { class, since_first: Duration::from_secs(s) }).collect()
    }

    fn policy(class: FailureClass, max_retries: u32) -> RetryPolicy {
        let mut policy = RetryPolicy::default();
        policy.class_mut(class).max_retries = max_retries;
        policy
    }

    #[test]
    fn a_more_patient_policy_lets_dead_jobs_go_on() {
        let class = FailureClass::RateLimited;
        let failures = failed(class, 6);
        assert_eq!(replay(&policy(class, 5), &failures, JobEnd::Dead), Replay::Same);
        assert_eq!(replay(&policy(class, 8), &failures, JobEnd::Dead), Replay::GoesOn { more: 3 });
        assert_eq!(
            replay(&policy(class, 100), &failures, JobEnd::Dead),
            Replay::GoesOn { more: 5 },
            "the job's own cap"
        );
    }

    #[test]
    fn a_less_patient_policy_gives_up_what_went_well() {
        let class = FailureClass::Unknown;
        let failures = failed(class, 3);
        assert_eq!(replay(&policy(class, 3), &failures, JobEnd::Done), Replay::Same);
        assert_eq!(replay(&policy(class, 2), &failures, JobEnd::Done), Replay::GivenUp { earlier: 0 });
        assert_eq!(replay(&policy(class, 0), &failures, JobEnd::Done), Replay::GivenUp { earlier: 2 });
        let mut impatient = RetryPolicy::default();
        impatient.deadline = Some(Duration::from_secs(3));
        assert_eq!(replay(&impatient, &failures, JobEnd::Done), Replay::GivenUp { earlier: 1 });
    }

    proptest! {
        #[test]
        fn the_policy_that_was_followed_changes_nothing(
            classes in prop::collection::vec(prop::sample::select(FailureClass::ALL.to_vec()), 0..20),
        ) {
            // As long as it retries, the job goes on; at the first failure that it gives up, the job is dead.
            let policy = RetryPolicy::default();
            let mut lived = Vec::new();
            let mut end = JobEnd::Done;
            for class in classes {
                let failure = Failed { class, since_first: Duration::ZERO };
                let dies = gives_up(&policy, failure, &lived);
                lived.push(failure);
                if dies {
                    end = JobEnd::Dead;
                    break;
                }
            }
            prop_assert_eq!(replay(&policy, &lived, end), Replay::Same);
        }
    }
}
