//! Cleanup: what is due, plans, and the batches that delete.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::postgres::types::PgInterval;
use sqlx::types::Uuid;

use super::moment::MaybeMoment;
use super::{Store, StoreError, through_a_face};
use crate::model::actor::Actor;
use crate::model::address::Made;
use crate::model::id::{RunId, WorkerId};

/// What is due, or stays though it is old, by what it is.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct DueGroup {
    pub(crate) what: String,
    pub(crate) r#type: String,
    pub(crate) workflow: String,
    pub(crate) items: i64,
    pub(crate) bytes: i64,
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) oldest: Option<DateTime<Utc>>,
    /// Why it stays.
    pub(crate) refused: Option<String>,
}

/// How a cleanup went, or what it would do.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct CleanupGroup {
    pub(crate) what: String,
    pub(crate) r#type: String,
    pub(crate) workflow: String,
    pub(crate) items: i64,
    pub(crate) bytes: i64,
    pub(crate) deleted: i64,
    pub(crate) deleted_bytes: i64,
    pub(crate) errors: i64,
    pub(crate) error: Option<String>,
}

/// What is due in a part of all that there is of a kind.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct PlannedPart {
    /// `None` where nothing is due.
    pub(crate) plan: Option<Uuid>,
    /// Where the next part begins; `None` behind the last one.
    pub(crate) last: Option<String>,
}

/// For how long something is kept; for ever without a time.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct Rule {
    pub(crate) workflow: String,
    pub(crate) what: String,
    pub(crate) r#type: String,
    pub(crate) keep_seconds: Option<f64>,
}

/// What the artifact store holds.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct StoredGroup {
    pub(crate) workflow: String,
    pub(crate) r#type: String,
    pub(crate) artifacts: i64,
    pub(crate) bytes: i64,
}

/// A file that no artifact is known for.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Unknown {
    pub(crate) address: String,
    /// This database has made it.
    pub(crate) ours: bool,
}

impl Store {
    /// Writes down what is due, and returns the plan.
    pub(crate) async fn plan_cleanup(&self, most: i32, actor: &str) -> Result<Uuid, StoreError> {
        let sql = "select piton.plan_cleanup($1, $2)";
        Ok(sqlx::query_scalar(sql).bind(most).bind(actor).fetch_one(&self.pool).await?)
    }

    /// Writes down what is due in the next part of a kind, behind that key.
    pub(crate) async fn plan_next_cleanup(
        &self,
        what: &str,
        after: Option<&str>,
        most: i32,
    ) -> Result<PlannedPart, StoreError> {
        let sql = "select plan, last from piton.plan_next_cleanup($1, $2, $3)";
        Ok(sqlx::query_as(sql).bind(what).bind(after).bind(most).fetch_one(&self.pool).await?)
    }

    /// What is old enough and stays, and why.
    pub(crate) async fn cleanup_refuses(&self) -> Result<Vec<DueGroup>, StoreError> {
        let sql =
            "select what, type, workflow, count(*) as items, least(sum(bytes), 9e18)::int8 as bytes, min(since) as oldest, refused
                   from piton.cleanup_due where refused is not null
                   group by what, type, workflow, refused order by what, type, workflow, refused";
        Ok(sqlx::query_as(sql).fetch_all(&self.pool).await?)
    }

    /// What a cleanup is about, and how far it is.
    pub(crate) async fn cleanup(&self, plan: Uuid) -> Result<Vec<CleanupGroup>, StoreError> {
        let sql = "select what, type, workflow, items, bytes, deleted, deleted_bytes, errors, error
                   from piton.cleanups_overview where cleanup = $1 and what is not null order by what, type, workflow";
        Ok(sqlx::query_as(sql).bind(plan).fetch_all(&self.pool).await?)
    }

    /// What all cleanups on record have deleted.
    pub(crate) async fn cleaned(&self) -> Result<Vec<CleanupGroup>, StoreError> {
        let sql = "select what, type, workflow, sum(items)::int8 as items, least(sum(bytes), 9e18)::int8 as bytes,
                          sum(deleted)::int8 as deleted, least(sum(deleted_bytes), 9e18)::int8 as deleted_bytes,
                          sum(errors)::int8 as errors, min(error) as error
                   from piton.cleanups_overview where what is not null group by 1, 2, 3 order by 1, 2, 3";
        Ok(sqlx::query_as(sql).fetch_all(&self.pool).await?)
    }

    /// Lets a plan begin or go on, or is refused with the reason. Nobody decides about one that workers make by themselves.
    /// One that was shown is refused where something of it is no longer due.
    pub(crate) async fn begin_cleanup(
        &self,
        plan: Uuid,
        actor: Option<Actor<'_>>,
        shown: bool,
    ) -> Result<(), StoreError> {
        let sql = through_a_face!("piton.begin_cleanup($2, $3, $4)");
        let face = actor.map(|actor| actor.face.as_str());
        sqlx::query(sql)
            .bind(face)
            .bind(plan)
            .bind(actor.map(|actor| actor.name))
            .bind(shown)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Deletes the next runs; how many items that was, 0 when none is left.
    pub(crate) async fn clean_runs(&self, plan: Uuid, most: i32) -> Result<i32, StoreError> {
        let sql = "select piton.clean_runs($1, $2)";
        Ok(sqlx::query_scalar(sql).bind(plan).bind(most).fetch_one(&self.pool).await?)
    }

    /// Deletes the next batches; how many items that was, 0 when none is left.
    pub(crate) async fn clean_batches(&self, plan: Uuid, most: i32) -> Result<i32, StoreError> {
        let sql = "select piton.clean_batches($1, $2)";
        Ok(sqlx::query_scalar(sql).bind(plan).bind(most).fetch_one(&self.pool).await?)
    }

    /// Deletes the next workers and versions; how many items that was, 0 when none is left.
    pub(crate) async fn clean_records(&self, plan: Uuid, most: i32) -> Result<i32, StoreError> {
        let sql = "select piton.clean_records($1, $2)";
        Ok(sqlx::query_scalar(sql).bind(plan).bind(most).fetch_one(&self.pool).await?)
    }

    /// Takes the next artifacts out of sight: their items, and where their files are.
    pub(crate) async fn take_artifacts(&self, plan: Uuid, most: i32) -> Result<Vec<(i64, String)>, StoreError> {
        let sql = "select number, address from piton.take_artifacts($1, $2)";
        Ok(sqlx::query_as(sql).bind(plan).bind(most).fetch_all(&self.pool).await?)
    }

    /// Whether artifacts are left that nobody has taken.
    pub(crate) async fn has_artifacts_left(&self, plan: Uuid) -> Result<bool, StoreError> {
        let sql = "select exists (select from piton.cleanup_items
                   where cleanup_id = $1 and what = 'artifacts' and deleted_at is null and error is null)";
        Ok(sqlx::query_scalar(sql).bind(plan).fetch_one(&self.pool).await?)
    }

    /// Their files are gone; but of those with an error.
    pub(crate) async fn artifacts_deleted(
        &self,
        plan: Uuid,
        numbers: &[i64],
        errors: &[Option<String>],
    ) -> Result<(), StoreError> {
        let sql = "select piton.artifacts_deleted($1, $2, $3)";
        sqlx::query(sql).bind(plan).bind(numbers).bind(errors).execute(&self.pool).await?;
        Ok(())
    }

    /// Those of the addresses that no artifact has. One that does not say its database is this one's if its run is.
    pub(crate) async fn unknown_addresses(
        &self,
        told: &[(&str, Option<Made<'_>>)],
    ) -> Result<Vec<Unknown>, StoreError> {
        let addresses: Vec<&str> = told.iter().map(|(address, _)| *address).collect();
        let owners: Vec<Option<&str>> = told.iter().map(|(_, made)| made.as_ref()?.owner).collect();
        let runs: Vec<Option<Uuid>> = told.iter().map(|(_, made)| Some(made.as_ref()?.run)).collect();
        let sql = "select f.address, coalesce(f.owner = o.id,
                                              exists (select from piton.runs r where r.uuid = any(array[f.run]))) as ours
                   from unnest($1::text[], $2::text[], $3::uuid[]) as f (address, owner, run),
                        (select piton.store_owner() as id offset 0) as o
                   where not exists (select from piton.artifacts a where a.address = any(array[f.address]))";
        Ok(sqlx::query_as(sql).bind(addresses).bind(owners).bind(runs).fetch_all(&self.pool).await?)
    }

    /// Artifacts whose file should be there, page by page.
    pub(crate) async fn artifact_addresses(&self, after: Uuid, most: i64) -> Result<Vec<(Uuid, String)>, StoreError> {
        let sql = "select id, address from piton.artifacts
                   where id > $1 and digest is not null and type not in ('pending', 'orphan') order by id limit $2";
        Ok(sqlx::query_as(sql).bind(after).bind(most).fetch_all(&self.pool).await?)
    }

    /// It is through.
    pub(crate) async fn end_cleanup(&self, plan: Uuid) -> Result<(), StoreError> {
        let sql = "update piton.cleanups set state = 'done', ended_at = now() where id = $1 and state = 'running'";
        sqlx::query(sql).bind(plan).execute(&self.pool).await?;
        Ok(())
    }

    /// Takes what one worker at a time does, for so long; `false` where another one has it.
    pub(crate) async fn take_cleanup(&self, worker: WorkerId, lease: Duration) -> Result<bool, StoreError> {
        let sql = "insert into piton.leases as l (name, worker_id, until)
                   select 'cleanup', id, now() + $2 * interval '1 millisecond'
                   from piton.workers where id = $1 and stopped_at is null
                   on conflict (name) do update set worker_id = excluded.worker_id, until = excluded.until
                   where l.worker_id = excluded.worker_id or l.until < now()
                   returning true";
        let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        let taken: Option<bool> = sqlx::query_scalar(sql).bind(worker.0).bind(lease).fetch_optional(&self.pool).await?;
        Ok(taken.is_some())
    }

    /// Cleanups that were begun and are not through: the oldest first.
    pub(crate) async fn unfinished_cleanups(&self) -> Result<Vec<Uuid>, StoreError> {
        let sql = "select id from piton.cleanups where state = 'running' order by planned_at";
        Ok(sqlx::query_scalar(sql).fetch_all(&self.pool).await?)
    }

    /// Says for how long something is kept, or is refused with the reason.
    pub(crate) async fn keep(
        &self,
        (what, kind): (&str, &str),
        keep: Option<Duration>,
        workflow: Option<&str>,
        actor: Actor<'_>,
    ) -> Result<(), StoreError> {
        let keep = keep.map(interval);
        let sql = through_a_face!("piton.keep($2, $3, $4, $5, $6)");
        let asked = sqlx::query(sql).bind(actor.face.as_str()).bind(what).bind(kind).bind(keep);
        asked.bind(workflow).bind(actor.name).execute(&self.pool).await?;
        Ok(())
    }

    /// Every rule.
    pub(crate) async fn retention_rules(&self) -> Result<Vec<Rule>, StoreError> {
        let sql = "select workflow, what, type, extract(epoch from keep)::float8 as keep_seconds
                   from piton.retention_rules order by workflow, what, type";
        Ok(sqlx::query_as(sql).fetch_all(&self.pool).await?)
    }

    /// What the artifact store holds.
    pub(crate) async fn storage_stats(&self) -> Result<Vec<StoredGroup>, StoreError> {
        let sql = "select workflow, type, artifacts, bytes from piton.storage_stats order by workflow, type";
        Ok(sqlx::query_as(sql).fetch_all(&self.pool).await?)
    }

    /// Has cleanup leave a run alone, or is refused with the reason.
    pub(crate) async fn hold_run(&self, run: RunId, reason: &str, actor: Actor<'_>) -> Result<(), StoreError> {
        let sql = through_a_face!("piton.hold_run($2, $3, $4)");
        let asked = sqlx::query(sql).bind(actor.face.as_str()).bind(run.0).bind(reason).bind(actor.name);
        asked.execute(&self.pool).await?;
        Ok(())
    }

    /// Ends that.
    pub(crate) async fn release_run(&self, run: RunId, actor: Actor<'_>) -> Result<(), StoreError> {
        let sql = through_a_face!("piton.release_run($2, $3)");
        sqlx::query(sql).bind(actor.face.as_str()).bind(run.0).bind(actor.name).execute(&self.pool).await?;
        Ok(())
    }
}

/// In days and less, as people say it. What is longer than Postgres can tell is refused there, and not for ever.
fn interval(keep: Duration) -> PgInterval {
    const DAY: u64 = 86_400;
    let days = i32::try_from(keep.as_secs() / DAY).unwrap_or(i32::MAX);
    let within = keep.saturating_sub(Duration::from_secs(u64::try_from(days).unwrap_or(0) * DAY));
    PgInterval { months: 0, days, microseconds: i64::try_from(within.as_micros()).unwrap_or(0) }
}
