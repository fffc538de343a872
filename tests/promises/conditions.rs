//! A stage whose condition does not hold is skipped, with a reason; what needs it is skipped too, unless it accepts that.

mod graphs;

use serde_json::{Value, json};

use crate::harness::{World, stdout};
use crate::redo::fails;

/// `check` decides on `subtitles`; `report` runs without them, and `burn` does not.
const MEDIA: &str = r#"
name = "media"
[stages.check]
rust = "echo"
[stages.subtitles]
rust = "echo"
needs = ["check"]
when = "check.input.score >= 0.8 && input.lang in ['de', 'en']"
[stages.burn]
rust = "echo"
needs = ["subtitles"]
[stages.report]
rust = "echo"
needs = ["check", "subtitles?"]
[stages.page]
rust = "echo"
needs = ["check"]
for_each = "input.pages"
when = "item.words > 0"
[stages.index]
rust = "echo"
needs = ["page"]
for_each = "page"
[stages.close]
rust = "echo"
needs = ["burn?", "report", "index"]
"#;

/// Stage, item and reason of what was skipped.
async fn skips(world: &World, run: &str) -> Vec<(String, Option<i32>, String)> {
    sqlx::query_as(
        "select stage, item, skipped from piton.attempts_overview where run = $1::uuid and skipped is not null order by stage_number, item",
    )
    .bind(run)
    .fetch_all(&world.pool)
    .await
    .unwrap()
}

async fn output(world: &World, run: &str, stage: &str) -> Value {
    let text: String = sqlx::query_scalar(
        "select output::text from piton.outputs_overview where run = $1::uuid and stage = $2 and item is null",
    )
    .bind(run)
    .bind(stage)
    .fetch_one(&world.pool)
    .await
    .unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_stage_without_its_condition_is_skipped_and_so_is_what_cannot_do_without_it() {
    let world = World::with(&[MEDIA]).await;
    let _worker = world.worker("w1", &[]);
    let pages = r#"[{"words": 3}, {"words": 0}]"#;
    let run = world.start("media", &format!(r#"{{"score": 0.50, "lang": "de", "pages": {pages}}}"#));
    assert_eq!(world.ended(&run).await, "done");
    let reason = "`check.input.score >= 0.8 && input.lang in ['de', 'en']` is false: check.input.score = 0.5, input.lang = \"de\"";
    let expected = [
        ("subtitles", None, reason.to_owned()),
        ("burn", None, format!("needs `subtitles`, which was skipped: {reason}")),
        ("page", Some(1), "`item.words > 0` is false: item.words = 0".to_owned()),
        (
            "index",
            Some(1),
            "needs item 1 of `page`, which was skipped: `item.words > 0` is false: item.words = 0".to_owned(),
        ),
    ];
    assert_eq!(skips(&world, &run).await, expected.map(|(stage, item, reason)| (stage.to_owned(), item, reason)));
    let close = output(&world, &run, "close").await;
    assert_eq!((&close["burn"], &close["report"]["subtitles"]), (&Value::Null, &Value::Null));
    assert_eq!(close["index"].as_array().unwrap().len(), 2);
    assert_eq!(close["index"][1], Value::Null, "{close}");
    assert_eq!(close["index"][0]["item"]["item"], json!({"words": 3}));
    let begun: Vec<String> = world.journal().iter().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect();
    for never in ["subtitles -1", "burn -1", "page 1", "index 1"] {
        assert!(!begun.iter().any(|line| line == never), "{never} was started");
    }
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());

    let run = world.start("media", r#"{"score": 0.8, "lang": "de", "pages": []}"#);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(skips(&world, &run).await, [], "now it holds");
    assert_eq!(output(&world, &run, "close").await["burn"]["subtitles"]["check"]["input"]["lang"], "de");
}

#[tokio::test]
async fn what_a_condition_misses_is_a_failure_that_names_it() {
    let world = World::with(&[MEDIA]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("media", r#"{"lang": "de", "pages": []}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    let failed: (String, String) =
        sqlx::query_as("select class, message from piton.dead_letters").fetch_one(&world.pool).await.unwrap();
    assert_eq!(failed.0, "invalid_input");
    insta::assert_snapshot!(failed.1, @"the condition of stage `subtitles` cannot be decided: `check.input.score` is missing: `check.input` has no field `score`; has(check.input.score) asks whether it is there");
}

/// Everything that a skip can lead to at the end of a run.
const ENDS: &str = r#"
name = "ends"
[stages.first]
rust = "echo"
when = "input.first"
[stages.last]
rust = "echo"
needs = ["first"]
"#;

const ALL: &str = r#"
name = "all"
[stages.a]
rust = "echo"
when = "input.a"
[stages.b]
rust = "echo"
when = "input.b"
[stages.each]
rust = "echo"
needs = ["a?", "b"]
for_each = "a.input.list"
[stages.any]
rust = "echo"
needs = ["a?", "b?"]
"#;

#[tokio::test]
async fn a_run_whose_last_stages_were_skipped_is_done_and_its_result_is_null() {
    let world = World::with(&[ENDS, ALL]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("ends", r#"{"first": false}"#);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(skips(&world, &run).await.len(), 2);
    let shown = stdout(&world.command(["show", &run, "--json"]).output().unwrap());
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["output"], json!({"last": null}));
    assert_eq!(shown["stages"][1]["state"], "skipped");
    assert_eq!(
        shown["stages"][1]["skip_reason"],
        "needs `first`, which was skipped: `input.first` is false: input.first = false"
    );
    let shown = stdout(&world.command(["show", &run]).output().unwrap());
    assert!(shown.contains("skipped: needs `first`, which was skipped"), "{shown}");

    // Of needs that are all accepted without an output one must have it, and nothing to go over is no items.
    let run = world.start("all", r#"{"a": false, "b": true, "list": [1]}"#);
    assert_eq!(world.ended(&run).await, "done");
    let skipped: Vec<String> = skips(&world, &run).await.into_iter().map(|(stage, ..)| stage).collect();
    assert_eq!(skipped, ["a"]);
    assert_eq!(output(&world, &run, "any").await["a"], Value::Null);
    let run = world.start("all", r#"{"a": false, "b": false, "list": [1]}"#);
    assert_eq!(world.ended(&run).await, "done");
    let skipped = skips(&world, &run).await;
    assert_eq!(skipped.iter().map(|(stage, ..)| stage.as_str()).collect::<Vec<_>>(), ["a", "b", "each", "any"]);
    assert_eq!(skipped[3].2, "all that it needs was skipped: `a`, `b`");
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());
}

#[tokio::test]
async fn a_skip_that_was_changed_is_found_and_never_passed_on() {
    let world = World::with(&[
        "name = 'late'\n[stages.first]\nrust = 'node'\nwhen = 'input.on'\n[stages.beside]\nrust = 'node'\n\
        [stages.last]\nrust = 'node'\nneeds = ['first?', 'beside']",
    ])
    .await;
    let worker = world.worker("w1", &[]);
    fails(&world, &["last -1"]);
    let run = world.start("late", r#"{"on": false, "items": []}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    drop(worker);
    for change in ["skipped = 'another'", "skipped = null"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("update piton.checkpoints set {change} where skipped is not null")))
            .execute(&world.pool)
            .await
            .unwrap();
        let found = world.command(["verify", "--all"]).output().unwrap();
        let said = String::from_utf8_lossy(&found.stdout).into_owned() + &String::from_utf8_lossy(&found.stderr);
        assert!(!found.status.success() && said.contains("first"), "{change}: {said}");
    }
}
