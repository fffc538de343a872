//! Whether a failed job is tried again, and when. Pure: the history and the dice are arguments.

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
}

/// Retries of one job over all classes together; the classes' own limits add up to more than anyone wants to pay for.
pub(crate) const MAX_RETRIES_PER_JOB: u32 = 10;
/// A `Retry-After` beyond this is believed only this far.
const MAX_WAIT: Duration = Duration::from_secs(7 * 24 * 3600);
/// A delay is drawn from the upper part of the interval: enough to spread a herd, and still monotone over attempts.
const JITTER: f64 = 0.25;

/// The default policy of a class (SPEC section 4); `None` is never retried.
pub(crate) fn default_policy(class: FailureClass) -> Option<ClassPolicy> {
    let policy = |max_retries, base, cap| {
        Some(ClassPolicy { max_retries, base: Duration::from_secs(base), cap: Duration::from_secs(cap) })
    };
    match class {
        FailureClass::NetworkTimeout => policy(5, 1, 60),
        FailureClass::RateLimited => policy(5, 5, 300),
        FailureClass::ResourceUnavailable => policy(3, 2, 30),
        FailureClass::OutOfMemory => policy(1, 5, 10),
        FailureClass::Unknown => policy(3, 2, 30),
        FailureClass::InvalidInput
        | FailureClass::AuthFailure
        | FailureClass::Crashed
        | FailureClass::CorruptCheckpoint => None,
    }
}

/// Failures the job has behind it, the one at hand left out.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct History {
    pub(crate) of_this_class: u32,
    pub(crate) of_any_class: u32,
}

/// What becomes of a job that failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    /// Due again after that wait.
    Retry(Duration),
    /// Its budget is spent, or its class is not retried.
    GiveUp,
}

/// Decides. `dice` is uniform in 0..1.
pub(crate) fn decide(class: FailureClass, history: History, retry_after: Option<Duration>, dice: f64) -> Verdict {
    let Some(policy) = default_policy(class) else { return Verdict::GiveUp };
    if history.of_this_class >= policy.max_retries || history.of_any_class >= MAX_RETRIES_PER_JOB {
        return Verdict::GiveUp;
    }
    let wait = backoff(policy, history.of_this_class, dice);
    Verdict::Retry(wait.max(retry_after.unwrap_or_default()).min(MAX_WAIT))
}

/// The wait before retry number `earlier + 1`: exponential from the base, capped, less up to a quarter of jitter.
fn backoff(policy: ClassPolicy, earlier: u32, dice: f64) -> Duration {
    let doubled = policy.base.saturating_mul(1u32.checked_shl(earlier.min(31)).unwrap_or(u32::MAX));
    let ceiling = doubled.min(policy.cap);
    ceiling.mul_f64(1.0 - JITTER * dice.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn class() -> impl Strategy<Value = FailureClass> {
        prop::sample::select(FailureClass::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn a_delay_is_never_past_the_cap_and_never_under_three_quarters_of_the_base(
            class in class(), earlier in 0u32..1_000_001, dice in 0.0f64..1.0,
        ) {
            if let Some(policy) = default_policy(class) {
                let wait = backoff(policy, earlier, dice);
                prop_assert!(wait <= policy.cap);
                prop_assert!(wait >= policy.base.mul_f64(0.75));
            }
        }

        #[test]
        fn delays_grow_with_the_failures_behind(class in class(), earlier in 0u32..64, dice in 0.0f64..1.0) {
            if let Some(policy) = default_policy(class) {
                prop_assert!(backoff(policy, earlier, dice) <= backoff(policy, earlier + 1, dice));
            }
        }

        #[test]
        fn a_longer_retry_after_wins(seconds in 0u64..1_000_000_000_000, dice in 0.0f64..1.0) {
            let asked = Duration::from_secs(seconds);
            let Verdict::Retry(wait) = decide(FailureClass::RateLimited, History::default(), Some(asked), dice) else {
                return Err(TestCaseError::fail("the first failure is retried"));
            };
            prop_assert!(wait >= asked.min(MAX_WAIT) && wait <= MAX_WAIT);
        }

        #[test]
        fn a_budget_is_never_overspent(class in class(), of_this_class in 0u32..100, more in 0u32..100) {
            let history = History { of_this_class, of_any_class: of_this_class + more };
            let spent = default_policy(class).is_none_or(|p| of_this_class >= p.max_retries)
                || history.of_any_class >= MAX_RETRIES_PER_JOB;
            prop_assert_eq!(decide(class, history, None, 0.5) == Verdict::GiveUp, spent);
        }
    }
}
