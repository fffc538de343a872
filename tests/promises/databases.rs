//! Every place people really keep a database: encodings, defaults of roles and databases, publications.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use crate::harness::{SOON, World, stdout, until};
use crate::workflows::{CHAIN, MISBEHAVE, SQUARES};

fn last_line(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_database_that_is_not_utf8_is_refused_with_the_cure() {
    let world = World::with(&[CHAIN]).await;
    let own = world.database().0;
    for encoding in ["LATIN1", "SQL_ASCII", "EUC_JP"] {
        let name = format!("{own}_{}", encoding.to_lowercase());
        let make = format!("create database {name} encoding '{encoding}' locale 'C' template template0");
        world.pool.execute(AssertSqlSafe(make)).await.unwrap();
        let url = world.url.replace(&format!("/{own}?"), &format!("/{name}?"));
        for arguments in [&["migrate"][..], &["runs"], &["runs", "--no-migrate"], &["start", "chain"], &["worker"]] {
            let output = world.command(arguments).env("DATABASE_URL", &url).output().unwrap();
            let said = last_line(&output);
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
            let expected = format!(
                "error: the encoding of database \"{name}\" is {encoding}; Piton needs UTF8, in which every text can be kept. \
                 Make another one: createdb -E UTF8 -T template0 NAME"
            );
            assert_eq!(said, expected, "{arguments:?}");
        }
        let mut there = url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
        let schema: bool =
            sqlx::query_scalar("select to_regnamespace('piton') is not null").fetch_one(&mut there).await.unwrap();
        assert!(!schema, "nothing was made there");
        there.close().await.unwrap();
    }
}

#[tokio::test]
async fn an_attempt_whose_text_is_refused_still_ends() {
    let world = World::with(&[MISBEHAVE, CHAIN]).await;
    // Whatever it is that a database does not take.
    let picky = "alter table piton.attempts add check (message <> 'as asked' and detail is null);
                 alter table piton.dead_letters add check (message <> 'as asked')";
    world.pool.execute(picky).await.unwrap();
    let retried = world.start("misbehave", r#"{"how": "fail", "times": 1, "class": "network_timeout"}"#);
    let dead = world.start("misbehave", r#"{"how": "fail", "times": 9, "class": "invalid_input"}"#);
    let other = world.start("chain", "{}");
    let worker = world.worker("w1", &[]);
    assert_eq!(world.ended(&other).await, "done");
    assert_eq!(world.ended(&retried).await, "done");
    assert_eq!(world.ended(&dead).await, "blocked");
    let texts: Vec<(String, String)> = sqlx::query_as("select class, message from piton.attempts order by class")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    let text = "the database refused the text of this failure; the log of its worker has it";
    assert_eq!(texts, [("invalid_input".to_owned(), text.to_owned()), ("network_timeout".to_owned(), text.to_owned())]);
    assert!(worker.log().contains("the database refused the end of an attempt"), "{}", worker.log());
    assert_eq!(world.count("select count(*) from piton.jobs").await, 0, "nothing stays running");
}

#[tokio::test]
async fn a_publication_of_all_tables_stops_nothing() {
    let world = World::with(&[SQUARES, CHAIN]).await;
    let without: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c
         where c.relnamespace = 'piton'::regnamespace and c.relkind in ('r', 'p') and c.relreplident <> 'f'
           and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert!(without.is_empty(), "tables that have no key: {without:?}");
    world.pool.execute("create publication everything for all tables").await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "select format('update piton.%I set %I = %2$I where false; delete from piton.%1$I where false', c.relname, (
                    select a.attname from pg_attribute a
                    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attidentity = '' limit 1))
         from pg_class c
         where c.relnamespace = 'piton'::regnamespace and c.relkind = 'r' and c.relname <> 'audit'",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert!(tables.len() > 20);
    for sql in tables {
        world.pool.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    world.pool.execute("update piton.function_set set digest = ''").await.unwrap();
    stdout(&world.command(["migrate"]).output().unwrap());
    let _worker = world.worker("w1", &[]);
    let run = world.start("squares", r#"{"items": 3}"#);
    assert_eq!(world.ended(&run).await, "done");
}

/// What people set for a database or a role, for reasons of their own.
const DEFAULTS: &[(&str, &str)] = &[
    ("standard_conforming_strings", "off"),
    ("escape_string_warning", "off"),
    ("backslash_quote", "off"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_deferrable", "on"),
    ("statement_timeout", "20"),
    ("lock_timeout", "1"),
    ("idle_in_transaction_session_timeout", "1"),
    ("idle_session_timeout", "100"),
    ("search_path", "''"),
    ("row_security", "off"),
    ("datestyle", "'SQL, DMY'"),
    ("intervalstyle", "sql_standard"),
    ("timezone", "'Asia/Kathmandu'"),
    ("bytea_output", "escape"),
    ("extra_float_digits", "-15"),
    ("quote_all_identifiers", "on"),
    ("client_encoding", "LATIN1"),
    ("array_nulls", "off"),
    ("transform_null_equals", "on"),
    ("xmloption", "document"),
    ("synchronous_commit", "off"),
    ("client_min_messages", "debug1"),
    ("plpgsql.extra_errors", "'all'"),
];

const LIMITED: &str = "name = \"limited\"\n[stages.one]\nrust = \"work\"\nconcurrency = 2\nrate = \"100/s\"\n";

/// A worker with that default, from its start to its end, with all kinds of runs and a look at each.
async fn works_under(world: &World, setting: &str) {
    // A statement that has to wait for longer than anybody's limit.
    let mut other = world.url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    other.execute("set statement_timeout = 0").await.unwrap();
    other.execute("set lock_timeout = 0; set idle_in_transaction_session_timeout = 0").await.unwrap();
    let worker = world.worker("w1", &["--snapshot-every", "200ms"]);
    worker.says("worker started").await;
    other
        .execute("begin isolation level read committed; lock table piton.checkpoints in access exclusive mode")
        .await
        .unwrap();
    let runs = [
        world.start("chain", r#"{"text": "a\\\\b 'c' é 漢"}"#),
        world.start("squares", r#"{"items": 3}"#),
        world.start("limited", "{}"),
        world.start("misbehave", r#"{"how": "fail", "times": 1, "class": "unknown"}"#),
    ];
    let waits = "select count(*) from pg_locks where relation = 'piton.checkpoints'::regclass and not granted";
    let is_waited_for = async || world.count(waits).await > 0;
    until(SOON, "the worker waits", is_waited_for).await;
    other.execute("select pg_sleep(0.1); commit").await.unwrap();
    other.close().await.unwrap();
    for run in &runs {
        assert_eq!(world.ended(run).await, "done", "{setting}: {}", worker.log());
        stdout(&world.command(["show", run]).output().unwrap());
    }
    let log = worker.log();
    assert!(!log.contains("ERROR") && !log.contains("timeout"), "{setting}: {log}");
    let kept: String = sqlx::query_scalar("select input ->> 'text' from piton.runs where uuid = $1::uuid")
        .bind(&runs[0])
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(kept, "a\\\\b 'c' é 漢", "{setting}");
}

#[tokio::test]
async fn a_worker_works_whatever_a_database_or_a_role_has_for_a_default() {
    let world = World::with(&[CHAIN, SQUARES, LIMITED, MISBEHAVE]).await;
    let database = world.database().0;
    let version: i32 =
        sqlx::query_scalar("select current_setting('server_version_num')::int4").fetch_one(&world.pool).await.unwrap();
    // By threes, for a start of a worker takes a while; those that hide each other are apart.
    let there: Vec<&(&str, &str)> =
        DEFAULTS.iter().filter(|(name, _)| version >= 140_000 || *name != "idle_session_timeout").collect();
    for group in there.chunks(4) {
        for (at, (name, value)) in group.iter().enumerate() {
            let whose =
                if at % 2 == 0 { format!("database {database}") } else { format!("role piton in database {database}") };
            world.pool.execute(AssertSqlSafe(format!("alter {whose} set {name} = {value}"))).await.unwrap();
        }
        works_under(&world, &format!("{group:?}")).await;
        let reset = format!("alter database {database} reset all; alter role piton in database {database} reset all");
        world.pool.execute(AssertSqlSafe(reset)).await.unwrap();
    }
}

/// All that a schema is made of, as text.
async fn schema(url: &str) -> Vec<String> {
    let mut connection = url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    connection.execute("set statement_timeout = 0").await.unwrap();
    connection.execute("set search_path = pg_catalog; set quote_all_identifiers = off; set standard_conforming_strings = on;
                        set datestyle = 'ISO'; set intervalstyle = 'postgres'; set bytea_output = 'hex'; set timezone = 'UTC'").await.unwrap();
    let made = sqlx::query_scalar(
        "select pg_get_functiondef(oid) from pg_proc where pronamespace = 'piton'::regnamespace
         union all select pg_get_viewdef(oid) from pg_class where relnamespace = 'piton'::regnamespace and relkind = 'v'
         union all select conrelid::regclass || ' ' || pg_get_constraintdef(oid) from pg_constraint
                   where connamespace = 'piton'::regnamespace
         union all select indexdef from pg_indexes where schemaname = 'piton'
         union all select adrelid::regclass || ' ' || adnum || ' ' || pg_get_expr(adbin, adrelid) from pg_attrdef d
                   join pg_class c on c.oid = d.adrelid where c.relnamespace = 'piton'::regnamespace
         order by 1",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    made
}

#[tokio::test]
async fn a_schema_is_made_alike_whatever_a_database_has_for_defaults() {
    let (plain, odd) = (World::with(&[]).await, World::with(&[CHAIN]).await);
    let database = odd.database().0;
    odd.pool.execute("drop schema piton cascade").await.unwrap();
    for (name, value) in DEFAULTS.iter().filter(|(name, _)| *name != "idle_session_timeout") {
        odd.pool.execute(AssertSqlSafe(format!("alter database {database} set {name} = {value}"))).await.unwrap();
    }
    // What a name could be taken for, in the schema that comes first.
    odd.pool.execute("create schema first; create function first.now() returns timestamptz language sql as 'select null::timestamptz';
                      create table first.runs (id int)").await.unwrap();
    odd.pool
        .execute(AssertSqlSafe(format!("alter database {database} set search_path = first, public")))
        .await
        .unwrap();
    stdout(&odd.command(["migrate"]).output().unwrap());
    let (expected, found) = (schema(&plain.url).await, schema(&odd.url).await);
    assert!(expected.len() > 200, "{}", expected.len());
    for text in &expected {
        assert!(found.contains(text), "not made alike: {text}");
    }
    assert_eq!(expected.len(), found.len());
    // What is asked in SQL means the same in such a session.
    odd.start("chain", "{}");
    let mut session = odd.url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    session.execute("set statement_timeout = 0").await.unwrap();
    session.execute("set lock_timeout = 0").await.unwrap();
    session.execute(r#"select piton.start_run('chain', '["\\\\u0000"]')"#).await.unwrap();
    let refused = session.execute(r#"select piton.start_run('chain', '["\\u0000"]')"#).await.unwrap_err();
    assert!(refused.to_string().contains("NUL"), "{refused}");
}

#[tokio::test]
async fn a_worker_says_that_a_database_is_read_only_by_default_and_waits() {
    let world = World::with(&[CHAIN]).await;
    let run = world.start("chain", "{}");
    let database = world.database().0;
    let switched = format!("alter database {database} set default_transaction_read_only = on");
    world.pool.execute(AssertSqlSafe(switched)).await.unwrap();
    let said = format!(
        "transactions in database \"{database}\" are read-only by default (default_transaction_read_only is on, for the \
         database, the role or the server); in psql: set default_transaction_read_only = off; \
         alter database \"{database}\" reset default_transaction_read_only;"
    );
    stdout(&world.command(["runs"]).output().unwrap());
    // With a migration to come, there is nothing to wait for.
    let outdate = "begin; set transaction read write; update piton.function_set set digest = ''; commit";
    world.pool.execute(outdate).await.unwrap();
    let migrated = world.command(["migrate"]).output().unwrap();
    assert_eq!(last_line(&migrated), format!("error: {said}"));
    stdout(&world.command(["migrate"]).env("PGOPTIONS", "-c default_transaction_read_only=off").output().unwrap());
    let worker = world.worker("w1", &[]);
    worker.says(&said).await;
    // The cure, in a session of its own.
    let mut person = world.url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    for statement in said.split_once("in psql: ").unwrap().1.split_inclusive(';') {
        person.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    }
    person.close().await.unwrap();
    assert_eq!(world.ended(&run).await, "done");
}

#[tokio::test]
async fn a_worker_whose_sessions_began_read_only_works_on_once_the_database_is_writable_again() {
    let world = World::with(&[CHAIN]).await;
    let worker = world.worker("w1", &[]);
    worker.says("worker started").await;
    let database = world.database().0;
    let alter = async |what: &str| {
        world.pool.execute(AssertSqlSafe(format!("alter database {database} {what}"))).await.unwrap();
    };
    alter("set default_transaction_read_only = on").await;
    world.cut_sessions().await;
    worker.says("cannot execute").await;
    alter("reset default_transaction_read_only").await;
    let run = world.start("chain", "{}");
    assert_eq!(world.ended(&run).await, "done");
}

#[tokio::test]
async fn a_connection_string_may_be_of_keywords_and_values() {
    let mut world = World::with(&[CHAIN]).await;
    let (database, folder) = world.database();
    let options: PgConnectOptions = world.url.parse().unwrap();
    let (port, user) = (options.get_port(), options.get_username());
    world.url = format!("host='{}' port={port} dbname = {database} user={user}", folder.display());
    stdout(&world.command(["runs"]).output().unwrap());
}
