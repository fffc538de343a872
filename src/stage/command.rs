//! Command stages: a program, no shell; input as JSON on its standard input, output on its standard output.
//!
//! The worker does not start the program itself. Its [`fork_server`] (this same program) forks a [`guard`], which [`launch`]es
//! the program in a process group of its own and outlives it: whatever the program started is gone when its attempt is over,
//! also when the worker was killed (see ARCHITECTURE.md).

mod children;
mod control;
mod cut;
mod environment;
mod events;
mod files;
mod folder;
mod fork_client;
mod fork_server;
mod guard;
mod heard;
mod inputs;
mod interpreter;
mod last_wait;
mod launch;
mod limits;
mod order;
mod own_program;
mod place;
mod progress;
mod reading;
mod report;
mod requests;
mod running;
mod shell;
mod tail;
mod trial;
mod verdict;
pub(crate) mod warm;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::Instant;

use self::cut::Cut;
use self::environment::Filled;
use self::inputs::Inputs;
use self::limits::Limits;
pub(crate) use self::place::no_folder;
use self::place::{OUTPUT, PROGRESS, make_folders};
use self::progress::ProgressFile;
use self::reading::read_up_to;
use self::running::{NoEnd, Running};
use self::verdict::End;
use super::answer;
use super::blocking::blocking;
use super::finish::NOTHING;
use super::handler::Offer;
use super::kept_files;
use super::secrets::Secrets;
use super::service;
use super::stall::{self, unless_stalled};
use crate::model::failure::Failure;
use crate::model::payload::Payload;
use crate::model::text::{self, NotUtf8};
use crate::system::{descriptors, regular};
use crate::workflow::definition::{CommandStage, OutputFormat, StandardInput};
use crate::workflow::duration;

pub(crate) use self::folder::{
    Folder, delete_abandoned, delete_abandoned_in, found_in, keep_deleting_abandoned, try_out as try_out_folder,
};
pub(crate) use self::fork_client::end_fork_server;
pub(crate) use self::heard::{Listener, Stream};
pub(crate) use self::last_wait::LAST_WAIT;
pub(crate) use self::own_program::own_program;
pub(crate) use self::shell::prepare;
pub(crate) use self::trial::try_out_process;

/// Who stops a worker with all that it started sends the signals one after another: so much later it may come to the
/// worker.
const SIGNALS_RACE: Duration = Duration::from_secs(1);

/// What this process is, when it was started as a part of a command stage and not by a person.
pub(crate) fn part(role: &OsStr) -> Option<ExitCode> {
    (role == own_program::FORK_SERVER).then(fork_server::main)
}

/// Runs one attempt. When the future is dropped, the program is ended as at its time limit.
pub(crate) async fn run(stage: &CommandStage, offer: Offer, limit: Duration) -> Result<Payload, Failure> {
    run_where(stage, offer, limit, None).await
}

/// The same by hand: its files are in that folder and stay there, and what the program says is heard while it runs.
pub(crate) async fn run_by_hand(
    stage: &CommandStage,
    offer: Offer,
    limit: Duration,
    by_hand: &ByHand,
) -> Result<Payload, Failure> {
    run_where(stage, offer, limit, Some(by_hand)).await
}

/// Where a program runs that is tried by hand.
#[derive(Debug)]
pub(crate) struct ByHand {
    pub(crate) folder: PathBuf,
    pub(crate) listener: Listener,
}

/// Where the program of an attempt runs.
struct Scene<'s> {
    /// The guard's, which is gone with the attempt.
    folder: &'s Folder,
    /// Where files and the output are.
    place: &'s Path,
    listener: Option<&'s Listener>,
}

async fn run_where(
    stage: &CommandStage,
    offer: Offer,
    limit: Duration,
    by_hand: Option<&ByHand>,
) -> Result<Payload, Failure> {
    let secrets = environment::secrets(stage, offer.token.as_ref(), offer.context.callback());
    let ended = attempt(stage, &offer, limit, &secrets, by_hand).await;
    // Whatever found the failure: no text of it is kept that was not looked through.
    ended.map_err(|failure| failure.redacted(|text, whole| secrets.hide_in_beginning(text, whole, usize::MAX)))
}

async fn attempt(
    stage: &CommandStage,
    offer: &Offer,
    limit: Duration,
    secrets: &Secrets,
    by_hand: Option<&ByHand>,
) -> Result<Payload, Failure> {
    let place = by_hand.map(|by_hand| by_hand.folder.clone());
    // What is slow about a disk is no matter of the other attempts.
    let folder = blocking(move || folder_with_places(place)).await.map_err(|error| no_folder(&error))?;
    let scene = Scene {
        folder: &folder,
        place: by_hand.map_or(folder.path(), |by_hand| &by_hand.folder),
        listener: by_hand.map(|by_hand| &by_hand.listener),
    };
    let ended = run_in(&scene, stage, offer, limit, secrets).await;
    blocking(move || {
        drop(folder);
        Ok(())
    })
    .await?;
    ended
}

/// The guard's folder. The places for the files that the program makes, and for those that it reads, are in it or in that one.
fn folder_with_places(place: Option<PathBuf>) -> io::Result<Folder> {
    let folder = Folder::make()?;
    make_folders(place.as_deref().unwrap_or(folder.path()))?;
    Ok(folder)
}

async fn run_in(
    scene: &Scene<'_>,
    stage: &CommandStage,
    offer: &Offer,
    limit: Duration,
    secrets: &Secrets,
) -> Result<Payload, Failure> {
    let begun = Instant::now();
    let files = scene.place.join(files::FOLDER);
    inputs::make_ways_out(stage, &files).map_err(|error| no_folder(&error))?;
    let artifacts = &offer.context.artifacts;
    match end(stage, offer, scene, limit, secrets).await {
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

/// Runs the program to its end: its output, or why there is none.
async fn end(
    stage: &CommandStage,
    offer: &Offer,
    scene: &Scene<'_>,
    limit: Duration,
    secrets: &Secrets,
) -> Result<Payload, Failure> {
    let Scene { folder, place, listener } = *scene;
    let output_file = place.join(OUTPUT);
    let inputs_folder = place.join(inputs::FOLDER);
    let fetched = Inputs::fetch(stage, offer, &inputs_folder);
    let inputs = tokio::time::timeout(limit, fetched).await.map_err(|_| inputs::took_too_long(limit))??;
    let filled = Filled::of(stage, offer, &output_file, place, inputs.by_text())?;
    let most = offer.limits.payload_bytes;
    let input = match stage.stdin {
        StandardInput::Input => offer.input.as_bytes(),
        StandardInput::Nothing => &[],
    };
    let limits = Limits { memory: stage.memory_bytes, descriptors: descriptors::at_start() };
    let reported = ProgressFile::new(place.join(PROGRESS), &offer.context, secrets);
    let watched = async |running: &mut Running| {
        let ending = running.until_ended_within(limit, input, most);
        unless_stalled(offer.stall, &offer.context.progress, reported.follow_during(ending)).await
    };
    let mut running = Running::start(&filled, folder.path(), limits, input, secrets, listener).await?;
    let mut ended = watched(&mut running).await;
    if matches!(ended, Some(Ok(Err(NoEnd::Unguarded)))) {
        // The fork server was killed just then; there is another one.
        running = Running::start(&filled, folder.path(), limits, input, secrets, listener).await?;
        ended = watched(&mut running).await;
    }
    let Some(ended) = ended else {
        let end = running.stop(End::Stalled(offer.stall.unwrap_or_default())).await;
        return Err(verdict::of(&filled.program, end, &running.stderr.words(), &stage.classes, secrets)
            .err()
            .unwrap_or_else(|| stall::failure(offer.stall.unwrap_or_default())));
    };
    let end = match ended {
        Ok(Ok((status, stdout))) => End::of(status, stdout),
        Ok(Err(NoEnd::TooMuch)) => running.stop(End::TooMuch(most)).await,
        Ok(Err(NoEnd::NotStarted(error))) => return Err(running::not_started(&filled, &error)),
        Ok(Err(NoEnd::Unguarded)) => return Err(running::unguarded(&filled)),
        Ok(Err(NoEnd::Broken(error))) => {
            running::end_orphans(running.began);
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
        // Its commit may have been lost in a failover.
        return Err(Failure::unknown(NOTHING));
    }
    if let Some(line) = waiting(&output).filter(|_| offer.waits) {
        return answer::payload(line, OutputFormat::Json, who, most, secrets);
    }
    payload(&output, who, stage, place, most, secrets).await
}

/// The last line, where that says that the service which was asked is waited for; a program may say other things before it.
fn waiting(output: &[u8]) -> Option<&str> {
    let last = output.trim_ascii_end().rsplit(|byte| *byte == b'\n').next()?;
    std::str::from_utf8(last).ok().filter(|line| service::said_handle(line).is_some())
}

/// What was written, as the stage's output.
async fn payload(
    output: &[u8],
    who: &str,
    stage: &CommandStage,
    place: &Path,
    most: usize,
    secrets: &Secrets,
) -> Result<Payload, Failure> {
    let text = text::utf8(output).map_err(|error| {
        let charset = if error == NotUtf8::Utf16 { "UTF-16" } else { "LATIN1" };
        Failure::invalid_input(format!(
            "{who} text that is not UTF-8: {error}; convert it, as `iconv -f {charset} -t UTF-8` does, or keep the bytes as a file in \
             $PITON_ARTIFACTS"
        ))
    })?;
    // Whoever makes files need not print anything.
    let says_nothing = text.trim().is_empty() && stage.output == OutputFormat::Json;
    let text = if says_nothing && files::are_any(&place.join(files::FOLDER)).await { "{}" } else { text };
    answer::payload(text, stage.output, who, most, secrets)
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
