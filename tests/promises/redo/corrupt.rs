//! A checkpoint that is not what was committed is made anew by a retry, with what depends on it.

use crate::harness::World;
use crate::redo::{GRAPH, begun, dead, fails, keys, retry};

/// A run whose last stage has found `harm`, and the stage at which it died of it.
async fn corrupt(world: &World, harm: &'static str) -> String {
    let (run, id) = dead(world).await;
    sqlx::query(harm).execute(&world.pool).await.unwrap();
    retry(world, &[&id]);
    assert_eq!(world.ended(&run).await, "blocked");
    let class = "select count(*) from piton.dead_letters where resolution = 'pending' and class = 'corrupt_checkpoint'";
    assert_eq!(world.count(class).await, 1);
    run
}

#[tokio::test]
async fn a_corrupt_checkpoint_is_made_anew_and_only_what_depends_on_it() {
    let cases = [
        ("update piton.checkpoints set output = '7' where stage = 2", "close last middle"),
        ("update piton.checkpoints set output = '7' where stage = 3 and item = 1", "close last part[1]"),
        ("delete from piton.checkpoints where stage = 3 and item = 2", "close last part[2]"),
        ("delete from piton.checkpoints where stage = 3 and item >= 1", "close last part[1] part[2]"),
        (
            "update piton.checkpoints set output = '9' where stage = 3 and item = -1",
            "close last part[0] part[1] part[2]",
        ),
        ("delete from piton.checkpoints where stage = 3 and item = -1", "close last part[0] part[1] part[2]"),
        ("delete from piton.checkpoints where stage = 2", "close last middle"),
    ];
    for (harm, again) in cases {
        let world = World::with(&[GRAPH]).await;
        let _worker = world.worker("w1", &[]);
        let run = corrupt(&world, harm).await;
        let before = world.journal().len();
        retry(&world, &["--all"]);
        assert_eq!(world.ended(&run).await, "done", "{harm}");
        assert_eq!(begun(&world, before), again, "{harm}");
        // The same work: a service that knows the keys need not do it again.
        assert_eq!(keys(&world).await, "first beside middle part:0 part:1 part:2 last close", "{harm}");
        world.assert_nothing_is_left().await;
    }
}

/// Item follows item, so that several of them die of several bad checkpoints.
const PAIRS: &str = r#"
name = "graph"
[stages.one]
rust = "node"
for_each = "input.items"
[stages.two]
rust = "node"
needs = ["one"]
for_each = "one"
[stages.last]
rust = "node"
needs = ["two"]
"#;

#[tokio::test]
async fn many_corrupt_checkpoints_of_a_run_are_made_anew_at_once() {
    let world = World::with(&[PAIRS]).await;
    let _worker = world.worker("w1", &[]);
    fails(&world, &["two 0", "two 1", "two 2"]);
    let run = world.start("graph", r#"{"items": [0, 1, 2, 3]}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    fails(&world, &[]);
    let harm = "update piton.checkpoints set output = '7' where stage = 0 and item in (0, 2)";
    sqlx::query(harm).execute(&world.pool).await.unwrap();
    retry(&world, &["--all"]);
    assert_eq!(world.ended(&run).await, "blocked");
    assert_eq!(world.count("select count(*) from piton.dead_letters where resolution = 'pending'").await, 2);
    let before = world.journal().len();
    assert!(retry(&world, &["--class", "corrupt_checkpoint"]).contains("retried: 2"));
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(begun(&world, before), "last one[0] one[2] two[0] two[1] two[2] two[3]");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_corrupt_step_is_forgotten_with_all_that_its_job_remembered() {
    let steps = "name = 'steps'\n[stages.steps]\nrust = 'steps'\nretry = { unknown = { base = '2s' } }\n";
    let world = World::with(&[steps]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("steps", r#"{"steps": 3, "fails_after": 2}"#);
    let failed = async || world.count("select count(*) from piton.attempts").await == 1;
    crate::harness::until(crate::harness::SOON, "it failed once", failed).await;
    let harm = "update piton.steps set output = '7' where name = 'step-1'";
    sqlx::query(harm).execute(&world.pool).await.unwrap();
    assert_eq!(world.ended(&run).await, "blocked");
    sqlx::query("update piton.runs set input = '{\"steps\": 3}'").execute(&world.pool).await.unwrap();
    let before = world.journal().len();
    retry(&world, &["--all"]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.journal().len() - before, 3);
    world.assert_nothing_is_left().await;
}
