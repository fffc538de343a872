//! Decisions about a run while its jobs are committed, given up and freed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sqlx::types::Uuid;

use crate::harness::{SOON, World, until};
use crate::redo::{GRAPH, begun, fails, retry};
use crate::workflows::SQUARES;

#[tokio::test]
async fn runs_that_are_done_again_and_again_while_workers_commit_lose_nothing() {
    let world = World::with(&[GRAPH]).await;
    fails(&world, &["middle -1", "last -1", "part 3"]);
    world.start("graph", r#"{"items": [0, 1, 2, 3, 4]}"#);
    let many =
        "select count(*) from piton.start_runs('graph', array_fill('{\"items\": [0, 1, 2, 3, 4]}'::json, array[60]))";
    assert_eq!(world.count(many).await, 60);
    let (_first, _second) = (world.worker("w1", &[]), world.worker("w2", &[]));
    let mut dice = StdRng::seed_from_u64(1);
    for round in 0..400 {
        let sql = "select id from piton.dead_letters where resolution = 'pending' order by random() limit 1";
        let Some(id) = sqlx::query_scalar::<_, Uuid>(sql).fetch_optional(&world.pool).await.unwrap() else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let from = ["null, false", "'first', false", "null, true"][dice.random_range(0..3)];
        let input = ["null", "'{\"items\": [0, 1, 2, 3, 4], \"say\": 1}'"][dice.random_range(0..2)];
        let sql = sqlx::AssertSqlSafe(format!("select piton.retry_dead_letter($1, 'test', null, {from}, {input})"));
        sqlx::query(sql).bind(id).execute(&world.pool).await.unwrap();
        if round == 300 {
            fails(&world, &["middle -1"]);
        }
    }
    fails(&world, &[]);
    let over = async || {
        sqlx::query(
            "select piton.retry_dead_letters(array(select id from piton.dead_letters where resolution = 'pending'))",
        )
        .execute(&world.pool)
        .await
        .unwrap();
        world.count("select count(*) from piton.runs where state <> 'done'").await == 0
    };
    until(SOON * 2, "all are done", over).await;
    world.assert_nothing_is_left().await;
    assert_eq!(world.count("select count(*) from piton.checkpoints").await, 61 * 11);
    assert!(world.count("select count(*) from piton.past_attempts").await > 100);
}

/// A backend waits for a lock.
async fn somebody_waits(world: &World) -> bool {
    let waiting =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    world.count(waiting).await > 0
}

#[tokio::test]
async fn a_branch_that_arrives_while_its_join_is_written_anew_is_counted() {
    let world = World::with(&[GRAPH]).await;
    let _worker = world.worker("w1", &[]);
    fails(&world, &["middle -1"]);
    let run = world.start("graph", r#"{"items": [0, 1], "slow": {"part": 2000}}"#);
    until(SOON, "middle is dead", async || world.count("select count(*) from piton.dead_letters").await == 1).await;
    fails(&world, &[]);
    let mut decision = world.pool.begin().await.unwrap();
    sqlx::query("select piton.retry_dead_letter(id, from_stage => 'middle') from piton.dead_letters")
        .execute(&mut *decision)
        .await
        .unwrap();
    until(SOON, "a part arrives meanwhile", async || somebody_waits(&world).await).await;
    decision.commit().await.unwrap();
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(begun(&world, 0), "beside close first last middle middle part[0] part[1]");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_fan_out_of_thousands_is_done_again_while_it_runs() {
    let world = World::with(&[GRAPH]).await;
    let _worker = world.worker("w1", &[]);
    fails(&world, &["middle -1"]);
    let items: Vec<u32> = (0..3000).collect();
    let run = world.start("graph", &serde_json::json!({"items": items}).to_string());
    for lives in 1..=4 {
        until(SOON, "middle is dead, and items are done", async || {
            world.count("select count(*) from piton.dead_letters").await == lives
                && world.count("select count(*) from piton.checkpoints where item >= 0").await > 100
        })
        .await;
        if lives == 4 {
            fails(&world, &[]);
        }
        retry(&world, &["--all", "--from", "first"]);
    }
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.count("select count(*) from piton.checkpoints where item >= 0").await, 3000);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_job_that_is_given_up_while_another_is_retried_keeps_its_run_blocked() {
    const TWO: &str = "name = 'two'\n[stages.one]\nrust = 'node'\n[stages.two]\nrust = 'node'\n";
    let world = World::with(&[TWO]).await;
    let _worker = world.worker("w1", &[]);
    fails(&world, &["one -1", "two -1"]);
    let run = world.start("two", r#"{"slow": {"two": 1000}}"#);
    until(SOON, "one is dead", async || world.count("select count(*) from piton.dead_letters").await == 1).await;
    let mut decision = world.pool.begin().await.unwrap();
    sqlx::query("select piton.retry_dead_letter(id) from piton.dead_letters").execute(&mut *decision).await.unwrap();
    until(SOON, "two is given up meanwhile", async || somebody_waits(&world).await).await;
    fails(&world, &[]);
    decision.commit().await.unwrap();
    assert_eq!(world.ended(&run).await, "blocked");
    sqlx::query("select piton.retry_dead_letter(id) from piton.dead_letters where resolution = 'pending'")
        .execute(&world.pool)
        .await
        .unwrap();
    assert_eq!(world.ended(&run).await, "done");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_a_recovery_puts_beside_a_job_goes_with_its_run() {
    let world = World::with(&[SQUARES]).await;
    let run = world.start("squares", r#"{"items": 1}"#);
    // A branch of nine items whose first one runs, and a dead letter beside it.
    sqlx::raw_sql(
        "insert into piton.workers (boot_id, name, host, pid, stopped_at, stop_reason)
         values (gen_random_uuid(), 'gone', 'h', 1, now(), 'lost');
         update piton.jobs set stage = 1, item = 0, until = 9, state = 'running', attempt = 1,
                worker_id = (select id from piton.workers);
         update piton.runs set state = 'blocked';
         insert into piton.dead_letters (id, run_id, workflow_id, version_id, stage, item, attempt, rank, class, message,
                                         fingerprint, worker_id)
         select gen_random_uuid(), run_id, workflow_id, version_id, 1, 9, 1, 0, 'unknown', 'm', '0123456789abcdef', 1
         from piton.jobs",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let mut recovery = world.pool.begin().await.unwrap();
    let free = include_str!("../../../src/store/sql/free.sql");
    let freed = sqlx::query(free)
        .bind(1i64)
        .bind(10i64)
        .bind("it died")
        .bind(true)
        .bind(4i32)
        .bind("it died")
        .bind("0123456789abcdef")
        .bind(false);
    freed.execute(&mut *recovery).await.unwrap();
    let pool = world.pool.clone();
    let dismissal = tokio::spawn(async move {
        let sql = "select piton.dismiss_dead_letter(id, 'no use') from piton.dead_letters";
        sqlx::query(sql).execute(&pool).await.map(|_| ())
    });
    until(SOON, "the dismissal waits for the recovery", async || somebody_waits(&world).await).await;
    recovery.commit().await.unwrap();
    dismissal.await.unwrap().unwrap();
    assert_eq!(world.state(&run).await, "failed");
    world.assert_nothing_is_left().await;
}
