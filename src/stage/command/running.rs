//! A program that runs, as its worker sees it: a guard with its program, and the ends of its pipes.

use std::io::{self, PipeReader, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::pin::pin;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Signal, kill_process, kill_process_group};
use tokio::net::unix::pipe::Receiver;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::control::Control;
use super::cut::Cut;
use super::environment::Filled;
use super::guard::STOP;
use super::heard::{Heard, Listener, Stream};
use super::last_wait::LAST_WAIT;
use super::limits::Limits;
use super::reading::read_up_to;
use super::report::{Began, Report};
use super::tail::Tail;
use super::verdict::End;
use super::{fork_client, order};
use crate::model::failure::Failure;
use crate::model::resource::{Resource, starts_no_process};
use crate::stage::secrets::Secrets;

const THREADS: &str =
    "the program has started threads before Piton: let `piton::child` or `App::main` be the first line of `main`";

/// Longest wait for what a pipe still holds when its writers are gone.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);

/// An input of at most so many bytes is sent with the rest of the order.
const SMALL: usize = 16 * 1024;

pub(super) struct Running {
    /// The order goes through it; a byte behind it, or its end, stops the program.
    pub(super) control: Control,
    /// What of it is still to be sent.
    pub(super) order: Vec<u8>,
    pub(super) stdout: Heard<Receiver>,
    pub(super) stderr_pipe: Heard<Receiver>,
    pub(super) stderr: Tail,
    pub(super) began: Option<Began>,
}

/// Why a program was given up.
pub(super) enum NoEnd {
    /// It printed too much.
    TooMuch,
    Broken(io::Error),
    /// The system refused to start it.
    NotStarted(io::Error),
    /// Nobody was there to start it.
    Unguarded,
}

impl From<Cut> for NoEnd {
    fn from(cut: Cut) -> NoEnd {
        match cut {
            Cut::TooMuch => NoEnd::TooMuch,
            Cut::Broken(error) => NoEnd::Broken(error),
        }
    }
}

impl From<io::Error> for NoEnd {
    fn from(error: io::Error) -> NoEnd {
        NoEnd::Broken(error)
    }
}

impl Running {
    pub(super) async fn start(
        filled: &Filled,
        folder: &Path,
        limits: Limits,
        input: &[u8],
        secrets: &Secrets,
        listener: Option<&Listener>,
    ) -> Result<Running, Failure> {
        let opened = async {
            let mut order = order::written(filled, folder, limits, input.len())?;
            if input.len() <= SMALL {
                order.extend_from_slice(input);
            }
            let (control, theirs, sent) = Control::pair(&order)?;
            order.drain(..sent);
            let ((stdout, program_stdout), (stderr, program_stderr)) = (pipe()?, pipe()?);
            fork_client::order([theirs.as_fd(), program_stdout.as_fd(), program_stderr.as_fd()]).await?;
            let stdout = Heard::new(receiver(stdout)?, Stream::Output, listener, secrets);
            let stderr_pipe = Heard::new(receiver(stderr)?, Stream::Error, listener, secrets);
            Ok(Running { control, order, stdout, stderr_pipe, stderr: Tail::new(secrets), began: None })
        };
        opened.await.map_err(|error| not_started(filled, &error))
    }

    /// The program's status and standard output, once all that it started is gone, unless that takes longer than the limit.
    /// Whether it has ended is asked before the timer is believed: where this process was frozen, both are found at once.
    pub(super) async fn until_ended_within(
        &mut self,
        limit: Duration,
        input: &[u8],
        most: usize,
    ) -> Result<Result<(ExitStatus, Vec<u8>), NoEnd>, Elapsed> {
        let Running { control, order, stdout, stderr_pipe, stderr, began } = self;
        let feed = async {
            // A guard that is gone says so by its silence.
            if control.send(order).await.is_ok() && input.len() > SMALL {
                control.send(input).await.ok();
            }
            Ok(())
        };
        let read = async { tokio::try_join!(feed, read_up_to(stdout, most), stderr.fill(stderr_pipe)) };
        let ending = async {
            let (mut read, mut ended) = (pin!(read), pin!(until_reported(control, began)));
            tokio::select! {
                read = &mut read => {
                    let ((), bytes, ()) = read?;
                    Ok((ended.await?, bytes))
                }
                // The guard ends last.
                status = &mut ended => {
                    let status = status?;
                    let rest = timeout(LAST_WORDS, read).await.map_err(|_| NoEnd::Broken(io::ErrorKind::BrokenPipe.into()));
                    let ((), bytes, ()) = rest??;
                    Ok((status, bytes))
                }
            }
        };
        let mut ending = pin!(ending);
        match timeout(limit, &mut ending).await {
            Err(_) if control.has_news() => timeout(2 * LAST_WORDS, ending).await,
            ended => ended,
        }
    }

    /// Has the program ended, and reads the last of what it says meanwhile.
    pub(super) async fn stop(&mut self, end: End) -> End {
        let Running { control, stderr_pipe, stderr, began, .. } = self;
        let ended = async {
            control.send(STOP).await.ok();
            tokio::join!(until_reported(control, began), stderr.fill(stderr_pipe))
        };
        if timeout(LAST_WAIT, ended).await.is_err()
            && !self.control.has_news()
            && let Some(Began { guard, .. }) = self.began
        {
            // The program dies with its guard.
            kill_process(guard, Signal::KILL).ok();
        }
        end
    }
}

/// Ends what is left of a program whose guard was killed, as far as it stayed in its process group.
pub(super) fn end_orphans(began: Option<Began>) {
    if let Some(Began { program, .. }) = began {
        kill_process_group(program, Signal::KILL).ok();
    }
}

/// Why the program was not started.
pub(super) fn not_started(filled: &Filled, error: &io::Error) -> Failure {
    let message = format!("cannot start `{}`: {error}", filled.program);
    match error.kind() {
        io::ErrorKind::InvalidInput => Failure::invalid_input(message),
        _ => Failure::resource_unavailable(message).for_lack_of(starts_no_process(error)),
    }
}

/// Its guard was killed, or the process that starts guards, before the program had begun.
pub(super) fn unguarded(filled: &Filled) -> Failure {
    let message = format!("cannot start `{}`: the process that starts commands was killed", filled.program);
    Failure::resource_unavailable(message).for_lack_of(Resource::Processes)
}

fn receiver(pipe: PipeReader) -> io::Result<Receiver> {
    Receiver::from_owned_fd(OwnedFd::from(pipe))
}

/// What the guard says of the end.
pub(super) async fn until_reported(control: &Control, began: &mut Option<Began>) -> Result<ExitStatus, NoEnd> {
    loop {
        match control.report().await? {
            Some(Report::Began(now)) => *began = Some(now),
            Some(Report::Ended(status)) => return Ok(status),
            Some(Report::Refused(number)) => return Err(NoEnd::NotStarted(io::Error::from_raw_os_error(number))),
            Some(Report::HasThreads) => return Err(NoEnd::NotStarted(io::Error::other(THREADS))),
            None if began.is_none() => return Err(NoEnd::Unguarded),
            None => return Err(NoEnd::Broken(io::ErrorKind::BrokenPipe.into())),
        }
    }
}
