//! A time limit that checks the work before the timer.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

/// A limit is waited for in this many pieces, each of this length at least and at most.
const PIECES: u32 = 8;
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);

/// What has ended when the limit is reached may still be on its way through this process.
const ON_ITS_WAY: Duration = Duration::from_millis(50);

/// What the work comes to, or `None` when it takes longer.
///
/// Time in which this process does not run (it is frozen, or its machine sleeps) counts no more than one piece: when it goes on,
/// what has ended meanwhile wins over a timer that has run out as well.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let piece = (limit / PIECES).clamp(SHORTEST, LONGEST);
    let mut left = limit;
    while !left.is_zero() {
        let now = piece.min(left);
        if let Ok(done) = timeout(now, &mut work).await {
            return Some(done);
        }
        left -= now;
    }
    timeout(ON_ITS_WAY, work).await.ok()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn work_that_takes_too_long_is_given_up_at_its_limit() {
        let begun = Instant::now();
        let limit = Duration::from_millis(300);
        assert_eq!(within(limit, std::future::pending::<()>()).await, None);
        assert!((limit..limit * 5).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        assert_eq!(within(Duration::ZERO, async { 7 }).await, Some(7));
    }

    #[tokio::test]
    async fn a_result_that_is_there_after_a_freeze_wins_over_the_timer() {
        // The only thread stands still for longer than the limit, and what the other task sent lies there after it.
        let (send, result) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            send.send(7)
        });
        tokio::spawn(async { std::thread::sleep(Duration::from_millis(900)) });
        // Its last steps come after the timers of the freeze.
        let work = async {
            let found = result.await.ok();
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            found
        };
        assert_eq!(within(Duration::from_millis(400), work).await, Some(Some(7)));
    }
}
