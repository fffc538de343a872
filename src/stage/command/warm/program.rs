//! The process of a warm stage: how it is started, watched and ended.

use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Pid;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::process::{Child, ChildStdin};
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::super::folder::Folder;
use super::super::verdict::End;
use super::super::{LAST_WORDS, Running, guard, no_folder};
use super::connection::Connection;
use super::filled::filled;
use super::message;
use super::origin::Origin;
use super::output::Output;
use crate::model::failure::Failure;
use crate::model::resource::Resource;
use crate::stage::blocking::blocking;
use crate::stage::secrets::Secrets;
use crate::system::processes;

/// Bytes of a path that a socket can have everywhere, without the NUL behind it.
const LONGEST_PATH: usize = 103;
/// How long a program may take to end when it is asked to.
const STOP_WAIT: Duration = Duration::from_secs(2);
/// What a job has started may end that long after its answer, as with other programs.
const STRAGGLERS: Duration = Duration::from_millis(500);

/// A program with its guard.
pub(super) struct Program {
    guard: Child,
    control: ChildStdin,
    output: Arc<Output>,
    reading: AbortOnDropHandle<()>,
    /// The program, and the process that adopts what it leaves behind, where the system tells.
    pids: Option<(u32, u32)>,
    folder: Folder,
}

impl Program {
    /// Starts it in a folder of its own, and listens there for it.
    pub(super) async fn start(origin: &Origin, secrets: &Secrets) -> Result<(Program, UnixListener), Failure> {
        let folder = blocking(Folder::make).await.map_err(|error| no_folder(&error))?;
        let socket = folder.path().join("warm");
        if socket.as_os_str().len() > LONGEST_PATH {
            return Err(Failure::resource_unavailable(format!(
                "the path of a warm program's socket has more than {LONGEST_PATH} bytes ({}); let TMPDIR name a folder with a \
                 shorter path",
                socket.display()
            )));
        }
        let listener = UnixListener::bind(&socket).map_err(|error| no_folder(&error))?;
        let filled = filled(&origin.command, &socket)?;
        let memory = origin.command.memory_bytes;
        let Running { guard, mut control, stdout, stderr_pipe, .. } =
            Running::start(&filled, &folder, memory, secrets)?;
        // Nothing comes on its standard input. A guard that is gone says so by its status.
        guard::send_input(&mut control, &[]).await.ok();
        let output = Arc::new(Output::new(secrets));
        let reading = AbortOnDropHandle::new(tokio::spawn({
            let output = output.clone();
            async move { output.fill(stdout, stderr_pipe).await }
        }));
        Ok((Program { guard, control, output, reading, pids: None, folder }, listener))
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn output(&self) -> &Arc<Output> {
        &self.output
    }

    /// It is ready, so its guard has noted it.
    pub(super) fn find(&mut self) {
        let program = guard::program(self.folder.path()).and_then(number);
        self.pids = program.and_then(|program| Some((program, processes::parent(program)?)));
    }

    /// Waits for its end; it may be asked again.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.guard.wait().await
    }

    /// How it ended, once what it printed was read. `Err` says what the machine lacks, where no process could be started.
    pub(super) async fn buried(&mut self, status: io::Result<ExitStatus>) -> Result<End, Resource> {
        timeout(LAST_WORDS, &mut self.reading).await.ok();
        match status {
            Ok(status) if guard::started_nothing(status, self.folder.path()) => Err(Resource::Processes),
            Ok(status) => Ok(End::of(status, Vec::new())),
            Err(error) => {
                guard::end_orphans(self.folder.path());
                Ok(End::Broken(error.to_string()))
            }
        }
    }

    /// Resident bytes of it and of all that it started.
    pub(super) fn resident_bytes(&self) -> u64 {
        let below = self.pids.map(|(_, guard)| processes::children(guard)).unwrap_or_default();
        below.into_iter().map(processes::resident_bytes).sum()
    }

    /// Names of processes that got away from it and go on without it, after a moment in which they may end.
    pub(super) async fn left_running(&self) -> Option<String> {
        let (program, guard) = self.pids?;
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
                tokio::select! { _ = self.guard.wait() => {}, () = listening => {} }
            };
            timeout(STOP_WAIT, ended).await.ok();
        }
        let stopped = async {
            self.control.write_all(guard::STOP).await.ok();
            self.guard.wait().await
        };
        if timeout(guard::LAST_WAIT, stopped).await.is_err() {
            // The program dies with its guard.
            self.guard.start_kill().ok();
            self.guard.wait().await.ok();
            guard::end_orphans(self.folder.path());
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

fn number(pid: Pid) -> Option<u32> {
    u32::try_from(pid.as_raw_nonzero().get()).ok()
}
