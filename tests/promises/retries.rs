//! Failures are counted by class, waits are rows, and budgets hold.

use serde_json::json;

use crate::harness::{SOON, World, stdout, until};
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
        assert_eq!(world.ended(&run).await, "blocked");
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
    assert_eq!(world.ended(&run).await, "blocked");
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

fn misbehave_with(rules: &str) -> String {
    format!("{MISBEHAVE}retry = {{ {rules} }}\n")
}

#[tokio::test]
async fn the_rules_of_the_file_decide_when_a_job_is_due_again() {
    let world = World::with(&[&misbehave_with(
        "invalid_input = { max_retries = 2, base = '1h', cap = '1h', jitter = 0 }, rate_limited = { retry_after = false }",
    )])
    .await;
    let _worker = world.worker("w1", &[]);
    let fail =
        |class: &str| json!({"how": "fail", "times": 9, "class": class, "retry_after_ms": 5_400_000}).to_string();
    let (refused, limited) =
        (world.start("misbehave", &fail("invalid_input")), world.start("misbehave", &fail("rate_limited")));
    let waits = async || world.count("select count(*) from piton.jobs where state = 'scheduled'").await == 2;
    until(SOON, "both wait", waits).await;
    let waits: Vec<(String, i32)> = sqlx::query_as(
        "select class, extract(epoch from retry_at - ended_at)::int4 from piton.attempts order by class",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    // `Retry-After` of 90 minutes wins for the first, and is ignored for the second, whose base is 5 s.
    assert_eq!(waits[0], ("invalid_input".to_owned(), 5400));
    assert!((3..=5).contains(&waits[1].1), "{waits:?}");
    let refusals = async || world.count("select count(*) from piton.attempts where class = 'invalid_input'").await;
    for attempt in 2..=3 {
        let soon = "update piton.jobs set due_at = now()
                    where run_id = (select id from piton.runs where uuid = $1::uuid)";
        sqlx::query(soon).bind(&refused).execute(&world.pool).await.unwrap();
        until(SOON, "it is tried again", async || refusals().await == attempt).await;
    }
    assert_eq!(world.ended(&refused).await, "blocked");
    assert_eq!(world.state(&limited).await, "running");
}

#[tokio::test]
async fn no_retry_begins_after_the_deadline() {
    let world = World::with(&[&misbehave_with("deadline = '2s', unknown = { base = '1s', jitter = 0 }")]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("misbehave", &json!({"how": "fail", "times": 9, "class": "unknown"}).to_string());
    assert_eq!(world.ended(&run).await, "blocked");
    // After 0 s and 1 s; the next wait is 2 s.
    assert_eq!(world.count("select count(*) from piton.attempts").await, 2);
}

#[tokio::test]
async fn a_changed_policy_is_held_against_the_failures_on_record() {
    let world = World::with(&[&misbehave_with("unknown = { base = '1ms', max_retries = 1 }")]).await;
    let _worker = world.worker("w1", &[]);
    let times =
        |times: u32| world.start("misbehave", &json!({"how": "fail", "times": times, "class": "unknown"}).to_string());
    for (run, state) in [(times(1), "done"), (times(1), "done"), (times(9), "blocked")] {
        assert_eq!(world.ended(&run).await, state);
    }
    let simulate = |rules: &str| {
        let file = world.path("changed.toml");
        std::fs::write(&file, misbehave_with(rules)).unwrap();
        let arguments = ["retry-policy", "simulate", file.to_str().unwrap()];
        let said = stdout(&world.command(arguments).output().unwrap());
        let id = |word: &str| word.len() == 36 && word.matches('-').count() == 4;
        said.lines()
            .map(|line| line.split(' ').map(|w| if id(w) { "RUN" } else { w }).collect::<Vec<_>>().join(" ") + "\n")
            .collect::<String>()
    };
    insta::assert_snapshot!(simulate("unknown = { max_retries = 1 }"), @r"
    stage                 last failure          retries  went well   dead  tried again    attempts  given up
    misbehave             unknown                     3       67 %      1            0       +0 -0         0

    Of 1 dead jobs, 0 would have been tried again.
    ");
    insta::assert_snapshot!(simulate("unknown = { max_retries = 3 }"), @r"
    stage                 last failure          retries  went well   dead  tried again    attempts  given up
    misbehave             unknown                     3       67 %      1            1       +2 -0         0

    Of 1 dead jobs, 1 would have been tried again, with up to 2 attempts more; if these go as well as the retries on record, about 1 would be saved.
      RUN  misbehave  unknown: would be tried again, up to 2 times
    ");
    insta::assert_snapshot!(simulate("max_retries = 0"), @r"
    stage                 last failure          retries  went well   dead  tried again    attempts  given up
    misbehave             unknown                     3       67 %      1            0       +0 -3         3

    Of 1 dead jobs, 0 would have been tried again.
    3 jobs would have been given up sooner, with 3 attempts less; 2 of them were done in the end.
      RUN  misbehave  unknown: would have been given up sooner
      RUN  misbehave  unknown: would have been given up, and was done
      RUN  misbehave  unknown: would have been given up, and was done
    ");
    // A dead letter that is retried has a new budget: the same rules still change nothing.
    stdout(&world.command(["dead-letter", "retry", "--all"]).output().unwrap());
    until(SOON, "it is given up again", async || world.count("select count(*) from piton.dead_letters").await == 2)
        .await;
    assert!(simulate("unknown = { max_retries = 1 }").contains("Of 2 dead jobs, 0 would have been tried again.\n"));
    simulate("max_retries = 0");
    let json = world.command(["retry-policy", "simulate", "changed.toml", "--json"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_str(&stdout(&json)).unwrap();
    assert_eq!(json["lines"][0]["lost"], 2);
}
