//! Runs that are started from SQL, and the functions that the schema has for it.

use std::process::Stdio;

use sqlx::Executor;
use sqlx::postgres::PgDatabaseError;
use sqlx::types::Uuid;

use crate::harness::{World, stdout};
use crate::workflows::{CHAIN, SQUARES, WORK};

/// A world in which the command line has registered the first of these files.
async fn registered(workflow: &str, text: &str) -> World {
    let world = World::with(&[text]).await;
    world.start(workflow, "{}");
    world
}

/// What a person sees in psql.
async fn refused(world: &World, statement: &'static str) -> String {
    let error = sqlx::query(statement).execute(&world.pool).await.unwrap_err().into_database_error().unwrap();
    let error = error.downcast::<PgDatabaseError>();
    let mut said = format!("{} {}", error.code(), error.message());
    for (label, text) in [("DETAIL", error.detail()), ("HINT", error.hint())] {
        said += &text.map_or(String::new(), |text| format!("\n  {label}: {text}"));
    }
    said
}

/// What the current version of the chain says first: `first`, or `only` after it was replaced.
async fn current_stage(world: &World) -> String {
    sqlx::query_scalar(
        "select definition #>> '{stages,0,name}' from piton.workflows w
         join piton.workflow_versions v on v.id = w.current_version_id",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_run_started_in_a_transaction_that_rolls_back_was_never_there() {
    let world = registered("chain", CHAIN).await;
    let mut transaction = world.pool.begin().await.unwrap();
    sqlx::query("select piton.start_run('chain')").execute(&mut *transaction).await.unwrap();
    let inside: i64 = sqlx::query_scalar("select count(*) from piton.jobs").fetch_one(&mut *transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(inside, 2, "its own transaction sees it");
    assert_eq!(world.count("select count(*) from piton.runs").await, 1);
    assert_eq!(world.count("select count(*) from piton.jobs").await, 1);
}

#[tokio::test]
async fn outputs_of_a_run_are_read_with_the_names_of_its_stages_and_nothing_else_is() {
    let world = World::with(&[SQUARES]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("squares", r#"{"items": 3}"#);
    assert_eq!(world.ended(&run).await, "done");
    let rows: Vec<(String, String, Option<i32>, String)> = sqlx::query_as(
        "select workflow, stage, item, output::text from piton.outputs_overview where run = $1::uuid order by stage_number, item",
    )
    .bind(&run)
    .fetch_all(&world.pool)
    .await
    .unwrap();
    let row = |stage: &str, item, output: &str| ("squares".to_owned(), stage.to_owned(), item, output.to_owned());
    let squares = ["0", "1", "4"].map(|square| square.to_owned());
    // The split of `square` is the engine's own.
    assert_eq!(rows[1..4], [0, 1, 2].map(|item| row("square", Some(item), &squares[item as usize])));
    assert_eq!((rows.len(), rows[0].1.as_str(), rows[4].1.as_str()), (5, "numbers", "sum"));
    // Ranges of whole tables would be read by a sequential scan, or by an index without a condition.
    let mut session = world.pool.acquire().await.unwrap();
    session.execute("set enable_seqscan = off").await.unwrap();
    let plan: Vec<String> = sqlx::query_scalar(
        "explain select * from piton.outputs_overview where run = '01a224e7-22f5-77e3-87a9-3992ff92b5d9'",
    )
    .fetch_all(&mut *session)
    .await
    .unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("Index Cond: (run_id = r.id)") && plan.contains("Index Cond: (uuid = "), "{plan}");
}

#[tokio::test]
async fn runs_started_from_sql_go_to_the_end() {
    let world = registered("squares", SQUARES).await;
    let _worker = world.worker("w1", &[]);
    let mut transaction = world.pool.begin().await.unwrap();
    let runs: Vec<String> = sqlx::query_scalar(
        "select piton.start_run('squares', json_build_object('items', n), priority => n)::text
         from generate_series(0, 4) as n",
    )
    .fetch_all(&mut *transaction)
    .await
    .unwrap();
    transaction.commit().await.unwrap();
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    let items: Vec<i32> = sqlx::query_scalar(
        "select (output ->> 'items')::int from piton.checkpoints k join piton.runs r on r.id = k.run_id
         where k.stage = 2 and r.uuid::text = any($1) order by r.priority",
    )
    .bind(&runs)
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert_eq!(items, [0, 1, 2, 3, 4]);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_cannot_be_started_is_refused_with_the_cure() {
    let world = registered("chain", CHAIN).await;
    sqlx::query("insert into piton.workflows (name) values ('old')").execute(&world.pool).await.unwrap();
    let statements = [
        "select piton.start_run('chian')",
        "select piton.start_run('old')",
        "select piton.start_run(null)",
        "select piton.start_run('chain', null)",
        "select piton.start_run('chain', priority => null)",
        "select piton.start_run('chain', priority => 1001)",
        "select piton.start_run('chain', '{\"a\": ')",
        r#"select piton.start_run('chain', '{"a": "\u0000"}')"#,
        r#"select piton.start_run('chain', '{"a": ["\\\uD83d"]}')"#,
        "select piton.start_run('chain', (repeat('[', 101) || repeat(']', 101))::json)",
        "select piton.start_run('chain', to_json(repeat('x', 1048576)))",
        "select piton.start_run_of(9999, piton.new_id(), '{}', 0)",
    ];
    let mut said = Vec::new();
    for statement in statements {
        said.push(refused(&world, statement).await);
    }
    insta::assert_snapshot!(said.join("\n"), @r##"
42704 there is no workflow "chian"
  DETAIL: There are: chain.
  HINT: A workflow is registered when a worker, or "piton start", reads its file.
55000 workflow "old" was registered by an older Piton, which left no plan for SQL
  HINT: Register its file again: start a worker on it, or use "piton start".
22004 the workflow, the run's input and its priority must not be null
  HINT: Leave the input and the priority out for {} and 0.
22004 the workflow, the run's input and its priority must not be null
  HINT: Leave the input and the priority out for {} and 0.
22004 the workflow, the run's input and its priority must not be null
  HINT: Leave the input and the priority out for {} and 0.
22003 the run's priority is 1001, and must be between -1000 and 1000
  HINT: Higher is claimed first; 0 is the default.
22P02 invalid input syntax for type json
  DETAIL: The input string ended unexpectedly.
22P05 a string in the run's input holds a NUL character (\u0000) at character 8, which Postgres cannot keep
  HINT: Remove or encode it.
22P05 a string in the run's input holds the lone surrogate \uD83d at character 11, which is no character
  HINT: Write the whole pair, or remove it.
54000 the run's input has arrays and objects nested more than 100 deep
  HINT: Make it flatter, or hand on the inner part as a string.
54000 the run's input has 1048578 bytes, over the limit of 1048576
  HINT: Keep big things in files and hand on their names.
55000 workflow version 9999 has no plan: there is none, or it was registered by an older Piton
  HINT: Register its file again: start a worker on it, or use "piton start".
"##);
    assert_eq!(world.count("select count(*) from piton.runs").await, 1, "nothing is half done");
}

#[tokio::test]
async fn an_input_is_refused_for_what_it_holds_and_not_for_what_it_looks_like() {
    let world = registered("chain", CHAIN).await;
    let started = [
        "repeat('[', 100) || repeat(']', 100)",
        "repeat('{\"k\":', 99) || '[]' || repeat('}', 99)",
        "'[' || repeat('{\"a\": []}, ', 500) || '1]'",
        r#"'["' || repeat('[{', 300) || '", "\"' || repeat('[', 300) || '\\"]'"#,
        r#"'"\\u0000 \\ud800"'"#,
        r#"'"\uD83D\uDE00\ud83d\ude00"'"#,
        "'1e999'",
        "to_json(repeat('x', 1048574))::text",
        "' null '",
    ];
    for input in started {
        let statement = sqlx::AssertSqlSafe(format!("select piton.start_run('chain', ({input})::json)"));
        let done = sqlx::query(statement).execute(&world.pool).await;
        assert!(done.is_ok(), "{input}: {}", done.unwrap_err());
    }
    let refused = [
        "'[' || repeat('{\"a\": []}, ', 500) || repeat('[', 100) || repeat(']', 100) || ']'",
        r#"'["\"", ' || repeat('{"]}": ', 100) || '1' || repeat('}', 100) || ']'"#,
        r#"'["\\\u0000"]'"#,
        r#"'"\ud83d \ude00"'"#,
        r#"'"\ud83d\\ude00"'"#,
        r#"'{"\ude00\ud83d": 1}'"#,
        r#"'"\ud83d\ud83d\ude00"'"#,
    ];
    for input in refused {
        let statement = sqlx::AssertSqlSafe(format!("select piton.start_run('chain', ({input})::json)"));
        let code = sqlx::query(statement).execute(&world.pool).await.unwrap_err().into_database_error().unwrap();
        assert!(matches!(code.code().as_deref(), Some("54000" | "22P05")), "{input}: {code}");
    }
}

#[tokio::test]
async fn ids_made_in_sql_are_uuid_v7_and_sort_by_their_time() {
    let world = World::with(&[]).await;
    let made: Vec<(Uuid, f64)> = sqlx::query_as(
        "select id, at from (
             select piton.new_id() as id, extract(epoch from clock_timestamp())::float8 as at, pg_sleep(0.002)
             from generate_series(1, 20)) as made",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert!(made.is_sorted() && made.len() == 20, "{made:?}");
    for (id, time) in made {
        assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        let written = seconds as f64 + f64::from(nanos) / 1e9;
        assert!((time - written).abs() < 1.0, "{id} of {time} says {written}");
    }
}

#[tokio::test]
async fn a_workflow_file_that_is_put_back_is_current_again_when_it_is_deployed() {
    let world = registered("chain", CHAIN).await;
    assert_eq!(current_stage(&world).await, "first");
    world.write_workflows(&["name = \"chain\"\n[stages.only]\nrust = \"work\"\n"]);
    world.start("chain", "{}");
    assert_eq!(current_stage(&world).await, "only");
    world.write_workflows(&[CHAIN]);
    world.start("chain", "{}");
    assert_eq!(current_stage(&world).await, "only");
    let first = "select piton.deploy_workflow('chain', o.digest, 'it is better', 'anna') from piton.versions_overview o
                 where not o.current";
    sqlx::query(first).execute(&world.pool).await.unwrap();
    assert_eq!(current_stage(&world).await, "first");
    sqlx::query("select piton.start_run('chain')").execute(&world.pool).await.unwrap();
    let started = "select count(*) from piton.runs r join piton.workflows w on w.current_version_id = r.version_id";
    assert_eq!(world.count(started).await, 3);
}

#[tokio::test]
async fn a_version_that_an_older_piton_registered_gets_its_plan_when_it_is_registered_again() {
    let world = registered("work", WORK).await;
    let older = "with w as (update piton.workflows set current_version_id = null)
                 update piton.workflow_versions set start_stages = null, join_stages = null, join_missing = null";
    sqlx::query(older).execute(&world.pool).await.unwrap();
    assert!(refused(&world, "select piton.start_run('work')").await.starts_with("55000"));
    assert!(refused(&world, "select piton.start_run_of(1, piton.new_id(), '{}', 0)").await.starts_with("55000"));
    world.start("work", "{}");
    sqlx::query("select piton.start_run('work')").execute(&world.pool).await.unwrap();
    assert_eq!(world.count("select count(*) from piton.jobs").await, 3);
    assert_eq!(world.count("select count(*) from piton.workflow_versions").await, 1);
}

#[tokio::test]
async fn processes_that_migrate_at_once_do_not_collide() {
    let world = World::with(&[CHAIN]).await;
    sqlx::query("drop schema piton cascade").execute(&world.pool).await.unwrap();
    let migrate = || world.command(["migrate"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    for process in [migrate(), migrate(), migrate(), migrate()] {
        stdout(&process.wait_with_output().unwrap());
    }
    world.start("chain", "{}");
}

#[tokio::test]
async fn functions_that_differ_are_put_back_and_newer_ones_are_left_alone() {
    let world = registered("chain", CHAIN).await;
    let other =
        "create or replace function piton.start_run(workflow text, input json default '{}', key text default null,
                                                     priority integer default 0, run_at timestamptz default null,
                                                     deadline timestamptz default null, traceparent text default null,
                                                     tracestate text default null)
                 returns uuid language sql as 'select null::uuid'";
    let body = "select count(*) from pg_proc where proname = 'start_run' and prosrc = 'select null::uuid'";
    sqlx::query(other).execute(&world.pool).await.unwrap();
    let newer = "update piton.function_set set digest = '', version = 9999, oldest_binary = 9999";
    sqlx::query(newer).execute(&world.pool).await.unwrap();
    let newer = world.command(["runs"]).output().unwrap();
    assert_eq!(newer.status.code(), Some(1));
    let said = String::from_utf8_lossy(&newer.stderr);
    assert!(said.contains("the schema is at version 9999") && said.contains("start a newer Piton"), "{said}");
    assert_eq!(world.count(body).await, 1, "the newer function is still there");

    sqlx::query("update piton.function_set set version = 1, oldest_binary = 1").execute(&world.pool).await.unwrap();
    let unchanged = world.command(["runs"]).output().unwrap();
    let said = String::from_utf8_lossy(&unchanged.stderr).into_owned();
    assert!(said.contains("its functions are not up to date: run `piton migrate`"), "{said}");
    assert_eq!(world.count(body).await, 1);

    stdout(&world.command(["migrate"]).output().unwrap());
    assert_eq!(world.count(body).await, 0, "the binary's own function is there");
    stdout(&world.command(["runs"]).output().unwrap());
}

#[tokio::test]
async fn every_function_is_commented() {
    let world = World::with(&[]).await;
    let bare: Vec<String> = sqlx::query_scalar(
        "select proname::text from pg_proc
         where pronamespace = 'piton'::regnamespace and obj_description(oid, 'pg_proc') is null",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert!(bare.is_empty(), "without a comment: {bare:?}");
}

#[tokio::test]
async fn many_runs_start_in_one_statement_or_none_does() {
    let world = World::with(&[CHAIN]).await;
    world.start("chain", "{}");
    let three =
        "select count(*) from piton.start_runs('chain', array['{\"n\": 0}', '{\"n\": 1}', '{\"n\": 2}']::json[])";
    assert_eq!(world.count(three).await, 3);
    let in_order = "select count(*) from (select input ->> 'n' as n, row_number() over (order by id) - 2 as place
                    from piton.runs) as r where n = place::text";
    assert_eq!(world.count(in_order).await, 3);
    let many = "select piton.start_runs('chain', array['{}', '[\"\\u0000\"]']::json[])";
    assert!(refused(&world, many).await.starts_with("22P05"));
    assert!(refused(&world, "select piton.start_runs('chain', array['{}', null]::json[])").await.starts_with("22004"));
    assert_eq!(world.count("select count(*) from piton.runs").await, 4, "a refused statement starts none");
    let _worker = world.worker("w1", &[]);
    let done = async || world.count("select count(*) from piton.runs where state = 'done'").await == 4;
    crate::harness::until(crate::harness::SOON, "all of them end", done).await;
    world.assert_nothing_is_left().await;
}

/// As that role in one transaction, which is rolled back.
async fn as_role(world: &World, role: &str, sql: &str) -> Result<(), String> {
    let mut transaction = world.pool.begin().await.unwrap();
    transaction.execute(sqlx::AssertSqlSafe(format!("set local role {role}"))).await.unwrap();
    let done = transaction.execute(sqlx::AssertSqlSafe(sql.to_owned())).await;
    transaction.rollback().await.unwrap();
    done.map(|_| ()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_reader_sees_everything_and_an_operator_decides() {
    let world = registered("chain", CHAIN).await;
    world.start("chain", "{}");
    let look = "select count(*) from piton.why_waiting; select count(*) from piton.dead_letters_overview";
    let decide = "select piton.pause('why', 'chain'); select piton.start_run('chain', key => 'k');
                  select piton.cancel_run(run, 'why') from piton.runs_overview";
    for (role, may_decide) in [("piton_reader", false), ("piton_operator", true)] {
        as_role(&world, role, look).await.unwrap();
        let decided = as_role(&world, role, decide).await;
        assert_eq!(decided.is_ok(), may_decide, "{role}: {decided:?}");
    }
    let refused = as_role(&world, "piton_operator", "update piton.function_set set version = 0").await.unwrap_err();
    assert!(refused.contains("permission denied"), "{refused}");
}
