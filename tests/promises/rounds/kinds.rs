//! What else belongs to a round: answers of people, artifacts, tolerated failures; and what ends one from outside.

use piton::testing::TestPiton;
use piton::{App, Artifact, Committed, Failure, Input, StageContext};
use serde_json::{Value, json};
use sqlx::Executor;

use super::essay;
use crate::harness::{SOON, World, stdout, until};

const FILM: &str = r#"
name = "film"
[stages.draft]
command = ["sh", "-c", 'echo $PITON_ROUND', "sh", "{{run.round}}"]
[stages.approval]
needs = ["draft"]
wait = { for = "signal", name = "go", timeout = "72h" }
repeat = { from = "draft", until = "approval.good", at_most = 3 }
"#;

#[tokio::test]
async fn each_round_asks_its_people_anew() {
    let world = World::with(&[FILM]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", "{}");
    for round in 1..=3 {
        let asks = "select count(*) from piton.jobs where state = 'waiting' and stage = 1";
        until(SOON, "it asks", async || world.count(asks).await == 1).await;
        assert_eq!(world.count("select (output #>> '{}')::int8 from piton.checkpoints where stage = 0").await, round);
        let good = if round == 3 { "good=true" } else { "good=false" };
        stdout(&world.command(["signal", &run, "go", "--set", good, "--by", "anna"]).output().unwrap());
    }
    assert_eq!(world.ended(&run).await, "done");
    let report: Value =
        serde_json::from_str(&stdout(&world.command(["show", &run, "--json"]).output().unwrap())).unwrap();
    assert_eq!((&report["stages"][0]["round"], &report["stages"][1]["round"]), (&json!(3), &json!(3)));
    let told = stdout(&world.command(["show", &run]).output().unwrap());
    assert!(told.contains("round 3 of 3"), "{told}");
    assert!(told.contains("  approval, round 2: `approval.good` is false: approval.good = false\n"), "{told}");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_run_that_is_cancelled_in_a_round_has_no_more_and_a_cleanup_takes_all_of_them() {
    let world = World::with(&[FILM]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", "{}");
    let asks = "select count(*) from piton.jobs where state = 'waiting'";
    until(SOON, "it asks", async || world.count(asks).await == 1).await;
    stdout(&world.command(["signal", &run, "go", "--set", "good=false"]).output().unwrap());
    until(SOON, "it asks again", async || {
        world.count(asks).await == 1 && world.count("select count(*) from piton.rounds").await == 1
    })
    .await;
    stdout(&world.command(["cancel", &run, "--reason", "enough"]).output().unwrap());
    assert_eq!(world.state(&run).await, "cancelled");
    world.assert_nothing_is_left().await;
    world.pool.execute("update piton.runs set finished_at = now() - interval '400 days'").await.unwrap();
    stdout(&world.command(["cleanup", "run"]).output().unwrap());
    for table in ["runs", "rounds", "round_checkpoints", "round_attempts", "waits"] {
        let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from piton.{table}")))
            .fetch_one(&world.pool)
            .await
            .unwrap();
        assert_eq!(left, 0, "{table}");
    }
}

#[tokio::test]
async fn a_damaged_round_is_never_passed_on_and_its_rounds_begin_anew() {
    let world =
        World::with(&[&essay("at_most = 3").replace("[stages.draft]", "[stages.draft]\nrate = \"1/1s\"")]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("essay", r#"{"wanted": 3}"#);
    until(SOON, "a round is over", async || world.count("select count(*) from piton.rounds").await == 1).await;
    // The next draft waits for its rate.
    let damage = "update piton.round_checkpoints set output = '7' where stage = 1";
    world.pool.execute(damage).await.unwrap();
    let verified = world.command(["verify", "--all"]).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stdout).into_owned() + &String::from_utf8_lossy(&verified.stderr);
    assert!(!verified.status.success(), "{said}");
    assert!(said.contains("its output in round 1 is not what was committed"), "{said}");
    if world.ended(&run).await == "done" {
        // It was read just before that.
        return;
    }
    let said: String = sqlx::query_scalar("select class || ': ' || message from piton.dead_letters")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(said, "corrupt_checkpoint: of round 1, the checkpoint of stage `draft` is not what was committed");
    stdout(&world.command(["dead-letter", "retry", &world.dead_letter().await]).output().unwrap());
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.count("select count(*) from piton.rounds where dead_letter is null").await, 2);
    assert_eq!(world.count("select count(*) from piton.rounds where dead_letter is not null").await, 1);
    world.assert_nothing_is_left().await;
}

const PICTURE: &str = r#"
name = "picture"
[stages.paint]
rust = "paint"
[stages.frame]
needs = ["paint"]
rust = "frame"
optional = true
[stages.look]
needs = ["paint", "frame?"]
rust = "look"
repeat = { from = "paint", until = "look.good", at_most = 3 }
"#;

/// Paints over the picture of the round before.
async fn paint(Input(input): Input<Value>, context: StageContext) -> Result<Artifact, Failure> {
    let mut text = String::new();
    if let Ok(before) = serde_json::from_value::<Artifact>(input["previous"]["paint"].clone()) {
        tokio::io::AsyncReadExt::read_to_string(&mut context.open(&before).await?, &mut text).await?;
    }
    text.push_str("layer ");
    context.put_bytes("picture", text).await
}

async fn frame(context: StageContext) -> Result<u32, Failure> {
    let round = context.round().unwrap_or_default();
    if round < 3 { Err(Failure::invalid_input("no frame fits")) } else { Ok(round) }
}

async fn look(Input(input): Input<Value>) -> Result<Value, Failure> {
    let bytes = input["paint"]["bytes"].as_u64().unwrap_or_default();
    Ok(json!({"good": bytes >= 18, "frame": input["frame"]}))
}

#[tokio::test]
async fn a_round_sees_the_files_of_the_one_before_and_tolerates_anew() {
    let app = App::new().workflow("picture.toml", PICTURE);
    let app = app.handler("paint", paint).handler("frame", frame).handler("look", look);
    let piton = TestPiton::new(app).await.unwrap();
    let run = piton.piton().start("picture", &json!({})).await.unwrap();
    let output: Value = run.result().await.unwrap();
    assert_eq!(output, json!({"good": true, "frame": 3}));
    let texts =
        async |sql: &'static str| -> Vec<String> { sqlx::query_scalar(sql).fetch_all(piton.pool()).await.unwrap() };
    let types = texts("select type || ' ' || bytes from piton.artifacts order by created_at").await;
    assert_eq!(types, ["failed 6", "failed 12", "output 18"], "those of rounds that are over are no output");
    let letters = texts("select resolution || ' ' || note from piton.dead_letters order by dead_at").await;
    assert_eq!(letters, ["retried another round began"; 2]);
    let degraded: i64 =
        sqlx::query_scalar("select tolerated from piton.runs_overview").fetch_one(piton.pool()).await.unwrap();
    assert_eq!(degraded, 0);
}

async fn rows(context: StageContext) -> Result<Committed<u32>, Failure> {
    context.commit(async |_| Ok(1)).await
}

#[tokio::test]
async fn a_stage_that_decides_commits_no_rows_of_its_own() {
    let file = "name = \"own\"\n[stages.last]\nrust = \"rows\"\nrepeat = { until = \"last > 0\", at_most = 2 }\n";
    let piton = TestPiton::new(App::new().workflow("own.toml", file).handler("rows", rows)).await.unwrap();
    let run = piton.piton().start("own", &json!({})).await.unwrap();
    assert!(run.result::<u32>().await.is_err());
    let letters = piton.dead_letters(run.id()).await.unwrap();
    assert!(format!("{letters:?}").contains("whether its output stands is decided first"), "{letters:?}");
}
