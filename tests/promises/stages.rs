//! Whatever a handler does ends in a checkpoint or in a classified failure.

use serde_json::json;

use crate::harness::{World, stdout};
use crate::workflows::MISBEHAVE;

/// Runs the handler and returns the run's state, and class and message of its first failure.
async fn misbehave(world: &World, input: serde_json::Value) -> (String, Option<(String, String)>) {
    let run = world.start("misbehave", &input.to_string());
    let first = async || -> Option<(String, String)> {
        sqlx::query_as(
            "select a.class, a.message from piton.attempts a join piton.runs r on r.id = a.run_id
             where r.uuid = $1::uuid order by attempt limit 1",
        )
        .bind(&run)
        .fetch_optional(&world.pool)
        .await
        .unwrap()
    };
    crate::harness::until(crate::harness::SOON, "the first attempt ends", async || {
        first().await.is_some() || world.state(&run).await != "running"
    })
    .await;
    (world.state(&run).await, first().await)
}

#[tokio::test]
async fn every_kind_of_misbehaviour_is_a_classified_failure() {
    let world = World::with(&[MISBEHAVE]).await;
    let mut worker = world.worker("w1", &[]);
    let expected = [
        (json!({"how": "panic"}), "running", "unknown", "the handler panicked: as asked"),
        (json!({"how": "panic with a value"}), "running", "unknown", "the handler panicked: no message"),
        (json!({"how": "hang"}), "running", "network_timeout", "the stage ran longer than its timeout of 300 ms"),
        (json!({"how": "spin"}), "running", "network_timeout", "the stage ran longer than its timeout of 300 ms"),
        (
            json!({"how": "large", "size": 1 << 20}),
            "blocked",
            "invalid_input",
            "the stage's output was refused: it has 1048578 bytes, over the limit of 1048576; keep big things in files \
             and hand on their names",
        ),
        (
            json!({"how": "nul"}),
            "blocked",
            "invalid_input",
            "the stage's output was refused: the string at `text` (character 11) holds a NUL character (\\u0000), which \
             Postgres cannot keep; remove or encode it",
        ),
        (
            json!({"how": "deep"}),
            "blocked",
            "invalid_input",
            "the stage's output was refused: its arrays and objects are nested more than 100 deep",
        ),
        (
            json!({"nothing": "fits"}),
            "blocked",
            "invalid_input",
            "the stage's input does not fit its handler: missing field `how` at line 1 column 27",
        ),
    ];
    for (input, state, class, message) in expected {
        let found = misbehave(&world, input.clone()).await;
        assert_eq!(found, (state.to_owned(), Some((class.to_owned(), message.to_owned()))), "{input}");
    }
    let (state, failure) = misbehave(&world, json!({"how": "null"})).await;
    assert_eq!((state.as_str(), failure), ("done", None), "null is an output like another");
    assert!(worker.is_running());
}

const NO_ARRAY: &str = r#"
name = "no-array"
[stages.each]
rust = "echo"
for_each = "input.list"
"#;

#[tokio::test]
async fn a_fan_out_over_something_that_is_no_array_is_invalid_input() {
    let world = World::with(&[NO_ARRAY]).await;
    let _worker = world.worker("w1", &[]);
    for (input, said) in [
        (r#"{"list": {"a": 1}}"#, "cannot fan out: `input.list` is an object, not an array"),
        ("{}", "cannot fan out: there is no `input.list`"),
        ("[]", "cannot fan out: `input` is an array, which has no `list`"),
    ] {
        let run = world.start("no-array", input);
        assert_eq!(world.ended(&run).await, "blocked");
        let message: String =
            sqlx::query_scalar("select message from piton.dead_letters_overview where run = $1::uuid")
                .bind(&run)
                .fetch_one(&world.pool)
                .await
                .unwrap();
        assert_eq!(message, said);
    }
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_does_not_depend_on_a_dead_letter_goes_on_until_it_is_dismissed() {
    let siblings = r#"
        name = "siblings"
        [stages.fails]
        rust = "misbehave"
        [stages.each]
        rust = "echo"
        for_each = "input.list"
        [stages.after]
        rust = "echo"
        needs = ["each"]
        [stages.never]
        rust = "echo"
        needs = ["after", "fails"]
    "#;
    let world = World::with(&[siblings]).await;
    let _worker = world.worker("w1", &["--slots", "2"]);
    let run = world.start("siblings", r#"{"how": "fail", "times": 9, "class": "auth_failure", "list": [1, 2, 3]}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    // The split, three items and what comes after them.
    assert_eq!(world.count("select count(*) from piton.checkpoints").await, 5);
    assert_eq!(world.count("select count(*) from piton.joins").await, 1, "the joined stage still waits");
    stdout(
        &world.command(["dead-letter", "dismiss", &world.dead_letter().await, "--reason", "no use"]).output().unwrap(),
    );
    assert_eq!(world.state(&run).await, "failed");
    assert_eq!(world.count("select count(*) from piton.joins").await, 0);
    world.assert_nothing_is_left().await;
}
