//! Releases beside each other: who migrates, what running workers see of it, and what an older program may still do.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

use crate::harness::{Process, SOON, World, stdout, until};
use crate::workflows::{CHAIN, SQUARES, WORK};

const HOME: &str = env!("CARGO_MANIFEST_DIR");
/// The newest migration of the release before, whose functions and statements are in tests/previous.
const PREVIOUS: i64 = 18;
/// Its commit.
const PREVIOUS_COMMIT: &str = "c8800f1";
/// The advisory lock of whoever migrates.
const LOCK: &str = "x'00706974_6f6e_6d67'::bigint";

fn migrations() -> Vec<(i64, PathBuf, String)> {
    let files = std::fs::read_dir(Path::new(HOME).join("migrations")).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|end| end == "sql"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            (name.split('_').next().unwrap().parse().unwrap(), path, text)
        })
        .collect();
    files.sort();
    files
}

fn newest() -> i64 {
    migrations().last().unwrap().0
}

fn options(world: &World) -> PgConnectOptions {
    world.url.parse().unwrap()
}

/// A session that is seen under a name of its own.
async fn session(world: &World, name: &str) -> PgConnection {
    options(world).application_name(name).connect().await.unwrap()
}

async fn pid(session: &mut PgConnection) -> i32 {
    sqlx::query_scalar("select pg_backend_pid()").fetch_one(session).await.unwrap()
}

async fn execute(world: &World, sql: impl Into<String>) {
    world.pool.execute(AssertSqlSafe(sql.into())).await.unwrap();
}

/// Takes the schema away and makes that of the release before.
async fn go_back(world: &World) {
    // The server's own cleaning may hold one of the many tables.
    while let Err(error) = world.pool.execute("drop schema piton cascade").await {
        let is_deadlock = error.as_database_error().and_then(|said| said.code()).as_deref() == Some("40P01");
        assert!(is_deadlock, "{error}");
    }
    let folder = world.path("previous");
    std::fs::create_dir_all(&folder).unwrap();
    for (_, path, text) in migrations().into_iter().filter(|(version, ..)| *version <= PREVIOUS) {
        std::fs::write(folder.join(path.file_name().unwrap()), text).unwrap();
    }
    let applied = piton::migrate_from(options(world), &folder, SOON).await.unwrap();
    assert_eq!(applied, usize::try_from(PREVIOUS).unwrap());
    let functions = std::fs::read_to_string(Path::new(HOME).join("tests/previous/functions.sql")).unwrap();
    execute(world, functions).await;
    let text = std::fs::read_to_string(&migrations()[usize::try_from(PREVIOUS).unwrap() - 1].1).unwrap();
    let digest = text.rsplit_once("-- functions: ").unwrap().1.trim().to_owned();
    execute(world, format!("update piton.function_set set digest = '\\x{digest}', version = {PREVIOUS}")).await;
}

async fn version(world: &World) -> i64 {
    let there = "select (to_regclass('piton.migrations') is not null)::int::int8";
    if world.count(there).await == 0 {
        return 0;
    }
    world.count("select max(version) from piton.migrations").await
}

fn run(world: &World, arguments: &[&str]) -> Output {
    let folder = world.path("workflows");
    let mut command = world.command(arguments);
    command.args(["--workflows", folder.to_str().unwrap()]);
    command.output().unwrap()
}

fn migrate(world: &World, arguments: &[&str]) -> Process {
    let all = [&["migrate"], arguments].concat();
    Process::spawn(world.command(all), world.path("migrate.log"))
}

#[tokio::test]
async fn a_database_that_was_named_is_migrated_by_migrate_alone() {
    let world = World::with(&[WORK]).await;
    let id = "0199d3a4-7e35-7a68-a1b0-5d8f65c2a111";
    let commands: &[&[&str]] = &[
        &["runs"],
        &["why"],
        &["start", "work"],
        &["run", "work"],
        &["worker", "--name", "w1"],
        &["api", "--listen", "127.0.0.1:0"],
        &["show", id],
        &["cancel", id, "--reason", "x"],
        &["pause", "work", "--reason", "x"],
        &["pauses"],
        &["batch", "list"],
        &["artifacts", "list", id],
        &["dead-letter", "list"],
        &["recover"],
        &["verify", "--all"],
        &["cleanup", "preview"],
        &["workflows", "versions", "work"],
        &["workflows", "deploy", "work"],
        &["runs", "--no-migrate"],
    ];
    let older = format!(
        "error: the schema is at version {PREVIOUS} and this Piton needs version {}: run `piton migrate`\n",
        newest()
    );
    let none = format!(
        "error: this database has no schema of Piton's yet (version 0), and version {} is needed: run `piton migrate`\n",
        newest()
    );
    execute(&world, "drop schema piton cascade").await;
    for (found, said) in [(0, none), (PREVIOUS, older)] {
        if found == PREVIOUS {
            execute(&world, "drop schema if exists piton cascade; create schema piton").await;
            go_back(&world).await;
        }
        for command in commands {
            let output = run(&world, command);
            assert_eq!(output.status.code(), Some(1), "{command:?}");
            assert!(String::from_utf8_lossy(&output.stderr).ends_with(&said), "{command:?}: {output:?}");
        }
        assert_eq!(version(&world).await, found, "nothing has touched it");
    }
    let said = run(&world, &["migrate"]);
    assert_eq!(stdout(&said), format!("Migrated to version {}.\n", newest()));
    assert_eq!(stdout(&run(&world, &["migrate"])), format!("The schema is up to date (version {}).\n", newest()));
    stdout(&run(&world, &["runs"]));
}

/// Files for machines that are not here: workers would otherwise come up on a database that nobody has migrated.
#[test]
fn what_is_shipped_migrates_before_its_workers_start() {
    let read = |file: &str| std::fs::read_to_string(Path::new(HOME).join(file)).unwrap();
    let compose = read("compose.yaml");
    assert!(compose.contains("command: [migrate]"));
    assert!(compose.contains("depends_on: {migrate: {condition: service_completed_successfully}}"));
    let pod = read("docs/kubernetes/piton.yaml");
    let init = pod.split("initContainers:").nth(1).unwrap().split("\n      containers:").next().unwrap();
    assert!(init.contains("args: [migrate]") && init.contains("DATABASE_URL"), "{init}");
}

#[tokio::test]
async fn who_works_may_be_told_to_migrate() {
    let world = World::with(&[WORK]).await;
    go_back(&world).await;
    let worker = world.worker("w1", &["--migrate"]);
    worker.says("worker_started").await;
    assert_eq!(version(&world).await, newest());
    worker.kill();
    go_back(&world).await;
    let folder = world.path("workflows");
    let mut command = world.command(["run", "work", "--workflows", folder.to_str().unwrap()]);
    stdout(&command.env("PITON_MIGRATE", "true").output().unwrap());
    assert_eq!(version(&world).await, newest());
}

/// A schema as a release to come may leave it: migrated further, with functions of its own.
async fn a_newer_schema(world: &World, oldest_binary: i64) {
    let newer = "insert into piton.migrations (version, description, success, checksum, execution_time)
                 values (9000, 'of a release to come', true, '', 0) on conflict do nothing";
    execute(world, newer).await;
    execute(world, "alter table piton.runs add column if not exists to_come text").await;
    let function = "create or replace function piton.new_id() returns uuid language sql as
                    $$ select gen_random_uuid() $$; comment on function piton.new_id() is 'of a release to come'";
    execute(world, function).await;
    let set =
        format!("update piton.function_set set digest = 'to come', version = 9000, oldest_binary = {oldest_binary}");
    execute(world, set).await;
}

#[tokio::test]
async fn a_program_works_on_the_schema_of_the_next_release_and_leaves_it_as_it_is() {
    let world = World::with(&[SQUARES, WORK]).await;
    a_newer_schema(&world, newest()).await;
    let worker = world.worker("w1", &["--migrate"]);
    let runs: Vec<String> = (0..5).map(|_| world.start("squares", r#"{"items": 20}"#)).collect();
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    stdout(&run(&world, &["run", "work"]));
    stdout(&run(&world, &["show", &runs[0]]));
    let said = stdout(&run(&world, &["migrate"]));
    assert_eq!(
        said,
        format!(
            "The schema is newer (version 9000) than this program ({}), and works with it: nothing to do.\n",
            newest()
        )
    );
    let untouched = "select count(*) from piton.function_set f cross join pg_proc p
                     where f.version = 9000 and p.proname = 'new_id' and obj_description(p.oid, 'pg_proc') = 'of a release to come'";
    assert_eq!(world.count(untouched).await, 1, "the newer functions are still there");
    worker.kill();

    a_newer_schema(&world, 8999).await;
    for command in [&["runs"][..], &["worker"], &["migrate"], &["worker", "--migrate"]] {
        let output = run(&world, command);
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let both = format!(
            "error: the schema is at version 9000 and needs a Piton that knows version 8999, this one knows versions up to {}: \
             start a newer Piton\n",
            newest()
        );
        assert!(said.ends_with(&both), "{command:?}: {said}");
    }
    assert_eq!(world.count(untouched).await, 1);
}

/// The program of the release before: where it was built already, or where one may be built, from this repository's history.
fn previous_worker() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("PITON_PREVIOUS_WORKER") {
        return Ok(path.into());
    }
    let folder = Path::new(HOME).join("target/previous");
    let program = folder.join(PREVIOUS_COMMIT).join("debug/examples/test-worker");
    if program.is_file() {
        return Ok(program);
    }
    if std::env::var_os("PITON_BUILD_PREVIOUS").is_none() {
        return Err(
            "PITON_BUILD_PREVIOUS=1 builds the release before from git, which takes minutes; or PITON_PREVIOUS_WORKER \
                    names its test-worker"
                .to_owned(),
        );
    }
    let source = folder.join("source");
    std::fs::create_dir_all(&source).unwrap();
    let mut archive = Command::new("git")
        .args(["archive", PREVIOUS_COMMIT])
        .current_dir(HOME)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let unpacked =
        Command::new("tar").arg("-x").current_dir(&source).stdin(archive.stdout.take().unwrap()).status().unwrap();
    assert!(archive.wait().unwrap().success() && unpacked.success(), "git has no {PREVIOUS_COMMIT}");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--example", "test-worker", "--bin", "piton", "--target-dir"])
        .arg(folder.join(PREVIOUS_COMMIT))
        .current_dir(&source)
        .status()
        .unwrap();
    assert!(built.success(), "{PREVIOUS_COMMIT} is not built");
    Ok(program)
}

#[tokio::test]
async fn workers_of_the_release_before_go_on_while_the_schema_is_migrated_under_them() {
    let previous = match previous_worker() {
        Ok(previous) => previous,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let world = World::with(&[SQUARES, CHAIN]).await;
    go_back(&world).await;
    let folder = world.path("workflows");
    let folder = folder.to_str().unwrap();
    let old = |name: &str| {
        let command = world.command_of(&previous, ["worker", "--name", name, "--workflows", folder, "--slots", "8"]);
        Process::spawn(command, world.path(&format!("{name}.log")))
    };
    let workers = [old("old-1"), old("old-2")];
    for worker in &workers {
        worker.says("worker_started").await;
    }
    let start = async |runs: i32| {
        let sql = "select count(*) from piton.start_runs('squares', array_fill('{\"items\": 12, \"work_ms\": 20}'::json, array[$1]))
                   union all select count(*) from piton.start_runs('chain', array_fill('{\"work_ms\": 50}'::json, array[$1]))";
        sqlx::query(sql).bind(runs).fetch_all(&world.pool).await.unwrap();
    };
    start(30).await;
    let done = async || world.count("select count(*) from piton.runs where state = 'done'").await;
    until(SOON, "some are done", async || done().await > 5).await;
    stdout(&run(&world, &["migrate"]));
    assert_eq!(version(&world).await, newest());
    start(30).await;
    until(SOON * 2, "all are done", async || done().await == 120).await;
    world.assert_nothing_is_left().await;
    // What a new worker finds is what it knows.
    for worker in workers {
        assert!(!worker.log().contains("ERROR"), "{}", worker.log());
        worker.signal("TERM");
    }
    let _new = world.worker("new-1", &[]);
    start(5).await;
    until(SOON * 2, "all are done", async || done().await == 130).await;
    world.assert_nothing_is_left().await;
    assert_eq!(world.count("select count(*) from piton.workflow_versions where deployed_at is null").await, 0);
}

/// Prepared on the schema of the release before, executed on this one.
#[tokio::test]
async fn what_workers_of_the_release_before_have_prepared_holds_on_the_new_schema() {
    let world = World::with(&[]).await;
    go_back(&world).await;
    let mut worker = session(&world, "previous").await;
    let folder = Path::new(HOME).join("tests/previous/statements");
    let mut prepared = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        if name == "session" {
            worker.execute(AssertSqlSafe(text)).await.unwrap();
            continue;
        }
        worker.execute(AssertSqlSafe(format!("prepare {name} as {text}"))).await.unwrap();
        prepared.push(name);
    }
    assert!(prepared.len() > 15, "{prepared:?}");
    stdout(&run(&world, &["migrate"]));
    let mut broken = Vec::new();
    for name in &prepared {
        let count: i32 =
            sqlx::query_scalar("select cardinality(parameter_types) from pg_prepared_statements where name = $1")
                .bind(name)
                .fetch_one(&mut worker)
                .await
                .unwrap();
        let nulls = vec!["null"; usize::try_from(count).unwrap()].join(", ");
        let given = if count == 0 { String::new() } else { format!("({nulls})") };
        if let Err(error) = worker.execute(AssertSqlSafe(format!("explain execute {name}{given}"))).await {
            broken.push(format!("{name}: {error}"));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    worker.close().await.unwrap();
}

#[tokio::test]
async fn runs_of_the_release_before_go_on_under_the_new_one() {
    let world = World::with(&[CHAIN]).await;
    world.start("chain", "{}");
    type Version = (Vec<u8>, String, Vec<i16>, Vec<i16>, Vec<i32>, Vec<String>);
    let (digest, definition, start, joins, missing, names): Version = sqlx::query_as(
        "select digest, definition::text, start_stages, join_stages, join_missing, stage_names from piton.workflow_versions",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    go_back(&world).await;
    sqlx::query(
        "with w as (insert into piton.workflows (name) values ('chain') returning id)
         insert into piton.workflow_versions (workflow_id, digest, definition, start_stages, join_stages, join_missing, stage_names)
         select id, $1, $2::json, $3, $4, $5, $6 from w",
    )
    .bind(digest)
    .bind(definition)
    .bind(start)
    .bind(joins)
    .bind(missing)
    .bind(names)
    .execute(&world.pool)
    .await
    .unwrap();
    execute(&world, "select piton.make_current(v.workflow_id, v.id) from piton.workflow_versions v").await;
    execute(&world, "select piton.start_runs('chain', array_fill('{}'::json, array[20]))").await;
    execute(&world, "select piton.pause('the release before', 'chain', 'second')").await;
    stdout(&run(&world, &["migrate"]));
    let _worker = world.worker("w1", &[]);
    until(SOON, "the first stage is done", async || world.count("select count(*) from piton.checkpoints").await == 20)
        .await;
    stdout(&run(&world, &["resume", "chain", "--stage", "second"]));
    until(SOON, "all are done", async || {
        world.count("select count(*) from piton.runs where state = 'done'").await == 20
    })
    .await;
    world.assert_nothing_is_left().await;
    let current = "select count(*) from piton.versions_overview where current and deployed_at is not null";
    assert_eq!(world.count(current).await, 1);
    assert_eq!(world.count("select count(*) from piton.audit where verb = 'deploy'").await, 0);
}

/// Killed between its migrations and the functions that go with them.
#[tokio::test]
async fn a_migration_that_dies_on_the_way_has_changed_nothing() {
    let world = World::with(&[]).await;
    go_back(&world).await;
    let before: String = functions(&world).await;
    let mut other = session(&world, "other").await;
    let mut lock = other.begin().await.unwrap();
    lock.execute("select from piton.function_set for update").await.unwrap();
    let process = migrate(&world, &[]);
    process.says("waits for a lock").await;
    assert_eq!(
        world
            .count(
                "select count(*) from pg_stat_activity
                 where wait_event_type = 'Lock' and application_name = 'piton' and datname = current_database()"
            )
            .await,
        1
    );
    process.kill();
    lock.rollback().await.unwrap();
    other.close().await.unwrap();
    let gone =
        "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'piton'";
    until(SOON, "its session has ended", async || world.count(gone).await == 0).await;
    assert_eq!(version(&world).await, PREVIOUS);
    assert_eq!(functions(&world).await, before);
    stdout(&run(&world, &["migrate"]));
    assert_ne!(functions(&world).await, before);
}

/// A digest of all functions that are there.
async fn functions(world: &World) -> String {
    let sql = "select md5(string_agg(p.proname || p.prosrc, '' order by p.oid::regprocedure::text)) from pg_proc p
               where p.pronamespace = 'piton'::regnamespace";
    sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap()
}

#[tokio::test]
async fn who_holds_a_lock_is_named_and_nobody_is_held_up_for_long_behind_who_waits_for_it() {
    let world = World::with(&[]).await;
    go_back(&world).await;
    let mut report = session(&world, "report").await;
    let holder = pid(&mut report).await;
    let mut lock = report.begin().await.unwrap();
    lock.execute("select count(*) from piton.workflow_versions").await.unwrap();

    let mut hasty = migrate(&world, &["--lock-wait", "1s"]);
    assert_eq!(hasty.exit_code().await, Some(1));
    let said = hasty.log();
    assert!(said.contains("error: migrating gave up after"), "{said}");
    assert!(said.contains(&format!("a lock is held by process {holder} (report, user ")), "{said}");
    assert!(
        said.contains("idle in transaction, in its transaction for ") && said.contains("pg_terminate_backend"),
        "{said}"
    );
    assert_eq!(version(&world).await, PREVIOUS);

    let mut patient = migrate(&world, &[]);
    let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'piton'";
    until(SOON, "it waits", async || world.count(waits).await == 1).await;
    let began = Instant::now();
    assert_eq!(world.count("select count(*) from piton.workflow_versions").await, 0);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?} behind a migration that waits", began.elapsed());
    patient.says(&format!("migrating waits for a lock that is held by process {holder} (report, user ")).await;
    lock.rollback().await.unwrap();
    assert_eq!(patient.exit_code().await, Some(0));
    assert_eq!(version(&world).await, newest());
    report.close().await.unwrap();
}

#[tokio::test]
async fn who_migrates_is_named_to_those_who_wait_and_needs_no_session_of_its_own() {
    let world = World::with(&[]).await;
    go_back(&world).await;
    let mut other = session(&world, "other").await;
    let holder = pid(&mut other).await;
    let mut lock = other.begin().await.unwrap();
    lock.execute(AssertSqlSafe(format!("select pg_advisory_xact_lock({})", LOCK.replace('_', "")))).await.unwrap();
    let mut waits = migrate(&world, &[]);
    waits.says(&format!("waiting for another process that migrates: process {holder} (other, user ")).await;
    assert_eq!(version(&world).await, PREVIOUS);
    lock.rollback().await.unwrap();
    assert_eq!(waits.exit_code().await, Some(0));
    assert_eq!(version(&world).await, newest());
    other.close().await.unwrap();
    // A lock of a session would stay behind on a pooler's connection.
    let source = std::fs::read_to_string(Path::new(HOME).join("src/store/migrator.rs")).unwrap();
    assert!(!source.contains("pg_advisory_lock") && source.contains("pg_try_advisory_xact_lock"));
}

#[tokio::test]
async fn an_index_on_a_big_table_is_built_beside_its_writers_and_anew_after_an_interruption() {
    let world = World::with(&[]).await;
    let folder = world.path("to-come");
    std::fs::create_dir_all(&folder).unwrap();
    let files = [
        ("9001_big.sql", "create table piton.big (id bigint primary key, name text)"),
        (
            "9002_index.sql",
            "-- no-transaction\n-- Looked up by name.\ncreate index concurrently if not exists big_name on piton.big (name)",
        ),
        ("9003_more.sql", "alter table piton.big add column more text"),
    ];
    for (file, text) in files {
        std::fs::write(folder.join(file), text).unwrap();
    }
    // The table is there already, as it would be; the build waits for a writer that takes its time.
    std::fs::write(folder.join("9000_early.sql"), "select 1").unwrap();
    let mut writer = session(&world, "writer").await;
    let build = async || piton::migrate_from(options(&world).application_name("builder"), &folder, SOON).await;
    execute(&world, "create table if not exists piton.big (id bigint primary key, name text)").await;
    std::fs::write(
        folder.join("9001_big.sql"),
        "create table if not exists piton.big (id bigint primary key, name text)",
    )
    .unwrap();
    let mut lock = writer.begin().await.unwrap();
    lock.execute("insert into piton.big values (1, 'a')").await.unwrap();
    let waits = "select count(*) from pg_stat_activity where application_name = 'piton' and wait_event_type = 'Lock'
                 and query like '%concurrently%' and datname = current_database()";
    let interrupt = async {
        until(SOON, "it waits for the writer", async || world.count(waits).await == 1).await;
        assert_eq!(version(&world).await, 9001, "what comes before is there");
        // Others write meanwhile.
        execute(&world, "insert into piton.big values (2, 'b')").await;
        execute(&world, "select pg_terminate_backend(pid) from pg_stat_activity
                         where application_name = 'piton' and wait_event_type = 'Lock' and datname = current_database()").await;
    };
    let (interrupted, ()) = tokio::join!(build(), interrupt);
    assert!(interrupted.is_err(), "{interrupted:?}");
    lock.commit().await.unwrap();
    let index = "select count(*) from pg_index where indexrelid = to_regclass('piton.big_name') and indisvalid = ";
    let invalid =
        sqlx::query_scalar::<_, i64>(AssertSqlSafe(format!("{index} false"))).fetch_one(&world.pool).await.unwrap();
    assert_eq!(invalid, 1, "what was interrupted is left behind");
    assert_eq!(build().await.unwrap(), 2);
    let valid =
        sqlx::query_scalar::<_, i64>(AssertSqlSafe(format!("{index} true"))).fetch_one(&world.pool).await.unwrap();
    assert_eq!(valid, 1);
    assert_eq!(version(&world).await, 9003);
    assert_eq!(build().await.unwrap(), 0);
    writer.close().await.unwrap();
}

/// Tables that hold a row for each run, job, attempt or artifact.
const BIG: &[&str] = &[
    "jobs",
    "joins",
    "runs",
    "checkpoints",
    "past_checkpoints",
    "attempts",
    "past_attempts",
    "round_checkpoints",
    "round_attempts",
    "steps",
    "artifacts",
    "dead_letters",
    "batch_items",
    "audit",
];

/// What a migration does that would hold up everybody who uses a big table, for as long as that is big.
fn holds_up(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().map(|line| line.split("--").next().unwrap().trim()).collect();
    let code = code.join(" ").to_lowercase();
    // Texts of comments may hold anything.
    let code: String = code.split('\'').step_by(2).collect::<Vec<_>>().join("''");
    let statements: Vec<&str> = code.split(';').map(str::trim).filter(|statement| !statement.is_empty()).collect();
    let mut wrong = Vec::new();
    if text.starts_with("-- no-transaction") {
        let one = matches!(statements.as_slice(), [one] if (one.starts_with("create index concurrently if not exists ")
            || one.starts_with("create unique index concurrently if not exists ")
            || one.starts_with("drop index concurrently if exists ")));
        if !one {
            wrong.push("it is not one concurrent statement that can be said again".to_owned());
        }
        return wrong;
    }
    for statement in statements {
        let words: Vec<&str> = statement.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').collect();
        let on_big = BIG.iter().any(|table| words.contains(&format!("piton.{table}").as_str()));
        if !on_big || statement.starts_with("comment") || statement.starts_with("create table") {
            continue;
        }
        let index = statement.starts_with("create index") || statement.starts_with("create unique index");
        // What it reads beside is no matter.
        let target = words.iter().find_map(|word| word.strip_prefix("piton."));
        let is_big = target.is_some_and(|table| BIG.contains(&table));
        let rewrites = is_big && (statement.starts_with("update ") || statement.starts_with("delete "))
            || statement.starts_with("cluster")
            || statement.starts_with("vacuum full");
        let scans = statement.starts_with("alter table")
            && ((statement.contains("add constraint")
                && !statement.contains("not valid")
                && !statement.contains("using index"))
                || statement.contains("set not null")
                || statement.contains("validate constraint")
                || statement.contains(" type ")
                || statement.contains("add primary key")
                || statement.contains("add unique")
                || statement.contains("add check")
                || statement.contains("references ")
                || statement.contains("generated ")
                || ["random", "uuid()", "new_id", "nextval", "clock_timestamp", "serial"]
                    .iter()
                    .any(|word| statement.contains(word)));
        if index || rewrites || scans {
            wrong.push(statement.chars().take(120).collect());
        }
    }
    wrong
}

/// It reads the queue once, and changes rows of which there should be none.
const MENDS_FEW_ROWS: &str = "21: update piton.jobs set due_at";

#[test]
fn no_new_migration_holds_up_a_big_table() {
    let held: Vec<String> = migrations()
        .iter()
        .filter(|(version, ..)| *version > PREVIOUS)
        .flat_map(|(version, _, text)| holds_up(text).into_iter().map(move |wrong| format!("{version}: {wrong}")))
        .filter(|wrong| !wrong.starts_with(MENDS_FEW_ROWS))
        .collect();
    assert!(held.is_empty(), "{held:#?}");
    let wrong = [
        "create index jobs_x on piton.jobs (x);",
        "alter table piton.runs add constraint x check (a > 0);",
        "alter table piton.attempts alter column x type text;",
        "alter table piton.jobs add column x uuid default gen_random_uuid();",
        "alter table piton.steps alter x set not null;",
        "update piton.dead_letters set x = 1;",
        "update piton.dead_letters d set x = 1 from piton.workflows w where w.id = d.workflow_id;",
        "-- no-transaction\ncreate index concurrently x on piton.jobs (x)",
        "-- no-transaction\ncreate index concurrently if not exists x on piton.jobs (x); select 1",
    ];
    for text in wrong {
        assert_eq!(holds_up(text).len(), 1, "{text}");
    }
    let right = [
        "alter table piton.jobs add column x text, add constraint x check (x <> '') not valid;",
        "create table piton.new (id bigint primary key); create index new_x on piton.new (id);",
        "comment on column piton.jobs.x is 'update piton.jobs';",
        "-- no-transaction\n-- Why.\ncreate index concurrently if not exists x on piton.jobs (x)",
    ];
    for text in right {
        assert_eq!(holds_up(text), [""; 0], "{text}");
    }
}

const ONE_AT_A_TIME: &str = "name = \"narrow\"\n[stages.call]\nrust = \"work\"\nconcurrency = 1\n";

/// A function of which a running worker selects everything gets one column more.
#[tokio::test]
async fn what_a_running_worker_has_prepared_may_return_more_after_a_migration() {
    let world = World::with(&[ONE_AT_A_TIME]).await;
    let worker = world.worker("w1", &[]);
    world.start("narrow", "{}");
    execute(&world, "select piton.start_runs('narrow', array_fill('{\"work_ms\": 20}'::json, array[9]))").await;
    let done = async || world.count("select count(*) from piton.runs where state = 'done'").await;
    until(SOON, "the statement is prepared", async || done().await == 10).await;
    let source: String = sqlx::query_scalar("select pg_get_functiondef('piton.claim_limited'::regproc)")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    let (header, _) = source.split_once(" LANGUAGE ").unwrap();
    let (columns, _) = header.trim_end().rsplit_once(')').unwrap();
    let wider = format!(
        "{columns}, to_come integer) language sql as
         $$ select c.*, null::integer from piton.claim_limited_before(worker, workflows, at_most, lacks_versions, lacks_stages, waiting, claim_token) c $$"
    );
    let renamed = "alter function piton.claim_limited rename to claim_limited_before";
    execute(&world, format!("begin; {renamed}; {wider}; commit")).await;
    execute(&world, "select piton.start_runs('narrow', array_fill('{\"work_ms\": 20}'::json, array[10]))").await;
    until(SOON, "the worker prepares it anew", async || done().await == 20).await;
    assert_eq!(world.count("select count(*) from piton.workers").await, 1, "in the same boot");
    world.assert_nothing_is_left().await;
    worker.kill();
}

/// Dead letters of the release before took several causes for one, under fingerprints of 16 digits.
#[tokio::test]
async fn causes_are_told_apart_also_in_dead_letters_of_the_release_before() {
    let world = World::with(&[]).await;
    go_back(&world).await;
    let letters = "insert into piton.dead_letters (id, run_id, workflow_id, version_id, stage, item, attempt, rank, class,
                                                   message, fingerprint, worker_id)
                   select gen_random_uuid(), i, 1, 1, 0, -1, 1, 0, 'invalid_input',
                          case i % 2 when 0 then '{\"error\":\"card expired\"}' else '{\"error\":\"no VAT number\"}' end,
                          '0123456789abcdef', 1
                   from generate_series(1, 1200) i";
    execute(&world, letters).await;
    stdout(&run(&world, &["migrate"]));
    let causes = "select count(*) from (
                      select fingerprint from piton.dead_letters group by 1
                      having count(*) = 600 and count(distinct message) = 1 and length(fingerprint) = 12) as told_apart";
    assert_eq!(world.count(causes).await, 2);
    execute(&world, "truncate piton.dead_letters").await;
}
