//! Schedules: which are due, what becomes of their ticks, how they stand, and what people decide about them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Uuid;

use super::moment::{MaybeMoment, Moment};
use super::{Store, StoreError, through_a_face};
use crate::model::actor::Actor;
use crate::model::id::WorkflowId;

/// A schedule that wants to be looked at.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct DueSchedule {
    pub(crate) workflow_id: i64,
    pub(crate) workflow: String,
    pub(crate) name: String,
    pub(crate) definition: String,
    pub(crate) revision: i64,
    #[sqlx(try_from = "Moment")]
    pub(crate) anchor_at: DateTime<Utc>,
    #[sqlx(try_from = "Moment")]
    pub(crate) settled_until: DateTime<Utc>,
    /// By the database's clock.
    #[sqlx(try_from = "Moment")]
    pub(crate) now: DateTime<Utc>,
}

/// What became of a tick, or of a schedule.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Fired {
    pub(crate) workflow: String,
    pub(crate) schedule: String,
    /// `started`, `queued`, `skipped`, `known`, `refused` or `paused`.
    pub(crate) outcome: String,
    pub(crate) run: Option<Uuid>,
    /// The tick as its run is told, or why it was refused or paused.
    pub(crate) said: Option<String>,
}

/// A schedule, for people.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema), schema(as = Schedule))]
pub(crate) struct ScheduleRow {
    pub(crate) workflow: String,
    pub(crate) schedule: String,
    /// Its cron text and zone, or how often.
    pub(crate) at: Option<String>,
    /// `active`, `paused`, or `held` where its workflow is paused.
    pub(crate) state: String,
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) next_tick: Option<DateTime<Utc>>,
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) last_tick: Option<DateTime<Utc>>,
    pub(crate) last_run: Option<Uuid>,
    /// What became of the last tick: `started`, `queued`, `skipped`, `missed`, `refused` or `known`.
    pub(crate) last_outcome: Option<String>,
    /// Runs of it that work.
    pub(crate) running: i64,
    /// How many of its last runs have failed, are blocked or could not start, one after another.
    pub(crate) failures: i32,
    /// The tick whose run starts when the current one has ended.
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) queued_tick: Option<DateTime<Utc>>,
    /// Why the last run that could not start did not.
    pub(crate) last_error: Option<String>,
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) last_error_at: Option<DateTime<Utc>>,
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) paused_at: Option<DateTime<Utc>>,
    pub(crate) paused_by: Option<String>,
    pub(crate) pause_reason: Option<String>,
    /// `person`, `file`, `failures` or `definition`.
    pub(crate) paused_because: Option<String>,
    /// `file`, or `sql` for one that no file has.
    pub(crate) source: String,
    #[sqlx(try_from = "Moment")]
    pub(crate) changed_at: DateTime<Utc>,
    pub(crate) changed_by: String,
    /// Seconds since the tick that should have started a run.
    pub(crate) overdue_seconds: f64,
    /// Its keys, as in the file; JSON.
    #[serde(skip)]
    pub(crate) definition: String,
    #[sqlx(try_from = "Moment")]
    #[serde(skip)]
    pub(crate) anchor_at: DateTime<Utc>,
    #[sqlx(try_from = "Moment")]
    #[serde(skip)]
    pub(crate) settled_until: DateTime<Utc>,
}

/// A run that a schedule has started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct ScheduledRun {
    pub(crate) schedule: String,
    #[sqlx(try_from = "Moment")]
    pub(crate) tick: DateTime<Utc>,
    /// Somebody started it between ticks.
    pub(crate) is_triggered: bool,
}

/// Which schedule a decision is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'s> {
    pub(crate) workflow: &'s str,
    pub(crate) schedule: &'s str,
}

const ROWS: &str = "select o.workflow, o.schedule, o.at, o.state, o.next_tick, o.last_tick, o.last_run, o.last_outcome, o.running,
                           o.failures, o.queued_tick, o.last_error, o.last_error_at, o.paused_at, o.paused_by, o.pause_reason,
                           o.paused_because, o.source, o.changed_at, o.changed_by, o.overdue_seconds, o.definition::text as definition,
                           s.anchor_at, s.settled_until
                    from piton.schedules_overview o
                    join piton.workflows w on w.name = o.workflow
                    join piton.schedules s on s.workflow_id = w.id and s.name = o.schedule
                    where ($1::text is null or o.workflow = $1) and ($2::text is null or o.schedule = $2)
                    order by o.workflow, o.schedule";

impl Store {
    /// Those of these workflows that are due, the longest overdue first; also those that count ticks as decided that are still
    /// to come, because the clock went back.
    pub(crate) async fn due_schedules(&self, of: &[WorkflowId], most: i64) -> Result<Vec<DueSchedule>, StoreError> {
        let sql = "select s.workflow_id, w.name as workflow, s.name, s.definition::text as definition, s.revision, s.anchor_at,
                          s.settled_until, now() as now
                   from piton.open_queues($1) q
                   join piton.workflows w on w.id = q.workflow_id
                   cross join lateral (
                       (select d.* from piton.schedules d
                        where d.workflow_id = q.workflow_id and d.paused_at is null and d.look_at <= now()
                        order by d.look_at limit $2)
                       union all
                       (select d.* from piton.schedules d
                        where d.workflow_id = q.workflow_id and d.paused_at is null
                          and d.settled_until > now() + interval '1 minute' and d.look_at > now()
                        limit $2)
                   ) as s
                   order by s.look_at limit $2";
        let workflows: Vec<i64> = of.iter().map(|workflow| workflow.0).collect();
        Ok(sqlx::query_as(sql).bind(workflows).bind(most).fetch_all(&self.pool).await?)
    }

    /// Decides about the ticks of these, each by itself; `due` is an array with an object for each.
    pub(crate) async fn fire_schedules(&self, due: &str) -> Result<Vec<Fired>, StoreError> {
        let sql = "select workflow, schedule, outcome, run, said from piton.fire_schedules($1::json)";
        Ok(sqlx::query_as(sql).bind(due).fetch_all(&self.pool).await?)
    }

    /// All of them, those of a workflow, or one.
    pub(crate) async fn schedules(
        &self,
        workflow: Option<&str>,
        schedule: Option<&str>,
    ) -> Result<Vec<ScheduleRow>, StoreError> {
        Ok(sqlx::query_as(ROWS).bind(workflow).bind(schedule).fetch_all(&self.pool).await?)
    }

    /// Which tick a run began with, if one.
    pub(crate) async fn schedule_of(&self, run: Uuid) -> Result<Option<ScheduledRun>, StoreError> {
        let sql = "select s.schedule, s.tick, s.is_triggered
                   from piton.runs r join piton.schedule_runs s on s.run_id = r.id where r.uuid = $1";
        Ok(sqlx::query_as(sql).bind(run).fetch_optional(&self.pool).await?)
    }

    /// Those of these keys that a run of the workflow was started under.
    pub(crate) async fn known_keys(&self, workflow: &str, keys: &[String]) -> Result<Vec<String>, StoreError> {
        let sql = "select k.key from piton.workflows w join piton.run_keys k on k.workflow_id = w.id
                   where w.name = $1 and k.key = any($2)";
        Ok(sqlx::query_scalar(sql).bind(workflow).bind(keys).fetch_all(&self.pool).await?)
    }

    /// The input of a schedule with each of these ticks in it, as its workflow takes it.
    pub(crate) async fn tick_inputs(
        &self,
        workflow: &str,
        input: &str,
        ticks: &[String],
        previous: &[Option<String>],
    ) -> Result<Vec<String>, StoreError> {
        let sql = "select piton.tick_input($2::json, v.input_keys, t.at, t.previous)::text
                   from piton.workflows w
                   join piton.workflow_versions v on v.id = w.current_version_id
                   cross join unnest($3::text[], $4::text[]) with ordinality as t (at, previous, place)
                   where w.name = $1 order by t.place";
        Ok(sqlx::query_scalar(sql).bind(workflow).bind(input).bind(ticks).bind(previous).fetch_all(&self.pool).await?)
    }

    /// It starts no run until it is resumed; or is refused with the reason.
    pub(crate) async fn pause_schedule(
        &self,
        named: Named<'_>,
        reason: &str,
        actor: Actor<'_>,
    ) -> Result<(), StoreError> {
        let sql = through_a_face!("piton.pause_schedule($2, $3, $4, $5)");
        let asked = sqlx::query(sql).bind(actor.face.as_str()).bind(named.workflow).bind(named.schedule);
        asked.bind(reason).bind(actor.name).execute(&self.pool).await?;
        Ok(())
    }

    /// It goes on with its next tick from now; or is refused with the reason.
    pub(crate) async fn resume_schedule(
        &self,
        named: Named<'_>,
        reason: Option<&str>,
        actor: Actor<'_>,
    ) -> Result<(), StoreError> {
        let sql = through_a_face!("piton.resume_schedule($2, $3, $4, $5)");
        let asked = sqlx::query(sql).bind(actor.face.as_str()).bind(named.workflow).bind(named.schedule);
        asked.bind(actor.name).bind(reason).execute(&self.pool).await?;
        Ok(())
    }

    /// Starts a run of it between its ticks; the run's id.
    pub(crate) async fn trigger_schedule(
        &self,
        named: Named<'_>,
        reason: Option<&str>,
        actor: Actor<'_>,
    ) -> Result<Uuid, StoreError> {
        let sql = through_a_face!("piton.trigger_schedule($2, $3, $4, $5)");
        let asked = sqlx::query_scalar(sql).bind(actor.face.as_str()).bind(named.workflow).bind(named.schedule);
        Ok(asked.bind(actor.name).bind(reason).fetch_one(&self.pool).await?)
    }
}
