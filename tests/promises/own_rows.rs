//! Stages that end with rows of their own: these and the checkpoint land together, or neither does.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use sqlx::Executor;

use crate::harness::{SOON, World, until};
use crate::scrape::Scrape;
use crate::server::Server;

/// Rows of its own in every kind of place: before a hand-off, in items, at the end of a branch beside another, and in the last stage.
pub(crate) const LEDGER: &str = r#"
name = "ledger"
[stages.first]
rust = "enter"
[stages.second]
rust = "enter"
needs = ["first"]
[stages.each]
rust = "enter"
needs = ["second"]
for_each = "input.items"
[stages.beside]
rust = "enter"
needs = ["second"]
[stages.last]
rust = "enter"
needs = ["each", "beside"]
"#;

/// One stage.
pub(crate) const ENTER: &str = r#"
name = "enter"
[stages.enter]
rust = "enter"
timeout = "60s"
retry = { rate_limited = { base = "1ms" }, unknown = { base = "1ms" } }
"#;

const LAST: &str = r#"
name = "last"
[stages.last]
rust = "last"
retry = { unknown = { max_retries = 2, base = "1ms", cap = "1ms" }, rate_limited = { max_retries = 1, base = "1ms", cap = "1ms" } }
"#;

async fn world(workflows: &[&str]) -> World {
    with_tables(World::with(workflows).await).await
}

pub(crate) async fn with_tables(world: World) -> World {
    world.pool.execute("create table public.ledger (run uuid, stage text, item int, attempt int)").await.unwrap();
    world.pool.execute("create table public.strict (n int unique deferrable initially deferred)").await.unwrap();
    world
}

impl World {
    /// Results and rows that do not belong together; a split has a result of its own, and no row.
    pub(crate) async fn without_the_other(&self) -> i64 {
        self.count(
            "select count(*)
             from (select r.uuid, n.name, k.item, k.attempt, count(*) from piton.checkpoints k
                   join piton.runs r on r.id = k.run_id
                   join piton.workflow_versions v on v.id = r.version_id
                   cross join lateral (select v.stage_names[k.stage + 1] as name) as n
                   where n.name in ('first', 'second', 'each', 'beside', 'last', 'enter') and (n.name, k.item) <> ('each', -1)
                   group by 1, 2, 3, 4) as result (run, stage, item, attempt, n)
             full join (select run, stage, item, attempt, count(*) from public.ledger group by 1, 2, 3, 4) as row
                 (run, stage, item, attempt, n) using (run, stage, item, attempt, n)
             where result.n is null or row.n is null",
        )
        .await
    }

    async fn rows(&self) -> i64 {
        self.count("select count(*) from public.ledger").await
    }

    async fn failures(&self) -> Vec<String> {
        sqlx::query_scalar(
            "select class || ': ' || message from piton.attempts where outcome = 'failed' order by attempt",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn every_result_has_its_rows_and_no_row_is_there_without_wherever_the_worker_dies() {
    const SEEDS: u64 = 25;
    let world = world(&[LEDGER]).await;
    let items: Vec<u32> = (0..40).collect();
    let input = json!({"items": items, "work_ms": 5, "open_ms": 3, "how": "keep", "times": 100}).to_string();
    let runs: Vec<String> = (0..4).map(|_| world.start("ledger", &input)).collect();
    for seed in 0..SEEDS {
        let before = world.rows().await;
        let victim = world.worker("w1", &["--slots", "4"]);
        until(SOON, "a row is there", async || {
            world.rows().await > before || world.count("select count(*) from piton.jobs").await == 0
        })
        .await;
        tokio::time::sleep(Duration::from_millis(StdRng::seed_from_u64(seed).random_range(0..60))).await;
        victim.kill();
        assert_eq!(world.without_the_other().await, 0, "killed with seed {seed}");
    }
    let _worker = world.worker("w1", &["--slots", "4"]);
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    assert_eq!((world.rows().await, world.without_the_other().await), (4 * 44, 0));
    // What an attempt has kept is visible with its rows, and once.
    assert_eq!(world.count("select count(*) from piton.artifacts where type = 'output'").await, 4 * 44);
    assert_eq!(world.failures().await, [""; 0]);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn while_sessions_are_cut_in_transactions_no_result_is_lost_or_paid_for_twice() {
    let world = world(&[LEDGER]).await;
    let _worker = world.worker("w1", &["--slots", "8"]);
    let items: Vec<u32> = (0..60).collect();
    let input = json!({"items": items, "open_ms": 10}).to_string();
    let runs: Vec<String> = (0..3).map(|_| world.start("ledger", &input)).collect();
    let mut cuts = 0;
    until(SOON, "all is done", async || {
        if cuts < 150 {
            world.cut_sessions().await;
            cuts += 1;
            tokio::time::sleep(Duration::from_millis(cuts % 40)).await;
        }
        world.count("select count(*) from piton.runs where state <> 'done'").await == 0
    })
    .await;
    for run in &runs {
        assert_eq!(world.state(run).await, "done");
    }
    assert_eq!((world.rows().await, world.without_the_other().await), (3 * 64, 0));
    assert_eq!(world.failures().await, [""; 0], "a database that is away is no failure of a stage");
    let again = "select count(*) from piton.checkpoints where (output->>'calls')::int > 1";
    assert!(world.count(again).await > 0, "no transaction was cut");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_to_have_landed() {
    let server = Server::start().await;
    let world = with_tables(World::on(&server, &[LEDGER]).await).await;
    // Only transactions of stages wait for a standby, which there is not: their sessions are ended when they have committed.
    for statement in [
        "alter role piton set synchronous_commit = local",
        "set synchronous_commit = local",
        "alter system set synchronous_standby_names = 'nobody'",
        "select pg_reload_conf()",
    ] {
        world.pool.execute(statement).await.unwrap();
    }
    let mut worker = world.worker("w1", &["--slots", "4"]);
    let run = world.start("ledger", r#"{"items": [1, 2, 3], "how": "synchronous", "times": 9}"#);
    let mut lost = 0;
    until(SOON, "the run is done", async || {
        lost += world
            .count(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity
                 where wait_event = 'SyncRep' and application_name = 'piton'",
            )
            .await;
        world.state(&run).await == "done"
    })
    .await;
    assert!(lost >= 7, "{lost} answers were lost");
    assert_eq!((world.rows().await, world.without_the_other().await), (7, 0));
    assert_eq!(world.failures().await, [""; 0]);
    assert_eq!(
        world.count("select max((output->>'calls')::int8) from piton.checkpoints where output::text like '{%'").await,
        1
    );
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_transaction_that_cannot_be_committed_leaves_no_row_and_fails_by_its_class() {
    let world = world(&[ENTER]).await;
    let _worker = world.worker("w1", &[]);
    for (how, expected) in [
        ("fail", "rate_limited: as asked"),
        ("swallow", "unknown: a statement of the stage's transaction failed, and the stage went on"),
        ("deferred", "invalid_input: duplicate key value violates unique constraint"),
    ] {
        let before = world.failures().await.len();
        let run = world.start("enter", &json!({"how": how, "times": 1}).to_string());
        let state = world.ended(&run).await;
        let failures = world.failures().await;
        assert!(failures.len() == before + 1 && failures.iter().any(|said| said.contains(expected)), "{failures:?}");
        let is_retried = how != "deferred";
        assert_eq!(state, if is_retried { "done" } else { "blocked" }, "{how}");
        assert_eq!(world.without_the_other().await, 0, "{how}");
    }
    assert_eq!(world.rows().await, 2);
    // What the stage has committed by hand stays, for it wanted that; its attempt fails.
    let run = world.start("enter", &json!({"how": "commit", "times": 1}).to_string());
    assert_eq!(world.ended(&run).await, "blocked");
    let said = "invalid_input: the stage has ended its transaction itself";
    assert!(world.failures().await.iter().any(|failure| failure.contains(said)), "{:?}", world.failures().await);
    assert_eq!((world.rows().await, world.without_the_other().await), (3, 1));
}

#[tokio::test]
async fn what_a_stage_sets_for_itself_in_its_transaction_does_not_keep_it_from_its_end() {
    let world = world(&[ENTER]).await;
    world
        .pool
        .execute("do 'begin create role nobody_s; exception when duplicate_object then null; end'")
        .await
        .unwrap();
    let _worker = world.worker("w1", &[]);
    for how in ["role", "nested", "fail-after", "twice", "stay-after"] {
        let run = world.start("enter", &json!({"how": how, "times": 1}).to_string());
        assert_eq!(world.ended(&run).await, "done", "{how}");
        assert_eq!(world.failures().await, [""; 0], "{how}");
    }
    assert_eq!((world.rows().await, world.without_the_other().await), (5, 0));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_stage_that_goes_on_after_its_commit_keeps_its_slot() {
    let world = world(&[ENTER]).await;
    let _worker = world.worker("w1", &["--slots", "1"]);
    let stays = world.start("enter", r#"{"how": "stay-after", "times": 1}"#);
    let next = world.start("enter", "{}");
    assert_eq!(world.ended(&stays).await, "done");
    assert_eq!(world.ended(&next).await, "done");
    let between = "select (extract(epoch from b.started_at - a.finished_at) * 1000)::int8 from piton.checkpoints a, piton.checkpoints b
                   where a.started_at < b.started_at";
    assert!(world.count(between).await >= 600, "both ran in one slot");
}

#[tokio::test]
async fn an_attempt_whose_run_was_cancelled_commits_none_of_its_rows() {
    let world = world(&[ENTER]).await;
    let mut worker = world.worker("w1", &[]);
    let run = world.start("enter", r#"{"open_ms": 1500}"#);
    let is_open =
        "select count(*) from pg_stat_activity where datname = current_database() and state = 'idle in transaction'";
    until(SOON, "its transaction is open", async || world.count(is_open).await == 1).await;
    sqlx::query("select piton.cancel_run($1::uuid, 'test')").bind(&run).execute(&world.pool).await.unwrap();
    until(SOON, "it is given up", async || world.count(is_open).await == 0).await;
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0));
    assert_eq!((world.rows().await, world.without_the_other().await), (0, 0));
    assert_eq!(world.state(&run).await, "cancelled");
    assert_eq!(world.failures().await, [""; 0]);
}

#[tokio::test]
async fn transactions_of_stages_keep_no_other_stage_waiting() {
    let world = world(&[ENTER, crate::workflows::WORK]).await;
    let worker = world.worker("w1", &["--slots", "32"]);
    let mut gate = world.pool.begin().await.unwrap();
    gate.execute("lock table public.strict in exclusive mode").await.unwrap();
    let slow: Vec<String> = (0..12).map(|_| world.start("enter", r#"{"how": "gate", "times": 1}"#)).collect();
    let wait = "select count(*) from pg_locks where relation = 'public.strict'::regclass and not granted";
    until(SOON, "all that may wait at the gate", async || world.count(wait).await == 4).await;
    let quick = world.start("work", r#"{"work_ms": 0}"#);
    assert_eq!(world.ended(&quick).await, "done");
    assert_eq!((world.count(wait).await, world.rows().await), (4, 0), "it waited for none of them");
    let connections = Scrape::of(&worker).await;
    let in_use = connections.sum("piton_database_connections", &[("state", "in_use")]);
    assert!(in_use >= 4.0, "the gauge has those of the stages, too: {in_use}");
    assert_eq!(connections.sum("piton_database_connections_max", &[]), 11.0);
    gate.rollback().await.unwrap();
    for run in &slow {
        assert_eq!(world.ended(run).await, "done", "who finds no connection waits for one");
    }
    assert_eq!((world.rows().await, world.without_the_other().await), (12, 0));
}

#[tokio::test]
async fn a_stage_can_ask_whether_a_failure_would_be_its_last() {
    let world = world(&[LAST]).await;
    let _worker = world.worker("w1", &[]);
    let said = async |run: &str| -> Vec<String> {
        sqlx::query_scalar(
            "select a.detail::text from piton.attempts a join piton.runs r on r.id = a.run_id where r.uuid = $1::uuid order by a.attempt",
        )
        .bind(run)
        .fetch_all(&world.pool)
        .await
        .unwrap()
    };
    // As the job usually fails; as it does when it is limited, which it was never; and as is never retried.
    let run = world.start("last", "{}");
    assert_eq!(world.ended(&run).await, "blocked");
    assert_eq!(said(&run).await, ["[false,false,true]", "[false,false,true]", "[true,false,true]"]);
    // A retry has a new budget.
    sqlx::query("select piton.retry_dead_letter($1::uuid)")
        .bind(world.dead_letter().await)
        .execute(&world.pool)
        .await
        .unwrap();
    until(SOON, "it is given up again", async || said(&run).await.len() == 6).await;
    assert_eq!(said(&run).await[3..], ["[false,false,true]", "[false,false,true]", "[true,false,true]"]);
    let run = world.start("last", r#"{"classes": ["rate_limited", "rate_limited"]}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    assert_eq!(said(&run).await, ["[false,false,true]", "[true,true,true]"]);
}
