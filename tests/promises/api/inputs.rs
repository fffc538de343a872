//! A run or a batch on an input that its workflow does not declare.

use serde_json::json;

use super::client::Api;
use crate::harness::World;

#[tokio::test]
async fn an_input_that_does_not_fit_is_a_problem_that_names_the_key() {
    let declared = "name = 'declared'\n[input]\ntopic = 'string'\nlang = { type = 'string', default = 'en' }\n\
                    [stages.only]\ncommand = ['cat']";
    let world = World::with(&[declared]).await;
    world.deploy("declared");
    let api = Api::of(&world).await;
    let answer = api.post("/runs", &json!({"workflow": "declared", "input": {"lang": "de"}}));
    let said = "does not fit its workflow: \"topic\" is missing: add it (a string)";
    assert_eq!(answer.problem(), (422, "invalid".to_owned()));
    let problem = answer.json();
    assert_eq!(problem["detail"], format!("the run's input {said}"));
    assert_eq!(problem["hint"], "It takes \"lang\" (string, or else \"en\"), \"topic\" (string).");
    let batch = json!({"name": "b", "workflow": "declared", "inputs": [{"topic": "a"}, {}]});
    assert_eq!(api.post("/batches", &batch).json()["detail"], format!("item 2 {said}"));
    assert_eq!(world.count("select count(*) from piton.runs").await, 0);
    let good = json!({"workflow": "declared", "input": {"topic": "a"}});
    assert_eq!(api.post("/runs", &good).status, 201);
    let on = "select count(*) from piton.runs where input::text = '{\"topic\":\"a\",\"lang\":\"en\"}'";
    assert_eq!(world.count(on).await, 1);
}
