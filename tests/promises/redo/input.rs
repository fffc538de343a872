//! A run goes on, or begins again, on a corrected input.

use serde_json::{Value, json};

use crate::harness::{SOON, World, stdout, until};
use crate::redo::{GRAPH, begun, dead, fails, keys, retry};

#[tokio::test]
async fn a_run_is_done_again_from_its_beginning_on_a_corrected_input() {
    let world = World::with(&[GRAPH]).await;
    let _worker = world.worker("w1", &[]);
    let (run, id) = dead(&world).await;
    let before = world.journal().len();
    std::fs::write(world.path("better.json"), r#"{"items": [1, 2], "say": "new"}"#).unwrap();
    retry(&world, &[&id, "--from-beginning", "--input", world.path("better.json").to_str().unwrap()]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(begun(&world, before), "beside close first last middle part[0] part[1]");
    assert_eq!(
        keys(&world).await,
        "first:again-1 beside:again-1 middle:again-1 part:0:again-1 part:1:again-1 last:again-1 close:again-1"
    );
    let old = "select count(*) from piton.checkpoints where output ->> 'say' = 'old'";
    assert_eq!(world.count(old).await, 0);
    let story = world.command(["dead-letter", "show", &id, "--json"]).output().unwrap();
    let story: Value = serde_json::from_str(&stdout(&story)).unwrap();
    assert_eq!((&story["input"]["say"], &story["input_before"]["say"]), (&json!("new"), &json!("old")));
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", &run]).output().unwrap());
}

#[tokio::test]
async fn a_corrected_input_is_that_of_what_is_still_to_be_done_and_what_is_done_stays() {
    let world = World::with(&[GRAPH]).await;
    let _worker = world.worker("w1", &[]);
    let (run, id) = dead(&world).await;
    let before = world.journal().len();
    std::fs::write(world.path("better.json"), r#"{"say": "new"}"#).unwrap();
    retry(&world, &[&id, "--input", world.path("better.json").to_str().unwrap()]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(begun(&world, before), "close last");
    assert_eq!(keys(&world).await, "first beside middle part:0 part:1 part:2 last:again-1 close:again-1");
    let said: Vec<(i16, Option<String>)> = sqlx::query_as(
        "select stage, output ->> 'say' from piton.checkpoints where output ->> 'key' is not null and item <= 0 order by stage",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    let said: Vec<&str> = said.iter().map(|(_, said)| said.as_deref().unwrap()).collect();
    assert_eq!(said, ["old", "old", "old", "old", "new", "new"]);
    assert_eq!(
        world.count("select count(*) from piton.attempts where attempt = 1").await,
        1,
        "it goes on as attempt 2"
    );
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_a_job_had_remembered_is_forgotten_when_it_is_done_again_or_its_input_is_corrected() {
    const STEPS: &str = "name = 'steps'\n[stages.steps]\nrust = 'steps'\nretry = { unknown = { max_retries = 0 } }\n";
    let world = World::with(&[STEPS]).await;
    let _worker = world.worker("w1", &[]);
    std::fs::write(world.path("better.json"), r#"{"steps": 4}"#).unwrap();
    let better = world.path("better.json").to_str().unwrap().to_owned();
    for (arguments, steps) in
        [(vec![], 4), (vec!["--input", &better], 6), (vec!["--from", "steps", "--input", &better], 6)]
    {
        let before = world.journal().len();
        let run = world.start("steps", r#"{"steps": 4, "fails_after": 2}"#);
        assert_eq!(world.ended(&run).await, "blocked");
        retry(&world, &[&[world.dead_letter().await.as_str()], &arguments[..]].concat());
        assert_eq!(world.ended(&run).await, "done");
        assert_eq!(world.journal().len() - before, steps, "{arguments:?}");
    }
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_stage_that_is_being_split_over_the_old_input_is_split_over_the_corrected_one() {
    const TWO: &str =
        "name = 'two'\n[stages.dies]\nrust = 'node'\n[stages.part]\nrust = 'node'\nfor_each = 'input.items'\n";
    let world = World::with(&[TWO]).await;
    fails(&world, &["dies -1"]);
    let run = world.start("two", r#"{"items": [0, 1]}"#);
    // A boot that has claimed the split and does nothing more.
    sqlx::raw_sql(
        "with boot as (insert into piton.workers (boot_id, name, host, pid) values (gen_random_uuid(), 'slow', 'h', 1) returning id)
         update piton.jobs set state = 'running', attempt = 1, worker_id = boot.id from boot where stage = 1",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let _worker = world.worker("w1", &["--lease", "60s"]);
    let died = async || world.count("select count(*) from piton.dead_letters").await == 1;
    until(SOON, "it died", died).await;
    fails(&world, &[]);
    std::fs::write(world.path("better.json"), r#"{"items": [0, 1, 2]}"#).unwrap();
    retry(&world, &[&world.dead_letter().await, "--input", world.path("better.json").to_str().unwrap()]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.count("select count(*) from piton.checkpoints where item >= 0").await, 3);
    assert_eq!(world.count("select count(*) from piton.attempts where outcome = 'released'").await, 1);
    world.assert_nothing_is_left().await;
}
