//! The process between a worker and a program: a fork of the [`fork_server`](super::fork_server). It outlives the worker, adopts
//! the processes that the program leaves behind, and exits only when all of them are gone: so no attempt leaves a process, and
//! the worker's pipes always reach their end.

use std::env;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitStatus, getpid, kill_process, kill_process_group, setpgid};
use rustix::stdio::dup2_stderr;

use super::children::{Children, adopt_orphans};
use super::events::{Event, Events};
use super::launch::{self, Launched};
use super::order::Order;
use super::report::{Began, Report};
use super::requests::Requests;
use super::verdict;
use crate::model::resource::starts_no_process;
use crate::system::fork::SingleThread;
use crate::system::{descriptors, processes, tree};

/// Behind the order: the program is to be stopped. The end of the socket says so too, and that nobody listens.
pub(super) const STOP: &[u8] = b"s";

/// Between the polite signal and the one that cannot be ignored.
const TERMINATION: Duration = Duration::from_secs(1);

/// What a program started may end that long after it, as the ends of a pipeline do.
const STRAGGLERS: Duration = Duration::from_millis(500);
/// Longest wait for processes that were killed to be gone.
const BURIAL: Duration = Duration::from_millis(500);

/// What a guard holds of an attempt.
pub(super) struct Ends {
    /// The order comes through it, and reports go back.
    pub(super) control: UnixStream,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

impl Ends {
    pub(super) fn report(&self, report: Report) {
        send(&self.control, report);
    }
}

/// To a worker that may be gone.
fn send(mut control: &UnixStream, report: Report) {
    control.write_all(&report.to_bytes()).ok();
}

/// Starts a program, as the worker orders, and returns when everything that it started is gone; or returns in the process that
/// should have become the program.
pub(super) fn watch_over(process: &SingleThread, requests: &Requests, ends: Ends) -> ExitCode {
    let Ends { control, stdout, stderr } = ends;
    // Else the worker is gone, and nothing was started.
    let Ok(order) = Order::read(&control) else { return ExitCode::FAILURE };
    // The fork server may have been frozen meanwhile, and no program begins after its attempt.
    if descriptors::is_readable(&control) {
        if !matches!((&control).read(&mut [0]), Ok(1)) {
            tree::delete(&order.folder).ok();
        }
        return ExitCode::FAILURE;
    }
    let started =
        prepare(&order, stderr).and_then(|children| Ok((children, launch::start(process, requests, &order, stdout)?)));
    let (children, program, input) = match started {
        Ok((children, Launched::Guard(program, input))) => (children, program, input),
        Ok((_, Launched::Program(code))) => return code,
        Err(error) => return not_started(&control, &order, &error),
    };
    send(&control, Report::Began(Began { guard: getpid(), program }));
    let mut guard = Guard { program, folder: order.folder, events: Events::new(children, control, order.input, input) };
    if let Some(status) = guard.until_ended() {
        send(guard.events.control(), Report::Ended(status));
    }
    ExitCode::SUCCESS
}

/// What a guard says itself goes where its program's words go.
fn prepare(order: &Order, stderr: OwnedFd) -> io::Result<Children> {
    dup2_stderr(stderr)?;
    setpgid(None, None)?;
    adopt_orphans();
    order.dir.iter().try_for_each(env::set_current_dir)?;
    Children::watch()
}

fn not_started(control: &UnixStream, order: &Order, error: &io::Error) -> ExitCode {
    match error.raw_os_error() {
        Some(number) if starts_no_process(error).is_some() => send(control, Report::Refused(number)),
        _ => {
            launch::complain(order, error);
            send(control, Report::Ended(ExitStatus::from_raw(127 << 8)));
        }
    }
    ExitCode::FAILURE
}

struct Guard {
    program: Pid,
    folder: PathBuf,
    events: Events,
}

impl Guard {
    /// The program's status, or that of a failure that was told; `None` when nobody listens.
    fn until_ended(&mut self) -> Option<ExitStatus> {
        let failure = ExitStatus::from_raw(1 << 8);
        let status = loop {
            match self.events.next(None) {
                Some(Event::Ended(pid, status)) if pid == self.program => break status,
                Some(Event::Ended(..)) => {}
                Some(Event::Stop | Event::AllEnded) | None => {
                    self.end_all();
                    return Some(failure);
                }
                Some(Event::WorkerGone) => return self.clear_away(),
            }
        };
        match self.all_end_within(STRAGGLERS) {
            Waited::AllEnded => Some(as_it_is(status)),
            Waited::WorkerGone => self.clear_away(),
            // Frozen and thawed, this process may be late to see that they have ended.
            Waited::InVain if Children::list().is_empty() => Some(as_it_is(status)),
            Waited::InVain => {
                let left =
                    Children::list().iter().filter_map(|pid| processes::name(*pid)).collect::<Vec<_>>().join(", ");
                self.end_all();
                if verdict::is_request_to_stop(status) {
                    // It had no time to wait for them.
                    return Some(as_it_is(status));
                }
                verdict::complain(&format!(
                    "the command ended but left processes running ({left}), which were stopped; make it wait for them"
                ));
                Some(failure)
            }
        }
    }

    /// Nobody will read what the program wrote.
    fn clear_away(&mut self) -> Option<ExitStatus> {
        self.end_all();
        tree::delete(&self.folder).ok();
        None
    }

    /// Asks all of them to end, and then kills what is left.
    fn end_all(&mut self) {
        self.signal(Signal::TERM);
        if matches!(self.all_end_within(TERMINATION), Waited::AllEnded) {
            return;
        }
        let end = Instant::now() + BURIAL;
        while Instant::now() < end {
            // Each of them may have started another in between.
            self.signal(Signal::KILL);
            if matches!(self.all_end_within(Duration::from_millis(10)), Waited::AllEnded) {
                return;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        // Those that are gone already need no signal.
        kill_process_group(self.program, signal).ok();
        for child in Children::list() {
            kill_process_group(child, signal).ok();
            kill_process(child, signal).ok();
        }
    }

    fn all_end_within(&mut self, limit: Duration) -> Waited {
        let end = Instant::now() + limit;
        loop {
            match self.events.next(Some(end)) {
                Some(Event::AllEnded) => return Waited::AllEnded,
                Some(Event::WorkerGone) => return Waited::WorkerGone,
                Some(Event::Ended(..) | Event::Stop) => {}
                None => return Waited::InVain,
            }
        }
    }
}

enum Waited {
    AllEnded,
    WorkerGone,
    InVain,
}

fn as_it_is(status: WaitStatus) -> ExitStatus {
    ExitStatus::from_raw(status.as_raw())
}
