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

#[tokio::test]
async fn an_announced_stop_that_is_cut_short_is_no_evidence_against_what_ran() {
    let world = World::with(&[WORK]).await;
    let victim = world.worker("w1", &["--lease", "1h"]);
    let run = world.start("work", r#"{"work_ms": 2000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    victim.signal("TERM");
    let announced = "select count(*) from piton.workers where stopping_at is not null";
    until(SOON, "the others are told", async || world.count(announced).await == 1).await;
    // As ten seconds after it where containers are stopped, or at once where the machine is taken back.
    victim.kill();
    let _other = world.worker("w2", &["--lease", "1h"]);
    until(SOON, "the other one runs it", async || world.journal().len() == 2).await;
    assert_eq!(world.count("select count(*) from piton.jobs where deaths > 0").await, 0, "it is no suspect");
    assert_eq!(world.ended(&run).await, "done");
    let by = "select count(*) from piton.checkpoints k join piton.workers w on w.id = k.worker_id where w.name = 'w2'";
    assert_eq!(world.count(by).await, 1, "it did not have to run alone");
    assert_eq!(world.count("select count(*) from piton.workers where stop_reason = 'lost' and death is null").await, 1);
    let cause: String = sqlx::query_scalar("select cause from piton.recoveries").fetch_one(&world.pool).await.unwrap();
    assert_eq!(cause, "its worker shut down before it was handed back");
    world.assert_nothing_is_left().await;
}

/// The same where the worker comes back under its name.
#[tokio::test]
async fn a_restart_after_a_stop_that_was_cut_short_makes_no_suspects() {
    let world = World::with(&[WORK]).await;
    let victim = world.worker("w1", &[]);
    let run = world.start("work", r#"{"work_ms": 1000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    victim.signal("TERM");
    let announced = "select count(*) from piton.workers where stopping_at is not null";
    until(SOON, "the others are told", async || world.count(announced).await == 1).await;
    victim.kill();
    let _again = world.worker("w1", &[]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.count("select count(*) from piton.workers where parent is not null").await, 0);
}

#[tokio::test]
async fn a_worker_whose_terminal_is_closed_drains() {
    let world = World::with(&[WORK]).await;
    let mut worker = world.worker("w1", &[]);
    let run = world.start("work", r#"{"work_ms": 1000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    worker.signal("HUP");
    assert_eq!(worker.exit_code().await, Some(0));
    assert_eq!(world.state(&run).await, "done");
    assert_eq!(world.count("select count(*) from piton.workers where stop_reason = 'drained'").await, 1);
}

#[tokio::test]
async fn a_worker_that_nohup_started_outlives_its_terminal() {
    let world = World::with(&[WORK]).await;
    let folder = world.path("workflows");
    let inner = world.command(["worker", "--name", "w1", "--workflows", folder.to_str().unwrap()]);
    let mut outer = std::process::Command::new("nohup");
    outer.arg(inner.get_program()).args(inner.get_args()).current_dir(world.folder.path());
    outer.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut worker = crate::harness::Process::spawn(outer, world.path("w1.log"));
    worker.says("worker started").await;
    worker.signal("HUP");
    let run = world.start("work", r#"{"work_ms": 500}"#);
    assert_eq!(world.ended(&run).await, "done");
    assert!(worker.is_running());
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0));
}
