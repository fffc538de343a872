//! From start to end: graphs, fan-out, joins, versions, and what is shared between workers.

use serde_json::{Value, json};

use crate::harness::{World, stdout};
use crate::workflows::{CHAIN, SQUARES, WORK};

async fn output(world: &World, run: &str, stage: i16) -> Value {
    let text: String = sqlx::query_scalar(
        "select output::text from piton.checkpoints k join piton.runs r on r.id = k.run_id
         where r.uuid = $1::uuid and stage = $2 and item = -1",
    )
    .bind(run)
    .bind(stage)
    .fetch_one(&world.pool)
    .await
    .unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_run_goes_through_every_stage_once() {
    let world = World::with(&[CHAIN]).await;
    let run = world.start("chain", r#"{"work_ms": 20}"#);
    let _worker = world.worker("w1", &[]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.journal(), ["first -1 1", "second -1 1", "third -1 1"]);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn items_come_together_in_order() {
    let world = World::with(&[SQUARES]).await;
    let run = world.start("squares", r#"{"items": 50}"#);
    let _worker = world.worker("w1", &[]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(output(&world, &run, 2).await, json!({"items": 50, "ordered": true, "sum": 40425}));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn an_empty_array_fans_out_to_nothing_and_the_run_goes_on() {
    let world = World::with(&[SQUARES]).await;
    let run = world.start("squares", r#"{"items": 0}"#);
    let _worker = world.worker("w1", &[]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(output(&world, &run, 2).await["items"], 0);
    world.assert_nothing_is_left().await;
}

/// Forks, joins, a fan-out over the run's input, one over the items of another, and three ends.
const GRAPH: &str = r#"
name = "graph"
[stages.a]
rust = "echo"
[stages.b]
rust = "echo"
needs = ["a"]
[stages.c]
rust = "echo"
needs = ["a"]
[stages.d]
rust = "echo"
needs = ["c", "b"]
[stages.each]
rust = "echo"
for_each = "input.deep.list"
[stages.again]
rust = "echo"
needs = ["each", "a"]
for_each = "each"
[stages.none]
rust = "echo"
needs = ["each"]
for_each = "input.empty"
[stages.after_none]
rust = "echo"
needs = ["none"]
"#;

#[tokio::test]
async fn every_stage_gets_the_run_s_input_and_what_it_needs() {
    let world = World::with(&[GRAPH]).await;
    let run = world.start("graph", r#"{"deep": {"list": [1, {"x": 2}], "kept": true}, "empty": []}"#);
    let _worker = world.worker("w1", &["--slots", "3"]);
    assert_eq!(world.ended(&run).await, "done");
    let input = json!({"deep": {"list": [1, {"x": 2}], "kept": true}, "empty": []});
    let a = json!({"input": input});
    assert_eq!(output(&world, &run, 0).await, a);
    let (b, c) = (json!({"input": input, "a": a}), json!({"input": input, "a": a}));
    assert_eq!(output(&world, &run, 3).await, json!({"input": input, "c": c, "b": b}));
    let items: Vec<(i16, i32, String)> =
        sqlx::query_as("select stage, item, output::text from piton.checkpoints where item >= 0 order by stage, item")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    let items: Vec<(i16, i32, Value)> =
        items.into_iter().map(|(s, i, text)| (s, i, serde_json::from_str(&text).unwrap())).collect();
    let without = json!({"deep": {"kept": true}, "empty": []});
    let each = |item: Value| json!({"input": without, "item": item});
    assert_eq!(items[0], (4, 0, each(json!(1))));
    assert_eq!(items[1], (4, 1, each(json!({"x": 2}))));
    assert_eq!(items[3], (5, 1, json!({"input": input, "a": a, "item": each(json!({"x": 2}))})));
    assert_eq!(items.len(), 4);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn twenty_thousand_items_fan_out_and_join() {
    let world = World::with(&[SQUARES]).await;
    let run = world.start("squares", r#"{"items": 20000}"#);
    let _worker = world.worker("w1", &["--slots", "256"]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(output(&world, &run, 2).await["items"], 20000);
    assert_eq!(world.journal().len(), 20002);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_run_is_pinned_to_the_version_it_started_on() {
    let world = World::with(&[CHAIN]).await;
    let old = world.start("chain", "{}");
    let shorter = "name = \"chain\"\n[stages.only]\nrust = \"work\"\n";
    world.write_workflows(&[shorter]);
    let new = world.start("chain", "{}");
    let _worker = world.worker("w1", &[]);
    assert_eq!((world.ended(&old).await, world.ended(&new).await), ("done".to_owned(), "done".to_owned()));
    let mut journal = world.journal();
    journal.sort();
    assert_eq!(journal, ["first -1 1", "only -1 1", "second -1 1", "third -1 1"]);
}

#[tokio::test]
async fn a_stage_without_a_handler_is_left_for_a_worker_that_has_one() {
    let world = World::with(&[WORK]).await;
    let run = world.start("work", "{}");
    let folder = world.path("workflows");
    let arguments = ["worker", "--name", "plain", "--workflows", folder.to_str().unwrap()];
    let plain = std::path::Path::new(env!("CARGO_BIN_EXE_piton"));
    let mut stranger = crate::harness::Process::spawn(world.command_of(plain, arguments), world.path("plain.log"));
    stranger.says("worker started").await;
    let _worker = world.worker("w1", &[]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.journal(), ["work -1 1"], "the stranger spent no attempt");
    assert!(
        stranger.is_running() && stranger.log().contains("stages that lack something here: work (handler \"work\")")
    );
}

#[tokio::test]
async fn runs_of_higher_priority_are_claimed_first() {
    let world = World::with(&[WORK]).await;
    let folder = world.path("workflows");
    let start = |priority: &str| {
        let arguments = ["start", "work", "--priority", priority, "--workflows", folder.to_str().unwrap()];
        stdout(&world.command(arguments).output().unwrap()).trim().to_owned()
    };
    let (low, high) = (start("-5"), start("5"));
    let _worker = world.worker("w1", &["--slots", "1"]);
    world.ended(&low).await;
    world.ended(&high).await;
    let order: Vec<String> = sqlx::query_scalar("select uuid::text from piton.runs order by finished_at")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    assert_eq!(order, [high, low]);
}
