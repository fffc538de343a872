//! Attempts of programs that may end with `piton.finish`: opened before the program starts, closed when it has ended. What it
//! finished with is the result of its job, also where its attempt was lost on the way.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;

use super::fence::fence;
use super::moment::Moment;
use super::{Store, StoreError};
use crate::model::claim::Claim;
use crate::model::id::RunKey;

/// What a program finished with, as it was read.
#[derive(Debug, Clone)]
pub(crate) struct StoredFinish {
    pub(crate) digest: Vec<u8>,
    pub(crate) output: String,
}

/// What became of the opening.
#[derive(Debug)]
pub(crate) enum Opened {
    /// The program may run.
    Open,
    /// An earlier attempt has finished.
    FinishedBefore(StoredFinish),
    /// The claim no longer holds.
    Fenced,
}

const OPEN: &str = "
    with claim as materialized (
        select j.run_id
        from piton.jobs j
        where j.run_id = any(array[$1::int8]) and j.id = $2::int8 and j.stage = $3::int2 and j.item = $4::int4
          and j.attempt = $5::int4 and j.worker_id = $6::int8 and j.token = $7::int8
        for share
    ),
    opened as (
        insert into piton.finishes (run_id, stage, item, job_id, attempt, worker_id, token, secret, most_bytes)
        select run_id, $3, $4, $2, $5, $6, $7, $8::bytea, $9::int4 from claim
        on conflict (run_id, stage, item) do update
            set job_id = excluded.job_id, attempt = excluded.attempt, worker_id = excluded.worker_id, token = excluded.token,
                secret = excluded.secret, most_bytes = excluded.most_bytes
            where finishes.output is null
        returning secret
    )
    select exists (select from claim), exists (select from opened)";

impl Store {
    /// Lets the program with that secret finish the attempt, if it holds its job. May be sent again.
    pub(crate) async fn open_finish(
        &self,
        claim: &Claim,
        secret: &[u8; 32],
        most_bytes: usize,
    ) -> Result<Opened, StoreError> {
        let (holds, is_open): (bool, bool) = sqlx::query_as_with(OPEN, fence(claim)?)
            .bind(secret.as_slice())
            .bind(i32::try_from(most_bytes).unwrap_or(i32::MAX))
            .fetch_one(&self.pool)
            .await?;
        match (holds, is_open) {
            (false, _) => Ok(Opened::Fenced),
            (true, true) => Ok(Opened::Open),
            // In a statement of its own: the row may be newer than what the first one saw.
            (true, false) => Ok(self.finish(claim).await?.map_or(Opened::Fenced, Opened::FinishedBefore)),
        }
    }

    /// From now on that secret finishes nothing. Returns what it has finished with before; a transaction that is about to is
    /// waited for. May be sent again.
    pub(crate) async fn close_finish(
        &self,
        claim: &Claim,
        secret: &[u8; 32],
    ) -> Result<Option<StoredFinish>, StoreError> {
        sqlx::query(
            "delete from piton.finishes where run_id = $1 and stage = $2 and item = $3 and secret = $4 and output is null",
        )
        .bind(claim.key.run.0)
        .bind(claim.key.stage)
        .bind(claim.key.item)
        .bind(secret.as_slice())
        .execute(&self.pool)
        .await?;
        self.finish(claim).await
    }

    /// Jobs of a run whose programs have finished and have not ended yet: stage, item and since when; at most `most` of them.
    pub(crate) async fn finished_programs(
        &self,
        run: RunKey,
        most: i64,
    ) -> Result<Vec<(String, i32, DateTime<Utc>)>, StoreError> {
        let sql = "select s.name, f.item, f.finished_at
                   from piton.finishes f
                   join piton.jobs j on j.run_id = f.run_id and j.id = f.job_id and j.stage = f.stage and j.item = f.item
                       and j.attempt = f.attempt and j.state = 'running'
                   join piton.stage_names s on s.version_id = j.version_id and s.stage = f.stage
                   where f.run_id = $1 and f.output is not null
                   order by f.finished_at limit $2";
        let rows: Vec<(String, i32, Moment)> = sqlx::query_as(sql).bind(run.0).bind(most).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(stage, item, at)| (stage, item, at.into())).collect())
    }

    async fn finish(&self, claim: &Claim) -> Result<Option<StoredFinish>, StoreError> {
        let row: Option<(Vec<u8>, String)> = sqlx::query_as(
            "select digest, output::text from piton.finishes
             where run_id = $1 and stage = $2 and item = $3 and output is not null",
        )
        .bind(claim.key.run.0)
        .bind(claim.key.stage)
        .bind(claim.key.item)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|(digest, output)| StoredFinish { digest, output }))
    }
}

/// Whether that is what the job's program has finished with, for the server that this connection leads to.
pub(crate) async fn is_recorded(
    connection: &mut PgConnection,
    claim: &Claim,
    finish: &StoredFinish,
) -> Result<bool, sqlx::Error> {
    let row = sqlx::query("select from piton.finishes where run_id = $1 and stage = $2 and item = $3 and digest = $4")
        .bind(claim.key.run.0)
        .bind(claim.key.stage)
        .bind(claim.key.item)
        .bind(&finish.digest);
    Ok(row.fetch_optional(connection).await?.is_some())
}
