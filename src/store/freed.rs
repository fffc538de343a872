//! What becomes of jobs that are taken from an ended boot.

use std::collections::HashMap;

use sqlx::PgExecutor;
use sqlx::types::Uuid;

use super::StoreError;
use crate::events;
use crate::events::attempt::Attempt;
use crate::meters::recovered::Recovered;
use crate::model::failure::FailureClass;
use crate::model::fingerprint::fingerprint;
use crate::model::id::{NO_ITEM, WorkerId};
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

    /// That a boot is gone, by whoever has ended it.
    pub(super) fn tell(self, worker: &str, boot: Uuid, cause: &str) {
        let Freed { resumed, restarted, dead_lettered } = self;
        events::worker::Lost { worker, boot: &boot, resumed, restarted, dead_lettered }.tell(cause);
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
pub(super) struct EndedBoot<'b> {
    pub(super) worker: WorkerId,
    pub(super) name: &'b str,
    /// Why it counts as gone.
    pub(super) cause: &'static str,
    /// How its process ended, where its parent saw it.
    pub(super) exit: Option<&'b str>,
    /// What its end says of the jobs it held.
    pub(super) evidence: Evidence,
}

/// One pass over what an ended boot holds. Counts what it did, and tells it.
pub(super) async fn free(
    connection: impl PgExecutor<'_>,
    ended: &EndedBoot<'_>,
    at_most: i64,
) -> Result<Freed, StoreError> {
    let EndedBoot { worker, name, cause, exit, evidence } = ended;
    let cause = exit.map_or_else(|| (*cause).to_owned(), |exit| format!("its worker's process ended: {exit}"));
    let (convicted, most) = match evidence {
        Evidence::Group => (CONVICTED_WITH_ITS_WORKER, MOST_GROUP_DEATHS),
        Evidence::Process | Evidence::None => (CONVICTED, MOST_DEATHS),
    };
    let convicted = exit.map_or_else(|| convicted.to_owned(), |exit| format!("{convicted}: {exit}"));
    let jobs: Vec<FreedJob> = sqlx::query_as(include_str!("sql/free.sql"))
        .bind(worker.0)
        .bind(at_most)
        .bind(&cause)
        .bind(*evidence != Evidence::None)
        .bind(most)
        .bind(&convicted)
        .bind(fingerprint(FailureClass::Crashed, &convicted))
        .bind(*evidence == Evidence::Group)
        .fetch_all(connection)
        .await?;
    let mut freed = Freed::default();
    let mut stages: HashMap<(&str, &str), Recovered<'_>> = HashMap::new();
    for job in &jobs {
        job.tell(name, &cause, &convicted);
        freed += job.freed();
        job.add_to(stages.entry((&job.workflow, &job.stage)).or_insert_with(|| job.none_recovered()));
    }
    stages.into_values().for_each(Recovered::count);
    Ok(freed)
}

/// One job that was freed.
#[derive(sqlx::FromRow)]
struct FreedJob {
    run: Uuid,
    workflow: String,
    stage: String,
    item: i32,
    attempt: i32,
    /// Its run goes on behind checkpoints.
    resumes: bool,
    suspected: bool,
    /// It is a dead letter now.
    convicted: bool,
}

impl FreedJob {
    fn freed(&self) -> Freed {
        let mut freed = Freed::default();
        match (self.convicted, self.resumes) {
            (true, _) => freed.dead_lettered = 1,
            (false, true) => freed.resumed = 1,
            (false, false) => freed.restarted = 1,
        }
        freed
    }

    fn none_recovered(&self) -> Recovered<'_> {
        let (workflow, stage) = (&self.workflow, &self.stage);
        Recovered { workflow, stage, resumed: 0, restarted: 0, dead_lettered: 0, suspected: 0 }
    }

    fn add_to(&self, recovered: &mut Recovered<'_>) {
        let Freed { resumed, restarted, dead_lettered } = self.freed();
        recovered.resumed += resumed.unsigned_abs();
        recovered.restarted += restarted.unsigned_abs();
        recovered.dead_lettered += dead_lettered.unsigned_abs();
        recovered.suspected += u64::from(self.suspected && !self.convicted);
    }

    fn tell(&self, worker: &str, cause: &str, convicted: &str) {
        let attempt = Attempt {
            run: &self.run,
            workflow: Some(&self.workflow),
            stage: &self.stage,
            item: (self.item != NO_ITEM).then_some(self.item.unsigned_abs()),
            attempt: self.attempt.unsigned_abs(),
            worker,
            trace: None,
        };
        if self.convicted {
            attempt.given_up(&FailureClass::Crashed, convicted);
        } else {
            attempt.lost(self.suspected, cause);
        }
    }
}
