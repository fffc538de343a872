//! The files that a program left in `$PITON_ARTIFACTS`, kept as artifacts.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt::Write;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use tokio::time::Instant;

use super::last_wait::LAST_WAIT;
use crate::model::artifact::{Artifact, ArtifactName, ArtifactType, in_a_line};
use crate::model::failure::Failure;
use crate::model::resource::out_of_descriptors;
use crate::stage::artifacts::{AttemptArtifacts, Kept};
use crate::stage::blocking::blocking;
use crate::stage::secrets::Secrets;
use crate::system::regular;

/// The folder's name in that of the attempt.
pub(super) const FOLDER: &str = "artifacts";

/// Files of one attempt. Each is a row and two writes to the database.
const MOST: usize = 10_000;
/// Files of an attempt that failed, and their bytes together.
const MOST_OF_FAILED: usize = 100;
const MOST_BYTES_OF_FAILED: u64 = 1 << 30;
/// Letters of a path that is too long.
const SHOWN: usize = 100;

/// A file, and the way to it from the folder.
struct Found {
    parts: Vec<String>,
    path: PathBuf,
    bytes: u64,
}

/// What a program left in the folder.
#[derive(Default)]
struct Left {
    found: Vec<Found>,
    /// The first path below the folder that no system call takes; a program gets there step by step.
    too_long: Option<String>,
}

impl Left {
    fn is_empty(&self) -> bool {
        self.found.is_empty() && self.too_long.is_none()
    }

    /// What there is at the path, if it can be named.
    fn reached<T>(&mut self, parts: &[String], reached: io::Result<T>) -> io::Result<Option<T>> {
        match reached {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NAMETOOLONG) => {
                self.too_long.get_or_insert_with(|| parts.join("/"));
                Ok(None)
            }
            reached => reached.map(Some),
        }
    }
}

/// Keeps all of them, for a program that ended well.
pub(super) async fn keep(
    folder: &Path,
    artifacts: &AttemptArtifacts,
    secrets: &Secrets,
) -> Result<Vec<Artifact>, Failure> {
    let Left { found, too_long } = left(folder).await?;
    if found.len() > MOST {
        return Err(Failure::invalid_input(format!(
            "the command left {} files or more in $PITON_ARTIFACTS, over the limit of {MOST}; pack them into one",
            found.len()
        )));
    }
    let mut names = Names::without(secrets);
    let mut kept = Vec::with_capacity(found.len());
    for file in &found {
        kept.push(keep_one(file, names.of(file)?, artifacts).await?);
    }
    // The others are there for whoever looks into the failure.
    too_long.map_or(Ok(kept), |path| Err(Failure::invalid_input(cannot_be_named(&path, secrets))))
}

/// Whether there are any.
pub(super) async fn are_any(folder: &Path) -> bool {
    left(folder).await.is_ok_and(|left| !left.is_empty())
}

/// Keeps what there is of a program that failed, until then: the first files, as far as they go. The failure tells of what
/// was left out, and stays what it is.
pub(super) async fn keep_failed(
    folder: &Path,
    artifacts: &AttemptArtifacts,
    secrets: &Secrets,
    until: Instant,
    failure: Failure,
) -> Failure {
    let Left { found, too_long } = match left(folder).await {
        Ok(left) if left.is_empty() => return failure,
        Ok(left) => left,
        Err(error) => return failure.note("artifacts", &format!("none is kept: {}", error.message())),
    };
    let (mut kept, mut bytes, mut why) = (0, 0, None);
    let mut names = Names::without(secrets);
    for file in &found {
        bytes += file.bytes;
        if kept == MOST_OF_FAILED || bytes > MOST_BYTES_OF_FAILED {
            why = Some(format!("no more than {MOST_OF_FAILED} files and 1 GiB are kept of an attempt that failed"));
            break;
        }
        let keeping = async { keep_one(file, names.of(file)?, artifacts).await };
        match tokio::time::timeout_at(until, keeping).await {
            Ok(Ok(_)) => kept += 1,
            Ok(Err(error)) => {
                why = Some(error.message().to_owned());
                break;
            }
            Err(_) => {
                why = Some("there was no more time".to_owned());
                break;
            }
        }
    }
    match why.or_else(|| too_long.map(|path| cannot_be_named(&path, secrets))) {
        None => failure,
        Some(why) => failure.note("artifacts", &format!("{kept} of {} files are kept: {why}", found.len())),
    }
}

/// How long keeping the files of a program that ended well may take: it has some time left, also where this process was frozen
/// for the rest of its own.
pub(super) fn until_kept(begun: Instant, limit: Duration) -> Instant {
    (begun + limit).max(Instant::now() + LAST_WAIT)
}

/// How much longer an attempt may take for the files of a program that failed.
pub(super) fn until(begun: Instant, limit: Duration) -> Instant {
    until_kept(begun, limit + LAST_WAIT)
}

/// What the files of an attempt are called as artifacts: as in the folder, but for what cannot be told.
struct Names<'s> {
    secrets: &'s Secrets,
    taken: HashSet<ArtifactName>,
}

impl Names<'_> {
    fn without(secrets: &Secrets) -> Names<'_> {
        Names { secrets, taken: HashSet::new() }
    }

    fn of(&mut self, file: &Found) -> Result<ArtifactName, Failure> {
        let shown = self.secrets.hide(&file.parts.join("/"));
        let named = |name: &str| ArtifactName::of_path(&name.split('/').map(str::to_owned).collect::<Vec<_>>());
        let mut name = named(&shown)?;
        // Two that differ only in what cannot be told are both kept.
        let mut number = 2;
        while !self.taken.insert(name.clone()) {
            name = named(&format!("{shown} ({number})"))?;
            number += 1;
        }
        Ok(name)
    }
}

/// A file's name as text: bytes that are none are written as such.
fn readable(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // A string takes whatever is written to it.
            write!(text, "\\x{byte:02x}").ok();
        }
    }
    text
}

async fn keep_one(file: &Found, name: ArtifactName, artifacts: &AttemptArtifacts) -> Result<Artifact, Failure> {
    let path = file.path.clone();
    let opened = blocking(move || regular::open(&path)).await.map_err(|error| unreadable(&file.path, &error))?;
    let kept = Kept { name, declared: ArtifactType::output(), content_type: None, bytes: Some(file.bytes) };
    artifacts.put(kept, tokio::fs::File::from_std(opened)).await
}

/// Regular files below the folder, by their names. Links are neither kept nor followed.
async fn left(folder: &Path) -> Result<Left, Failure> {
    let root = folder.to_owned();
    let walked = blocking(move || {
        let mut left = Left::default();
        // The program may have put something else in its place.
        if root.symlink_metadata().is_ok_and(|folder| folder.is_dir()) {
            walk(&root, &mut Vec::new(), &mut left)?;
        }
        Ok(left)
    });
    let mut left = walked.await.map_err(|error| unreadable(folder, &error))?;
    left.found.sort_by(|a, b| a.parts.cmp(&b.parts));
    Ok(left)
}

fn walk(folder: &Path, parts: &mut Vec<String>, left: &mut Left) -> io::Result<()> {
    let Some(entries) = left.reached(parts, std::fs::read_dir(folder))? else { return Ok(()) };
    for entry in entries {
        if left.found.len() > MOST {
            return Ok(());
        }
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        parts.push(readable(&entry.file_name()));
        if kind.is_dir() {
            walk(&path, parts, left)?;
        } else if kind.is_file()
            // By its path, as it will be opened.
            && let Some(about) = left.reached(parts, path.symlink_metadata())?
        {
            left.found.push(Found { parts: parts.clone(), path, bytes: about.len() });
        }
        parts.pop();
    }
    Ok(())
}

/// Why a file is not kept whose path is too long, by the path's beginning.
fn cannot_be_named(path: &str, secrets: &Secrets) -> String {
    // Hidden before it is cut: half a secret would not be found any more.
    let beginning: String = secrets.hide(path).chars().take(SHOWN).collect();
    format!(
        "the command left a file in $PITON_ARTIFACTS whose path is too long to be opened: it begins with `{}`; nest fewer folders, \
         or pack them into one file",
        in_a_line(&beginning)
    )
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let said = format!("what the command left in $PITON_ARTIFACTS cannot be read: {}: {error}", path.display());
    Failure::unknown(said).for_lack_of(out_of_descriptors(error))
}
