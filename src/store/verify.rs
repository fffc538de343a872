//! Checkpoints read for no other reason than to see whether they are what was committed.

use chrono::{DateTime, Utc};
use sqlx::types::Uuid;

use super::moment::Moment;
use super::{Store, StoreError};
use crate::model::id::{RunKey, VersionId};

/// A checkpoint with all that can be held against it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Recorded {
    pub(crate) run_id: i64,
    pub(crate) run: Uuid,
    pub(crate) version_id: i64,
    #[sqlx(try_from = "Moment")]
    pub(crate) run_started_at: DateTime<Utc>,
    pub(crate) stage: i16,
    pub(crate) item: i32,
    #[sqlx(try_from = "Moment")]
    pub(crate) finished_at: DateTime<Utc>,
    pub(crate) bytes: i32,
    pub(crate) digest: Vec<u8>,
    pub(crate) output: String,
}

impl Recorded {
    pub(crate) fn version(&self) -> VersionId {
        VersionId(self.version_id)
    }
}

/// A stage of a finished run that lacks a checkpoint, or items.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Lacking {
    pub(crate) run: Uuid,
    pub(crate) stage: String,
    /// Items that its record counts, and those that have a checkpoint; none where the record itself is missing.
    pub(crate) items: Option<i64>,
    pub(crate) found: i64,
}

impl Store {
    /// The next checkpoints in the order of their keys, behind that one; of one run or of all.
    pub(crate) async fn recorded(
        &self,
        run: Option<RunKey>,
        (after_run, after_stage, after_item): (i64, i16, i32),
        limit: i64,
    ) -> Result<Vec<Recorded>, StoreError> {
        let rows = sqlx::query_as(
            "select k.run_id, r.uuid as run, r.version_id, r.started_at as run_started_at, k.stage, k.item, k.finished_at,
                    k.bytes, k.digest, k.output::text as output
             from piton.checkpoints k join piton.runs r on r.id = k.run_id
             where ($1::int8 is null or k.run_id = $1) and (k.run_id, k.stage, k.item) > ($2, $3, $4)
             order by k.run_id, k.stage, k.item
             limit $5",
        )
        .bind(run.map(|run| run.0))
        .bind(after_run)
        .bind(after_stage)
        .bind(after_item)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// Stages of finished runs that lack something; of one run or of all.
    pub(crate) async fn lacking(&self, run: Option<RunKey>) -> Result<Vec<Lacking>, StoreError> {
        let rows = sqlx::query_as(
            "select r.uuid as run, s.definition ->> 'name' as stage, split.items, coalesce(done.found, 0) as found
             from piton.runs r
             join piton.workflow_versions v on v.id = r.version_id
             cross join lateral json_array_elements(v.definition -> 'stages') with ordinality as s (definition, place)
             left join piton.checkpoints k on k.run_id = r.id and k.stage = s.place - 1 and k.item = -1
             cross join lateral (
                 select case when s.definition -> 'for_each' is not null and k.output::text ~ '^[0-9]{1,9}$'
                             then (k.output::text)::int8 end as items) as split
             left join lateral (
                 select count(*) as found from piton.checkpoints i
                 where i.run_id = r.id and i.stage = s.place - 1 and i.item >= 0) as done on split.items is not null
             where r.state = 'done' and ($1::int8 is null or r.id = $1)
               and (k.run_id is null or split.items <> done.found)
             order by r.id, s.place",
        )
        .bind(run.map(|run| run.0))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }
}
