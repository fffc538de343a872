//! Whether and when a failed job is tried again. Pure: the policy, the history and the random number are arguments.

use std::time::Duration;

use super::failure::FailureClass;

/// How one class of failures is retried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ClassPolicy {
    pub(crate) max_retries: u32,
    /// Wait before the first retry; doubles with each one.
    pub(crate) base: Duration,
    /// The wait never grows past this.
    pub(crate) cap: Duration,
    /// A wait is shortened by up to this share of it, so that those who failed together do not come back together.
    pub(crate) jitter: f64,
    /// Whether a `Retry-After` that is longer wins.
    pub(crate) retry_after: bool,
}

/// How the failures of one stage are retried.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RetryPolicy {
    /// Retries of one job over all classes together; the classes' own limits add up to more than anyone wants to pay for.
    pub(crate) max_retries: u32,
    /// No retry begins later than that after the job's first attempt.
    pub(crate) deadline: Option<Duration>,
    classes: [ClassPolicy; FailureClass::ALL.len()],
}

/// A `Retry-After` beyond this is not believed: the policy's own wait holds.
const LONGEST_BELIEVED: Duration = Duration::from_secs(7 * 24 * 3600);

impl Default for RetryPolicy {
    /// SPEC section 4.
    fn default() -> RetryPolicy {
        let mut policy =
            RetryPolicy { max_retries: 10, deadline: None, classes: [of(0, 2, 30); FailureClass::ALL.len()] };
        for class in FailureClass::ALL {
            *policy.class_mut(*class) = default_policy(*class);
        }
        policy
    }
}

impl RetryPolicy {
    pub(crate) fn class(&self, class: FailureClass) -> ClassPolicy {
        self.classes[class as usize]
    }

    pub(crate) fn class_mut(&mut self, class: FailureClass) -> &mut ClassPolicy {
        &mut self.classes[class as usize]
    }

    /// Decides what becomes of a job that failed. `dice` is uniform in 0..1.
    pub(crate) fn decide(
        &self,
        class: FailureClass,
        history: History,
        retry_after: Option<Duration>,
        dice: f64,
    ) -> Verdict {
        let policy = self.class(class);
        if history.of_this_class >= policy.max_retries || history.of_any_class >= self.max_retries {
            return Verdict::GiveUp;
        }
        let asked = retry_after.filter(|asked| policy.retry_after && *asked <= LONGEST_BELIEVED).unwrap_or_default();
        let wait = policy.backoff(history.of_this_class, dice).max(asked);
        match self.deadline {
            Some(deadline) if history.since_first.saturating_add(wait) > deadline => Verdict::GiveUp,
            Some(_) | None => Verdict::Retry(wait),
        }
    }
}

impl ClassPolicy {
    /// The wait before retry number `earlier + 1`: exponential from the base, capped, less the jitter.
    fn backoff(self, earlier: u32, dice: f64) -> Duration {
        let doubled = self.base.saturating_mul(1u32.checked_shl(earlier.min(31)).unwrap_or(u32::MAX));
        let ceiling = doubled.min(self.cap);
        ceiling.mul_f64(1.0 - self.jitter.clamp(0.0, 1.0) * dice.clamp(0.0, 1.0))
    }
}

fn default_policy(class: FailureClass) -> ClassPolicy {
    match class {
        FailureClass::NetworkTimeout => of(5, 1, 60),
        FailureClass::RateLimited => of(5, 5, 300),
        FailureClass::ResourceUnavailable => of(3, 2, 30),
        FailureClass::OutOfMemory => of(1, 5, 10),
        FailureClass::Unknown => of(3, 2, 30),
        // Not retried. Where a file asks for it, the waits are those of a failure of which nothing is known.
        FailureClass::InvalidInput
        | FailureClass::AuthFailure
        | FailureClass::Crashed
        | FailureClass::CorruptCheckpoint
        | FailureClass::WaitTimeout
        | FailureClass::ChildFailed
        | FailureClass::NotGoodEnough => of(0, 2, 30),
    }
}

/// A quarter of jitter is enough to spread a herd, and the waits still grow from attempt to attempt.
fn of(max_retries: u32, base: u64, cap: u64) -> ClassPolicy {
    let (base, cap) = (Duration::from_secs(base), Duration::from_secs(cap));
    ClassPolicy { max_retries, base, cap, jitter: 0.25, retry_after: true }
}

/// Failures the job has behind it, the one at hand left out.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct History {
    pub(crate) of_this_class: u32,
    pub(crate) of_any_class: u32,
    /// Time since the job's first attempt began.
    pub(crate) since_first: Duration,
}

/// What becomes of a job that failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    /// Due again after that wait.
    Retry(Duration),
    /// Its budget is spent, or its class is not retried.
    GiveUp,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn class() -> impl Strategy<Value = FailureClass> {
        prop::sample::select(FailureClass::ALL.to_vec())
    }

    fn policy() -> RetryPolicy {
        RetryPolicy::default()
    }

    proptest! {
        #[test]
        fn a_delay_is_never_past_the_cap_and_never_under_three_quarters_of_the_base(
            class in class(), earlier in 0u32..1_000_001, dice in 0.0f64..1.0,
        ) {
            let policy = policy().class(class);
            let wait = policy.backoff(earlier, dice);
            prop_assert!(wait <= policy.cap);
            prop_assert!(wait >= policy.base.mul_f64(0.75));
        }

        #[test]
        fn delays_grow_with_the_failures_behind(class in class(), earlier in 0u32..64, dice in 0.0f64..1.0) {
            let policy = policy().class(class);
            prop_assert!(policy.backoff(earlier, dice) <= policy.backoff(earlier + 1, dice));
        }

        #[test]
        fn a_longer_retry_after_wins_where_it_is_honoured_and_can_be_believed(
            seconds in prop_oneof![0u64..1_000_000, 0u64..1_000_000_000_000], dice in 0.0f64..1.0,
        ) {
            let (asked, class) = (Duration::from_secs(seconds), FailureClass::RateLimited);
            let mut policy = policy();
            let Verdict::Retry(wait) = policy.decide(class, History::default(), Some(asked), dice) else {
                return Err(TestCaseError::fail("the first failure is retried"));
            };
            let alone = policy.decide(class, History::default(), None, dice);
            if asked > LONGEST_BELIEVED {
                prop_assert_eq!(Verdict::Retry(wait), alone);
            } else {
                prop_assert!(wait >= asked);
            }
            policy.class_mut(class).retry_after = false;
            prop_assert_eq!(policy.decide(class, History::default(), Some(asked), dice), alone);
        }

        #[test]
        fn a_budget_is_never_overspent(class in class(), of_this_class in 0u32..100, more in 0u32..100) {
            let of_any_class = of_this_class + more;
            let history = History { of_this_class, of_any_class, since_first: Duration::ZERO };
            let policy = policy();
            let spent = of_this_class >= policy.class(class).max_retries || of_any_class >= policy.max_retries;
            prop_assert_eq!(policy.decide(class, history, None, 0.5) == Verdict::GiveUp, spent);
        }

        #[test]
        fn no_retry_begins_after_the_deadline(since in 0u64..200_000, deadline in 1u64..100_000, asked in 0u64..100_000) {
            let policy = RetryPolicy { deadline: Some(Duration::from_millis(deadline)), ..policy() };
            let history = History { since_first: Duration::from_millis(since), ..History::default() };
            let asked = Some(Duration::from_millis(asked));
            if let Verdict::Retry(wait) = policy.decide(FailureClass::NetworkTimeout, history, asked, 0.5) {
                prop_assert!(history.since_first + wait <= Duration::from_millis(deadline));
            }
        }
    }
}
