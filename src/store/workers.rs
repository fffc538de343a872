//! Workers: one row per boot. Register, heartbeat, look for what changed, stop.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgListener;
use sqlx::types::Uuid;

use super::freed::{EndedBoot, free};
use super::gone::{Sign, Suspect};
use super::moment::{MaybeMoment, Moment};
use super::queues::Queues;
use super::{Store, StoreError};
use crate::events;
use crate::model::claim::Place;
use crate::model::id::{VersionId, WorkerId, WorkflowId};
use crate::model::limited::Limited;
use crate::model::paused::Paused;
use crate::model::suspect::SIDE_BY_SIDE;

/// First key of the session locks that say "this boot is alive"; the second is the boot's number.
/// Two ints, so that it shares no key with the migration lock, which is one bigint. The value is "pitn".
const LOCK_SPACE: i32 = 0x7069_746e;

/// What a boot says about itself.
#[derive(Debug, Clone)]
pub(crate) struct Boot {
    pub(crate) boot_id: Uuid,
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) pid: i32,
    /// Attempts that it runs side by side.
    pub(crate) slots: usize,
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
    pub(crate) paused: Paused,
    pub(crate) limited: Limited,
    /// A run is past its deadline.
    pub(crate) overdue: bool,
    /// Whether a batch is due to be fed; `None` where every item of every batch has begun.
    pub(crate) batches_due: Option<bool>,
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

/// A job that a boot holds.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow, utoipa::ToSchema)]
pub(crate) struct HeldJob {
    pub(crate) run: Uuid,
    pub(crate) workflow: String,
    pub(crate) stage: String,
    pub(crate) item: Option<i32>,
    pub(crate) attempt: i32,
    /// When the attempt began.
    #[sqlx(try_from = "Moment")]
    pub(crate) since: DateTime<Utc>,
}

/// A boot of a worker, for people.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow, utoipa::ToSchema)]
#[schema(as = Worker)]
pub(crate) struct WorkerRow {
    pub(crate) worker: String,
    /// New at every start.
    pub(crate) boot: Uuid,
    pub(crate) host: String,
    pub(crate) pid: i32,
    /// Attempts that it runs side by side.
    pub(crate) slots: Option<i32>,
    /// Jobs that it holds.
    pub(crate) jobs: i64,
    #[sqlx(try_from = "Moment")]
    pub(crate) started_at: DateTime<Utc>,
    #[sqlx(try_from = "Moment")]
    pub(crate) last_seen: DateTime<Utc>,
    /// When it ended, by itself or in the eyes of the others.
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) stopped_at: Option<DateTime<Utc>>,
    /// `drained`, `superseded` or `lost`.
    pub(crate) stop_reason: Option<String>,
    /// How its process ended, where that was seen.
    pub(crate) exit: Option<String>,
}

#[derive(sqlx::FromRow)]
struct LookRow {
    alive: bool,
    next_due_ms: Option<i64>,
    waiting_rank: Option<i16>,
    #[sqlx(try_from = "MaybeMoment")]
    waiting_due_at: Option<DateTime<Utc>>,
    gone_id: Option<i64>,
    gone_name: Option<String>,
    gone_host: Option<String>,
    gone_pid: Option<i32>,
    #[sqlx(try_from = "MaybeMoment")]
    gone_last_seen: Option<DateTime<Utc>>,
    gone_ended: Option<bool>,
    gone_lease_over: Option<bool>,
    gone_drained: bool,
    gone_exit: Option<String>,
    gone_locked: Option<bool>,
    suspects: i64,
    paused_workflows: Option<Vec<i64>>,
    paused_versions: Option<Vec<i64>>,
    paused_stages: Option<Vec<i16>>,
    has_room_under_limits: bool,
    limited_versions: Option<Vec<i64>>,
    limited_stages: Option<Vec<i16>>,
    overdue: bool,
    batches_due: Option<bool>,
    database_is_young: bool,
}

fn stages(versions: Option<&[i64]>, stages: Option<&[i16]>) -> impl Iterator<Item = (VersionId, i16)> {
    let versions = versions.unwrap_or_default().iter().copied().map(VersionId);
    versions.zip(stages.unwrap_or_default().iter().copied())
}

impl LookRow {
    fn paused(&self) -> Paused {
        let stages = stages(self.paused_versions.as_deref(), self.paused_stages.as_deref());
        Paused::new(self.paused_workflows.iter().flatten().copied().map(WorkflowId).collect(), stages)
    }

    fn limited(&self) -> Limited {
        let stages = stages(self.limited_versions.as_deref(), self.limited_stages.as_deref());
        Limited::new(stages, self.has_room_under_limits)
    }

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
            host: self.gone_host.clone()?,
            pid: self.gone_pid?,
            last_seen: self.gone_last_seen?,
            sign,
            exit: self.gone_exit.clone(),
            database_is_young: self.database_is_young,
        })
    }
}

impl Store {
    /// Registers a boot. An older boot of the same name is over from now on, and its jobs are claimable at once.
    pub(crate) async fn register_worker(&self, boot: &Boot) -> Result<WorkerId, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let old: Vec<(i64, Uuid)> = sqlx::query_as(
            "update piton.workers set stopped_at = now(), stop_reason = 'superseded'
             where name = $1 and stopped_at is null returning id, boot_id",
        )
        .bind(&boot.name)
        .fetch_all(&mut *transaction)
        .await?;
        for (worker, _) in &old {
            let (worker, name) = (WorkerId(*worker), boot.name.as_str());
            let ended = EndedBoot { worker, name, sign: Sign::Superseded, exit: None };
            free(&mut *transaction, &ended, i64::from(i32::MAX)).await?;
        }
        let id: i64 = sqlx::query_scalar(
            "insert into piton.workers (boot_id, name, host, pid, slots) values ($1, $2, $3, $4, $5) returning id",
        )
        .bind(boot.boot_id)
        .bind(&boot.name)
        .bind(&boot.host)
        .bind(boot.pid)
        .bind(i32::try_from(boot.slots).unwrap_or(i32::MAX))
        .fetch_one(&mut *transaction)
        .await?;
        if !old.is_empty() {
            sqlx::query("update piton.workers set ended_by = $1 where id = any($2)")
                .bind(id)
                .bind(old.iter().map(|(worker, _)| *worker).collect::<Vec<_>>())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        old.iter().for_each(|(_, old)| events::worker::superseded(&boot.name, old));
        Ok(WorkerId(id))
    }

    /// Boots, the newest first, behind that one where one is given; those that live, or those that have ended too.
    pub(crate) async fn workers(
        &self,
        ended_too: bool,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<WorkerRow>, StoreError> {
        let sql = "select w.name as worker, w.boot_id as boot, w.host, w.pid, w.slots, w.started_at, w.last_seen,
                          w.stopped_at, w.stop_reason, w.exit,
                          (select count(*) from piton.jobs j where j.worker_id = w.id and j.state = 'running') as jobs
                   from piton.workers w
                   where ($1 or w.stopped_at is null)
                     and ($2::uuid is null or w.id < (select a.id from piton.workers a where a.boot_id = $2))
                   order by w.id desc limit $3";
        Ok(sqlx::query_as(sql).bind(ended_too).bind(after).bind(limit).fetch_all(&self.pool).await?)
    }

    /// The boot of that id, if there is one.
    pub(crate) async fn worker_of(&self, boot: Uuid) -> Result<Option<WorkerId>, StoreError> {
        let sql = "select id from piton.workers where boot_id = $1";
        let id: Option<i64> = sqlx::query_scalar(sql).bind(boot).fetch_optional(&self.pool).await?;
        Ok(id.map(WorkerId))
    }

    /// Jobs that a boot holds, so many at most.
    pub(crate) async fn held_jobs(&self, worker: WorkerId, limit: i64) -> Result<Vec<HeldJob>, StoreError> {
        let sql = "select r.uuid as run, w.name as workflow,
                          coalesce(v.definition -> 'stages' -> j.stage::int4 ->> 'name', '#' || j.stage) as stage,
                          nullif(j.item, -1) as item, j.attempt, j.since
                   from piton.jobs j
                   join piton.runs r on r.id = j.run_id
                   join piton.workflow_versions v on v.id = j.version_id
                   join piton.workflows w on w.id = j.workflow_id
                   where j.worker_id = $1 and j.state = 'running'
                   order by j.run_id, j.id limit $2";
        Ok(sqlx::query_as(sql).bind(worker.0).bind(limit.max(0)).fetch_all(&self.pool).await?)
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
            paused: first.paused(),
            limited: first.limited(),
            overdue: first.overdue,
            batches_due: first.batches_due,
        })
    }

    /// The boot shut down in order and holds nothing any more. Nothing is to be told where the others had ended it.
    pub(crate) async fn stop_worker(&self, worker: WorkerId) -> Result<(), StoreError> {
        let stopped: Option<(String, Uuid)> = sqlx::query_as(
            "update piton.workers set stopped_at = now(), stop_reason = 'drained', ended_by = id
             where id = $1 and stopped_at is null
             returning name, boot_id",
        )
        .bind(worker.0)
        .fetch_optional(&self.pool)
        .await?;
        if let Some((name, boot)) = stopped {
            events::worker::stopped(&name, &boot);
        }
        self.clear(worker).await
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
