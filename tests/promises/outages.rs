//! The database goes away, and comes back.

use std::time::{Duration, Instant};

use crate::harness::{Process, SOON, World, until};
use crate::scrape::Scrape;
use crate::server::Server;
use crate::workflows::SQUARES;

/// Short on purpose; what counts is that commits and claims met it.
const OUTAGE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn two_workers_share_a_fan_out_and_lose_nothing_when_postgres_is_away_for_twenty_seconds() {
    let mut server = Server::start().await;
    let world = World::on(&server, &[SQUARES]).await;
    let (mut one, mut two) = (world.worker("w1", &["--slots", "4"]), world.worker("w2", &["--slots", "4"]));
    one.says("worker started").await;
    two.says("worker started").await;
    let run = world.start("squares", r#"{"items": 200, "work_ms": 30}"#);
    let some = async || world.count("select count(*) from piton.checkpoints where item >= 0").await >= 30;
    until(SOON, "some items are done", some).await;
    server.stop("QUIT");
    one.says("waits").await;
    two.says("waits").await;
    let begun = world.journal().len();
    // The outage itself is the event.
    tokio::time::sleep(OUTAGE).await;
    let begun = world.journal().len() - begun;
    assert_metrics_are_served(&one).await;
    assert!(begun <= 8, "{begun} attempts began while results waited in 8 slots");
    assert!(one.is_running() && two.is_running(), "a worker exited");
    server.resume().await;
    assert_eq!(world.ended(&run).await, "done");
    assert!(one.is_running() && two.is_running(), "a worker exited");
    let items = world.count("select count(distinct item) from piton.checkpoints where stage = 1 and item >= 0").await;
    assert_eq!(items, 200);
    let shared = world.count("select count(distinct worker_id) from piton.checkpoints where stage = 1").await;
    assert!(shared >= 2, "one worker did everything");
    let lost = world.count("select count(*) from piton.attempts where outcome in ('failed', 'lost')").await;
    assert_eq!(lost, 0, "a worker that was cut off as well was taken for gone");
    world.assert_nothing_is_left().await;
}

/// Without the database, and at once: in less than 50 ms on a machine that is not busy with other tests.
async fn assert_metrics_are_served(worker: &Process) {
    let asked = Instant::now();
    let scrape = Scrape::of(worker).await;
    assert!(asked.elapsed() < Duration::from_millis(500), "a scrape took {:?}", asked.elapsed());
    assert!(scrape.sum("piton_database_errors_total", &[("part", "commit")]) > 0.0);
    assert!(scrape.sum("piton_results_waiting", &[]) > 0.0, "its results wait in memory");
}

#[tokio::test]
async fn sessions_that_are_terminated_again_and_again_cost_nothing() {
    let world = World::with(&[SQUARES]).await;
    let mut worker = world.worker("w1", &["--slots", "8"]);
    worker.says("worker started").await;
    let run = world.start("squares", r#"{"items": 300, "work_ms": 50}"#);
    let end = async || {
        world
            .count(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid() and application_name = 'piton'",
            )
            .await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        world.state(&run).await != "running"
    };
    until(SOON * 2, "the run ends", end).await;
    assert_eq!(world.state(&run).await, "done");
    assert!(worker.is_running());
    let begun = world.journal().len();
    assert!(begun <= 302 + 8, "{begun} attempts began for 302 jobs");
    world.assert_nothing_is_left().await;
}
