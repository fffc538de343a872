//! A fan-out that is content with a part of its items goes on without those that are given up, as long as enough others can be done.

use piton::testing::crash_at_every_commit;
use piton::{App, Failure, Input};
use serde_json::{Value, json};

use crate::harness::{SOON, World, stdout, until};
use crate::redo::{begun, fails, retry};

const FILM: &str = r#"
name = "film"
[stages.render]
rust = "node"
for_each = "input.items"
at_least = 0.6
missing = { lost = true }
[stages.cut]
rust = "node"
needs = ["render"]
"#;

const INPUT: &str = r#"{"items": [7, 8, 9, 10, 11], "say": "old"}"#;

async fn letters(world: &World) -> Vec<(Option<i32>, String)> {
    sqlx::query_as("select item, resolution from piton.dead_letters_overview where not done_again order by item")
        .fetch_all(&world.pool)
        .await
        .unwrap()
}

async fn letter(world: &World, item: i32) -> String {
    sqlx::query_scalar("select id::text from piton.dead_letters_overview where item = $1 order by dead_at desc limit 1")
        .bind(item)
        .fetch_one(&world.pool)
        .await
        .unwrap()
}

/// What the stages of a run came to, as `show` says it.
fn stages(world: &World, run: &str) -> Vec<String> {
    let text = stdout(&world.command(["show", run]).output().unwrap());
    text.lines().filter(|line| line.starts_with("  ✔") || line.starts_with("  ✘")).map(str::to_owned).collect()
}

#[tokio::test]
async fn items_that_are_given_up_are_tolerated_while_enough_others_can_be_done() {
    let world = World::with(&[FILM]).await;
    let _worker = world.worker("w1", &[]);
    fails(&world, &["render 1", "render 3"]);
    let run = world.start("film", INPUT);
    assert_eq!(world.ended(&run).await, "done");
    let tolerated = |item| (Some(item), "tolerated".to_owned());
    assert_eq!(letters(&world).await, [tolerated(1), tolerated(3)]);
    let shown = &stages(&world, &run)[0];
    assert!(shown.contains("at least 3 of 5; 3 done, 2 tolerated"), "{shown}");
    let report: Value =
        serde_json::from_str(&stdout(&world.command(["show", &run, "--json"]).output().unwrap())).unwrap();
    let stage = &report["stages"][0];
    assert_eq!((&report["tolerated"], &stage["at_least"], &stage["tolerated"]), (&json!(2), &json!(3), &json!(2)));
    let placeholder = "select output::text from piton.checkpoints where stage = 0 and item = 3";
    let placeholder: String = sqlx::query_scalar(placeholder).fetch_one(&world.pool).await.unwrap();
    assert_eq!(placeholder, r#"{"lost":true}"#);
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());

    // One of them is made up for, and what needs the stage is done again.
    fails(&world, &[]);
    let before = world.journal().len();
    retry(&world, &[&letter(&world, 1).await]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(begun(&world, before), "cut render[1]");
    assert_eq!(letters(&world).await, [tolerated(3)]);
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());
}

#[tokio::test]
async fn a_run_is_blocked_when_too_many_items_are_given_up_and_a_retry_brings_it_back() {
    let world = World::with(&[FILM]).await;
    let _worker = world.worker("w1", &[]);
    fails(&world, &["render 0", "render 1", "render 3", "render 4"]);
    let run = world.start("film", INPUT);
    assert_eq!(world.ended(&run).await, "blocked");
    let count = async |resolution: &str| letters(&world).await.iter().filter(|(_, is)| is == resolution).count();
    assert_eq!((count("tolerated").await, count("pending").await), (2, 2), "no more than the quorum allows");
    // What fails again is no more tolerated than before.
    retry(&world, &["--run", &run]);
    let again = async || world.count("select count(*) from piton.dead_letters").await == 6;
    until(SOON, "they are given up again", again).await;
    assert_eq!(world.ended(&run).await, "blocked");
    assert_eq!((count("tolerated").await, count("pending").await), (2, 2));
    fails(&world, &[]);
    retry(&world, &["--run", &run]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!((count("tolerated").await, count("pending").await), (2, 0));
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());
}

#[tokio::test]
async fn the_rest_is_cancelled_as_soon_as_enough_is_done() {
    let film = r#"
        name = "film"
        [stages.render]
        command = ["sh", "-c", 'sleep "$1" && echo "$1"', "render", "{{item}}"]
        for_each = "input.items"
        at_least = 3
        missing = -1
        rest = "cancel"
        concurrency = 5
        retry = { unknown = { max_retries = 5, base = "1h" } }
        [stages.cut]
        command = ["cat"]
        needs = ["render"]
        [stages.follow]
        command = ["cat"]
        needs = ["render"]
        for_each = "render"
    "#;
    let world = World::with(&[film]).await;
    let _worker = world.worker("w1", &[]);
    // One that runs for long, one that is due again in an hour, one that no slot was left for.
    let run = world.start("film", r#"{"items": [600, "no number", 0, 0, 0.3, 600, 600, 600]}"#);
    assert_eq!(world.ended(&run).await, "done");
    let output: String = sqlx::query_scalar("select output ->> 'render' from piton.checkpoints where stage = 1")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(output, "[-1,-1,0,0,0.3,-1,-1,-1]");
    let shown = stages(&world, &run);
    assert!(shown[0].contains("at least 3 of 8; 3 done, 5 cancelled"), "{shown:?}");
    assert!(shown[2].contains("8 of 8 items, 5 skipped"), "what follows an item is skipped with it: {shown:?}");
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());
    let running = || {
        let listed = std::process::Command::new("ps").args(["-eo", "args"]).output().unwrap();
        String::from_utf8_lossy(&listed.stdout).lines().filter(|line| line.starts_with("sleep 600")).count()
    };
    until(SOON, "what was cancelled has stopped", async || running() == 0).await;
    let attempts = "select count(*) from piton.attempts where outcome = 'cancelled'";
    assert!(world.count(attempts).await >= 1);
}

#[tokio::test]
async fn a_stage_that_has_fewer_items_than_it_needs_is_refused_when_it_is_split() {
    let world = World::with(&[&FILM.replace("0.6", "6")]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", INPUT);
    assert_eq!(world.ended(&run).await, "blocked");
    let message: String =
        sqlx::query_scalar("select message from piton.dead_letters").fetch_one(&world.pool).await.unwrap();
    assert_eq!(message, "stage `render` needs at least 6 of its items (at_least), and there are 5");
}

const ALL: &str = r#"
name = "all"
[stages.wait]
rust = "even"
for_each = "input.items"
at_least = 0.5
missing = "lost"
[stages.hurry]
rust = "even"
for_each = "input.items"
at_least = 2
rest = "cancel"
[stages.film]
rust = "echo"
needs = ["wait", "hurry"]
"#;

#[tokio::test]
async fn a_quorum_survives_a_kill_at_every_commit() {
    async fn echo(Input(input): Input<Value>) -> Result<Value, Failure> {
        Ok(input)
    }
    async fn even(Input(input): Input<Value>) -> Result<Value, Failure> {
        let item = input["item"].as_u64().unwrap_or_default();
        if item % 2 == 0 { Ok(json!(item)) } else { Err(Failure::invalid_input("odd")) }
    }
    async fn app(_: String) -> Result<App, std::convert::Infallible> {
        Ok(App::new().workflow("all.toml", ALL).handler("echo", echo).handler("even", even))
    }
    let report = crash_at_every_commit(app).run("all", &json!({"items": [1, 2, 4, 5]})).await.unwrap();
    assert_eq!(report.output["wait"], json!(["lost", 2, 4, "lost"]));
    assert_eq!(report.output["hurry"], json!([null, 2, 4, null]));
    assert!(report.kills >= 10, "{report:?}");
}
