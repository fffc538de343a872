//! Waits for a database that is away.

use std::time::Duration;

/// Grows from 20 ms to half a second, with jitter: soon enough to be back before anyone acts on a lost session lock.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Waits; longer each time.
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.grown()).await;
    }

    /// The wait that is due now; the next one is longer.
    pub(crate) fn grown(&mut self) -> Duration {
        self.next(rand::random())
    }

    /// The first failure in a row: the one that is worth a line in the log.
    pub(crate) fn is_first(&self) -> bool {
        self.failures == 0
    }

    /// `true` when it had failed before.
    pub(crate) fn reset(&mut self) -> bool {
        std::mem::take(&mut self.failures) > 0
    }

    fn next(&mut self, dice: f64) -> Duration {
        let ceiling = Duration::from_millis(20 << self.failures.min(5)).min(Duration::from_millis(500));
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(0.5 + dice / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_under_half_a_second() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..50).map(|_| backoff.next(1.0)).collect();
        assert!(waits.is_sorted() && waits[49] == Duration::from_millis(500));
        assert!(backoff.reset() && backoff.is_first() && !backoff.reset());
    }
}
