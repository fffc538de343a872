//! Command stages: a program, no shell; input as JSON on its standard input, output on its standard output.
//!
//! The worker does not start the program itself. It starts a [`guard`] (this same program), which starts the
//! [`launch`]ed program in a process group of its own and outlives it: whatever the program started is gone when its
//! attempt is over, also when the worker was killed (see ARCHITECTURE.md).

mod cut;
mod environment;
mod files;
mod folder;
mod guard;
mod inputs;
mod launch;
mod own_program;
mod tail;
mod trial;
mod verdict;
pub(crate) mod warm;

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::Instant;
use tokio::time::error::Elapsed;

use self::cut::Cut;
use self::environment::Filled;
use self::inputs::Inputs;
use self::launch::Limits;
use self::tail::Tail;
use self::verdict::End;
use super::answer;
use super::blocking::blocking;
use super::finish::NOTHING;
use super::handler::Offer;
use super::kept_files;
use super::secrets::Secrets;
use crate::model::failure::Failure;
use crate::model::payload::Payload;
use crate::model::resource::{Resource, out_of_descriptors, starts_no_process};
use crate::model::text::{self, NotUtf8};
use crate::system::{descriptors, regular};
use crate::workflow::definition::{CommandStage, OutputFormat, StandardInput};
use crate::workflow::duration;

pub(crate) use self::folder::{Folder, delete_abandoned, try_out as try_out_folder};
pub(crate) use self::guard::LAST_WAIT;
pub(crate) use self::own_program::own_program;
pub(crate) use self::trial::try_out_process;

/// Who stops a worker with all that it started sends the signals one after another: so much later it may come to the
/// worker.
const SIGNALS_RACE: Duration = Duration::from_secs(1);

/// Longest wait for what a pipe still holds when its writers are gone.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What this process is, when it was started as a part of a command stage and not by a person.
pub(crate) fn part(role: &std::ffi::OsStr, arguments: &[OsString]) -> Option<ExitCode> {
    match role.to_str()? {
        guard::ROLE => Some(guard::main(arguments)),
        launch::ROLE => Some(launch::main(arguments)),
        _ => None,
    }
}

/// Runs one attempt. When the future is dropped, the program is ended as at its time limit.
pub(crate) async fn run(stage: &CommandStage, offer: Offer, limit: Duration) -> Result<Payload, Failure> {
    let secrets = environment::secrets(stage, offer.token.as_ref());
    let ended = attempt(stage, &offer, limit, &secrets).await;
    // Whatever found the failure: no text of it is kept that was not looked through.
    ended.map_err(|failure| failure.redacted(|text, whole| secrets.hide_in_beginning(text, whole, usize::MAX)))
}

async fn attempt(stage: &CommandStage, offer: &Offer, limit: Duration, secrets: &Secrets) -> Result<Payload, Failure> {
    // What is slow about a disk is no matter of the other attempts.
    let folder = blocking(Folder::make).await.map_err(|error| no_folder(&error))?;
    let ended = run_in(&folder, stage, offer, limit, secrets).await;
    blocking(move || {
        drop(folder);
        Ok(())
    })
    .await?;
    ended
}

async fn run_in(
    folder: &Folder,
    stage: &CommandStage,
    offer: &Offer,
    limit: Duration,
    secrets: &Secrets,
) -> Result<Payload, Failure> {
    let begun = Instant::now();
    let files = folder.path().join(files::FOLDER);
    for made in [&files, &folder.path().join(inputs::FOLDER)] {
        tokio::fs::DirBuilder::new().mode(0o700).create(made).await.map_err(|error| no_folder(&error))?;
    }
    inputs::make_ways_out(stage, &files).map_err(|error| no_folder(&error))?;
    let artifacts = &offer.context.artifacts;
    match end(stage, offer, folder, limit, secrets).await {
        Ok(payload) => {
            let kept = files::keep(&files, artifacts, secrets);
            match tokio::time::timeout_at(files::until_kept(begun, limit), kept).await {
                Ok(kept) => Ok(kept_files::listed(payload, &kept?, offer.limits.payload_bytes)),
                Err(_) => Err(Failure::network_timeout(format!(
                    "the command ended, but its files could not be kept within the stage's timeout of {}",
                    duration::words(limit)
                ))),
            }
        }
        Err(failure) => Err(files::keep_failed(&files, artifacts, secrets, files::until(begun, limit), failure).await),
    }
}

/// The program has nothing to do with it.
fn no_folder(error: &io::Error) -> Failure {
    let place = std::env::temp_dir();
    let failure = Failure::resource_unavailable(format!(
        "no folder for the command can be made in {}: {error}; let TMPDIR name a folder that can be written to",
        place.display()
    ));
    failure.for_lack_of(out_of_descriptors(error).unwrap_or(Resource::TemporaryFolder))
}

/// Runs the program to its end: its output, or why there is none.
async fn end(
    stage: &CommandStage,
    offer: &Offer,
    folder: &Folder,
    limit: Duration,
    secrets: &Secrets,
) -> Result<Payload, Failure> {
    let output_file = folder.path().join("output");
    let inputs_folder = folder.path().join(inputs::FOLDER);
    let fetched = Inputs::fetch(stage, offer, &inputs_folder);
    let inputs = tokio::time::timeout(limit, fetched).await.map_err(|_| inputs::took_too_long(limit))??;
    let filled = Filled::of(stage, offer, &output_file, folder.path(), inputs.by_text())?;
    let mut running = Running::start(&filled, folder, stage.memory_bytes, secrets)?;
    let most = offer.limits.payload_bytes;
    let input = match stage.stdin {
        StandardInput::Input => offer.input.as_bytes(),
        StandardInput::Nothing => &[],
    };
    let end = match running.until_ended_within(limit, input, most).await {
        Ok(Ok((status, _))) if guard::started_nothing(status, folder.path()) => {
            let said = format!("cannot start `{}`: {}", filled.program, running.stderr.words().without(secrets).trim());
            return Err(Failure::resource_unavailable(said).for_lack_of(Resource::Processes));
        }
        Ok(Ok((status, stdout))) => End::of(status, stdout),
        Ok(Err(Cut::TooMuch)) => running.stop(End::TooMuch(most)).await,
        Ok(Err(Cut::Broken(error))) => {
            guard::end_orphans(folder.path());
            running.stop(End::Broken(error.to_string())).await
        }
        Err(_) => running.stop(End::OutOfTime(duration::words(limit))).await,
    };
    if end.is_by_a_request_to_stop() && offer.context.is_stopping(SIGNALS_RACE).await {
        // Whoever stopped the worker sent the signal to its programs too, and that is no failure of theirs.
        return offer.context.hand_back().await;
    }
    let stdout = verdict::of(&filled.program, end, &running.stderr.words(), &stage.classes, secrets)?;
    inputs.are_untouched().await?;
    let (output, who) = match read_file(&output_file, most).await? {
        Some(written) => (written, "the command wrote into $PITON_OUTPUT"),
        None => (stdout, "the command printed"),
    };
    if offer.token.is_some() && output.trim_ascii().is_empty() {
        return Err(Failure::invalid_input(NOTHING));
    }
    let text = text::utf8(&output).map_err(|error| {
        let charset = if error == NotUtf8::Utf16 { "UTF-16" } else { "LATIN1" };
        Failure::invalid_input(format!(
            "{who} text that is not UTF-8: {error}; convert it, as `iconv -f {charset} -t UTF-8` does, or keep the bytes as a file in \
             $PITON_ARTIFACTS"
        ))
    })?;
    // Whoever makes files need not print anything.
    let says_nothing = text.trim().is_empty() && stage.output == OutputFormat::Json;
    let text = if says_nothing && files::are_any(&folder.path().join(files::FOLDER)).await { "{}" } else { text };
    answer::payload(text, stage.output, who, most, secrets)
}

/// A guard with its program, and the ends of its pipes.
struct Running {
    guard: Child,
    /// Input goes through it; a byte behind it, or its end, stops the program.
    control: ChildStdin,
    stdout: ChildStdout,
    stderr_pipe: ChildStderr,
    stderr: Tail,
}

impl Running {
    fn start(filled: &Filled, folder: &Folder, memory: Option<u64>, secrets: &Secrets) -> Result<Running, Failure> {
        let limits = Limits { memory, descriptors: descriptors::at_start() };
        let mut command = Command::new(own_program()?);
        command
            .arg(guard::ROLE)
            .arg(folder.path())
            .arg(limits.to_string())
            .args(&filled.argv)
            .env_clear()
            .envs(&filled.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(dir) = &filled.dir {
            command.current_dir(dir);
        }
        let mut guard = command.spawn().map_err(|error| not_started(filled, &error))?;
        let (Some(control), Some(stdout), Some(stderr_pipe)) =
            (guard.stdin.take(), guard.stdout.take(), guard.stderr.take())
        else {
            return Err(Failure::unknown("the command's pipes were not opened"));
        };
        Ok(Running { guard, control, stdout, stderr_pipe, stderr: Tail::new(secrets) })
    }

    /// The same, unless it takes longer than the limit. Whether it has ended is asked before the timer is believed:
    /// where this
    /// process was frozen, both are found at once.
    async fn until_ended_within(
        &mut self,
        limit: Duration,
        input: &[u8],
        most: usize,
    ) -> Result<Result<(ExitStatus, Vec<u8>), Cut>, Elapsed> {
        let guard = self.guard.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let mut ending = pin!(self.until_ended(input, most));
        match tokio::time::timeout(limit, &mut ending).await {
            Err(_) if guard::has_ended(guard) => tokio::time::timeout(2 * LAST_WORDS, ending).await,
            ended => ended,
        }
    }

    /// The program's status and standard output, once all that it started is gone.
    async fn until_ended(&mut self, input: &[u8], most: usize) -> Result<(ExitStatus, Vec<u8>), Cut> {
        let Running { guard, control, stdout, stderr_pipe, stderr } = self;
        let feed = async {
            // A guard that is gone says so by its status.
            guard::send_input(control, input).await.ok();
            Ok(())
        };
        let read = async { tokio::try_join!(feed, read_up_to(stdout, most), stderr.fill(stderr_pipe)) };
        tokio::pin!(read);
        let (status, ((), bytes, ())) = tokio::select! {
            read = &mut read => {
                let read = read?;
                (guard.wait().await?, read)
            }
            // The guard ends last. If it was killed, something it would have seen to may hold the pipes.
            status = guard.wait() => {
                let rest = tokio::time::timeout(LAST_WORDS, read).await;
                (status?, rest.map_err(|_| Cut::Broken(std::io::ErrorKind::BrokenPipe.into()))??)
            }
        };
        Ok((status, bytes))
    }

    /// Has the program ended, and reads the last of what it says meanwhile.
    async fn stop(&mut self, end: End) -> End {
        let ended = async {
            self.control.write_all(guard::STOP).await.ok();
            tokio::join!(self.guard.wait(), self.stderr.fill(&mut self.stderr_pipe))
        };
        if tokio::time::timeout(LAST_WAIT, ended).await.is_err() {
            // The program dies with its guard.
            self.guard.start_kill().ok();
        }
        end
    }
}

fn not_started(filled: &Filled, error: &std::io::Error) -> Failure {
    let place = filled.dir.as_ref().map_or_else(String::new, |dir| format!(" in `{}`", dir.display()));
    let message = format!("cannot start `{}`{place}: {error}", filled.program);
    match error.kind() {
        std::io::ErrorKind::ArgumentListTooLong | std::io::ErrorKind::InvalidInput => Failure::invalid_input(message),
        _ => Failure::resource_unavailable(message).for_lack_of(starts_no_process(error)),
    }
}

/// Everything from a pipe, unless it is more than `most` bytes and a line end.
async fn read_up_to(from: &mut (impl AsyncRead + Unpin), most: usize) -> Result<Vec<u8>, Cut> {
    let mut bytes = Vec::new();
    from.take(most as u64 + 3).read_to_end(&mut bytes).await?;
    if bytes.len() > most && bytes.pop_if(|last| *last == b'\n').is_some() {
        bytes.pop_if(|last| *last == b'\r');
    }
    if bytes.len() > most { Err(Cut::TooMuch) } else { Ok(bytes) }
}

/// What the program wrote into its output file, if it wrote anything.
async fn read_file(path: &Path, most: usize) -> Result<Option<Vec<u8>>, Failure> {
    let written = path.to_owned();
    let mut file = match blocking(move || regular::follow(&written)).await {
        Ok(file) => tokio::fs::File::from_std(file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let failure = Failure::from(error);
            return Err(failure.map_message(|said| format!("$PITON_OUTPUT cannot be taken as the output: {said}")));
        }
    };
    match read_up_to(&mut file, most).await {
        Ok(bytes) => Ok(Some(bytes).filter(|bytes| !bytes.is_empty())),
        Err(Cut::TooMuch) => Err(verdict::too_much("wrote into $PITON_OUTPUT", most)),
        Err(Cut::Broken(error)) => Err(error.into()),
    }
}
