//! What an attempt reads: artifacts by their references, or by the stage that kept them.

use std::path::Path;

use super::AttemptArtifacts;
use crate::artifacts::{ArtifactError, ArtifactReader, Artifacts, Expected, FetchError};
use crate::model::artifact::{Artifact, in_a_line};
use crate::model::digest;
use crate::model::failure::Failure;
use crate::stage::cached_file::GivenFile;
use crate::stage::file_cache::GiveError;
use crate::stage::steps::wait;
use crate::store::artifacts::Whole;
use crate::store::backoff::Backoff;

impl AttemptArtifacts {
    /// An artifact by its reference, to be read.
    pub(crate) async fn open(&self, artifact: &Artifact) -> Result<ArtifactReader, Failure> {
        self.read(&self.find(artifact).await?).await
    }

    /// An artifact on record, to be read.
    pub(crate) async fn read(&self, file: &Whole) -> Result<ArtifactReader, Failure> {
        match self.place_of(file)?.get(&file.address, self.expected(file)).await {
            Ok(reader) => Ok(reader),
            Err(error) => Err(self.unreadable(file, &error).await),
        }
    }

    /// What is on record of an artifact.
    pub(crate) async fn find(&self, artifact: &Artifact) -> Result<Whole, Failure> {
        self.place_to_keep()?;
        let mut backoff = Backoff::default();
        let found = loop {
            match self.0.records.artifact(artifact.artifact).await {
                Ok(found) => break found,
                Err(error) => wait(&mut backoff, error, "an artifact").await?,
            }
        };
        let Some(found) = found else {
            return Err(Failure::invalid_input(format!(
                "there is no artifact `{}` ({}): it was deleted, was never written completely, or belongs to another database",
                in_a_line(&artifact.name),
                artifact.artifact
            )));
        };
        // What a stage handed on was committed with its checkpoint, and what is on record must say the same.
        if digest::hex(&found.digest) != artifact.digest {
            let expected = self.expected(&found);
            let (digest, bytes) = (expected.digest.clone(), expected.bytes);
            return Err(Expected { bytes: artifact.bytes, ..expected }.corrupt(&digest, bytes));
        }
        Ok(found)
    }

    /// What the stage of that name has kept, by item and name.
    pub(crate) async fn kept_by(&self, stage: &str, name: Option<&str>) -> Result<Vec<Whole>, Failure> {
        let mut backoff = Backoff::default();
        let found = loop {
            match self.0.records.kept_by(&self.0.claim, stage, name).await {
                Ok(found) => break found,
                Err(error) => wait(&mut backoff, error, "the files of a stage").await?,
            }
        };
        found.ok_or_else(|| Failure::invalid_input(format!("the workflow has no stage `{}`", in_a_line(stage))))
    }

    /// Puts a file where it is to be read, verified. It may be shared with other attempts.
    pub(crate) async fn give(&self, file: &Whole, to: &Path) -> Result<GivenFile, Failure> {
        let store = self.place_of(file)?;
        match self.0.resources.files().give(store, &file.address, self.expected(file), to).await {
            Ok(given) => Ok(given),
            Err(GiveError::Fetch(FetchError::Content(failure))) => Err(failure),
            Err(GiveError::Fetch(FetchError::Store(error))) => Err(self.unreadable(file, &error).await),
            Err(GiveError::NoRoom { folder, needed }) => Err(Failure::resource_unavailable(format!(
                "artifact `{}` has no room on the disk of {}: it has {needed} bytes; let TMPDIR name a folder with more room, or \
                 keep fewer files there (--file-cache)",
                in_a_line(&file.name),
                folder.display()
            ))),
            Err(GiveError::Fetch(FetchError::Written(error)) | GiveError::Folder(error)) => {
                let (name, to) = (in_a_line(&file.name), to.display());
                Err(Failure::from(error)
                    .map_message(|said| format!("artifact `{name}` cannot be written to {to}: {said}")))
            }
        }
    }

    /// Where it is: what is made by hand is not in the store.
    fn place_of(&self, file: &Whole) -> Result<&Artifacts, Failure> {
        if self.0.records.has_made(file.id) { self.place_to_keep() } else { self.place() }
    }

    fn expected(&self, file: &Whole) -> Expected {
        let bytes = u64::try_from(file.bytes).unwrap_or_default();
        // What another run made is not made anew by a stage of this one.
        let is_own = file.run == self.0.claim.key.run.0;
        let stage = if is_own { file.stage.clone() } else { String::new() };
        Expected { name: file.name.clone(), bytes, digest: file.digest.clone(), stage, item: file.item }
    }

    /// A file that is not in the store in which its neighbours are was taken away: a retry makes it anew. Anything else may be
    /// better later, or on another worker.
    async fn unreadable(&self, file: &Whole, error: &ArtifactError) -> Failure {
        let place = match self.place() {
            Ok(place) => place,
            Err(failure) => return failure,
        };
        let lacking = self.lacking(error).await;
        let neighbours = file.address.split('/').take(2).collect::<Vec<_>>().join("/");
        if lacking.is_none() && error.is_gone() && place.is_known_to_hold(&neighbours) {
            return self.expected(file).gone(&format!("{error}; {place} works, and has other files of this database"));
        }
        let failure = Failure::resource_unavailable(format!(
            "artifact `{}` cannot be read: {error}; is {place} the artifact store of all workers?",
            in_a_line(&file.name)
        ));
        failure.for_lack_of(lacking)
    }
}
