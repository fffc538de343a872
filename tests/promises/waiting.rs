//! A stage that waits holds nothing, and its wait belongs to its job: it is written before anybody can end it, ended once, and found
//! again after any crash.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};

use crate::harness::{SOON, World, stdout, until};

/// A stage before it, a stage behind it.
fn sleeps(keys: &str) -> String {
    format!(
        "name = \"nap\"\n[stages.before]\nrust = \"work\"\n[stages.nap]\nneeds = [\"before\"]\n{keys}\n\
         [stages.after]\nneeds = [\"nap\"]\nrust = \"work\"\n"
    )
}

impl World {
    async fn waits(&self) -> i64 {
        self.count("select count(*) from piton.jobs where state = 'waiting'").await
    }

    /// Waits until so many jobs wait.
    async fn waiting(&self, jobs: i64) {
        until(SOON, "jobs wait", async || self.waits().await == jobs).await;
        assert_eq!(self.unexplained().await, [""; 0]);
    }

    async fn output_of(&self, stage: i16) -> Value {
        let sql = "select output from piton.checkpoints where stage = $1 and item = -1";
        sqlx::query_scalar(sql).bind(stage).fetch_one(&self.pool).await.unwrap()
    }

    /// The end of every open wait is that far from now.
    async fn ends_in(&self, interval: &str) {
        let sql = format!("update piton.waits set deadline = now() + interval '{interval}' where outcome is null");
        self.pool.execute(AssertSqlSafe(sql)).await.unwrap();
        self.pool.execute("select pg_notify('piton_jobs', '')").await.unwrap();
    }

    async fn wake(&self, run: &str, stage: &str) -> Result<i64, String> {
        let woken = sqlx::query_scalar("select piton.wake($1::uuid, $2, actor => 'anna')").bind(run).bind(stage);
        woken.fetch_one(&self.pool).await.map_err(|error| error.to_string())
    }
}

#[tokio::test]
async fn a_stage_that_sleeps_holds_no_slot_and_no_worker_and_goes_on_when_its_time_has_come() {
    let world = World::with(&[&sleeps("sleep = \"6h\"")]).await;
    let worker = world.worker("w1", &["--slots", "1"]);
    let runs: Vec<String> = (0..5).map(|_| world.start("nap", "{}")).collect();
    world.waiting(5).await;
    assert_eq!(world.count("select count(*) from piton.jobs where worker_id is not null").await, 0);
    assert_eq!(world.count("select count(*) from piton.attempts").await, 0, "to wait is no failure");
    worker.kill();
    assert_eq!((world.waits().await, world.unexplained().await), (5, vec![]), "nobody is needed meanwhile");
    let _worker = world.worker("w2", &["--slots", "1"]);
    world.ends_in("-1 second").await;
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    let ended = "select count(*) from piton.waits where outcome = 'timed_out' and ended_at >= deadline";
    assert_eq!(world.count(ended).await, 5);
    assert_eq!(world.count("select count(*) from piton.checkpoints where stage = 1 and attempt = 1").await, 5);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_short_sleep_lasts_as_long_as_it_says_by_the_database_s_clock() {
    let world = World::with(&[&sleeps("sleep = \"700ms\"\njitter = \"200ms\"")]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("nap", "{}");
    assert_eq!(world.ended(&run).await, "done");
    let slept = world.output_of(1).await;
    assert_eq!(slept["woken"], json!(false));
    let lasted: (bool, bool) = sqlx::query_as(
        "select k.finished_at >= (k.output->>'until')::timestamptz,
                (k.output->>'until')::timestamptz - (k.output->>'since')::timestamptz between interval '699 ms' and interval '901 ms'
         from piton.checkpoints k where k.stage = 1",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(lasted, (true, true), "{slept}");
    let told: (String, bool) = sqlx::query_as(
        "select outcome, duration >= interval '700 ms' from piton.attempts_overview where stage = 'nap'",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(told, ("done".to_owned(), true), "what an attempt waited is a part of it");
}

#[tokio::test]
async fn a_time_that_has_passed_is_no_wait_and_one_that_is_none_is_refused() {
    let world = World::with(&[&sleeps("until = \"{{input.at}}\"")]).await;
    let _worker = world.worker("w1", &[]);
    let past = world.start("nap", r#"{"at": "2020-01-31T06:00:00+01:00"}"#);
    assert_eq!(world.ended(&past).await, "done");
    assert_eq!(world.count("select count(*) from piton.waits").await, 0);
    assert_eq!(world.output_of(1).await["until"], json!("2020-01-31T05:00:00Z"));
    let odd = world.start("nap", r#"{"at": "2020-01-31T06:00:00"}"#);
    assert_eq!(world.ended(&odd).await, "blocked");
    let said: String = sqlx::query_scalar("select class || ': ' || message from piton.dead_letters")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert!(
        said.starts_with("invalid_input: `{{input.at}}` comes to no time: a time has date, time and zone"),
        "{said}"
    );
}

#[tokio::test]
async fn a_sleep_is_woken_once_and_says_so() {
    let world = World::with(&[&sleeps("sleep = \"6h\"")]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("nap", "{}");
    world.waiting(1).await;
    assert_eq!(world.wake(&run, "nap").await, Ok(1));
    let again = world.wake(&run, "nap").await.unwrap_err();
    assert!(again.contains("nothing sleeps in stage \"nap\""), "{again}");
    let nowhere = world.wake(&run, "napp").await.unwrap_err();
    assert!(nowhere.contains("has no stage \"napp\""), "{nowhere}");
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.output_of(1).await["woken"], json!(true));
    let by = "select count(*) from piton.waits w join piton.audit a on a.verb = 'wake' and a.actor = w.answered_by
              where w.outcome = 'woken' and w.answered_by = 'anna' and w.role = session_user";
    assert_eq!(world.count(by).await, 1);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_wait_is_found_again_wherever_its_worker_is_killed() {
    let world = World::with(&[&sleeps("sleep = \"300ms\"")]).await;
    let runs: Vec<String> = (0..40).map(|_| world.start("nap", "{}")).collect();
    for seed in 0..12u64 {
        let victim = world.worker("w1", &["--slots", "4"]);
        victim.says("worker started").await;
        tokio::time::sleep(Duration::from_millis(40 + 17 * seed)).await;
        victim.kill();
        assert_eq!(world.unexplained().await, [""; 0], "killed with seed {seed}");
    }
    let _worker = world.worker("w1", &["--slots", "4"]);
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    assert_eq!(world.count("select count(*) from piton.waits where outcome = 'timed_out'").await, 40);
    let early = "select count(*) from piton.checkpoints k join piton.waits w using (run_id, stage, item)
                 where k.finished_at < w.since + interval '299 ms'";
    assert_eq!(world.count(early).await, 0, "no crash shortens a sleep");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_cancelled_run_waits_no_more_and_a_job_given_up_waits_anew_when_it_is_retried() {
    let world = World::with(&[&sleeps("sleep = \"6h\"")]).await;
    let _worker = world.worker("w1", &[]);
    let (cancelled, given_up) = (world.start("nap", "{}"), world.start("nap", "{}"));
    world.waiting(2).await;
    stdout(&world.command(["cancel", &cancelled, "--reason", "not needed"]).output().unwrap());
    sqlx::query("select piton.force_dead_letter($1::uuid, 'nap', 'stuck', actor => 'anna')")
        .bind(&given_up)
        .execute(&world.pool)
        .await
        .unwrap();
    assert_eq!((world.waits().await, world.unexplained().await), (0, vec![]));
    assert_eq!(world.count("select count(*) from piton.waits where outcome = 'cancelled'").await, 2);
    let letter = world.dead_letter().await;
    stdout(&world.command(["dead-letter", "retry", &letter]).output().unwrap());
    world.waiting(1).await;
    assert_eq!(world.count("select count(*) from piton.waits where outcome is null and attempt = 2").await, 1);
    world.ends_in("-1 second").await;
    assert_eq!((world.ended(&given_up).await, world.state(&cancelled).await), ("done".into(), "cancelled".into()));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_is_done_again_sleeps_again() {
    let file =
        "name = \"nap\"\n[stages.nap]\nsleep = \"100ms\"\n[stages.after]\nneeds = [\"nap\"]\nrust = \"misbehave\"\n";
    let world = World::with(&[file]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("nap", r#"{"how": "fail", "times": 9, "class": "invalid_input"}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    let before: String =
        sqlx::query_scalar("select since::text from piton.waits").fetch_one(&world.pool).await.unwrap();
    let letter = world.dead_letter().await;
    stdout(&world.command(["dead-letter", "retry", &letter, "--from", "nap"]).output().unwrap());
    assert_eq!(world.ended(&run).await, "blocked");
    let after: String = sqlx::query_scalar("select since::text from piton.waits").fetch_one(&world.pool).await.unwrap();
    assert_ne!(before, after);
}

#[tokio::test]
async fn items_sleep_each_by_itself_and_those_behind_them_wait_for_none() {
    let file = "name = \"nap\"\n[stages.nap]\nfor_each = \"input\"\nsleep = \"6h\"\n";
    let world = World::with(&[file]).await;
    let _worker = world.worker("w1", &["--slots", "8"]);
    // More than there are branches: some of them have several items.
    let run = world.start("nap", &json!((0..2100).collect::<Vec<_>>()).to_string());
    world.waiting(2100).await;
    let woken = sqlx::query_scalar::<_, i64>("select piton.wake($1::uuid, 'nap', 1)").bind(&run);
    assert_eq!(woken.fetch_one(&world.pool).await.unwrap(), 1);
    until(SOON, "the item is done", async || {
        world.count("select count(*) from piton.checkpoints where stage = 0 and item = 1").await == 1
    })
    .await;
    assert_eq!(world.waits().await, 2099);
    world.ends_in("-1 second").await;
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.count("select count(*) from piton.checkpoints where stage = 0 and item >= 0").await, 2100);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_pause_does_not_end_a_wait_and_what_has_slept_goes_on_when_it_is_lifted() {
    let world = World::with(&[&sleeps("sleep = \"6h\"")]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("nap", "{}");
    world.waiting(1).await;
    stdout(&world.command(["pause", "nap", "--reason", "not now"]).output().unwrap());
    let why = "select why from piton.why_waiting where stage = 'nap'";
    let told: String = sqlx::query_scalar(why).fetch_one(&world.pool).await.unwrap();
    assert!(told.starts_with("sleeping until ") && told.contains("; also the workflow is paused by"), "{told}");
    world.ends_in("-1 second").await;
    until(SOON, "its time has come", async || world.waits().await == 0).await;
    assert_eq!(world.count("select count(*) from piton.checkpoints where stage = 1").await, 0);
    stdout(&world.command(["resume", "nap"]).output().unwrap());
    assert_eq!(world.ended(&run).await, "done");
}

#[tokio::test]
async fn a_wait_that_its_job_does_not_know_of_and_a_job_without_a_wait_are_unexplained() {
    let world = World::with(&[&sleeps("sleep = \"6h\"")]).await;
    let worker = world.worker("w1", &[]);
    world.start("nap", "{}");
    world.waiting(1).await;
    worker.kill();
    world.pool.execute("update piton.waits set outcome = 'timed_out', ended_at = now()").await.unwrap();
    assert_eq!(world.unexplained().await, ["nap the job waits for nothing: no wait of it is open"]);
    world
        .pool
        .execute("update piton.waits set outcome = null, ended_at = null; update piton.jobs set state = 'ready'")
        .await
        .unwrap();
    assert_eq!(world.unexplained().await, ["nap a wait is open, and its job does not wait"]);
}
