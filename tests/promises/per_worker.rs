//! Limits of stages on each worker: how many of their attempts one machine runs at once.

use serde_json::json;

use crate::harness::{Process, SOON, World, stdout, until};
use crate::limits::{at_once, start_many};
use crate::why::assert_all_is_explained;

/// A stage that each worker runs so often at once, beside one without a limit.
fn beside(limit: &str) -> String {
    format!("name = \"beside\"\n[stages.heavy]\nrust = \"work\"\n{limit}\n[stages.quick]\nrust = \"numbers\"\n")
}

/// A limit in the middle, which branches reach on the worker that did the stage before.
const CHAIN: &str = r#"
name = "chain"
[stages.before]
rust = "work"
[stages.heavy]
rust = "work"
needs = ["before"]
per_worker = 1
[stages.behind]
rust = "work"
needs = ["heavy"]
"#;

const HEAVY: &str = "select count(*) from piton.jobs j join piton.stage_names n using (version_id, stage)
                     where n.name = 'heavy' and j.state = 'running'";

/// How many attempts of a stage ran at once on one worker, at most, by its name.
async fn at_once_on_each(world: &World, stage: i16) -> Vec<(String, i64)> {
    let sql = "with attempt as (
                   select split_part(w.name, '/', 1) as worker, a.started_at, a.ended_at
                   from (select worker_id, started_at, finished_at as ended_at from piton.checkpoints where stage = $1
                         union all select worker_id, started_at, ended_at from piton.attempts where stage = $1) as a
                   join piton.workers w on w.id = a.worker_id)
               select worker, max(beside) from (
                   select worker, (select count(*) from attempt b
                                   where b.worker = a.worker and b.started_at <= a.started_at and b.ended_at > a.started_at)
                                  as beside
                   from attempt a) as counted
               group by worker order by worker";
    sqlx::query_as(sql).bind(stage).fetch_all(&world.pool).await.unwrap()
}

async fn all_serve(world: &World, workers: i64) {
    until(SOON, "all are there", async || {
        world.count("select count(*) from piton.workers where serves <> '{}' and stopped_at is null").await == workers
    })
    .await;
}

async fn all_are_done(world: &World) {
    until(SOON * 3, "all are done", async || {
        world.count("select count(*) from piton.runs where state in ('running', 'blocked')").await == 0
    })
    .await;
}

fn each(worker: &str, attempts: i64) -> (String, i64) {
    (worker.to_owned(), attempts)
}

#[tokio::test]
async fn no_worker_runs_more_of_a_stage_at_once_than_its_limit_and_all_of_them_are_used_though_one_dies() {
    let world = World::with(&[CHAIN]).await;
    let workers = ["a", "b"].map(|name| world.worker(name, &["--slots", "8", "--lease", "3s"]));
    all_serve(&world, 2).await;
    world.start("chain", r#"{"work_ms": 60}"#);
    start_many(&world, "chain", r#"{"work_ms": 60}"#, 39).await;
    let done = "select count(*) from piton.checkpoints k join piton.workers w on w.id = k.worker_id
                where k.stage = 1 and w.name = 'a'";
    until(SOON, "it has had a part", async || world.count(done).await >= 5).await;
    let [dies, _lives] = workers;
    dies.kill();
    let _third = world.worker("c", &["--slots", "8"]);
    all_are_done(&world).await;
    let heavy = at_once_on_each(&world, 1).await;
    assert_eq!(heavy, [each("a", 1), each("b", 1), each("c", 1)], "also right after a hand-off");
    assert!(at_once(&world, 1).await >= 2, "workers do not wait for each other");
    assert!(at_once_on_each(&world, 0).await.iter().any(|(_, most)| *most > 1), "the stage before has no limit");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_one_worker_must_leave_is_in_nobodys_way_and_is_explained_and_a_deploy_changes_it() {
    let world = World::with(&[&beside("per_worker = 2")]).await;
    let input = r#"{"work_ms": 60000, "items": 1}"#;
    world.start("beside", input);
    start_many(&world, "beside", input, 199).await;
    let first = world.worker("a", &["--slots", "16"]);
    let quick = "select count(*) from piton.checkpoints where stage = 1";
    until(SOON, "the others are through", async || world.count(quick).await == 200).await;
    assert_eq!(world.count(HEAVY).await, 2);
    assert_eq!(world.count("select count(*) from piton.jobs where state = 'limited'").await, 198);
    assert_all_is_explained(&world).await;
    let why = || stdout(&world.command(["why"]).output().unwrap());
    let told = why();
    assert!(told.contains("198 waiting for the stage's limit: 2 on each worker, and as many run on a"), "{told}");
    assert!(told.contains("the end of one of those that run, or another worker"), "{told}");

    let second = world.worker("b", &["--slots", "16"]);
    until(SOON, "another worker takes as many", async || world.count(HEAVY).await == 4).await;
    until(SOON, "both are named", async || why().contains("2 on each worker, and as many run on a, b")).await;
    let deploy = async |limit: &str, runs: i64| {
        world.write_workflows(&[&beside(limit)]);
        world.start("beside", input);
        until(SOON, limit, async || world.count(HEAVY).await == runs).await;
    };
    deploy("per_worker = 3", 6).await;
    deploy("per_worker = 4\nconcurrency = 7", 7).await;
    assert!(why().contains("waiting for the stage's limit: 7 of 7 attempts run, on a "), "{}", why());
    // Without a limit every slot is used.
    deploy("", 32).await;
    let changed = stdout(&world.command(["changes"]).output().unwrap());
    assert!(changed.contains("changed from 2 on each worker to 3 on each worker"), "{changed}");
    assert!(changed.contains("changed from 3 on each worker to 7 at once, 4 on each worker"), "{changed}");
    assert_eq!(world.unexplained().await, [""; 0]);
    [first, second].into_iter().for_each(Process::kill);
}

#[tokio::test]
async fn attempts_that_a_deploy_finds_running_count_for_the_limit_on_their_worker() {
    let world = World::with(&[&beside("")]).await;
    let input = r#"{"work_ms": 1500, "items": 1}"#;
    world.start("beside", input);
    start_many(&world, "beside", input, 4).await;
    let _worker = world.worker("a", &["--slots", "8"]);
    until(SOON, "five run", async || world.count(HEAVY).await == 5).await;
    world.write_workflows(&[&beside("per_worker = 1")]);
    let later = world.start("beside", input);
    assert_eq!(world.ended(&later).await, "done");
    all_are_done(&world).await;
    let sql = "select count(*) from piton.checkpoints k join piton.runs r on r.id = k.run_id
               where k.stage = 0 and r.id = (select max(id) from piton.runs)
                 and k.started_at < (select max(o.finished_at) from piton.checkpoints o where o.stage = 0 and o.run_id <> k.run_id)";
    assert_eq!(world.count(sql).await, 0, "it began beside the others");
    world.assert_nothing_is_left().await;
}

/// What a worker runs alone runs on its machine.
#[tokio::test]
async fn a_suspect_counts_for_the_limit_of_the_worker_that_runs_it_alone() {
    let world = World::with(&[&beside("per_worker = 1")]).await;
    let input = r#"{"work_ms": 800, "items": 1}"#;
    world.start("beside", input);
    start_many(&world, "beside", input, 7).await;
    let worker = world.worker("a", &["--slots", "8"]);
    until(SOON, "one runs and the others wait", async || {
        world.count(HEAVY).await == 1
            && world.count("select count(*) from piton.jobs where state = 'limited'").await == 7
    })
    .await;
    let suspected = "update piton.jobs set state = 'suspect', deaths = 1, until = item + 1
                     where state = 'limited' and run_id in (select id from piton.runs order by id desc limit 2)";
    assert_eq!(sqlx::query(suspected).execute(&world.pool).await.unwrap().rows_affected(), 2);
    all_are_done(&world).await;
    assert!(worker.log().contains("suspects run alone"), "{}", worker.log());
    let alone = "select count(*) from piton.checkpoints k join piton.workers w on w.id = k.worker_id
                 where k.stage = 0 and w.parent is not null";
    assert_eq!(world.count(alone).await, 2);
    assert_eq!(at_once_on_each(&world, 0).await, [each("a", 1)]);
    world.assert_nothing_is_left().await;
}

/// A worker whose limit is reached does not stop the others from getting what is left under the limit over all.
#[tokio::test]
async fn both_limits_hold_together_and_items_of_a_fan_out_count_one_by_one() {
    let workflow = "name = \"squares\"\n[stages.square]\nrust = \"square\"\nfor_each = \"input.items\"\nconcurrency = 5\nper_worker = 2\n";
    let world = World::with(&[workflow]).await;
    let _workers = ["a", "b", "c"].map(|name| world.worker(name, &["--slots", "8"]));
    all_serve(&world, 3).await;
    let items: Vec<u32> = (0..60).collect();
    let run = world.start("squares", &json!({"items": items, "work_ms": 100}).to_string());
    assert_eq!(world.ended(&run).await, "done");
    let most = at_once_on_each(&world, 0).await;
    assert_eq!(most, [each("a", 2), each("b", 2), each("c", 2)], "under the limit, and not below it");
    assert_eq!(at_once(&world, 0).await, 5);
    world.assert_nothing_is_left().await;
}
