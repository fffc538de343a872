//! Items that share a branch: each is done, retried and recorded as if it had the branch for itself.

use std::collections::HashMap;

use sqlx::Row;

use crate::harness::{SOON, World, until};
use crate::workflows::SQUARES;

/// Five thousand items are lanes of four.
const ITEMS: i32 = 5000;
const LANE: i32 = 4;

#[derive(Debug, PartialEq)]
struct Item {
    attempt: i32,
    /// In microseconds, as all times here.
    started: i64,
    finished: i64,
}

/// Checkpoints of the items, by number.
async fn items(world: &World) -> HashMap<i32, Item> {
    let rows: Vec<(i32, i32, i64, i64)> = sqlx::query_as(
        "select item, attempt, (extract(epoch from started_at) * 1000000)::int8,
                (extract(epoch from finished_at) * 1000000)::int8
         from piton.checkpoints where stage = 1 and item >= 0",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    rows.into_iter().map(|(item, attempt, started, finished)| (item, Item { attempt, started, finished })).collect()
}

/// How often the handler of each item began.
fn began(world: &World) -> HashMap<i32, i32> {
    let mut began = HashMap::new();
    for line in world.journal() {
        if let Some(rest) = line.strip_prefix("square ") {
            *began.entry(rest.split(' ').next().unwrap().parse().unwrap()).or_default() += 1;
        }
    }
    began
}

#[tokio::test]
async fn an_item_that_is_retried_holds_up_none_of_its_branch() {
    let world = World::with(&[SQUARES]).await;
    let run = world.start("squares", r#"{"items": 5000, "fails_once_every": 10}"#);
    let _worker = world.worker("w1", &["--slots", "64"]);
    assert_eq!(world.ended(&run).await, "done");
    let (items, began) = (items(&world).await, began(&world));
    assert_eq!((items.len(), began.len()), (ITEMS as usize, ITEMS as usize));
    for (number, item) in &items {
        let attempts = if number % 10 == 0 { 2 } else { 1 };
        assert_eq!((item.attempt, began[number]), (attempts, attempts), "attempts of item {number}");
    }
    assert_eq!(world.count("select count(*) from piton.attempts where outcome = 'failed'").await, 500);
    // Item 21 is behind 20 in its branch, and did not wait for its retry, which is due a second later.
    assert!(items[&21].started < items[&20].started);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn items_behind_a_slow_one_do_not_wait_for_each_other() {
    let world = World::with(&[SQUARES]).await;
    let run = world.start("squares", r#"{"items": 5000, "work_ms": 150, "slow_items": 400}"#);
    let _worker = world.worker("w1", &["--slots", "64"]);
    assert_eq!(world.ended(&run).await, "done");
    let items = items(&world).await;
    assert_eq!(items.len(), ITEMS as usize);
    // The commit of one item is the start of the next, where the branch is handed on: the very same moment.
    let handed_on = |from: i32| from % LANE < LANE - 1 && items[&from].finished == items[&(from + 1)].started;
    for first in (0..400).step_by(LANE as usize) {
        assert!(!handed_on(first + 1) && !handed_on(first + 2), "items behind {first} are branches of their own");
    }
    let together = (400..ITEMS).filter(|item| handed_on(*item)).count();
    assert!(together > 1000, "{together} quick items were handed on");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_worker_killed_amid_its_branches_loses_none_of_their_items() {
    let world = World::with(&[SQUARES]).await;
    let run = world.start("squares", r#"{"items": 5000, "work_ms": 20}"#);
    let victim = world.worker("w1", &["--slots", "64"]);
    let some = async || world.count("select count(*) from piton.checkpoints").await > 500;
    until(SOON, "some items are done", some).await;
    victim.kill();
    let before = items(&world).await;
    assert!(before.len() < ITEMS as usize, "it was killed in the middle");
    assert_eq!(counted(&world).await, i64::from(ITEMS), "items that are done, under way and to come");
    let _heir = world.worker("w2", &["--slots", "64"]);
    assert_eq!(world.ended(&run).await, "done");
    let after = items(&world).await;
    assert_eq!(after.len(), ITEMS as usize);
    for (number, item) in &before {
        assert_eq!(after.get(number), Some(item), "the checkpoint of item {number} was written again");
    }
    let began = began(&world);
    let lost = world.count("select count(*) from piton.attempts where outcome = 'lost' and class = 'crashed'").await;
    let twice = began.values().filter(|times| **times > 1).count() as i64;
    assert!(began.values().all(|times| *times <= 2) && twice <= lost && lost <= 64, "{twice} twice, {lost} lost");
    world.assert_nothing_is_left().await;
}

/// The items of the fanned-out stage as people see them.
async fn counted(world: &World) -> i64 {
    let stages = sqlx::query(include_str!("../../src/store/sql/stages.sql")).bind(1i64).bind(vec![1i16]);
    let stages = stages.fetch_all(&world.pool).await.unwrap();
    let stage = stages.iter().find(|row| row.get::<i16, _>("stage") == 1).unwrap();
    ["done", "running", "ready", "scheduled"].iter().map(|column| stage.get::<i64, _>(*column)).sum()
}
