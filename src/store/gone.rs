//! Boots that are gone: the signs of it, and what becomes of the jobs they held.

use sqlx::PgExecutor;
use sqlx::types::chrono::{DateTime, Utc};

use super::{Store, StoreError};
use crate::meters::recovered::Recovered;
use crate::model::failure::FailureClass;
use crate::model::fingerprint::fingerprint;
use crate::model::id::WorkerId;
use crate::model::suspect::{CONVICTED, MOST_DEATHS};

/// Jobs freed by one statement.
const FREE_AT_ONCE: i64 = 1000;

/// A boot that seems to be gone.
#[derive(Debug, Clone)]
pub(crate) struct Suspect {
    pub(crate) worker: WorkerId,
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) pid: i32,
    /// Its last heartbeat, as it was seen.
    pub(crate) last_seen: DateTime<Utc>,
    pub(crate) sign: Sign,
    /// How its process ended, where its parent saw it.
    pub(crate) exit: Option<String>,
    /// Every session ended a moment ago, because the database was started.
    pub(crate) database_is_young: bool,
}

/// Why a boot seems to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It has ended, and jobs of it may be left to free.
    Ended,
    /// A new boot has taken its name.
    Superseded,
    /// It shut down in order, and could not hand everything back.
    Drained,
    /// Its heartbeat is older than the lease.
    LeaseOver,
    /// The same, and its session lives: its process is frozen, or cut off.
    Frozen,
    /// Its session lock is free.
    LockFree,
}

impl Sign {
    /// As people and attempts are told.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Sign::Ended => "its worker had ended",
            Sign::Superseded => "a new boot took the worker's name",
            Sign::Drained => "its worker shut down before it was handed back",
            Sign::LeaseOver => "its worker's heartbeat stopped",
            Sign::Frozen => "its worker's heartbeat stopped, while its process lived",
            Sign::LockFree => "its worker's process or database session ended",
        }
    }

    /// A process died, so that one of its jobs may be to blame.
    fn is_death(self) -> bool {
        match self {
            Sign::Ended | Sign::Superseded | Sign::LeaseOver | Sign::LockFree => true,
            Sign::Drained | Sign::Frozen => false,
        }
    }
}

/// What became of jobs that were taken from a boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
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

/// A process as its parent knows it.
#[derive(Debug, Clone)]
pub(crate) struct EndedProcess<'p> {
    pub(crate) name: &'p str,
    pub(crate) host: &'p str,
    pub(crate) pid: i32,
    /// How it ended, in words.
    pub(crate) exit: &'p str,
}

impl Store {
    /// Ends a boot that is gone, then frees its jobs: in that order, so that it can claim nothing in between. Whoever
    /// dies halfway leaves a row that the next look finds. Tells what became of them; `None` when the boot was heard
    /// of again.
    pub(crate) async fn recover_worker(
        &self,
        suspect: &Suspect,
        by: Option<WorkerId>,
    ) -> Result<Option<Freed>, StoreError> {
        let ended = sqlx::query(
            "update piton.workers set stopped_at = now(), stop_reason = 'lost', ended_by = $3
             where id = $1 and stopped_at is null and last_seen = $2",
        )
        .bind(suspect.worker.0)
        .bind(suspect.last_seen)
        .bind(by.map(|by| by.0))
        .execute(&self.pool)
        .await?;
        let had_ended = matches!(suspect.sign, Sign::Ended | Sign::Drained);
        if ended.rows_affected() == 0 && !had_ended {
            return Ok(None);
        }
        let mut freed = Freed::default();
        loop {
            let pass = free(&self.pool, suspect.worker, suspect.sign, suspect.exit.as_deref(), FREE_AT_ONCE).await?;
            freed += pass;
            if pass.jobs() < FREE_AT_ONCE {
                break;
            }
        }
        self.clear(suspect.worker).await?;
        Ok(Some(freed))
    }

    /// Ends the boot whose process its parent saw end, and frees its jobs at once. A boot that drained, or that others
    /// have ended already, is left as it is: then there is nothing to tell. May be sent again.
    pub(crate) async fn process_ended(
        &self,
        process: &EndedProcess<'_>,
        by: WorkerId,
    ) -> Result<Option<Freed>, StoreError> {
        let boot: Option<(i64, DateTime<Utc>)> = sqlx::query_as(
            "update piton.workers set stopped_at = now(), stop_reason = 'lost', ended_by = $5, exit = $4
             where name = $1 and host = $2 and pid = $3 and stopped_at is null
             returning id, last_seen",
        )
        .bind(process.name)
        .bind(process.host)
        .bind(process.pid)
        .bind(process.exit)
        .bind(by.0)
        .fetch_optional(&self.pool)
        .await?;
        let Some((id, last_seen)) = boot else { return Ok(None) };
        let suspect = Suspect {
            worker: WorkerId(id),
            name: process.name.to_owned(),
            host: process.host.to_owned(),
            pid: process.pid,
            last_seen,
            sign: Sign::Ended,
            exit: Some(process.exit.to_owned()),
            database_is_young: false,
        };
        self.recover_worker(&suspect, Some(by)).await
    }

    /// Nothing of a boot that has ended is left to free. A row that was locked just now was skipped: then the next look
    /// finds the boot again. Never in the statement that ends it: a claim that was under way would not be seen.
    pub(super) async fn clear(&self, worker: WorkerId) -> Result<(), StoreError> {
        sqlx::query(
            "update piton.workers w set cleared = true
             where id = $1 and stopped_at is not null
               and not exists (select from piton.jobs j where j.worker_id = w.id and j.state = 'running')",
        )
        .bind(worker.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How many jobs a boot holds.
    pub(crate) async fn held_count(&self, worker: WorkerId) -> Result<i64, StoreError> {
        let sql = "select count(*) from piton.jobs where worker_id = $1 and state = 'running'";
        Ok(sqlx::query_scalar(sql).bind(worker.0).fetch_one(&self.pool).await?)
    }
}

/// One pass over what an ended boot holds.
pub(super) async fn free(
    connection: impl PgExecutor<'_>,
    worker: WorkerId,
    sign: Sign,
    exit: Option<&str>,
    at_most: i64,
) -> Result<Freed, StoreError> {
    let cause = exit.map_or_else(|| sign.words().to_owned(), |exit| format!("its worker's process ended: {exit}"));
    let convicted = exit.map_or_else(|| CONVICTED.to_owned(), |exit| format!("{CONVICTED}: {exit}"));
    let stages: Vec<FreedStage> = sqlx::query_as(include_str!("sql/free.sql"))
        .bind(worker.0)
        .bind(at_most)
        .bind(cause)
        .bind(sign.is_death())
        .bind(MOST_DEATHS)
        .bind(&convicted)
        .bind(fingerprint(FailureClass::Crashed, &convicted))
        .fetch_all(connection)
        .await?;
    let mut freed = Freed::default();
    for stage in stages {
        stage.count();
        freed += Freed { resumed: stage.resumed, restarted: stage.restarted, dead_lettered: stage.dead_lettered };
    }
    Ok(freed)
}

/// Jobs of one stage that were freed.
#[derive(sqlx::FromRow)]
struct FreedStage {
    workflow: String,
    stage: String,
    resumed: i64,
    restarted: i64,
    dead_lettered: i64,
    suspected: i64,
}

impl FreedStage {
    fn count(&self) {
        Recovered {
            workflow: &self.workflow,
            stage: &self.stage,
            resumed: self.resumed.unsigned_abs(),
            restarted: self.restarted.unsigned_abs(),
            dead_lettered: self.dead_lettered.unsigned_abs(),
            suspected: self.suspected.unsigned_abs(),
        }
        .count();
    }
}
