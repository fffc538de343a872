//! Waits until the workers have finished, at no cost to them.

use std::time::{Duration, Instant};

use super::workers::Workers;
use super::{BenchError, Teller};
use crate::store::bench::Observer;

/// Between two looks at the server's statistics.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Statistics that have not moved for so long may be all there is to come: then it is counted.
const QUIET: Duration = Duration::from_secs(2);
/// Nothing new for so long, by the count, is an error.
const STALLED: Duration = Duration::from_secs(60);

/// When to stop waiting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Goal {
    /// Checkpoints that are awaited.
    pub(super) checkpoints: u64,
    /// More runs wait behind them: stop there, instead of when every run is over.
    pub(super) more_behind: bool,
}

/// Comes back when the goal is reached. While the statistics say that it is far, nothing is counted.
pub(super) async fn until(
    goal: Goal,
    observer: &Observer,
    workers: &mut Workers,
    teller: &dyn Teller,
) -> Result<(), BenchError> {
    let (mut told, mut moved) = (0, Instant::now());
    let (mut counted, mut progress) = (0, Instant::now());
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        workers.check()?;
        let now = observer.checkpoints_by_statistics().await?;
        if now != told {
            (told, moved) = (now, Instant::now());
            teller.at(now.min(goal.checkpoints));
        }
        if now < goal.checkpoints && moved.elapsed() < QUIET {
            continue;
        }
        if is_reached(goal, observer).await? {
            return Ok(());
        }
        let count = observer.checkpoints().await?;
        if count != counted {
            (counted, progress) = (count, Instant::now());
        }
        if progress.elapsed() > STALLED {
            return Err(BenchError::Stalled(STALLED.as_secs(), counted));
        }
    }
}

async fn is_reached(goal: Goal, observer: &Observer) -> Result<bool, BenchError> {
    if goal.more_behind && observer.checkpoints().await? >= goal.checkpoints {
        return Ok(true);
    }
    Ok(!observer.is_running().await?)
}
