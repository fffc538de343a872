//! The artifacts of one attempt: each is recorded before it is written, and visible only with the attempt's checkpoint.

mod reading;

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::AsyncRead;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::about::About;
use super::records::Records;
use super::resources::Resources;
use super::steps::wait;
use crate::artifacts::{ArtifactError, Artifacts, Written};
use crate::model::address::address;
use crate::model::artifact::{Artifact, ArtifactName, ArtifactType, Misnamed};
use crate::model::claim::Claim;
use crate::model::digest;
use crate::model::failure::Failure;
use crate::model::resource::Resource;
use crate::store::artifacts::Announced;
use crate::store::backoff::Backoff;

/// What an attempt keeps and reads. Cheap to clone.
#[derive(Clone)]
pub(crate) struct AttemptArtifacts(Arc<Inner>);

struct Inner {
    records: Records,
    resources: Arc<Resources>,
    claim: Claim,
    about: Arc<About>,
    cancellation: Arc<CancellationToken>,
    /// It has asked for the store.
    used: AtomicBool,
    /// Something may be on record.
    begun: AtomicBool,
    /// How many are whole, and on record.
    whole: AtomicI32,
    /// Names that this attempt has used.
    names: Mutex<HashSet<ArtifactName>>,
}

/// How an artifact is to be kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) name: ArtifactName,
    pub(crate) declared: ArtifactType,
    pub(crate) content_type: Option<String>,
    /// How many bytes there will be, where that is known.
    pub(crate) bytes: Option<u64>,
}

impl AttemptArtifacts {
    pub(crate) fn new(
        records: Records,
        resources: Arc<Resources>,
        claim: Claim,
        about: Arc<About>,
        cancellation: Arc<CancellationToken>,
    ) -> AttemptArtifacts {
        let (used, begun) = (AtomicBool::new(false), AtomicBool::new(false));
        let (whole, names) = (AtomicI32::new(0), Mutex::default());
        AttemptArtifacts(Arc::new(Inner { records, resources, claim, about, cancellation, used, begun, whole, names }))
    }

    /// How many are whole; `None` where nothing was kept, so that the end of the attempt has nothing to say of them.
    pub(crate) fn whole(&self) -> Option<i32> {
        self.0.begun.load(Ordering::Acquire).then(|| self.0.whole.load(Ordering::Acquire))
    }

    /// It has asked for the store, whatever became of it.
    pub(crate) fn has_used_the_store(&self) -> bool {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Keeps what is read, to its end.
    pub(crate) async fn put(&self, kept: Kept, from: impl AsyncRead + Unpin) -> Result<Artifact, Failure> {
        let place = self.place_to_keep()?;
        let taken = self.take_name(&kept.name)?;
        let About { run, stage, .. } = &*self.0.about;
        let (key, id) = (self.0.claim.key, Uuid::now_v7());
        let below = address(*run, stage, key.item, key.attempt, id, &kept.name);
        let Kept { name, declared, content_type, bytes } = kept;
        let announced = Announced { id, name, declared, below, content_type };
        let address = self.announce(&announced).await?;
        let written = match place.put(&address, from, bytes).await {
            Ok(written) => written,
            Err(error) => return Err(self.not_kept(&announced.name, &error).await),
        };
        self.is_whole(&announced, &written).await?;
        taken.keep();
        let Written { bytes, digest } = written;
        Ok(Artifact { artifact: id, name: announced.name.as_str().to_owned(), bytes, digest: digest::hex(&digest) })
    }

    fn place_to_keep(&self) -> Result<&Artifacts, Failure> {
        self.0.records.kept().map_or_else(|| self.place(), Ok)
    }

    fn place(&self) -> Result<&Artifacts, Failure> {
        self.0.used.store(true, Ordering::Relaxed);
        self.0.resources.store().ok_or_else(|| {
            Failure::resource_unavailable(
                "this worker has no artifact store: set PITON_ARTIFACT_STORE (or --artifacts) to a folder that all \
                 workers share, or to a bucket",
            )
        })
    }

    /// What this worker's machine lacks, where that is why: a store that works for a small file is not to blame.
    async fn lacking(&self, error: &ArtifactError) -> Option<Resource> {
        if let Some(descriptors) = error.lacking_descriptors() {
            return Some(descriptors);
        }
        // To check a store is to write into it.
        if self.0.records.kept().is_some() {
            return None;
        }
        (!self.0.resources.check_store().await).then_some(Resource::ArtifactStore)
    }

    /// The store may be there again later, or on another worker; what could not be read is the stage's own affair.
    async fn not_kept(&self, name: &ArtifactName, error: &ArtifactError) -> Failure {
        let message = format!("artifact `{name}` was not kept: {error}");
        if let ArtifactError::Source(source) = error {
            let said = source.get_ref().and_then(|inner| inner.downcast_ref::<Failure>()).map(Failure::class);
            let class = said.unwrap_or_else(|| Failure::from(std::io::Error::from(source.kind())).class());
            return Failure::new(class, message).for_lack_of(error.lacking_descriptors());
        }
        Failure::resource_unavailable(message).for_lack_of(self.lacking(error).await)
    }

    fn names(&self) -> MutexGuard<'_, HashSet<ArtifactName>> {
        self.0.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reference and a person know an artifact by its name.
    fn take_name<'a>(&'a self, name: &'a ArtifactName) -> Result<Taken, Failure> {
        if !self.names().insert(name.clone()) {
            return Err(Failure::invalid_input(format!(
                "two artifacts of one attempt are named `{name}`; give each a name of its own"
            )));
        }
        Ok(Taken { artifacts: self.clone(), name: Some(name.clone()) })
    }

    /// Its address.
    async fn announce(&self, artifact: &Announced) -> Result<String, Failure> {
        // Before it is sent: the answer may be lost.
        self.0.begun.store(true, Ordering::Release);
        let mut backoff = Backoff::default();
        loop {
            match self.0.records.announce_artifact(&self.0.claim, artifact).await {
                Ok(Some(address)) => return Ok(address),
                Ok(None) => return Err(self.is_over(&artifact.name)),
                Err(error) => wait(&mut backoff, error, "an artifact").await?,
            }
        }
    }

    async fn is_whole(&self, artifact: &Announced, written: &Written) -> Result<(), Failure> {
        let mut backoff = Backoff::default();
        loop {
            match self.0.records.artifact_is_whole(artifact.id, written.bytes, &written.digest).await {
                Ok(true) => {
                    self.0.whole.fetch_add(1, Ordering::Release);
                    return Ok(());
                }
                Ok(false) => return Err(self.is_over(&artifact.name)),
                Err(error) => wait(&mut backoff, error, "an artifact").await?,
            }
        }
    }

    /// Whatever the handler does next, its result will not be used.
    fn is_over(&self, name: &ArtifactName) -> Failure {
        self.0.cancellation.cancel();
        Failure::unknown(format!("artifact `{name}` is not kept: this attempt no longer holds the job"))
    }
}

/// A name that is free again unless its artifact was kept.
struct Taken {
    artifacts: AttemptArtifacts,
    name: Option<ArtifactName>,
}

impl Taken {
    fn keep(mut self) {
        self.name = None;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            self.artifacts.names().remove(name);
        }
    }
}

impl From<Misnamed> for Failure {
    fn from(error: Misnamed) -> Failure {
        Failure::invalid_input(error.to_string())
    }
}

impl fmt::Debug for AttemptArtifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptArtifacts").field("job", &self.0.claim.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::RunId;

    fn attempt_without_a_store() -> AttemptArtifacts {
        let about = About {
            run: RunId::new(),
            workflow: "w".into(),
            stage: "s".into(),
            item: None,
            attempt: 1,
            again: 0,
            round: None,
            apart: None,
            worker: "w1".into(),
            trace: None,
        };
        let resources = Arc::new(Resources::new(None, false, "w1"));
        AttemptArtifacts::new(
            Records::Memory(Arc::default()),
            resources,
            Claim::made_up(),
            Arc::new(about),
            Arc::default(),
        )
    }

    #[tokio::test]
    async fn without_a_store_nothing_is_recorded_and_the_cure_is_told() {
        let artifacts = attempt_without_a_store();
        let name = ArtifactName::parse("a.txt").expect("a name");
        let kept = Kept { name, declared: ArtifactType::output(), content_type: None, bytes: None };
        let failure = artifacts.put(kept, &b"x"[..]).await.expect_err("no store");
        assert!(artifacts.whole().is_none());
        insta::assert_snapshot!(failure, @"resource_unavailable: this worker has no artifact store: set PITON_ARTIFACT_STORE (or --artifacts) to a folder that all workers share, or to a bucket");
    }
}
