//! The files that a program left in `$PITON_ARTIFACTS`, kept as artifacts.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::artifact::{ArtifactName, ArtifactType};
use crate::model::failure::Failure;
use crate::model::resource::out_of_descriptors;
use crate::stage::artifacts::{AttemptArtifacts, Kept};
use crate::stage::aside::aside;
use crate::system::regular;

/// The folder's name in that of the attempt.
pub(super) const FOLDER: &str = "artifacts";

/// Files of one attempt. Each is a row and two writes to the database.
const MOST: usize = 10_000;
/// Files of an attempt that failed, and their bytes together.
const MOST_OF_FAILED: usize = 100;
const MOST_BYTES_OF_FAILED: u64 = 1 << 30;

/// A file, and the way to it from the folder.
struct Found {
    parts: Vec<String>,
    path: PathBuf,
    bytes: u64,
}

/// Keeps all of them, for a program that ended well.
pub(super) async fn keep(folder: &Path, artifacts: &AttemptArtifacts) -> Result<(), Failure> {
    let found = found(folder).await?;
    if found.len() > MOST {
        return Err(Failure::invalid_input(format!(
            "the command left {} files or more in $PITON_ARTIFACTS, over the limit of {MOST}; pack them into one",
            found.len()
        )));
    }
    for file in found {
        keep_one(&file, artifacts).await?;
    }
    Ok(())
}

/// Keeps what there is of a program that failed, until then: the first files, as far as they go. The failure tells of what
/// was left out, and stays what it is.
pub(super) async fn keep_failed(
    folder: &Path,
    artifacts: &AttemptArtifacts,
    until: Instant,
    failure: Failure,
) -> Failure {
    let found = match found(folder).await {
        Ok(found) if found.is_empty() => return failure,
        Ok(found) => found,
        Err(error) => return failure.note("artifacts", &format!("none is kept: {}", error.message())),
    };
    let (mut kept, mut bytes, mut why) = (0, 0, None);
    for file in &found {
        bytes += file.bytes;
        if kept == MOST_OF_FAILED || bytes > MOST_BYTES_OF_FAILED {
            why = Some(format!("no more than {MOST_OF_FAILED} files and 1 GiB are kept of an attempt that failed"));
            break;
        }
        match tokio::time::timeout_at(until, keep_one(file, artifacts)).await {
            Ok(Ok(())) => kept += 1,
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
    match why {
        None => failure,
        Some(why) => failure.note("artifacts", &format!("{kept} of {} files are kept: {why}", found.len())),
    }
}

/// How long keeping the files of a program that ended well may take: it has some time left, also where this process was frozen
/// for the rest of its own.
pub(super) fn until_kept(begun: Instant, limit: Duration) -> Instant {
    (begun + limit).max(Instant::now() + super::LAST_WAIT)
}

/// How much longer an attempt may take for the files of a program that failed.
pub(super) fn until(begun: Instant, limit: Duration) -> Instant {
    until_kept(begun, limit + super::LAST_WAIT)
}

async fn keep_one(file: &Found, artifacts: &AttemptArtifacts) -> Result<(), Failure> {
    let name = ArtifactName::of_path(&file.parts)?;
    let path = file.path.clone();
    let opened = aside(move || regular::open(&path)).await.map_err(|error| unreadable(&file.path, &error))?;
    let kept = Kept { name, declared: ArtifactType::output(), content_type: None };
    artifacts.put(kept, tokio::fs::File::from_std(opened)).await?;
    Ok(())
}

/// Regular files below the folder, by their names. Links are neither kept nor followed.
async fn found(folder: &Path) -> Result<Vec<Found>, Failure> {
    let root = folder.to_owned();
    let walked = aside(move || {
        let mut found = Vec::new();
        // The program may have put something else in its place.
        if root.symlink_metadata().is_ok_and(|folder| folder.is_dir()) {
            walk(&root, &mut Vec::new(), &mut found)?;
        }
        Ok(found)
    });
    let mut found = walked.await.map_err(|error| unreadable(folder, &error))?;
    found.sort_by(|a, b| a.parts.cmp(&b.parts));
    Ok(found)
}

fn walk(folder: &Path, parts: &mut Vec<String>, found: &mut Vec<Found>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        if found.len() > MOST {
            return Ok(());
        }
        let entry = entry?;
        let kind = entry.file_type()?;
        // What is no UTF-8 is refused by its name.
        parts.push(entry.file_name().to_string_lossy().into_owned());
        if kind.is_dir() {
            walk(&entry.path(), parts, found)?;
        } else if kind.is_file() {
            found.push(Found { parts: parts.clone(), path: entry.path(), bytes: entry.metadata()?.len() });
        }
        parts.pop();
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let said = format!("what the command left in $PITON_ARTIFACTS cannot be read: {}: {error}", path.display());
    Failure::unknown(said).for_lack_of(out_of_descriptors(error))
}
