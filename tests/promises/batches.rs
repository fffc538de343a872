//! Batches: all their runs start, no more than the cap at once, and people decide about all of them together.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Process, SOON, World, stdout, until};
use crate::workflows::{CHAIN, MISBEHAVE, WORK};

/// Runs that are not finished.
const ACTIVE: &str = "select count(*) from piton.runs where state in ('running', 'blocked')";
const RUNS: &str = "select count(*) from piton.runs";
const DONE: &str = "select count(*) from piton.runs where state = 'done'";

fn run(world: &World, arguments: &[&str]) -> Output {
    let folder = world.path("workflows");
    world.command([&["--workflows", folder.to_str().unwrap()], arguments].concat()).output().unwrap()
}

fn says(world: &World, arguments: &[&str]) -> String {
    stdout(&run(world, arguments))
}

fn refused(world: &World, arguments: &[&str]) -> String {
    let output = run(world, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?} {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

fn json(world: &World, arguments: &[&str]) -> Value {
    serde_json::from_str(&says(world, &[arguments, &["--json"]].concat())).unwrap()
}

fn write(world: &World, lines: impl IntoIterator<Item = String>) -> String {
    let file = world.path("inputs.jsonl");
    std::fs::write(&file, lines.into_iter().map(|line| line + "\n").collect::<String>()).unwrap();
    file.to_str().unwrap().to_owned()
}

/// So many inputs that take that long.
fn work(world: &World, items: usize, work_ms: u64) -> String {
    write(world, (0..items).map(|n| format!(r#"{{"n": {n}, "work_ms": {work_ms}}}"#)))
}

fn fails(class: &str) -> String {
    format!(r#"{{"how": "fail", "times": 9, "class": "{class}"}}"#)
}

/// Every item has a run of its own, on its own input, and each ended once.
async fn assert_each_ran_once(world: &World, items: i64) {
    let whole = "select count(distinct i.run) from piton.batch_items i join piton.runs r on r.uuid = i.run
                 where r.state = 'done' and i.input is null and (r.input ->> 'n')::int = i.number - 1";
    assert_eq!(world.count(whole).await, items);
    assert_eq!(world.count(RUNS).await, items);
    world.assert_nothing_is_left().await;
}

/// Until all are done; what was active at most at any look, and how often it was looked.
async fn watch(world: &World, items: i64) -> (i64, usize) {
    let (mut most, mut looks) = (0, 0);
    until(SOON * 2, "all are done", async || {
        let (active, done): (i64, i64) = sqlx::query_as(
            "select count(*) filter (where state in ('running', 'blocked')), count(*) filter (where state = 'done')
             from piton.runs",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap();
        most = most.max(active);
        looks += 1;
        done == items
    })
    .await;
    (most, looks)
}

#[tokio::test]
async fn a_cap_is_never_exceeded_and_is_used_however_many_workers_feed() {
    let world = World::with(&[CHAIN]).await;
    let _workers = [world.worker("w1", &[]), world.worker("w2", &[])];
    let file = work(&world, 150, 30);
    let said = says(&world, &["batch", "start", "capped", "chain", "--input", &file, "--cap", "7"]);
    // How many had started when it was said is up to the workers, who feed as well.
    assert!(said.contains("150 items, "), "{said}");
    let (most, looks) = watch(&world, 150).await;
    assert_eq!(most, 7, "of {looks} looks");
    assert!(looks > 20, "{looks} looks are too few to tell");
    assert_each_ran_once(&world, 150).await;
    assert_eq!(world.count("select count(*) from piton.batch_places").await, 0);
    let shown = json(&world, &["batch", "show", "capped"]);
    assert_eq!((&shown["state"], &shown["done"], &shown["not_started"]), (&"done".into(), &150.into(), &0.into()));
    assert!(shown["finished_at"].is_string() && shown["waits"].is_null(), "{shown}");
}

#[tokio::test]
async fn many_that_feed_at_once_start_no_more_than_the_cap() {
    let world = World::with(&[WORK]).await;
    says(&world, &["batch", "start", "first", "work", "--input", &work(&world, 1, 0)]);
    let sql = "select piton.start_batch('b', 'work', array_fill('{}'::json, array[500]), cap => 20)";
    sqlx::query(sql).execute(&world.pool).await.unwrap();
    for _ in 0..20 {
        sqlx::query("update piton.runs set state = 'done', finished_at = now() where state = 'running' and id % 3 = 0")
            .execute(&world.pool)
            .await
            .unwrap();
        let feed = async || sqlx::query("select piton.feed_batches(1000)").execute(&world.pool).await.unwrap();
        tokio::join!(feed(), feed(), feed());
        // One that found the batch locked leaves it to the one that has it, which may have looked before.
        feed().await;
        let active = "select count(*) from piton.batch_items i join piton.runs r on r.uuid = i.run
                      join piton.batches b on b.id = i.batch_id where b.name = 'b' and r.state = 'running'";
        assert_eq!(world.count(active).await, 20);
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_in_the_middle_loses_and_doubles_no_item() {
    let world = World::with(&[CHAIN]).await;
    let file = work(&world, 120, 20);
    says(&world, &["batch", "start", "b", "chain", "--input", &file, "--cap", "12"]);
    let _heir = world.worker("w2", &[]);
    for round in 1..=4 {
        let victim = world.worker("w1", &[]);
        until(SOON, "some are done", async || world.count(DONE).await >= round * 20).await;
        assert!(world.count(ACTIVE).await <= 12);
        victim.kill();
    }
    let (most, _) = watch(&world, 120).await;
    assert!(most <= 12, "{most}");
    assert_each_ran_once(&world, 120).await;
}

#[tokio::test]
async fn a_line_that_is_no_input_is_refused_by_its_number_and_nothing_starts() {
    let world = World::with(&[WORK]).await;
    // Far behind what is sent in one piece.
    let good = (0..12_000).map(|n| format!(r#"{{"n": {n}}}"#));
    let file = write(&world, good.chain(["{\"n\": ".to_owned(), "{}".to_owned()]));
    let said = refused(&world, &["batch", "start", "b", "work", "--input", &file]);
    assert!(said.contains(&format!("line 12001 of {file}: it is not JSON")), "{said}");
    assert!(said.contains("correct it") && said.contains("nothing was started"), "{said}");
    let file = write(&world, ["{}".to_owned(), String::new()]);
    let said = refused(&world, &["batch", "start", "b", "work", "--input", &file]);
    assert!(said.contains("line 2") && said.contains("is empty: remove it, or write {}"), "{said}");
    let none = write(&world, []);
    assert!(refused(&world, &["batch", "start", "b", "work", "--input", &none]).contains("has no line"));
    let nothing = "select (select count(*) from piton.runs) + (select count(*) from piton.batches)
                        + (select count(*) from piton.batch_items)";
    assert_eq!(world.count(nothing).await, 0);
    // Corrected, it starts under the same name.
    let file = write(&world, ["{}".to_owned(), "{}".to_owned()]);
    says(&world, &["batch", "start", "b", "work", "--input", &file]);
    assert_eq!(world.count(RUNS).await, 2);
    for (name, cure) in [("a b", "letters, digits"), ("01890000-0000-7000-8000-000000000000", "is no id")] {
        let said = refused(&world, &["batch", "start", name, "work", "--input", &file]);
        assert!(said.contains("cannot be named") && said.contains(cure), "{said}");
    }
    let said = refused(&world, &["batch", "start", "c", "wrok", "--input", &file]);
    assert!(said.contains("did you mean `work`"), "{said}");
}

#[tokio::test]
async fn a_start_that_was_killed_is_gone_on_with_and_one_that_was_through_is_refused() {
    let world = World::with(&[WORK]).await;
    let folder = world.path("workflows");
    let start = ["batch", "start", "b", "work", "--workflows", folder.to_str().unwrap(), "--input", "-", "--cap", "3"];
    let mut child = world.command(start).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let lines: String = (0..5000).map(|n| format!("{{\"n\": {n}}}\n")).collect();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines.as_bytes()).unwrap();
    stdin.flush().unwrap();
    let came_in = "select count(*) from piton.batch_items";
    until(SOON, "a piece is in", async || world.count(came_in).await == 5000).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(world.count(RUNS).await, 0, "nothing begins before all is in");
    let shown = says(&world, &["batch", "show", "b"]);
    assert!(shown.contains("filling") && shown.contains("the same \"piton batch start\" again"), "{shown}");

    let other = write(&world, (0..5001).map(|n| format!("{{\"n\": {}}}", n + n / 4000)));
    let said = refused(&world, &["batch", "start", "b", "work", "--input", &other]);
    assert!(said.contains("item 4001 of batch \"b\"") && said.contains("batch cancel b"), "{said}");
    let fewer = write(&world, (0..100).map(|n| format!("{{\"n\": {n}}}")));
    let said = refused(&world, &["batch", "start", "b", "work", "--input", &fewer]);
    assert!(said.contains("has 5000 items, and 100 were given"), "{said}");
    let whole = write(&world, (0..6000).map(|n| format!("{{\"n\": {n}}}")));
    let said = says(&world, &["batch", "start", "b", "work", "--input", &whole, "--cap", "4"]);
    assert!(said.contains("6000 items, "), "{said}");
    let said = refused(&world, &["batch", "start", "b", "work", "--input", &whole]);
    assert!(said.contains("was started already, with 6000 items") && said.contains("batch show b"), "{said}");
    assert_eq!(world.count("select count(*) from piton.batch_items").await, 6000);

    // One that is not gone on with is discarded, and its name is free.
    let open = "select count(*) from piton.open_batch('left', 'work')";
    assert_eq!(world.count(open).await, 1);
    assert!(says(&world, &["batch", "cancel", "left", "--reason", "mistaken"]).contains("its name is free"));
    assert!(refused(&world, &["batch", "show", "left"]).contains("there is no batch \"left\""));
}

#[tokio::test]
async fn what_was_not_fed_is_started_by_a_worker() {
    let world = World::with(&[WORK]).await;
    world.start("work", "{}");
    let worker = world.worker("w1", &[]);
    worker.says("worker started").await;
    // As a command leaves it that is killed between sealing and starting.
    sqlx::query(
        "do $$ declare key bigint := piton.open_batch('b', 'work'); begin
             perform piton.add_to_batch(key, 1, array_fill('{}'::json, array[5000]));
             perform piton.seal_batch(key, 5000); end $$",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    until(SOON, "all are done", async || world.count(DONE).await == 5001).await;
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_cancelled_batch_starts_nothing_more_and_ends_what_runs() {
    let world = World::with(&[WORK]).await;
    let file = work(&world, 40, 60_000);
    says(&world, &["batch", "start", "b", "work", "--input", &file, "--cap", "6"]);
    let worker = world.worker("w1", &[]);
    let running = "select count(*) from piton.jobs where state = 'running'";
    until(SOON, "they run", async || world.count(running).await == 6).await;
    let said = says(&world, &["batch", "cancel", "b", "--reason", "nobody needs it", "--by", "anna"]);
    assert!(said.contains("6 runs were ended, and 34 items never start"), "{said}");
    worker.says("attempt_cancelled").await;
    // A worker looks about once a second.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.count("select count(*) from piton.runs where state = 'cancelled'").await, 6);
    assert_eq!(world.count(RUNS).await, 6);
    let shown = says(&world, &["batch", "show", "b"]);
    assert!(shown.contains("by anna: nobody needs it") && shown.contains("not started  34"), "{shown}");
    assert!(refused(&world, &["batch", "cancel", "b", "--reason", "again"]).contains("is cancelled already"));
    assert!(refused(&world, &["batch", "cancel", "b", "--reason", " "]).contains("for a reason"));
    let line: Value = serde_json::from_str(says(&world, &["batch", "results", "b"]).lines().next().unwrap()).unwrap();
    assert_eq!((&line["state"], &line["failure"]["cancelled_by"]), (&"cancelled".into(), &"anna".into()));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn while_the_workflow_is_paused_no_item_begins_and_show_says_so() {
    let world = World::with(&[WORK]).await;
    says(&world, &["batch", "start", "b", "work", "--input", &work(&world, 9, 0), "--cap", "3"]);
    says(&world, &["pause", "work", "--reason", "provider down", "--by", "anna"]);
    let _worker = world.worker("w1", &[]);
    says(&world, &["batch", "start", "c", "work", "--input", &work(&world, 5, 0)]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.count(RUNS).await, 3, "no more than began before");
    let shown = says(&world, &["batch", "show", "c"]);
    assert!(shown.contains("5 items wait: the workflow is paused by anna: \"provider down\""), "{shown}");
    says(&world, &["resume", "work"]);
    until(SOON, "all are done", async || world.count(DONE).await == 14).await;
}

#[tokio::test]
async fn dead_letters_of_a_batch_are_retried_by_class_and_free_the_cap_when_they_are_decided_about() {
    let world = World::with(&[MISBEHAVE]).await;
    let inputs =
        [fails("invalid_input"), fails("auth_failure"), fails("auth_failure"), r#"{"how": "null"}"#.to_owned()];
    says(&world, &["batch", "start", "b", "misbehave", "--input", &write(&world, inputs), "--cap", "3"]);
    let other = world.start("misbehave", &fails("auth_failure"));
    let _worker = world.worker("w1", &[]);
    let blocked = "select count(*) from piton.runs where state = 'blocked'";
    until(SOON, "they are given up", async || world.count(blocked).await == 4).await;
    let shown = says(&world, &["batch", "show", "b"]);
    let why = says(&world, &["why"]);
    assert!(why.contains("misbehave, batch b: 1 not started: ") && why.contains("3"), "{why}");
    assert!(shown.contains("Batch b of misbehave: blocked"), "{shown}");
    assert!(
        shown.contains("1 items wait: 3 of its runs are not finished, as many as its cap lets be at once"),
        "{shown}"
    );
    assert!(shown.contains("3 of them are blocked, and keep their places"), "{shown}");
    assert!(shown.contains("2  auth_failure") && shown.contains("1  invalid_input"), "{shown}");
    assert!(shown.contains("batch retry b"), "{shown}");
    assert_eq!(json(&world, &["batch", "retry", "b", "--class", "rate_limited"])["retried"], 0);
    assert_eq!(json(&world, &["batch", "retry", "b", "--class", "auth_failure", "--by", "anna"])["retried"], 2);
    let retried = "select count(*) from piton.dead_letters where resolution = 'retried' and resolved_by = 'anna'";
    assert_eq!(world.count(retried).await, 2);
    until(SOON, "they are given up again", async || world.count(blocked).await == 4).await;
    assert_eq!(world.state(&other).await, "blocked", "it is none of the batch");
    says(&world, &["dead-letter", "dismiss", "--class", "invalid_input", "--reason", "it never works"]);
    until(SOON, "the last item begins in the place that is free", async || world.count(DONE).await == 1).await;
    let shown = json(&world, &["batch", "show", "b"]);
    assert_eq!((&shown["failed"], &shown["blocked"], &shown["done"]), (&1.into(), &2.into(), &1.into()));
    assert_eq!(shown["dead_letter_classes"], serde_json::json!([{"class": "auth_failure", "count": 2}]));
}

#[tokio::test]
async fn results_tell_of_every_item_in_order_also_of_those_that_were_cleaned_up() {
    let world = World::with(&[MISBEHAVE, CHAIN]).await;
    let _worker = world.worker("w1", &[]);
    let inputs = [fails("invalid_input"), r#"{"how": "fail"}"#.to_owned(), r#"{"how": "null"}"#.to_owned()];
    says(&world, &["batch", "start", "b", "misbehave", "--input", &write(&world, inputs)]);
    until(SOON, "they are over", async || {
        world.count("select count(*) from piton.runs where state in ('done', 'blocked')").await == 3
    })
    .await;
    sqlx::query(
        "update piton.runs set started_at = now() - interval '1 year', finished_at = now() - interval '1 year'
         where state = 'done' and id = (select max(id) from piton.runs)",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    says(&world, &["cleanup", "run"]);
    assert_eq!(world.count(RUNS).await, 2);
    let file = world.path("results.jsonl");
    says(&world, &["batch", "results", "b", "--to", file.to_str().unwrap()]);
    let lines: Vec<Value> =
        std::fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| &line["item"]).collect::<Vec<_>>(), [1, 2, 3]);
    let failure = &lines[0]["failure"];
    assert_eq!((&lines[0]["state"], &failure["class"]), (&"blocked".into(), &"invalid_input".into()));
    assert_eq!((&failure["stage"], &failure["message"]), (&"misbehave".into(), &"as asked".into()));
    assert_eq!(lines[1]["output"], serde_json::json!({"misbehave": "recovered"}));
    assert_eq!((&lines[2]["state"], lines[2]["run"].is_string()), (&"gone".into(), true));
    let shown = says(&world, &["batch", "show", "b"]);
    assert!(shown.contains("cleaned up   1"), "{shown}");

    // More than one statement brings, and only the outputs of the last stage.
    says(&world, &["batch", "start", "many", "chain", "--input", &work(&world, 1200, 0)]);
    until(SOON, "all are done", async || {
        world.count("select done from piton.batches_overview where name = 'many'").await == 1200
    })
    .await;
    let printed = says(&world, &["batch", "results", "many"]);
    let lines: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        lines
            .iter()
            .zip(1..)
            .all(|(line, item)| line["item"] == item && line["output"] == serde_json::json!({"third": 1}))
    );
    let runs: BTreeSet<&str> = lines.iter().map(|line| line["run"].as_str().unwrap()).collect();
    assert_eq!((lines.len(), runs.len()), (1200, 1200));
}

#[tokio::test]
async fn batches_start_from_sql_whole_or_not_at_all_and_are_listed() {
    let world = World::with(&[WORK]).await;
    world.start("work", "{}");
    let start = |inputs: &str| {
        format!("select piton.start_batch('b', 'work', array[{inputs}]::json[], cap => 1, priority => 5)")
    };
    let mut transaction = world.pool.begin().await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(start("'{}', '{}'"))).execute(&mut *transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    for (inputs, code) in [("'{}', null", "22004"), ("'[\"\\u0000\"]'", "22P05"), ("", "22023")] {
        let error = sqlx::query(sqlx::AssertSqlSafe(start(inputs))).execute(&world.pool).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), code, "{inputs}: {error}");
    }
    assert_eq!(world.count("select count(*) from piton.batches").await, 0);
    sqlx::query(sqlx::AssertSqlSafe(start("'{}', '{}'"))).execute(&world.pool).await.unwrap();
    let _worker = world.worker("w1", &[]);
    until(SOON, "all are done", async || world.count("select done from piton.batches_overview").await == 2).await;
    assert_eq!(world.count("select count(*) from piton.runs where priority = 5").await, 2);
    let listed = json(&world, &["batch", "list"]);
    assert_eq!(
        (&listed[0]["name"], &listed[0]["state"], &listed[0]["priority"]),
        (&"b".into(), &"done".into(), &5.into())
    );
    assert!(says(&world, &["batch", "list"]).contains("b "));
    let by_id = listed[0]["batch"].as_str().unwrap();
    assert_eq!(json(&world, &["batch", "show", by_id])["name"], "b");
}

#[tokio::test]
async fn twenty_thousand_runs_start_within_a_minute() {
    let world = World::with(&[WORK]).await;
    let file = work(&world, 20_000, 0);
    let begun = Instant::now();
    says(&world, &["batch", "start", "b", "work", "--input", &file]);
    let took = begun.elapsed();
    println!("20,000 runs were started in {took:?}");
    assert!(took < Duration::from_secs(60), "{took:?}");
    assert_eq!(world.count("select count(*) from piton.jobs where state = 'ready'").await, 20_000);
    // In a session that is set in no way.
    let begun = Instant::now();
    let sql = "select piton.start_batch('sql', 'work', array_fill('{}'::json, array[20000]))";
    sqlx::query(sql).execute(&world.pool).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(world.count("select count(*) from piton.jobs where state = 'ready'").await, 40_000);
}

/// Kept for whoever wonders how fast a batch with a cap is fed.
#[tokio::test]
#[ignore = "a figure, for a quiet machine; cargo test --release -- --ignored --nocapture fed_as_soon"]
async fn places_are_fed_as_soon_as_they_are_free() {
    let world = World::with(&[WORK]).await;
    let _worker: Process = world.worker("w1", &[]);
    let file = work(&world, 600, 50);
    let begun = Instant::now();
    says(&world, &["batch", "start", "b", "work", "--input", &file, "--cap", "20"]);
    watch(&world, 600).await;
    // 600 runs of 50 ms in 20 places are 1.5 s of work.
    println!("600 runs of 50 ms, 20 at once: {:?}", begun.elapsed());
}

#[tokio::test]
async fn how_many_runs_of_a_batch_ended_in_the_last_minute_is_counted_and_no_reckoning() {
    let world = World::with(&[WORK]).await;
    let _worker = world.worker("w1", &[]);
    let file = world.path("mixed.jsonl");
    let slow = "{\"work_ms\": 60000}\n";
    std::fs::write(&file, "{}\n".repeat(20) + &slow.repeat(2)).unwrap();
    says(&world, &["batch", "start", "b", "work", "--input", file.to_str().unwrap()]);
    until(SOON, "the quick ones are done", async || world.count("select done from piton.batches_overview").await == 20)
        .await;
    let shown = json(&world, &["batch", "show", "b"]);
    assert_eq!(shown["ended_last_minute"], 20);
    let says_so = says(&world, &["batch", "show", "b"]);
    assert!(says_so.contains("rate         20 runs ended in the last minute; at "), "{says_so}");
    // Where none ended lately, the rate is that of the last ten minutes.
    sqlx::query("update piton.runs set started_at = started_at - interval '5 minutes', finished_at = finished_at - interval '5 minutes'")
        .execute(&world.pool)
        .await
        .unwrap();
    let shown = json(&world, &["batch", "show", "b"]);
    let rate = shown["per_minute"].as_f64().unwrap();
    assert!(shown["ended_last_minute"] == 0 && (3.0..4.1).contains(&rate), "{shown}");
    let says_so = says(&world, &["batch", "show", "b"]);
    assert!(says_so.contains("rate         no run ended in the last minute; at "), "{says_so}");
}
