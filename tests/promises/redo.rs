//! A dead letter is retried from a stage or from the beginning, with a corrected input where the old one was wrong: that
//! stage and what needs it are done again, and nothing else is.

mod corrupt;
mod graphs;
mod input;
mod races;
mod refusals;

use serde_json::{Value, json};

use crate::harness::{SOON, World, stdout, until};

/// `last` dies in most tests; `beside` needs nothing of it.
const GRAPH: &str = r#"
name = "graph"
[stages.first]
rust = "node"
[stages.beside]
rust = "node"
[stages.middle]
rust = "node"
needs = ["first"]
[stages.part]
rust = "node"
needs = ["first"]
for_each = "first.items"
[stages.last]
rust = "node"
needs = ["middle", "part"]
[stages.close]
rust = "node"
needs = ["last", "beside"]
"#;

/// Lines `stage item` of jobs that fail from now on.
pub(crate) fn fails(world: &World, lines: &[&str]) {
    std::fs::write(world.path("journal.fails"), lines.join("\n")).unwrap();
}

pub(crate) fn retry(world: &World, arguments: &[&str]) -> String {
    stdout(&world.command(["dead-letter", "retry"].iter().chain(arguments)).output().unwrap())
}

/// Stages that began since the journal had so many lines, in alphabetical order.
pub(crate) fn begun(world: &World, before: usize) -> String {
    let mut stages: Vec<String> = world.journal()[before..]
        .iter()
        .map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            [stage, "-1", _] => stage.to_owned(),
            [stage, item, _] => format!("{stage}[{item}]"),
            _ => panic!("{line}"),
        })
        .collect();
    stages.sort();
    stages.join(" ")
}

/// The idempotency keys under which the checkpoints were made, without the run's id.
async fn keys(world: &World) -> String {
    let keys: Vec<String> = sqlx::query_scalar(
        "select output ->> 'key' from piton.checkpoints where output ->> 'key' is not null order by stage, item",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    keys.join(" ")
}

/// A run whose stage `last` has died, with 3 items.
async fn dead(world: &World) -> (String, String) {
    fails(world, &["last -1"]);
    let run = world.start("graph", r#"{"items": [7, 8, 9], "say": "old"}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    fails(world, &[]);
    (run, world.dead_letter().await)
}

#[tokio::test]
async fn a_stage_is_done_again_with_all_that_needs_it_and_nothing_else() {
    let world = World::with(&[GRAPH]).await;
    let _worker = world.worker("w1", &[]);
    let (run, id) = dead(&world).await;
    let before = world.journal().len();
    let said = retry(&world, &[&id, "--from", "part", "--by", "anna", "--note", "the parts were wrong"]);
    assert_eq!(
        said.trim(),
        "Dead letters that were retried: 1. They begin again from that stage when a worker is free."
    );
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(begun(&world, before), "close last part[0] part[1] part[2]");
    assert_eq!(
        keys(&world).await,
        "first beside middle part:0:again-1 part:1:again-1 part:2:again-1 last:again-1 close:again-1"
    );
    assert_eq!(world.count("select count(*) from piton.past_checkpoints").await, 4, "the split and three parts");
    assert_eq!(world.count("select count(*) from piton.checkpoints where attempt > 1").await, 0, "numbered anew");
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", &run]).output().unwrap());

    let story = world.command(["dead-letter", "show", &id, "--json"]).output().unwrap();
    let story: Value = serde_json::from_str(&stdout(&story)).unwrap();
    assert_eq!((&story["resolution"], &story["done_again"]), (&json!("retried"), &json!(true)));
    assert_eq!((&story["attempts"][0]["attempt"], &story["attempts"][0]["message"]), (&json!(1), &json!("as asked")));
    assert!(story["attempts"][0]["done_again_at"].is_string(), "{story}");
    let told = stdout(&world.command(["dead-letter", "show", &id]).output().unwrap());
    assert!(told.contains("invalid_input: as asked  (before it was done again)"), "{told}");
}

#[tokio::test]
async fn a_job_that_dies_again_after_it_was_done_again_has_a_budget_of_its_own_and_the_whole_story() {
    let retried =
        GRAPH.replace("[stages.last]", "[stages.last]\nretry = { invalid_input = { max_retries = 2, base = '1ms' } }");
    let world = World::with(&[&retried]).await;
    let _worker = world.worker("w1", &[]);
    let (run, id) = dead(&world).await;
    fails(&world, &["last -1"]);
    retry(&world, &[&id, "--from", "last"]);
    let again = async || world.count("select count(*) from piton.dead_letters").await == 2;
    until(SOON, "it dies again", again).await;
    assert_eq!(world.ended(&run).await, "blocked");
    let second = world.dead_letter().await;
    let story = world.command(["dead-letter", "show", &second, "--json"]).output().unwrap();
    let story: Value = serde_json::from_str(&stdout(&story)).unwrap();
    let attempts = story["attempts"].as_array().unwrap().iter();
    let attempts: Vec<(i64, bool)> =
        attempts.map(|a| (a["attempt"].as_i64().unwrap(), a["done_again_at"].is_string())).collect();
    assert_eq!(attempts, [(1, true), (2, true), (3, true), (1, false), (2, false), (3, false)]);
    fails(&world, &[]);
    // The second time over, it is the second key that changes.
    retry(&world, &[&second, "--from", "last"]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(keys(&world).await, "first beside middle part:0 part:1 part:2 last:again-2 close:again-2");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_runs_is_fenced_where_it_is_done_again_and_left_alone_where_it_is_not() {
    let world = World::with(&[GRAPH]).await;
    let worker = world.worker("w1", &["--lease", "2s"]);
    fails(&world, &["middle -1"]);
    // The first part and what is beside take as long as the test needs.
    let run = world.start("graph", r#"{"items": [0, 1], "slow": {"part": 3000, "beside": 3000}}"#);
    until(SOON, "middle is dead, and the others run", async || {
        world.count("select count(*) from piton.dead_letters").await == 1
            && world.count("select count(*) from piton.jobs where state = 'running'").await == 3
    })
    .await;
    fails(&world, &[]);
    retry(&world, &[&world.dead_letter().await, "--from", "first"]);
    worker.says("no longer held").await;
    let cancelled = "select count(*) from piton.past_attempts where stage = 3 and outcome = 'cancelled'";
    assert_eq!(world.count(cancelled).await, 2);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(begun(&world, 0), "beside close first first last middle middle part[0] part[0] part[1] part[1]");
    assert_eq!(
        keys(&world).await,
        "first:again-1 beside middle:again-1 part:0:again-1 part:1:again-1 last:again-1 close:again-1"
    );
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn many_are_retried_from_one_stage_and_those_of_one_run_with_one_another() {
    let world = World::with(&[GRAPH]).await;
    let _worker = world.worker("w1", &[]);
    fails(&world, &["middle -1", "part 1"]);
    let runs: Vec<String> = (0..3).map(|_| world.start("graph", r#"{"items": [0, 1]}"#)).collect();
    for run in &runs {
        assert_eq!(world.ended(run).await, "blocked");
    }
    fails(&world, &[]);
    let refused = world.command(["dead-letter", "retry", "--all", "--from", "part"]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("which does not come after stage \"part\". It can be retried from: first, middle"), "{said}");
    let many = world.command(["dead-letter", "retry", "--all", "--input", "-"]).output().unwrap();
    assert!(String::from_utf8(many.stderr).unwrap().contains("--input corrects the input of one run"));
    assert_eq!(world.count("select count(*) from piton.dead_letters where resolution = 'pending'").await, 6);
    let before = world.journal().len();
    assert!(retry(&world, &["--all", "--from", "first"]).contains("retried: 6"));
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    assert_eq!(world.journal().len() - before, 3 * 6, "each stage and item once, but for what is beside");
    let notes = "select count(*) from piton.dead_letters where note like 'done again with dead letter %'";
    assert_eq!(world.count(notes).await, 3);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_crashed_job_that_is_done_again_still_runs_alone() {
    let world = World::with(&[GRAPH]).await;
    let worker = world.worker("w1", &[]);
    let (_, id) = dead(&world).await;
    worker.kill();
    sqlx::query("update piton.dead_letters set class = 'crashed'").execute(&world.pool).await.unwrap();
    retry(&world, &[&id, "--from", "last"]);
    assert_eq!(
        world.count("select count(*) from piton.jobs where state = 'suspect' and deaths = 1 and attempt = 0").await,
        1
    );
}
