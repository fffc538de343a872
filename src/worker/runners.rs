//! Runs crash suspects, each alone in a process of its own: this same program, started with the same arguments.
//!
//! A process of its own needs no draining of this one: ordinary work goes on beside it, and when it dies, nothing but its
//! one job was in it.

use std::process::Stdio;
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::runner::Runner;
use super::{Settings, Shutdown, exit};
use crate::model::id::WorkerId;
use crate::model::suspect::SIDE_BY_SIDE;
use crate::queue::slots::Slots;
use crate::stage::command::own_program;
use crate::store::Store;

/// Set in a process that runs suspects: its name.
pub(crate) const RUNS_SUSPECTS_AS: &str = "PITON_RUNS_SUSPECTS_AS";

/// This process was started to run the suspects of a worker, each alone.
pub(crate) fn is_runner() -> bool {
    std::env::var_os(RUNS_SUSPECTS_AS).is_some()
}

/// The runners of one worker. Each uses one of its slots.
pub(super) struct Runners {
    worker: String,
    store: Store,
    slots: Arc<Slots>,
    boot: watch::Receiver<WorkerId>,
    /// Tasks that wait for the ends of the processes.
    running: JoinSet<Option<Pid>>,
    pids: Vec<Pid>,
    /// So many were started; counts them, for their names.
    started: u64,
}

impl Runners {
    pub(super) fn new(
        settings: &Settings,
        store: Store,
        slots: Arc<Slots>,
        boot: watch::Receiver<WorkerId>,
    ) -> Runners {
        let (running, pids) = (JoinSet::new(), Vec::new());
        Runners { worker: settings.name.clone(), store, slots, boot, running, pids, started: 0 }
    }

    /// Keeps a runner for each suspect that waits, up to a few, until asked to stop; then they drain as this worker does.
    pub(super) async fn run(mut self, mut waiting: watch::Receiver<usize>, shutdown: Shutdown) {
        loop {
            tokio::select! {
                changed = waiting.changed() => if changed.is_err() { break },
                Some(ended) = self.running.join_next() => {
                    self.pids.retain(|pid| ended.as_ref().ok() != Some(&Some(*pid)));
                    continue;
                }
                () = shutdown.asked() => break,
            }
            let wanted = (*waiting.borrow_and_update()).min(SIDE_BY_SIDE).min(self.slots.capacity());
            while self.running.len() < wanted && !shutdown.is_asked() && self.start(&shutdown).await {}
        }
        self.signal();
        tokio::select! {
            () = all_ended(&mut self.running) => return,
            () = shutdown.times(2) => {}
        }
        self.signal();
        all_ended(&mut self.running).await;
    }

    /// `false` when none could be started; the next look tries again.
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
        match self.spawn(&name) {
            Ok(child) => {
                let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
                self.pids.extend(pid);
                tracing::info!(worker = self.worker, pid = child.id(), "suspects run alone in a process of their own");
                let runner = Runner { name, child, kills_before, store: self.store.clone(), by: boot };
                self.running.spawn(wait(runner, pid, self.slots.clone(), shutdown.clone()));
                true
            }
            Err(error) => {
                self.slots.take_back();
                tracing::error!("cannot run suspects in a process of their own: {error}");
                false
            }
        }
    }

    fn spawn(&self, name: &str) -> std::io::Result<Child> {
        Command::new(own_program()?)
            .args(std::env::args_os().skip(1))
            .env(RUNS_SUSPECTS_AS, name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A terminal's Ctrl-C is for this process, which tells them.
            .process_group(0)
            .spawn()
    }

    fn signal(&self) {
        for pid in &self.pids {
            // One that has just ended needs no signal.
            kill_process(*pid, Signal::TERM).ok();
        }
    }
}

/// Its slot is free as soon as it has ended; what it left is told to the database after that.
async fn wait(mut runner: Runner, pid: Option<Pid>, slots: Arc<Slots>, shutdown: Shutdown) -> Option<Pid> {
    let exit = runner.ended().await;
    slots.take_back();
    if let Some(exit) = exit {
        runner.tell(&exit, &shutdown).await;
    }
    pid
}

async fn all_ended(running: &mut JoinSet<Option<Pid>>) {
    while running.join_next().await.is_some() {}
}
