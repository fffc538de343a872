//! Whether workers live is judged in one place, by what was heard of them, and every face says the same.

use serde_json::Value;

use crate::harness::{Process, SOON, World, stdout, until};
use crate::workflows::{CHAIN, WORK};

/// Is not begun before somebody ends it.
const LONG: &str = r#"{"work_ms": 600000}"#;

fn says(world: &World, arguments: &[&str]) -> String {
    stdout(&world.command(arguments).output().unwrap())
}

fn workers(world: &World, arguments: &[&str]) -> Vec<Value> {
    let all: Vec<&str> = ["workers", "--json"].iter().chain(arguments).copied().collect();
    serde_json::from_str(&says(world, &all)).unwrap()
}

fn of<'w>(workers: &'w [Value], name: &str) -> &'w Value {
    workers.iter().find(|worker| worker["worker"] == name).unwrap_or_else(|| panic!("{name}: {workers:?}"))
}

async fn runs_it(world: &World) {
    let running = "select count(*) from piton.jobs where state = 'running'";
    until(SOON, "it runs", async || world.count(running).await == 1).await;
}

/// The last worker is killed: nobody is left who could put it on record.
#[tokio::test]
async fn a_dead_fleet_is_called_silent_and_it_is_said_that_nobody_takes_over() {
    let world = World::with(&[WORK]).await;
    let run = world.start("work", LONG);
    let worker: Process = world.worker("w1", &["--lease", "2s"]);
    runs_it(&world).await;
    for face in [says(&world, &["why"]), says(&world, &["why", &run])] {
        assert!(face.contains("running on w1") && !face.contains("silent"), "{face}");
    }
    assert!(says(&world, &["show", &run]).contains("Nothing to do: it goes on by itself."));
    worker.kill();
    until(SOON, "its lease is over", async || of(&workers(&world, &[]), "w1")["state"] == "silent").await;

    let program = "moved by: ";
    for face in [says(&world, &["why"]), says(&world, &["why", &run]), says(&world, &["show", &run])] {
        assert!(face.contains("running on w1, which has been silent for "), "{face}");
        assert!(face.contains("nobody is left to take over: start a worker"), "{face}");
        let typed = face.lines().find_map(|line| line.split_once(program)).unwrap_or_else(|| panic!("{face}")).1;
        assert!(typed.ends_with("piton worker") || typed.ends_with("test-worker worker"), "{face}");
        assert!(!face.replace("no worker is alive", "").contains("alive"), "{face}");
    }
    let shown = says(&world, &["show", &run]);
    assert!(shown.contains(&format!("run --resume {run}")), "{shown}");
    let listed = says(&world, &["workers"]);
    assert!(listed.starts_with("w1: silent for ") && listed.contains("work, work: 1, the oldest for "), "{listed}");
    assert!(listed.contains("No worker is alive. Start one with:"), "{listed}");

    // What waits beside it is no better off.
    let other = world.start("work", LONG);
    let why = says(&world, &["why", &other]);
    assert!(why.contains("no worker is alive: w1 has been silent for "), "{why}");

    let _next = world.worker("w2", &["--lease", "2s"]);
    until(SOON, "somebody takes over", async || of(&workers(&world, &[]), "w1")["state"] == "lost").await;
    assert_eq!(of(&workers(&world, &[]), "w2")["state"], "alive");
}

#[tokio::test]
async fn workers_are_listed_with_how_they_are_and_what_they_run() {
    let world = World::with(&[WORK, CHAIN]).await;
    world.start("work", LONG);
    let mut busy = world.worker("busy", &["--slots", "3", "--grace", "60s"]);
    runs_it(&world).await;
    let mut done = world.worker("done", &["--slots", "2"]);
    done.says("worker started").await;
    done.signal("TERM");
    assert_eq!(done.exit_code().await, Some(0));
    let listed = workers(&world, &[]);
    let one = of(&listed, "busy");
    assert_eq!((&one["state"], &one["slots"], &one["jobs"]), (&"alive".into(), &3.into(), &1.into()));
    assert_eq!(one["stages"][0]["workflow"], "work");
    assert_eq!((&one["stages"][0]["stage"], &one["stages"][0]["jobs"]), (&"work".into(), &1.into()));
    let build = one["build"].as_str().unwrap();
    assert!(build.starts_with(concat!(env!("CARGO_PKG_VERSION"), ", written 20")), "{build}");
    assert_eq!(of(&listed, "done")["state"], "stopped");

    busy.signal("TERM");
    until(SOON, "it stops", async || of(&workers(&world, &[]), "busy")["state"] == "stopping").await;
    world.start("chain", "{}");
    let why = says(&world, &["why", "--workflow", "chain"]);
    assert!(why.contains("no worker takes jobs: busy is stopping"), "{why}");
    let text = says(&world, &["workers"]);
    assert!(text.contains("busy: stopping since ") && text.contains("runs 1 of 3 at once"), "{text}");
    assert!(text.contains("done: stopped at "), "{text}");

    // What it was made to hand back says why.
    busy.signal("TERM");
    assert_eq!(busy.exit_code().await, Some(0));
    let released: (String, String) =
        sqlx::query_as("select outcome, message from piton.attempts_overview where outcome <> 'done'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(released, ("released".into(), "its worker stopped before it had ended".into()));
    sqlx::query("update piton.workers set stopped_at = now() - interval '2 hours'").execute(&world.pool).await.unwrap();
    assert_eq!(workers(&world, &[]), Vec::<Value>::new(), "what ended long ago is left out");
    assert_eq!(workers(&world, &["--all"]).len(), 2);
}

/// They are processes of their own, and no workers to wait for.
#[tokio::test]
async fn runners_are_told_with_the_worker_that_started_them() {
    let world = World::with(&[WORK]).await;
    let suspect = world.start("work", LONG);
    // As if a process had died under it.
    sqlx::query("update piton.jobs set state = 'suspect', deaths = 1").execute(&world.pool).await.unwrap();
    world.start("work", LONG);
    let _worker = world.worker("w1", &["--slots", "3"]);
    until(SOON, "it runs alone", async || workers(&world, &[]).iter().any(|worker| worker["runners"] == 1)).await;
    until(SOON, "it is claimed", async || {
        says(&world, &["why", &suspect]).contains("running on w1, alone in a process of its own, for ")
    })
    .await;
    let listed = workers(&world, &[]);
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["stages"][0]["jobs"], 2, "with what runs in it: {listed:?}");
    let text = says(&world, &["workers"]);
    assert!(text.contains(", and 1 suspect in a process of its own"), "{text}");
}
