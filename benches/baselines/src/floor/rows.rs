//! What surrounds the loop: runs that wait before it, and the check after it.

use anyhow::{Context, Result, ensure};
use baselines::log;
use baselines::workload::Workload;
use sqlx::PgConnection;

use crate::Queue;

const WORKER: &str = "
    insert into piton.workers (boot_id, name, host, pid)
    values (gen_random_uuid(), 'floor', 'localhost', 1) returning id";

const VERSION: &str = "
    with workflow as (insert into piton.workflows (name) values ('floor') returning id)
    insert into piton.workflow_versions (workflow_id, digest, definition)
    select id, sha256('floor'), '{}' from workflow returning workflow_id, id";

const RUNS: &str = "
    with born as (
        insert into piton.runs (uuid, version_id, input)
        select gen_random_uuid(), $2, json_build_object('n', n) from generate_series(1, $3) as n
        returning id
    )
    insert into piton.jobs (run_id, workflow_id, version_id, stage, state)
    select id, $1, $2, 0, 'ready' from born order by id";

/// Digests and sizes are computed anew by the server, from what it reads back.
const CHECK: &str = "
    select (select count(*) from piton.jobs),
           (select count(*) from piton.runs where state = 'done'),
           (select count(*) from (
                select from piton.checkpoints
                where digest = sha256(convert_to(output::text, 'UTF8'))
                  and bytes = $2 and octet_length(output::text) = $2 and started_at <= finished_at
                group by run_id having count(*) = $1 and count(distinct stage) = $1) as whole),
           (select count(*) from piton.checkpoints)";

pub(crate) async fn load(connection: &mut PgConnection, work: &Workload) -> Result<Queue> {
    let (used,): (bool,) = sqlx::query_as("select exists (select from piton.runs)")
        .fetch_one(&mut *connection)
        .await
        .context("`piton migrate` prepares the database")?;
    ensure!(!used, "the database was used before; take a fresh one");
    let (worker,): (i64,) = sqlx::query_as(WORKER).fetch_one(&mut *connection).await?;
    let (workflow, version): (i64, i64) = sqlx::query_as(VERSION).fetch_one(&mut *connection).await?;
    let runs = i32::try_from(work.runs)?;
    sqlx::query(RUNS).bind(workflow).bind(version).bind(runs).execute(&mut *connection).await?;
    settle(connection).await?;
    Ok(Queue { workflow, worker })
}

/// The ground that `piton bench` begins on: what loading left behind is cleaned up before the clock, not during it.
async fn settle(connection: &mut PgConnection) -> Result<()> {
    for statement in ["vacuum (analyze) piton.runs", "vacuum (analyze) piton.jobs", "checkpoint"] {
        sqlx::raw_sql(statement).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Bytes of write-ahead log that the server has written so far.
pub(crate) async fn log_position(connection: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar(log::POSITION).fetch_one(connection).await?)
}

/// Every run is done with one checkpoint per stage, and nothing else is left.
pub(crate) async fn verify(connection: &mut PgConnection, work: &Workload) -> Result<()> {
    sqlx::query("set enable_seqscan = on").execute(&mut *connection).await?;
    let found: (i64, i64, i64, i64) = sqlx::query_as(CHECK)
        .bind(i64::from(work.stages))
        .bind(i32::try_from(work.payload)?)
        .fetch_one(connection)
        .await?;
    let runs = i64::from(work.runs);
    let expected = (0, runs, runs, i64::try_from(work.all_stages())?);
    ensure!(found == expected, "jobs, done runs, whole runs and checkpoints are {found:?}, should be {expected:?}");
    Ok(())
}
