//! The statements of the loop: a claim, and one commit per stage. Each is a transaction of its own.

use anyhow::{Result, ensure};
use baselines::output::Outputs;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnectOptions;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{ConnectOptions, Executor, PgConnection};

use crate::Queue;

/// In the order of the partial index of ready jobs.
const CLAIM: &str = "
    with picked as materialized (
        select run_id, id from piton.jobs
        where workflow_id = $1 and state = 'ready'
        order by rank, due_at, id
        limit $2
        for no key update skip locked
    )
    update piton.jobs j set state = 'running', worker_id = $3, attempt = j.attempt + 1, since = now()
    from picked p
    where j.run_id = p.run_id and j.id = p.id
    returning j.run_id, j.id, j.since";

/// The jobs stay claimed and no indexed column changes, so that the update is heap-only. Who has a
/// worker is running (a CHECK says so); to say it here too would offer the planner an index that is worse than the
/// primary key.
const ADVANCE: &str = "
    with landed as (
        update piton.jobs j set stage = j.stage + 1, attempt = 1, since = now()
        from unnest($1::int8[], $2::int8[], $6::text[], $7::bytea[]) as o (run_id, id, output, digest)
        where j.run_id = o.run_id and j.id = o.id
          and j.stage = $3 and j.attempt = 1 and j.worker_id = $4
        returning j.run_id, j.item, o.output, o.digest
    ),
    recorded as (
        insert into piton.checkpoints (run_id, stage, item, attempt, worker_id, started_at, bytes, digest, output)
        select run_id, $3, item, 1, $4, $5, octet_length(output), digest, output::json from landed
        returning 1
    )
    select count(*), now() from recorded";

/// The end of the branch, and of its run.
const FINISH: &str = "
    with landed as (
        delete from piton.jobs j
        using unnest($1::int8[], $2::int8[], $6::text[], $7::bytea[]) as o (run_id, id, output, digest)
        where j.run_id = o.run_id and j.id = o.id
          and j.stage = $3 and j.attempt = 1 and j.worker_id = $4
        returning j.run_id, j.item, o.output, o.digest
    ),
    recorded as (
        insert into piton.checkpoints (run_id, stage, item, attempt, worker_id, started_at, bytes, digest, output)
        select run_id, $3, item, 1, $4, $5, octet_length(output), digest, output::json from landed
        returning run_id
    ),
    done as (
        update piton.runs r set state = 'done', finished_at = now()
        from recorded d
        where r.id = d.run_id and r.state = 'running'
        returning 1
    )
    select count(*), now() from done";

/// With the session settings of Piton's own connections.
pub(crate) async fn connect(url: &str) -> Result<PgConnection> {
    let mut connection = url.parse::<PgConnectOptions>()?.disable_statement_logging().connect().await?;
    connection
        .execute(
            "set plan_cache_mode = force_generic_plan; set jit = off; set enable_seqscan = off; \
             set enable_bitmapscan = off; set enable_hashjoin = off; set enable_mergejoin = off; \
             set enable_memoize = off",
        )
        .await?;
    Ok(connection)
}

/// Jobs by their primary key, column by column.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    runs: Vec<i64>,
    ids: Vec<i64>,
}

impl Jobs {
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// A batch that is ours, and since when.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) jobs: Jobs,
    pub(crate) since: DateTime<Utc>,
}

pub(crate) async fn claim(connection: &mut PgConnection, queue: Queue, batch: u16) -> Result<Claim> {
    let rows: Vec<(i64, i64, DateTime<Utc>)> = sqlx::query_as(CLAIM)
        .bind(queue.workflow)
        .bind(i64::from(batch))
        .bind(queue.worker)
        .fetch_all(connection)
        .await?;
    let since = rows.first().map(|row| row.2).unwrap_or_default();
    let (runs, ids) = rows.into_iter().map(|(run, id, _)| (run, id)).unzip();
    Ok(Claim { jobs: Jobs { runs, ids }, since })
}

/// What the stages of a batch returned, with the digests that checkpoints keep.
#[derive(Debug)]
pub(crate) struct Outcomes {
    outputs: Vec<String>,
    digests: Vec<[u8; 32]>,
}

impl Outcomes {
    pub(crate) fn of(outputs: &mut Outputs, jobs: usize) -> Outcomes {
        let outputs: Vec<String> = (0..jobs).map(|_| outputs.json()).collect();
        let digests = outputs.iter().map(|output| Sha256::digest(output.as_bytes()).into()).collect();
        Outcomes { outputs, digests }
    }
}

/// The stage that a batch is at, by whom, and since when: the fence, and what a checkpoint tells about its attempt.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) worker: i64,
    pub(crate) stage: i16,
    pub(crate) since: DateTime<Utc>,
}

/// Records the stage and moves the jobs to the next one, or off when it was the last. Tells when the next one began.
pub(crate) async fn commit(
    connection: &mut PgConnection,
    jobs: &Jobs,
    step: &Step,
    outcomes: &Outcomes,
    last: bool,
) -> Result<DateTime<Utc>> {
    let (landed, now): (i64, DateTime<Utc>) = sqlx::query_as(if last { FINISH } else { ADVANCE })
        .bind(&jobs.runs)
        .bind(&jobs.ids)
        .bind(step.stage)
        .bind(step.worker)
        .bind(step.since)
        .bind(&outcomes.outputs)
        .bind(&outcomes.digests)
        .fetch_one(connection)
        .await?;
    ensure!(usize::try_from(landed)? == jobs.len(), "{landed} of {} jobs landed at stage {}", jobs.len(), step.stage);
    Ok(now)
}
