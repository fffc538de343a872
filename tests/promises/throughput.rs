//! How much, how fast, how long: what is told of it is what is in the tables.

use std::time::Instant;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor};

use crate::api::client::Api;
use crate::harness::{SOON, World, stdout, until};
use crate::scrape::{Scrape, until_scraped};
use crate::workflows::{CHAIN, MISBEHAVE, SQUARES, WORK};

/// Two stages side by side, one that brings them together, and one behind it.
const FORK: &str = r#"
name = "fork"
[stages.left]
rust = "work"
[stages.right]
rust = "work"
[stages.join]
rust = "work"
needs = ["left", "right"]
[stages.last]
rust = "work"
needs = ["join"]
"#;

const OFTEN: &[&str] = &["--snapshot-every", "300ms", "--slots", "2"];

/// Of each stage: workflow, stage, waiting, running, to come.
async fn left(world: &World) -> Vec<String> {
    let sql =
        "select concat_ws(' ', workflow, stage, waiting, running, to_come) from piton.throughput_overview order by 1";
    sqlx::query_scalar(sql).fetch_all(&world.pool).await.unwrap()
}

async fn execute(world: &World, sql: &str) {
    world.pool.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
}

async fn numbers(world: &World, sql: &str) -> Vec<Option<f64>> {
    let sql = AssertSqlSafe(format!("select unnest(array[{sql}]::float8[]) from piton.outlook_overview"));
    sqlx::query_scalar(sql).fetch_all(&world.pool).await.unwrap()
}

async fn word(world: &World, column: &str) -> Option<String> {
    let sql = AssertSqlSafe(format!("select {column} from piton.outlook_overview"));
    sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap()
}

/// Runs of `chain`.
async fn start(world: &World, runs: i32) {
    world.deploy("chain");
    execute(world, &format!("select piton.start_run('chain', '{{}}') from generate_series(1, {runs})")).await;
}

/// A worker that nobody has started: it is alive for an hour.
async fn pretend_a_worker(world: &World) {
    execute(
        world,
        "insert into piton.workers (boot_id, name, host, pid, slots, serves, last_seen)
         select gen_random_uuid(), 'pretended', 'h', 1, 2, array(select id from piton.workflows), now() + interval '1 hour'",
    )
    .await;
}

#[tokio::test]
async fn work_that_is_left_includes_the_later_stages_of_every_live_run_once() {
    let world = World::with(&[CHAIN, FORK]).await;
    (0..4).for_each(|_| drop(world.start("chain", "{}")));
    (0..3).for_each(|_| drop(world.start("fork", "{}")));
    assert_eq!(
        left(&world).await,
        [
            "chain first 4 0 0",
            "chain second 0 0 4",
            "chain third 0 0 4",
            "fork join 0 0 3",
            "fork last 0 0 3",
            "fork left 3 0 0",
            "fork right 3 0 0",
        ]
    );
    // A second for each job, for nothing was measured yet.
    assert_eq!(numbers(&world, "work_left_seconds, movable_work_seconds").await, [12.0; 4].map(Some));
    // The left branch of one run was given up: nothing comes behind it, whatever the right one does.
    execute(
        &world,
        "insert into piton.dead_letters (id, run_id, workflow_id, version_id, stage, item, attempt, rank, class, message, fingerprint, worker_id)
         select gen_random_uuid(), j.run_id, j.workflow_id, j.version_id, j.stage, j.item, 1, 0, 'unknown', 'as asked', repeat('0', 16), 1
         from piton.jobs j join piton.workflows w on w.id = j.workflow_id
         where w.name = 'fork' and j.stage = 0 order by j.run_id limit 1;
         delete from piton.jobs j using piton.dead_letters d where j.run_id = d.run_id and j.stage = d.stage",
    )
    .await;
    let fork: Vec<String> = left(&world).await.into_iter().filter(|row| row.starts_with("fork")).collect();
    assert_eq!(fork, ["fork join 0 0 2", "fork last 0 0 2", "fork left 2 0 0", "fork right 3 0 0"]);
    // What begins later is not left to do now; what is tried again later is, but no worker could do it now.
    execute(
        &world,
        "update piton.jobs j set state = 'scheduled', due_at = now() + interval '1 hour', attempt = case when x.number = 1 then 0 else 2 end
         from (select run_id, row_number() over (order by run_id) as number from piton.jobs
               where workflow_id = (select id from piton.workflows where name = 'chain')) as x
         where x.run_id = j.run_id and x.number <= 2",
    )
    .await;
    let chain: Vec<String> = left(&world).await.into_iter().filter(|row| row.starts_with("chain")).collect();
    assert_eq!(chain, ["chain first 3 0 0", "chain second 0 0 3", "chain third 0 0 3"]);
    let of_chain =
        "array_agg(work_left_seconds order by workflow))[1], (array_agg(movable_work_seconds order by workflow))[1";
    assert_eq!(numbers(&world, &format!("({of_chain}]")).await, [Some(9.0), Some(6.0)]);
    // More workers help neither what is paused nor what comes behind it.
    execute(&world, "select piton.pause('as asked', 'chain', 'second')").await;
    assert_eq!(numbers(&world, &format!("({of_chain}]")).await, [Some(9.0), Some(2.0)]);
}

#[tokio::test]
async fn items_of_a_batch_that_have_not_begun_are_left_to_do() {
    let world = World::with(&[CHAIN, FORK]).await;
    world.deploy("chain");
    world.deploy("fork");
    let batch = |name: &str, workflow: &str, cap: &str| {
        let inputs = "array_fill('{}'::json, array[10])";
        format!("select piton.start_batch('{name}', '{workflow}', {inputs}, cap => {cap})")
    };
    execute(&world, &batch("capped", "chain", "2")).await;
    assert_eq!(left(&world).await, ["chain first 2 0 8", "chain second 0 0 10", "chain third 0 0 10"]);
    // More workers could do now what has begun.
    assert_eq!(numbers(&world, "work_left_seconds, movable_work_seconds").await, [30.0, 6.0].map(Some));
    execute(&world, "select piton.settle_throughput()").await;
    assert_eq!(world.count("select jobs::int8 from piton.backlog where workflow_id <> 0").await, 30, "the trend knows");
    pretend_a_worker(&world).await;
    minutes(&world, "first", 0, 4, 60, 60.0).await;
    let empties = numbers(&world, "empty_seconds").await[0].unwrap();
    assert!(empties > 25.0, "all 30 seconds of work, at about one at a time: {empties}");
    // Its places are taken by runs that wait for a decision.
    execute(&world, "delete from piton.jobs; update piton.runs set state = 'blocked'; update piton.batches set feed_at = now() + interval '1 hour'").await;
    assert_eq!(left(&world).await, ["chain first 0 0 8", "chain second 0 0 8", "chain third 0 0 8"]);
    assert_eq!(word(&world, "why_not_empty").await.as_deref(), Some("no item of its batches has room to begin"));
    execute(&world, "select piton.cancel_batch('capped', 'not needed')").await;
    assert_eq!(numbers(&world, "work_left_seconds").await, [Some(0.0)]);
    // What begins at once is what it was, once.
    execute(&world, &batch("whole", "fork", "null")).await;
    let fork: Vec<String> = left(&world).await.into_iter().filter(|row| row.starts_with("fork")).collect();
    assert_eq!(fork, ["fork join 0 0 10", "fork last 0 0 10", "fork left 10 0 0", "fork right 10 0 0"]);
}

#[tokio::test]
async fn items_of_a_stage_that_is_not_split_yet_are_those_of_earlier_runs_and_then_its_own() {
    let world = World::with(&[SQUARES]).await;
    let mut worker = world.worker("w1", OFTEN);
    let first = world.start("squares", r#"{"items": 5}"#);
    assert_eq!(world.ended(&first).await, "done");
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0));
    world.start("squares", r#"{"items": 9}"#);
    // One job splits the stage, and five are its items.
    let rows = left(&world).await;
    assert_eq!(rows, ["squares numbers 1 0 0", "squares square 0 0 6", "squares sum 0 0 1"]);
    // The run has nine of its own, each of which takes a minute.
    execute(&world, "update piton.runs set input = '{\"items\": 9, \"work_ms\": 60000}' where state = 'running'").await;
    let worker = world.worker("w2", OFTEN);
    until(SOON, "two of nine are begun", async || {
        left(&world).await == ["squares numbers 0 0 0", "squares square 7 2 0", "squares sum 0 0 1"]
    })
    .await;
    drop(worker);
}

#[tokio::test]
async fn the_metric_to_scale_by_knows_the_later_stages() {
    let world = World::with(&[CHAIN]).await;
    let worker = world.worker("w1", OFTEN);
    (0..4).for_each(|_| drop(world.start("chain", r#"{"work_ms": 60000}"#)));
    // Four runs of three stages of a second each, as nothing was measured yet, for a worker with two slots.
    until_scraped(&worker, "it is told", |scrape| {
        scrape.sum("piton_work_left_seconds", &[("workflow", "chain")]) == 6.0
            && scrape.sum("piton_jobs", &[("workflow", "chain"), ("state", "running")]) == 2.0
    })
    .await;
    // Nothing has ended, so that nobody knows when nothing is left.
    let empties = |scrape: &Scrape| scrape.sum("piton_empty_seconds", &[("workflow", "chain")]);
    assert_eq!(empties(&Scrape::of(&worker).await), f64::INFINITY);
    execute(&world, "select piton.cancel_run(uuid, 'as asked') from piton.runs").await;
    until_scraped(&worker, "nothing is left", |scrape| empties(scrape) == 0.0).await;
}

/// What workers have counted beside what the tables hold: rows that differ.
const DIFFERENT: &str = "
    with counted as (
        select w.name as workflow, t.stage, sum(t.done) as done, sum(t.failed) as failed, sum(t.given_up) as given_up
        from piton.throughput t join piton.workflows w on w.id = t.workflow_id
        group by 1, 2
    ),
    stage as (
        select w.name as workflow, s.name as stage, s.version_id, s.stage as number
        from piton.stage_names s join piton.workflows w on w.id = s.workflow_id
    ),
    held as (
        select s.workflow, s.stage,
               (select count(*) from piton.checkpoints c join piton.runs r on r.id = c.run_id
                where r.version_id = s.version_id and c.stage = s.number) as done,
               (select count(*) from piton.attempts a join piton.runs r on r.id = a.run_id
                where r.version_id = s.version_id and a.stage = s.number and a.outcome = 'failed') as failed,
               (select count(*) from piton.dead_letters d where d.version_id = s.version_id and d.stage = s.number) as given_up
        from stage s
    )
    select concat_ws(' ', h.workflow, h.stage, 'counted:', c.done, c.failed, c.given_up, 'held:', h.done, h.failed, h.given_up)
    from held h left join counted c on c.workflow = h.workflow and c.stage = h.stage
    where (coalesce(c.done, 0), coalesce(c.failed, 0), coalesce(c.given_up, 0)) <> (h.done, h.failed, h.given_up)";

#[tokio::test]
async fn what_workers_have_counted_is_what_the_tables_hold() {
    let world = World::with(&[CHAIN, SQUARES, MISBEHAVE]).await;
    let mut workers = ["w1", "w2"].map(|name| world.worker(name, &["--snapshot-every", "500ms", "--slots", "4"]));
    let mut runs: Vec<String> = (0..5).map(|_| world.start("chain", r#"{"work_ms": 20}"#)).collect();
    runs.extend((0..3).map(|_| world.start("squares", r#"{"items": 40, "work_ms": 5}"#)));
    runs.push(world.start("squares", r#"{"items": 0}"#));
    runs.extend((0..2).map(|_| world.start("misbehave", r#"{"how": "fail", "times": 9, "class": "invalid_input"}"#)));
    // What was added is not added again where the answer is lost.
    for run in &runs {
        world.cut_sessions().await;
        world.ended(run).await;
    }
    for worker in &mut workers {
        worker.signal("TERM");
        assert_eq!(worker.exit_code().await, Some(0));
    }
    let different: Vec<String> = sqlx::query_scalar(DIFFERENT).fetch_all(&world.pool).await.unwrap();
    assert!(different.is_empty(), "{different:#?}");
    let took = world.count("select round(sum(seconds) * 1000)::int8 from piton.throughput t join piton.workflows w on w.id = t.workflow_id where w.name = 'chain'").await;
    assert!((300..3000).contains(&took), "15 attempts of 20 ms took {took} ms");
    assert_eq!(
        world.count("select round(items / splits)::int8 from piton.stage_times where stage = 'square'").await,
        30
    );
}

#[tokio::test]
async fn a_worker_that_is_killed_takes_its_last_counts_with_it_and_no_others() {
    let world = World::with(&[WORK]).await;
    let worker = world.worker("w1", OFTEN);
    let told = || world.count("select coalesce(sum(done), 0)::int8 from piton.throughput");
    (0..6).for_each(|_| drop(world.start("work", "{}")));
    until(SOON, "they are counted", async || told().await == 6).await;
    worker.kill();
    let mut other = world.worker("w2", OFTEN);
    (0..3).for_each(|_| drop(world.start("work", "{}")));
    until(SOON, "the others are counted beside them", async || told().await == 9).await;
    other.signal("TERM");
    assert_eq!(other.exit_code().await, Some(0));
    assert_eq!(told().await, 9);
}

const ADD: &str = include_str!("../../src/store/sql/add_throughput.sql");

#[tokio::test]
async fn an_addition_that_is_sent_again_counts_once_and_old_ones_are_put_together() {
    let world = World::with(&[WORK]).await;
    world.start("work", "{}");
    let add = async |worker: i64, number: i64, done: i64| {
        let rows = serde_json::json!([{"workflow": "work", "stage": "work", "done": done, "given_up": 0, "failed": 1,
            "attempts": 2, "seconds": 3.0, "begun": 2, "waited": 1.5, "splits": 0, "items": 0}]);
        let asked = sqlx::query(ADD).bind(worker).bind(number).bind(rows.to_string()).bind(10_000i64);
        asked.execute(&world.pool).await.unwrap();
    };
    for (worker, number, done) in [(7, 1, 10), (7, 1, 10), (7, 2, 5), (7, 1, 10), (8, 1, 100)] {
        add(worker, number, done).await;
    }
    let sums = || world.count("select (sum(done) * 1000 + sum(failed))::int8 from piton.throughput");
    assert_eq!(sums().await, 115_003);
    assert_eq!(world.count("select round(seconds)::int8 from piton.stage_times").await, 9, "as often");
    // In the next minute it is known again as well.
    execute(&world, "update piton.throughput set minute = minute - interval '5 minutes'").await;
    add(8, 1, 100).await;
    assert_eq!(sums().await, 115_003);
    // After an hour all workers are one row; after three days there is none.
    execute(&world, "update piton.throughput set minute = minute - interval '2 hours'").await;
    for _ in 0..2 {
        execute(&world, "select piton.settle_throughput()").await;
        assert_eq!((sums().await, world.count("select count(*) from piton.throughput").await), (115_003, 1));
    }
    execute(&world, "update piton.throughput set minute = minute - interval '3 days'; update piton.backlog set minute = minute - interval '3 days'").await;
    execute(&world, "select piton.settle_throughput()").await;
    assert_eq!(world.count("select count(*) from piton.throughput").await, 0);
    assert_eq!(world.count("select count(*) from piton.backlog where workflow_id = 0").await, 1, "that of now");
}

/// In each of those minutes so many jobs of a stage of `chain` were done, which took so many seconds together.
async fn minutes(world: &World, stage: &str, from: i32, to: i32, done: i32, seconds: f64) {
    execute(
        world,
        &format!(
            "insert into piton.throughput (minute, worker_id, workflow_id, stage, done, attempts, seconds, begun, since, told_at, told)
             select date_trunc('minute', now() - m * interval '1 minute', 'UTC'), 1, w.id, '{stage}', {done}, {done}, {seconds}, {done},
                    now() - m * interval '1 minute' - interval '50 seconds', now() - m * interval '1 minute' - interval '5 seconds', 1
             from generate_series({from}, {to}) m, piton.workflows w where w.name = 'chain'"
        ),
    )
    .await;
}

async fn backlog(world: &World, seconds_ago: i32, seconds: f64) {
    execute(
        world,
        &format!(
            "insert into piton.backlog (minute, workflow_id, jobs, seconds)
             select date_trunc('minute', now() - {seconds_ago} * interval '1 second', 'UTC'), id, {seconds}, {seconds}
             from (select id from piton.workflows union all select 0) as w
             on conflict do nothing"
        ),
    )
    .await;
}

#[tokio::test]
async fn trend_time_to_empty_and_bottleneck_are_those_of_a_known_pace() {
    let world = World::with(&[CHAIN]).await;
    start(&world, 40).await;
    assert_eq!(word(&world, "why_not_empty").await.as_deref(), Some("no worker is alive"));
    pretend_a_worker(&world).await;
    assert_eq!(word(&world, "why_not_empty").await.as_deref(), Some("no job was done in the last ten minutes"));
    // The second stage takes three times as long. Ten minutes ago half as many were done.
    execute(
        &world,
        "insert into piton.stage_times (workflow_id, stage, attempts, seconds, jobs)
         select id, s.stage, 10, s.seconds, 10 from piton.workflows, (values ('first', 10), ('second', 30), ('third', 10)) as s (stage, seconds)
         where name = 'chain'",
    )
    .await;
    for (stage, seconds) in [("first", 60.0), ("second", 180.0), ("third", 60.0)] {
        minutes(&world, stage, 0, 9, 60, seconds).await;
        minutes(&world, stage, 10, 19, 30, seconds / 2.0).await;
    }
    backlog(&world, 640, 900.0).await;
    backlog(&world, 205, 500.0).await;
    backlog(&world, 85, 300.0).await;
    // 40 runs of 1 + 3 + 1 seconds, and five attempts side by side: 60 * (1 + 3 + 1) seconds in each minute.
    let told = numbers(
        &world,
        "work_left_seconds, work_left_seconds_before, done_per_minute, done_per_minute_before, empty_seconds",
    )
    .await;
    let [left, before, rate, rate_before, empty] = told[..] else { panic!("{told:?}") };
    assert_eq!((left, before), (Some(200.0), Some(900.0)));
    let near = |value: Option<f64>, expected: f64| (value.unwrap() / expected - 1.0).abs() < 0.12;
    assert!(near(rate, 180.0) && near(rate_before, 90.0) && near(empty, 40.0), "{told:?}");
    for (column, expected) in
        [("trend", "better"), ("bottleneck", "second"), ("slowest_stage", "second"), ("longest_queue", "first")]
    {
        assert_eq!(word(&world, column).await.as_deref(), Some(expected), "{column}");
    }
    let trends = world.count("select count(*) from piton.throughput_overview where trend = 'faster'").await;
    assert_eq!(trends, 3);

    // More comes in than is done.
    execute(&world, "delete from piton.backlog").await;
    for (ago, seconds) in [(640, 10.0), (205, 100.0), (85, 150.0)] {
        backlog(&world, ago, seconds).await;
    }
    assert_eq!(word(&world, "why_not_empty").await.as_deref(), Some("more comes in than is done"));
    assert_eq!(
        (word(&world, "trend").await.as_deref(), numbers(&world, "empty_seconds").await),
        (Some("worse"), vec![None])
    );

    // What is paused holds all up.
    execute(&world, "delete from piton.backlog; select piton.pause('as asked', 'chain', 'first')").await;
    assert_eq!(word(&world, "bottleneck").await.as_deref(), Some("first"));
    assert_eq!(word(&world, "why_not_empty").await.as_deref(), Some("first is paused"));
    execute(&world, "select piton.resume('chain', 'first')").await;
    // And so does a stage that no worker begins, while others go on.
    execute(&world, "delete from piton.throughput where stage = 'first'; update piton.jobs set since = now() - interval '2 minutes'").await;
    assert_eq!(word(&world, "bottleneck_hold").await.as_deref(), Some("stuck"));
    assert_eq!(word(&world, "why_not_empty").await.as_deref(), Some("no worker has begun a job of first"));
}

#[tokio::test]
async fn the_time_to_empty_comes_true() {
    let world = World::with(&[CHAIN]).await;
    world.deploy("chain");
    let sql = "select piton.start_run('chain', '{\"work_ms\": 250}') from generate_series(1, 64)";
    execute(&world, sql).await;
    let _worker = world.worker("w1", &["--snapshot-every", "300ms", "--slots", "4"]);
    let told = "select coalesce(sum(done), 0)::int8 from piton.throughput";
    until(SOON, "a third is done", async || world.count(told).await >= 64).await;
    let asked = Instant::now();
    let empty = numbers(&world, "empty_seconds").await[0].unwrap();
    until(SOON * 2, "all is done", async || world.count("select count(*) from piton.jobs").await == 0).await;
    let took = asked.elapsed().as_secs_f64();
    assert!((0.5..2.0).contains(&(empty / took)), "{empty} s were told, {took} s it took");
}

#[tokio::test]
async fn a_stage_with_a_limit_is_the_bottleneck_though_most_of_the_work_is_elsewhere() {
    let limited = CHAIN.replace("[stages.second]", "[stages.second]\nrate = \"20/1m\"");
    let world = World::with(&[&limited]).await;
    start(&world, 40).await;
    pretend_a_worker(&world).await;
    for (stage, done, seconds) in [("first", 30, 60.0), ("second", 20, 2.0), ("third", 20, 60.0)] {
        minutes(&world, stage, 0, 9, done, seconds).await;
    }
    execute(&world, "update piton.jobs set stage = 1 where run_id % 2 = 0").await;
    assert_eq!(
        (word(&world, "bottleneck").await.as_deref(), word(&world, "bottleneck_hold").await.as_deref()),
        (Some("second"), Some("limit"))
    );
    // 40 runs have to pass, 20 in a minute.
    let told = numbers(&world, "empty_seconds").await[0].unwrap();
    assert!((105.0..140.0).contains(&told), "{told}");
}

#[tokio::test]
async fn every_face_tells_the_same_throughput() {
    let world = World::with(&[CHAIN]).await;
    let says = |arguments: &[&str]| stdout(&world.command(arguments).output().unwrap());
    assert_eq!(
        says(&["throughput"]),
        "Nothing is left to do, and nothing is known to have been done in the last twenty minutes; workers report every 10 s.\n"
    );
    (0..3).for_each(|_| drop(world.start("chain", "{}")));
    insta::assert_snapshot!(says(&["throughput"]), @"
    chain: 0 jobs done per minute
      3 waiting, 0 running, 6 in later stages
      work left: 9 s
      does not empty at this rate: no worker is alive
      bottleneck: first (most of the work is there)

      stage   per minute   before  trend    failing         takes        waited   waiting   running   to come          left
      first            0        -  idle           -             -             -         3         0         0           3 s
      second           0        -  idle           -             -             -         0         0         3           3 s
      third            0        -  idle           -             -             -         0         0         3           3 s
    ");
    let why = says(&["why"]);
    assert!(
        why.ends_with(concat!(
            "\nchain: 0 jobs done per minute; work left: 9 s; does not empty at this rate: no worker is alive; ",
            "bottleneck: first (most of the work is there)\n"
        )),
        "{why}"
    );
    let slip = world.command(["why", "--workflow", "chian"]).output().unwrap();
    assert!(String::from_utf8_lossy(&slip.stderr).contains("did you mean `chain`?"), "{slip:?}");
    let json: Value = serde_json::from_str(&says(&["throughput", "--json", "--workflow", "chain"])).unwrap();
    assert_eq!((&json["workflows"][0]["to_come"], &json["stages"][2]["stage"]), (&6.into(), &"third".into()));
    let api = Api::of(&world).await;
    assert_eq!(api.get("/throughput?workflow=chain").good(), json);
    // A slip in the name is no workflow without work.
    assert_eq!(api.get("/throughput?workflow=chian").problem(), (404, "not-found".to_owned()));
    let slip = world.command(["throughput", "--workflow", "chian"]).output().unwrap();
    assert!(String::from_utf8_lossy(&slip.stderr).contains("did you mean `chain`?"), "{slip:?}");
}
