//! What cleanup costs those who work beside it. For a quiet machine, so not among the others.

use std::time::{Duration, Instant};

use sqlx::AssertSqlSafe;

use crate::harness::{Process, World, until};
use crate::scrape::Scrape;
use crate::workflows::WORK;

const FINISHED: i64 = 1_000_000;
const PHASE: Duration = Duration::from_secs(30);

/// Runs that are old enough to go, each with a checkpoint, and one of ten with a failed attempt.
async fn fill(world: &World) -> i64 {
    let sql = format!(
        "with w as (select current_version_id as version from piton.workflows where name = 'work'),
         run as (
             insert into piton.runs (uuid, version_id, input, state, started_at, finished_at)
             select gen_random_uuid(), w.version, '{{}}', 'done', now() - interval '92 days', now() - interval '91 days'
             from w, generate_series(1, {FINISHED}) returning id),
         checkpoint as (
             insert into piton.checkpoints (run_id, stage, item, attempt, worker_id, started_at, bytes, digest, output)
             select id, 0, -1, 1, 1, now(), 4, sha256('null'), 'null' from run),
         attempt as (
             insert into piton.attempts (run_id, stage, item, attempt, outcome, worker_id, started_at, class, message, ended_at)
             select id, 0, -1, 1, 'failed', 1, now(), 'unknown', 'it failed', now() from run where id % 10 = 0)
         select max(id) from run"
    );
    let newest = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&world.pool).await.unwrap();
    sqlx::raw_sql("vacuum analyze piton.runs, piton.checkpoints, piton.attempts").execute(&world.pool).await.unwrap();
    newest
}

/// Starts a hundred runs a second until told to stop.
async fn work(world: &World, end: impl AsyncFn() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    while !end().await {
        tick.tick().await;
        let sql = "select count(*) from piton.start_runs('work', array_fill('{\"work_ms\": 2}'::json, array[10]))";
        sqlx::query(sql).execute(&world.pool).await.unwrap();
    }
}

/// Buckets of the claims of both workers: upper bound, and how many took no longer.
async fn claims(workers: &[Process; 2]) -> Vec<(f64, f64)> {
    let mut buckets: Vec<(f64, f64)> = Vec::new();
    for worker in workers {
        for (series, count) in Scrape::of(worker).await.0 {
            let Some(bound) = series.strip_prefix("piton_claim_duration_seconds_bucket{le=\"") else { continue };
            let bound = bound.trim_end_matches("\"}").parse().unwrap_or(f64::INFINITY);
            match buckets.iter_mut().find(|(known, _)| *known == bound) {
                Some((_, sum)) => *sum += count,
                None => buckets.push((bound, count)),
            }
        }
    }
    buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    buckets
}

/// The 99th percentile of what came in between, as Prometheus would tell it, in ms.
fn p99(before: &[(f64, f64)], after: &[(f64, f64)]) -> f64 {
    let between: Vec<(f64, f64)> =
        after.iter().map(|(le, n)| (*le, n - before.iter().find(|(b, _)| b == le).map_or(0.0, |(_, n)| *n))).collect();
    let wanted = between.last().unwrap().1 * 0.99;
    let (mut lower, mut below) = (0.0, 0.0);
    for (bound, count) in between {
        if count >= wanted {
            return 1000.0 * (lower + (bound - lower) * (wanted - below) / (count - below));
        }
        (lower, below) = (bound, count);
    }
    f64::NAN
}

/// A phase of work: the p99 of claims, and of the time from the start of a run to that of its handler, in ms.
struct Told {
    claim: f64,
    wait: f64,
    runs: i64,
}

async fn phase(world: &World, workers: &[Process; 2], end: impl AsyncFn() -> bool) -> Told {
    let before = claims(workers).await;
    let first: i64 = sqlx::query_scalar("select max(id) from piton.runs").fetch_one(&world.pool).await.unwrap();
    work(world, end).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let claim = p99(&before, &claims(workers).await);
    let sql =
        "select percentile_cont(0.99) within group (order by extract(epoch from k.started_at - r.started_at) * 1000.0),
                      count(*)
               from piton.runs r join piton.checkpoints k on k.run_id = r.id where r.id > $1";
    let (wait, runs) = sqlx::query_as(sql).bind(first).fetch_one(&world.pool).await.unwrap();
    Told { claim, wait, runs }
}

fn during(time: Duration) -> impl AsyncFn() -> bool {
    let end = Instant::now() + time;
    async move || Instant::now() > end
}

#[tokio::test]
#[ignore = "about eight minutes; cargo test --release --test promises -- --ignored --nocapture a_million_finished_runs"]
async fn a_million_finished_runs_go_and_those_who_work_do_not_notice() {
    let world = World::with(&[WORK]).await;
    world.start("work", "{}");
    let newest = fill(&world).await;
    // One of them cleans up a minute after its start.
    let workers = [world.worker("w1", &[]), world.worker("w2", &[])];
    phase(&world, &workers, during(PHASE / 3)).await;
    let quiet = phase(&world, &workers, during(PHASE)).await;
    let begun = async || world.count("select count(*) from piton.cleanups where state = 'running'").await == 1;
    until(PHASE * 2, "a worker cleans up", begun).await;
    let since = Instant::now();
    let left = async || -> bool {
        let sql = "select exists (select from piton.runs where id <= $1 and started_at < now() - interval '90 days')";
        sqlx::query_scalar(sql).bind(newest).fetch_one(&world.pool).await.unwrap()
    };
    let beside = phase(&world, &workers, async || !left().await).await;
    let took = since.elapsed();
    let after = phase(&world, &workers, during(PHASE)).await;
    for (when, told) in [("before", &quiet), ("beside cleanup", &beside), ("after", &after)] {
        let Told { claim, wait, runs } = told;
        println!("{when}: claim p99 {claim:.1} ms, start to handler p99 {wait:.1} ms, {runs} runs");
    }
    println!("{FINISHED} runs in {took:.0?}: {:.0} a second", FINISHED as f64 / took.as_secs_f64());
    let (claim, wait) = (beside.claim / quiet.claim, beside.wait / quiet.wait);
    println!("beside cleanup / before: claim p99 {claim:.2}, start to handler p99 {wait:.2}");
    assert!(claim < 10.0, "claims wait for cleanup");
}
