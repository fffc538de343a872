//! The files that a run is started on: uploaded first, then listed in its input under `files`, and on record with its start.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::blocking::blocking;
use super::stage_files::KEY;
use crate::artifacts::{ArtifactError, Artifacts};
use crate::model::address::address;
use crate::model::artifact::{Artifact, ArtifactName, Misnamed, in_a_line};
use crate::model::digest;
use crate::model::id::{NO_ITEM, RunId};
use crate::model::json::Object;
use crate::model::payload::{Payload, PayloadError};
use crate::store::run_files::RunFile;
use crate::system::regular;

/// Stands in addresses where the files of stages have their name. No stage is called that.
const INPUT: &str = "input";

/// Why a run does not begin on files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunFileError {
    #[error("cannot read {}: {source}", file.display())]
    Unread { file: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Name(#[from] Misnamed),
    #[error("the name of {} is not UTF-8; give the file another one: NAME=FILE", .0.display())]
    NoName(PathBuf),
    #[error("there is no file in {}", .0.display())]
    Empty(PathBuf),
    #[error("two files are named `{}`; give one of them another name (--file NAME=FILE)", in_a_line(.0))]
    Twice(String),
    #[error("`{}` was not kept in {store}: {error}", in_a_line(name))]
    NotKept { name: String, store: String, error: ArtifactError },
    #[error("the run's input must be an object without the key `{KEY}`, under which its files are listed")]
    NoObject,
    #[error("the run's input, with its files: {0}")]
    Payload(#[from] PayloadError),
}

/// A file of this machine, or a folder with all files in it.
#[derive(Debug, Clone)]
pub(crate) struct LocalFile {
    /// What the run's stages know it by, or a folder whose files have the names that they have in it. Otherwise files have their own
    /// names.
    pub(crate) name: Option<String>,
    pub(crate) path: PathBuf,
}

/// A file that is to be uploaded.
#[derive(Debug)]
pub(crate) struct Found {
    name: ArtifactName,
    path: PathBuf,
}

impl LocalFile {
    /// From `FILE`, or `NAME=FILE`. A file whose name holds a `=` is named so.
    pub(crate) fn parse(text: &str) -> Result<LocalFile, String> {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) => (Some(name.to_owned()), path),
            None => (None, text),
        };
        if path.is_empty() || name.as_ref().is_some_and(String::is_empty) {
            return Err("write FILE or NAME=FILE".to_owned());
        }
        Ok(LocalFile { name, path: PathBuf::from(path) })
    }
}

/// The files that are meant, in the order in which they are given, those of a folder by their names. An error where no run can be
/// started on files of these names.
pub(crate) async fn find(files: &[LocalFile]) -> Result<Vec<Found>, RunFileError> {
    let files = files.to_owned();
    let found = blocking(move || Ok(find_all(files))).await;
    found.map_err(|source| RunFileError::Unread { file: PathBuf::from("."), source })?
}

fn find_all(files: Vec<LocalFile>) -> Result<Vec<Found>, RunFileError> {
    let (mut found, mut names) = (Vec::new(), HashSet::new());
    for LocalFile { name, path } in files {
        // What is not there is told when it is read.
        if path.is_dir() {
            let before = found.len();
            walk(&path, name.as_deref().unwrap_or_default(), &mut found)?;
            if found.len() == before {
                return Err(RunFileError::Empty(path));
            }
        } else {
            let name = match name {
                Some(name) => name,
                None => own_name(&path)?,
            };
            found.push(Found { name: ArtifactName::of_file(&name)?, path });
        }
    }
    match found.iter().find(|file| !names.insert(&file.name)) {
        Some(twice) => Err(RunFileError::Twice(twice.name.as_str().to_owned())),
        None => Ok(found),
    }
}

/// Regular files only: links are not followed, as in what programs leave behind.
fn walk(folder: &Path, name: &str, found: &mut Vec<Found>) -> Result<(), RunFileError> {
    let unread = |source| RunFileError::Unread { file: folder.to_owned(), source };
    let mut entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unread)?;
    entries.sort_unstable_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (kind, path) = (entry.file_type().map_err(unread)?, entry.path());
        let own = own_name(&path)?;
        let name = if name.is_empty() { own } else { format!("{name}/{own}") };
        if kind.is_dir() {
            walk(&path, &name, found)?;
        } else if kind.is_file() {
            found.push(Found { name: ArtifactName::of_file(&name)?, path });
        }
    }
    Ok(())
}

fn own_name(path: &Path) -> Result<String, RunFileError> {
    let name = path.file_name().and_then(std::ffi::OsStr::to_str);
    name.map(str::to_owned).ok_or_else(|| RunFileError::NoName(path.to_owned()))
}

/// Uploads them for a run that is about to be started; `own` is what this database has of the store. Their addresses have an id of
/// their own where those of stages have that of the run, which may not have one yet.
pub(crate) async fn upload(store: &Artifacts, own: &str, files: &[Found]) -> Result<Vec<RunFile>, RunFileError> {
    let together = RunId::new();
    let mut uploaded = Vec::with_capacity(files.len());
    for Found { name, path } in files {
        let unread = |source| RunFileError::Unread { file: path.clone(), source };
        let opened = blocking({
            let path = path.clone();
            move || regular::follow(&path)
        });
        let file = opened.await.map_err(unread)?;
        let bytes = file.metadata().ok().map(|about| about.len());
        let id = Uuid::now_v7();
        let below = address(together, INPUT, NO_ITEM, 1, id, name);
        let name = name.as_str().to_owned();
        let at = format!("{own}/{below}");
        let written = store.put(&at, tokio::fs::File::from_std(file), bytes).await.map_err(|error| match error {
            ArtifactError::Source(source) => unread(source),
            error => RunFileError::NotKept { name: name.clone(), store: store.to_string(), error },
        })?;
        uploaded.push(RunFile { id, name, below, bytes: written.bytes, digest: written.digest });
    }
    Ok(uploaded)
}

/// Whether the run's input can list them, as far as that is known before they are uploaded.
pub(crate) fn fits(input: &Payload, files: &[Found], most: usize) -> Result<(), RunFileError> {
    let some = |file: &Found| {
        let (name, below) = (file.name.as_str().to_owned(), String::new());
        RunFile { id: Uuid::nil(), name, below, bytes: 0, digest: [0; 32] }
    };
    listed(input, &files.iter().map(some).collect::<Vec<_>>(), most).map(|_| ())
}

/// The run's input with its files under the key `files`.
pub(crate) fn listed(input: &Payload, files: &[RunFile], most: usize) -> Result<Payload, RunFileError> {
    let references: Vec<Artifact> = (files.iter())
        .map(|file| Artifact {
            artifact: file.id,
            name: file.name.clone(),
            bytes: file.bytes,
            digest: digest::hex(&file.digest),
        })
        .collect();
    let object = Object::read(input.as_str()).filter(|object| object.get(KEY).is_none());
    let mut object = object.ok_or(RunFileError::NoObject)?;
    object.put(KEY, serde_json::to_string(&references).unwrap_or_default());
    Ok(Payload::parse(&object.to_text(), most)?)
}
