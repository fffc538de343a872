//! Limits of stages: how many attempts run at once, and how many begin in a time, over all runs and workers.

use std::time::Duration;

use crate::harness::{SOON, World, stdout, until};
use crate::why::assert_all_is_explained;
use crate::workflows::SQUARES;

/// A stage without a limit in front of one that has one, and one behind it.
const THREE_AT_ONCE: &str = r#"
name = "narrow"
[stages.before]
rust = "work"
[stages.call]
rust = "work"
needs = ["before"]
concurrency = 3
[stages.behind]
rust = "work"
needs = ["call"]
"#;

/// Two stages that begin at once; of one of them, one attempt runs at a time.
fn beside(limit: &str) -> String {
    format!("name = \"beside\"\n[stages.slow]\nrust = \"work\"\n{limit}\n[stages.quick]\nrust = \"numbers\"\n")
}

/// How many attempts of a stage ran at once, at most.
pub(crate) async fn at_once(world: &World, stage: i16) -> i64 {
    let sql = "with attempt as (
                   select started_at, finished_at as ended_at from piton.checkpoints where stage = $1
                   union all select started_at, ended_at from piton.attempts where stage = $1)
               select coalesce(max(beside), 0) from (
                   select (select count(*) from attempt b where b.started_at <= a.started_at and b.ended_at > a.started_at)
                          as beside
                   from attempt a) as counted";
    sqlx::query_scalar(sql).bind(stage).fetch_one(&world.pool).await.unwrap()
}

pub(crate) async fn start_many(world: &World, workflow: &str, input: &str, runs: i32) {
    let sql = "select count(*) from piton.start_runs($1, array_fill($2::json, array[$3]))";
    sqlx::query(sql).bind(workflow).bind(input).bind(runs).execute(&world.pool).await.unwrap();
}

#[tokio::test]
async fn no_more_attempts_run_at_once_than_the_stage_says_though_a_worker_dies() {
    let world = World::with(&[THREE_AT_ONCE]).await;
    world.start("narrow", r#"{"work_ms": 60}"#);
    start_many(&world, "narrow", r#"{"work_ms": 60}"#, 59).await;
    let workers = ["a", "b", "c"].map(|name| world.worker(name, &["--slots", "8", "--lease", "3s"]));
    until(SOON, "some are through", async || {
        world.count("select count(*) from piton.checkpoints where stage = 1").await >= 10
    })
    .await;
    let [dies, ..] = workers;
    dies.kill();
    until(SOON * 3, "all are done", async || {
        world.count("select count(*) from piton.runs where state = 'done'").await == 60
    })
    .await;
    assert_eq!(at_once(&world, 1).await, 3, "under its limit, and not below it");
    assert!(at_once(&world, 0).await > 3, "the stage before has no limit");
    world.assert_nothing_is_left().await;
}

/// Not with the next look, a second later.
#[tokio::test]
async fn the_end_of_an_attempt_makes_room_at_once() {
    let world = World::with(&[&beside("concurrency = 1")]).await;
    let input = r#"{"work_ms": 20, "items": 1}"#;
    world.start("beside", input);
    start_many(&world, "beside", input, 39).await;
    let _worker = world.worker("w1", &["--slots", "8"]);
    until(SOON * 3, "all are done", async || {
        world.count("select count(*) from piton.runs where state = 'done'").await == 40
    })
    .await;
    let took =
        "select extract(epoch from max(finished_at) - min(started_at))::int8 from piton.checkpoints where stage = 0";
    let seconds = world.count(took).await;
    assert!(seconds < 12, "forty attempts of 20 ms, one after another, took {seconds} s");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn no_more_attempts_begin_in_a_time_than_the_rate_says() {
    let for_each = "for_each = \"numbers.numbers\"";
    let world = World::with(&[&SQUARES.replace(for_each, &format!("{for_each}\nrate = \"20/1s\""))]).await;
    let _workers = ["a", "b"].map(|name| world.worker(name, &["--slots", "40"]));
    let run = world.start("squares", r#"{"items": 70}"#);
    assert_eq!(world.ended(&run).await, "done");
    let closest = world
        .count(
            "select (extract(epoch from min(lead - started_at)) * 1000)::int8 from (
                 select started_at, lead(started_at, 20) over (order by started_at) as lead
                 from piton.checkpoints where stage = 1 and item >= 0) as begun",
        )
        .await;
    assert!(closest >= 1000, "21 attempts began within {closest} ms");
    let took =
        "select extract(epoch from max(started_at) - min(started_at))::int8 from piton.checkpoints where stage = 1";
    assert!(world.count(took).await < 30, "seventy at twenty a second");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_waits_for_a_limit_is_in_nobodys_way_and_is_explained_and_a_deploy_changes_the_limit() {
    let world = World::with(&[&beside("concurrency = 1")]).await;
    let input = r#"{"work_ms": 60000, "items": 1}"#;
    world.start("beside", input);
    start_many(&world, "beside", input, 299).await;
    let worker = world.worker("w1", &["--slots", "8"]);
    until(SOON, "the others are through", async || {
        world.count("select count(*) from piton.checkpoints where stage = 1").await == 300
    })
    .await;
    let running = "select count(*) from piton.jobs where stage = 0 and state = 'running'";
    assert_eq!(world.count(running).await, 1);
    assert_eq!(world.count("select count(*) from piton.jobs where state = 'limited'").await, 299);
    assert_all_is_explained(&world).await;
    let why = stdout(&world.command(["why"]).output().unwrap());
    assert!(why.contains("299 waiting for the stage's limit: 1 of 1 attempts run, on w1"), "{why}");

    let waits: String = sqlx::query_scalar(
        "select r.uuid::text from piton.jobs j join piton.runs r on r.id = j.run_id where j.state = 'limited' limit 1",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    let shown = stdout(&world.command(["show", &waits]).output().unwrap());
    assert!(shown.contains("slow   ready for "), "{shown}");

    let deploy = async |limit: &str, runs: i64| {
        world.write_workflows(&[&beside(limit)]);
        // Whoever starts a run from the file makes it the current one.
        world.start("beside", input);
        until(SOON, limit, async || world.count(running).await == runs).await;
    };
    deploy("concurrency = 3", 3).await;
    // Nothing is taken from those that run.
    deploy("concurrency = 2", 3).await;
    deploy("rate = \"1/1d\"", 4).await;
    assert_all_is_explained(&world).await;
    let why = stdout(&world.command(["why"]).output().unwrap());
    assert!(why.contains("1 attempts in 1 d, the next at "), "{why}");
    // Without a limit every slot is used.
    deploy("", 8).await;
    assert_all_is_explained(&world).await;
    assert_eq!(world.unexplained().await, [""; 0]);
    worker.kill();
}

#[tokio::test]
async fn a_pause_holds_what_waits_for_a_limit_too() {
    let world = World::with(&[&beside("concurrency = 1")]).await;
    world.start("beside", r#"{"work_ms": 300, "items": 1}"#);
    start_many(&world, "beside", r#"{"work_ms": 300, "items": 1}"#, 19).await;
    let _worker = world.worker("w1", &["--slots", "4"]);
    until(SOON, "jobs wait", async || {
        world.count("select count(*) from piton.jobs where state = 'limited'").await > 10
    })
    .await;
    sqlx::query("select piton.pause('costs', 'beside', 'slow')").execute(&world.pool).await.unwrap();
    let done = "select count(*) from piton.checkpoints where stage = 0";
    // Claims stop within a second, and what was claimed ends.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let before = world.count(done).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(world.count(done).await, before);
    assert_all_is_explained(&world).await;
    sqlx::query("select piton.resume('beside', 'slow')").execute(&world.pool).await.unwrap();
    until(SOON * 2, "they go on", async || world.count(done).await == 20).await;
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_suspect_that_waited_for_a_limit_runs_when_the_limit_is_lifted() {
    let world = World::with(&[&beside("concurrency = 1")]).await;
    let input = r#"{"work_ms": 60000, "items": 1}"#;
    world.start("beside", input);
    start_many(&world, "beside", input, 1).await;
    let worker = world.worker("w1", &["--slots", "4"]);
    until(SOON, "one runs and one waits", async || {
        world.count("select count(*) from piton.jobs where state = 'running'").await == 1
            && world.count("select count(*) from piton.jobs where state = 'limited'").await == 1
            && world.count("select count(*) from piton.jobs").await == 2
    })
    .await;
    let suspected = "update piton.jobs set state = 'suspect', deaths = 1, until = item + 1 where state = 'limited'";
    assert_eq!(sqlx::query(suspected).execute(&world.pool).await.unwrap().rows_affected(), 1);
    // Longer than a look: while the limit is reached it waits.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(world.count("select count(*) from piton.jobs where state = 'suspect'").await, 1);
    assert!(!worker.log().contains("suspects run alone"), "{}", worker.log());
    assert_all_is_explained(&world).await;
    world.write_workflows(&[&beside("")]);
    world.start("beside", input);
    until(SOON, "all run", async || {
        world.count("select count(*) from piton.jobs where stage = 0 and state = 'running'").await == 3
    })
    .await;
    worker.kill();
}

/// One after another, so that whoever ends an attempt would begin the next one, or a few at once.
async fn share(world: &World, concurrency: u32) -> Vec<(String, i64)> {
    world.write_workflows(&[&beside(&format!("concurrency = {concurrency}"))]);
    let input = r#"{"work_ms": 100, "items": 1}"#;
    world.start("beside", input);
    start_many(world, "beside", input, 15 + i32::try_from(concurrency).unwrap() * 8).await;
    until(SOON * 3, "all are done", async || {
        world.count("select count(*) from piton.runs where state in ('running', 'blocked')").await == 0
    })
    .await;
    assert_eq!(at_once(world, 0).await, i64::from(concurrency), "under its limit, and not below it");
    let sql = "select w.name, count(*) from piton.checkpoints k join piton.workers w on w.id = k.worker_id
               where k.stage = 0 group by w.name order by w.name";
    sqlx::query_as(sql).fetch_all(&world.pool).await.unwrap()
}

#[tokio::test]
async fn a_limit_is_shared_by_all_workers_that_have_slots_for_it() {
    for concurrency in [1, 4] {
        let world = World::with(&[&beside("concurrency = 1")]).await;
        let _workers = ["a", "b"].map(|name| world.worker(name, &["--slots", "8"]));
        until(SOON, "both are there", async || {
            world.count("select count(*) from piton.workers where serves <> '{}'").await == 2
        })
        .await;
        let done = share(&world, concurrency).await;
        let all: i64 = done.iter().map(|(_, done)| done).sum();
        assert!(done.len() == 2 && done.iter().all(|(_, done)| *done * 10 >= all * 3), "{concurrency}: {done:?}");
        let took = "select (extract(epoch from max(finished_at) - min(started_at)) * 1000)::int8 from piton.checkpoints where stage = 0";
        let (ms, least) = (world.count(took).await, all * 100 / i64::from(concurrency));
        assert!(ms < least * 2 + 1000, "{concurrency}: {ms} ms, and {least} ms is the least that it could be");
        world.assert_nothing_is_left().await;
    }
}

/// It has free slots by all that is known, and takes nothing.
#[tokio::test]
async fn nobody_waits_long_for_a_worker_that_does_not_take_its_share() {
    let world = World::with(&[&beside("concurrency = 1")]).await;
    let workers = ["a", "b"].map(|name| world.worker(name, &["--slots", "8", "--lease", "60s"]));
    until(SOON, "both are there", async || {
        world.count("select count(*) from piton.workers where serves <> '{}'").await == 2
    })
    .await;
    let [frozen, _works] = &workers;
    frozen.signal("STOP");
    let done = share(&world, 1).await;
    frozen.signal("CONT");
    assert_eq!(done.len(), 1, "{done:?}");
    let took =
        "select extract(epoch from max(finished_at) - min(started_at))::int8 from piton.checkpoints where stage = 0";
    let seconds = world.count(took).await;
    assert!(seconds < 10, "24 attempts of 100 ms took {seconds} s");
}
