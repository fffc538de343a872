//! A row that nobody but a superuser can write hurts itself alone: the work on all others goes on, and so does every question.

use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::harness::{SOON, World, example, stdout, until};
use crate::top::ASKED;
use crate::workflows::{SQUARES, WORK};

/// Has a job in every state that a job of a limited stage can be in.
const LIMITED: &str = "name = \"limited\"\n[stages.work]\nrust = \"work\"\nconcurrency = 2\n";

/// Values that fit into the columns of jobs, and into nothing else.
const JOBS: &[(&str, &[&str])] = &[
    ("due_at", TIMES),
    ("since", TIMES),
    ("attempt", &["2147483647", "2147483646", "-2147483648", "-1"]),
    ("item", &["2147483647", "-2147483648", "7"]),
    ("until", &["2147483647", "-2147483648"]),
    ("stage", &["32767", "-32768", "1"]),
    ("rank", &["32767", "-32768"]),
    ("version_id", &["0", "999999"]),
    ("workflow_id", &["999999"]),
    ("worker_id", &["999999", "null"]),
    ("deaths", &["32767", "-32768"]),
    ("progress_done", &["9223372036854775807", "-9223372036854775808"]),
    ("progress_of", &["9223372036854775807", "0"]),
    ("progress_note", &[r"E'\x01\x1b[31m\u202e'", "repeat('x', 100000)"]),
    ("limit_id", &["999999"]),
    ("run_id", &["run_id + 900000000"]),
    ("state", &["'nonsense'", "''"]),
];

/// The same for runs.
const RUNS: &[(&str, &[&str])] = &[
    ("state", &["'nonsense'", "'done'", "'blocked'"]),
    ("priority", &["32767", "-32768"]),
    ("input", &["'[]'", "'null'", "'5'", r#"'{"a":"\u0000"}'"#]),
    ("started_at", TIMES),
    ("finished_at", TIMES),
    ("failed_stage", &["32767", "-1"]),
    ("failure_class", &["'nonsense'"]),
    ("failure_message", &[r"E'\x01\x1b[31m'"]),
    ("version_id", &["999999"]),
    ("traceparent", &["'nonsense'"]),
    ("tracestate", &["'nonsense'"]),
    ("redone", &["'{32767,-32768}'", "'{}'"]),
];

const TIMES: &[&str] = &["'infinity'", "'-infinity'", "'294276-12-31'", "'262143-01-01'", "'4713-01-01 BC'"];

const STATES: [&str; 5] = ["scheduled", "ready", "running", "suspect", "limited"];

async fn execute(world: &World, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql.clone()))
        .execute(&world.pool)
        .await
        .unwrap_or_else(|error| panic!("{error}: {sql}"));
}

/// With workflows that are registered, and a run that is sound and starts much later.
pub(crate) async fn world() -> World {
    let world = World::with(&[WORK, SQUARES, LIMITED]).await;
    let folder = world.path("workflows");
    stdout(&world.command(["start", "work", "--at", "30d", "--workflows", folder.to_str().unwrap()]).output().unwrap());
    ["squares", "limited"].iter().for_each(|workflow| world.deploy(workflow));
    world
}

/// A job and a run for every value, in every state, among them none that is as it should be. Tells which runs have a hostile
/// job only.
pub(crate) async fn fill(world: &World) -> Vec<String> {
    let checks: Vec<String> = sqlx::query_scalar(
        "select format('alter table %s drop constraint %I', conrelid::regclass, conname) from pg_constraint
         where conrelid in ('piton.jobs'::regclass, 'piton.runs'::regclass) and contype in ('c', 'f')",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    execute(world, checks.join(";")).await;
    execute(
        world,
        "insert into piton.workers (boot_id, name, host, pid, last_seen, slots)
         values (gen_random_uuid(), 'gone', 'elsewhere', 1, now() - interval '1 hour', 1)"
            .to_owned(),
    )
    .await;
    let mut jobs = Vec::new();
    for state in STATES {
        for (table, columns) in [("jobs", JOBS), ("runs", RUNS)] {
            for (column, values) in columns {
                for value in *values {
                    let run = insert(world, state).await;
                    let key = if table == "jobs" { "run_id" } else { "id" };
                    execute(
                        world,
                        format!(
                            "update piton.{table} set {column} = {value}
                             where {key} = (select id from piton.runs where uuid = '{run}')"
                        ),
                    )
                    .await;
                    if table == "jobs" {
                        jobs.push(run);
                    }
                }
            }
        }
    }
    jobs
}

/// A sound run with a job in that state.
async fn insert(world: &World, state: &str) -> String {
    let workflow = if state == "limited" { "limited" } else { "work" };
    let run: String =
        sqlx::query_scalar("select piton.start_run($1, '{\"input\": {}}', run_at => now() + interval '1 hour')::text")
            .bind(workflow)
            .fetch_one(&world.pool)
            .await
            .unwrap();
    let of_run = format!("where run_id = (select id from piton.runs where uuid = '{run}')");
    let set = match state {
        "scheduled" => return run,
        "running" => "attempt = 1, worker_id = (select id from piton.workers where name = 'gone')",
        "suspect" => "deaths = 1",
        "limited" => "limit_id = (select id from piton.stage_limits where stage = 'work')",
        _ => "due_at = now()",
    };
    execute(world, format!("update piton.jobs set state = '{state}', {set} {of_run}")).await;
    run
}

async fn asked_in_sql(world: &World) {
    let failed = ask_in_sql(world).await;
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Every view, whole; the state for the metrics; and what `piton top` asks. Tells what has no answer.
pub(crate) async fn ask_in_sql(world: &World) -> Vec<String> {
    let views: Vec<String> =
        sqlx::query_scalar("select viewname::text from pg_views where schemaname = 'piton' order by 1")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert!(views.len() > 10);
    let mut all: Vec<String> =
        views.iter().map(|view| format!("select count(v::text) from piton.{view} as v")).collect();
    for function in ["state(0)", "state(20000)", "outlook_state()", "changes('-infinity')", "work_left(20000)"] {
        all.push(format!("select count(s::text) from piton.{function} as s"));
    }
    for sql in ASKED {
        let of_a_cause = sql.replace("$2", "'work'").replace("$3", "'work'").replace("$4", "'0123456789abcdef'");
        all.push(of_a_cause.replace("$1", "200"));
    }
    all.push("select piton.settle_throughput()".to_owned());
    let mut failed = Vec::new();
    for sql in all {
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&world.pool).await {
            failed.push(format!("{error}: {sql}"));
        }
    }
    failed
}

#[tokio::test]
async fn one_row_that_makes_no_sense_stops_neither_the_work_nor_a_question() {
    let world = world().await;
    let hostile = fill(&world).await;

    for asked in [
        &["why"][..],
        &["why", "--json"],
        &["runs", "--limit", "1000"],
        &["runs", "--json", "--limit", "1000"],
        &["recover", "--dry-run"],
        &["dead-letter", "list"],
        &["dead-letter", "stats"],
        &["cleanup", "preview"],
        &["cleanup", "stats"],
        &["batch", "list"],
    ] {
        stdout(&world.command(asked).output().unwrap());
    }
    // One in each state would be the same questions again.
    for run in hostile.iter().take(hostile.len() / STATES.len()) {
        for asked in [["show", run.as_str()], ["why", run.as_str()]] {
            stdout(&world.command(asked).output().unwrap());
        }
    }

    asked_in_sql(&world).await;

    let good: Vec<String> = (0..5).map(|_| world.start("work", r#"{"work_ms": 10}"#)).collect();
    let retried = world.start("squares", r#"{"items": 20, "fails_once_every": 10}"#);
    let limited = world.start("limited", "{}");
    let later: String =
        sqlx::query_scalar("select piton.start_run('work', '{}', run_at => now() + interval '2 seconds')::text")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    let overdue: String = sqlx::query_scalar(
        "select piton.start_run('work', '{\"work_ms\": 600000}', deadline => now() + interval '3 seconds')::text",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    let mut worker = world.worker("w1", &["--slots", "8", "--lease", "5s", "--snapshot-every", "1s"]);
    for run in good.iter().chain([&retried, &limited, &later]) {
        assert_eq!(world.ended(run).await, "done", "{}", worker.log());
    }
    until(SOON, "its deadline is kept", async || world.state(&overdue).await == "cancelled").await;
    let held = "select count(*) from piton.jobs j join piton.workers w on w.id = j.worker_id where w.name = 'gone' and j.state = 'running'";
    until(SOON, "what the gone worker held is free", async || world.count(held).await == 0).await;
    assert!(worker.is_running() && !worker.log().contains("panicked"), "{}", worker.log());
    for words in ["claiming waits", "results wait in memory", "the look"] {
        assert!(!worker.log().contains(words), "{words}: {}", worker.log());
    }

    // Whatever became of them by now, they are freed like any other, and somebody else goes on.
    let last = world.start("work", r#"{"work_ms": 3000}"#);
    let begun = "select count(*) from piton.jobs j join piton.runs r on r.id = j.run_id where j.state = 'running' and r.uuid::text = ";
    let begun = format!("{begun}'{last}'");
    until(SOON, "it runs", async || {
        sqlx::query_scalar::<_, i64>(AssertSqlSafe(begun.clone())).fetch_one(&world.pool).await.unwrap() == 1
    })
    .await;
    worker.kill();
    let mut heir = world.worker("w2", &["--slots", "8", "--lease", "5s", "--snapshot-every", "1s"]);
    assert_eq!(world.ended(&last).await, "done", "{}", heir.log());
    assert!(heir.is_running() && !heir.log().contains("panicked"), "{}", heir.log());
    stdout(&world.command(["why"]).output().unwrap());
    stdout(&world.command(["dead-letter", "list", "--limit", "1000"]).output().unwrap());
    stdout(&world.command(["runs", "--limit", "1000"]).output().unwrap());
    asked_in_sql(&world).await;
}

#[tokio::test]
async fn what_can_never_run_is_named() {
    let world = world().await;
    for (column, value) in
        [("attempt", "2147483647"), ("version_id", "999999"), ("due_at", "'infinity'"), ("run_id", "900000000")]
    {
        execute(&world, "alter table piton.jobs drop constraint if exists jobs_are_sound".to_owned()).await;
        let fk = "alter table piton.jobs drop constraint if exists jobs_run_id_fkey";
        execute(&world, fk.to_owned()).await;
        execute(
            &world,
            "insert into piton.jobs (run_id, workflow_id, version_id, stage, state, due_at)
             select run_id, workflow_id, version_id, stage, state, due_at from piton.jobs order by id limit 1"
                .to_owned(),
        )
        .await;
        execute(
            &world,
            format!("update piton.jobs set {column} = {value} where id = (select max(id) from piton.jobs)"),
        )
        .await;
    }
    insta::assert_snapshot!(world.unexplained().await.join("\n"), @r"
    the job is of a workflow version that is not there
    work the job belongs to no run
    work the job is due at infinity
    work the job is never claimed: no number is left for another attempt
    ");
}

#[tokio::test]
async fn times_that_are_none_are_refused_by_every_face_with_the_cure() {
    let world = world().await;
    for argument in ["run_at", "deadline"] {
        for time in TIMES.iter().chain(&["'1969-12-31T23:59:59Z'", "'10000-01-01T00:00:00Z'"]) {
            let sql = format!("select piton.start_run('work', '{{}}', {argument} => {time})");
            let error = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&world.pool).await.unwrap_err();
            let said = error.into_database_error().unwrap();
            assert_eq!(said.code().as_deref(), Some("22008"), "{argument} {time}: {said}");
            assert!(said.message().contains(if argument == "run_at" { "run_at" } else { "deadline" }), "{said}");
        }
    }
    let refused = world.command(["start", "work", "--at", "infinity"]).output().unwrap();
    let first = String::from_utf8_lossy(&refused.stderr).lines().next().unwrap().to_owned();
    insta::assert_snapshot!(first, @"error: invalid value 'infinity' for '--at <WHEN>': give a time such as 2026-12-24T18:00:00Z or 18:00, or a span such as 30m or 2h (30d at most)");
    let far = world.command(["start", "work", "--deadline", "+262142-01-01T00:00:00Z"]).output().unwrap();
    assert_eq!(far.status.code(), Some(2));
    for check in [
        "update piton.jobs set due_at = 'infinity'",
        "insert into piton.deadlines select id, 'infinity' from piton.runs",
        "update piton.runs set started_at = '-infinity'",
    ] {
        let error = sqlx::raw_sql(check).execute(&world.pool).await.unwrap_err();
        assert_eq!(error.into_database_error().unwrap().code().as_deref(), Some("23514"), "{check}");
    }
    assert_eq!(world.count("select count(*) from piton.runs").await, 1, "nothing half done");
}

#[tokio::test]
async fn spans_go_by_the_database_s_clock() {
    let world = World::with(&[WORK]).await;
    let folder = world.path("workflows");
    let arguments = ["start", "work", "--at", "8m", "--deadline", "1h", "--workflows", folder.to_str().unwrap()];
    // A client whose clock is two hours ahead.
    let started =
        world.command_of("faketime".as_ref(), ["-f", "+2h"]).arg(example("test-worker")).args(arguments).output();
    let Ok(started) = started else {
        eprintln!("left out: faketime is not installed");
        return;
    };
    stdout(&started);
    let near = "select count(*) from piton.jobs j join piton.deadlines d using (run_id)
                where j.due_at between now() + interval '7 minutes' and now() + interval '8 minutes'
                  and d.at between now() + interval '59 minutes' and now() + interval '1 hour'";
    assert_eq!(world.count(near).await, 1);
}

#[tokio::test]
async fn a_lease_that_no_network_can_keep_is_refused() {
    let world = World::with(&[WORK]).await;
    let said = |arguments: &[&str]| {
        let mut all = vec!["worker"];
        all.extend(arguments);
        let output = world.command(all).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).lines().next().unwrap().to_owned()
    };
    insta::assert_snapshot!(said(&["--lease", "1s"]), @"error: invalid value '1s' for '--lease <LEASE>': it must be between 2s and 1d: a worker says five times in a lease that it is alive, and the network takes its time");
    insta::assert_snapshot!(said(&["--lease", "25h"]), @"error: invalid value '25h' for '--lease <LEASE>': it must be between 2s and 1d: a worker says five times in a lease that it is alive, and the network takes its time");
    insta::assert_snapshot!(said(&["--poll", "1ms"]), @"error: invalid value '1ms' for '--poll <POLL>': it must be between 100ms and 1m: every look asks the database, and what was not notified waits for the next one");
    assert_eq!(world.command(["recover", "--lease", "1s"]).output().unwrap().status.code(), Some(2));
}

#[tokio::test]
async fn one_bad_row_keeps_no_question_of_the_night_from_its_answer() {
    let world = World::with(&[WORK]).await;
    world.start("work", r#"{"tenant": null}"#);
    let execute = async |sql: &'static str| sqlx::raw_sql(sql).execute(&world.pool).await;
    execute(
        r#"insert into piton.runs (uuid, version_id, input)
           select gen_random_uuid(), version_id, bad.input
           from piton.runs, (values (json '{"tenant":"\ud800"}'), ('{"tenant":"\u0000"}')) as bad (input);
           insert into piton.audit (actor, face, verb, subject_kind, subject, detail)
           values ('a', 'sql', 'cancel', 'run', 'no uuid', '{}'), ('a', 'sql', 'dismiss', 'dead_letter', 'no uuid', '{}'),
                  ('a', 'sql', 'cancel', 'batch', 'no uuid', '{}'), ('a', 'sql', 'keep', 'retention', 'x', '{"keep": "for long"}'),
                  ('a', 'sql', 'deploy', 'workflow', 'work', '{"limits": 5}')"#,
    )
    .await
    .unwrap();
    for lasting in ["170000000 years", "-1 day"] {
        let sql = format!(
            "insert into piton.workers (boot_id, name, host, pid, lease) values (gen_random_uuid(), 'x', 'h', 1, '{lasting}')"
        );
        assert!(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&world.pool).await.is_err(), "{lasting}");
    }
    let found: Value = serde_json::from_str(&stdout(
        &world.command(["runs", "--where", "input.tenant=null", "--json"]).output().unwrap(),
    ))
    .unwrap();
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert!(stdout(&world.command(["changes"]).output().unwrap()).contains("no uuid"));
    stdout(&world.command(["pause", "work", "--reason", "\u{1b}]0;x\u{7}\u{1b}[2Jgone\u{202e}"]).output().unwrap());
    for asked in ["pauses", "changes", "why"] {
        let said = stdout(&world.command([asked]).output().unwrap());
        assert!(said.contains("gone") && !said.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{said:?}");
    }
}
