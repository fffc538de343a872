//! How long a stage rests whose program did not start. Pure.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// The stage as a whole waits, and not its jobs one by one.
#[derive(Debug, Default)]
pub(super) struct Rest {
    until: Option<Instant>,
    /// Starts in a row that came to nothing.
    failed: u32,
}

impl Rest {
    /// A start came to nothing. Those that were on their way together count once.
    pub(super) fn begin(&mut self, now: Instant) -> Duration {
        if let Some(until) = self.until(now) {
            return until - now;
        }
        let rest = FIRST.saturating_mul(1 << self.failed.min(10)).min(LONGEST);
        self.failed += 1;
        self.until = Some(now + rest);
        rest
    }

    /// A program has started.
    pub(super) fn end(&mut self) {
        *self = Rest::default();
    }

    /// Until when nothing is started, if that lies ahead.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_rests_longer_with_every_start_that_fails_and_no_longer_than_a_minute() {
        let (mut rest, mut now) = (Rest::default(), Instant::now());
        assert_eq!(rest.until(now), None);
        let mut rests = Vec::new();
        for _ in 0..9 {
            rests.push(rest.begin(now).as_secs());
            rest.begin(now);
            now = rest.until(now).unwrap();
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        rest.end();
        assert_eq!(rest.begin(now), FIRST);
    }
}
