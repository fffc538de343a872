//! The signals that stop a worker, as its guards take them.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::verdict;
use crate::model::signal;

/// They reach a worker's guards too, where they are sent to a whole group or to every process of a service. A guard outlives its
/// program, and so it goes on; the program begins with the system's own way to take them.
pub(super) struct Requests {
    /// The last one that has come; 0 for none.
    last: Arc<AtomicUsize>,
}

impl Requests {
    /// From now on this process survives them, and so do its forks until they become a program.
    pub(super) fn survive() -> Requests {
        let last = Arc::new(AtomicUsize::new(0));
        for signal in verdict::REQUESTS_TO_STOP {
            let number = signal.unsigned_abs() as usize;
            if let Err(error) = signal_hook::flag::register_usize(signal, last.clone(), number) {
                writeln!(io::stderr(), "cannot outlive {}: {error}", signal::name(signal)).ok();
            }
        }
        Requests { last }
    }

    /// Before a fork: those that have come so far were not for the program.
    pub(super) fn forget(&self) {
        self.last.store(0, Ordering::Relaxed);
    }

    /// Ends this process by the one that has come since the fork, if one has: it was for the program.
    pub(super) fn obey(&self) {
        if let Ok(signal @ 1..) = i32::try_from(self.last.load(Ordering::Relaxed)) {
            signal_hook::low_level::emulate_default_handler(signal).ok();
        }
    }
}
