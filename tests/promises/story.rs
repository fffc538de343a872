//! The shipped workflow, as README has it.

use serde_json::Value;

use crate::harness::{Process, SOON, World, example, stdout, until};

#[tokio::test]
async fn the_story_comes_out_as_one_page_and_captions_that_are_kept_as_artifacts() {
    let world = World::with(&[]).await;
    let topic = concat!(env!("CARGO_MANIFEST_DIR"), "/workflows/story/topic.json");
    let manuscript = concat!(env!("CARGO_MANIFEST_DIR"), "/workflows/story/manuscript.json");
    for input in [topic, manuscript] {
        let output =
            world.command_of(&example("story"), ["run", "story", "--json", "--input", input]).output().unwrap();
        let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
        let result = &report["output"]["assembly"];
        let got = |name: &str| {
            let get = ["artifacts", "get", report["run"].as_str().unwrap(), name, "--to", "-"];
            stdout(&world.command_of(&example("story"), get).output().unwrap())
        };
        let page = got("storyboard.html");
        assert_eq!(result["storyboard"]["bytes"], page.len());
        let scenes = result["scenes"].as_u64().unwrap() as usize;
        assert!(scenes >= 5 && page.matches("<svg").count() >= scenes, "{scenes} scenes");
        assert!(!page.contains("http://") || !page.contains("src=\"http"), "the page is self-contained");
        let captions = got("captions.srt");
        assert!(captions.starts_with("1\n00:00:00,000 --> "), "{}", &captions[..60]);
    }
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_story_killed_in_the_middle_is_resumed_and_no_finished_stage_runs_twice() {
    let world = World::with(&[]).await;
    let topic = concat!(env!("CARGO_MANIFEST_DIR"), "/workflows/story/topic.json");
    let slow = ["run", "story", "--input", topic, "--set", "simulate.slow_ms=1000"];
    let first = Process::spawn(world.command_of(&example("story"), slow), world.path("first.log"));
    let two_stages = async || world.count("select count(*) from piton.checkpoints").await >= 2;
    until(SOON, "two stages are done", two_stages).await;
    first.kill();
    let before = checkpoints(&world).await;
    let run: String = sqlx::query_scalar("select uuid::text from piton.runs").fetch_one(&world.pool).await.unwrap();
    stdout(&world.command_of(&example("story"), ["run", "--resume", &run]).output().unwrap());
    assert_eq!(world.state(&run).await, "done");
    let after = checkpoints(&world).await;
    assert!(before.iter().all(|row| after.contains(row)), "{before:?} {after:?}");
    world.assert_nothing_is_left().await;
}

/// Stage, item, attempt and the boot that committed it.
async fn checkpoints(world: &World) -> Vec<(i16, i32, i32, i64)> {
    sqlx::query_as("select stage, item, attempt, worker_id from piton.checkpoints")
        .fetch_all(&world.pool)
        .await
        .unwrap()
}
