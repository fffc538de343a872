//! What recovery did is told afterwards: to which job, why, and by whom.

use crate::harness::{SOON, World, until};
use crate::scrape::Scrape;
use crate::workflows::{CHAIN, WORK};

type Told = (String, String, String, String, Option<String>);

async fn told(world: &World) -> Vec<Told> {
    sqlx::query_as("select workflow, stage, action, worker, recovered_by from piton.recoveries order by at, attempt")
        .fetch_all(&world.pool)
        .await
        .unwrap()
}

fn row(workflow: &str, stage: &str, action: &str, worker: &str, by: &str) -> Told {
    (workflow.into(), stage.into(), action.into(), worker.into(), Some(by.into()))
}

#[tokio::test]
async fn a_run_that_had_a_checkpoint_is_resumed_and_one_that_had_none_restarts() {
    let world = World::with(&[CHAIN, WORK]).await;
    let victim = world.worker("w1", &[]);
    let resumed = world.start("chain", r#"{"work_ms": 1500}"#);
    until(SOON, "its second stage runs", async || world.journal().len() == 2).await;
    victim.kill();
    let heir = world.worker("w2", &[]);
    assert_eq!(world.ended(&resumed).await, "done");
    assert_eq!(told(&world).await, [row("chain", "second", "resumed", "w1", "w2")]);

    let restarted = world.start("work", r#"{"work_ms": 1500}"#);
    until(SOON, "it runs", async || world.journal().len() == 5).await;
    heir.kill();
    let _again = world.worker("w2", &[]);
    assert_eq!(world.ended(&restarted).await, "done");
    assert_eq!(told(&world).await[1..], [row("work", "work", "restarted", "w2", "w2")]);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_recovery_that_was_rolled_back_is_neither_logged_nor_counted() {
    // A sequence counts on when all else is rolled back: the fourth boot is let in.
    const REFUSES_THREE: &str = "
        create sequence public.asked;
        create function public.refuse() returns trigger language plpgsql as
            $$ begin return case when nextval('public.asked') > 3 then new end; end $$;
        create trigger refuse before insert on piton.workers for each row execute function public.refuse();";
    let world = World::with(&[WORK]).await;
    let victim = world.worker("w1", &[]);
    let run = world.start("work", r#"{"work_ms": 1500}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    victim.kill();
    sqlx::raw_sql(REFUSES_THREE).execute(&world.pool).await.unwrap();
    std::fs::remove_file(world.path("w1.log")).unwrap();
    // With such a lease no other boot than the one that takes its name recovers.
    let again = world.worker("w1", &["--lease", "1h", "--log-format", "json"]);
    assert_eq!(world.ended(&run).await, "done");
    assert!(world.count("select last_value from public.asked").await > 3);
    let events: Vec<serde_json::Value> =
        again.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let named = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert_eq!((named("attempt_lost"), named("worker_superseded")), (1, 1), "{}", again.log());
    assert_eq!(Scrape::of(&again).await.sum("piton_recoveries_total", &[]), 1.0);
}

#[tokio::test]
async fn a_worker_that_drained_ended_itself() {
    let world = World::with(&[WORK]).await;
    let mut worker = world.worker("w1", &[]);
    worker.says("worker started").await;
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0));
    let by_itself = "select count(*) from piton.workers where stop_reason = 'drained' and ended_by = id and cleared";
    assert_eq!(world.count(by_itself).await, 1);
    assert_eq!(told(&world).await, []);
}
