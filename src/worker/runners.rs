//! Runs crash suspects, each alone in a process of its own: this same program, started with the same arguments.
//!
//! A process of its own needs no draining of this one: ordinary work goes on beside it, and when it dies, nothing but its
//! one job was in it.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::Shutdown;
use crate::model::suspect::SIDE_BY_SIDE;

/// Set in a process that runs suspects: the name of the worker that started it.
pub(crate) const RUNS_SUSPECTS_OF: &str = "PITON_RUNS_SUSPECTS_OF";

/// The runners of one worker.
pub(super) struct Runners {
    worker: String,
    children: Vec<Child>,
}

impl Runners {
    pub(super) fn new(worker: &str) -> Runners {
        Runners { worker: worker.to_owned(), children: Vec::new() }
    }

    /// Keeps a runner for each suspect that waits, up to a few, until asked to stop; then they drain as this worker does.
    pub(super) async fn run(mut self, mut waiting: watch::Receiver<usize>, shutdown: Shutdown) {
        loop {
            tokio::select! {
                changed = waiting.changed() => if changed.is_err() { break },
                () = shutdown.asked() => break,
            }
            let wanted = (*waiting.borrow_and_update()).min(SIDE_BY_SIDE);
            self.bury();
            while self.children.len() < wanted && self.start() {}
        }
        self.signal();
        tokio::select! {
            () = self.all_ended() => return,
            () = shutdown.times(2) => {}
        }
        self.signal();
        self.all_ended().await;
    }

    /// `false` when none could be started; the next look tries again.
    fn start(&mut self) -> bool {
        let program = match crate::stage::command::own_program() {
            Ok(program) => program,
            Err(error) => {
                tracing::error!("cannot run suspects: where this program is cannot be told: {error}");
                return false;
            }
        };
        let mut command = Command::new(program);
        command
            .args(std::env::args_os().skip(1))
            .env(RUNS_SUSPECTS_OF, &self.worker)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // A terminal's Ctrl-C is for this process, which tells them.
            .process_group(0);
        match command.spawn() {
            Ok(child) => {
                tracing::info!(
                    worker = self.worker,
                    runner = child.id(),
                    "a suspect runs alone in a process of its own"
                );
                self.children.push(child);
                true
            }
            Err(error) => {
                tracing::error!("cannot run suspects in processes of their own: {error}");
                false
            }
        }
    }

    /// Forgets those that have ended.
    fn bury(&mut self) {
        self.children.retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_)) | Err(_)));
    }

    fn signal(&mut self) {
        for pid in self.children.iter().filter_map(Child::id).filter_map(|id| Pid::from_raw(id.cast_signed())) {
            // One that has ended needs no signal.
            kill_process(pid, Signal::TERM).ok();
        }
    }

    async fn all_ended(&mut self) {
        for child in &mut self.children {
            child.wait().await.ok();
        }
    }
}
