//! The kit for tests of handlers and workflows.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use piton::testing::{Mock, TestAttempt, TestDatabase, TestError, TestPiton, crash_at_every_commit};
use piton::{
    App, Artifact, Committed, Failure, FailureClass, Input, ResultError, RunState, ScheduleError, StageContext, State,
};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::io::AsyncReadExt;

use crate::harness::{SOON, World, until};

async fn double(Input(input): Input<Value>) -> Result<i64, Failure> {
    Ok(input["item"].as_i64().ok_or_else(|| Failure::invalid_input("no number"))? * 2)
}

async fn sum(Input(input): Input<Value>) -> Result<i64, Failure> {
    Ok(input["double"].as_array().into_iter().flatten().filter_map(Value::as_i64).sum())
}

const SUM: &str = r#"
name = "sum"
[stages.numbers]
http = "https://numbers.example/${TOKEN_THAT_IS_NOT_SET}?of={{input.of}}"
[stages.double]
rust = "double"
needs = ["numbers"]
for_each = "numbers"
[stages.sum]
rust = "sum"
needs = ["double"]
"#;

fn sums() -> App {
    App::new().workflow("sum.toml", SUM).handler("double", double).handler("sum", sum)
}

#[tokio::test]
async fn a_handler_is_called_like_a_function_and_what_it_recorded_is_there_to_look_at() {
    struct Greeting(&'static str);
    async fn work(
        Input(input): Input<Value>,
        State(greeting): State<Greeting>,
        context: StageContext,
    ) -> Result<Artifact, Failure> {
        context.progress(1, 3, "at work");
        let name = context.step("name", || async { Ok::<_, Failure>(input["item"].clone()) }).await?;
        let text = format!("{} {name} {:?} {}", greeting.0, context.item(), context.attempt());
        context.artifact("text").of_type("preview").content_type("text/plain").put_bytes(text).await
    }
    let first = TestAttempt::new().workflow("w").stage("work").item(2).state(Greeting("hello"));
    let made: Artifact = first.call(work, json!({"item": "Ada"})).await.unwrap();
    assert_eq!(first.recorded::<String>("name").as_deref(), Some("Ada"));
    assert_eq!(first.progress().map(|progress| (progress.done, progress.of, progress.message)), {
        Some((1, 3, "at work".to_owned()))
    });
    let [kept] = &first.artifacts()[..] else { panic!("one artifact") };
    assert_eq!((kept.name.as_str(), kept.artifact_type.as_str()), ("text", "preview"));
    assert_eq!(kept.content_type.as_deref(), Some("text/plain"));
    assert_eq!(String::from_utf8_lossy(&kept.bytes), "hello \"Ada\" Some(2) 1");

    // The next attempt reads the step, whatever it is given.
    let second = first.next();
    assert_eq!(second.progress(), None);
    second.call::<_, Artifact>(work, json!({"item": "Grace"})).await.unwrap();
    assert_eq!(second.artifacts()[1].bytes, b"hello \"Ada\" Some(2) 2");
    assert_eq!(first.steps(), ["name"]);

    // What stages before have made can be opened, and is verified.
    let mut text = String::new();
    first.context().open(&made).await.unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello \"Ada\" Some(2) 1");
    let context = first.context();
    first.cancel();
    assert!(context.is_cancelled());
    assert_eq!(context.idempotency_key(), format!("{}:work:2", context.run()));
}

#[tokio::test]
async fn arguments_of_a_handler_are_drawn_from_json_and_what_does_not_fit_is_invalid_input() {
    let attempt = TestAttempt::new();
    let Input(number) = attempt.argument::<Input<i64>>(7).unwrap();
    assert_eq!(number, 7);
    let refused = attempt.argument::<Input<i64>>("seven").unwrap_err();
    assert_eq!(refused.class(), FailureClass::InvalidInput);
    let missing = attempt.argument::<State<Arc<str>>>(()).unwrap_err();
    assert!(missing.message().contains("no state of the type"), "{missing}");
    let recorded = TestAttempt::new().step("once", "before");
    let step = recorded.context().step("once", || async { Err::<String, _>(Failure::unknown("it ran")) }).await;
    assert_eq!(step.unwrap(), "before");
    let failed = attempt.call::<_, i64>(double, json!({"item": "x"})).await.unwrap_err();
    assert_eq!(failed.to_string(), "invalid_input: no number");
}

#[tokio::test]
async fn a_handler_that_commits_its_own_rows_is_called_with_a_database() {
    async fn bill(Input(input): Input<i64>, context: StageContext) -> Result<Committed<i64>, Failure> {
        let is_last = context.is_last_attempt().await?;
        context
            .commit(async |mut tx| {
                sqlx::query("insert into bills values ($1)").bind(input).execute(&mut *tx).await?;
                if input < 0 { Err(Failure::invalid_input(format!("last: {is_last}"))) } else { Ok(input) }
            })
            .await
    }
    let database = TestDatabase::new().await.unwrap();
    sqlx::raw_sql("create table bills (amount bigint)").execute(database.pool()).await.unwrap();
    let attempt = TestAttempt::new().database(&database);
    assert_eq!(attempt.call::<_, i64>(bill, 7).await.unwrap(), 7);
    let failed = attempt.next().call::<_, i64>(bill, -1).await.unwrap_err();
    assert_eq!(failed.to_string(), "invalid_input: last: false");
    let failed = attempt.next().last().call::<_, i64>(bill, -1).await.unwrap_err();
    assert_eq!(failed.to_string(), "invalid_input: last: true");
    let bills: Vec<i64> = sqlx::query_scalar("select amount from bills").fetch_all(database.pool()).await.unwrap();
    assert_eq!(bills, [7], "what failed is rolled back");
    let without = TestAttempt::new().call::<_, i64>(bill, 7).await.unwrap_err();
    assert!(without.message().contains("TestAttempt::database"), "{without}");
}

#[tokio::test]
async fn a_workflow_runs_with_mocked_stages_and_retries_are_not_waited_for() {
    let numbers = Mock::fail(FailureClass::RateLimited, "slow down").then(Mock::output([1, 2, 3]));
    let piton = TestPiton::builder(sums()).mock("sum", "numbers", numbers.clone()).build().await.unwrap();
    let begun = Instant::now();
    let total: i64 = piton.run("sum", &json!({"of": 3})).await.unwrap();
    assert_eq!(total, 12);
    assert!(begun.elapsed() < Duration::from_secs(4), "the wait is 5 s at least: {:?}", begun.elapsed());
    let calls = numbers.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[1].texts()["http"], "https://numbers.example/${TOKEN_THAT_IS_NOT_SET}?of=3");
    piton.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_run_that_is_given_up_says_what_and_why() {
    let mock = Mock::output(json!([1, "two", 3]));
    let piton = TestPiton::builder(sums()).mock("sum", "numbers", mock).build().await.unwrap();
    let failed = piton.run::<i64>("sum", &json!({"of": 3})).await.unwrap_err();
    let TestError::Run { error: ResultError::Blocked { stage, class, .. }, dead_letters } = &failed else {
        panic!("{failed:?}")
    };
    assert_eq!((stage.as_str(), class.as_str()), ("double", "invalid_input"));
    let [letter] = &dead_letters[..] else { panic!("{dead_letters:?}") };
    assert_eq!((letter.stage.as_str(), letter.item, letter.attempts), ("double", Some(1), 1));
    insta::assert_snapshot!(failed, @r"
    the run is blocked at stage double: invalid_input: no number
    double[1]: invalid_input after 1 attempts: no number
    ");
}

#[tokio::test]
async fn a_mock_for_nothing_and_a_program_that_nobody_watches_over_are_refused_at_once() {
    let refused = async |app: App, workflow: &str, stage: &str| {
        let built = TestPiton::builder(app).mock(workflow, stage, Mock::output(1)).build().await;
        built.unwrap_err().to_string()
    };
    insta::assert_snapshot!(refused(sums(), "sums", "numbers").await, @"a mock is for workflow `sums`; the app has sum");
    insta::assert_snapshot!(refused(sums(), "sum", "number").await, @"workflow `sum` has no stage `number`; did you mean `numbers`?");
    let file = "name = \"list\"\n[stages.a]\ncommand = [\"ls\"]\n[stages.b]\ncommand = [\"ls\"]\n";
    let app = App::new().workflow("list.toml", file);
    insta::assert_snapshot!(refused(app, "list", "a").await, @"stage `b` of workflow `list` runs a program, and a test harness cannot watch over programs: mock the stage, try it out with `piton workflows test`, or give the test `harness = false` and a `main` that begins with piton::child");
}

const TIMED: &str = r#"
name = "timed"
[stages.often]
rust = "often"
rate = "1/1h"
"#;

#[tokio::test]
async fn time_goes_by_for_what_is_due_for_deadlines_and_for_rates() {
    let ran = Arc::new(AtomicU32::new(0));
    let counted = ran.clone();
    let often = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, Failure>(()) }
    };
    let piton = TestPiton::new(App::new().workflow("timed.toml", TIMED).handler("often", often)).await.unwrap();
    let in_minutes = |minutes: u64| SystemTime::now() + Duration::from_secs(60 * minutes);
    let later = piton.piton().start("timed", &()).at(in_minutes(90)).await.unwrap();
    piton.advance("1h29m").await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(ran.load(Ordering::SeqCst), 0, "not yet");
    assert_eq!(later.state().await.unwrap(), Some(RunState::Scheduled));

    piton.advance("2m").await.unwrap();
    until(SOON, "it is due", async || later.state().await.unwrap() == Some(RunState::Done)).await;
    assert_eq!(ran.load(Ordering::SeqCst), 1);

    // One has begun within the hour: the next ones wait.
    let never = piton.piton().start("timed", &()).deadline(in_minutes(30)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(never.state().await.unwrap(), Some(RunState::Running));
    piton.advance("31m").await.unwrap();
    until(SOON, "its deadline passes", async || never.state().await.unwrap() == Some(RunState::Cancelled)).await;
    let second = piton.piton().start("timed", &()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(ran.load(Ordering::SeqCst), 1, "the rate holds");
    piton.advance("1h").await.unwrap();
    until(SOON, "the rate allows it", async || second.state().await.unwrap() == Some(RunState::Done)).await;
    assert_eq!(ran.load(Ordering::SeqCst), 2);
    // The next one would have to wait for an hour: that time is skipped.
    piton.run::<()>("timed", &()).await.unwrap();
    let refused = piton.advance("soon").await.unwrap_err();
    insta::assert_snapshot!(refused, @"`soon` is no span of time: write a number and a unit (ms, s, m, h or d), such as \"250ms\", \"30s\", \"5m\" or \"1h30m\"");
    let unexplained: i64 =
        sqlx::query_scalar("select count(*) from piton.unexplained_jobs").fetch_one(piton.pool()).await.unwrap();
    assert_eq!(unexplained, 0);
}

const ORDER: &str = r#"
name = "order"
[stages.pack]
rust = "pack"
for_each = "input.items"
[stages.ship]
rust = "ship"
needs = ["pack"]
"#;

async fn pack(Input(input): Input<Value>, context: StageContext) -> Result<Value, Failure> {
    context.step("wrapped", || async { Ok::<_, Failure>(input["item"].clone()) }).await
}

fn refused(error: sqlx::Error) -> Failure {
    Failure::resource_unavailable(error.to_string())
}

async fn ship_once(Input(input): Input<Value>, pool: State<PgPool>) -> Result<Value, Failure> {
    let sql = "insert into parcels (content) values ($1) on conflict do nothing";
    sqlx::query(sql).bind(input["pack"].to_string()).execute(&*pool).await.map_err(refused)?;
    Ok(input["pack"].clone())
}

/// As if nothing ever came in between.
async fn ship_carelessly(Input(input): Input<Value>, pool: State<PgPool>) -> Result<Value, Failure> {
    let sql = "insert into parcels (content) select $1 || count(*) from parcels";
    sqlx::query(sql).bind(input["pack"].to_string()).execute(&*pool).await.map_err(refused)?;
    Ok(input["pack"].clone())
}

async fn tables(pool: PgPool) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("create table parcels (content text primary key)").execute(&pool).await.map(|_| ())
}

async fn parcels(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from parcels").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_workflow_that_is_killed_at_every_commit_comes_to_the_same_each_time() {
    async fn app(database: String) -> Result<App, sqlx::Error> {
        let app = App::new().workflow("order.toml", ORDER).handler("pack", pack).handler("ship", ship_once);
        Ok(app.state(PgPool::connect_lazy(&database)?))
    }
    let turns = Arc::new(AtomicU32::new(0));
    let counted = turns.clone();
    let report = crash_at_every_commit(app)
        .set_up(tables)
        .check(move |turn| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move { assert_eq!(parcels(turn.pool()).await, 1, "{turn}") }
        })
        .run("order", &json!({"items": ["lamp", "rug"]}))
        .await
        .unwrap();
    assert_eq!(report.output, json!(["lamp", "rug"]));
    // The worker's own, the split, two steps, at least one for the items, and the end.
    assert!(report.commits >= 6 && report.kills >= 2 * 5, "{report:?}");
    assert!(u64::from(turns.load(Ordering::SeqCst)) > report.kills);
}

#[tokio::test]
async fn what_a_crash_would_do_twice_is_found() {
    async fn app(database: String) -> Result<App, sqlx::Error> {
        let app = App::new().workflow("order.toml", ORDER).handler("pack", pack).handler("ship", ship_carelessly);
        Ok(app.state(PgPool::connect_lazy(&database)?))
    }
    let found = crash_at_every_commit(app)
        .set_up(tables)
        .check(|turn| async move { assert_eq!(parcels(turn.pool()).await, 1) })
        .run("order", &json!({"items": ["lamp"]}))
        .await
        .unwrap_err();
    let TestError::Crash { place, what } = &found else { panic!("{found:?}") };
    assert!(place.starts_with("before commit"), "its own insert has landed by then: {found}");
    assert!(what.contains("left: 2"), "{found}");
}

#[tokio::test]
async fn an_output_that_a_crash_changes_is_found_unless_it_is_another_one_by_right() {
    async fn attempt(context: StageContext) -> Result<u32, Failure> {
        Ok(context.attempt())
    }
    async fn app(_: String) -> Result<App, std::convert::Infallible> {
        let file = "name = \"count\"\n[stages.count]\nrust = \"attempt\"\n";
        Ok(App::new().workflow("count.toml", file).handler("attempt", attempt))
    }
    let found = crash_at_every_commit(app).run("count", &()).await.unwrap_err();
    assert!(found.to_string().ends_with("the output of count is 2, and without a crash it is 1"), "{found}");
    let report =
        crash_at_every_commit(app).normalize(|_, output| *output = Value::Null).run("count", &()).await.unwrap();
    assert!(report.kills >= 2, "{report:?}");
}

#[tokio::test]
async fn each_test_has_a_database_of_its_own_at_once_and_it_goes_with_the_test() {
    let first = TestDatabase::new().await.unwrap();
    let begun = Instant::now();
    let second = TestDatabase::new().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "it is copied, not migrated: {:?}", begun.elapsed());
    sqlx::raw_sql("create table mine (a int)").execute(first.pool()).await.unwrap();
    let there = "select count(*) from pg_tables where tablename = 'mine'";
    assert_eq!(sqlx::query_scalar::<_, i64>(there).fetch_one(second.pool()).await.unwrap(), 0);
    let named = "select datname::text from pg_database where datname like 'piton_test_%'";
    let name: String = sqlx::query_scalar("select current_database()::text").fetch_one(first.pool()).await.unwrap();
    drop(first);
    let left: Vec<String> = sqlx::query_scalar(named).fetch_all(second.pool()).await.unwrap();
    assert!(!left.contains(&name), "{name} in {left:?}");
}

/// What the next test starts: it says where its server is, and waits for its end.
#[tokio::test]
#[ignore = "a process of another test's own"]
async fn a_process_with_a_server() {
    let database = TestDatabase::new().await.unwrap();
    println!("its database: {}", database.url());
    if std::env::var_os("PITON_TEST_PANICS").is_some() {
        panic!("as asked");
    }
    std::future::pending().await
}

#[tokio::test]
async fn the_private_postgres_ends_with_its_process_however_that_ends() {
    for panics in [false, true] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--ignored", "--exact", "testing::a_process_with_a_server", "--nocapture"]);
        if panics {
            child.env("PITON_TEST_PANICS", "yes");
        }
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (folder, socket) = server_of(&mut child);
        if !panics {
            assert!(folder.is_dir() && std::os::unix::net::UnixStream::connect(&socket).is_ok());
            child.kill().unwrap();
        }
        child.wait().unwrap();
        until(SOON, "the server and its data are gone", async || !folder.exists()).await;
        assert!(std::os::unix::net::UnixStream::connect(&socket).is_err());
    }
}

#[tokio::test]
async fn on_a_server_that_is_there_already_a_test_s_databases_are_dropped_also_when_it_panics() {
    let world = World::with(&[]).await;
    for (test, panics) in [("a_process_with_a_server", true), ("an_output_that_a_crash_changes_is_found*", false)] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let test = format!("testing::{}", test.trim_end_matches('*'));
        child.args(["--include-ignored", &test, "--nocapture"]).env("PITON_TEST_DATABASE_URL", &world.url);
        let output = child.env("PITON_TEST_PANICS", "yes").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.success(), !panics, "{said}");
        assert!(said.contains("running 1 test") && (!panics || said.contains("its database: ")), "{said}");
        let left = "select count(*) from pg_database where datname like 'piton\\_test\\_%'";
        assert_eq!(world.count(left).await, 0, "{said}");
    }
    assert_eq!(world.count("select count(*) from pg_database where datname like 'piton\\_template\\_%'").await, 1);
}

/// The folder of its data, and its socket.
fn server_of(child: &mut Child) -> (PathBuf, PathBuf) {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines.map(Result::unwrap).find_map(|line| Some(line.split_once("its database: ")?.1.to_owned())).unwrap();
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let run = options.get_socket().cloned().unwrap_or_else(|| options.get_host().into());
    (run.ancestors().nth(2).map(Path::to_owned).unwrap(), run.join(".s.PGSQL.5432"))
}

async fn tick(Input(input): Input<Value>) -> Result<Value, Failure> {
    Ok(input["input"]["tick"].clone())
}

#[tokio::test]
async fn schedules_start_runs_in_a_test_when_time_goes_by() {
    let file = "name = 'hours'\n[stages.tick]\nrust = 'tick'\n[schedules.hourly]\nevery = '1h'\n";
    let app = App::new().workflow("hours.toml", file).handler("tick", tick);
    let piton = TestPiton::builder(app).limit(SOON * 2).build().await.unwrap();
    let runs = async || -> i64 {
        let sql =
            "select count(*) from piton.schedule_runs s join piton.runs r on r.id = s.run_id where r.state = 'done'";
        sqlx::query_scalar(sql).fetch_one(piton.pool()).await.unwrap()
    };
    for hour in 1..=3 {
        piton.advance("1h").await.unwrap();
        until(SOON, "the tick of the hour has its run", async || runs().await == hour).await;
    }
    let hourly = piton.piton().schedule("hours", "hourly");
    hourly.pause("enough").await.unwrap();
    let run = hourly.trigger().await.unwrap();
    let told: Value = piton.result(&run).await.unwrap();
    assert!(told["at"].is_string() && told["previous"].is_string(), "{told}");
    hourly.resume().await.unwrap();
    assert!(matches!(hourly.resume().await, Err(ScheduleError::Refused(said)) if said.contains("is not paused")));
    let unknown = piton.piton().schedule("hours", "daily").trigger().await.map(|run| run.id());
    assert!(matches!(unknown, Err(ScheduleError::NotFound(said)) if said.contains("no schedule \"daily\"")));
}
