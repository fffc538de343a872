//! What becomes of jobs that are taken from an ended boot.

use sqlx::PgExecutor;
use sqlx::types::Uuid;

use super::{Store, StoreError};
use crate::model::failure::FailureClass;
use crate::model::fingerprint::fingerprint;
use crate::model::id::WorkerId;
use crate::model::suspect::{CONVICTED, CONVICTED_WITH_ITS_WORKER, Evidence, MOST_DEATHS, MOST_GROUP_DEATHS};

/// What became of jobs that were taken from a boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct Freed {
    /// Their runs go on behind the checkpoints they had.
    pub(crate) resumed: i64,
    /// Their runs had no checkpoint yet.
    pub(crate) restarted: i64,
    /// They had killed too many processes.
    pub(crate) dead_lettered: i64,
}

impl Freed {
    pub(crate) fn jobs(self) -> i64 {
        self.resumed + self.restarted + self.dead_lettered
    }
}

impl std::ops::AddAssign for Freed {
    fn add_assign(&mut self, other: Freed) {
        self.resumed += other.resumed;
        self.restarted += other.restarted;
        self.dead_lettered += other.dead_lettered;
    }
}

/// A boot that has ended, whose jobs are to be freed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndedBoot<'b> {
    pub(crate) worker: WorkerId,
    pub(crate) name: &'b str,
    /// Why it counts as gone.
    pub(crate) cause: &'static str,
    /// How its process ended, where its parent saw it.
    pub(crate) exit: Option<&'b str>,
    /// What its end says of the jobs it held.
    pub(crate) evidence: Evidence,
}

impl EndedBoot<'_> {
    /// What its lost attempts are said to have ended by.
    pub(crate) fn reason(&self) -> String {
        self.exit.map_or_else(|| self.cause.to_owned(), |exit| format!("its worker's process ended: {exit}"))
    }

    /// What is said of a job that it convicts.
    pub(crate) fn conviction(&self) -> String {
        let convicted = match self.evidence {
            Evidence::Group => CONVICTED_WITH_ITS_WORKER,
            Evidence::Process | Evidence::None => CONVICTED,
        };
        self.exit.map_or_else(|| convicted.to_owned(), |exit| format!("{convicted}: {exit}"))
    }
}

/// One pass over what an ended boot holds.
pub(super) async fn free(
    connection: impl PgExecutor<'_>,
    ended: &EndedBoot<'_>,
    at_most: i64,
) -> Result<Vec<FreedJob>, StoreError> {
    let (evidence, convicted) = (ended.evidence, ended.conviction());
    let most = if evidence == Evidence::Group { MOST_GROUP_DEATHS } else { MOST_DEATHS };
    let jobs = sqlx::query_as(include_str!("sql/free.sql"))
        .bind(ended.worker.0)
        .bind(at_most)
        .bind(ended.reason())
        .bind(evidence != Evidence::None)
        .bind(most)
        .bind(&convicted)
        .bind(fingerprint(FailureClass::Crashed, &convicted))
        .bind(evidence == Evidence::Group)
        .fetch_all(connection)
        .await?;
    Ok(jobs)
}

/// One job that was freed.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct FreedJob {
    pub(crate) run: Uuid,
    pub(crate) workflow: String,
    pub(crate) stage: String,
    pub(crate) item: i32,
    pub(crate) attempt: i32,
    /// Its run goes on behind checkpoints.
    resumes: bool,
    pub(crate) suspected: bool,
    /// It is a dead letter now.
    pub(crate) convicted: bool,
}

impl FreedJob {
    pub(crate) fn freed(&self) -> Freed {
        let mut freed = Freed::default();
        match (self.convicted, self.resumes) {
            (true, _) => freed.dead_lettered = 1,
            (false, true) => freed.resumed = 1,
            (false, false) => freed.restarted = 1,
        }
        freed
    }
}

impl Store {
    /// Frees jobs that an ended boot holds. Fewer than asked for: there are no more.
    pub(crate) async fn free(&self, ended: &EndedBoot<'_>, at_most: i64) -> Result<Vec<FreedJob>, StoreError> {
        free(&self.pool, ended, at_most).await
    }
}
