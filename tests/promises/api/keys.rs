//! The same key with another input.

use serde_json::{Value, json};

use super::client::Api;
use crate::harness::World;
use crate::workflows::WORK;

const FIRST: &str = r#"{"work_ms": 0, "order": 7}"#;
const SAME: &str = r#"{"order":7,"work_ms":0}"#;
const OTHER: &str = r#"{"order": 8, "work_ms": 0}"#;

#[tokio::test]
async fn a_key_with_another_input_is_told_of_and_refused_if_asked_to() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    let api = Api::of(&world).await;
    let ask = |input: &str, same_input: bool| {
        let input: Value = serde_json::from_str(input).unwrap();
        api.post("/runs", &json!({"workflow": "work", "key": "k", "input": input, "same_input": same_input}))
    };
    let first = ask(FIRST, true);
    assert_eq!(first.status, 201);
    let run = first.good()["run"].clone();
    let again = ask(SAME, true);
    assert_eq!(again.status, 200);
    assert_eq!(again.good(), json!({"run": run, "is_new": false, "is_other_input": false}));
    assert_eq!(ask(OTHER, false).good(), json!({"run": run, "is_new": false, "is_other_input": true}));
    let refused = ask(OTHER, true);
    assert_eq!(refused.problem().0, 409);
    assert!(refused.json()["detail"].as_str().unwrap().contains(run.as_str().unwrap()), "{refused:?}");
    let keyless = api.post("/runs", &json!({"workflow": "work", "same_input": true})).problem();
    assert_eq!(keyless.0, 422);
    assert_eq!(world.count("select count(*) from piton.runs").await, 1);
}
