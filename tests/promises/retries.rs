//! Failures are counted by class, waits are rows, and budgets hold.

use serde_json::json;

use crate::harness::{SOON, World, until};
use crate::workflows::{MISBEHAVE, WORK};

#[tokio::test]
async fn a_failed_attempt_is_tried_again_after_its_wait() {
    let world = World::with(&[MISBEHAVE]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("misbehave", &json!({"how": "fail", "times": 1, "class": "network_timeout"}).to_string());
    assert_eq!(world.ended(&run).await, "done");
    let (class, message, detail, waited): (String, String, String, f64) = sqlx::query_as(
        "select class, message, detail::text, extract(epoch from retry_at - ended_at)::float8 from piton.attempts",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!((class.as_str(), message.as_str(), detail.as_str()), ("network_timeout", "as asked", "{\"attempt\":1}"));
    assert!((0.75..=1.0).contains(&waited), "the first wait of network_timeout is 1 s less jitter, not {waited}");
    let begun: f64 = sqlx::query_scalar(
        "select extract(epoch from k.started_at - a.retry_at)::float8 from piton.checkpoints k, piton.attempts a",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert!(begun >= 0.0, "it began {begun} s after it was due");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_class_that_is_not_retried_ends_the_run_at_once() {
    let world = World::with(&[MISBEHAVE]).await;
    let _worker = world.worker("w1", &[]);
    for class in ["invalid_input", "auth_failure"] {
        let run = world.start("misbehave", &json!({"how": "fail", "times": 9, "class": class}).to_string());
        assert_eq!(world.ended(&run).await, "failed");
    }
    assert_eq!(world.count("select count(*) from piton.attempts").await, 2);
    assert_eq!(world.count("select count(*) from piton.attempts where retry_at is null").await, 2);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn an_exhausted_job_ends_its_run_and_keeps_its_attempts() {
    let world = World::with(&[MISBEHAVE]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("misbehave", &json!({"how": "fail", "times": 9, "class": "out_of_memory"}).to_string());
    let wait = async || world.count("select count(*) from piton.jobs where state = 'scheduled'").await == 1;
    until(SOON, "the retry waits", wait).await;
    // Time passes: the wait of 5 s is over.
    sqlx::query("update piton.jobs set due_at = now()").execute(&world.pool).await.unwrap();
    assert_eq!(world.ended(&run).await, "failed");
    let attempts: Vec<(i32, bool)> =
        sqlx::query_as("select attempt, retry_at is null from piton.attempts order by attempt")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(attempts, [(1, false), (2, true)], "out_of_memory is retried once");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_wait_holds_no_slot_and_survives_the_worker() {
    let world = World::with(&[MISBEHAVE, WORK]).await;
    let worker = world.worker("w1", &["--slots", "1"]);
    let waits = json!({"how": "fail", "times": 1, "class": "rate_limited", "retry_after_ms": 3_600_000});
    let waiting = world.start("misbehave", &waits.to_string());
    let wait = async || world.count("select count(*) from piton.jobs where state = 'scheduled'").await == 1;
    until(SOON, "the retry waits", wait).await;
    let far: bool = sqlx::query_scalar("select due_at > now() + interval '59 minutes' from piton.jobs")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert!(far, "Retry-After wins when it is longer");
    let run = world.start("work", "{}");
    assert_eq!(world.ended(&run).await, "done", "the only slot is free");
    worker.kill();
    sqlx::query("update piton.jobs set due_at = now()").execute(&world.pool).await.unwrap();
    let _worker = world.worker("w2", &[]);
    assert_eq!(world.ended(&waiting).await, "done");
    world.assert_nothing_is_left().await;
}
