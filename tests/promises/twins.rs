//! A name belongs to one process at a time, and a boot's number comes never again.

use std::time::Duration;

use crate::harness::{Process, SOON, World, until};
use crate::scrape::{address, text};
use crate::workflows::WORK;

/// A second process under the name of a worker, with a log of its own.
fn twin(world: &World, name: &str, arguments: &[&str]) -> Process {
    let folder = world.path("workflows");
    let mut all = vec!["worker", "--name", name, "--workflows", folder.to_str().unwrap()];
    all.extend(arguments);
    Process::spawn(world.command(all), world.path("twin.log"))
}

const ROWS: &str = "select count(*) from piton.workers";
const DONE: &str = "select count(*) from piton.runs where state = 'done'";

#[tokio::test]
async fn of_two_workers_of_one_name_the_newer_waits_and_every_stage_runs_once() {
    let world = World::with(&[WORK]).await;
    let mut first = world.worker("w1", &["--slots", "4"]);
    first.says("worker started").await;
    let mut second = twin(&world, "w1", &["--slots", "4"]);
    for _ in 0..8 {
        world.start("work", r#"{"work_ms": 1500}"#);
    }
    second.says(&format!("process {} on host", first.id())).await;
    until(SOON, "its metrics are there", async || second.log().contains("metrics are at http://")).await;
    until(SOON, "every run is done", async || {
        assert_eq!(world.count(ROWS).await, 1, "the second one registered beside the first");
        assert!(text(&address(&second)).contains("piton_ready 0"), "who waits for its name is not ready");
        world.count(DONE).await == 8
    })
    .await;
    assert_eq!(world.journal().len(), 8, "each stage ran once");
    assert_eq!(second.log().matches("another process works under the name").count(), 1, "{}", second.log());

    // A deploy that starts the new one first.
    let slow = world.start("work", r#"{"work_ms": 2000}"#);
    until(SOON, "it runs", async || world.journal().len() == 9).await;
    first.signal("TERM");
    assert_eq!(first.exit_code().await, Some(0));
    second.says("worker started").await;
    assert_eq!(world.state(&slow).await, "done");
    let last = world.start("work", "{}");
    assert_eq!(world.ended(&last).await, "done");
    assert_eq!(world.journal().len(), 10);
    assert_eq!(world.count("select count(*) from piton.attempts").await, 0);
    second.signal("TERM");
    assert_eq!(second.exit_code().await, Some(0));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_worker_that_waits_for_its_name_ends_when_it_is_told_to() {
    let world = World::with(&[WORK]).await;
    let mut first = world.worker("w1", &[]);
    first.says("worker started").await;
    let mut second = twin(&world, "w1", &[]);
    second.says("another process works under the name").await;
    second.signal("TERM");
    assert_eq!(second.exit_code().await, Some(0));
    assert!(first.is_running());
    assert_eq!(world.count(ROWS).await, 1);
}

#[tokio::test]
async fn a_thawed_worker_whose_name_was_taken_ends_with_the_other_s_host_and_pid() {
    let world = World::with(&[WORK]).await;
    let mut frozen = world.worker("w1", &["--lease", "2s"]);
    let run = world.start("work", r#"{"work_ms": 3000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    frozen.signal("STOP");
    let mut other = twin(&world, "w1", &["--lease", "2s"]);
    other.says("worker started").await;
    let lease_over = "select count(*) from piton.workers where stop_reason = 'superseded'
                      and stopped_at - last_seen >= lease and death is null";
    assert_eq!(world.count(lease_over).await, 1, "a frozen one lives, so its lease was waited for");
    until(SOON, "the other one runs it", async || world.journal().len() == 2).await;
    frozen.signal("CONT");
    assert_eq!(frozen.exit_code().await, Some(5));
    let said = frozen.log();
    assert!(said.contains(&format!("its name is taken: process {} on host ", other.id())), "{said}");
    assert_eq!(world.ended(&run).await, "done");
    assert!(other.is_running());
    assert_eq!(world.journal().len(), 2, "the thawed one started nothing more");
    assert_eq!(world.count("select count(*) from piton.workers where stopped_at is null").await, 1);
    world.assert_nothing_is_left().await;
}

/// As after a restore, or a failover that lost the last commits.
#[tokio::test]
async fn a_worker_that_the_database_no_longer_knows_drops_its_claims_and_registers_all_anew() {
    let world = World::with(&[WORK]).await;
    let mut worker = world.worker("w1", &[]);
    world.start("work", r#"{"work_ms": 600000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    let before: i64 = sqlx::query_scalar("select id from piton.workers").fetch_one(&world.pool).await.unwrap();
    sqlx::raw_sql(
        "begin;
         delete from piton.jobs; delete from piton.runs; delete from piton.workers;
         update piton.workflows set current_version_id = null; delete from piton.workflow_versions;
         alter sequence piton.workers_id_seq restart;
         commit",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    worker.says("no longer knows this boot").await;
    worker.says("no longer held").await;
    until(SOON, "it is there as a new boot", async || world.count(ROWS).await == 1).await;
    let after: i64 = sqlx::query_scalar("select id from piton.workers").fetch_one(&world.pool).await.unwrap();
    assert!(before != after && before > i64::from(i32::MAX) && after > i64::from(i32::MAX), "{before} {after}");
    // Somebody else's program: only what the worker registered can be started.
    let run: String =
        sqlx::query_scalar("select piton.start_run('work', '{}')::text").fetch_one(&world.pool).await.unwrap();
    assert_eq!(world.ended(&run).await, "done");
    assert!(worker.is_running());
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0), "nothing of what was dropped holds it up");
}

/// The others have ended it, though it was there all the time.
#[tokio::test]
async fn a_worker_that_was_given_up_stops_its_attempts_at_once() {
    let world = World::with(&[WORK]).await;
    let worker = world.worker("w1", &["--lease", "1h"]);
    world.start("work", r#"{"work_ms": 600000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    let given_up = std::time::Instant::now();
    sqlx::query("update piton.workers set stopped_at = now(), stop_reason = 'lost'")
        .execute(&world.pool)
        .await
        .unwrap();
    let stopped =
        async || ["its job is handed back", "no longer held"].iter().any(|words| worker.log().contains(words));
    until(SOON, "its attempt stops", stopped).await;
    // A touch of what it claims would be due within a fifth of the lease.
    assert!(given_up.elapsed() < Duration::from_secs(30), "it took {:?}", given_up.elapsed());
    worker.says("under a new boot id").await;
    until(SOON, "the new boot runs it", async || world.journal().len() == 2).await;
}
