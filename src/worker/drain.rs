//! Shuts down: after the first request running stages may finish, after the second they go back at once.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::events;
use crate::queue::slots::Slots;
use crate::stage::within::within;

/// How often the process was asked to stop. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown {
    asked: watch::Receiver<u32>,
    ask: watch::Sender<u32>,
}

impl Shutdown {
    pub(crate) fn new() -> Shutdown {
        let (ask, asked) = watch::channel(0);
        Shutdown { asked, ask }
    }

    /// Counts SIGTERM, SIGINT and SIGHUP from now on; but SIGHUP not where this process was started to go on without its
    /// terminal.
    pub(crate) fn on_signals() -> std::io::Result<Shutdown> {
        let shutdown = Shutdown::new();
        let mut kinds = vec![SignalKind::terminate(), SignalKind::interrupt()];
        if !hangups_are_ignored() {
            kinds.push(SignalKind::hangup());
        }
        for kind in kinds {
            let (mut sent, counted) = (signal(kind)?, shutdown.clone());
            tokio::spawn(async move {
                while sent.recv().await.is_some() {
                    counted.ask();
                }
            });
        }
        Ok(shutdown)
    }

    pub(crate) fn ask(&self) {
        self.ask.send_modify(|times| *times += 1);
    }

    pub(crate) fn is_asked(&self) -> bool {
        *self.asked.borrow() > 0
    }

    pub(crate) async fn asked(&self) {
        self.times(1).await;
    }

    /// Waits until it was asked that often.
    pub(crate) async fn times(&self, wanted: u32) {
        // The sender lives in `self`, so that waiting never fails.
        self.asked.clone().wait_for(|times| *times >= wanted).await.ok();
    }
}

/// Whoever started this process has it ignore SIGHUP, as `nohup` does. Where the system does not tell, the signal keeps its
/// own meaning.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status");
    status.ok().and_then(|status| ignores_hangups(&status)).unwrap_or(true)
}

fn ignores_hangups(status: &str) -> Option<bool> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    // SIGHUP is the first signal.
    Some(u64::from_str_radix(mask.trim(), 16).ok()? & 1 == 1)
}

/// The worker that started this runner holds the other end of our standard input. When it is gone, what runs here goes
/// back at once.
pub(crate) fn end_with_parent(shutdown: Shutdown) {
    std::thread::spawn(move || {
        // End or error, either way nobody is there any more.
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).ok();
        shutdown.ask();
        shutdown.ask();
    });
}

/// Waits for running stages, and for the claimer, which may start more of them, until the grace period is over or a second
/// signal comes; what runs then is handed back.
pub(super) async fn wait_for_stages(
    worker: &str,
    slots: &Slots,
    claimer: impl Future<Output = ()>,
    grace: Duration,
    shutdown: &Shutdown,
) {
    let running = || {
        let usage = slots.usage();
        usage.busy + usage.lent
    };
    events::worker::stopping(worker, running(), grace.as_secs());
    let drained = async {
        claimer.await;
        slots.drained().await;
    };
    let why = tokio::select! {
        biased;
        drained = within(grace, drained) => match drained {
            Some(()) => return,
            None => "the grace period is over",
        },
        () = shutdown.times(2) => "asked again",
    };
    tracing::info!(running = running(), "{why}, handing back what still runs");
    slots.hand_back();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_nohup_started_ignores_hangups() {
        let status = |mask: &str| format!("Name:\tpiton\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\nSigCgt:\t0\n");
        assert_eq!(ignores_hangups(&status("0000000000001001")), Some(true));
        assert_eq!(ignores_hangups(&status("0000000000001000")), Some(false));
        assert_eq!(ignores_hangups("Name:\tpiton\n"), None);
    }
}
