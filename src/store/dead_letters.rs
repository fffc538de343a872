//! Dead letters: find them by filters, show them, and decide about them.

use chrono::{DateTime, Utc};
use sqlx::types::Uuid;

use super::conditions::ConditionColumns;
use super::moment::{MaybeMoment, Moment};
use super::{Store, StoreError, through_a_face};
use crate::model::actor::Actor;
use crate::model::condition::Condition;
use crate::model::id::RunId;
use crate::model::payload::Payload;
use crate::model::state::Resolution;

/// Which ones; what is not said leaves none out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) resolution: Option<Resolution>,
    pub(crate) workflow: Option<String>,
    pub(crate) stage: Option<String>,
    pub(crate) class: Option<String>,
    pub(crate) run: Option<RunId>,
    pub(crate) fingerprint: Option<String>,
    /// Given up then or later.
    pub(crate) since: Option<DateTime<Utc>>,
    /// Of runs whose input holds all of that.
    pub(crate) conditions: Vec<Condition>,
}

impl Filter {
    /// It would take every one there is.
    pub(crate) fn is_open(&self) -> bool {
        let Filter { resolution: _, workflow, stage, class, run, fingerprint, since, conditions } = self;
        let named = [workflow, stage, class, fingerprint];
        named.into_iter().all(Option::is_none) && run.is_none() && since.is_none() && conditions.is_empty()
    }
}

/// A dead letter, with names for people.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct DeadLetter {
    pub(crate) id: Uuid,
    pub(crate) run: Uuid,
    pub(crate) workflow: String,
    pub(crate) stage: String,
    pub(crate) item: Option<i32>,
    pub(crate) class: String,
    pub(crate) message: String,
    pub(crate) fingerprint: String,
    /// Number of the last attempt.
    #[serde(rename = "last_attempt")]
    pub(crate) attempts: i32,
    pub(crate) worker: Option<String>,
    pub(crate) run_state: String,
    #[sqlx(try_from = "Moment")]
    pub(crate) run_started_at: DateTime<Utc>,
    pub(crate) workflow_version: String,
    #[sqlx(try_from = "Moment")]
    pub(crate) dead_at: DateTime<Utc>,
    pub(crate) resolution: String,
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) resolved_at: Option<DateTime<Utc>>,
    pub(crate) resolved_by: Option<String>,
    pub(crate) note: Option<String>,
    /// Its stage was done again from its start.
    pub(crate) done_again: bool,
}

/// From where the jobs of dead letters that are retried go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin<'s> {
    /// From the last checkpoint; where that was corrupt, from the stage that made it.
    LastCheckpoint,
    /// That stage and all that need it are done again.
    Stage(&'s str),
    /// Everything is done again.
    Beginning,
}

impl<'s> Origin<'s> {
    /// The parameters `from_stage` and `from_beginning`.
    pub(super) fn parameters(self) -> (Option<&'s str>, bool) {
        match self {
            Origin::LastCheckpoint => (None, false),
            Origin::Stage(stage) => (Some(stage), false),
            Origin::Beginning => (None, true),
        }
    }
}

/// One try at a dead letter's job.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct Attempt {
    pub(crate) attempt: i32,
    pub(crate) outcome: String,
    pub(crate) class: Option<String>,
    pub(crate) message: Option<String>,
    /// More about its failure, such as the end of a program's standard error.
    pub(crate) detail: Option<serde_json::Value>,
    pub(crate) worker: String,
    #[sqlx(try_from = "Moment")]
    pub(crate) started_at: DateTime<Utc>,
    #[sqlx(try_from = "Moment")]
    pub(crate) ended_at: DateTime<Utc>,
    /// When the stage was done again after it; then its number may come again.
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) done_again_at: Option<DateTime<Utc>>,
}

/// The filter, by its ten parameters.
macro_rules! filtered {
    ($select:expr, $join:literal, $rest:literal) => {
        concat!(
            $select,
            " from piton.dead_letters_overview d ",
            $join,
            " where ($1::text is null or d.resolution = $1) and ($2::text is null or d.workflow = $2)
                and ($3::text is null or d.stage = $3) and ($4::text is null or d.class = $4)
                and ($5::uuid is null or d.run = $5) and ($6::text is null or d.fingerprint = $6)
                and ($7::timestamptz is null or d.dead_at >= $7)
                and ($10::text is null or strpos(d.run_input::text, $10) > 0 or strpos(d.run_input::text, '\\') > 0)
                and ($8::text[] is null or piton.input_fits(d.run_input, $8, $9::text[])) ",
            $rest
        )
    };
}
pub(super) use filtered;

macro_rules! bound {
    ($query:expr, $filter:expr) => {{
        let conditions = ConditionColumns::of(&$filter.conditions);
        $query
            .bind($filter.resolution.map(Resolution::as_str))
            .bind(&$filter.workflow)
            .bind(&$filter.stage)
            .bind(&$filter.class)
            .bind($filter.run.map(|run| run.0))
            .bind(&$filter.fingerprint)
            .bind($filter.since.map(Moment))
            .bind(conditions.paths)
            .bind(conditions.values)
            .bind(conditions.needle)
    }};
}
pub(super) use bound;

impl Store {
    /// The newest first, behind that one where one is given.
    pub(crate) async fn dead_letters(
        &self,
        filter: &Filter,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let sql = filtered!(
            "select d.*",
            "",
            "and ($11::uuid is null
                  or (d.dead_at, d.id) < (select a.dead_at, a.id from piton.dead_letters a where a.id = $11))
             order by d.dead_at desc, d.id desc limit $12"
        );
        Ok(bound!(sqlx::query_as(sql), filter).bind(after).bind(limit).fetch_all(&self.pool).await?)
    }

    /// One of them.
    pub(crate) async fn dead_letter(&self, id: Uuid) -> Result<Option<DeadLetter>, StoreError> {
        let sql = "select * from piton.dead_letters_overview where id = $1";
        Ok(sqlx::query_as(sql).bind(id).fetch_optional(&self.pool).await?)
    }

    /// Those that were decided about together with these, and by the same: one of a run takes others of it along.
    pub(crate) async fn decided_with(&self, ids: &[Uuid], actor: &str) -> Result<Vec<DeadLetter>, StoreError> {
        let sql = "select d.* from piton.dead_letters_overview d
                   where d.resolution <> 'pending' and exists (
                       select from piton.dead_letters_overview c
                       where c.id = any($1) and c.resolved_by = $2 and c.run = d.run and c.resolved_at = d.resolved_at)
                   order by d.dead_at";
        Ok(sqlx::query_as(sql).bind(ids).bind(actor).fetch_all(&self.pool).await?)
    }

    /// The run's input until that dead letter was retried with a corrected one.
    pub(crate) async fn dead_letter_input_before(&self, id: Uuid) -> Result<Option<String>, StoreError> {
        let sql = "select input_before::text from piton.dead_letters where id = $1";
        Ok(sqlx::query_scalar(sql).bind(id).fetch_one(&self.pool).await?)
    }

    /// Every attempt at its job that left no checkpoint, also those before an earlier dead letter, and those before the
    /// stage was done again.
    pub(crate) async fn dead_letter_attempts(&self, id: Uuid) -> Result<Vec<Attempt>, StoreError> {
        let sql =
            "select a.attempt, a.outcome, a.class, a.message, a.detail, coalesce(w.name, '?') as worker, a.started_at,
                    a.ended_at, a.done_again_at
             from piton.dead_letters d
             cross join lateral (
                 select p.attempt, p.outcome, p.class, p.message, p.detail, p.worker_id, p.started_at, p.ended_at,
                        p.done_again_at
                 from piton.past_attempts p where p.run_id = d.run_id and p.stage = d.stage and p.item = d.item
                 union all
                 select p.attempt, p.outcome, p.class, p.message, p.detail, p.worker_id, p.started_at, p.ended_at, o.ended_at
                 from piton.round_attempts p
                 join piton.rounds o on o.run_id = p.run_id and o.id = p.round
                 where p.run_id = d.run_id and p.stage = d.stage and p.item = d.item
                 union all
                 select p.attempt, p.outcome, p.class, p.message, p.detail, p.worker_id, p.started_at, p.ended_at, null
                 from piton.attempts p where p.run_id = d.run_id and p.stage = d.stage and p.item = d.item
             ) as a
             left join piton.workers w on w.id = a.worker_id
             where d.id = $1
             order by a.done_again_at, a.attempt";
        Ok(sqlx::query_as(sql).bind(id).fetch_all(&self.pool).await?)
    }

    /// Ids of all that the filter takes.
    pub(crate) async fn dead_letter_ids(&self, filter: &Filter) -> Result<Vec<Uuid>, StoreError> {
        let sql = filtered!("select d.id", "", "order by d.dead_at");
        Ok(bound!(sqlx::query_scalar(sql), filter).fetch_all(&self.pool).await?)
    }

    /// Lets the jobs of those that are pending go on; tells how many there were.
    pub(crate) async fn retry_dead_letters(
        &self,
        ids: &[Uuid],
        actor: Actor<'_>,
        note: Option<&str>,
        from: Origin<'_>,
    ) -> Result<i64, StoreError> {
        let sql = through_a_face!("piton.retry_dead_letters($2, $3, $4, $5, $6)");
        let (stage, beginning) = from.parameters();
        let asked = sqlx::query_scalar(sql).bind(actor.face.as_str()).bind(ids).bind(actor.name);
        let asked = asked.bind(note).bind(stage).bind(beginning);
        Ok(asked.fetch_one(&self.pool).await?)
    }

    /// Lets the job of one go on, with another input of its run if one is given; or is refused with the reason.
    pub(crate) async fn retry_dead_letter(
        &self,
        id: Uuid,
        actor: Actor<'_>,
        note: Option<&str>,
        from: Origin<'_>,
        input: Option<&Payload>,
    ) -> Result<(), StoreError> {
        let sql = through_a_face!("piton.retry_dead_letter($2, $3, $4, $5, $6, $7::json)");
        let (stage, beginning) = from.parameters();
        let asked = sqlx::query(sql).bind(actor.face.as_str()).bind(id).bind(actor.name);
        let asked = asked.bind(note).bind(stage).bind(beginning);
        asked.bind(input.map(Payload::as_str)).execute(&self.pool).await?;
        Ok(())
    }

    /// Gives up a live job by hand; the id of its dead letter, or a refusal with the reason.
    pub(crate) async fn force_dead_letter(
        &self,
        run: RunId,
        stage: &str,
        item: Option<i32>,
        (reason, actor): (&str, Actor<'_>),
    ) -> Result<Uuid, StoreError> {
        let sql = through_a_face!("piton.force_dead_letter($2, $3, $4, $5, $6)");
        let asked = sqlx::query_scalar(sql).bind(actor.face.as_str()).bind(run.0).bind(stage);
        let asked = asked.bind(reason).bind(item).bind(actor.name);
        Ok(asked.fetch_one(&self.pool).await?)
    }

    /// Ends the run of one, or is refused with the reason.
    pub(crate) async fn dismiss_dead_letter(&self, id: Uuid, reason: &str, actor: Actor<'_>) -> Result<(), StoreError> {
        let sql = through_a_face!("piton.dismiss_dead_letter($2, $3, $4)");
        let asked = sqlx::query(sql).bind(actor.face.as_str()).bind(id).bind(reason).bind(actor.name);
        asked.execute(&self.pool).await?;
        Ok(())
    }
}
