//! Poolers in between: what Piton leaves to its session, it leaves to nobody else.

use std::process::Output;

use sqlx::{ConnectOptions, Connection, Row};

use crate::harness::{SOON, World, until};
use crate::own_rows;
use crate::pgbouncer::{self, PgBouncer};
use crate::server::Server;
use crate::workflows::SQUARES;

/// A world whose processes reach the server through the pooler.
async fn world(server: &Server, bouncer: &PgBouncer) -> World {
    let mut world = own_rows::with_tables(World::on(server, &[SQUARES, own_rows::LEDGER]).await).await;
    world.environment.push(("DATABASE_URL", bouncer.url()));
    world
}

/// What another client of the pooler finds on every connection of the server's.
async fn leaks(server: &Server, bouncer: &PgBouncer) -> Vec<String> {
    let mut leaks = Vec::new();
    // Several at once, so that each gets another connection of the server's.
    let mut clients = Vec::new();
    for _ in 0..6 {
        let options: sqlx::postgres::PgConnectOptions = bouncer.url().parse().unwrap();
        let mut client = options.extra_float_digits(None).connect().await.unwrap();
        sqlx::raw_sql("begin").execute(&mut client).await.unwrap();
        for (setting, own) in [("enable_seqscan", "on"), ("jit", "on"), ("plan_cache_mode", "auto")] {
            let sql = sqlx::AssertSqlSafe(format!("show {setting}"));
            let found: String = sqlx::raw_sql(sql).fetch_one(&mut client).await.unwrap().get(0);
            if found != own {
                leaks.push(format!("{setting} = {found}"));
            }
        }
        let statements = "select count(*)::int4 from pg_prepared_statements where name like 'sqlx%'";
        let statements: i32 = sqlx::raw_sql(statements).fetch_one(&mut client).await.unwrap().get(0);
        let channels: i32 = sqlx::raw_sql("select count(*)::int4 from pg_listening_channels()")
            .fetch_one(&mut client)
            .await
            .unwrap()
            .get(0);
        if statements + channels > 0 {
            leaks.push(format!("{statements} statements, {channels} channels"));
        }
        clients.push(client);
    }
    for client in clients {
        client.close().await.unwrap();
    }
    let mut direct = server.options().connect().await.unwrap();
    let locks = "select count(*) from pg_locks where locktype = 'advisory'";
    let locks: i64 = sqlx::query_scalar(locks).fetch_one(&mut direct).await.unwrap();
    if locks > 0 {
        leaks.push(format!("{locks} advisory locks"));
    }
    leaks
}

fn refusal(output: &Output) -> String {
    assert!(!output.status.success(), "it was not refused");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_pooler_in_session_mode_changes_nothing() {
    let Some(program) = pgbouncer::find(false) else { return };
    let server = Server::start().await;
    let bouncer = PgBouncer::start(&program, &server, "session").await;
    let world = world(&server, &bouncer).await;
    let mut worker = world.worker("w1", &["--slots", "8"]);
    worker.says("worker started").await;
    let run = world.start("squares", r#"{"items": 40, "work_ms": 5}"#);
    assert_eq!(world.ended(&run).await, "done");
    let held = "select count(*) from piton.workers where session_lock is not null";
    until(SOON, "its session lock says that it lives", async || world.count(held).await == 1).await;
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_pooler_that_cannot_carry_prepared_statements_is_refused_before_anything_is_changed() {
    let Some(program) = pgbouncer::find(false) else { return };
    let server = Server::start().await;
    let bouncer = PgBouncer::start(&program, &server, "transaction").await;
    let world = world(&server, &bouncer).await;
    let folder = world.path("workflows");
    let folder = folder.to_str().unwrap();
    std::fs::write(world.path("input.json"), r#"{"items": 1}"#).unwrap();
    for arguments in [
        &["start", "squares", "--input", "input.json", "--workflows", folder] as &[&str],
        &["worker", "--workflows", folder],
        &["runs"],
        &["migrate"],
    ] {
        let sentence = refusal(&world.command(arguments).output().unwrap());
        let last = sentence.lines().last().unwrap();
        let expected = format!(
            "error: {}: the pooler is in transaction mode and does not carry prepared statements, which Piton needs; set \
             pool_mode = session for this database, or use PgBouncer 1.21 or later with max_prepared_statements = 200",
            bouncer.url().replace("postgres://", "postgresql://")
        );
        assert_eq!(last, expected, "{arguments:?}");
    }
    assert_eq!(world.count("select count(*) from piton.runs").await, 0, "a start that failed has started");
    assert_eq!(leaks(&server, &bouncer).await, [""; 0]);
    // Where two clients cannot be served at once, it is found out too.
    let narrow = PgBouncer::start(&program, &server, "transaction\ndefault_pool_size = 1").await;
    let sentence = refusal(&world.command(["runs"]).env("DATABASE_URL", narrow.url()).output().unwrap());
    assert!(sentence.contains("the pooler is in transaction mode"), "{sentence}");
}

#[tokio::test]
async fn behind_a_pooler_in_transaction_mode_runs_are_worked_on_and_nothing_is_left_to_strangers() {
    let Some(program) = pgbouncer::find(true) else { return };
    let server = Server::start().await;
    let mode = "transaction\nmax_prepared_statements = 200\ndefault_pool_size = 10";
    let bouncer = PgBouncer::start(&program, &server, mode).await;
    let world = world(&server, &bouncer).await;
    // A database in which nothing is yet: the lock of a migration would be a stranger's.
    let empty = bouncer.url().replace("/postgres", "/template1");
    let output = world.command(["migrate"]).env("DATABASE_URL", &empty).output().unwrap();
    assert!(refusal(&output).contains("a pooler in transaction mode is no way to migrate it"), "{output:?}");
    let mut workers = [world.worker("w1", &["--slots", "8"]), world.worker("w2", &["--slots", "8"])];
    for worker in &workers {
        worker.says("worker started").await;
    }
    // Each start is a process of its own, with statements of its own.
    let runs: Vec<String> = (0..10).map(|_| world.start("squares", r#"{"items": 30, "work_ms": 5}"#)).collect();
    assert_eq!(leaks_but_statements(&server, &bouncer).await, [""; 0]);
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    let ledger = world.start("ledger", r#"{"items": [1, 2, 3], "how": "nested", "times": 1}"#);
    assert_eq!(world.ended(&ledger).await, "done", "stages have transactions there, too");
    assert_eq!((world.count("select count(*) from public.ledger").await, world.without_the_other().await), (7, 0));
    assert_eq!(leaks_but_statements(&server, &bouncer).await, [""; 0]);
    assert_eq!(world.count("select count(*) from piton.workers where session_lock is not null").await, 0);
    workers[0].signal("KILL");
    let run = world.start("squares", r#"{"items": 30, "work_ms": 5}"#);
    assert_eq!(world.ended(&run).await, "done", "a death is found by the lease");
    workers[1].signal("TERM");
    assert_eq!(workers[1].exit_code().await, Some(0));
    world.assert_nothing_is_left().await;
    let sentence = refusal(&world.command(["bench", "--runs", "1"]).output().unwrap());
    assert!(sentence.contains("a bench makes a database of its own"), "{sentence}");
}

/// Statements are the pooler's own there, under its own names.
async fn leaks_but_statements(server: &Server, bouncer: &PgBouncer) -> Vec<String> {
    let mut leaks = leaks(server, bouncer).await;
    leaks.retain(|leak| !leak.contains("statements"));
    leaks
}
