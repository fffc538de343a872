//! Where an attempt's steps and artifacts are on record: in the database; for a handler's unit test, in memory; and where a stage is
//! tried by hand, what it finds is in the database, and what it makes in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::artifacts::Artifacts;
use crate::model::address;
use crate::model::claim::Claim;
use crate::model::digest;
use crate::model::failure::FailureClass;
use crate::model::payload::Payload;
use crate::model::retry::History;
use crate::store::artifacts::{Announced, Whole};
use crate::store::steps::StoredStep;
use crate::store::{Store, StoreError};

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Records {
    Database(Arc<Store>),
    Memory(Arc<Memory>),
    ByHand(Arc<ByHand>),
}

/// The records of a stage that is tried by hand: nothing of it reaches the database or the store.
#[derive(Debug)]
pub(crate) struct ByHand {
    pub(crate) store: Store,
    pub(crate) memory: Arc<Memory>,
    /// Where its artifacts are.
    pub(crate) kept: Artifacts,
}

/// What the attempts at one job have recorded.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    steps: Mutex<Vec<StoredStep>>,
    artifacts: Mutex<Vec<Noted>>,
}

/// An artifact on record.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    pub(crate) announced: Announced,
    pub(crate) address: String,
    item: i32,
    /// Size and digest, once all of it was written.
    pub(crate) whole: Option<(u64, [u8; 32])>,
}

impl Records {
    pub(super) async fn steps(&self, claim: &Claim) -> Result<Vec<StoredStep>, StoreError> {
        match self {
            Records::Database(store) => store.steps(claim).await,
            Records::ByHand(by_hand) => by_hand.store.steps(claim).await,
            Records::Memory(memory) => Ok(memory.steps()),
        }
    }

    /// Failures that the job has behind it, as far as they count for one of that class; with none given, of the class of its last
    /// failure.
    pub(super) async fn history(
        &self,
        claim: &Claim,
        class: Option<FailureClass>,
    ) -> Result<(FailureClass, History), StoreError> {
        let store = match self {
            Records::Database(store) => store,
            Records::ByHand(by_hand) => &by_hand.store,
            Records::Memory(_) => return Ok((class.unwrap_or(FailureClass::Unknown), History::default())),
        };
        let class = match class {
            Some(class) => class,
            None => store.last_failure(claim).await?.unwrap_or(FailureClass::Unknown),
        };
        let found = store.histories(&[(*claim, class)]).await?;
        Ok((class, found.first().copied().unwrap_or_default()))
    }

    /// `false` when the claim no longer holds.
    pub(super) async fn record_step(&self, claim: &Claim, name: &str, output: &Payload) -> Result<bool, StoreError> {
        match self {
            Records::Database(store) => store.record_step(claim, name, output).await,
            Records::Memory(memory) => {
                memory.record(name, output.as_str());
                Ok(true)
            }
            Records::ByHand(by_hand) => {
                by_hand.memory.record(name, output.as_str());
                Ok(true)
            }
        }
    }

    /// The artifact's address; `None` when the claim no longer holds.
    pub(super) async fn announce_artifact(
        &self,
        claim: &Claim,
        artifact: &Announced,
    ) -> Result<Option<String>, StoreError> {
        match self {
            Records::Database(store) => store.announce_artifact(claim, artifact).await,
            Records::Memory(memory) => Ok(Some(memory.announce(claim, artifact))),
            Records::ByHand(by_hand) => Ok(Some(by_hand.memory.announce(claim, artifact))),
        }
    }

    pub(super) async fn artifact_is_whole(&self, id: Uuid, bytes: u64, digest: &[u8; 32]) -> Result<bool, StoreError> {
        match self {
            Records::Database(store) => store.artifact_is_whole(id, bytes, digest).await,
            Records::Memory(memory) => Ok(memory.is_whole(id, bytes, digest)),
            Records::ByHand(by_hand) => Ok(by_hand.memory.is_whole(id, bytes, digest)),
        }
    }

    pub(super) async fn artifact(&self, id: Uuid) -> Result<Option<Whole>, StoreError> {
        match self {
            Records::Database(store) => store.artifact(id).await,
            Records::Memory(memory) => Ok(memory.whole(id)),
            Records::ByHand(by_hand) => match by_hand.memory.whole(id) {
                Some(own) => Ok(Some(own)),
                None => by_hand.store.artifact(id).await,
            },
        }
    }

    /// Where an attempt keeps its artifacts, if that is not the store.
    pub(super) fn kept(&self) -> Option<&Artifacts> {
        match self {
            Records::Database(_) | Records::Memory(_) => None,
            Records::ByHand(by_hand) => Some(&by_hand.kept),
        }
    }

    /// Whether it was made by the attempt itself, apart from the store.
    pub(super) fn has_made(&self, artifact: Uuid) -> bool {
        matches!(self, Records::ByHand(by_hand) if by_hand.memory.whole(artifact).is_some())
    }

    /// What the stage of that name has kept; `None` where there is no such stage.
    pub(super) async fn kept_by(
        &self,
        claim: &Claim,
        stage: &str,
        name: Option<&str>,
    ) -> Result<Option<Vec<Whole>>, StoreError> {
        match self {
            Records::Database(store) => store.kept_by(claim, stage, name).await,
            Records::ByHand(by_hand) => by_hand.store.kept_by(claim, stage, name).await,
            // A test of one handler has no other stages.
            Records::Memory(_) => Ok(None),
        }
    }
}

impl Memory {
    /// As an attempt records the step.
    pub(crate) fn record(&self, name: &str, output: &str) {
        let (digest, name, output) = (digest::of(output).to_vec(), name.to_owned(), output.to_owned());
        lock(&self.steps).push(StoredStep { name, digest, output });
    }

    pub(crate) fn steps(&self) -> Vec<StoredStep> {
        lock(&self.steps).clone()
    }

    fn announce(&self, claim: &Claim, artifact: &Announced) -> String {
        let address = format!("{}/{}", address::ROOT, artifact.below);
        let (announced, item) = (artifact.clone(), claim.key.item);
        lock(&self.artifacts).push(Noted { announced, address: address.clone(), item, whole: None });
        address
    }

    fn is_whole(&self, id: Uuid, bytes: u64, digest: &[u8; 32]) -> bool {
        let mut artifacts = lock(&self.artifacts);
        let found = artifacts.iter_mut().find(|artifact| artifact.announced.id == id);
        found.map(|artifact| artifact.whole = Some((bytes, *digest))).is_some()
    }

    /// Those that are whole.
    pub(crate) fn artifacts(&self) -> Vec<Noted> {
        lock(&self.artifacts).iter().filter(|artifact| artifact.whole.is_some()).cloned().collect()
    }

    fn whole(&self, id: Uuid) -> Option<Whole> {
        let artifact = self.artifacts().into_iter().find(|artifact| artifact.announced.id == id)?;
        let (bytes, digest) = artifact.whole?;
        Some(Whole {
            id,
            run: 0,
            name: artifact.announced.name.as_str().to_owned(),
            address: artifact.address,
            bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
            digest: digest.to_vec(),
            stage: String::new(),
            item: artifact.item,
        })
    }
}

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
