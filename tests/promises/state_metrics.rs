//! The state in the database, as one worker at a time shows it.

use std::time::Duration;

use crate::harness::{Process, SOON, World, until};
use crate::scrape::{Scrape, until_scraped};
use crate::workflows::{MISBEHAVE, SQUARES, WORK};

const OFTEN: &[&str] = &["--snapshot-every", "300ms", "--slots", "2"];

async fn leads(worker: &Process) -> bool {
    let scrape = Scrape::of(worker).await;
    let leads = scrape.sum("piton_snapshot_leader", &[]) == 1.0;
    assert_eq!(
        leads,
        scrape.0.contains_key("piton_snapshot_age_seconds"),
        "who leads shows the state, and nobody else"
    );
    assert_eq!(leads, scrape.0.contains_key("piton_unexplained_jobs"));
    leads
}

/// The only one of them that shows the state, once there is one.
async fn leader(workers: &[Process]) -> usize {
    let mut leaders = Vec::new();
    until(SOON, "one of them shows the state", async || {
        leaders.clear();
        for (at, worker) in workers.iter().enumerate() {
            if leads(worker).await {
                leaders.push(at);
            }
        }
        assert!(leaders.len() <= 1, "{leaders:?} show the state");
        leaders.len() == 1
    })
    .await;
    leaders[0]
}

#[tokio::test]
async fn one_of_three_workers_shows_what_is_in_the_database() {
    let world = World::with(&[SQUARES, WORK, MISBEHAVE]).await;
    let workers: Vec<Process> = ["w1", "w2", "w3"].map(|name| world.worker(name, OFTEN)).into();
    let at = leader(&workers).await;
    // Six slots: six jobs run, two wait; one will be tried again in a minute, and one will not.
    let tired = r#"{"how": "fail", "times": 9, "class": "rate_limited", "retry_after_ms": 600000}"#;
    world.start("misbehave", tired);
    let given_up = world.start("misbehave", r#"{"how": "fail", "times": 9, "class": "auth_failure"}"#);
    until(SOON, "it is given up", async || world.state(&given_up).await == "blocked").await;
    (0..8).for_each(|_| drop(world.start("work", r#"{"work_ms": 60000}"#)));
    let shown = |scrape: &Scrape, metric: &str, labels: &[(&str, &str)]| scrape.sum(metric, labels);
    until_scraped(&workers[at], "everything is shown", |scrape| {
        let jobs = |workflow, state| shown(scrape, "piton_jobs", &[("workflow", workflow), ("state", state)]);
        jobs("work", "running") == 6.0
            && jobs("work", "ready") == 2.0
            && jobs("misbehave", "scheduled") == 1.0
            && shown(scrape, "piton_jobs_retry_wait", &[("workflow", "misbehave")]) == 1.0
            && shown(scrape, "piton_jobs_due_soon", &[]) == 0.0
            && shown(scrape, "piton_runs", &[("workflow", "work"), ("state", "running")]) == 8.0
            && shown(scrape, "piton_runs", &[("workflow", "misbehave"), ("state", "running")]) == 1.0
            && shown(scrape, "piton_runs", &[("workflow", "misbehave"), ("state", "blocked")]) == 1.0
            && shown(scrape, "piton_dead_letters", &[]) == 1.0
            && shown(scrape, "piton_dead_letters", &[("class", "auth_failure"), ("resolution", "pending")]) == 1.0
            && shown(scrape, "piton_workers", &[("state", "alive")]) == 3.0
            && shown(scrape, "piton_oldest_ready_age_seconds", &[("workflow", "work")]) > 0.5
    })
    .await;
    let scrape = Scrape::of(&workers[at]).await;
    // Nothing of these workflows was measured but what failed at once: eight jobs of a second, in workers of two slots.
    assert_eq!(scrape.sum("piton_work_left_seconds", &[("workflow", "work")]), 4.0);
    assert_eq!(scrape.sum("piton_unexplained_jobs", &[]), 0.0);
    let zeros = [
        "piton_jobs{workflow=\"work\",stage=\"work\",state=\"suspect\"}",
        "piton_oldest_ready_age_seconds{workflow=\"squares\"}",
        "piton_runs{workflow=\"squares\",state=\"blocked\"}",
        "piton_work_left_seconds{workflow=\"squares\"}",
        "piton_dead_letters{class=\"corrupt_checkpoint\",resolution=\"dismissed\"}",
        "piton_workers{state=\"lost\"}",
        "piton_oldest_snapshot_age_seconds{holder=\"prepared\"}",
    ];
    for series in zeros {
        assert_eq!(scrape.0.get(series), Some(&0.0), "{series}");
    }
    assert!(!scrape.0.keys().any(|series| series.contains("stage=\"sum\"")), "it never had a job");
    assert!(
        scrape.sum("piton_table_bytes", &[("table", "jobs")]) > 0.0 && scrape.sum("piton_database_bytes", &[]) > 1e6
    );
}

#[tokio::test]
async fn when_the_leader_is_gone_another_one_shows_the_state_and_never_two() {
    let world = World::with(&[WORK]).await;
    let mut workers: Vec<Process> = ["w1", "w2"].map(|name| world.worker(name, OFTEN)).into();
    let first = workers.remove(leader(&workers).await);
    first.signal("STOP");
    leader(&workers).await;
    first.signal("CONT");
    assert!(!leads(&first).await, "its time was over while it was frozen");
    // In good order it leaves the state to the other at once, and not when its time is over.
    let slow = world.worker("w3", &["--snapshot-every", "1h"]);
    slow.says("worker started").await;
    // It asks once, two seconds after its start, and would have the state for hours if nobody had it then.
    tokio::time::sleep(Duration::from_secs(5)).await;
    workers.remove(0).kill();
    let heir = [first];
    leader(&heir).await;
}

#[tokio::test]
async fn who_keeps_the_tables_from_being_cleaned_up_is_named() {
    let world = World::with(&[WORK]).await;
    let worker = world.worker("w1", OFTEN);
    let mut holder = world.pool.begin().await.unwrap();
    sqlx::query("set transaction isolation level repeatable read").execute(&mut *holder).await.unwrap();
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *holder).await.unwrap();
    until_scraped(&worker, "it is seen", |scrape| {
        scrape.sum("piton_oldest_snapshot_age_seconds", &[("holder", "session")]) > 1.0
    })
    .await;
    let sql = "select name from piton.snapshot_holders where holder = 'session' order by age_seconds desc limit 1";
    let named: String = sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap();
    assert_eq!(named, pid.to_string());
    holder.rollback().await.unwrap();
    until_scraped(&worker, "it is over", |scrape| {
        scrape.sum("piton_oldest_snapshot_age_seconds", &[("holder", "session")]) < 1.0
    })
    .await;
}
