//! What is not tried again by itself is kept with its story, blocks its run, and goes on or ends as someone decides.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::types::Uuid;

use crate::harness::{SOON, World, stdout, until};
use crate::workflows::{CHAIN, MISBEHAVE, SQUARES};

fn say(world: &World, arguments: &[&str]) -> String {
    stdout(&world.command(["dead-letter"].iter().chain(arguments)).output().unwrap())
}

fn refused(world: &World, arguments: &[&str]) -> String {
    let output = world.command(["dead-letter"].iter().chain(arguments)).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

fn json(world: &World, arguments: &[&str]) -> Value {
    serde_json::from_str(&say(world, &[arguments, &["--json"]].concat())).unwrap()
}

fn fail(times: u32, class: &str) -> String {
    json!({"how": "fail", "times": times, "class": class}).to_string()
}

#[tokio::test]
async fn a_dead_letter_tells_its_whole_story_and_goes_on_from_its_checkpoint() {
    let chain = "name = 'chain'\n[stages.first]\nrust = 'echo'\n[stages.second]\nrust = 'misbehave'\nneeds = ['first']\n\
                 retry = { unknown = { max_retries = 1, base = '1ms' } }\n[stages.third]\nrust = 'echo'\nneeds = ['second']";
    let world = World::with(&[chain]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("chain", &fail(3, "unknown"));
    assert_eq!(world.ended(&run).await, "blocked");
    let id = world.dead_letter().await;
    let story = json(&world, &["show", &id]);
    assert_eq!((&story["run"], &story["workflow"], &story["stage"]), (&json!(run), &json!("chain"), &json!("second")));
    assert_eq!(
        (&story["class"], &story["message"], &story["worker"]),
        (&json!("unknown"), &json!("as asked"), &json!("w1"))
    );
    assert_eq!(story["input"]["how"], "fail");
    assert_eq!(story["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(story["checkpoints"][0]["stage"], "first");
    let told = say(&world, &["show", &id]);
    assert!(told.contains(&format!("dead-letter retry {id}")) && told.contains("unknown: as asked"), "{told}");

    // A retry has a budget of its own: attempts 3 and 4, of which the fourth goes well.
    say(&world, &["retry", &id, "--by", "anna", "--note", "the service is back"]);
    assert_eq!(world.ended(&run).await, "done");
    let begun: Vec<String> = world.journal();
    assert_eq!(begun.iter().filter(|line| line.starts_with("first")).count(), 1, "{begun:?}");
    assert_eq!(begun.iter().filter(|line| line.starts_with("second")).count(), 4, "{begun:?}");
    let story = json(&world, &["show", &id]);
    assert_eq!((&story["resolution"], &story["resolved_by"]), (&json!("retried"), &json!("anna")));
    assert_eq!(story["note"], "the service is back");
    assert!(refused(&world, &["retry", &id]).contains("was retried by anna already"));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn the_next_dead_letter_of_a_job_has_the_story_of_the_one_before() {
    let world = World::with(&[MISBEHAVE]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("misbehave", &fail(9, "auth_failure"));
    for attempt in 1..=3 {
        assert_eq!(world.ended(&run).await, "blocked");
        let id = world.dead_letter().await;
        assert_eq!(json(&world, &["show", &id])["attempts"].as_array().unwrap().len(), attempt);
        if attempt < 3 {
            say(&world, &["retry", &id]);
            until(SOON, "it is tried again", async || world.journal().len() > attempt).await;
        }
    }
    assert_eq!(world.count("select count(*) from piton.dead_letters").await, 3);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn an_item_that_is_given_up_holds_up_no_other_item() {
    // 2,000 items: some share a branch with others.
    let world =
        World::with(&[&SQUARES.replace("[stages.square]", "[stages.square]\nretry = { max_retries = 0 }")]).await;
    let _worker = world.worker("w1", &["--slots", "64"]);
    let run = world.start("squares", r#"{"items": 2000, "fails_once_every": 500}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    assert_eq!(world.count("select count(*) from piton.dead_letters").await, 4);
    assert_eq!(world.count("select count(*) from piton.checkpoints where item >= 0").await, 1996);
    let stats = json(&world, &["stats"]);
    assert_eq!((&stats[0]["count"], &stats[0]["stage"]), (&json!(4), &json!("square")));
    let fingerprint = stats[0]["fingerprint"].as_str().unwrap();
    assert_eq!(json(&world, &["retry", "--fingerprint", fingerprint]), json!({"retried": 4}));
    assert_eq!(world.ended(&run).await, "done");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_run_that_is_dismissed_takes_everything_of_it_along() {
    let world =
        World::with(&[&SQUARES.replace("[stages.square]", "[stages.square]\nretry = { max_retries = 0 }")]).await;
    let worker = world.worker("w1", &["--slots", "2"]);
    let run = world.start("squares", r#"{"items": 20, "fails_once_every": 5, "work_ms": 200}"#);
    let dead = async || world.count("select count(*) from piton.dead_letters").await >= 2;
    until(SOON, "two items were given up", dead).await;
    let id: Uuid =
        sqlx::query_scalar("select id from piton.dead_letters limit 1").fetch_one(&world.pool).await.unwrap();
    assert!(
        refused(&world, &["dismiss", &id.to_string(), "--reason", " "]).contains("for a reason, and none was given")
    );
    sqlx::query("select piton.dismiss_dead_letter($1, 'no use')").bind(id).execute(&world.pool).await.unwrap();
    assert_eq!(world.state(&run).await, "failed");
    assert_eq!(world.count("select count(*) from piton.dead_letters where resolution <> 'dismissed'").await, 0);
    assert!(world.count("select count(*) from piton.attempts where outcome = 'cancelled'").await >= 1);
    world.assert_nothing_is_left().await;
    assert!(refused(&world, &["retry", &id.to_string()]).contains("was dismissed by"));
    // What still ran when it was dismissed changes nothing any more.
    let before = world.count("select count(*) from piton.checkpoints").await;
    worker.says("attempt cancelled").await;
    assert_eq!(world.count("select count(*) from piton.checkpoints").await, before);
}

#[tokio::test]
async fn many_are_chosen_by_a_filter_or_by_saying_all() {
    let world = World::with(&[MISBEHAVE, CHAIN]).await;
    let _worker = world.worker("w1", &[]);
    for class in ["auth_failure", "auth_failure", "invalid_input"] {
        let run = world.start("misbehave", &fail(1, class));
        assert_eq!(world.ended(&run).await, "blocked");
    }
    assert!(refused(&world, &["retry"]).contains("or --all for every one"));
    assert_eq!(json(&world, &["list", "--class", "auth_failure"]).as_array().unwrap().len(), 2);
    assert_eq!(json(&world, &["list", "--since", "1h"]).as_array().unwrap().len(), 3);
    sqlx::query("update piton.dead_letters set dead_at = now() - interval '2 h' where class = 'invalid_input'")
        .execute(&world.pool)
        .await
        .unwrap();
    assert_eq!(json(&world, &["list", "--since", "1h"]).as_array().unwrap().len(), 2);
    assert_eq!(json(&world, &["retry", "--workflow", "chain"]), json!({"retried": 0}));
    assert_eq!(json(&world, &["dismiss", "--class", "invalid_input", "--reason", "x"]), json!({"dismissed": 1}));
    assert_eq!(json(&world, &["retry", "--all"]), json!({"retried": 2}));
    let done = async || world.count("select count(*) from piton.runs where state = 'done'").await == 2;
    until(SOON, "both are done", done).await;
    assert_eq!(world.count("select count(*) from piton.runs where state = 'failed'").await, 1);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn ten_thousand_dead_letters_are_looked_through_and_retried_in_moments() {
    let world = World::with(&[MISBEHAVE]).await;
    world.start("misbehave", "{}");
    sqlx::raw_sql(
        "delete from piton.jobs;
         with run as (
             insert into piton.runs (uuid, version_id, input, state)
             select gen_random_uuid(), version_id, '{}', 'blocked' from piton.runs, generate_series(1, 10000) returning id, version_id),
         tried as (
             insert into piton.attempts (run_id, stage, item, attempt, outcome, class, message, worker_id, started_at)
             select id, 0, -1, 1, 'failed', 'unknown', 'as asked', 1, now() from run)
         insert into piton.dead_letters (id, run_id, workflow_id, version_id, stage, item, attempt, rank, class, message,
                                         fingerprint, worker_id)
         select gen_random_uuid(), run.id, w.id, run.version_id, 0, -1, 1, 0, 'unknown', 'as asked', '0123456789abcdef', 1
         from run, piton.workflows w",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let timed = |arguments: &[&str]| {
        let begun = Instant::now();
        let said = json(&world, arguments);
        // Promised is a second; a busy machine may take ten.
        assert!(begun.elapsed() < Duration::from_secs(10), "{arguments:?} took {:?}", begun.elapsed());
        said
    };
    assert_eq!(timed(&["list", "--class", "unknown"]).as_array().unwrap().len(), 20);
    assert_eq!(timed(&["stats"])[0]["count"], 10_000);
    assert_eq!(timed(&["retry", "--fingerprint", "0123456789abcdef"]), json!({"retried": 10_000}));
    assert_eq!(world.count("select count(*) from piton.jobs where state = 'ready' and attempt = 1").await, 10_000);
    assert_eq!(world.count("select count(*) from piton.runs where state = 'blocked'").await, 0);
}

#[tokio::test]
async fn a_live_job_is_given_up_by_hand_and_its_attempt_changes_nothing() {
    let world = World::with(&[CHAIN]).await;
    let worker = world.worker("w1", &["--lease", "2s"]);
    let run = world.start("chain", r#"{"work_ms": 60000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    let missing = refused(&world, &["force", &run, "second", "--reason", "x"]);
    assert!(missing.contains("has no live job of stage \"second\""), "{missing}");
    let forced = json(&world, &["force", &run, "first", "--reason", "it hangs", "--by", "anna"]);
    assert_eq!(world.ended(&run).await, "blocked");
    worker.says("attempt cancelled").await;
    let story = json(&world, &["show", forced["dead_letter"].as_str().unwrap()]);
    assert_eq!(story["message"], "given up by anna: it hangs");
    worker.kill();
    // One that waits is given up as well, and goes on when it is retried.
    say(&world, &["retry", "--all"]);
    json(&world, &["force", &run, "first", "--reason", "not yet"]);
    assert_eq!(world.count("select count(*) from piton.dead_letters where resolution = 'pending'").await, 1);
    say(&world, &["retry", "--all"]);
    sqlx::query("update piton.runs set input = '{}'").execute(&world.pool).await.unwrap();
    let _worker = world.worker("w2", &[]);
    assert_eq!(world.ended(&run).await, "done");
    world.assert_nothing_is_left().await;
}
