//! Shutting down: asked once, running stages may finish; asked twice, they go back at once.

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

    /// Counts SIGTERM and SIGINT from now on.
    pub(crate) fn on_signals() -> std::io::Result<Shutdown> {
        let shutdown = Shutdown::new();
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let counted = shutdown.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                counted.ask();
            }
        });
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

/// Waits for running stages, and for the claimer, which may start more of them, until the grace period is over or a second
/// signal comes; what runs then is handed back.
pub(super) async fn wait_for_stages(
    worker: &str,
    slots: &Slots,
    claimer: impl Future<Output = ()>,
    grace: Duration,
    shutdown: &Shutdown,
) {
    events::worker::stopping(worker, slots.capacity() - slots.free(), grace.as_secs());
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
    tracing::info!(running = slots.capacity() - slots.free(), "{why}, handing back what still runs");
    slots.hand_back();
}
