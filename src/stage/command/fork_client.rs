//! The way to this process's fork server. It is started with the first command, and again when it is gone.

use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::fork_server::DESCRIPTORS;
use super::own_program::{FORK_SERVER, own_program};

/// How soon orders are sent again when the server has not taken the last ones yet.
const PAUSE: Duration = Duration::from_millis(1);

/// Longest wait for the end of a server that is no longer needed.
const FAREWELL: Duration = Duration::from_millis(100);

/// One for all workers of this process.
static SERVER: Mutex<Option<Server>> = Mutex::new(None);

struct Server {
    orders: UnixStream,
    process: Child,
}

/// Asks for a guard that has these descriptors.
pub(super) async fn order(descriptors: [BorrowedFd<'_>; DESCRIPTORS]) -> io::Result<()> {
    loop {
        match order_now(&descriptors) {
            Err(error) if error.kind() == ErrorKind::WouldBlock || is(&error, Errno::TOOMANYREFS) => {
                tokio::time::sleep(PAUSE).await;
            }
            sent => return sent,
        }
    }
}

fn order_now(descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut server = server();
    if let Some(running) = server.as_ref() {
        match running.send(descriptors) {
            Err(error) if is(&error, Errno::PIPE) || is(&error, Errno::CONNRESET) => {}
            sent => return sent,
        }
    }
    server.take().map(Server::end);
    server.insert(Server::start()?).send(descriptors)
}

/// Ends the server, if there is one, so that what it has used counts for this process. While guards go on, it stays with them; other
/// workers of this process start a server of their own.
pub(crate) async fn end_fork_server() {
    let Some(ended) = server().take().map(Server::end) else { return };
    let end = Instant::now() + FAREWELL;
    while !ended.is_finished() && Instant::now() < end {
        tokio::time::sleep(PAUSE).await;
    }
}

fn server() -> MutexGuard<'static, Option<Server>> {
    SERVER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is(error: &io::Error, errno: Errno) -> bool {
    Errno::from_io_error(error) == Some(errno)
}

impl Server {
    fn start() -> io::Result<Server> {
        let (orders, theirs) = UnixStream::pair()?;
        let mut command = Command::new(own_program()?);
        // It needs nothing that this process knows, and no program gets anything by way of it.
        command.arg(FORK_SERVER).env_clear().stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).process_group(0);
        Ok(Server { orders, process: command.spawn()? })
    }

    fn send(&self, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut buffer = SendAncillaryBuffer::new(&mut space);
        buffer.push(SendAncillaryMessage::ScmRights(descriptors));
        // Descriptors travel with a byte.
        let byte = [IoSlice::new(&[0])];
        loop {
            match sendmsg(&self.orders, &byte, &mut buffer, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                sent => return Ok(sent.map(drop)?),
            }
        }
    }

    /// A thread waits for its end, for nobody may.
    fn end(self) -> JoinHandle<io::Result<ExitStatus>> {
        let Server { orders, mut process } = self;
        drop(orders);
        thread::spawn(move || process.wait())
    }
}
