//! The engine's statements stay look-ups, however much there is and whatever the statistics say.

use std::path::Path;

use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use crate::harness::World;
use crate::workflows::CHAIN;

const SESSION: &str = include_str!("../../src/store/sql/session.sql");
const PLANS: &str = include_str!("../../src/store/sql/plans.sql");

/// Indexes that hold little by nature, and may be read from end to end.
const SMALL: &[&str] = &[
    "workers_uncleared",
    "workers_live_name",
    "jobs_scheduled",
    "waits_due",
    "paused_stages_pkey",
    "limited_stages_pkey",
    "stage_limits_workflow_id_stage_key",
    "pauses_pkey",
    "batches_sealed",
];

/// The statements the engine runs by itself. What people ask (`bench_*`, `chaos_*`, `top_*`) may walk.
fn statements() -> Vec<(String, String)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/sql"));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let asked = ["bench_", "chaos_", "top_"].iter().any(|prefix| name.starts_with(prefix));
        // They only set the connection.
        if !["session", "plans", "notice_the_dead", "as_new"].contains(&name.as_str()) && !asked {
            found.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(found.len() >= 7, "{found:?}");
    found
}

/// A connection that is set and prepared as the engine's are.
async fn engine(world: &World) -> PgConnection {
    let mut connection = world.pool.acquire().await.unwrap().detach();
    connection.execute(SESSION).await.unwrap();
    connection.execute(PLANS).await.unwrap();
    for (name, text) in statements() {
        connection.execute(AssertSqlSafe(format!("prepare {name} as {text}"))).await.unwrap();
    }
    connection
}

async fn explain(connection: &mut PgConnection, options: &str, call: &str) -> Value {
    let sql = format!("explain (format json{options}) execute {call}");
    let plan: Value = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await.unwrap();
    plan[0].clone()
}

/// Every plan as it is for whatever arguments: a generic plan does not look at them.
async fn plans(connection: &mut PgConnection) -> Vec<(String, Value)> {
    let mut plans = Vec::new();
    for (name, _) in statements() {
        let parameters: i32 = sqlx::query_scalar(
            "select coalesce(cardinality(parameter_types), 0) from pg_prepared_statements where name = $1",
        )
        .bind(&name)
        .fetch_one(&mut *connection)
        .await
        .unwrap();
        let nulls = vec!["null"; usize::try_from(parameters).unwrap()].join(", ");
        plans.push((name.clone(), explain(connection, "", &format!("{name}({nulls})")).await));
    }
    plans
}

/// Reads of a table that are no look-ups.
fn walks(node: &Value, found: &mut Vec<String>) {
    let text = |key: &str| node[key].as_str().unwrap_or_default();
    let is_read = text("Node Type").contains("Scan") && !text("Relation Name").is_empty();
    if is_read && text("Index Cond").is_empty() && !SMALL.contains(&text("Index Name")) {
        found.push(format!("{} of {} {}", text("Node Type"), text("Relation Name"), text("Index Name")));
    }
    for below in node["Plans"].as_array().into_iter().flatten() {
        walks(below, found);
    }
}

async fn assert_only_look_ups(connection: &mut PgConnection, when: &str) {
    for (name, plan) in plans(connection).await {
        let mut found = Vec::new();
        walks(&plan["Plan"], &mut found);
        assert!(found.is_empty(), "{when}, {name} walks: {found:?}\n{plan:#}");
    }
}

/// So many runs, each with a job in every state, a join and so many checkpoints.
async fn fill(world: &World, count: i64, checkpoints: i16) {
    // Not deleted: a first look would walk over what the deletion left.
    sqlx::raw_sql("truncate piton.jobs, piton.waits, piton.joins, piton.checkpoints, piton.runs")
        .execute(&world.pool)
        .await
        .unwrap();
    sqlx::query(
        "with worker as (
             insert into piton.workers (boot_id, name, host, pid) values (gen_random_uuid(), 'filler', 'h', 1)
             on conflict (name) where stopped_at is null do update set last_seen = now() returning id),
         run as (
             insert into piton.runs (uuid, version_id, input)
             select gen_random_uuid(), v.id, '{}' from piton.workflow_versions v, generate_series(1, $1) returning id),
         recorded as (
             insert into piton.checkpoints (run_id, stage, item, attempt, worker_id, started_at, bytes, digest, output)
             select run.id, s, -1, 1, worker.id, now(), 2, sha256(''), '{}' from run, worker, generate_series(0, $2 - 1) s),
         joined as (insert into piton.joins (run_id, stage, missing) select run.id, 2, 1 from run),
         limited as (
             insert into piton.stage_limits as l (workflow_id, stage, concurrency)
             select id, 'second', 5 from piton.workflows
             on conflict (workflow_id, stage) do update set concurrency = l.concurrency returning id),
         job as (
         insert into piton.jobs (run_id, workflow_id, version_id, stage, state, attempt, deaths, worker_id, token, due_at, limit_id)
         select run.id, v.workflow_id, v.id, 1, state, 1, (state = 'suspect')::int4, case state when 'running' then worker.id end, 1,
                now() + case state when 'scheduled' then interval '1 hour' else '0' end,
                case state when 'limited' then limited.id end
         from run, worker, limited, piton.workflow_versions v, unnest(array['ready', 'running', 'scheduled', 'suspect', 'limited', 'waiting']) state
         returning run_id, id, stage, item, jobs.state)
         insert into piton.waits (run_id, stage, item, job_id, attempt, kind, since, deadline)
         select run_id, stage, item, id, 1, 'sleep', now(), now() + interval '1 hour' from job where state = 'waiting'",
    )
    .bind(count)
    .bind(checkpoints)
    .execute(&world.pool)
    .await
    .unwrap();
    sqlx::raw_sql("vacuum analyze").execute(&world.pool).await.unwrap();
}

#[tokio::test]
async fn every_statement_of_the_engine_looks_up_whatever_the_statistics_say() {
    let world = World::with(&[CHAIN]).await;
    world.start("chain", "{}");
    let mut connection = engine(&world).await;
    assert_only_look_ups(&mut connection, "never analyzed").await;
    fill(&world, 0, 3).await;
    assert_only_look_ups(&mut connection, "with the statistics of an empty queue").await;
    fill(&world, 3000, 3).await;
    assert_only_look_ups(&mut connection, "with many of everything").await;
}

/// What a statement cost once.
struct Cost {
    statement: String,
    pages: i64,
    ms: f64,
}

/// What each statement costs with so many rows of every state.
async fn costs(world: &World, count: i64, checkpoints: i16) -> Vec<Cost> {
    fill(world, count, checkpoints).await;
    let (worker, workflow, run, job): (i64, i64, i64, i64) = sqlx::query_as(
        "select worker_id, workflow_id, run_id, id from piton.jobs where state = 'running' order by run_id offset $1 limit 1",
    )
    .bind(count / 2)
    .fetch_one(&world.pool)
    .await
    .unwrap();
    let calls = [
        format!("claim({worker}, '{{{workflow}}}', 10, 10, '{{-32768}}', '{{1970-01-01}}', '{{0}}', '{{}}', '{{}}', 1)"),
        format!("look({worker}, 15000, 1, true, false, '{{{workflow}}}', '{{}}', '{{}}', 4)"),
        format!("claim_alone({worker}, '{{{workflow}}}', '{{}}', '{{}}', 1)"),
        format!("set_aside('{{{workflow}}}', 100, '{{}}', '{{}}')"),
        format!("verify_checkpoints({run}, -1, -1, {run}, 100, 33554432)"),
        format!("verify_stages({run}, {run})"),
        "oldest_ready(1000)".to_owned(),
        "promote(10)".to_owned(),
        format!("free({worker}, 10, 'why', true, 4, 'why', '0123456789abcdef', false)"),
        format!(
            "commit('{{{run}}}', '{{{job}}}', '{{1}}', '{{-1}}', '{{1}}', '{{{worker}}}', '{{now}}', '{{running}}', '{{2}}',
                    '{{-1}}', '{{0}}', '{{1}}', '{{-1}}', '{{\"{{}}\"}}', '{{\"\\\\x{}\"}}', '{{1}}', '{{1}}', '{{0}}', '{{now}}', '{{1}}',
                    '{{false}}', '{EXTRAS}')",
            "00".repeat(32)
        ),
        format!(
            "commit_common('{{{run}}}', '{{{job}}}', '{{1}}', '{{-1}}', '{{1}}', '{{{worker}}}', '{{1}}', '{{2}}', '{{-1}}', '{{0}}',
                           '{{now}}', '{{\"{{}}\"}}', '{{\"\\\\x{}\"}}', '{{false}}')",
            "00".repeat(32)
        ),
        format!(
            "commit_hand_off({run}, {job}, 1, -1, 1, {worker}, 1, 2, -1, 0, 'now', '{{}}', '\\x{}')",
            "00".repeat(32)
        ),
        format!("commit_last({run}, {job}, 1, -1, 1, {worker}, 1, true, 'now', '{{}}', '\\x{}')", "00".repeat(32)),
    ];
    sqlx::query("delete from piton.checkpoints where run_id = $1").bind(run).execute(&world.pool).await.unwrap();
    let mut connection = engine(world).await;
    let mut costs = Vec::new();
    for call in calls {
        connection.execute("begin").await.unwrap();
        let plan = explain(&mut connection, ", analyze, buffers", &call).await;
        connection.execute("rollback").await.unwrap();
        let touched = |kind: &str| plan["Plan"][kind].as_i64().unwrap();
        costs.push(Cost {
            statement: call.split('(').next().unwrap().to_owned(),
            pages: touched("Shared Hit Blocks") + touched("Shared Read Blocks"),
            ms: plan["Execution Time"].as_f64().unwrap(),
        });
    }
    costs
}

/// Many times the rows are a level or two more of each index.
fn assert_no_growth(few: &[Cost], many: &[Cost], count: i64) {
    for (few, many) in few.iter().zip(many) {
        let (name, few, many) = (&few.statement, few.pages, many.pages);
        assert!(many <= few * 2 + 20, "{name} touches {few} pages with 300 of each state, and {many} with {count}");
    }
}

#[tokio::test]
async fn no_statement_of_the_engine_grows_with_the_backlog() {
    let world = World::with(&[CHAIN]).await;
    world.start("chain", "{}");
    let (few, many) = (costs(&world, 300, 3).await, costs(&world, 30_000, 3).await);
    assert_no_growth(&few, &many, 30_000);
}

#[tokio::test]
#[ignore = "some minutes and some 15 GB; cargo test --release -- --ignored --nocapture backlog_of_millions"]
async fn no_statement_of_the_engine_grows_with_a_backlog_of_millions() {
    let world = World::with(&[CHAIN]).await;
    world.start("chain", "{}");
    let few = costs(&world, 300, 10).await;
    for count in [100_000, 1_000_000] {
        let many = costs(&world, count, 10).await;
        println!("{count} jobs of each state, {} checkpoints:", count * 10);
        for (few, many) in few.iter().zip(&many) {
            let Cost { statement, pages, ms } = many;
            println!("  {statement:8} {pages:4} pages, {ms:.2} ms ({} and {:.2} with 300)", few.pages, few.ms);
        }
        assert_no_growth(&few, &many, count);
    }
}

/// Many jobs of the second stage that must not begin, and behind all of them one of the first.
async fn fill_with_held(world: &World, count: i64) -> (i64, i64, i64) {
    sqlx::raw_sql(
        "truncate piton.jobs, piton.joins, piton.checkpoints, piton.runs;
         delete from piton.pauses; delete from piton.paused_stages; delete from piton.limited_stages;
         update piton.stage_limits set concurrency = null;",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    sqlx::query(
        "with run as (
             insert into piton.runs (uuid, version_id, input)
             select gen_random_uuid(), v.id, '{}' from piton.workflow_versions v, generate_series(0, $1) returning id)
         insert into piton.jobs (run_id, workflow_id, version_id, stage, state, due_at, since)
         select run.id, v.workflow_id, v.id, case when run.id = (select max(id) from run) then 0 else 1 end, 'ready',
                now() - interval '1 day' + row_number() over (order by run.id) * interval '1 millisecond', now() - interval '1 hour'
         from run, piton.workflow_versions v",
    )
    .bind(count)
    .execute(&world.pool)
    .await
    .unwrap();
    sqlx::raw_sql("vacuum analyze").execute(&world.pool).await.unwrap();
    sqlx::query_as(
        "with worker as (
             insert into piton.workers (boot_id, name, host, pid, slots) values (gen_random_uuid(), 'filler', 'h', 1, 8)
             on conflict (name) where stopped_at is null do update set last_seen = now() returning id)
         select worker.id, v.workflow_id, v.id from worker, piton.workflow_versions v",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap()
}

/// The pages that a call touches; what it does stays done.
async fn pages(connection: &mut PgConnection, call: &str) -> i64 {
    let call = if call.starts_with("select") { call.to_owned() } else { format!("execute {call}") };
    let sql = format!("explain (format json, analyze, buffers) {call}");
    let plan: Value = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await.unwrap();
    let touched = |kind: &str| plan[0]["Plan"][kind].as_i64().unwrap();
    touched("Shared Hit Blocks") + touched("Shared Read Blocks")
}

/// What a commit may have of everything.
const EXTRAS: &str = r#"{"growing": [1], "arrivals": [{"ord": 1, "stage": 2, "change": 1}],
    "births": [{"ord": 1, "stage": 2, "first": 0, "until": 6, "step": 4}],
    "failures": [{"ord": 1, "outcome": "failed", "class": "unknown", "message": "why"}],
    "dead_letters": [{"ord": 1, "class": "unknown", "message": "why", "fingerprint": "0123456789abcdef"}],
    "artifacts": [{"ord": 1, "becomes": "failed", "whole": 0}]}"#;

/// Every call until what is behind is claimed, and what they cost at most; and what they cost from then on.
async fn gets_past(world: &World, count: i64, held_by: &str) -> (i64, i64) {
    let (worker, workflow, version) = fill_with_held(world, count).await;
    let lacks = match held_by {
        "pause" => {
            world.pool.execute("select piton.pause('why', 'chain', 'second')").await.unwrap();
            "'{}', '{}'".to_owned()
        }
        "limit" => {
            world
                .pool
                .execute(
                    "insert into piton.stage_limits as l (workflow_id, stage, concurrency)
                     select id, 'second', 1 from piton.workflows
                     on conflict (workflow_id, stage) do update set concurrency = 1;
                     select piton.renew_limited_stages(id) from piton.workflows;",
                )
                .await
                .unwrap();
            "'{}', '{}'".to_owned()
        }
        // Another boot of this worker's runs as many.
        "limit on each worker" => {
            world
                .pool
                .execute(
                    "insert into piton.stage_limits as l (workflow_id, stage, per_worker)
                     select id, 'second', 1 from piton.workflows
                     on conflict (workflow_id, stage) do update set concurrency = null, per_worker = 1;
                     select piton.renew_limited_stages(id) from piton.workflows;",
                )
                .await
                .unwrap();
            "'{}', '{}'".to_owned()
        }
        _ => {
            let left = format!("select piton.leave_stages('{{{version}}}', '{{1}}')");
            world.pool.execute(AssertSqlSafe(left)).await.unwrap();
            format!("'{{{version}}}', '{{1}}'")
        }
    };
    let mut connection = engine(world).await;
    let look = format!("look({worker}, 15000, 1, true, false, '{{{workflow}}}', {lacks}, 4)");
    let claim =
        format!("claim({worker}, '{{{workflow}}}', 10, 10, '{{-32768}}', '{{1970-01-01}}', '{{0}}', {lacks}, 1)");
    let set_aside = format!("set_aside('{{{workflow}}}', 1000, {lacks})");
    let claimed = "select count(*) from piton.jobs where stage = 0 and state = 'running'";
    let (mut most, mut rounds) = (0, 0);
    while world.count(claimed).await == 0 {
        for call in [&look, &claim] {
            most = most.max(pages(&mut connection, call).await);
        }
        pages(&mut connection, &set_aside).await;
        // What was moved leaves dead entries behind, which are not what is counted here.
        sqlx::raw_sql("vacuum piton.jobs").execute(&world.pool).await.unwrap();
        rounds += 1;
        assert!(rounds <= count / 1000 + 3, "{held_by}: {rounds} rounds, and it is not claimed");
    }
    sqlx::raw_sql("vacuum analyze piton.jobs").execute(&world.pool).await.unwrap();
    let under_limits =
        format!("select * from piton.claim_limited({worker}, '{{{workflow}}}', 0, {lacks}, 'limited', 1)");
    let mut after = 0;
    for call in [&look, &claim, &under_limits, &"oldest_ready(1000)".to_owned()] {
        after = after.max(pages(&mut connection, call).await);
    }
    (most, after)
}

#[tokio::test]
async fn neither_pauses_nor_limits_nor_missing_handlers_make_claims_and_looks_walk() {
    let world = World::with(&[CHAIN]).await;
    world.start("chain", "{}");
    for held_by in ["pause", "limit", "limit on each worker", "lack"] {
        let (few, few_after) = gets_past(&world, 1500, held_by).await;
        let (many, many_after) = gets_past(&world, 30_000, held_by).await;
        println!("{held_by}: {few} and {few_after} pages with 1500 in the way, {many} and {many_after} with 30000");
        assert!(
            many <= few * 2 + 20,
            "{held_by}: a call touches {few} pages with 1500 in the way, and {many} with 30000"
        );
        assert!(
            many_after <= few_after * 2 + 20,
            "{held_by}, set aside: {few_after} pages with 1500, {many_after} with 30000"
        );
    }
}

/// A stage of the same name that some versions of can run here: the others are not walked over.
#[tokio::test]
async fn versions_that_this_worker_cannot_run_are_hopped_over() {
    let world = World::with(&[CHAIN]).await;
    world.start("chain", "{}");
    let (worker, workflow, version) = fill_with_held(&world, 20_000).await;
    world.write_workflows(&[&format!("{CHAIN}timeout = \"9s\"\n")]);
    world.start("chain", "{}");
    world
        .pool
        .execute(
            "insert into piton.stage_limits (workflow_id, stage) select id, 'second' from piton.workflows;
             update piton.jobs set stage = 1, state = 'limited', limit_id = (select id from piton.stage_limits);",
        )
        .await
        .unwrap();
    sqlx::raw_sql("vacuum analyze").execute(&world.pool).await.unwrap();
    let mut connection = engine(&world).await;
    let lacks = format!("'{{{version}}}', '{{1}}'");
    let look = format!("look({worker}, 15000, 1, true, false, '{{{workflow}}}', {lacks}, 4)");
    let claim = format!("select * from piton.claim_limited({worker}, '{{{workflow}}}', 8, {lacks}, 'limited', 1)");
    for call in [look, claim] {
        let pages = pages(&mut connection, &call).await;
        assert!(pages < 300, "{call} touches {pages} pages");
    }
    let claimed = "select count(*) from piton.jobs where state = 'running'";
    assert_eq!(world.count(claimed).await, 1, "the one of the version that it can run");
}

/// Runs with a job each, and seven of them that run.
async fn many_live(world: &World, count: i64) -> i64 {
    fill(world, 7, 1).await;
    sqlx::query(
        "with run as (
             insert into piton.runs (uuid, version_id, input)
             select gen_random_uuid(), v.id, '{}' from piton.workflow_versions v, generate_series(1, $1) returning id)
         insert into piton.jobs (run_id, workflow_id, version_id, stage, state)
         select run.id, v.workflow_id, v.id, (run.id % 2)::int2, 'ready' from run, piton.workflow_versions v",
    )
    .bind(count)
    .execute(&world.pool)
    .await
    .unwrap();
    sqlx::raw_sql("vacuum analyze piton.jobs, piton.runs").execute(&world.pool).await.unwrap();
    let mut connection = engine(world).await;
    pages(&mut connection, "select * from piton.state(0) union all select * from piton.outlook_state()").await
}

#[tokio::test]
async fn the_state_of_very_many_jobs_is_estimated_and_costs_no_more() {
    let world = World::with(&[CHAIN]).await;
    world.start("chain", "{}");
    let (few, many) = (many_live(&world, 60_000).await, many_live(&world, 240_000).await);
    println!("{few} pages with 60000, {many} with 240000");
    assert!(many <= few * 2, "{few} pages with 60000 live jobs, and {many} with 240000");
    let state = async |metric: &str, label: &str| -> f64 {
        let sql = "select sum(value) from piton.state(0) where metric = $1 and $2 in (label_2, label_3)";
        sqlx::query_scalar(sql).bind(metric).bind(label).fetch_one(&world.pool).await.unwrap()
    };
    let near = |found: f64, truth: f64| (found - truth).abs() <= truth * 0.15;
    let ready = state("piton_jobs", "ready").await;
    assert!(near(ready, 240_007.0), "{ready} are ready");
    assert_eq!(state("piton_jobs", "running").await, 7.0, "few of a state are counted");
    let runs = state("piton_runs", "running").await;
    assert!(near(runs, 240_007.0), "{runs} runs");
}

/// Runs that ended a year ago.
async fn many_done(world: &World, count: i64) {
    sqlx::raw_sql("truncate piton.jobs, piton.joins, piton.checkpoints, piton.runs")
        .execute(&world.pool)
        .await
        .unwrap();
    sqlx::query(
        "insert into piton.runs (uuid, version_id, input, state, started_at, finished_at)
         select gen_random_uuid(), v.id, '{}', 'done', now() - interval '1 year', now() - interval '1 year'
         from piton.workflow_versions v, generate_series(1, $1)",
    )
    .bind(count)
    .execute(&world.pool)
    .await
    .unwrap();
    sqlx::raw_sql("vacuum analyze piton.runs").execute(&world.pool).await.unwrap();
}

#[tokio::test]
async fn a_cleanup_goes_over_all_that_there_is_once_and_plans_every_part_by_itself() {
    let world = World::with(&[CHAIN]).await;
    world.start("chain", "{}");
    let next = "select * from piton.plan_next_cleanup('runs', null, 500)";
    many_done(&world, 40_000).await;
    let many = pages(&mut engine(&world).await, next).await;
    many_done(&world, 2_000).await;
    let few = pages(&mut engine(&world).await, next).await;
    assert!(many <= few * 2 + 20, "a part of 500 touches {few} pages with 2000 runs, and {many} with 40000");
    sqlx::raw_sql("delete from piton.cleanups").execute(&world.pool).await.unwrap();
    let (mut after, mut parts) = (None::<String>, 0);
    loop {
        let sql = "select last from piton.plan_next_cleanup('runs', $1, 300)";
        after = sqlx::query_scalar(sql).bind(&after).fetch_one(&world.pool).await.unwrap();
        parts += 1;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((parts, world.count("select count(*) from piton.cleanups").await), (7, 7));
    assert_eq!(world.count("select count(distinct run_id) from piton.cleanup_items").await, 2000);
    assert_eq!(world.count("select count(*) from piton.cleanup_items").await, 2000, "each of them once");
    many_done(&world, 0).await;
    for what in ["artifacts", "runs", "batches", "workers", "versions"] {
        let sql = "select plan::text, last from piton.plan_next_cleanup($1, null, 300)";
        let part: (Option<String>, Option<String>) =
            sqlx::query_as(sql).bind(what).fetch_one(&world.pool).await.unwrap();
        assert_eq!(part, (None, None), "nothing of {what} is due, so nothing is planned");
    }
}
