//! What must not begin is in nobody's way, however much of it there is: it is set aside, and nothing of it is lost.

use crate::harness::{Process, SOON, World, stdout, until};
use crate::why::assert_all_is_explained;

/// Two stages that begin at once: one that is paused in tests, or that only some workers can run, and another one.
fn two(first: &str) -> String {
    format!("name = \"two\"\n[stages.held]\n{first}\n[stages.free]\nrust = \"work\"\n")
}

const NEEDS_A_KEY: &str = "command = [\"sh\", \"-c\", \"echo 1\"]\nenv = { KEY = \"${ASIDE_KEY}\" }";

const HELD: &str = "select count(*) from piton.jobs where stage = 0 and state = 'limited'";
const LIVE_HELD: &str = "select count(*) from piton.jobs where stage = 0";
const DONE_HELD: &str = "select count(*) from piton.checkpoints where stage = 0";
const DONE_FREE: &str = "select count(*) from piton.checkpoints where stage = 1";

/// So many that a worker cannot run may stand before those that it can: to walk over them costs nothing.
const FEW: i64 = 64;

async fn start_many(world: &World, runs: i32) {
    let sql = "select count(*) from piton.start_runs('two', array_fill('{}'::json, array[$1]))";
    sqlx::query(sql).bind(runs).execute(&world.pool).await.unwrap();
}

async fn execute(world: &World, sql: &'static str) {
    sqlx::query(sql).execute(&world.pool).await.unwrap();
}

/// A worker that has what the first stage needs.
fn with_the_key(world: &World, name: &str) -> Process {
    let folder = world.path("workflows");
    let mut command = world.command(["worker", "--name", name, "--workflows", folder.to_str().unwrap()]);
    command.env("ASIDE_KEY", "secret");
    Process::spawn(command, world.path(&format!("{name}.log")))
}

#[tokio::test]
async fn what_a_pause_holds_is_set_aside_and_goes_on_to_the_last_job_though_workers_die() {
    let world = World::with(&[&two("rust = \"work\"")]).await;
    world.start("two", "{}");
    execute(&world, "select piton.pause('costs', 'two', 'held')").await;
    start_many(&world, 1499).await;
    let dies = world.worker("w1", &["--slots", "8", "--lease", "3s"]);
    until(SOON, "some are set aside", async || world.count(HELD).await > 20).await;
    dies.kill();
    let dies = world.worker("w2", &["--slots", "8", "--lease", "3s"]);
    until(SOON * 2, "the others are through", async || world.count(DONE_FREE).await == 1500).await;
    until(SOON, "all of them are set aside", async || world.count(HELD).await == 1500).await;
    assert_eq!(world.count(DONE_HELD).await, 0);
    assert_all_is_explained(&world).await;
    assert_eq!(world.unexplained().await, [""; 0]);
    let why = stdout(&world.command(["why"]).output().unwrap());
    assert!(why.contains("the stage is paused by"), "{why}");
    let depth = "select jobs from piton.queue_depth where stage = 'held' and state = 'limited'";
    assert_eq!(world.count(depth).await, 1500);

    let one: String = sqlx::query_scalar("select uuid::text from piton.runs order by id desc limit 1")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    let shown = stdout(&world.command(["show", &one]).output().unwrap());
    assert!(!shown.contains("limit"), "nothing limits it: {shown}");
    stdout(&world.command(["cancel", &one, "--reason", "not wanted"]).output().unwrap());
    assert_eq!(world.count(LIVE_HELD).await, 1499);
    execute(&world, "select piton.resume('two', 'held')").await;
    until(SOON, "they go on", async || world.count(DONE_HELD).await > 100).await;
    dies.kill();
    let _worker = world.worker("w3", &["--slots", "8", "--lease", "3s"]);
    until(SOON * 2, "all are done", async || world.count(DONE_HELD).await == 1499).await;
    world.assert_nothing_is_left().await;
    // What comes later goes the ordinary way again.
    assert_eq!(world.count("select count(*) from piton.limited_stages").await, 0);
}

#[tokio::test]
async fn what_this_worker_cannot_run_is_set_aside_for_one_that_can() {
    let world = World::with(&[&two(NEEDS_A_KEY)]).await;
    world.start("two", "{}");
    start_many(&world, 149).await;
    let worker = world.worker("w1", &["--slots", "8"]);
    until(SOON, "the others are through", async || world.count(DONE_FREE).await == 150).await;
    until(SOON, "few are left in its way", async || world.count(HELD).await >= 150 - FEW).await;
    assert_all_is_explained(&world).await;
    assert_eq!(world.unexplained().await, [""; 0]);
    let why = stdout(&world.command(["why"]).output().unwrap());
    assert!(why.contains("no live worker has what it needs"), "{why}");
    let waits = "select count(*) from piton.state(0)
                 where metric = 'piton_oldest_ready_age_seconds' and label_1 = 'two' and value > 1";
    assert_eq!(world.count(waits).await, 1, "it is still told that they wait");
    let other = with_the_key(&world, "w2");
    until(SOON * 2, "all are done", async || world.count(DONE_HELD).await == 150).await;
    world.assert_nothing_is_left().await;
    let by_others = "select count(*) from piton.checkpoints k join piton.workers w on w.id = k.worker_id
                     where k.stage = 0 and w.name <> 'w2'";
    assert_eq!(world.count(by_others).await, 0);
    // A worker that has it beside one that has not is not slowed down: what it can claim at once is not set aside.
    start_many(&world, 10).await;
    until(SOON, "all are done", async || world.count(DONE_HELD).await == 160).await;
    drop((worker, other));
}

/// The same worker, started anew with what it lacked.
#[tokio::test]
async fn a_worker_that_gets_what_it_lacked_does_what_it_had_set_aside() {
    let world = World::with(&[&two(NEEDS_A_KEY)]).await;
    world.start("two", "{}");
    start_many(&world, 99).await;
    let worker = world.worker("w1", &["--slots", "8"]);
    until(SOON, "few are left in its way", async || world.count(HELD).await >= 100 - FEW).await;
    worker.kill();
    let _worker = with_the_key(&world, "w1");
    until(SOON, "all are done", async || world.count(DONE_HELD).await == 100).await;
    world.assert_nothing_is_left().await;
}

/// What was paused has waited for long, and is of a lower priority than what has just come in.
#[tokio::test]
async fn what_goes_on_after_a_pause_is_in_the_way_of_no_higher_priority() {
    let world = World::with(&[&two("rust = \"work\"")]).await;
    world.start("two", "{}");
    execute(&world, "select piton.pause('costs', 'two', 'held')").await;
    let low = "select count(*) from piton.start_runs('two', array_fill('{\"work_ms\": 50}'::json, array[299]), priority => -10)";
    execute(&world, low).await;
    let _worker = world.worker("w1", &["--slots", "4"]);
    until(SOON, "the others are through", async || world.count(DONE_FREE).await == 300).await;
    until(SOON, "all of them are set aside", async || world.count(HELD).await == 300).await;
    let high = "select piton.resume('two', 'held'),
                       (select count(*) from piton.start_runs('two', array_fill('{\"work_ms\": 50}'::json, array[80]), priority => 10))";
    execute(&world, high).await;
    until(SOON, "all are done", async || world.count(DONE_HELD).await == 380).await;
    let before = "select count(*) from piton.checkpoints k join piton.runs r on r.id = k.run_id
                  where r.priority < 0 and k.stage = 0 and k.started_at < (
                      select max(h.started_at) from piton.checkpoints h join piton.runs o on o.id = h.run_id where o.priority > 0)";
    let before = world.count(before).await;
    // Half of the slots would be 160; until the worker has looked, it does not know who waits.
    assert!(before < 60, "{before} of a lower priority began before the last of the higher one");
    world.assert_nothing_is_left().await;
}
