//! The supervisor: runs the server, and ends it when the last client is gone.

use super::error::EmbeddedError;
use super::folder::Folder;
use super::locks::{Held, Lock};
use super::log_file;
use super::orders::Orders;
use super::server::{self, Ending, Server};
use rustix::process::Pid;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// A client that has just found out that nobody supervises, or waits for the supervisor to end, holds the lock for an instant.
const LOCK_LIMIT: Duration = Duration::from_secs(2);

/// How often the log's size is looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// A fast shutdown that takes longer than this is cut short: the next start then recovers.
const ENDING_LIMIT: Duration = Duration::from_secs(60);

/// Runs the supervisor until its server has ended: what a program does that was started by a
/// [`SupervisorCommand`](super::SupervisorCommand). `args` are the arguments that follow the command's own.
///
/// A killed supervisor leaves the server running; a client that lives, or else the next one, starts a supervisor that adopts it.
pub fn run_supervisor(args: &[OsString]) -> ExitCode {
    let Some(orders) = Orders::parse(args) else {
        report("this command is for Piton's own use");
        return ExitCode::from(2);
    };
    match supervise(&orders) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // The client has pointed this at the server's log.
            report(error);
            ExitCode::FAILURE
        }
    }
}

/// Where standard error is closed, nobody is left to read it.
fn report(what: impl Display) {
    writeln!(io::stderr(), "piton supervisor: {what}").ok();
}

/// Whether all ended in peace.
fn supervise(orders: &Orders) -> Result<bool, EmbeddedError> {
    // Ctrl-C and hang-ups of the caller's terminal are not for us. It fails only for a process that leads a session already.
    rustix::process::setsid().ok();
    std::env::set_current_dir("/").map_err(EmbeddedError::file("enter", "/"))?;
    let Some(_supervising) = take_lock(&orders.folder)? else {
        return Ok(true); // Another one supervises.
    };
    let server = Server::adopt_or_start(orders)?;
    let pid = server.pid();
    let (tell, events) = mpsc::channel();
    let no_thread = || EmbeddedError::file("start a thread for", orders.folder.base());
    watch_server(orders, server, tell.clone()).map_err(no_thread())?;
    watch_clients(orders, tell).map_err(no_thread())?;
    let mut ending: Option<Stop> = None;
    loop {
        match events.recv_timeout(ending.as_ref().map_or(HOUSEKEEPING, Stop::patience)) {
            Ok(Event::NoClients(locks)) => ending = Some(Stop::begin(pid, locks)),
            Ok(Event::ServerGone(in_peace)) => return Ok(in_peace),
            Ok(Event::Failed(error)) => return Err(error),
            Err(RecvTimeoutError::Timeout) if ending.is_some() => server::end(pid, Ending::Immediate),
            Err(RecvTimeoutError::Timeout) => trim_log(&orders.folder),
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
        }
    }
}

fn take_lock(folder: &Folder) -> Result<Option<Held>, EmbeddedError> {
    let begun = Instant::now();
    loop {
        match Lock::Supervisor.try_alone(folder)? {
            Some(held) => return Ok(Some(held)),
            None if begun.elapsed() > LOCK_LIMIT => return Ok(None),
            None => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// The server is worth more than its log: a failure is only told.
fn trim_log(folder: &Folder) {
    if let Err(error) = log_file::trim(folder) {
        report(error);
    }
}

enum Event {
    /// The last client is gone, and these locks keep new ones out.
    NoClients(StopLocks),
    /// The server has ended, in peace or not.
    ServerGone(bool),
    Failed(EmbeddedError),
}

/// Start lock and clients lock, so that no client sees a server that is about to end.
struct StopLocks {
    _start: Held,
    _clients: Held,
}

/// A shutdown under way.
struct Stop {
    _locks: StopLocks,
    begun: Instant,
}

impl Stop {
    fn begin(server: Pid, locks: StopLocks) -> Self {
        server::end(server, Ending::Fast);
        Self { _locks: locks, begun: Instant::now() }
    }

    fn patience(&self) -> Duration {
        ENDING_LIMIT.saturating_sub(self.begun.elapsed()).max(Duration::from_secs(1))
    }
}

fn watch_server(orders: &Orders, mut server: Server, tell: Sender<Event>) -> io::Result<()> {
    let folder = orders.folder.clone();
    let watch = move || {
        let ended = server.wait().map_err(EmbeddedError::file("wait for the server of", folder.base()));
        let event = ended.map_or_else(Event::Failed, Event::ServerGone);
        tell.send(event).ok(); // Nobody listens any more: the supervisor ends.
    };
    thread::Builder::new().name("server".to_owned()).spawn(watch).map(drop)
}

fn watch_clients(orders: &Orders, tell: Sender<Event>) -> io::Result<()> {
    let (folder, linger) = (orders.folder.clone(), orders.linger);
    let watch = move || {
        let event = until_no_clients(&folder, linger).map_or_else(Event::Failed, Event::NoClients);
        tell.send(event).ok(); // Nobody listens any more: the supervisor ends.
    };
    thread::Builder::new().name("clients".to_owned()).spawn(watch).map(drop)
}

/// Blocks until the last client is gone and, the linger over, no new one has come.
fn until_no_clients(folder: &Folder, linger: Duration) -> Result<StopLocks, EmbeddedError> {
    loop {
        drop(Lock::Clients.wait_alone(folder)?);
        thread::sleep(linger);
        let start = Lock::Start.wait_alone(folder)?;
        if let Some(clients) = Lock::Clients.try_alone(folder)? {
            return Ok(StopLocks { _start: start, _clients: clients });
        }
    }
}
