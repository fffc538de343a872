//! A limit on the time that an attempt goes without progress.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use super::context::ProgressCell;
use crate::model::failure::Failure;
use crate::workflow::duration;

/// A limit is waited for in this many pieces, each of this length at least and at most: progress is asked for after each.
const PIECES: u32 = 8;
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);

/// What has ended when the limit is reached may still be on its way through this process.
const ON_ITS_WAY: Duration = Duration::from_millis(50);

/// What the work comes to, or `None` where nothing was reported for so long. Time in which this process does not run counts no more
/// than one piece, as with the time limit (see `within.rs`).
pub(crate) async fn unless_stalled<T>(
    stall: Option<Duration>,
    progress: &ProgressCell,
    work: impl Future<Output = T>,
) -> Option<T> {
    let Some(stall) = stall else { return Some(work.await) };
    let mut work = pin!(work);
    let piece = (stall / PIECES).clamp(SHORTEST, LONGEST);
    let (mut seen, mut left) = (progress.times(), stall);
    while !left.is_zero() {
        let now = piece.min(left);
        if let Ok(done) = timeout(now, &mut work).await {
            return Some(done);
        }
        let times = progress.times();
        left = if times == seen { left - now } else { stall };
        seen = times;
    }
    timeout(ON_ITS_WAY, work).await.ok()
}

/// What is said of an attempt that was given up for it.
pub(crate) fn failure(stall: Duration) -> Failure {
    Failure::network_timeout(message(stall))
}

pub(crate) fn message(stall: Duration) -> String {
    format!("the stage reported no progress for {}, its `stall`", duration::words(stall))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_without_progress_is_given_up_and_any_report_gives_it_as_long_again() {
        let cell = ProgressCell::default();
        let stall = Some(Duration::from_millis(200));
        assert_eq!(unless_stalled(stall, &cell, std::future::pending::<()>()).await, None);
        assert_eq!(unless_stalled(None, &cell, async { 7 }).await, Some(7));
        let work = async {
            for _ in 0..12 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                cell.report(1, 2, "the same again");
            }
            7
        };
        assert_eq!(unless_stalled(stall, &cell, work).await, Some(7), "three times as long as the limit");
    }
}
