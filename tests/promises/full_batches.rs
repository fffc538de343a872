//! Crashes and cut sessions while batches are full and branches are handed on from stage to stage.

use crate::harness::{SOON, World, until};
use crate::workflows::CHAIN;

/// Enough that a worker can be killed before it is through.
const RUNS: i64 = if cfg!(debug_assertions) { 3000 } else { 30_000 };

async fn backlog() -> World {
    let world = World::with(&[CHAIN]).await;
    // Registers the workflow, and is the first of the runs.
    world.start("chain", "{}");
    sqlx::query("select count(*) from piton.start_runs('chain', array_fill('{}'::json, array[$1::int4]))")
        .bind(RUNS - 1)
        .execute(&world.pool)
        .await
        .unwrap();
    world
}

async fn checkpoints(world: &World) -> i64 {
    world.count("select count(*) from piton.checkpoints").await
}

async fn assert_every_stage_once(world: &World) {
    let left = async || world.count("select count(*) from piton.runs where state <> 'done'").await;
    until(SOON * 2, "every run is done", async || left().await == 0).await;
    assert_eq!(checkpoints(world).await, RUNS * 3);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn workers_killed_with_full_batches_lose_no_finished_stage() {
    let world = backlog().await;
    for (boot, enough) in [RUNS / 2, RUNS].into_iter().enumerate() {
        let victim = world.worker("w1", &["--slots", "1024"]);
        until(SOON, "many stages are done", async || checkpoints(&world).await > enough).await;
        victim.kill();
        let (done, lost) = (checkpoints(&world).await, "select count(*) from piton.jobs where state = 'running'");
        assert!(done < RUNS * 3, "boot {boot} was too quick to be killed");
        assert!(world.count(lost).await > 0, "boot {boot} held nothing when it died");
    }
    let _heir = world.worker("w1", &["--slots", "1024"]);
    assert_every_stage_once(&world).await;
    let lost = world.count("select count(*) from piton.attempts where outcome = 'lost' and class = 'crashed'").await;
    let ran = world.journal().len() as i64;
    assert!(lost > 0 && ran <= RUNS * 3 + lost, "{ran} calls for {} stages, {lost} lost", RUNS * 3);
}

#[tokio::test]
async fn branches_whose_hand_off_was_not_heard_of_go_on() {
    let world = backlog().await;
    let mut workers = [world.worker("w1", &["--slots", "1024"]), world.worker("w2", &["--slots", "1024"])];
    for cut in 1..=6 {
        until(SOON, "it goes on", async || checkpoints(&world).await > cut * RUNS / 4).await;
        world.cut_sessions().await;
    }
    assert_every_stage_once(&world).await;
    assert!(workers.iter_mut().all(|worker| worker.is_running()));
    assert_eq!(
        world.count("select count(*) from piton.attempts where class is not null and class <> 'crashed'").await,
        0
    );
}
