//! What a worker sees of other workers and of the queue, and what people see of workers.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::types::Uuid;

use super::boots::{OLD_LOCK_SPACE, Standing};
use super::gone::{Sign, SuspectedBoot};
use super::moment::{MaybeMoment, Moment};
use super::queues::Queues;
use super::warm::WarmPrograms;
use super::{Store, StoreError};
use crate::model::id::{VersionId, WorkerId, WorkflowId};
use crate::model::limited::Limited;
use crate::model::paused::Paused;
use crate::model::place::Place;
use crate::model::process::Process;
use crate::model::suspect::{Evidence, MOST_RUNNERS};

/// What a look found.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Whether the others have given this boot up.
    pub(crate) standing: Standing,
    /// When the next scheduled job is due or the next wait ends by itself, if there is one.
    pub(crate) next_due: Option<Duration>,
    /// The best place of a job that this worker could claim.
    pub(crate) waiting: Option<Place>,
    /// Many others stand before it.
    pub(crate) is_crowded: bool,
    /// Jobs that wait to run alone, as far as they are counted.
    pub(crate) suspected: usize,
    pub(crate) suspects: Vec<SuspectedBoot>,
    pub(crate) paused: Paused,
    pub(crate) limited: Limited,
    /// A run is past its deadline.
    pub(crate) overdue: bool,
    /// Whether a batch is due to be fed; `None` where every item of every batch has begun.
    pub(crate) batches_due: Option<bool>,
    /// A schedule wants to be looked at.
    pub(crate) schedules_due: bool,
    /// When the server was started that answered.
    pub(crate) server_started_at: DateTime<Utc>,
}

/// What a look asks about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'q> {
    pub(crate) me: WorkerId,
    /// Of workers that did not say theirs.
    pub(crate) lease: Duration,
    /// It is everyone's lease, whatever they said.
    pub(crate) for_all: bool,
    /// A heartbeat too.
    pub(crate) beat: bool,
    pub(crate) queues: Queues<'q>,
}

/// A job that a boot holds.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
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

/// A stage that a worker runs jobs of.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct BusyStage {
    pub(crate) workflow: String,
    pub(crate) stage: String,
    pub(crate) jobs: i64,
    pub(crate) oldest_since: DateTime<Utc>,
}

/// Which boots are listed beside those that have not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndedToo {
    None,
    /// In the last hour.
    Lately,
    All,
}

/// A boot of a worker, for people.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema), schema(as = Worker))]
pub(crate) struct WorkerRow {
    pub(crate) worker: String,
    /// New at every start.
    pub(crate) boot: Uuid,
    pub(crate) host: String,
    pub(crate) pid: i32,
    /// `alive`, `stopping`, `silent` (not heard of for longer than its lease), `lost` or `stopped`.
    pub(crate) state: String,
    /// Version of Piton in it, and when its program was written.
    pub(crate) build: Option<String>,
    /// Attempts that it runs side by side.
    pub(crate) slots: Option<i32>,
    /// Jobs that it holds.
    pub(crate) jobs: i64,
    /// What it and its runners run.
    #[sqlx(json)]
    pub(crate) stages: Vec<BusyStage>,
    /// Processes that it has started to run suspects.
    pub(crate) runners: i64,
    #[sqlx(try_from = "Moment")]
    pub(crate) started_at: DateTime<Utc>,
    #[sqlx(try_from = "Moment")]
    pub(crate) last_seen: DateTime<Utc>,
    /// When it was asked to stop.
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) stopping_at: Option<DateTime<Utc>>,
    /// When it ended, by itself or in the eyes of the others.
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) stopped_at: Option<DateTime<Utc>>,
    /// `drained`, `superseded` or `lost`.
    pub(crate) stop_reason: Option<String>,
    /// How its process ended, where that was seen.
    pub(crate) exit: Option<String>,
    /// Processes of warm stages that it keeps.
    #[sqlx(json)]
    pub(crate) warm: Vec<WarmPrograms>,
}

#[derive(sqlx::FromRow)]
struct LookRow {
    alive: Option<bool>,
    next_due_ms: Option<i64>,
    waiting_rank: Option<i16>,
    is_crowded: bool,
    #[sqlx(try_from = "MaybeMoment")]
    waiting_due_at: Option<DateTime<Utc>>,
    gone_id: Option<i64>,
    gone_name: Option<String>,
    gone_host: Option<String>,
    gone_pid: Option<i32>,
    gone_machine: Option<String>,
    gone_process_start: Option<i64>,
    gone_has_parent: bool,
    gone_stopping: bool,
    gone_death: Option<String>,
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
    limited_rank: Option<i16>,
    limited_versions: Option<Vec<i64>>,
    limited_stages: Option<Vec<i16>>,
    overdue: bool,
    batches_due: Option<bool>,
    schedules_due: bool,
    database_is_young: bool,
    #[sqlx(try_from = "Moment")]
    server_started_at: DateTime<Utc>,
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
        Limited::new(stages, self.limited_rank)
    }

    fn suspect(&self) -> Option<SuspectedBoot> {
        let sign = match (self.gone_ended?, self.gone_lease_over?) {
            (true, _) if self.gone_drained => Sign::Drained,
            (true, _) => Sign::Ended,
            (false, true) if self.gone_locked == Some(true) => Sign::Frozen,
            (false, true) => Sign::LeaseOver,
            (false, false) => Sign::LockFree,
        };
        Some(SuspectedBoot {
            worker: WorkerId(self.gone_id?),
            name: self.gone_name.clone()?,
            process: Process {
                host: self.gone_host.clone()?,
                machine: self.gone_machine.clone(),
                pid: self.gone_pid?,
                started: self.gone_process_start,
            },
            stopping: self.gone_stopping,
            has_parent: self.gone_has_parent,
            last_seen: self.gone_last_seen?,
            sign,
            on_record: Evidence::of_word(self.gone_death.as_deref()),
            exit: self.gone_exit.clone(),
            database_is_young: self.database_is_young,
        })
    }
}

impl Store {
    /// Boots, the newest first, behind that one where one is given. Runners are told with the worker that started them.
    pub(crate) async fn workers(
        &self,
        ended_too: EndedToo,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<WorkerRow>, StoreError> {
        let sql = "select w.worker, w.boot, w.host, w.pid, w.state, w.build, w.slots, w.jobs, w.stages, w.runners,
                          w.started_at, w.last_seen, w.stopping_at, w.stopped_at, w.stop_reason, w.exit, w.warm
                   from piton.workers_overview w
                   where w.parent is null and (w.stopped_at is null or w.stopped_at > now() - $1 * interval '1 second')
                     and ($2::uuid is null or (w.started_at, w.boot) < (
                         select a.started_at, a.boot_id from piton.workers a where a.boot_id = $2))
                   order by w.started_at desc, w.boot desc limit $3";
        let seconds: f64 = match ended_too {
            EndedToo::None => 0.0,
            EndedToo::Lately => 3600.0,
            // A thousand years.
            EndedToo::All => 3.2e10,
        };
        Ok(sqlx::query_as(sql).bind(seconds).bind(after).bind(limit).fetch_all(&self.pool).await?)
    }

    /// The boot of that id, if there is one.
    pub(crate) async fn worker_of(&self, boot: Uuid) -> Result<Option<WorkerId>, StoreError> {
        let sql = "select id from piton.workers where boot_id = $1";
        let id: Option<i64> = sqlx::query_scalar(sql).bind(boot).fetch_optional(&self.pool).await?;
        Ok(id.map(WorkerId))
    }

    /// Jobs that a boot holds, at most that many.
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
        let mut connection = self.reserve.connection().await?;
        let rows: Vec<LookRow> = sqlx::query_as(include_str!("sql/look.sql"))
            .bind(look.me.0)
            .bind(i64::try_from(look.lease.as_millis()).unwrap_or(i64::MAX))
            .bind(OLD_LOCK_SPACE)
            .bind(look.beat)
            .bind(look.for_all)
            .bind(&queues.workflows)
            .bind(&queues.unknown_versions)
            .bind(&queues.unknown_stages)
            .bind(i64::try_from(MOST_RUNNERS).unwrap_or(i64::MAX))
            .fetch_all(&mut *connection)
            .await?;
        connection.keep();
        let [first, ..] = rows.as_slice() else { return Err(StoreError::Damaged("no answer to a look".to_owned())) };
        let place = |(rank, due_at)| Place { rank, due_at };
        Ok(Seen {
            standing: Standing::of(first.alive),
            next_due: first.next_due_ms.map(|ms| Duration::from_millis(ms.max(0).unsigned_abs())),
            suspected: usize::try_from(first.suspects).unwrap_or_default(),
            is_crowded: first.is_crowded,
            waiting: first.waiting_rank.zip(first.waiting_due_at).map(place),
            suspects: rows.iter().filter_map(LookRow::suspect).collect(),
            paused: first.paused(),
            limited: first.limited(),
            overdue: first.overdue,
            batches_due: first.batches_due,
            schedules_due: first.schedules_due,
            server_started_at: first.server_started_at,
        })
    }
}
