//! An optional stage that is given up leaves a dead letter that is tolerated, and its run goes on without it.

use piton::testing::crash_at_every_commit;
use piton::{App, Failure, Input};
use serde_json::{Value, json};

use crate::harness::{World, stdout};
use crate::redo::{fails, retry};

const FILM: &str = r#"
name = "film"
[stages.script]
rust = "node"
[stages.music]
rust = "node"
needs = ["script"]
optional = true
[stages.mix]
rust = "node"
needs = ["music"]
[stages.scene]
rust = "node"
needs = ["script"]
for_each = "script.items"
optional = true
[stages.cut]
rust = "node"
needs = ["scene", "mix?"]
"#;

const INPUT: &str = r#"{"items": [7, 8, 9], "say": "old"}"#;

async fn letters(world: &World) -> Vec<(String, Option<i32>, String)> {
    sqlx::query_as("select stage, item, resolution from piton.dead_letters_overview order by stage, item, dead_at")
        .fetch_all(&world.pool)
        .await
        .unwrap()
}

async fn letter(world: &World, stage: &str) -> String {
    sqlx::query_scalar("select id::text from piton.dead_letters_overview where stage = $1 and resolution = 'tolerated'")
        .bind(stage)
        .fetch_one(&world.pool)
        .await
        .unwrap()
}

fn shown(world: &World, run: &str) -> Value {
    serde_json::from_str(&stdout(&world.command(["show", run, "--json"]).output().unwrap())).unwrap()
}

#[tokio::test]
async fn a_run_goes_on_without_what_is_optional_and_is_brought_up_to_date_by_a_retry() {
    let world = World::with(&[FILM]).await;
    let _worker = world.worker("w1", &[]);
    fails(&world, &["music -1", "scene 1"]);
    let run = world.start("film", INPUT);
    assert_eq!(world.ended(&run).await, "done");
    let tolerated = |stage: &str, item| (stage.to_owned(), item, "tolerated".to_owned());
    assert_eq!(letters(&world).await, [tolerated("music", None), tolerated("scene", Some(1))]);
    let report = shown(&world, &run);
    assert_eq!((&report["state"], &report["tolerated"]), (&json!("done"), &json!(2)));
    let states: Vec<&str> =
        report["stages"].as_array().unwrap().iter().map(|stage| stage["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["done", "skipped", "skipped", "done", "done"]);
    assert_eq!(
        report["stages"][2]["skip_reason"],
        "needs `music`, which was skipped: it was given up: invalid_input: as asked"
    );
    let text = stdout(&world.command(["show", &run]).output().unwrap());
    assert!(text.contains("It is degraded") && text.contains("dead-letter retry"), "{text}");
    assert!(stdout(&world.command(["runs"]).output().unwrap()).contains("degraded: it went on without 2 jobs"));
    let metrics = world.count("select tolerated from piton.runs_overview").await;
    assert_eq!(metrics, 2);
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());

    // The item first: its stage stays split, and what needs the stage is done again.
    fails(&world, &[]);
    let before = world.journal().len();
    let preview =
        stdout(&world.command(["dead-letter", "retry", &letter(&world, "scene").await, "--dry-run"]).output().unwrap());
    assert!(preview.contains("scene") && preview.contains("cut"), "{preview}");
    retry(&world, &[&letter(&world, "scene").await]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(crate::redo::begun(&world, before), "cut scene[1]");
    let before = world.journal().len();
    retry(&world, &[&letter(&world, "music").await]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(crate::redo::begun(&world, before), "cut mix music");
    let report = shown(&world, &run);
    assert_eq!(report["tolerated"], Value::Null, "no longer degraded");
    let states: Vec<&str> =
        report["stages"].as_array().unwrap().iter().map(|stage| stage["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["done"; 5]);
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());
}

#[tokio::test]
async fn dismissing_what_is_tolerated_changes_nothing_of_the_run() {
    let world = World::with(&[FILM]).await;
    let _worker = world.worker("w1", &[]);
    fails(&world, &["music -1"]);
    let run = world.start("film", INPUT);
    assert_eq!(world.ended(&run).await, "done");
    let id = letter(&world, "music").await;
    stdout(&world.command(["dead-letter", "dismiss", &id, "--reason", "no music this time"]).output().unwrap());
    assert_eq!(world.state(&run).await, "done");
    assert_eq!(letters(&world).await, [("music".to_owned(), None, "dismissed".to_owned())]);
    let again = world.command(["dead-letter", "retry", &id]).output().unwrap();
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("was dismissed by"));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_is_tolerated_can_be_retried_while_its_run_goes_on_or_is_blocked() {
    let world = World::with(&[FILM]).await;
    let _worker = world.worker("w1", &[]);
    fails(&world, &["music -1", "cut -1"]);
    let run = world.start("film", INPUT);
    assert_eq!(world.ended(&run).await, "blocked", "the last stage is not optional");
    fails(&world, &["cut -1"]);
    retry(&world, &[&letter(&world, "music").await]);
    assert_eq!(world.ended(&run).await, "blocked", "the last stage fails again");
    fails(&world, &[]);
    retry(&world, &["--run", &run]);
    assert_eq!(world.ended(&run).await, "done");
    world.assert_nothing_is_left().await;

    fails(&world, &["music -1"]);
    let run = world.start("film", r#"{"items": [7], "say": "old", "slow": {"scene": 1500}}"#);
    crate::harness::until(crate::harness::SOON, "it is tolerated", async || {
        world.count("select count(*) from piton.dead_letters where resolution = 'tolerated'").await == 1
    })
    .await;
    assert_eq!(world.state(&run).await, "running");
    fails(&world, &[]);
    retry(&world, &[&letter(&world, "music").await]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(shown(&world, &run)["tolerated"], Value::Null);
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());
}

/// Conditions on a stage and on items, an accepted skip, and optional stages and items that are given up.
const ALL: &str = r#"
name = "all"
[stages.check]
rust = "echo"
[stages.subtitles]
rust = "echo"
needs = ["check"]
when = "check.input.score > 0.8"
[stages.burn]
rust = "echo"
needs = ["subtitles"]
[stages.music]
rust = "no"
needs = ["check"]
optional = true
[stages.scene]
rust = "even"
needs = ["check"]
for_each = "check.input.scenes"
when = "item != 2"
optional = true
[stages.film]
rust = "echo"
needs = ["scene", "burn?", "music?"]
"#;

#[tokio::test]
async fn skips_and_tolerated_failures_survive_a_kill_at_every_commit() {
    async fn echo(Input(input): Input<Value>) -> Result<Value, Failure> {
        Ok(input)
    }
    async fn no() -> Result<Value, Failure> {
        Err(Failure::invalid_input("no music"))
    }
    async fn even(Input(input): Input<Value>) -> Result<Value, Failure> {
        let item = input["item"].as_u64().unwrap_or_default();
        if item % 2 == 0 { Ok(json!(item)) } else { Err(Failure::invalid_input("odd")) }
    }
    async fn app(_: String) -> Result<App, std::convert::Infallible> {
        Ok(App::new().workflow("all.toml", ALL).handler("echo", echo).handler("no", no).handler("even", even))
    }
    let report = crash_at_every_commit(app).run("all", &json!({"score": 0.5, "scenes": [0, 1, 2, 4]})).await.unwrap();
    assert_eq!(report.output["scene"], json!([0, null, null, 4]));
    assert_eq!((&report.output["burn"], &report.output["music"]), (&Value::Null, &Value::Null));
    assert!(report.kills >= 10, "{report:?}");
}
