//! Runs crash suspects, each alone in a process of its own: this same program, started with the same arguments.
//!
//! A process of its own needs no draining of this one: ordinary work goes on beside it, and when it dies, nothing but its
//! one job was in it.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::runner::Runner;
use super::{Shutdown, WorkerSettings, exit};
use crate::model::id::WorkerId;
use crate::model::suspect::MOST_RUNNERS;
use crate::queue::slots::Slots;
use crate::stage::command::own_program;
use crate::store::Store;
use crate::system::descriptors;

/// Set in a process that runs suspects: its name.
pub(crate) const RUNS_SUSPECTS_AS: &str = "PITON_RUNS_SUSPECTS_AS";

/// Set there too: the number of the boot that started it.
const RUNS_SUSPECTS_FOR: &str = "PITON_RUNS_SUSPECTS_FOR";
/// Set there too: the descriptors that programs may have, for that process begins with a limit that was raised.
const RUNS_SUSPECTS_WITHIN: &str = "PITON_RUNS_SUSPECTS_WITHIN";
/// Set there too, where it is to read a line with its orders from its standard input.
pub(crate) const ORDERS_ON_STDIN: &str = "PITON_RUNS_SUSPECTS_BY_ORDER";
/// After a process that could not start, the next one is started so much later; and longer each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// This process was started to run the suspects of a worker, each alone.
pub(crate) fn is_runner() -> bool {
    std::env::var_os(RUNS_SUSPECTS_AS).is_some()
}

/// The boot that started this process to run its suspects.
pub(crate) fn parent() -> Option<WorkerId> {
    std::env::var(RUNS_SUSPECTS_FOR).ok()?.parse().ok().map(WorkerId)
}

/// What the limit of descriptors was before the worker raised it that started this process.
pub(crate) fn descriptors_before() -> Option<u64> {
    std::env::var(RUNS_SUSPECTS_WITHIN).ok()?.parse().ok()
}

/// When processes may be started, after some that could not start.
#[derive(Debug, Default)]
struct Patience {
    failures: u32,
    not_before: Option<Instant>,
}

impl Patience {
    /// How many may be started beside those that run: one to try with after a failure, and none while it is too soon.
    fn allows(&self, wanted: usize, running: usize, now: Instant) -> usize {
        match (self.failures, self.not_before) {
            (0, _) => wanted,
            (_, Some(at)) if now < at => 0,
            (_, _) if running > 0 => 0,
            (_, _) => wanted.min(1),
        }
    }

    /// Returns the pause, where there is one.
    fn note(&mut self, has_begun: bool, now: Instant) -> Option<Duration> {
        if has_begun {
            *self = Patience::default();
            return None;
        }
        // Of several that were started together, one failure says it all.
        if self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(6)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + pause);
        Some(pause)
    }
}

/// The runners of one worker. Each uses one of its slots.
pub(super) struct Runners {
    worker: String,
    orders: Option<Arc<str>>,
    store: Store,
    slots: Arc<Slots>,
    boot: watch::Receiver<WorkerId>,
    /// Tasks that wait for the ends of the processes.
    running: JoinSet<Ran>,
    pids: Vec<Pid>,
    patience: Patience,
    /// How many were started; the count is part of their names.
    started: u64,
}

/// A process that has ended.
struct Ran {
    pid: Option<Pid>,
    /// It came as far as to register.
    has_begun: bool,
}

impl Runners {
    pub(super) fn new(
        settings: &WorkerSettings,
        store: Store,
        slots: Arc<Slots>,
        boot: watch::Receiver<WorkerId>,
    ) -> Runners {
        let (running, pids) = (JoinSet::new(), Vec::new());
        Runners {
            worker: settings.name.clone(),
            orders: settings.orders.clone(),
            store,
            slots,
            boot,
            running,
            pids,
            patience: Patience::default(),
            started: 0,
        }
    }

    /// Keeps a runner for each suspect that waits, up to a few, until asked to stop; then they drain as this worker does.
    pub(super) async fn run(mut self, mut waiting: watch::Receiver<usize>, shutdown: Shutdown) {
        loop {
            tokio::select! {
                changed = waiting.changed() => if changed.is_err() { break },
                Some(ended) = self.running.join_next() => {
                    if let Ok(Ran { pid, has_begun }) = ended {
                        self.pids.retain(|other| pid != Some(*other));
                        self.note(has_begun);
                    }
                    continue;
                }
                () = shutdown.asked() => break,
            }
            let wanted = (*waiting.borrow_and_update()).min(MOST_RUNNERS).min(self.slots.capacity());
            let running = self.running.len();
            let allowed = self.patience.allows(wanted.saturating_sub(running), running, Instant::now());
            for _ in 0..allowed {
                if shutdown.is_asked() || !self.start(&shutdown).await {
                    break;
                }
            }
        }
        self.signal();
        tokio::select! {
            () = all_ended(&mut self.running) => return,
            () = shutdown.times(2) => {}
        }
        self.signal();
        all_ended(&mut self.running).await;
    }

    fn note(&mut self, has_begun: bool) {
        if let Some(pause) = self.patience.note(has_begun, Instant::now()) {
            let (worker, pause_s) = (&self.worker, pause.as_secs());
            tracing::warn!(
                worker,
                pause_s,
                "a process for suspects did not start; the next one is tried in {pause_s} s"
            );
        }
    }

    /// `false` when none could be started; a later look tries again.
    async fn start(&mut self, shutdown: &Shutdown) -> bool {
        tokio::select! {
            () = self.slots.lend() => {}
            () = shutdown.asked() => {
                self.slots.take_back();
                return false;
            }
        }
        let boot = *self.boot.borrow();
        // No other process ever has that name: a boot has its number for ever, and counts on.
        let name = format!("{}/alone-{boot}-{}", self.worker, self.started);
        self.started += 1;
        let kills_before = exit::out_of_memory_kills();
        match self.spawn(&name, boot).await {
            Ok(child) => {
                let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
                self.pids.extend(pid);
                tracing::info!(worker = self.worker, pid = child.id(), "suspects run alone in a process of their own");
                let store = self.store.clone();
                let runner = Runner { name, child, kills_before, store, by: boot, counting: None };
                self.running.spawn(wait(runner, pid, self.slots.clone(), shutdown.clone()));
                true
            }
            Err(error) => {
                self.slots.take_back();
                tracing::error!("cannot run suspects in a process of their own: {error}");
                self.note(false);
                false
            }
        }
    }

    async fn spawn(&self, name: &str, boot: WorkerId) -> std::io::Result<Child> {
        let mut runner = Command::new(own_program()?);
        if let Some(limit) = descriptors::at_start() {
            runner.env(RUNS_SUSPECTS_WITHIN, limit.to_string());
        }
        runner
            .args(std::env::args_os().skip(1))
            .env(RUNS_SUSPECTS_AS, name)
            .env(RUNS_SUSPECTS_FOR, boot.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A terminal's Ctrl-C is for this process, which tells them.
            .process_group(0);
        let Some(orders) = &self.orders else { return runner.spawn() };
        let mut child = runner.env(ORDERS_ON_STDIN, "yes").spawn()?;
        if let Some(stdin) = &mut child.stdin {
            stdin.write_all(format!("{orders}\n").as_bytes()).await?;
        }
        Ok(child)
    }

    fn signal(&self) {
        for pid in &self.pids {
            // One that has just ended needs no signal.
            kill_process(*pid, Signal::TERM).ok();
        }
    }
}

/// Its slot is free as soon as it has ended; what it left is told to the database after that.
async fn wait(mut runner: Runner, pid: Option<Pid>, slots: Arc<Slots>, shutdown: Shutdown) -> Ran {
    let exit = runner.ended().await;
    slots.take_back();
    let has_begun = match exit {
        Some(exit) => runner.tell(&exit, &shutdown).await,
        None => true,
    };
    runner.last_counts().await;
    Ran { pid, has_begun }
}

async fn all_ended(running: &mut JoinSet<Ran>) {
    while running.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_cannot_start_are_tried_one_at_a_time_and_ever_less_often() {
        let mut patience = Patience::default();
        let now = Instant::now();
        assert_eq!(patience.allows(8, 0, now), 8);
        let mut at = now;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let pause = patience.note(false, at).expect("a pause");
            assert_eq!(patience.note(false, at), None, "it was started beside the one before");
            at += pause;
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        let now = at - LONGEST_PAUSE;
        assert_eq!(patience.allows(8, 0, now + Duration::from_secs(59)), 0);
        assert_eq!(patience.allows(8, 0, now + LONGEST_PAUSE), 1);
        assert_eq!(patience.allows(7, 1, now + LONGEST_PAUSE), 0, "the one that is tried has not told yet");
        assert_eq!(patience.note(true, now), None);
        assert_eq!(patience.allows(8, 1, now), 8);
    }
}
