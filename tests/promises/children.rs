//! A stage that starts a run waits for its end, and gets its output: once, whatever dies meanwhile. Never two runs for one item, and none lost.

use piton::App;
use piton::testing::crash_at_every_commit;
use serde_json::{Value, json};
use sqlx::Executor;

use crate::harness::{SOON, World, stdout, until};

const CHILD: &str = r#"
name = "captions"
[stages.transcribe]
command = ["cat"]
[stages.number]
needs = ["transcribe"]
command = ["sh", "-c", "echo 12345678901234567890.10"]
"#;

fn parent(keys: &str) -> String {
    format!(
        "name = \"film\"\n[stages.captions]\nworkflow = \"captions\"\n{keys}\n[stages.burn]\nneeds = [\"captions\"]\n\
         command = [\"cat\"]\n"
    )
}

impl World {
    async fn text(&self, sql: &'static str) -> String {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }
}

#[tokio::test]
async fn the_output_of_a_run_is_that_of_the_stage_which_started_it() {
    let world = World::with(&[&parent("input = { file = \"{{input.file}}\", n = 1.50 }"), CHILD]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", r#"{"file": "a.mp4", "more": 1}"#);
    assert_eq!(world.ended(&run).await, "done");
    let output = world.text("select k.output::text from piton.checkpoints k join piton.runs r on r.id = k.run_id where r.parent_id is null and k.stage = 0").await;
    assert_eq!(output, "12345678901234567890.10", "with every digit");
    let given = world.text("select input::text from piton.runs where parent_id is not null").await;
    assert_eq!(given, r#"{"file":"a.mp4","n":1.50}"#);
    let one = "select count(*) from piton.runs c join piton.runs p on p.id = c.parent_id where c.parent_stage = 0 and c.parent_item = -1 and not c.detached and c.state = 'done'";
    assert_eq!(world.count(one).await, 1);
    world.assert_nothing_is_left().await;
}
