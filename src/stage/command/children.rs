//! The processes that this one started or adopted.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus, getpid, wait};
use signal_hook::SigId;
use signal_hook::consts::SIGCHLD;

use crate::system::processes;

/// Can be waited for together with sockets: it is readable once a child has ended.
pub(super) struct Children {
    bell: UnixStream,
    registered: SigId,
}

/// What is known of them.
pub(super) enum State {
    Ended(Pid, WaitStatus),
    /// Those that are left run.
    Run,
    /// There is none.
    AllEnded,
}

impl Children {
    pub(super) fn watch() -> io::Result<Children> {
        let (bell, rung) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        let registered = signal_hook::low_level::pipe::register(SIGCHLD, rung)?;
        Ok(Children { bell, registered })
    }

    /// The next one that has ended, without waiting.
    pub(super) fn look(&self) -> State {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => return State::Ended(pid, status),
                Ok(None) => return State::Run,
                Err(Errno::INTR) => {}
                Err(_) => return State::AllEnded,
            }
        }
    }

    /// Must come before looking: a child that ends from now on makes it readable again.
    pub(super) fn hush(&self) {
        // Nothing to read is what it comes to in the end.
        while matches!((&self.bell).read(&mut [0; 64]), Ok(64)) {}
    }

    /// All of them, where the system lists them.
    pub(super) fn list() -> Vec<Pid> {
        processes::children(getpid())
    }
}

impl AsFd for Children {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        signal_hook::low_level::unregister(self.registered);
    }
}

/// Processes whose parents end become this one's children, however they tried to get away.
pub(super) fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_child_subreaper(Some(getpid())) {
        use std::io::Write;
        writeln!(io::stderr(), "cannot adopt the processes of a command: {error}").ok();
    }
}
