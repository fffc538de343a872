//! The admin API against its own document: whatever schemathesis makes of that is answered as the document says.

use std::process::Command;

use super::client::{Api, OPERATOR};
use crate::harness::World;
use crate::workflows::{CHAIN, MISBEHAVE, SQUARES};

/// A 422 fits the document, and makes no sense for what the document cannot say: a filter that is empty, a stage and the
/// beginning at once. What does not fit is a 400.
const REFUSED: &str =
    "[checks.positive_data_acceptance]\nexpected-statuses = ['2xx', '401', '403', '404', '409', '422']\n";

/// With `pip install schemathesis` in an environment of its own, and its program named by SCHEMATHESIS:
/// `SCHEMATHESIS=.../bin/schemathesis cargo test --test promises api::fuzz -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "needs schemathesis; some minutes"]
async fn whatever_is_asked_is_answered_as_the_document_says() {
    let world = World::with(&[
        CHAIN,
        MISBEHAVE,
        &SQUARES.replace("[stages.square]", "[stages.square]\nretry = { max_retries = 0 }"),
    ])
    .await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("squares", r#"{"items": 20, "fails_once_every": 5}"#);
    world.ended(&run).await;
    for _ in 0..20 {
        world.start("misbehave", r#"{"how": "fail", "times": 99, "class": "auth_failure"}"#);
        world.start("chain", "{}");
    }
    let api = Api::of(&world).await;
    let program = std::env::var("SCHEMATHESIS").expect("SCHEMATHESIS names the program");
    let letter = api.get(&format!("/dead-letters?run={run}&limit=1")).good()["dead_letters"][0]["id"].clone();
    let known = format!(
        "[parameters]\n\"path.run\" = \"{run}\"\n\"path.stage\" = \"square\"\n\"path.workflow\" = \"chain\"\n\"path.id\" = {letter}\n"
    );
    for (name, parameters) in [("anything", String::new()), ("what is there", known)] {
        let config = world.path("schemathesis.toml");
        std::fs::write(&config, format!("{REFUSED}{parameters}")).unwrap();
        let status = Command::new(&program)
            .arg("--config-file")
            .arg(&config)
            .args(["run", &format!("http://{}/v1/admin/openapi.json", api.address), "--checks", "all"])
            .args(["--header", &format!("Authorization: Bearer {OPERATOR}"), "--max-examples", "60", "--seed", "1"])
            .current_dir(world.folder.path())
            .status()
            .unwrap();
        assert!(status.success(), "{name}");
    }
    assert!(!api.process.log().contains(" ERROR "), "{}", api.process.log());
    assert_eq!(world.unexplained().await, [""; 0]);
}
