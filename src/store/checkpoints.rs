//! Finished jobs' outputs, read back when they become inputs.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::moment::Moment;
use super::{Store, StoreError};
use crate::model::id::{NO_ITEM, RunId, RunKey};
use crate::model::trace::TraceContext;

/// The item of a [`Wanted`] that stands for the outputs of the round before.
pub(crate) const PREVIOUS: i32 = NO_ITEM - 1;

/// Outputs that a stage asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Wanted {
    pub(crate) run: RunKey,
    pub(crate) stage: i16,
    /// That item alone ([`NO_ITEM`] for the whole stage), or the record of the split and every item; [`PREVIOUS`] for the outputs of
    /// the last round that the stage has decided about.
    pub(crate) item: Option<i32>,
}

/// One output as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) run: RunKey,
    pub(crate) stage: i16,
    pub(crate) item: i32,
    pub(crate) digest: Vec<u8>,
    pub(crate) output: String,
    /// Why there is none, where the job was skipped.
    pub(crate) skipped: Option<String>,
}

/// One output with all that was committed beside it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct WholeCheckpoint {
    pub(crate) attempt: i32,
    #[sqlx(try_from = "Moment")]
    pub(crate) started_at: DateTime<Utc>,
    #[sqlx(try_from = "Moment")]
    pub(crate) finished_at: DateTime<Utc>,
    pub(crate) bytes: i32,
    pub(crate) digest: Vec<u8>,
    pub(crate) output: String,
    pub(crate) skipped: Option<String>,
}

type StoredRow = (i64, i16, i32, Vec<u8>, String, Option<String>);

fn stored((run, stage, item, digest, output, skipped): StoredRow) -> Stored {
    Stored { run: RunKey(run), stage, item, digest, output, skipped }
}

/// What every stage of a run gets, as it was read.
#[derive(Debug, Clone)]
pub(crate) struct StoredRun {
    pub(crate) run: RunKey,
    pub(crate) id: RunId,
    pub(crate) input: String,
    /// How often each stage was begun anew; none where none was.
    pub(crate) redone: Option<Vec<i16>>,
    /// The trace it was started in.
    pub(crate) trace: Option<TraceContext>,
    /// The run with the stage that waits for its end.
    pub(crate) parent: Option<RunKey>,
}

type RunColumns = (i64, sqlx::types::Uuid, String, Option<Vec<i16>>, Option<String>, Option<String>, Option<i64>);

fn stored_run((key, uuid, input, redone, traced, state, parent): RunColumns) -> StoredRun {
    let trace = traced.and_then(|traced| TraceContext::parse(&traced, state.as_deref()).ok());
    StoredRun { run: RunKey(key), id: RunId(uuid), input, redone, trace, parent: parent.map(RunKey) }
}

impl Store {
    /// Ids and inputs of runs.
    pub(crate) async fn run_inputs(&self, runs: &[RunKey]) -> Result<Vec<StoredRun>, StoreError> {
        let keys: Vec<i64> = runs.iter().map(|r| r.0).collect();
        let mut connection = self.reserve.connection().await?;
        let rows: Vec<RunColumns> = sqlx::query_as(
            "select id, uuid, input::text, redone, traceparent, tracestate, case when not detached then parent_id end
             from piton.runs where id = any($1)",
        )
        .bind(&keys)
        .fetch_all(&mut *connection)
        .await?;
        connection.keep();
        Ok(rows.into_iter().map(stored_run).collect())
    }

    /// Outputs of jobs that are done, by run, stage and item in that order.
    pub(crate) async fn outputs(&self, wanted: &[Wanted]) -> Result<Vec<Stored>, StoreError> {
        let (whole, single): (Vec<&Wanted>, Vec<&Wanted>) = wanted.iter().partition(|w| w.item.is_none());
        let mut connection = self.reserve.connection().await?;
        let rows: Vec<StoredRow> = sqlx::query_as(
            "select k.run_id, k.stage, k.item, k.digest, k.output::text, k.skipped
             from unnest($1::int8[], $2::int2[]) as w (run_id, stage)
             join piton.checkpoints k on k.run_id = w.run_id and k.stage = w.stage
             union all
             select k.run_id, k.stage, k.item, k.digest, k.output::text, k.skipped
             from unnest($3::int8[], $4::int2[], $5::int4[]) as w (run_id, stage, item)
             join piton.checkpoints k on k.run_id = w.run_id and k.stage = w.stage and k.item = w.item
             order by 1, 2, 3",
        )
        .bind(whole.iter().map(|w| w.run.0).collect::<Vec<_>>())
        .bind(whole.iter().map(|w| w.stage).collect::<Vec<_>>())
        .bind(single.iter().map(|w| w.run.0).collect::<Vec<_>>())
        .bind(single.iter().map(|w| w.stage).collect::<Vec<_>>())
        .bind(single.iter().map(|w| w.item.unwrap_or(NO_ITEM)).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
        connection.keep();
        Ok(rows.into_iter().map(stored).collect())
    }

    /// Those of these stages that were skipped as a whole, without an output that nobody needs for that.
    pub(crate) async fn skips(&self, stages: &[(RunKey, i16)]) -> Result<Vec<Stored>, StoreError> {
        let mut connection = self.reserve.connection().await?;
        let rows: Vec<StoredRow> = sqlx::query_as(
            "select k.run_id, k.stage, k.item, k.digest, k.output::text, k.skipped
             from unnest($1::int8[], $2::int2[]) as w (run_id, stage)
             join piton.checkpoints k on k.run_id = w.run_id and k.stage = w.stage and k.item = -1
             where k.skipped is not null",
        )
        .bind(stages.iter().map(|(run, _)| run.0).collect::<Vec<_>>())
        .bind(stages.iter().map(|(_, stage)| *stage).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
        connection.keep();
        Ok(rows.into_iter().map(stored).collect())
    }

    /// What these stages were given up with, as JSON, where they were and their runs went on: the failure before their skip.
    pub(crate) async fn given_up(
        &self,
        stages: &[(RunKey, i16)],
    ) -> Result<HashMap<(RunKey, i16), Arc<str>>, StoreError> {
        let mut connection = self.reserve.connection().await?;
        let rows: Vec<(i64, i16, String)> = sqlx::query_as(
            "select w.run_id, w.stage, json_build_object('class', a.class, 'message', a.message)::text
             from unnest($1::int8[], $2::int2[]) as w (run_id, stage)
             join piton.checkpoints k on k.run_id = w.run_id and k.stage = w.stage and k.item = -1
             join piton.attempts a on a.run_id = k.run_id and a.stage = k.stage and a.item = k.item and a.attempt = k.attempt - 1
             where k.skipped is not null and a.outcome = 'failed'",
        )
        .bind(stages.iter().map(|(run, _)| run.0).collect::<Vec<_>>())
        .bind(stages.iter().map(|(_, stage)| *stage).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
        connection.keep();
        Ok(rows.into_iter().map(|(run, stage, failure)| ((RunKey(run), stage), failure.into())).collect())
    }

    /// Items of a stage (its own record first) with the bytes of their outputs, in their order.
    pub(crate) async fn output_sizes(&self, run: RunKey, stage: i16) -> Result<Vec<(i32, u64)>, StoreError> {
        let sql = "select item, bytes from piton.checkpoints where run_id = $1 and stage = $2 order by item";
        let rows: Vec<(i32, i32)> = sqlx::query_as(sql).bind(run.0).bind(stage).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(item, bytes)| (item, u64::from(bytes.unsigned_abs()))).collect())
    }

    /// Outputs of these items of a stage, the first and the last of them, in their order.
    pub(crate) async fn outputs_between(
        &self,
        run: RunKey,
        stage: i16,
        (first, last): (i32, i32),
    ) -> Result<Vec<Stored>, StoreError> {
        let rows: Vec<StoredRow> = sqlx::query_as(
            "select run_id, stage, item, digest, output::text, skipped from piton.checkpoints
             where run_id = $1 and stage = $2 and item between $3 and $4 order by item",
        )
        .bind(run.0)
        .bind(stage)
        .bind(first)
        .bind(last)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(stored).collect())
    }

    /// One checkpoint, for people.
    pub(crate) async fn checkpoint(
        &self,
        run: RunKey,
        stage: i16,
        item: i32,
    ) -> Result<Option<WholeCheckpoint>, StoreError> {
        let sql = "select attempt, started_at, finished_at, bytes, digest, output::text as output, skipped
                   from piton.checkpoints where run_id = $1 and stage = $2 and item = $3";
        Ok(sqlx::query_as(sql).bind(run.0).bind(stage).bind(item).fetch_optional(&self.pool).await?)
    }

    /// Bytes of outputs, so that what is too large is refused before it is read, and the rest is read in portions. What is not
    /// there has none.
    pub(crate) async fn output_bytes(&self, wanted: &[Wanted]) -> Result<HashMap<Wanted, u64>, StoreError> {
        let (previous, wanted): (Vec<Wanted>, Vec<Wanted>) = wanted.iter().partition(|w| w.item == Some(PREVIOUS));
        let (whole, single): (Vec<&Wanted>, Vec<&Wanted>) = wanted.iter().partition(|w| w.item.is_none());
        let rows: Vec<(i64, i16, Option<i32>, i64)> = sqlx::query_as(
            "select k.run_id, k.stage, null::int4, least(sum(k.bytes), 9e18)::int8
             from unnest($1::int8[], $2::int2[]) as w (run_id, stage)
             join piton.checkpoints k on k.run_id = w.run_id and k.stage = w.stage
             group by 1, 2
             union all
             select k.run_id, k.stage, k.item, k.bytes
             from unnest($3::int8[], $4::int2[], $5::int4[]) as w (run_id, stage, item)
             join piton.checkpoints k on k.run_id = w.run_id and k.stage = w.stage and k.item = w.item",
        )
        .bind(whole.iter().map(|w| w.run.0).collect::<Vec<_>>())
        .bind(whole.iter().map(|w| w.stage).collect::<Vec<_>>())
        .bind(single.iter().map(|w| w.run.0).collect::<Vec<_>>())
        .bind(single.iter().map(|w| w.stage).collect::<Vec<_>>())
        .bind(single.iter().map(|w| w.item.unwrap_or(NO_ITEM)).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        let sized = |(run, stage, item, bytes): (i64, i16, Option<i32>, i64)| {
            (Wanted { run: RunKey(run), stage, item }, bytes.unsigned_abs())
        };
        let mut sizes: HashMap<Wanted, u64> = rows.into_iter().map(sized).collect();
        if !previous.is_empty() {
            sizes.extend(self.round_bytes(&previous).await?);
        }
        Ok(sizes)
    }
}
