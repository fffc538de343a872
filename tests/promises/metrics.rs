//! What workers count is what is in the tables.

use crate::harness::{SOON, World, stdout, until};
use crate::scrape::{Scrape, until_scraped};
use crate::workflows::{MISBEHAVE, SQUARES, WORK};

/// A stage that is given up at once, beside one that works for long.
const TORN: &str = r#"
name = "torn"
[stages.gives-up]
rust = "misbehave"
[stages.works]
rust = "work"
"#;

#[tokio::test]
async fn what_all_workers_counted_is_what_is_in_the_tables() {
    let world = World::with(&[SQUARES, MISBEHAVE, WORK, TORN]).await;
    let poison = world.start("misbehave", r#"{"how": "abort", "times": 2}"#);
    let mut first = world.worker("w1", &[]);
    assert_eq!(first.exit_code().await, None, "it dies by a signal");
    let first = world.worker("w1", &[]);
    assert_eq!(world.ended(&poison).await, "done");
    let second = world.worker("w2", &[]);
    second.says("worker started").await;

    let squares = world.start("squares", r#"{"items": 60, "fails_once_every": 10}"#);
    let gives_up = world.start("misbehave", r#"{"how": "fail", "times": 9, "class": "auth_failure"}"#);
    let torn = world.start("torn", r#"{"how": "fail", "times": 9, "class": "invalid_input", "work_ms": 60000}"#);
    assert_eq!(world.ended(&squares).await, "done");
    assert_eq!(world.ended(&gives_up).await, "blocked");
    until(SOON, "it is given up", async || world.state(&torn).await == "blocked").await;
    let dismiss = ["dead-letter", "dismiss", "--workflow", "torn", "--reason", "not needed"];
    stdout(&world.command(dismiss).output().unwrap());
    until(SOON, "the other branch is cancelled", async || {
        let scrapes: Scrape = [Scrape::of(&first).await, Scrape::of(&second).await].into_iter().sum();
        scrapes.sum("piton_attempts_total", &[("outcome", "cancelled")]) == 1.0
    })
    .await;

    // A worker is killed with a job in its hands, and what it counted before was scraped.
    let work = world.start("work", r#"{"work_ms": 3000}"#);
    let mut holder = String::new();
    until(SOON, "someone works", async || {
        let sql = "select w.name from piton.jobs j join piton.workers w on w.id = j.worker_id";
        let name: Option<String> = sqlx::query_scalar(sql).fetch_optional(&world.pool).await.unwrap();
        holder = name.unwrap_or_default();
        !holder.is_empty()
    })
    .await;
    let (victim, survivor) = if holder == "w1" { (first, second) } else { (second, first) };
    // A claim is in the table before its attempt begins.
    let begun = |scrape: &Scrape| scrape.sum("piton_jobs_started_total", &[("workflow", "work")]) == 1.0;
    until_scraped(&victim, "its attempt has begun", begun).await;
    let last_words = Scrape::of(&victim).await;
    victim.kill();
    let again = world.worker(&holder, &[]);
    assert_eq!(world.ended(&work).await, "done");
    until_scraped(&survivor, "it has ended what it ended", |scrape| {
        scrape.sum("piton_results_waiting", &[]) == 0.0 && scrape.sum("piton_slots", &[("state", "busy")]) == 0.0
    })
    .await;
    until_scraped(&again, "so has the other", |scrape| scrape.sum("piton_slots", &[("state", "busy")]) == 0.0).await;
    let counted: Scrape = [last_words, Scrape::of(&survivor).await, Scrape::of(&again).await].into_iter().sum();
    assert_counts_are_rows(&world, &counted).await;
}

async fn assert_counts_are_rows(world: &World, counted: &Scrape) {
    let attempts = |outcome| counted.sum("piton_attempts_total", &[("outcome", outcome)]);
    assert_eq!(attempts("done"), rows(world, "select count(*) from piton.checkpoints").await);
    let failed = rows(world, "select count(*) from piton.attempts where outcome = 'failed'").await;
    assert_eq!(attempts("retried") + attempts("dead_lettered"), failed);
    assert_eq!(attempts("dead_lettered"), rows(world, "select count(*) from piton.dead_letters").await);
    let lost = rows(world, "select count(*) from piton.attempts where outcome = 'lost'").await;
    assert_eq!((attempts("lost"), lost), (3.0, 3.0), "two aborted, one killed");
    assert_eq!(
        attempts("cancelled"),
        rows(world, "select count(*) from piton.attempts where outcome = 'cancelled'").await
    );
    let classes: Vec<(String, i64)> =
        sqlx::query_as("select class, count(*) from piton.attempts where class is not null group by class")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(classes.len(), 4, "{classes:?}");
    for (class, count) in classes {
        assert_eq!(counted.sum("piton_failures_total", &[("class", &class)]), count as f64, "{class}");
    }
    let done = rows(world, "select count(*) from piton.runs where state = 'done'").await;
    assert_eq!(counted.sum("piton_runs_done_total", &[]), done);
    let begun = rows(world, "select count(*) from piton.runs").await;
    // The worker that the poison killed counted the start of its run, and died before anyone asked.
    assert_eq!(counted.sum("piton_runs_started_total", &[]), begun - 1.0);
    let recovered = counted.sum("piton_recoveries_total", &[]);
    assert_eq!(recovered, lost);
    assert_eq!(
        counted.sum("piton_attempt_duration_seconds_count", &[]),
        attempts("done") + failed + attempts("cancelled")
    );
}

async fn rows(world: &World, sql: &'static str) -> f64 {
    world.count(sql).await as f64
}
