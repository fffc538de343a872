//! A job that kills its process is convicted after a few deaths, and those that happened to run beside it never are.

use serde_json::json;

use crate::harness::{SOON, World, stdout, until};
use crate::workflows::{MISBEHAVE, WORK};

/// 200 jobs that do no harm, and one that aborts its process every time, in one run.
const POISONED: &str = r#"
name = "poisoned"
[stages.innocent]
rust = "square"
for_each = "input.items"
[stages.poison]
rust = "misbehave"
"#;

fn poisoned(times: u32, work_ms: u32) -> String {
    let items: Vec<u32> = (0..200).collect();
    json!({"items": items, "work_ms": work_ms, "how": "abort", "times": times}).to_string()
}

#[tokio::test]
async fn a_job_that_kills_every_process_is_convicted_and_no_other_spends_a_retry() {
    let world = World::with(&[POISONED]).await;
    let run = world.start("poisoned", &poisoned(99, 100));
    let mut deaths = 0;
    let mut worker = world.worker("w1", &["--slots", "50"]);
    // As a supervisor would.
    until(SOON, "it is convicted and the others are done", async || {
        if !worker.is_running() {
            deaths += 1;
            worker = world.worker("w1", &["--slots", "50"]);
        }
        world.state(&run).await == "blocked" && world.count("select count(*) from piton.jobs").await == 0
    })
    .await;
    assert_eq!(deaths, 1, "only the first death was the worker's own");
    assert_eq!(world.count("select count(*) from piton.checkpoints where item >= 0").await, 200);
    assert_eq!(world.count("select count(*) from piton.attempts where outcome = 'failed'").await, 0);
    let poison = "select count(*) from piton.attempts where stage = 1 and outcome = 'lost'";
    assert_eq!(world.count(poison).await, 4, "it killed four processes");
    assert_the_cause_is_told(&world).await;
    // Tried again, it is still run alone.
    stdout(&world.command(["dead-letter", "retry", "--all"]).output().unwrap());
    until(SOON, "it is convicted again", async || world.count("select count(*) from piton.dead_letters").await == 2)
        .await;
    assert!(worker.is_running(), "it killed only its own processes");
    world.assert_nothing_is_left().await;
}

/// Who ran it alone saw how it ended.
async fn assert_the_cause_is_told(world: &World) {
    let causes: Vec<String> =
        sqlx::query_scalar("select cause from piton.recoveries where stage = 'poison' order by attempt")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(causes[0], "a new boot took the worker's name", "nobody saw the first one end");
    assert_eq!(causes[1..], ["its worker's process ended: killed by SIGABRT"; 3]);
    let (stage, class, message): (String, String, String) =
        sqlx::query_as("select stage, class, message from piton.dead_letters_overview")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!((stage.as_str(), class.as_str()), ("poison", "crashed"));
    assert!(message.ends_with("killed by SIGABRT"), "{message}");
    let exits = "select count(*) from piton.workers w join piton.workers parent on parent.id = w.ended_by
                 where w.exit = 'killed by SIGABRT' and w.stop_reason = 'lost' and parent.name = 'w1'";
    assert_eq!(world.count(exits).await, 3);
    let convicted = "select count(*) from piton.recoveries where action = 'dead_lettered'";
    assert_eq!(world.count(convicted).await, 1);
}

#[tokio::test]
async fn a_suspect_that_ends_otherwise_is_cleared_and_its_run_goes_on_as_any_other() {
    let chain = "name = 'chain'\n[stages.first]\nrust = 'misbehave'\n[stages.second]\nrust = 'work'\nneeds = ['first']";
    let world = World::with(&[chain]).await;
    let run = world.start("chain", &json!({"how": "abort", "times": 2}).to_string());
    let mut worker = world.worker("w1", &[]);
    assert_eq!(worker.exit_code().await, None, "it dies by a signal");
    let worker = world.worker("w1", &[]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.count("select count(*) from piton.attempts where outcome = 'lost'").await, 2);
    let by: Vec<String> = sqlx::query_scalar(
        "select w.name from piton.checkpoints k join piton.workers w on w.id = k.worker_id order by k.stage",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert!(by[0].starts_with("w1/alone-") && by[1] == "w1", "{by:?}");
    let gone = async || world.count("select count(*) from piton.workers where stopped_at is null").await == 1;
    until(SOON, "the runner ends when there is nothing left for it", gone).await;
    drop(worker);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn ordinary_work_goes_on_beside_a_suspect() {
    let world = World::with(&[WORK, MISBEHAVE]).await;
    let victim = world.worker("w1", &["--slots", "2"]);
    let suspect = world.start("work", r#"{"work_ms": 3000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    victim.kill();
    let _heir = world.worker("w2", &["--slots", "2"]);
    until(SOON, "it runs alone", async || world.journal().len() == 2).await;
    let other = world.start("work", "{}");
    assert_eq!(world.ended(&other).await, "done");
    assert_eq!(world.state(&suspect).await, "running", "the other one did not wait for it");
    assert_eq!(world.ended(&suspect).await, "done");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_runner_drains_with_its_worker_and_ends_when_its_worker_is_killed() {
    let world = World::with(&[WORK]).await;
    let victim = world.worker("w1", &[]);
    world.start("work", r#"{"work_ms": 600000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    victim.kill();
    let mut worker = world.worker("w2", &[]);
    until(SOON, "it runs alone", async || world.journal().len() == 2).await;
    worker.signal("TERM");
    worker.says("shutting down").await;
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0));
    let suspects = "select count(*) from piton.jobs where state = 'suspect' and deaths = 1";
    assert_eq!(world.count(suspects).await, 1, "handed back, it still waits to run alone");
    assert_eq!(world.count("select count(*) from piton.workers where stopped_at is null").await, 0);

    let worker = world.worker("w3", &[]);
    until(SOON, "it runs alone again", async || world.journal().len() == 3).await;
    worker.kill();
    until(SOON, "the runner has handed it back", async || world.count(suspects).await == 1).await;
}

#[tokio::test]
async fn a_suspect_uses_a_slot_of_its_worker() {
    let world = World::with(&[WORK]).await;
    let victim = world.worker("w1", &[]);
    let suspect = world.start("work", r#"{"work_ms": 2000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    victim.kill();
    let _heir = world.worker("w2", &["--slots", "1"]);
    until(SOON, "it runs alone", async || world.journal().len() == 2).await;
    let other = world.start("work", "{}");
    assert_eq!(world.ended(&other).await, "done");
    assert_eq!(world.state(&suspect).await, "done", "the only slot was the suspect's until its end");
    world.assert_nothing_is_left().await;
}

/// The process that runs a suspect alone: one of ours, started by a worker of ours.
async fn runner_of(world: &World) -> i32 {
    let sql = "select pid from piton.workers where parent is not null and stopped_at is null";
    let mut pid = None;
    until(SOON, "a process runs it alone", async || {
        pid = sqlx::query_scalar(sql).fetch_optional(&world.pool).await.unwrap();
        pid.is_some()
    })
    .await;
    pid.unwrap()
}

/// As a control group, or a machine, that goes with everything in it.
async fn kill_together(world: &World, worker: crate::harness::Process) {
    let runner = runner_of(world).await;
    // So that it cannot tell how the other one ended.
    worker.signal("STOP");
    let killed = std::process::Command::new("kill").args(["-KILL", &runner.to_string()]).status().unwrap();
    assert!(killed.success());
    worker.kill();
}

#[tokio::test]
async fn a_suspect_whose_process_dies_together_with_its_worker_is_not_convicted_of_it() {
    let world = World::with(&[WORK]).await;
    let victim = world.worker("w0", &[]);
    let run = world.start("work", r#"{"work_ms": 4000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    victim.kill();
    for death in 1..=5 {
        let worker = world.worker(&format!("w{death}"), &[]);
        until(SOON, "it runs alone", async || world.journal().len() == death + 1).await;
        kill_together(&world, worker).await;
    }
    let _last = world.worker("w6", &[]);
    until(SOON, "it runs alone again", async || world.journal().len() == 7).await;
    let counted = "select count(*) from piton.jobs where deaths = 1 and group_deaths = 5";
    assert_eq!(world.count(counted).await, 1, "the deaths are counted, and apart");
    let told = "select count(*) from piton.workers where death = 'group' and parent is not null";
    assert_eq!(world.count(told).await, 5);
    assert_eq!(world.ended(&run).await, "done");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_suspect_that_takes_its_worker_along_for_the_twentieth_time_is_convicted() {
    let world = World::with(&[WORK]).await;
    let victim = world.worker("w0", &[]);
    let run = world.start("work", r#"{"work_ms": 600000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    victim.kill();
    let worker = world.worker("w1", &[]);
    until(SOON, "it runs alone", async || world.journal().len() == 2).await;
    sqlx::query("update piton.jobs set group_deaths = 19").execute(&world.pool).await.unwrap();
    kill_together(&world, worker).await;
    let _last = world.worker("w2", &[]);
    assert_eq!(world.ended(&run).await, "blocked");
    let message: String =
        sqlx::query_scalar("select message from piton.dead_letters").fetch_one(&world.pool).await.unwrap();
    assert!(message.ends_with("the worker that started it died together, 20 times"), "{message}");
}

#[tokio::test]
async fn processes_that_cannot_start_are_started_ever_less_often() {
    let world = World::with(&[WORK]).await;
    let victim = world.worker("w1", &["--slots", "8"]);
    let runs: Vec<String> = (0..8).map(|_| world.start("work", r#"{"work_ms": 2000}"#)).collect();
    until(SOON, "they run", async || world.journal().len() == 8).await;
    let worker = world.worker("w2", &[]);
    worker.says("worker started").await;
    // They read the same files as the worker, which are broken now.
    let broken = world.path("workflows/broken.toml");
    std::fs::write(&broken, "name = ").unwrap();
    victim.kill();
    let tried = || worker.log().matches("suspects run alone in a process of their own").count();
    until(SOON, "it was tried again and again", async || worker.log().contains("the next one is tried in 8 s")).await;
    // Eight at first, and then one after 1, 2 and 4 seconds.
    assert!((4..=11).contains(&tried()), "{} starts", tried());
    std::fs::remove_file(&broken).unwrap();
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_process_that_runs_a_suspect_uses_two_connections() {
    let world = World::with(&[WORK]).await;
    let victim = world.worker("w1", &["--slots", "8"]);
    let runs: Vec<String> = (0..8).map(|_| world.start("work", r#"{"work_ms": 4000}"#)).collect();
    until(SOON, "they run", async || world.journal().len() == 8).await;
    victim.kill();
    let _heir = world.worker("w2", &[]);
    let mut most = 0;
    let open =
        "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'piton'";
    until(SOON, "all of them have run alone", async || {
        most = most.max(world.count(open).await);
        world.count("select count(*) from piton.runs where state = 'done'").await == 8
    })
    .await;
    let runners = world.count("select count(*) from piton.workers where parent is not null").await;
    assert!(runners >= 8 && most <= 8 + 2 * runners, "{most} connections, {runners} processes for suspects");
    assert!(most <= 8 + 2 * 8, "{most} connections");
    drop(runs);
    world.assert_nothing_is_left().await;
}
