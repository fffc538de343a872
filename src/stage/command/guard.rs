//! The process between a worker and a program. It outlives the worker, adopts the processes that the program leaves behind, and
//! exits only when all of them are gone: so no attempt leaves a process, and the worker's pipes always reach their end.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{ChildStdin, ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus};
use rustix::process::{getpid, kill_process, kill_process_group, setrlimit, wait, waitid};
use tokio::io::AsyncWriteExt;

use super::{launch, verdict};
use crate::model::resource::starts_no_process;
use crate::model::signal;
use crate::system::{regular, tree};

/// First argument of this program as a guard; then the attempt's folder, the program's limits and its arguments.
pub(super) const ROLE: &str = "__command-guard";
/// Behind the input: the program is to be stopped. The end of the guard's input says so too, and that nobody listens.
pub(super) const STOP: &[u8] = b"s";

/// File in the attempt's folder that holds the program's process group.
const GROUP: &str = "group";

/// Between the polite signal and the one that cannot be ignored.
const TERMINATION: Duration = Duration::from_secs(1);
/// Longest wait for a guard to make an end of a program, beyond the program's own time.
pub(crate) const LAST_WAIT: Duration = Duration::from_millis(1800);

/// Status of a guard that could start no process, as `sysexits` has it for what the system refuses. It has noted no
/// group then.
const NOTHING_STARTED: u8 = 71;

/// What a program started may end that long after it, as the ends of a pipeline do.
const STRAGGLERS: Duration = Duration::from_millis(500);
/// Longest wait for processes that were killed to be gone.
const BURIAL: Duration = Duration::from_millis(500);

/// Sends the program's input through the guard's.
pub(super) async fn send_input(control: &mut tokio::process::ChildStdin, input: &[u8]) -> std::io::Result<()> {
    control.write_u64_le(input.len() as u64).await?;
    control.write_all(input).await?;
    control.flush().await
}

/// What a guard waits for.
enum Event {
    /// A process that it started or adopted is gone.
    Ended(Pid, WaitStatus),
    /// None is left.
    AllEnded,
    Stop,
    WorkerGone,
}

pub(super) fn main(arguments: &[OsString]) -> ExitCode {
    let [folder, limits, argv @ ..] = arguments else { return ExitCode::from(64) };
    survive_requests_to_stop();
    adopt_orphans();
    let (tell, events) = channel();
    let mut program = match launch::start(limits, argv) {
        Ok(program) => program,
        Err(error) if starts_no_process(&error).is_some() => {
            launch::complain(argv, &error);
            return ExitCode::from(NOTHING_STARTED);
        }
        Err(error) => return launch::complain(argv, &error),
    };
    let input = program.stdin.take();
    let tell_of_worker = tell.clone();
    thread::spawn(move || listen(input, &tell_of_worker));
    thread::spawn(move || reap(&tell));
    let guard = Guard { program: Pid::from_child(&program), folder: Path::new(folder), events };
    if let Err(error) = guard.note_group() {
        writeln!(std::io::stderr(), "cannot note the process group of a command: {error}").ok();
    }
    guard.until_ended()
}

/// Ends what is left of a program whose guard was killed, as far as it stayed in its process group.
pub(super) fn end_orphans(folder: &Path) {
    if let Some(group) = program(folder) {
        kill_process_group(group, Signal::KILL).ok();
    }
}

/// The program that a guard has started in that folder, which leads its process group.
pub(super) fn program(folder: &Path) -> Option<Pid> {
    pid(&regular::read_words(&folder.join(GROUP)).ok()?)
}

/// Whether a guard that ended like that found that the system has no place for another process.
pub(super) fn started_nothing(status: ExitStatus, folder: &Path) -> bool {
    status.code() == Some(i32::from(NOTHING_STARTED)) && folder.join(GROUP).symlink_metadata().is_err()
}

/// Whether the guard of that process id has ended, be it that nobody has asked for its status yet. No id: it was asked for.
pub(super) fn has_ended(guard: Option<Pid>) -> bool {
    let Some(guard) = guard else { return true };
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::Pid(guard), look), Ok(Some(_)) | Err(Errno::CHILD))
}

/// Signals that stop a worker reach its guards too, where they are sent to a whole group or to every process of a
/// service. A
/// guard outlives its program, and so it goes on; the program begins with the system's own way to take them.
fn survive_requests_to_stop() {
    for signal in verdict::REQUESTS_TO_STOP {
        if let Err(error) = signal_hook::flag::register(signal, Arc::default()) {
            writeln!(std::io::stderr(), "cannot outlive {}: {error}", signal::name(signal)).ok();
        }
    }
}

/// Processes whose parents end become this one's children, however they tried to get away.
fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_child_subreaper(Some(getpid())) {
        writeln!(std::io::stderr(), "cannot adopt the processes of a command: {error}").ok();
    }
}

/// Hands the input to the program, then listens for the worker. A program that never reads holds up only its own input.
fn listen(to: Option<ChildStdin>, tell: &Sender<Event>) {
    let mut from = std::io::stdin().lock();
    let mut length = [0; 8];
    let mut input = Vec::new();
    let received = from.read_exact(&mut length).and_then(|()| {
        let length = u64::from_le_bytes(length);
        from.by_ref().take(length).read_to_end(&mut input)
    });
    if received.is_ok() {
        thread::spawn(move || {
            if let Some(mut to) = to {
                // A program need not read its input.
                to.write_all(&input).ok();
            }
        });
    }
    let mut order = [0];
    // A signal that interrupts the read is not its end.
    let event = match from.read_exact(&mut order) {
        Ok(()) => Event::Stop,
        Err(_) => Event::WorkerGone,
    };
    // The other end is gone only when this process is at its own.
    tell.send(event).ok();
}

fn reap(tell: &Sender<Event>) {
    loop {
        let event = match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) => Event::Ended(pid, status),
            Ok(None) | Err(Errno::INTR) => continue,
            Err(_) => Event::AllEnded,
        };
        let last = matches!(event, Event::AllEnded);
        if tell.send(event).is_err() || last {
            return;
        }
    }
}

struct Guard<'g> {
    program: Pid,
    folder: &'g Path,
    events: Receiver<Event>,
}

impl Guard<'_> {
    /// The program may have put something else in its place by now, which is not waited for.
    fn note_group(&self) -> std::io::Result<()> {
        // Nobody else can read it.
        let mut note = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.folder.join(GROUP))?;
        note.write_all(self.program.to_string().as_bytes())
    }

    fn until_ended(self) -> ExitCode {
        let status = loop {
            match self.events.recv() {
                Ok(Event::Ended(pid, status)) if pid == self.program => break status,
                Ok(Event::Ended(..)) => {}
                Ok(Event::Stop) | Ok(Event::AllEnded) | Err(_) => {
                    self.end_all();
                    return ExitCode::FAILURE;
                }
                Ok(Event::WorkerGone) => return self.clear_away(),
            }
        };
        match self.all_end_within(STRAGGLERS) {
            Waited::AllEnded => mirror(status),
            Waited::WorkerGone => self.clear_away(),
            // Frozen and thawed, this process may be late to see that they have ended.
            Waited::InVain if self.children().is_empty() => mirror(status),
            Waited::InVain => {
                let left = self.children().iter().filter_map(|pid| name_of(*pid)).collect::<Vec<_>>().join(", ");
                self.end_all();
                if verdict::is_request_to_stop(status) {
                    // It had no time to wait for them.
                    return mirror(status);
                }
                verdict::complain(&format!(
                    "the command ended but left processes running ({left}), which were stopped; make it wait for them"
                ));
                ExitCode::FAILURE
            }
        }
    }

    /// Nobody will read what the program wrote.
    fn clear_away(&self) -> ExitCode {
        self.end_all();
        tree::delete(self.folder).ok();
        ExitCode::FAILURE
    }

    /// Asks all of them to end, and then kills what is left.
    fn end_all(&self) {
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
        for child in self.children() {
            kill_process_group(child, signal).ok();
            kill_process(child, signal).ok();
        }
    }

    fn all_end_within(&self, limit: Duration) -> Waited {
        let end = Instant::now() + limit;
        loop {
            match self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Event::AllEnded) => return Waited::AllEnded,
                Ok(Event::WorkerGone) => return Waited::WorkerGone,
                Ok(Event::Ended(..) | Event::Stop) => {}
                Err(_) => return Waited::InVain,
            }
        }
    }

    /// Processes that this one started or adopted, where the system lists them.
    fn children(&self) -> Vec<Pid> {
        let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
        let lists = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        lists.flat_map(|list| list.split_whitespace().filter_map(pid).collect::<Vec<_>>()).collect()
    }
}

enum Waited {
    AllEnded,
    WorkerGone,
    InVain,
}

fn pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok()?)
}

fn name_of(pid: Pid) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero())).ok()?;
    Some(name.trim_end().to_owned())
}

/// Ends as the program did, so that the worker sees its status.
fn mirror(status: WaitStatus) -> ExitCode {
    let Some(number) = status.terminating_signal() else {
        return ExitCode::from(u8::try_from(status.exit_status().unwrap_or(1)).unwrap_or(1));
    };
    if let Some(signal) = Signal::from_named_raw(number) {
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).ok();
        if verdict::REQUESTS_TO_STOP.contains(&number) {
            // As it would have ended without its own way to take it.
            signal_hook::low_level::emulate_default_handler(number).ok();
        }
        // The first of a kind that the runtime handles only takes the handler away.
        for _ in 0..2 {
            kill_process(getpid(), signal).ok();
            thread::sleep(Duration::from_millis(1));
        }
    }
    // As a shell says it.
    ExitCode::from(u8::try_from(128 + number).unwrap_or(u8::MAX))
}
