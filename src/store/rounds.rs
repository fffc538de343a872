//! Rounds of stages: begun behind one that was not good enough, whose outputs the next one sees.

use std::collections::HashMap;

use sqlx::types::Uuid;

use super::checkpoints::{Stored, Wanted};
use super::moment::Moment;
use super::{Store, StoreError};
use crate::model::claim::Claim;
use crate::model::id::{RunId, RunKey};
use crate::model::payload::Payload;

/// Begins a round.
pub(super) const BEGIN_ROUND: &str = "select piton.begin_round($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

/// Stage, item, digest, output, and why there is none.
type OutputRow = (i16, i32, Vec<u8>, String, Option<String>);

/// The rounds of some stages of a run, as far as they are over.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoredRounds {
    /// How many.
    pub(crate) over: u32,
    /// Outputs of the last of them, by stage and item; the record of a split comes first.
    pub(crate) outputs: Vec<Stored>,
}

/// An output of a round that is over, and that is not what was committed.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct DamagedRound {
    pub(crate) run: Uuid,
    pub(crate) stage: String,
    pub(crate) item: i32,
    pub(crate) round: i32,
}

impl Store {
    /// Ends an attempt, and puts the round that it decided about into the past, behind its output; the next one has begun then. `false`
    /// where its claim held no more. May be sent again after an error: see [`Store::round_has_begun`].
    pub(crate) async fn begin_round(
        &self,
        claim: &Claim,
        (output, why): (&Payload, &str),
        artifacts: i32,
    ) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(BEGIN_ROUND)
            .bind(claim.key.run.0)
            .bind(claim.key.job)
            .bind(claim.key.stage)
            .bind(claim.key.item)
            .bind(claim.key.attempt)
            .bind(claim.worker.0)
            .bind(claim.key.token.0)
            .bind(Moment(claim.started_at))
            .bind(output.as_str())
            .bind(&output.digest()[..])
            .bind(artifacts)
            .bind(why)
            .fetch_one(&self.pool)
            .await?)
    }

    /// Whether that attempt has ended its round: the answer to that was lost.
    pub(crate) async fn round_has_begun(&self, claim: &Claim) -> Result<bool, StoreError> {
        let sql = "select exists (select from piton.round_checkpoints k
                                  where k.run_id = $1 and k.stage = $2 and k.item = $3 and k.attempt = $4 and k.worker_id = $5
                                    and k.started_at = $6)";
        let asked = sqlx::query_scalar(sql).bind(claim.key.run.0).bind(claim.key.stage).bind(claim.key.item);
        let asked = asked.bind(claim.key.attempt).bind(claim.worker.0).bind(Moment(claim.started_at));
        Ok(asked.fetch_one(&self.pool).await?)
    }

    /// The rounds that these stages decide about, of those that have some behind them.
    pub(crate) async fn rounds(&self, wanted: &[Wanted]) -> Result<HashMap<(RunKey, i16), StoredRounds>, StoreError> {
        let mut connection = self.reserve.connection().await?;
        let rows: Vec<(i64, i16, i32, Uuid)> = sqlx::query_as(
            "select w.run_id, w.stage, r.round, r.id
             from unnest($1::int8[], $2::int2[]) as w (run_id, stage)
             cross join lateral (
                 select o.round, o.id from piton.rounds o
                 where o.run_id = w.run_id and o.stage = w.stage and o.dead_letter is null
                 order by o.round desc limit 1) as r",
        )
        .bind(wanted.iter().map(|wanted| wanted.run.0).collect::<Vec<_>>())
        .bind(wanted.iter().map(|wanted| wanted.stage).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
        let mut found = HashMap::new();
        for (run, stage, round, id) in rows {
            let outputs: Vec<OutputRow> = sqlx::query_as(
                "select k.stage, k.item, k.digest, k.output::text, k.skipped from piton.round_checkpoints k
                 where k.run_id = $1 and k.round = $2 order by k.stage, k.item",
            )
            .bind(run)
            .bind(id)
            .fetch_all(&mut *connection)
            .await?;
            let run = RunKey(run);
            let outputs = outputs.into_iter().map(|(stage, item, digest, output, skipped)| Stored {
                run,
                stage,
                item,
                digest,
                output,
                skipped,
            });
            found.insert((run, stage), StoredRounds { over: round.unsigned_abs(), outputs: outputs.collect() });
        }
        connection.keep();
        Ok(found)
    }

    /// Stages of a run that decide about rounds, with how many of those are over; none for a stage without.
    pub(crate) async fn rounds_over(&self, run: RunKey) -> Result<Vec<(i16, i64)>, StoreError> {
        let sql = "select stage, count(*) from piton.rounds where run_id = $1 and dead_letter is null group by stage";
        Ok(sqlx::query_as(sql).bind(run.0).fetch_all(&self.pool).await?)
    }

    /// The last rounds of a run that were not good enough, the newest first: stage, number and reason.
    pub(crate) async fn past_rounds(&self, run: RunId, most: i64) -> Result<Vec<(String, i32, String)>, StoreError> {
        let sql = "select stage, round, why from piton.rounds_overview where run = $1 and dead_letter is null
                   order by ended_at desc, round desc limit $2";
        Ok(sqlx::query_as(sql).bind(run.0).bind(most).fetch_all(&self.pool).await?)
    }

    /// How many outputs of rounds that are over were looked at, of one run or of all, and those that are not what was committed.
    pub(crate) async fn damaged_rounds(&self, run: Option<RunKey>) -> Result<(u64, Vec<DamagedRound>), StoreError> {
        let count = "select count(*) from piton.round_checkpoints where $1::int8 is null or run_id = $1";
        let count: i64 = sqlx::query_scalar(count).bind(run.map(|run| run.0)).fetch_one(&self.pool).await?;
        let rows = sqlx::query_as(
            "select r.uuid as run, coalesce(v.stage_names[k.stage + 1], '#' || k.stage) as stage, k.item, o.round
             from piton.round_checkpoints k
             join piton.rounds o on o.run_id = k.run_id and o.id = k.round
             join piton.runs r on r.id = k.run_id
             join piton.workflow_versions v on v.id = r.version_id
             where ($1::int8 is null or k.run_id = $1)
               and (k.digest <> sha256(convert_to(coalesce('skipped: ' || k.skipped, k.output::text), 'UTF8'))
                    or k.bytes <> octet_length(k.output::text))
             order by k.run_id, o.round, k.stage, k.item",
        )
        .bind(run.map(|run| run.0))
        .fetch_all(&self.pool)
        .await?;
        Ok((count.unsigned_abs(), rows))
    }

    /// Bytes of the outputs that [`Store::rounds`] would read.
    pub(super) async fn round_bytes(&self, wanted: &[Wanted]) -> Result<Vec<(Wanted, u64)>, StoreError> {
        let rows: Vec<(i64, i64)> = sqlx::query_as(
            "select w.ord, k.bytes
             from unnest($1::int8[], $2::int2[]) with ordinality as w (run_id, stage, ord)
             cross join lateral (
                 select o.id from piton.rounds o
                 where o.run_id = w.run_id and o.stage = w.stage and o.dead_letter is null
                 order by o.round desc limit 1) as r
             cross join lateral (
                 select least(sum(k.bytes), 9e18)::int8 as bytes from piton.round_checkpoints k
                 where k.run_id = w.run_id and k.round = r.id) as k
             where k.bytes is not null",
        )
        .bind(wanted.iter().map(|wanted| wanted.run.0).collect::<Vec<_>>())
        .bind(wanted.iter().map(|wanted| wanted.stage).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        let sized = |(ord, bytes): (i64, i64)| {
            let at = usize::try_from(ord - 1).ok()?;
            Some((*wanted.get(at)?, bytes.unsigned_abs()))
        };
        Ok(rows.into_iter().filter_map(sized).collect())
    }
}
