//! People cancel runs, pause queues, and start runs once, later, or with a deadline.

use std::time::Duration;

use sqlx::Executor;

use crate::harness::{SOON, World, stdout, until};
use crate::workflows::{CHAIN, MISBEHAVE, SQUARES, WORK};

const RUNNING: &str = "select count(*) from piton.jobs where state = 'running'";

fn says(world: &World, arguments: &[&str]) -> String {
    stdout(&world.command(arguments).output().unwrap())
}

fn refused(world: &World, arguments: &[&str]) -> String {
    let output = world.command(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn a_cancelled_run_stops_what_runs_of_it_and_keeps_what_is_finished() {
    let world = World::with(&[SQUARES, WORK]).await;
    let worker = world.worker("w1", &["--slots", "4"]);
    let run = world.start("squares", r#"{"items": 40, "work_ms": 60000}"#);
    until(SOON, "its items run", async || world.count(RUNNING).await == 4).await;
    let said = says(&world, &["cancel", &run, "--reason", "nobody needs it", "--by", "anna"]);
    assert!(said.contains("is cancelled"), "{said}");
    assert_eq!(world.state(&run).await, "cancelled");
    // The slots are free for others at once, not in a minute.
    let other = world.start("work", r#"{"work_ms": 0}"#);
    assert_eq!(world.ended(&other).await, "done");
    worker.says("attempt_cancelled").await;
    world.assert_nothing_is_left().await;
    let kept =
        "select count(*) from piton.checkpoints k join piton.runs r on r.id = k.run_id where r.state = 'cancelled'";
    assert_eq!(world.count(kept).await, 2, "its first stage and the split are kept");
    let shown = says(&world, &["show", &run]);
    assert!(shown.contains("is cancelled") && shown.contains("cancelled by anna") && shown.contains("nobody needs it"));
    let again = refused(&world, &["cancel", &run, "--reason", "again"]);
    assert!(again.contains("is cancelled already"), "{again}");
    let unknown = refused(&world, &["cancel", "01890000-0000-7000-8000-000000000000", "--reason", "x"]);
    assert!(unknown.contains("there is no run"), "{unknown}");
    assert!(refused(&world, &["cancel", &run, "--reason", " "]).contains("for a reason"));
}

#[tokio::test]
async fn a_blocked_run_is_cancelled_with_its_dead_letters() {
    let world = World::with(&[MISBEHAVE]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("misbehave", r#"{"how": "fail", "times": 9, "class": "invalid_input"}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    let letter = world.dead_letter().await;
    says(&world, &["cancel", &run, "--reason", "it is old"]);
    let retried = refused(&world, &["dead-letter", "retry", &letter]);
    assert!(retried.contains("dismissed"), "{retried}");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn nothing_of_a_paused_workflow_begins_and_what_runs_goes_on_to_its_end() {
    let world = World::with(&[CHAIN, WORK]).await;
    let _worker = world.worker("w1", &["--slots", "4"]);
    let run = world.start("chain", r#"{"work_ms": 1500}"#);
    until(SOON, "its first stage runs", async || world.count(RUNNING).await == 1).await;
    says(&world, &["pause", "chain", "--reason", "provider down", "--by", "anna"]);
    let waits = world.start("chain", "{}");
    until(SOON, "the first stage is done", async || world.count("select count(*) from piton.checkpoints").await == 1)
        .await;
    // Others are not held up, and show that the worker is not idle for another reason.
    for _ in 0..3 {
        let other = world.start("work", r#"{"work_ms": 300}"#);
        assert_eq!(world.ended(&other).await, "done");
    }
    let begun: Vec<String> = world.journal().into_iter().filter(|line| line.contains("chain")).collect();
    assert!(begun.len() <= 1, "the next stage began: {begun:?}");
    assert_eq!(world.count(RUNNING).await, 0);
    let listed = says(&world, &["pauses"]);
    assert!(listed.contains("chain: paused by anna") && listed.contains("provider down"), "{listed}");
    says(&world, &["resume", "chain"]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.ended(&waits).await, "done");
    assert!(refused(&world, &["resume", "chain"]).contains("is not paused"));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_stage_or_everything_is_paused_alone_also_in_versions_that_come_later() {
    let world = World::with(&[CHAIN]).await;
    let worker = world.worker("w1", &[]);
    worker.says("worker started").await;
    says(&world, &["pause", "chain", "--stage", "second", "--reason", "it costs too much"]);
    let run = world.start("chain", "{}");
    let waits = "select count(*) from piton.jobs where state in ('ready', 'limited') and stage = 1";
    until(SOON, "it waits before its second stage", async || world.count(waits).await == 1).await;
    let changed = CHAIN.replace("[stages.third]", "[stages.fourth]\nrust = \"work\"\n[stages.third]");
    world.write_workflows(&[&changed]);
    let newer = world.start("chain", "{}");
    let _w2 = world.worker("w2", &[]);
    until(SOON, "the newer one waits as well", async || world.count(waits).await == 2).await;
    says(&world, &["pause", "--everything", "--reason", "move"]);
    says(&world, &["resume", "chain", "--stage", "second"]);
    // A worker looks about once a second.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.count(waits).await, 2, "everything is paused");
    says(&world, &["resume", "--everything"]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.ended(&newer).await, "done");
    assert!(refused(&world, &["pause", "chain", "--stage", "nine", "--reason", "x"]).contains("has no stage \"nine\""));
    assert!(refused(&world, &["pause", "nine", "--reason", "x"]).contains("there is no workflow \"nine\""));
}

#[tokio::test]
async fn a_key_starts_one_run_however_many_ask_at_once() {
    let world = World::with(&[WORK]).await;
    let first = world.start("work", "{}");
    let folder = world.path("workflows");
    let start = ["start", "work", "--key", "order 7", "--workflows", folder.to_str().unwrap()];
    let asked: Vec<_> =
        (0..6).map(|_| world.command(start).stdout(std::process::Stdio::piped()).spawn().unwrap()).collect();
    let ids: Vec<String> = asked.into_iter().map(|child| stdout(&child.wait_with_output().unwrap())).collect();
    let in_sql: String = sqlx::query_scalar("select piton.start_run('work', '{\"other\": 1}', 'order 7')::text")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert!(ids.iter().all(|id| id.trim() == in_sql), "{ids:?} {in_sql}");
    assert_ne!(first, in_sql);
    assert_eq!(world.count("select count(*) from piton.runs").await, 2);
    // What was rolled back was never started.
    let mut transaction = world.pool.begin().await.unwrap();
    transaction.execute("select piton.start_run('work', key => 'order 8')").await.unwrap();
    transaction.rollback().await.unwrap();
    sqlx::query("select piton.start_run('work', key => 'order 8')").execute(&world.pool).await.unwrap();
    assert_eq!(world.count("select count(*) from piton.runs").await, 3);
}

#[tokio::test]
async fn a_run_starts_at_its_time_and_is_cancelled_at_its_deadline() {
    let world = World::with(&[WORK]).await;
    let _worker = world.worker("w1", &[]);
    let folder = world.path("workflows");
    let start = |more: &[&str]| {
        let all = [&["start", "work", "--workflows", folder.to_str().unwrap()], more].concat();
        says(&world, &all).trim().to_owned()
    };
    let later = start(&["--at", "3s"]);
    let overdue = start(&["--deadline", "2s", "--set", "work_ms=60000"]);
    let in_time = start(&["--deadline", "1h"]);
    assert_eq!(world.ended(&in_time).await, "done");
    assert_eq!(world.state(&later).await, "running");
    assert_eq!(world.ended(&later).await, "done");
    let waited = "select count(*) from piton.runs r join piton.checkpoints k on k.run_id = r.id
                  where k.started_at >= r.started_at + interval '1.5 seconds'";
    assert_eq!(world.count(waited).await, 1, "it began at its time");
    assert_eq!(world.ended(&overdue).await, "cancelled");
    let shown = says(&world, &["show", &overdue]);
    assert!(shown.contains("cancelled by piton") && shown.contains("its deadline passed"), "{shown}");
    let past = sqlx::query("select piton.start_run('work', deadline => now() - interval '1 second')");
    assert!(past.execute(&world.pool).await.unwrap_err().to_string().contains("deadline has passed"));
    world.assert_nothing_is_left().await;
}
