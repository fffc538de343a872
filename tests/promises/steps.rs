//! Steps inside a stage are remembered over retries and crashes; state is shared by all handlers.

use std::collections::HashMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::harness::{SOON, World, until};

const STEPS: &str = r#"
name = "steps"
[stages.steps]
rust = "steps"
for_each = "input.items"
retry = { unknown = { base = "1ms" } }
"#;

/// How often each step has run, by item and name.
fn calls(world: &World) -> HashMap<(String, String), usize> {
    let mut calls = HashMap::new();
    for line in world.journal() {
        let [_, item, _, step] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        *calls.entry((item.to_owned(), step.to_owned())).or_default() += 1;
    }
    calls
}

async fn recorded(world: &World) -> Vec<(String, String)> {
    sqlx::query_as("select item::text, name from piton.steps").fetch_all(&world.pool).await.unwrap()
}

async fn outputs(world: &World) -> Vec<Value> {
    sqlx::query_scalar("select output from piton.checkpoints where item >= 0 order by item")
        .fetch_all(&world.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_step_that_was_recorded_never_runs_again_wherever_the_worker_dies() {
    const SEEDS: u64 = 50;
    let world = World::with(&[STEPS]).await;
    let (items, steps) = (32, 60);
    let run = world.start("steps", &json!({"items": vec![0; items], "steps": steps, "work_ms": 10}).to_string());
    let mut settled: Vec<((String, String), usize)> = Vec::new();
    for seed in 0..SEEDS {
        let before = recorded(&world).await.len();
        let victim = world.worker("w1", &["--slots", "2"]);
        until(SOON, "a step is recorded", async || recorded(&world).await.len() > before).await;
        let mut dice = StdRng::seed_from_u64(seed);
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..60))).await;
        victim.kill();
        let sessions = "select count(*) from pg_stat_activity
                        where datname = current_database() and application_name = 'piton'";
        until(SOON, "its sessions are gone", async || world.count(sessions).await == 0).await;
        let calls = calls(&world);
        for (step, count) in &settled {
            assert_eq!(calls[step], *count, "{step:?} ran again, killed with seed {seed}");
        }
        settled = recorded(&world).await.into_iter().map(|step| (step.clone(), calls[&step])).collect();
        assert!(settled.len() < items * steps, "all is done at seed {seed}; give it more to do");
    }
    let _last = world.worker("w1", &[]);
    let state = world.ended(&run).await;
    let lost: Vec<(i32, i32, String)> = sqlx::query_as(
        "select a.item, a.attempt, concat_ws(' ', a.outcome, a.message, w.name, w.stop_reason)
         from piton.attempts a join piton.workers w on w.id = a.worker_id
         where a.item in (select item from piton.dead_letters) order by 1, 2",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert_eq!((state.as_str(), lost), ("done", Vec::new()));
    let calls = calls(&world);
    assert!(settled.iter().all(|(step, count)| calls[step] == *count));
    assert_eq!(outputs(&world).await, vec![json!((0..steps).sum::<usize>()); items]);
    assert_eq!(recorded(&world).await.len(), items * steps);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_step_is_not_paid_again_when_its_stage_is_retried() {
    let world = World::with(&[STEPS]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("steps", &json!({"items": [0], "steps": 3, "fails_after": 2}).to_string());
    assert_eq!(world.ended(&run).await, "done");
    let calls = calls(&world);
    assert!(calls.len() == 3 && calls.values().all(|count| *count == 1), "{calls:?}");
    assert_eq!(world.count("select count(*) from piton.attempts where class = 'unknown'").await, 1);
    let attempts = "select count(*) from piton.steps where attempt = 1";
    assert_eq!(world.count(attempts).await, 2, "the third step was run by the second attempt");
}

#[tokio::test]
async fn a_step_of_an_attempt_that_lost_its_job_is_not_recorded() {
    let world = World::with(&[STEPS]).await;
    let slow = world.worker("w1", &["--lease", "2s"]);
    world.start("steps", &json!({"items": [0], "steps": 2, "work_ms": 2000}).to_string());
    until(SOON, "the first step runs", async || world.journal().len() == 1).await;
    slow.signal("STOP");
    let _heir = world.worker("w2", &["--lease", "2s"]);
    until(SOON, "another runs it", async || world.journal().len() == 2).await;
    slow.signal("CONT");
    until(SOON, "both steps are recorded", async || recorded(&world).await.len() == 2).await;
    let by: Vec<String> =
        sqlx::query_scalar("select distinct w.name from piton.steps s join piton.workers w on w.id = s.worker_id")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(by, ["w2"]);
}

#[tokio::test]
async fn a_step_that_was_changed_is_never_passed_on() {
    let world = World::with(&[&STEPS.replace("1ms", "1h")]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("steps", &json!({"items": [0], "steps": 2, "fails_after": 1}).to_string());
    let waits = async || world.count("select count(*) from piton.jobs where state = 'scheduled'").await == 1;
    until(SOON, "the retry waits", waits).await;
    sqlx::query("update piton.steps set output = '7'").execute(&world.pool).await.unwrap();
    sqlx::query("update piton.jobs set due_at = now()").execute(&world.pool).await.unwrap();
    assert_eq!(world.ended(&run).await, "blocked");
    let class: String =
        sqlx::query_scalar("select class from piton.dead_letters").fetch_one(&world.pool).await.unwrap();
    assert_eq!(class, "corrupt_checkpoint");
}

#[tokio::test]
async fn a_step_waits_for_a_database_that_is_away_for_a_moment() {
    let world = World::with(&[STEPS]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("steps", &json!({"items": [0, 0, 0], "steps": 40, "work_ms": 20}).to_string());
    for cut in 1..=5 {
        until(SOON, "it goes on", async || recorded(&world).await.len() > cut * 5).await;
        world.cut_sessions().await;
    }
    assert_eq!(world.ended(&run).await, "done");
    assert!(calls(&world).values().all(|count| *count == 1));
    assert_eq!(world.count("select count(*) from piton.attempts").await, 0);
}
