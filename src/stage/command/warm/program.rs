//! The process of a warm stage: how it is started, watched and ended.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use tokio::net::UnixListener;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::super::control::Control;
use super::super::folder::Folder;
use super::super::limits::Limits;
use super::super::place::no_folder;
use super::super::report::Began;
use super::super::running::{LAST_WORDS, NoEnd, Running, end_orphans, until_reported};
use super::super::verdict::End;
use super::super::{LAST_WAIT, guard};
use super::connection::Connection;
use super::filled::filled;
use super::message;
use super::origin::Origin;
use super::output::Output;
use crate::model::failure::Failure;
use crate::model::resource::{Resource, starts_no_process};
use crate::stage::blocking::blocking;
use crate::stage::secrets::Secrets;
use crate::system::{descriptors, processes};

/// Bytes of a path that a socket can have everywhere, without the NUL behind it.
const LONGEST_PATH: usize = 103;
const SOCKET: &str = "warm";
/// How long a program may take to end when it is asked to.
const STOP_WAIT: Duration = Duration::from_secs(2);
/// What a job has started may end that long after its answer, as with other programs.
const STRAGGLERS: Duration = Duration::from_millis(500);

/// A program with its guard.
pub(super) struct Program {
    control: Control,
    began: Option<Began>,
    /// How it ended, once it has.
    end: Option<Result<ExitStatus, NoEnd>>,
    output: Arc<Output>,
    reading: AbortOnDropHandle<()>,
    folder: Folder,
    /// Has the socket, where the path of the other one is too long for it.
    _short: Option<Folder>,
}

/// The path of the socket: in the folder of the program, or in another one where that has too long a path.
async fn socket_in(folder: &Path) -> Result<(PathBuf, Option<Folder>), Failure> {
    let socket = folder.join(SOCKET);
    if socket.as_os_str().len() <= LONGEST_PATH {
        return Ok((socket, None));
    }
    let short = blocking(Folder::make_short).await.map_err(|error| {
        Failure::resource_unavailable(format!(
            "the path of a warm program's socket has more than {LONGEST_PATH} bytes ({}), and no folder can be made in /tmp \
             instead: {error}; let TMPDIR name a folder with a shorter path",
            socket.display()
        ))
    })?;
    Ok((short.path().join(SOCKET), Some(short)))
}

impl Program {
    /// Starts it in a folder of its own, and listens there for it.
    pub(super) async fn start(origin: &Origin, secrets: &Secrets) -> Result<(Program, UnixListener), Failure> {
        let folder = blocking(Folder::make).await.map_err(|error| no_folder(&error))?;
        let (socket, short) = socket_in(folder.path()).await?;
        let listener = UnixListener::bind(&socket).map_err(|error| no_folder(&error))?;
        let filled = filled(&origin.command, &socket)?;
        let limits = Limits { memory: origin.command.memory_bytes, descriptors: descriptors::at_start() };
        // Nothing comes on its standard input.
        let Running { control, order, stdout, stderr_pipe, .. } =
            Running::start(&filled, folder.path(), limits, &[], secrets, None).await?;
        // A guard that is gone says so by its silence.
        control.send(&order).await.ok();
        let output = Arc::new(Output::new(secrets));
        let reading = AbortOnDropHandle::new(tokio::spawn({
            let output = output.clone();
            async move { output.fill(stdout, stderr_pipe).await }
        }));
        Ok((Program { control, began: None, end: None, output, reading, folder, _short: short }, listener))
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn output(&self) -> &Arc<Output> {
        &self.output
    }

    /// Waits for its end; it may be asked again.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        if self.end.is_none() {
            self.end = Some(until_reported(&self.control, &mut self.began).await);
        }
        match self.end {
            Some(Ok(status)) => Ok(status),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// How it ended, once what it printed was read. `Err` says what the machine lacks, where no process could be started.
    pub(super) async fn buried(&mut self, status: io::Result<ExitStatus>) -> Result<End, Resource> {
        timeout(LAST_WORDS, &mut self.reading).await.ok();
        match (&self.end, status) {
            (_, Ok(status)) => Ok(End::of(status, Vec::new())),
            (Some(Err(NoEnd::Unguarded)), _) => Err(Resource::Processes),
            (Some(Err(NoEnd::NotStarted(error))), _) => {
                starts_no_process(error).map_or_else(|| Ok(End::Broken(error.to_string())), Err)
            }
            (_, Err(error)) => {
                end_orphans(self.began);
                Ok(End::Broken(error.to_string()))
            }
        }
    }

    /// Resident bytes of it and of all that it started.
    pub(super) fn resident_bytes(&self) -> u64 {
        let below = self.began.map(|Began { guard, .. }| processes::children(guard)).unwrap_or_default();
        below.into_iter().map(processes::resident_bytes).sum()
    }

    /// Names of processes that got away from it and go on without it, after a moment in which they may end.
    pub(super) async fn left_running(&self) -> Option<String> {
        let Began { program, guard } = self.began?;
        let left = || processes::children(guard).into_iter().filter(move |pid| *pid != program);
        let until = Instant::now() + STRAGGLERS;
        while left().next().is_some() {
            if Instant::now() >= until {
                let names: Vec<String> = left().filter_map(processes::name).collect();
                return (!names.is_empty()).then(|| names.join(", "));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }

    /// Ends it, if it has not ended, with all that it started. It is first asked over its connection, if there is one.
    pub(super) async fn end(mut self, connection: Option<Connection>) {
        if let Some(mut connection) = connection {
            connection.say(message::STOP);
            // What it still says is read, so that nothing holds it up.
            let listening = async {
                while connection.next().await.is_ok() {}
                std::future::pending::<()>().await;
            };
            let ended = async {
                tokio::select! { _ = self.ended() => {}, () = listening => {} }
            };
            timeout(STOP_WAIT, ended).await.ok();
        }
        self.control.send(guard::STOP).await.ok();
        if timeout(LAST_WAIT, self.ended()).await.is_err() {
            if let Some(Began { guard, .. }) = self.began.filter(|_| !self.control.has_news()) {
                // The program dies with its guard.
                kill_process(guard, Signal::KILL).ok();
            }
            end_orphans(self.began);
        }
        drop(self.reading);
        let folder = self.folder;
        let removed = blocking(move || {
            drop(folder);
            Ok(())
        });
        removed.await.ok();
    }
}
