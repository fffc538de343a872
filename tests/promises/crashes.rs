//! Workers that die, freeze and come back.

use std::collections::HashMap;

use crate::harness::{SOON, World, stdout, until};
use crate::workflows::{CHAIN, SQUARES, WORK};

#[tokio::test]
async fn a_killed_worker_loses_no_finished_stage() {
    let world = World::with(&[SQUARES]).await;
    let run = world.start("squares", r#"{"items": 200, "work_ms": 20}"#);
    let victim = world.worker("w1", &["--slots", "4"]);
    until(SOON, "some items are done", async || world.count("select count(*) from piton.checkpoints").await > 20).await;
    victim.kill();
    let before = checkpoints(&world).await;
    let _heir = world.worker("w2", &["--slots", "4"]);
    assert_eq!(world.ended(&run).await, "done");
    let after = checkpoints(&world).await;
    assert_eq!(after.len(), 203);
    for (key, value) in &before {
        assert_eq!(after.get(key), Some(value), "the checkpoint of {key:?} was written again");
    }
    let mut ran: HashMap<String, usize> = HashMap::new();
    for line in world.journal() {
        let job: Vec<&str> = line.split(' ').take(2).collect();
        *ran.entry(job.join(" ")).or_default() += 1;
    }
    let lost = world.count("select count(*) from piton.attempts where outcome = 'lost' and class = 'crashed'").await;
    let twice = ran.values().filter(|times| **times > 1).count() as i64;
    assert!(ran.values().all(|times| *times <= 2) && twice <= lost && lost <= 4, "{twice} ran twice, {lost} were lost");
    world.assert_nothing_is_left().await;
}

async fn checkpoints(world: &World) -> HashMap<(i16, i32), (i32, i64)> {
    let rows: Vec<(i16, i32, i32, i64)> =
        sqlx::query_as("select stage, item, attempt, worker_id from piton.checkpoints")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    rows.into_iter().map(|(stage, item, attempt, worker)| ((stage, item), (attempt, worker))).collect()
}

#[tokio::test]
async fn a_dead_worker_s_jobs_are_claimed_by_the_others_within_seconds() {
    let world = World::with(&[WORK]).await;
    let victim = world.worker("w1", &[]);
    let run = world.start("work", r#"{"work_ms": 60000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    let heir = world.worker("w2", &[]);
    heir.says("worker started").await;
    victim.kill();
    let killed = std::time::Instant::now();
    until(SOON, "the other one claims it", async || world.journal().len() == 2).await;
    // Two seconds are promised; the lease, which must not be waited for, is fifteen.
    assert!(killed.elapsed().as_secs() < 12, "it took {:?}", killed.elapsed());
    assert_eq!(world.state(&run).await, "running");
}

#[tokio::test]
async fn a_worker_that_restarts_under_its_name_takes_its_jobs_back_at_once() {
    let world = World::with(&[WORK]).await;
    let victim = world.worker("w1", &["--lease", "1h"]);
    let run = world.start("work", r#"{"work_ms": 1000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    // With such leases only its death on this machine, and the name, tell.
    victim.kill();
    let _again = world.worker("w1", &["--lease", "1h"]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.journal().len(), 2);
    let reason = world.count("select count(*) from piton.workers where stop_reason = 'superseded'").await;
    assert_eq!(reason, 1);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_frozen_worker_is_given_up_by_its_lease_and_its_late_commit_changes_nothing() {
    let world = World::with(&[CHAIN]).await;
    let mut frozen = world.worker("w1", &["--lease", "2s"]);
    let run = world.start("chain", r#"{"work_ms": 300}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    frozen.signal("STOP");
    let other = world.worker("w2", &["--lease", "2s"]);
    assert_eq!(world.ended(&run).await, "done");
    let winners = checkpoints(&world).await;
    frozen.signal("CONT");
    frozen.says("no longer held").await;
    frozen.says("under a new boot id").await;
    assert_eq!(checkpoints(&world).await, winners, "the late commit changed a checkpoint");
    other.kill();
    let run = world.start("chain", "{}");
    assert_eq!(world.ended(&run).await, "done", "the worker that was given up goes on working");
    assert!(frozen.is_running());
    world.assert_nothing_is_left().await;
}

/// Its session is gone, as after a death, and it cannot take the lock again: but on this machine everyone sees that it lives.
#[tokio::test]
async fn who_lost_its_session_and_lives_is_given_up_by_the_lease_alone_and_its_jobs_are_no_suspects() {
    let world = World::with(&[WORK]).await;
    let frozen = world.worker("w1", &["--lease", "3s"]);
    let run = world.start("work", r#"{"work_ms": 300}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    frozen.signal("STOP");
    world.cut_sessions().await;
    let _other = world.worker("w2", &["--lease", "3s"]);
    assert_eq!(world.ended(&run).await, "done");
    let cause: String = sqlx::query_scalar("select cause from piton.recoveries").fetch_one(&world.pool).await.unwrap();
    assert_eq!(cause, "its worker's heartbeat stopped, while its process lived");
    let by = "select count(*) from piton.checkpoints k join piton.workers w on w.id = k.worker_id where w.name = 'w2'";
    assert_eq!(world.count(by).await, 1, "it did not have to run alone");
    frozen.signal("CONT");
    frozen.says("under a new boot id").await;
}

#[tokio::test]
async fn run_resume_goes_on_where_a_killed_run_stopped() {
    let world = World::with(&[CHAIN]).await;
    let folder = world.path("workflows");
    let arguments = ["run", "chain", "--set", "work_ms=400", "--workflows", folder.to_str().unwrap()];
    let first = crate::harness::Process::spawn(world.command(arguments), world.path("run.log"));
    until(SOON, "a stage is done", async || world.count("select count(*) from piton.checkpoints").await >= 1).await;
    first.kill();
    let run: String = sqlx::query_scalar("select uuid::text from piton.runs").fetch_one(&world.pool).await.unwrap();
    let before = checkpoints(&world).await;
    let resumed = world.command(["run", "--resume", &run, "--workflows", folder.to_str().unwrap()]).output().unwrap();
    let said = crate::harness::stdout(&resumed);
    assert!(said.starts_with("third: "), "{said}");
    let after = checkpoints(&world).await;
    assert!(before.iter().all(|(key, value)| after.get(key) == Some(value)), "{before:?} {after:?}");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn recovery_can_be_asked_for_and_asked_what_it_would_do() {
    let world = World::with(&[WORK]).await;
    let victim = world.worker("w1", &[]);
    world.start("work", r#"{"work_ms": 60000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    let recover = |arguments: &[&str]| -> serde_json::Value {
        let all = ["recover", "--json"].iter().chain(arguments);
        serde_json::from_str(&stdout(&world.command(all).output().unwrap())).unwrap()
    };
    let none = serde_json::json!({"resumed": 0, "restarted": 0, "dead_lettered": 0});
    assert_eq!(recover(&[]), serde_json::json!({"gone": [], "freed": 0, "actions": none}));
    victim.kill();
    let told = async || recover(&["--dry-run"])["gone"][0]["jobs"] == 1;
    until(SOON, "its death is told", told).await;
    assert_eq!(world.count("select count(*) from piton.jobs where state = 'running'").await, 1, "nothing was changed");
    let did = recover(&[]);
    assert_eq!((&did["freed"], &did["actions"]["restarted"]), (&1.into(), &1.into()), "{did}");
    assert_eq!(world.count("select count(*) from piton.recoveries where recovered_by is null").await, 1);
    assert_eq!(world.count("select count(*) from piton.jobs where state = 'suspect'").await, 1);
    assert_eq!(recover(&[])["gone"], serde_json::json!([]));
}
