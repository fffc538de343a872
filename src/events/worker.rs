//! Workers: starting, stopping, gone.

use std::fmt::Display;

use super::TARGET;

pub(crate) fn started(worker: &str, boot: &dyn Display, slots: usize) {
    tracing::info!(target: TARGET, event = "worker_started", worker, %boot, slots, "worker started");
}

/// It took the name of an earlier boot, which is over by that.
pub(crate) fn superseded(worker: &str, boot: &dyn Display) {
    tracing::info!(target: TARGET, event = "worker_superseded", worker, %boot,
                   "an earlier boot of this worker is over, its jobs are claimable again");
}

/// Another process has its name and lives: it is waited for.
pub(crate) fn waits_for_its_name(worker: &str, host: &str, pid: i32) {
    tracing::warn!(target: TARGET, event = "worker_waits", worker, host, pid,
                   "another process works under the name of this worker, which waits until it ends: process {pid} on host \
                    {host}. Give each worker a name of its own with --name, or none at all");
}

/// The database was set back to a state from before this boot registered.
pub(crate) fn unknown(worker: &str, boot: &dyn Display) {
    tracing::warn!(target: TARGET, event = "worker_unknown", worker, %boot,
                   "the database no longer knows this boot: it was restored from a backup, or failed over without its last \
                    commits; what ran here is dropped, and the worker registers anew");
}

pub(crate) fn stopping(worker: &str, running: usize, grace_s: u64) {
    tracing::info!(target: TARGET, event = "worker_stopping", worker, running, grace_s,
                   "shutting down, running stages may finish; again to hand them back");
}

pub(crate) fn stopped(worker: &str, boot: &dyn Display) {
    tracing::info!(target: TARGET, event = "worker_stopped", worker, %boot, "worker stopped");
}

/// The others took it for gone while it was only slow: `boot` is what it goes on as.
pub(crate) fn given_up(worker: &str, boot: &dyn Display) {
    tracing::warn!(target: TARGET, event = "worker_given_up", worker, %boot,
                   "this worker was given up as lost; it goes on under a new boot id");
}

/// Its machine has not what stages need: `lacks` is what, in words. They are left to others meanwhile.
pub(crate) fn lacks(worker: &str, lacks: &str, why: &str, cure: &str) {
    tracing::error!(target: TARGET, event = "worker_lacks", worker, lacks,
                    "this worker lacks {lacks}, and leaves what needs it to others: {why}. Its operator can {cure}");
}

pub(crate) fn has_again(worker: &str, lacked: &str) {
    tracing::info!(target: TARGET, event = "worker_has_again", worker, lacked, "this worker has {lacked} again");
}

/// What became of the jobs of a boot that is gone.
pub(crate) struct Lost<'a> {
    pub(crate) worker: &'a str,
    pub(crate) boot: &'a dyn Display,
    pub(crate) resumed: i64,
    pub(crate) restarted: i64,
    pub(crate) dead_lettered: i64,
}

impl Lost<'_> {
    /// Told by the one who ended the boot.
    pub(crate) fn tell(&self, cause: &str) {
        let Lost { worker, boot, resumed, restarted, dead_lettered } = self;
        tracing::warn!(target: TARGET, event = "worker_lost", worker, %boot, resumed, restarted, dead_lettered,
                       "worker is gone, its jobs are claimable again: {cause}");
    }
}
