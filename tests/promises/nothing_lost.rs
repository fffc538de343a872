//! Nothing is lost: `piton.unexplained_jobs` is empty at every moment, and would not be if something were wrong.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Process, SOON, World, stdout, until};
use crate::workflows::{CHAIN, MISBEHAVE, SQUARES};

/// Two branches: one fails until the file `go` is there, the other one fails as soon as it is.
const FORKED: &str = r#"
name = "forked"
[stages.quick]
command = ["sh", "-c", "test -e \"$GO\" || exit 65; echo 1"]
[stages.quick.env]
GO = "${GO}"
[stages.slow]
command = ["sh", "-c", "while ! test -e \"$GO\"; do sleep 0.05; done; exit 65"]
[stages.slow.env]
GO = "${GO}"
"#;

#[tokio::test]
async fn no_moment_of_a_campaign_with_kills_is_unexplained() {
    let world = World::with(&[CHAIN, SQUARES, MISBEHAVE]).await;
    let options = ["--slots", "16"];
    let mut workers = [world.worker("w1", &options), world.worker("w2", &options)];
    workers[0].says("worker started").await;
    let runs = json!({"chain": "{}", "squares": json!({"items": 80, "work_ms": 10, "fails_once_every": 20}),
                      "misbehave": json!({"how": "fail", "times": 99, "class": "invalid_input"})});
    for (workflow, input) in runs.as_object().unwrap() {
        sqlx::query("select count(*) from piton.start_runs($1, array_fill($2::json, array[100]))")
            .bind(workflow)
            .bind(input)
            .execute(&world.pool)
            .await
            .unwrap();
    }
    let (mut looks, mut kills, mut killed_at) = (0, 0, Instant::now());
    until(SOON * 3, "every run is over", async || {
        looks += 1;
        assert_eq!(world.unexplained().await, [""; 0], "after {looks} looks and {kills} kills");
        if kills < 6 && killed_at.elapsed() > Duration::from_millis(700) {
            (kills, killed_at) = (kills + 1, Instant::now());
            let victim = kills % 2;
            let name = ["w1", "w2"][victim];
            std::mem::replace(&mut workers[victim], world.worker(name, &options)).kill();
            decide(&world, kills).await;
        }
        world.count("select count(*) from piton.runs where state in ('running', 'blocked')").await == 0
            || kills == 6 && world.count("select count(*) from piton.jobs").await == 0
    })
    .await;
    let lost = world.count("select count(*) from piton.recoveries").await;
    assert!(looks > 20 && kills == 6 && lost > 0, "{looks} looks, {kills} kills, {lost} attempts lost");
    world.assert_nothing_is_left().await;
}

/// Retries some dead letters, and dismisses some.
async fn decide(world: &World, round: usize) {
    let decision = match round % 2 {
        0 => {
            "select count(piton.dismiss_dead_letter(id, 'a test')) from (
                  select id from piton.dead_letters where resolution = 'pending' order by id limit 5) as d"
        }
        _ => {
            "select piton.retry_dead_letters(array(
                  select id from piton.dead_letters where resolution = 'pending' order by id limit 20))"
        }
    };
    sqlx::query(decision).execute(&world.pool).await.unwrap();
}

#[tokio::test]
async fn a_job_given_up_while_another_of_its_run_is_retried_blocks_the_run_again() {
    let world = World::with(&[FORKED]).await;
    let (folder, go) = (world.path("workflows"), world.path("go"));
    let mut worker = world.command(["worker", "--name", "w1", "--workflows", folder.to_str().unwrap()]);
    worker.env("GO", &go);
    let _worker = Process::spawn(worker, world.path("w1.log"));
    let run = world.start("forked", "{}");
    let blocked = async || world.state(&run).await == "blocked";
    until(SOON, "one branch is given up", blocked).await;
    let mut decision = world.pool.begin().await.unwrap();
    let retried: i64 = sqlx::query_scalar("select piton.retry_dead_letters(array(select id from piton.dead_letters))")
        .fetch_one(&mut *decision)
        .await
        .unwrap();
    assert_eq!(retried, 1);
    std::fs::write(&go, "").unwrap();
    let waits = "select count(*) from pg_stat_activity
                 where datname = current_database() and wait_event_type = 'Lock' and query like '-- Ends a batch of attempts%'";
    until(SOON, "the other one waits to be given up", async || world.count(waits).await > 0).await;
    decision.commit().await.unwrap();
    let over = async || world.count("select count(*) from piton.jobs").await == 0;
    until(SOON, "the one is given up, the other one done", over).await;
    assert_eq!(world.count("select count(*) from piton.checkpoints").await, 1);
    assert_eq!(world.state(&run).await, "blocked");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn whatever_does_not_fit_is_told() {
    let world = World::with(&[SQUARES]).await;
    let _worker = world.worker("w1", &[]);
    let done = world.start("squares", r#"{"items": 3}"#);
    assert_eq!(world.ended(&done).await, "done");
    let waiting: String =
        sqlx::query_scalar("select piton.start_run('squares', '{\"items\": 100, \"work_ms\": 60000}')::text")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    until(SOON, "its items run", async || {
        world.count("select count(*) from piton.jobs where state = 'running'").await > 9
    })
    .await;
    assert_eq!(world.unexplained().await, [""; 0]);
    let letter = "insert into piton.dead_letters (id, run_id, workflow_id, version_id, stage, item, attempt, rank, class,
                                                  message, fingerprint, worker_id)
                  select piton.new_id(), id, 1, version_id, 1, 7, 1, 0, 'unknown', 'm', '0123456789abcdef', 1 from piton.runs";
    let harms = [
        ("delete from piton.jobs", "the run is running, and has no job"),
        (
            "update piton.runs set state = 'blocked' where state = 'running'",
            "the run is blocked, and no dead letter of it is pending",
        ),
        (
            letter,
            "square 7 the run is done, and a dead letter is pending\nsquare 7 the run is running, and a dead letter is pending",
        ),
        ("update piton.jobs set run_id = 999 where item = 4", "square 4 the job belongs to no run"),
        (
            "update piton.jobs set run_id = (select id from piton.runs where state = 'done') where item = 4",
            "square 4 the run is done, and has a job",
        ),
        (
            "update piton.jobs set worker_id = 999 where item = 5",
            "square 5 the job is running on a worker that is not there",
        ),
        (
            "update piton.workers set stopped_at = now(), stop_reason = 'lost', cleared = true;
             delete from piton.jobs where item <> 6",
            "square 6 the job is running on a worker that has ended, and counts as cleared",
        ),
        (
            "insert into piton.joins select id, -1, 1 from piton.runs where state = 'done'",
            "the run is done, and its end still waits for branches",
        ),
        (
            "update piton.joins set run_id = (select id from piton.runs where state = 'done')",
            "sum the run is done, and the stage still waits for branches",
        ),
    ];
    for (harm, what) in harms {
        let mut transaction = world.pool.begin().await.unwrap();
        sqlx::raw_sql(harm).execute(&mut *transaction).await.unwrap();
        let told: Vec<String> =
            sqlx::query_scalar("select concat_ws(' ', stage, item, what) from piton.unexplained_jobs order by 1")
                .fetch_all(&mut *transaction)
                .await
                .unwrap();
        transaction.rollback().await.unwrap();
        assert_eq!(told.join("\n"), what, "{harm}");
    }
    assert_eq!(world.unexplained().await, [""; 0], "the others were rolled back");
    stdout(
        &world
            .command(["dead-letter", "force", &waiting, "square", "--item", "0", "--reason", "a test"])
            .output()
            .unwrap(),
    );
    assert_eq!(world.unexplained().await, [""; 0], "a dead letter explains");
}
