//! The numbers that identify things inside the engine, and the id that people see.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use uuid::Uuid;

use super::digest;

/// A run as people name it: a UUIDv7. The engine joins on [`RunKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

impl RunId {
    /// A new id; ids made later sort after it.
    pub fn new() -> Self {
        RunId(Uuid::now_v7())
    }
}

impl Default for RunId {
    fn default() -> Self {
        RunId::new()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::from_str(text.trim()).map(RunId)
    }
}

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(pub(crate) i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

keys! {
    /// A run inside the engine.
    RunKey,
    /// A workflow: one name, whatever its versions.
    WorkflowId,
    /// One version of a workflow: one digest of its definition.
    VersionId,
    /// One boot of one worker; a restart under the same name gets another.
    WorkerId,
}

impl WorkflowId {
    /// Of a new workflow: made from its name.
    pub(crate) fn of(name: &str) -> WorkflowId {
        WorkflowId(key_of(&digest::of(name)))
    }
}

impl VersionId {
    /// Of a new version: made from the digest of its definition.
    pub(crate) fn of(digest: &[u8; 32]) -> VersionId {
        VersionId(key_of(digest))
    }
}

/// The first 63 bits, and never 0, which stands for every workflow.
fn key_of([a, b, c, d, e, f, g, h, ..]: &[u8; 32]) -> i64 {
    (i64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) & i64::MAX).max(1)
}

/// One try at one job: the claim a worker holds, and what its commit is fenced by.
///
/// The job row moves through the stages of its branch, so the stage and the item belong to the fence: attempt 1
/// of the next stage must not be mistaken for attempt 1 of this one. The token belongs to it because all the other numbers
/// can come twice: where commits are lost (a failover, a restored backup), sequences go back with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AttemptKey {
    pub(crate) run: RunKey,
    pub(crate) job: i64,
    pub(crate) stage: i16,
    /// Item of a fanned-out stage, or [`NO_ITEM`].
    pub(crate) item: i32,
    /// Numbered from 1.
    pub(crate) attempt: i32,
    /// Drawn at random for the claim; a branch that stays with its worker keeps it.
    pub(crate) token: ClaimToken,
}

/// Of the job alone: a worker looks its attempts up several times a stage, and hardly ever knows two of one job.
impl Hash for AttemptKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.job.hash(state);
    }
}

/// What one claim has and no other ever gets: 64 random bits, one draw for all jobs of a claiming statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClaimToken(pub(crate) i64);

impl ClaimToken {
    pub(crate) fn new() -> ClaimToken {
        ClaimToken(rand::random())
    }
}

/// The item of a job that is the whole stage: an ordinary stage, or a fanned-out one that is still to be split.
pub(crate) const NO_ITEM: i32 = -1;

impl AttemptKey {
    pub(crate) fn item(&self) -> Option<u32> {
        u32::try_from(self.item).ok()
    }
}

impl WorkerId {
    /// One that nobody has ever had. 0 is nobody.
    pub(crate) fn random() -> WorkerId {
        WorkerId(rand::random_range(1..=i64::MAX))
    }
}
