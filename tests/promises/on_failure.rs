//! A stage runs when another one is given up, on what that one failed with; and its run goes on.

use piton::testing::crash_at_every_commit;
use piton::{App, Failure, Input};
use serde_json::{Value, json};

use crate::harness::{World, stdout};
use crate::redo::{fails, retry};

const ORDER: &str = r#"
name = "order"
[stages.pack]
rust = "node"
[stages.ship]
rust = "node"
needs = ["pack"]
[stages.refund]
on_failure_of = "ship"
needs = ["pack"]
when = "failure.class == 'invalid_input'"
command = ["echo", '["{{failure.class}}", "{{failure.message}}"]']
[stages.track]
needs = ["ship"]
command = ["echo", "1"]
[stages.report]
needs = ["ship?", "refund?", "track?"]
command = ["cat"]
"#;

async fn states(world: &World, run: &str) -> Vec<String> {
    let report: Value =
        serde_json::from_str(&stdout(&world.command(["show", run, "--json"]).output().unwrap())).unwrap();
    report["stages"].as_array().unwrap().iter().map(|stage| stage["state"].as_str().unwrap().to_owned()).collect()
}

async fn reported(world: &World) -> Value {
    let sql = "select output from piton.checkpoints where stage = 4";
    sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap()
}

#[tokio::test]
async fn it_runs_on_the_failure_alone_and_a_retry_of_that_takes_it_back() {
    let world = World::with(&[ORDER]).await;
    let _worker = world.worker("w1", &[]);
    fails(&world, &["ship -1"]);
    let run = world.start("order", r#"{"items": []}"#);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(states(&world, &run).await, ["done", "skipped", "done", "skipped", "done"]);
    let report = reported(&world).await;
    assert_eq!(
        (&report["ship"], &report["refund"], &report["track"]),
        (&Value::Null, &json!(["invalid_input", "as asked"]), &Value::Null)
    );
    assert_eq!(world.count("select tolerated from piton.runs_overview").await, 1, "it is degraded");
    world.assert_nothing_is_left().await;

    fails(&world, &[]);
    let id: String =
        sqlx::query_scalar("select id::text from piton.dead_letters").fetch_one(&world.pool).await.unwrap();
    retry(&world, &[&id]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(states(&world, &run).await, ["done", "done", "skipped", "done", "done"]);
    let why: String = sqlx::query_scalar("select skipped from piton.checkpoints where stage = 2")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(why, "`ship` has not failed");
    assert_eq!(world.count("select tolerated from piton.runs_overview").await, 0);
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());
}

#[tokio::test]
async fn it_is_skipped_with_what_was_skipped_and_its_own_failure_blocks_the_run() {
    let chain = "name = \"chain\"\n[stages.a]\nwhen = \"input.go\"\nrust = \"node\"\n\
                 [stages.b]\non_failure_of = \"a\"\nrust = \"node\"\n[stages.c]\non_failure_of = \"b\"\nrust = \"node\"\n";
    let world = World::with(&[chain]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("chain", r#"{"go": false, "items": []}"#);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(states(&world, &run).await, ["skipped"; 3]);
    fails(&world, &["a -1", "b -1", "c -1"]);
    let run = world.start("chain", r#"{"go": true, "items": []}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    assert_eq!(states(&world, &run).await, ["skipped", "skipped", "dead"]);
    fails(&world, &[]);
    retry(&world, &[&world.dead_letter().await]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(states(&world, &run).await, ["skipped", "skipped", "done"]);
    world.assert_nothing_is_left().await;
}

const CRASHED: &str = r#"
name = "crashed"
[stages.ship]
rust = "ship"
retry = { unknown = { max_retries = 1, base = "1ms" } }
[stages.refund]
on_failure_of = "ship"
rust = "refund"
[stages.report]
needs = ["ship?", "refund"]
rust = "report"
"#;

async fn ship() -> Result<Value, Failure> {
    Err(Failure::unknown("no way"))
}

async fn refund(Input(input): Input<Value>) -> Result<Value, Failure> {
    Ok(input["failure"].clone())
}

async fn report(Input(input): Input<Value>) -> Result<Value, Failure> {
    Ok(input)
}

#[tokio::test]
async fn a_kill_at_any_commit_around_a_failure_changes_nothing() {
    let app = |_: String| async move {
        let app = App::new().workflow("crashed.toml", CRASHED).handler("ship", ship);
        Ok::<_, std::convert::Infallible>(app.handler("refund", refund).handler("report", report))
    };
    let report = crash_at_every_commit(app)
        .check(|turn| async move {
            let output: Value = sqlx::query_scalar("select output from piton.checkpoints where stage = 2")
                .fetch_one(turn.pool())
                .await
                .unwrap();
            let failure = json!({"class": "unknown", "message": "no way"});
            assert_eq!(output, json!({"input": {}, "ship": null, "refund": failure}));
        })
        .run("crashed", &json!({}))
        .await
        .unwrap();
    assert!(report.kills >= 8, "before and after each of four ends: {report:?}");
}
