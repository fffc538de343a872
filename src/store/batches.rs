//! Batches: open, fill, seal and feed them; list them, and decide about them.

use chrono::{DateTime, Utc};
use futures_util::stream::{BoxStream, StreamExt};
use serde::Serialize;
use sqlx::types::Uuid;

use super::moment::{MaybeMoment, Moment};
use super::{Store, StoreError, through_a_face};
use crate::model::actor::Actor;
use crate::model::id::VersionId;
use crate::model::payload::Payload;

/// The key of a batch that is being filled or decided about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchKey(i64);

/// What a batch is opened with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchStart<'b> {
    pub(crate) name: &'b str,
    pub(crate) workflow: &'b str,
    /// Maximum number of unfinished runs at a time.
    pub(crate) cap: Option<i32>,
    pub(crate) priority: i16,
}

/// A batch as its runs tell it.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct BatchRow {
    pub(crate) batch: Uuid,
    pub(crate) name: String,
    pub(crate) workflow: String,
    pub(crate) state: String,
    pub(crate) cap: Option<i32>,
    pub(crate) priority: i16,
    pub(crate) items: i32,
    pub(crate) not_started: i32,
    pub(crate) running: i64,
    pub(crate) blocked: i64,
    pub(crate) done: i64,
    pub(crate) failed: i64,
    pub(crate) cancelled: i64,
    pub(crate) gone: i64,
    pub(crate) dead_letters: i64,
    /// Why items that have not begun do not, and what would move them.
    pub(crate) waits: Option<String>,
    pub(crate) moves: Option<String>,
    /// How many runs ended in the last minute.
    pub(crate) ended_last_minute: i64,
    /// Runs that end per minute, and how long the rest takes at that rate.
    pub(crate) per_minute: Option<f64>,
    pub(crate) left_seconds: Option<f64>,
    pub(crate) created_by: String,
    #[sqlx(try_from = "Moment")]
    pub(crate) created_at: DateTime<Utc>,
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) sealed_at: Option<DateTime<Utc>>,
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) finished_at: Option<DateTime<Utc>>,
    pub(crate) cancelled_by: Option<String>,
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) cancelled_at: Option<DateTime<Utc>>,
    pub(crate) cancel_reason: Option<String>,
}

/// Pending dead letters of one failure class.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct ClassCount {
    pub(crate) class: String,
    pub(crate) count: i64,
}

/// What became of one item, as JSON where it is JSON.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct BatchResult {
    pub(crate) item: i32,
    pub(crate) run: Option<Uuid>,
    pub(crate) state: String,
    pub(crate) output: Option<String>,
    pub(crate) failure: Option<String>,
}

impl BatchResult {
    /// Bytes of what came out.
    pub(crate) fn bytes(&self) -> usize {
        self.output.as_ref().map_or(0, String::len) + self.failure.as_ref().map_or(0, String::len)
    }
}

impl Store {
    /// Opens one for items, or goes on with one of that name that is still open.
    pub(crate) async fn open_batch(&self, start: BatchStart<'_>, actor: &str) -> Result<BatchKey, StoreError> {
        let sql = "select piton.open_batch($1, $2, $3, $4, $5)";
        let asked = sqlx::query_scalar(sql).bind(start.name).bind(start.workflow).bind(start.cap);
        Ok(BatchKey(asked.bind(i32::from(start.priority)).bind(actor).fetch_one(&self.pool).await?))
    }

    /// Its runs follow that version, also where it is not the current one.
    pub(crate) async fn pin_batch(&self, batch: BatchKey, version: VersionId) -> Result<(), StoreError> {
        sqlx::query("select piton.pin_batch($1, $2)").bind(batch.0).bind(version.0).execute(&self.pool).await?;
        Ok(())
    }

    /// Adds items, the first of them with that number. May be sent again.
    pub(crate) async fn add_to_batch(&self, batch: BatchKey, first: i32, inputs: &[Payload]) -> Result<(), StoreError> {
        let inputs: Vec<&str> = inputs.iter().map(Payload::as_str).collect();
        let sql = "select piton.add_to_batch($1, $2, $3::text[]::json[])";
        sqlx::query(sql).bind(batch.0).bind(first).bind(inputs).execute(&self.pool).await?;
        Ok(())
    }

    /// All its items are in, that many of them: from now on workers start its runs.
    pub(crate) async fn seal_batch(&self, batch: BatchKey, items: i32) -> Result<(), StoreError> {
        sqlx::query("select piton.seal_batch($1, $2)").bind(batch.0).bind(items).execute(&self.pool).await?;
        Ok(())
    }

    /// Takes away one that is still open: nothing of it has begun.
    pub(crate) async fn discard_batch(&self, batch: BatchKey) -> Result<(), StoreError> {
        sqlx::query("select piton.discard_batch($1)").bind(batch.0).execute(&self.pool).await?;
        Ok(())
    }

    /// Starts more of its runs, at most that many; `None` where a worker is at it.
    pub(crate) async fn feed_batch(&self, batch: BatchKey, most: i32) -> Result<Option<i32>, StoreError> {
        let sql = "select piton.feed_batch($1, $2)";
        Ok(sqlx::query_scalar(sql).bind(batch.0).bind(most).fetch_one(&self.pool).await?)
    }

    /// Starts more runs of every batch that has room, at most that many of each; whether there is more to do at once.
    pub(crate) async fn feed_batches(&self, most: i32) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar("select piton.feed_batches($1)").bind(most).fetch_one(&self.pool).await?)
    }

    /// The newest first, behind that one.
    pub(crate) async fn batches(&self, after: Option<Uuid>, limit: i64) -> Result<Vec<BatchRow>, StoreError> {
        let sql = "select * from piton.batches_overview where batch < $1 order by batch desc limit $2";
        let asked = sqlx::query_as(sql).bind(after.unwrap_or(Uuid::max()));
        Ok(asked.bind(limit).fetch_all(&self.pool).await?)
    }

    /// Those of which items wait to be started.
    pub(crate) async fn waiting_batches(&self, workflow: Option<&str>) -> Result<Vec<BatchRow>, StoreError> {
        let sql = "select o.* from piton.batches b join piton.batches_overview o on o.batch = b.uuid
                   where b.state = 'sealed' and b.started < b.items and ($1::text is null or o.workflow = $1)
                   order by b.created_at limit 100";
        Ok(sqlx::query_as(sql).bind(workflow).fetch_all(&self.pool).await?)
    }

    /// Starts one as a whole, or nothing of it.
    pub(crate) async fn start_batch(
        &self,
        start: BatchStart<'_>,
        inputs: &[Payload],
        actor: &str,
    ) -> Result<Uuid, StoreError> {
        let inputs: Vec<&str> = inputs.iter().map(Payload::as_str).collect();
        let sql = "select piton.start_batch($1, $2, $3::text[]::json[], $4, $5, $6)";
        let asked = sqlx::query_scalar(sql).bind(start.name).bind(start.workflow).bind(inputs).bind(start.cap);
        Ok(asked.bind(i32::from(start.priority)).bind(actor).fetch_one(&self.pool).await?)
    }

    /// One of them by its name or id, or a refusal where there is none.
    pub(crate) async fn batch(&self, batch: &str) -> Result<BatchRow, StoreError> {
        let sql = "select o.* from piton.batches b join piton.batches_overview o on o.batch = b.uuid
                   where b.id = piton.batch_named($1)";
        Ok(sqlx::query_as(sql).bind(batch).fetch_one(&self.pool).await?)
    }

    /// The row of one that is filled or fed.
    pub(crate) async fn batch_of(&self, batch: BatchKey) -> Result<BatchRow, StoreError> {
        let sql = "select o.* from piton.batches b join piton.batches_overview o on o.batch = b.uuid where b.id = $1";
        Ok(sqlx::query_as(sql).bind(batch.0).fetch_one(&self.pool).await?)
    }

    /// Its pending dead letters by class, the most frequent first.
    pub(crate) async fn batch_dead_letters(&self, batch: Uuid) -> Result<Vec<ClassCount>, StoreError> {
        let sql = "select d.class, count(*) as count
                   from piton.batches b
                   join piton.batch_items i on i.batch_id = b.id
                   join piton.runs r on r.uuid = i.run and r.state = 'blocked'
                   join piton.dead_letters d on d.run_id = r.id and d.resolution = 'pending'
                   where b.uuid = $1 group by d.class order by count desc, d.class";
        Ok(sqlx::query_as(sql).bind(batch).fetch_all(&self.pool).await?)
    }

    /// Nothing more of it begins; `None` where it was still open, and is discarded.
    pub(crate) async fn stop_batch(
        &self,
        batch: &str,
        reason: &str,
        actor: Actor<'_>,
    ) -> Result<Option<BatchKey>, StoreError> {
        let sql = through_a_face!("piton.stop_batch($2, $3, $4)");
        let asked = sqlx::query_scalar(sql).bind(actor.face.as_str()).bind(batch).bind(reason).bind(actor.name);
        let key: Option<i64> = asked.fetch_one(&self.pool).await?;
        Ok(key.map(BatchKey))
    }

    /// Cancels the runs of these items of a batch that was stopped, as far as they are not finished; their ids.
    pub(crate) async fn cancel_batch_runs(
        &self,
        batch: BatchKey,
        (first, last): (i32, i32),
        actor: Actor<'_>,
    ) -> Result<Vec<Uuid>, StoreError> {
        let sql = through_a_face!("piton.cancel_batch_runs($2, $3, $4, $5)");
        let asked = sqlx::query_scalar(sql).bind(actor.face.as_str()).bind(batch.0).bind(first).bind(last);
        let asked = asked.bind(actor.name);
        Ok(asked.fetch_all(&self.pool).await?)
    }

    /// Lets the jobs of its pending dead letters go on, all or those of a class; the ids of those.
    pub(crate) async fn retry_batch(
        &self,
        batch: &str,
        class: Option<&str>,
        actor: Actor<'_>,
        note: Option<&str>,
    ) -> Result<Vec<Uuid>, StoreError> {
        let sql = through_a_face!("piton.retry_batch($2, $3, $4, $5)");
        let asked = sqlx::query_scalar(sql).bind(actor.face.as_str()).bind(batch).bind(class);
        let asked = asked.bind(actor.name).bind(note);
        Ok(asked.fetch_all(&self.pool).await?)
    }

    /// What became of the items behind that number, one after another as they are read.
    pub(crate) fn batch_results(
        &self,
        batch: Uuid,
        after: i32,
        most: i32,
    ) -> BoxStream<'_, Result<BatchResult, StoreError>> {
        let sql = "select item, run, state, output::text, failure::text from piton.batch_results($1, $2, $3)";
        let rows = sqlx::query_as(sql).bind(batch.to_string()).bind(after).bind(most).fetch(&self.pool);
        rows.map(|row| row.map_err(StoreError::from)).boxed()
    }
}
