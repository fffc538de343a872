//! What lists and stories say of runs: where they are, what blocks them, what runs of them now, and why attempts ended.

use serde_json::Value;

use crate::harness::{Process, SOON, World, stdout, until};
use crate::workflows::{CHAIN, SQUARES, WORK};

/// Gives up at once, in two branches, and has a third that works on.
const BLOCKED: &str = r#"
name = "blocked"
[stages.one]
rust = "misbehave"
[stages.two]
rust = "misbehave"
[stages.long]
rust = "work"
"#;

fn says(world: &World, arguments: &[&str]) -> String {
    stdout(&world.command(arguments).output().unwrap())
}

fn json(world: &World, arguments: &[&str]) -> Value {
    serde_json::from_str(&says(world, arguments)).unwrap()
}

#[tokio::test]
async fn a_run_whose_start_is_put_off_is_scheduled_in_every_list() {
    let world = World::with(&[CHAIN]).await;
    let folder = world.path("workflows");
    let later = says(&world, &["start", "chain", "--at", "2h", "--workflows", folder.to_str().unwrap()]);
    let (later, now) = (later.trim(), world.start("chain", "{}"));
    let states = |arguments: &[&str]| -> Vec<(String, String)> {
        let listed = json(&world, arguments);
        let word = |run: &Value, key: &str| run[key].as_str().unwrap().to_owned();
        listed.as_array().unwrap().iter().map(|run| (word(run, "run"), word(run, "state"))).collect()
    };
    let (scheduled, running) = ((later.to_owned(), "scheduled".to_owned()), (now.clone(), "running".to_owned()));
    assert_eq!(states(&["runs", "--json"]), [running.clone(), scheduled.clone()]);
    assert_eq!(states(&["runs", "--state", "scheduled", "--json"]), [scheduled]);
    assert_eq!(states(&["runs", "--state", "running", "--json"]), [running]);
    let shown = says(&world, &["show", later]);
    assert!(shown.starts_with(&format!("Run {later} of chain is scheduled")), "{shown}");
    assert!(shown.contains("first   starts at ") && shown.contains("also no worker is alive"), "{shown}");
    assert!(says(&world, &["runs"]).contains("    starts at "));

    let _worker = world.worker("w1", &[]);
    assert_eq!(world.ended(&now).await, "done");
    let shown = says(&world, &["show", later]);
    assert!(shown.contains("Nothing to do: it starts at "), "{shown}");
    // Its time has come.
    sqlx::query("update piton.jobs set due_at = now()").execute(&world.pool).await.unwrap();
    assert_eq!(world.ended(later).await, "done");
    assert_eq!(json(&world, &["show", later, "--json"])["state"], "done");
}

#[tokio::test]
async fn a_blocked_run_tells_what_blocks_it_and_how_much_more() {
    let world = World::with(&[BLOCKED]).await;
    let run = world.start("blocked", r#"{"how": "fail", "times": 9, "class": "auth_failure", "work_ms": 600000}"#);
    let _worker = world.worker("w1", &[]);
    let letters = "select count(*) from piton.dead_letters where resolution = 'pending'";
    until(SOON, "both are given up", async || world.count(letters).await == 2).await;
    let first = "select d.stage from piton.dead_letters_overview d order by d.dead_at, d.stage limit 1";
    let first: String = sqlx::query_scalar(first).fetch_one(&world.pool).await.unwrap();
    let failure = &json(&world, &["runs", "--json"])[0]["failure"];
    assert_eq!((&failure["class"], &failure["more"]), (&"auth_failure".into(), &1.into()));
    assert!(["one", "two"].contains(&failure["stage"].as_str().unwrap()), "{failure}");
    let seen: (String, String, String, i64) =
        sqlx::query_as("select failed_stage, failure_class, failure_message, dead_letters from piton.runs_overview")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert!(["one", "two"].contains(&seen.0.as_str()), "{seen:?} {first}");
    assert_eq!((seen.1.as_str(), seen.3), ("auth_failure", 2));
    let listed = says(&world, &["runs"]);
    assert!(listed.contains(": auth_failure: ") && listed.contains(" (and 1 more dead letter)"), "{listed}");

    // What runs of it now is an attempt like any other.
    let running: (String, i32, String) = sqlx::query_as(
        "select stage, attempt, worker from piton.attempts_overview where outcome = 'running' and ended_at is null",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(running, ("long".into(), 1, "w1".into()));
    says(&world, &["cancel", &run, "--reason", "wrong input", "--by", "anna"]);
    let shown = says(&world, &["show", &run]);
    assert!(shown.contains("cancelled: the run was cancelled by anna: wrong input"), "{shown}");
}

#[tokio::test]
async fn an_attempt_that_was_cancelled_with_its_run_says_whose_decision_it_was() {
    let world = World::with(&[BLOCKED]).await;
    let run = world.start("blocked", r#"{"how": "fail", "times": 9, "class": "auth_failure", "work_ms": 600000}"#);
    let _worker = world.worker("w1", &[]);
    until(SOON, "it is given up and works on", async || {
        world.count("select count(*) from piton.dead_letters where resolution = 'pending'").await == 2
            && world.count("select count(*) from piton.jobs where state = 'running'").await == 1
    })
    .await;
    let letter: String = sqlx::query_scalar("select id::text from piton.dead_letters order by stage limit 1")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    says(&world, &["dead-letter", "dismiss", &letter, "--reason", "not worth it", "--by", "ben"]);
    let shown = says(&world, &["show", &run]);
    let expected = "cancelled: the run was failed by ben, who dismissed its dead letter of ";
    assert!(shown.contains(expected) && shown.contains(": not worth it"), "{shown}");
}

#[tokio::test]
async fn items_that_wait_for_the_same_reason_are_counted_and_needs_that_are_done_are_not_named() {
    let world = World::with(&[SQUARES]).await;
    let run = world.start("squares", r#"{"items": 12, "work_ms": 600000}"#);
    let worker = world.worker("w1", &["--slots", "2"]);
    until(SOON, "two run", async || {
        world.count("select count(*) from piton.jobs where state = 'running' and item >= 0").await == 2
    })
    .await;
    let why = says(&world, &["why", &run]);
    let lines: Vec<&str> = why.lines().collect();
    assert!(lines.len() <= 6, "counted, and not told one by one: {why}");
    assert!(why.contains("square: 2 items running on w1; the oldest since "), "{why}");
    assert!(why.contains("square: 10 items waiting for a free slot of w1; the oldest since "), "{why}");
    let shown = says(&world, &["show", &run]);
    assert!(shown.contains("sum      waiting for square\n"), "{shown}");
    says(&world, &["pause", "squares", "--stage", "square", "--reason", "costs", "--by", "anna"]);
    let why = says(&world, &["why", &run]);
    assert!(why.contains("10 items waiting: the stage is paused by anna: \"costs\"; the oldest since "), "{why}");
    let shown = says(&world, &["show", &run]);
    let typed = why.lines().find(|line| line.ends_with("resume squares --stage square"));
    assert!(typed.is_some() && shown.contains(typed.unwrap()), "{why}\n{shown}");
    assert!(!shown.contains("Nothing to do"), "{shown}");
    drop(worker);
}

/// Off a terminal, where nobody sees a picture.
#[tokio::test]
async fn a_run_of_a_paused_workflow_says_so_and_goes_on_when_it_is_resumed() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    says(&world, &["pause", "work", "--reason", "provider down", "--by", "anna"]);
    let folder = world.path("workflows");
    let command = world.command(["run", "work", "--workflows", folder.to_str().unwrap()]);
    let mut run = Process::spawn(command, world.path("run.log"));
    run.says("the workflow is paused by anna: \"provider down\"").await;
    run.says("resume work").await;
    says(&world, &["resume", "work"]);
    assert_eq!(run.exit_code().await, Some(0));
    assert_eq!(run.log().matches("is paused by anna").count(), 1, "once: {}", run.log());
}
