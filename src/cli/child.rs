//! A process that one of Piton's own commands started, and that ends with it.

use std::io::Read;

use rustix::process::{Signal, set_parent_process_death_signal};

use super::exit::Exit;
use super::worker::is_runner;

/// The starter holds the other end of our standard input, and it closes with the starter, however that ends. A runner of
/// suspects ends with its worker, which has a way of its own.
pub(super) fn end_with_parent() {
    if is_runner() {
        return;
    }
    // Also when this process is frozen. Where the system has no such thing, the thread below has to do.
    set_parent_process_death_signal(Some(Signal::KILL)).ok();
    std::thread::spawn(|| {
        // End or error, either way nobody is there any more.
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        std::process::exit(Exit::Failed as i32);
    });
}
