//! A deploy is not a failure.

use crate::harness::{SOON, World, until};
use crate::workflows::WORK;

#[tokio::test]
async fn a_worker_that_is_told_to_stop_finishes_what_runs_and_claims_no_more() {
    let world = World::with(&[WORK]).await;
    let mut worker = world.worker("w1", &["--slots", "1"]);
    let (first, second) = (world.start("work", r#"{"work_ms": 1000}"#), world.start("work", "{}"));
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0));
    assert_eq!((world.state(&first).await, world.state(&second).await), ("done".to_owned(), "running".to_owned()));
    assert_eq!(world.count("select count(*) from piton.attempts").await, 0);
    assert_eq!(world.count("select count(*) from piton.workers where stop_reason = 'drained'").await, 1);
}

#[tokio::test]
async fn what_the_grace_period_cuts_short_goes_back_and_spends_no_retry() {
    let world = World::with(&[WORK]).await;
    let mut worker = world.worker("w1", &["--grace", "100ms"]);
    let run = world.start("work", r#"{"work_ms": 30000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    worker.signal("INT");
    assert_eq!(worker.exit_code().await, Some(0));
    let (state, class): (String, Option<String>) =
        sqlx::query_as("select outcome, class from piton.attempts").fetch_one(&world.pool).await.unwrap();
    assert_eq!((state.as_str(), class), ("released", None));
    assert_eq!(world.count("select count(*) from piton.jobs where state = 'ready' and attempt = 1").await, 1);
    assert_eq!(world.state(&run).await, "running");
}

#[tokio::test]
async fn a_second_signal_hands_back_at_once() {
    let world = World::with(&[WORK]).await;
    let mut worker = world.worker("w1", &["--grace", "1h"]);
    world.start("work", r#"{"work_ms": 3600000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    worker.signal("TERM");
    worker.says("shutting down").await;
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0));
    assert_eq!(world.count("select count(*) from piton.jobs where state = 'ready'").await, 1);
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_while_it_starts_leaves_nothing_behind() {
    let world = World::with(&[WORK]).await;
    for number in 0..10 {
        world.start("work", r#"{"work_ms": 600000}"#);
        let mut worker = world.worker(&format!("w{number}"), &["--grace", "1ms"]);
        worker.says("worker started").await;
        worker.signal("TERM");
        assert_eq!(worker.exit_code().await, Some(0));
        assert!(!worker.log().contains("did not land in time"), "{}", worker.log());
    }
    assert_eq!(world.count("select count(*) from piton.jobs where state <> 'ready'").await, 0);
    assert_eq!(world.count("select count(*) from piton.attempts where class is not null").await, 0);
}
