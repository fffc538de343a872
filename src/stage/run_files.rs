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
    #[error("two files are named `{}`; give one of them another name (--file NAME=FILE)", in_a_line(.0))]
    Twice(String),
    #[error("`{}` was not kept in {store}: {error}", in_a_line(name))]
    NotKept { name: String, store: String, error: ArtifactError },
    #[error("the run's input must be an object without the key `{KEY}`, under which its files are listed")]
    NoObject,
    #[error("the run's input, with its files: {0}")]
    Payload(#[from] PayloadError),
}

/// A file of this machine, under the name that the run's stages know it by.
#[derive(Debug, Clone)]
pub(crate) struct LocalFile {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

impl LocalFile {
    /// From `FILE`, or `NAME=FILE`. A file whose name holds a `=` is named so.
    pub(crate) fn parse(text: &str) -> Result<LocalFile, String> {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) => (Some(name.to_owned()), Path::new(path)),
            None => (None, Path::new(text)),
        };
        let name = name.or_else(|| Some(path.file_name()?.to_str()?.to_owned()));
        let name = name.filter(|name| !name.is_empty()).ok_or("write FILE or NAME=FILE; its name must be UTF-8")?;
        Ok(LocalFile { name, path: path.to_owned() })
    }
}

/// Uploads them for a run that is about to be started; `own` is what this database has of the store. Their addresses have an id of
/// their own where those of stages have that of the run, which may not have one yet.
pub(crate) async fn upload(store: &Artifacts, own: &str, files: &[LocalFile]) -> Result<Vec<RunFile>, RunFileError> {
    let names = check(files)?;
    let together = RunId::new();
    let mut uploaded = Vec::with_capacity(files.len());
    for (LocalFile { name, path }, parsed) in files.iter().zip(names) {
        let unread = |source| RunFileError::Unread { file: path.clone(), source };
        let opened = blocking({
            let path = path.clone();
            move || regular::follow(&path)
        });
        let file = opened.await.map_err(unread)?;
        let bytes = file.metadata().ok().map(|about| about.len());
        let id = Uuid::now_v7();
        let below = address(together, INPUT, NO_ITEM, 1, id, &parsed);
        let at = format!("{own}/{below}");
        let written = store.put(&at, tokio::fs::File::from_std(file), bytes).await.map_err(|error| match error {
            ArtifactError::Source(source) => unread(source),
            error => RunFileError::NotKept { name: name.clone(), store: store.to_string(), error },
        })?;
        uploaded.push(RunFile { id, name: name.clone(), below, bytes: written.bytes, digest: written.digest });
    }
    Ok(uploaded)
}

/// What they are called; an error where no run can be started on files of these names.
pub(crate) fn check(files: &[LocalFile]) -> Result<Vec<ArtifactName>, RunFileError> {
    let mut names = HashSet::new();
    let parsed = files.iter().map(|LocalFile { name, .. }| match names.insert(name) {
        true => Ok(ArtifactName::of_file(name)?),
        false => Err(RunFileError::Twice(name.clone())),
    });
    parsed.collect()
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
