//! Workers: one row per boot. Register, heartbeat, find the dead, free what they held.

use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::types::Uuid;
use sqlx::types::chrono::{DateTime, Utc};

use super::queues::Queues;
use super::{Store, StoreError};
use crate::model::claim::Place;
use crate::model::failure::FailureClass;
use crate::model::fingerprint::fingerprint;
use crate::model::id::WorkerId;
use crate::model::suspect::{CONVICTED, MOST_DEATHS, SIDE_BY_SIDE};

/// First key of the session locks that say "this boot is alive"; the second is the boot's number.
/// Two ints, so that it shares no key with the migration lock, which is one bigint. The value is "pitn".
const LOCK_SPACE: i32 = 0x7069_746e;
/// Jobs freed by one statement.
const FREE_AT_ONCE: i64 = 1000;

/// What a boot says about itself.
#[derive(Debug, Clone)]
pub(crate) struct Boot {
    pub(crate) boot_id: Uuid,
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) pid: i32,
}

/// A boot that seems to be gone.
#[derive(Debug, Clone)]
pub(crate) struct Suspect {
    pub(crate) worker: WorkerId,
    pub(crate) name: String,
    /// Its last heartbeat, as it was seen.
    pub(crate) last_seen: DateTime<Utc>,
    pub(crate) sign: Sign,
    /// Every session ended a moment ago, because the database was started.
    pub(crate) database_is_young: bool,
}

/// Why a boot seems to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It has ended, and jobs of it may be left to free.
    Ended,
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
            Sign::Drained => "its worker shut down before it was handed back",
            Sign::LeaseOver => "its worker's heartbeat stopped",
            Sign::Frozen => "its worker's heartbeat stopped, while its session lived",
            Sign::LockFree => "its worker's process or database session ended",
        }
    }

    /// A process died, so that one of its jobs may be to blame.
    fn is_death(self) -> bool {
        match self {
            Sign::Ended | Sign::LeaseOver | Sign::LockFree => true,
            Sign::Drained | Sign::Frozen => false,
        }
    }
}

/// What a look found.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The others have not given this boot up.
    pub(crate) alive: bool,
    /// When the next scheduled job is due, if there is one.
    pub(crate) next_due: Option<Duration>,
    /// The best place of a job that this worker could claim.
    pub(crate) waiting: Option<Place>,
    /// Jobs that wait to run alone, as far as they are counted.
    pub(crate) suspected: usize,
    pub(crate) suspects: Vec<Suspect>,
}

/// What a look asks about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'q> {
    pub(crate) me: WorkerId,
    pub(crate) lease: Duration,
    /// A heartbeat too; with whether the others may go by the session lock, if that has changed.
    pub(crate) beat: Option<Option<bool>>,
    pub(crate) queues: Queues<'q>,
}

#[derive(sqlx::FromRow)]
struct LookRow {
    alive: bool,
    next_due_ms: Option<i64>,
    waiting_rank: Option<i16>,
    waiting_due_at: Option<DateTime<Utc>>,
    gone_id: Option<i64>,
    gone_name: Option<String>,
    gone_last_seen: Option<DateTime<Utc>>,
    gone_ended: Option<bool>,
    gone_lease_over: Option<bool>,
    gone_drained: bool,
    gone_locked: Option<bool>,
    suspects: i64,
    database_is_young: bool,
}

impl LookRow {
    fn suspect(&self) -> Option<Suspect> {
        let sign = match (self.gone_ended?, self.gone_lease_over?) {
            (true, _) if self.gone_drained => Sign::Drained,
            (true, _) => Sign::Ended,
            (false, true) if self.gone_locked == Some(true) => Sign::Frozen,
            (false, true) => Sign::LeaseOver,
            (false, false) => Sign::LockFree,
        };
        Some(Suspect {
            worker: WorkerId(self.gone_id?),
            name: self.gone_name.clone()?,
            last_seen: self.gone_last_seen?,
            sign,
            database_is_young: self.database_is_young,
        })
    }
}

impl Store {
    /// Registers a boot. An older boot of the same name is over from now on, and its jobs are claimable at once.
    pub(crate) async fn register_worker(&self, boot: &Boot) -> Result<WorkerId, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let old: Vec<i64> = sqlx::query_scalar(
            "update piton.workers set stopped_at = now(), stop_reason = 'superseded'
             where name = $1 and stopped_at is null returning id",
        )
        .bind(&boot.name)
        .fetch_all(&mut *transaction)
        .await?;
        for worker in old {
            sqlx::query(include_str!("sql/free.sql"))
                .bind(worker)
                .bind(i64::from(i32::MAX))
                .bind("a new boot took the worker's name")
                .bind(true)
                .bind(MOST_DEATHS)
                .bind(CONVICTED)
                .bind(fingerprint(FailureClass::Crashed, CONVICTED))
                .execute(&mut *transaction)
                .await?;
        }
        let id: i64 = sqlx::query_scalar(
            "insert into piton.workers (boot_id, name, host, pid) values ($1, $2, $3, $4) returning id",
        )
        .bind(boot.boot_id)
        .bind(&boot.name)
        .bind(&boot.host)
        .bind(boot.pid)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(WorkerId(id))
    }

    /// One look at what changes by itself, and with it a heartbeat where one is due.
    pub(crate) async fn look(&self, look: Look<'_>) -> Result<Seen, StoreError> {
        let queues = look.queues.columns();
        let rows: Vec<LookRow> = sqlx::query_as(include_str!("sql/look.sql"))
            .bind(look.me.0)
            .bind(i64::try_from(look.lease.as_millis()).unwrap_or(i64::MAX))
            .bind(LOCK_SPACE)
            .bind(look.beat.is_some())
            .bind(look.beat.flatten())
            .bind(&queues.workflows)
            .bind(&queues.unknown_versions)
            .bind(&queues.unknown_stages)
            .bind(i64::try_from(SIDE_BY_SIDE).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
        let [first, ..] = rows.as_slice() else { return Err(StoreError::Damaged("no answer to a look".to_owned())) };
        let place = |(rank, due_at)| Place { rank, due_at };
        Ok(Seen {
            alive: first.alive,
            next_due: first.next_due_ms.map(|ms| Duration::from_millis(ms.max(0).unsigned_abs())),
            suspected: usize::try_from(first.suspects).unwrap_or_default(),
            waiting: first.waiting_rank.zip(first.waiting_due_at).map(place),
            suspects: rows.iter().filter_map(LookRow::suspect).collect(),
        })
    }

    /// Ends a boot that is gone, then frees its jobs: in that order, so that it can claim nothing in between. Whoever
    /// dies halfway leaves a row that the next look finds. Tells how many jobs were freed; `None` when the boot was heard
    /// of again.
    pub(crate) async fn recover_worker(&self, suspect: &Suspect) -> Result<Option<u64>, StoreError> {
        let ended = sqlx::query(
            "update piton.workers set stopped_at = now(), stop_reason = 'lost'
             where id = $1 and stopped_at is null and last_seen = $2",
        )
        .bind(suspect.worker.0)
        .bind(suspect.last_seen)
        .execute(&self.pool)
        .await?;
        let had_ended = matches!(suspect.sign, Sign::Ended | Sign::Drained);
        if ended.rows_affected() == 0 && !had_ended {
            return Ok(None);
        }
        let mut freed = 0;
        loop {
            let (pass, _): (i64, i64) = sqlx::query_as(include_str!("sql/free.sql"))
                .bind(suspect.worker.0)
                .bind(FREE_AT_ONCE)
                .bind(suspect.sign.words())
                .bind(suspect.sign.is_death())
                .bind(MOST_DEATHS)
                .bind(CONVICTED)
                .bind(fingerprint(FailureClass::Crashed, CONVICTED))
                .fetch_one(&self.pool)
                .await?;
            freed += pass.unsigned_abs();
            if pass < FREE_AT_ONCE {
                break;
            }
        }
        // A row that was locked just now was skipped: then the next look finds the boot again.
        sqlx::query(
            "update piton.workers w set cleared = true
             where id = $1 and stopped_at is not null
               and not exists (select from piton.jobs j where j.worker_id = w.id and j.state = 'running')",
        )
        .bind(suspect.worker.0)
        .execute(&self.pool)
        .await?;
        Ok(Some(freed))
    }

    /// How many jobs a boot holds.
    pub(crate) async fn held_count(&self, worker: WorkerId) -> Result<i64, StoreError> {
        let sql = "select count(*) from piton.jobs where worker_id = $1 and state = 'running'";
        Ok(sqlx::query_scalar(sql).bind(worker.0).fetch_one(&self.pool).await?)
    }

    /// The boot shut down in order and holds nothing any more.
    pub(crate) async fn stop_worker(&self, worker: WorkerId) -> Result<(), StoreError> {
        sqlx::query(
            "update piton.workers w set stopped_at = now(), stop_reason = 'drained',
                    cleared = not exists (select from piton.jobs j where j.worker_id = w.id and j.state = 'running')
             where id = $1 and stopped_at is null",
        )
        .bind(worker.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// Takes the session lock that says this boot is alive, and tells the others to go by it; `false` when another session
/// still holds it.
pub(crate) async fn take_session_lock(session: &mut PgListener, worker: WorkerId) -> Result<bool, StoreError> {
    let number = i32::try_from(worker.0).map_err(|_| StoreError::Damaged(format!("worker number {worker}")))?;
    let taken: bool = sqlx::query_scalar("select pg_try_advisory_lock($1, $2)")
        .bind(LOCK_SPACE)
        .bind(number)
        .fetch_one(&mut *session)
        .await?;
    if taken {
        sqlx::query("update piton.workers set lock_held = true, last_seen = now() where id = $1")
            .bind(worker.0)
            .execute(&mut *session)
            .await?;
    }
    Ok(taken)
}
