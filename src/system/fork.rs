//! A second process from this one, without starting the program again.

use std::io;
use std::marker::PhantomData;

use nix::unistd::ForkResult;
use rustix::process::Pid;

/// The proof that this process has one thread. Whoever holds it starts no other.
pub(crate) struct SingleThread(PhantomData<*const ()>);

/// Which of the two processes this is.
pub(crate) enum Forked {
    Child,
    Parent(Pid),
}

impl SingleThread {
    /// `None` when something has started a thread before. Where the system does not list them, nothing has: it is asked for at the
    /// start of `main`.
    pub(crate) fn of_this_process() -> Option<SingleThread> {
        let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
        (threads == 1).then_some(SingleThread(PhantomData))
    }

    /// The child is a copy of this process, and single-threaded as well.
    pub(crate) fn fork(&self) -> io::Result<Forked> {
        #[expect(
            unsafe_code,
            reason = "a fork is unsafe only beside other threads, whose locks the child would inherit and nobody would ever release; \
                      here there is none"
        )]
        // SAFETY: `self` is the proof that there is no other thread.
        let forked = unsafe { nix::unistd::fork() }?;
        match forked {
            ForkResult::Child => Ok(Forked::Child),
            ForkResult::Parent { child } => {
                Pid::from_raw(child.as_raw()).map(Forked::Parent).ok_or_else(|| io::ErrorKind::InvalidData.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_with_threads_is_not_forked() {
        // Tests have a thread each.
        assert!(SingleThread::of_this_process().is_none());
    }
}
