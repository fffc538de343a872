//! Whatever a worker may write, it takes no answer from anybody: no view, no metric and no page fails for it.

use sqlx::AssertSqlSafe;

use crate::api::client::Api;
use crate::harness::{SOON, World, stdout, until};
use crate::hostile::ask_in_sql;
use crate::workflows::{CHAIN, MISBEHAVE, SQUARES, WORK};

const KEEP: &str = "name = \"keep\"\n[stages.keep]\nrust = \"keep\"\n";
const STEPS: &str = "name = \"steps\"\n[stages.steps]\nrust = \"steps\"\n";
const FORK: &str = "name = \"fork\"\n[stages.left]\nrust = \"work\"\n[stages.right]\nrust = \"work\"\n[stages.join]\nrust = \"work\"\n\
                    needs = [\"left\", \"right\"]\n";
/// So many stages that each has one value that makes no sense.
const STAGES: usize = 40;

/// Many stages that all have something left to do.
fn wide() -> String {
    let stages = (0..STAGES).map(|number| format!("[stages.s{number}]\nrust = \"work\"\n"));
    format!("name = \"wide\"\n{}", stages.collect::<String>())
}

/// Tables that a worker may write, whether it may insert, and what makes a copy of a row another one.
const WRITABLE: &[(&str, bool, &str)] = &[
    ("jobs", true, r#"jsonb_build_object('id', 1000000 + n)"#),
    ("joins", true, r#"jsonb_build_object('stage', n)"#),
    ("leases", true, r#"jsonb_build_object('name', 'lease' || n)"#),
    ("workers", true, r#"jsonb_build_object('id', 1000000 + n, 'boot_id', gen_random_uuid(), 'name', 'copy' || n)"#),
    ("artifacts", true, r#"jsonb_build_object('id', gen_random_uuid(), 'address', 'x/' || gen_random_uuid())"#),
    ("stage_times", true, r#"jsonb_build_object('stage', 's' || n % 40)"#),
    ("throughput", true, r#"jsonb_build_object('worker_id', n, 'stage', 's' || n % 40)"#),
    ("health_history", true, r#"jsonb_build_object('id', 1000000 + n)"#),
    ("checkpoints", true, r#"jsonb_build_object('item', 1000 + n)"#),
    ("attempts", true, r#"jsonb_build_object('attempt', 1000 + n)"#),
    ("steps", true, r#"jsonb_build_object('name', 'step' || n)"#),
    ("dead_letters", true, r#"jsonb_build_object('id', gen_random_uuid(), 'item', 1000 + n)"#),
    ("audit", true, r#"jsonb_build_object('id', 1000000 + n)"#),
    ("workflows", true, r#"jsonb_build_object('id', 1000000 + n, 'name', 'copy' || n)"#),
    ("workflow_versions", true, r#"jsonb_build_object('id', 1000000 + n, 'digest', sha256(int8send(n))::text)"#),
    ("runs", false, "'{}'"),
    ("cleanups", false, "'{}'"),
];

/// Whatever the type, as JSON holds it.
const VALUES: &[(&str, &[&str])] = &[
    ("bigint", &["9223372036854775807", "-9223372036854775808", "0", "-1"]),
    ("integer", &["2147483647", "-2147483648", "0", "-1"]),
    ("smallint", &["32767", "-32768", "0", "-1"]),
    ("double precision", &["\"NaN\"", "\"Infinity\"", "1.7e308", "5e-324", "0", "-1"]),
    (
        "timestamp with time zone",
        &["\"infinity\"", "\"-infinity\"", "\"294276-12-31\"", "\"4713-01-01 BC\"", "\"1970-01-01\""],
    ),
    ("interval", &["\"178000000 years\"", "\"-178000000 years\"", "\"0\""]),
    ("text", &["\"\"", "\"\\u001b[31m\\u202e\"", "\"nonsense\""]),
    ("uuid", &["\"ffffffff-ffff-ffff-ffff-ffffffffffff\""]),
    ("json", &["[]", "5", "\"\"", "{\"reason\": [], \"stages\": 5, \"keep\": {}}"]),
    ("jsonb", &["[]", "5", "\"\"", "{\"reason\": [], \"limits\": 5, \"keep\": {}}"]),
    ("boolean", &["true", "false"]),
    ("bytea", &["\"\""]),
    ("ARRAY", &["[]", "null"]),
];

/// Tries every value in every column of those tables, in a row of its own; what the database refuses no worker can write.
async fn write_nonsense(world: &World) {
    for (table, inserts, other) in WRITABLE {
        let columns: Vec<(String, String)> = sqlx::query_as(
            "select c.column_name::text, c.data_type::text from information_schema.columns c
             where c.table_schema = 'piton' and c.table_name = $1
               and has_column_privilege('piton_worker', 'piton.' || $1, c.column_name, case when $2 then 'insert' else 'update' end)
             order by c.ordinal_position",
        )
        .bind(table)
        .bind(inserts)
        .fetch_all(&world.pool)
        .await
        .unwrap();
        assert!(!columns.is_empty(), "a worker writes no column of {table}");
        let (mut accepted, mut refused) = (0, None);
        let mut n = 0;
        for (column, kind) in &columns {
            let values =
                VALUES.iter().find(|(name, _)| name == kind).unwrap_or_else(|| panic!("{table}.{column} is {kind}")).1;
            for value in values.iter().chain(&["null"]) {
                n += 1;
                let with = format!("jsonb_build_object('{column}', '{}'::jsonb)", value.replace('\'', "''"));
                let record = format!("jsonb_populate_record(t, {other} || {with})");
                let sql = if *inserts {
                    format!(
                        "insert into piton.{table} overriding system value
                         select (x.made).* from (
                             select {record} as made from piton.{table} t, (values ({n})) as c (n) order by t.ctid limit 1
                         ) as x"
                    )
                } else {
                    format!(
                        "update piton.{table} t set {column} = (jsonb_populate_record(t, {with})).{column}
                         where ctid = (select ctid from piton.{table} order by ctid offset {n} % (select count(*) from piton.{table}) limit 1)"
                    )
                };
                match sqlx::raw_sql(AssertSqlSafe(sql)).execute(&world.pool).await {
                    Ok(done) => accepted += done.rows_affected() as usize,
                    Err(error) => refused = Some(error),
                }
            }
        }
        assert!(accepted > 0, "{accepted} rows were written into {table}: {refused:?}");
    }
}

/// With rows in every table that a worker writes, as they should be.
async fn sound() -> World {
    let world = World::with(&[&wide(), CHAIN, MISBEHAVE, SQUARES, WORK, KEEP, STEPS, FORK]).await;
    let worker = world.worker("w1", &["--snapshot-every", "200ms", "--cleanup-every", "200ms"]);
    for (workflow, input) in
        [("chain", "{}"), ("squares", r#"{"items": 5}"#), ("steps", r#"{"steps": 2}"#), ("keep", r#"{"names": ["a"]}"#)]
    {
        let run = world.start(workflow, input);
        assert_eq!(world.ended(&run).await, "done", "{}", worker.log());
    }
    let failed = world.start("misbehave", r#"{"how": "fail", "times": 9, "class": "invalid_input"}"#);
    assert_eq!(world.ended(&failed).await, "blocked");
    until(SOON, "it has been counted", async || world.count("select count(*) from piton.stage_times").await > 4).await;
    stdout(&world.command(["cleanup", "preview"]).output().unwrap());
    stdout(&world.command(["pause", "squares", "--reason", "for a row of the audit"]).output().unwrap());
    drop(worker);
    for workflow in ["wide", "fork", "work", "misbehave"] {
        world.start(workflow, "{}");
    }
    world
}

#[tokio::test]
async fn no_row_that_a_worker_can_write_makes_a_view_a_metric_or_a_page_fail() {
    let world = sound().await;
    write_nonsense(&world).await;
    let mut failed = ask_in_sql(&world).await;
    for asked in [
        &["why"][..],
        &["runs"],
        &["throughput"],
        &["workers"],
        &["workflows", "list"],
        &["changes"],
        &["dead-letter", "list"],
        &["dead-letter", "stats"],
        &["dead-letter", "retry", "--all", "--dry-run"],
        &["cleanup", "preview"],
        &["cleanup", "stats"],
        &["recover", "--dry-run"],
        &["batch", "list"],
        &["pauses"],
        &["schedules", "list"],
    ] {
        let output = world.command(asked).output().unwrap();
        if !output.status.success() {
            failed.push(format!("{asked:?}: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    let api = Api::of(&world).await;
    for path in [
        "/runs?limit=1000",
        "/recovery",
        "/recovery/jobs",
        "/dead-letters?limit=1000",
        "/dead-letters/stats",
        "/dead-letters/retry-preview",
        "/why",
        "/workers",
        "/workflows",
        "/throughput",
        "/changes",
        "/cleanup",
        "/batches",
        "/pauses",
        "/schedules",
    ] {
        let answer = api.get(path);
        if answer.status != 200 {
            failed.push(format!("{path}: {answer:?}"));
        }
    }
    assert!(failed.is_empty(), "{} failed: {failed:#?}", failed.len());
}
