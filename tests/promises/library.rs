//! Piton as a library: runs that a program starts and awaits, and a worker in its process.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use futures_util::{StreamExt, TryStreamExt};
use piton::testing::TestDatabase;
use piton::{App, CancelError, Piton, ResultError, RunState, StartError, WorkerError};
use serde_json::{Value, json};

use crate::harness::{Process, SOON, World, example, until};
use crate::workflows::{CHAIN, MISBEHAVE, SQUARES, WORK};

/// As a program that brings no workflows: others have them.
async fn piton(world: &World) -> Piton {
    Piton::builder(App::new(), &world.pool).build().await.unwrap()
}

async fn on_connections_of_its_own(world: &World) -> Piton {
    Piton::builder(App::new(), world.url.clone()).build().await.unwrap()
}

#[tokio::test]
async fn a_program_starts_runs_and_awaits_their_results() {
    let world = World::with(&[SQUARES, CHAIN]).await;
    world.deploy("squares");
    world.deploy("chain");
    let _worker = world.worker("w1", &[]);
    let piton = piton(&world).await;
    let run = piton.start("squares", &json!({"items": 4})).priority(5).await.unwrap();
    assert!(run.is_new());
    let sum: Value = run.result().await.unwrap();
    assert_eq!(sum["sum"], 14);
    assert_eq!(run.state().await.unwrap(), Some(RunState::Done));
    assert!(matches!(run.result::<String>().await, Err(ResultError::Output(_))), "it is no text");
    let again: Value = piton.run(run.id()).result().await.unwrap();
    assert_eq!(again, sum, "any program may ask for it");

    let watched = piton.start("chain", &json!({"work_ms": 300})).await.unwrap();
    let seen: Vec<_> = watched.watch().try_collect().await.unwrap();
    assert!(seen.len() > 2, "{seen:?}");
    assert!(seen.iter().rev().skip(1).all(|progress| progress.state == RunState::Running), "{seen:?}");
    let last = seen.last().unwrap();
    assert_eq!((last.state, last.stages.iter().map(|s| s.done).sum::<i64>()), (RunState::Done, 3));
}

#[tokio::test]
async fn a_run_that_is_started_in_a_transaction_begins_with_it_or_never() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    let piton = piton(&world).await;
    let mut transaction = world.pool.begin().await.unwrap();
    let lost = piton.start("work", &json!({"work_ms": 0})).in_transaction(&mut transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    assert!(matches!(lost.result::<Value>().await, Err(ResultError::NotFound(id)) if id == lost.id()));
    assert_eq!(lost.state().await.unwrap(), None);
    assert!(matches!(lost.cancel("gone").await, Err(CancelError::NotFound(_))));

    let mut transaction = world.pool.begin().await.unwrap();
    let kept = piton.start("work", &json!({"work_ms": 0})).key("o 7").in_transaction(&mut transaction).await.unwrap();
    assert_eq!(piton.run(kept.id()).state().await.unwrap(), None, "others do not see it before");
    transaction.commit().await.unwrap();
    assert_eq!(kept.state().await.unwrap(), Some(RunState::Running));
    let same = piton.start("work", &json!({"work_ms": 0})).key("o 7").same_input().await.unwrap();
    assert_eq!((same.id(), same.is_new()), (kept.id(), false));
    let other = piton.start("work", &json!({"work_ms": 1})).key("o 7");
    assert_eq!(other.await.unwrap().id(), kept.id(), "it is passed over where nobody asks");
    let refused = piton.start("work", &json!({"work_ms": 1})).key("o 7").same_input().await;
    assert!(matches!(refused, Err(StartError::OtherInput(id)) if id == kept.id()));
    kept.cancel("not needed").await.unwrap();
    let cancelled = kept.result::<Value>().await;
    assert!(
        matches!(&cancelled, Err(ResultError::Cancelled { reason, .. }) if reason == "not needed"),
        "{cancelled:?}"
    );
    assert!(matches!(kept.cancel("again").await, Err(CancelError::Ended(_))));
    let faces = "select count(*) from piton.audit where verb = 'cancel' and face = 'library'";
    assert_eq!(world.count(faces).await, 1);
}

#[tokio::test]
async fn what_cannot_be_started_is_said_by_what_the_caller_can_do() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    let piton = piton(&world).await;
    let error = piton.start("wrok", &json!({})).await.unwrap_err();
    assert!(matches!(&error, StartError::UnknownWorkflow(said) if said.contains("There are: work")), "{error:?}");
    let long = "x".repeat(2 << 20);
    for invalid in [
        piton.start("work", &json!({ "text": long })),
        piton.start("work", &json!({"nul": "a\u{0}b"})),
        piton.start("work", &json!({})).priority(2000),
        piton.start("work", &json!({})).key(""),
        piton.start("work", &json!({})).key("a\u{0}b"),
        piton.start("wo\u{0}rk", &json!({})),
        piton.start("work", &json!({})).same_input(),
        piton.start("work", &json!({})).trace("nonsense", None),
        piton.start("work", &json!({})).at(SystemTime::UNIX_EPOCH - Duration::from_secs(86_400)),
    ] {
        let error = invalid.await.unwrap_err();
        assert!(matches!(error, StartError::Invalid(_)), "{error:?}");
        assert!(!error.to_string().contains("0x00"), "{error}");
    }
    let nul = piton.start("work", &json!({})).key("a\u{0}b").await.unwrap_err();
    assert_eq!(nul.to_string(), "a text holds a NUL character, which Postgres cannot keep: leave it out");
    let run = piton.start("work", &json!({})).await.unwrap();
    let reason = run.cancel("a\u{0}b").await.unwrap_err();
    assert!(matches!(&reason, CancelError::Invalid(said) if said.contains("a NUL character")), "{reason:?}");
    run.cancel("only tried").await.unwrap();
    assert_eq!(world.count("select count(*) from piton.runs where state <> 'cancelled'").await, 0);
    let unspawned = piton.worker().spawn().unwrap_err();
    assert!(matches!(unspawned, WorkerError::NoChildCall), "{unspawned:?}");
    assert!(unspawned.to_string().contains("piton::child(app)"), "{unspawned}");
}

#[tokio::test]
async fn a_blocked_run_says_why_and_has_its_result_once_it_was_retried() {
    let world = World::with(&[MISBEHAVE]).await;
    world.deploy("misbehave");
    let _worker = world.worker("w1", &[]);
    let piton = piton(&world).await;
    let asked = json!({"how": "fail", "times": 1, "class": "invalid_input", "size": 0, "retry_after_ms": 0});
    let run = piton.start("misbehave", &asked).await.unwrap();
    let blocked = run.result::<Value>().await;
    let Err(ResultError::Blocked { stage, class, .. }) = blocked else { panic!("{blocked:?}") };
    assert_eq!((stage.as_str(), class.as_str()), ("misbehave", "invalid_input"));
    sqlx::query("select piton.retry_dead_letter($1::uuid)")
        .bind(world.dead_letter().await)
        .execute(&world.pool)
        .await
        .unwrap();
    run.result::<Value>().await.unwrap();
}

#[tokio::test]
async fn a_thousand_results_are_awaited_by_one_statement_at_a_time() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    let piton = piton(&world).await;
    let runs: Vec<uuid::Uuid> =
        sqlx::query_scalar("select piton.start_run('work', '{\"work_ms\": 0}') from generate_series(1, 1000)")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    let before = transactions(&world).await;
    let begun = Instant::now();
    let all = futures_util::stream::iter(runs)
        .map(|run| {
            let run = piton.run(piton::RunId(run));
            async move { run.result::<Value>().await }
        })
        .buffer_unordered(1000);
    let waited = tokio::time::timeout(Duration::from_secs(5), all.count()).await;
    assert!(waited.is_err(), "nobody works on them");
    let asked = transactions(&world).await - before;
    // Twice a second once it is calm, and about twenty before; never one for each.
    assert!(asked < 100, "{asked} in {:?}", begun.elapsed());
}

/// Of this database, as far as they have been counted.
async fn transactions(world: &World) -> i64 {
    tokio::time::sleep(Duration::from_millis(1500)).await;
    world.count("select xact_commit from pg_stat_database where datname = current_database()").await
}

#[tokio::test]
async fn a_worker_in_a_service_runs_suspects_and_commands_in_processes_of_their_own() {
    let world = World::with(&[]).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let service = || {
        let mut command = world.command_of(&example("test-service"), [""; 0]);
        command.env("PORT", port.to_string());
        Process::spawn(command, world.path("service.log"))
    };
    let first = service();
    first.says("works").await;
    let piton = piton(&world).await;
    let run = piton.start("service", &json!({"deaths": 1, "work_ms": 0})).await.unwrap();
    let mut first = first;
    assert_eq!(first.exit_code().await, None, "the job has killed it");
    drop(first);
    let mut second = service();
    let result: Value = run.result().await.unwrap();
    assert_ne!(result["pid"], second.id(), "the job under which it died runs alone");
    assert!(second.is_running());
    let innocent = piton.start("service", &json!({"deaths": 0, "work_ms": 500})).await.unwrap();
    let running = async || world.count("select count(*) from piton.jobs where state = 'running'").await == 1;
    until(SOON, "it runs", running).await;
    second.signal("TERM");
    assert_eq!(second.exit_code().await, Some(0), "it drains");
    assert!(second.log().ends_with("stopped\n"), "{}", second.log());
    assert!(!second.log().contains("did not start"), "{}", second.log());
    assert_eq!(world.count("select count(*) from piton.checkpoints where stage = 0").await, 2);
    let third = service();
    let result: Value = innocent.result().await.unwrap();
    assert_eq!(result["pid"], second.id());
    drop(third);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_run_that_a_worker_of_the_same_process_ends_has_its_result_at_once() {
    let world = World::with(&[]).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = world.command_of(&example("test-service"), [""; 0]);
    command.env("PORT", format!("127.0.0.1:{port}")).env("AWAITS", "1");
    let service = Process::spawn(command, world.path("service.log"));
    service.says("late").await;
    let log = service.log();
    let late: u64 = log.lines().find_map(|line| line.strip_prefix("late ")).unwrap().parse().unwrap();
    // Asking twice a second, it would be a quarter of one.
    assert!(late < 150, "{late} ms");
}

#[tokio::test]
async fn logging_metrics_and_cryptography_are_the_program_s_own_where_it_has_set_them() {
    let world = World::with(&[]).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = world.command_of(&example("test-service"), [""; 0]);
    command.env("PORT", format!("127.0.0.1:{port}")).env("OWN", "1");
    let service = Process::spawn(command, world.path("service.log"));
    service.says("that was all").await;
    let log = service.log();
    for own in ["own log: true", "own metrics: true", "own cryptography: true"] {
        assert!(log.contains(own), "{log}");
    }
    assert!(!log.contains("worker_started"), "it logs where the program wants it and nowhere else: {log}");
}

#[tokio::test]
async fn a_run_can_be_started_before_any_worker_has_registered_its_workflow() {
    let world = World::with(&[]).await;
    let app = App::new().workflow("work.toml", WORK);
    let piton = Piton::builder(app, &world.pool).build().await.unwrap();
    let run = piton.start("work", &json!({"work_ms": 0})).await.unwrap();
    assert_eq!(run.state().await.unwrap(), Some(RunState::Running), "it waits for a worker");
}

/// An answer's status and body; an error while the service is away.
fn ask(address: &str, method: &str, path: &str, body: &str) -> std::io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let away = || std::io::Error::other("no answer");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(away)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(away)?;
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

#[tokio::test]
async fn every_order_of_a_shop_that_is_killed_again_and_again_is_shipped_exactly_once() {
    const ORDERS: usize = 40;
    let world = World::with(&[]).await;
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let shop = || Process::spawn(world.command_of(&example("shop"), [&address]), world.path("shop.log"));
    let mut running = shop();
    let (mut taken, mut kills) = (Vec::new(), 0);
    let mut first_taken = None;
    while taken.len() < ORDERS || kills < 8 {
        // At another moment of the work each time.
        if first_taken.is_some_and(|at: Instant| at.elapsed() > Duration::from_millis(23 * kills)) {
            running.kill();
            running = shop();
            (kills, first_taken) = (kills + 1, None);
        }
        match ask(&address, "POST", "/orders", r#"{"items": ["lamp", "rug", "cup"]}"#) {
            Ok((201, order)) => {
                taken.push(order["order"].as_str().unwrap().to_owned());
                first_taken.get_or_insert_with(Instant::now);
            }
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    let unfinished = async || world.count("select count(*) from piton.runs where state <> 'done'").await == 0;
    until(SOON * 2, "all is done", unfinished).await;
    for order in &taken {
        let (status, said) = ask(&address, "GET", &format!("/orders/{order}"), "").unwrap();
        assert_eq!((status, said["state"].as_str()), (200, Some("done")));
        assert_eq!(said["parcel"], format!("parcel of lamp, rug, cup for {order}"));
    }
    // An order whose answer was lost is there with its run, or neither is.
    let alone = "select (select count(*) from shop.orders) - (select count(*) from piton.runs)
                        + (select count(*) from shop.orders o where not exists (select from piton.runs r where r.uuid = o.run))";
    assert_eq!(world.count(alone).await, 0);
    assert_eq!(
        world.count("select count(*) from shop.orders").await,
        world.count("select count(*) from shop.parcels").await
    );
    // No key keeps a parcel from being written twice: it is committed with its stage.
    assert_eq!(
        world.count("select count(*) from shop.parcels").await,
        world.count("select count(distinct order_id) from shop.parcels").await
    );
    running.signal("TERM");
    assert_eq!(running.exit_code().await, Some(0));
    world.assert_nothing_is_left().await;
}

/// Answers of a shop that may be killed in the middle of one: on a thread of its own, since what it is connected through runs here.
async fn asked(address: &str, method: &'static str, path: String, body: &'static str) -> std::io::Result<(u16, Value)> {
    let address = address.to_owned();
    tokio::task::spawn_blocking(move || ask(&address, method, &path, body)).await.unwrap()
}

/// Orders until one is taken, and asks for it until it is done.
async fn one_order(address: &str) -> String {
    let order = loop {
        match asked(address, "POST", "/orders".to_owned(), r#"{"items": ["lamp", "rug", "cup"]}"#).await {
            Ok((201, order)) => break order["order"].as_str().unwrap().to_owned(),
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    loop {
        match asked(address, "GET", format!("/orders/{order}"), "").await {
            Ok((200, said)) if said["state"] == "done" => break,
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_of_a_shop_that_is_killed_at_every_commit_is_shipped_exactly_once() {
    let world = World::with(&[]).await;
    let mut kills = 0;
    'commits: for number in 1.. {
        for is_after in [false, true] {
            let database = TestDatabase::new().await.unwrap();
            let crash = match is_after {
                false => database.crash_before_commit(number).await.unwrap(),
                true => database.crash_after_commit(number).await.unwrap(),
            };
            let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
            let shop = |url: &str| {
                let mut command = world.command_of(&example("shop"), [&address]);
                command.env("DATABASE_URL", url);
                Process::spawn(command, world.path("shop.log"))
            };
            let running = shop(crash.url());
            let is_reached = tokio::select! {
                () = crash.reached() => true,
                _ = one_order(&address) => false,
                () = tokio::time::sleep(SOON) => panic!("commit {number} is never sent, and no order is done"),
            };
            running.kill();
            drop(crash);
            let running = shop(database.url());
            let order = tokio::time::timeout(SOON, one_order(&address)).await.expect("it goes on");
            // With the one whose answer was lost, if it was taken.
            let place = format!("{} commit {number}", if is_after { "after" } else { "before" });
            all_is_shipped_once(database.pool(), &order, &place).await;
            running.kill();
            if !is_reached {
                break 'commits;
            }
            kills += 1;
        }
    }
    // The worker's registration, the order, four stages (one of them split, its items mostly in one commit).
    assert!(kills >= 2 * 6, "{kills}");
}

async fn all_is_shipped_once(pool: &sqlx::PgPool, order: &str, place: &str) {
    let count = async |sql: &'static str| -> i64 { sqlx::query_scalar(sql).fetch_one(pool).await.unwrap() };
    let unfinished = async || count("select count(*) from piton.runs where state <> 'done'").await == 0;
    until(SOON, "all is done", unfinished).await;
    let shipped = sqlx::query_scalar("select content from shop.parcels where order_id = $1::uuid").bind(order);
    let shipped: Vec<String> = shipped.fetch_all(pool).await.unwrap();
    assert_eq!(shipped, [format!("parcel of lamp, rug, cup for {order}")], "{place}");
    let alone = "select count(*) from shop.orders o
                 full join piton.runs r on r.uuid = o.run full join shop.parcels p on p.order_id = o.id
                 where o.id is null or r.id is null or p.order_id is null";
    assert_eq!(count(alone).await, 0, "{place}: an order, a run and a parcel belong together");
    assert_eq!(count("select count(*) from piton.unexplained_jobs").await, 0, "{place}");
    assert!(count("select count(*) from shop.orders").await <= 2, "{place}");
}

#[tokio::test]
async fn a_result_is_waited_for_while_sessions_are_cut_and_not_on_a_pool_that_was_closed() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    let _worker = world.worker("w1", &[]);
    let piton = on_connections_of_its_own(&world).await;
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(piton.start("work", &json!({"work_ms": 400})).await.unwrap());
    }
    // To its end: the sessions that are opened next are not to be cut.
    let is_over = AtomicBool::new(false);
    let cutting = async {
        while !is_over.load(Ordering::Relaxed) {
            world.cut_sessions().await;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    let all = async {
        let results = futures_util::future::join_all(runs.iter().map(piton::Run::result::<Value>)).await;
        is_over.store(true, Ordering::Relaxed);
        results
    };
    let both = async { tokio::join!(all, cutting) };
    let (results, ()) = tokio::time::timeout(SOON, both).await.expect("in time");
    assert!(results.iter().all(Result::is_ok), "{results:?}");

    let pool = sqlx::PgPool::connect(&world.url).await.unwrap();
    let piton = Piton::builder(App::new(), &pool).build().await.unwrap();
    let run = piton.run(piton::RunId::new());
    let waits = piton.start("work", &json!({"work_ms": 60_000})).await.unwrap();
    assert!(matches!(run.result::<Value>().await, Err(ResultError::NotFound(_))));
    pool.close().await;
    let closed = tokio::time::timeout(SOON, waits.result::<Value>()).await.expect("it is said");
    assert!(matches!(&closed, Err(ResultError::Database(error)) if !error.is_temporary()), "{closed:?}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

#[test]
fn runs_are_started_also_after_the_end_of_a_runtime_in_which_others_were() {
    let lasting = runtime();
    let (world, piton) = lasting.block_on(async {
        let world = World::with(&[WORK]).await;
        world.deploy("work");
        let piton = on_connections_of_its_own(&world).await;
        (world, piton)
    });
    let some = async || {
        let starts = (0..8).map(|_| piton.start("work", &json!({"work_ms": 0})).into_future());
        for started in futures_util::future::join_all(starts).await {
            started.unwrap();
        }
        // Until their connections are back in the pool.
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    for _ in 0..3 {
        runtime().block_on(some());
        lasting.block_on(some());
    }
    assert_eq!(lasting.block_on(world.count("select count(*) from piton.runs")), 48);
}

#[test]
fn a_result_is_awaited_also_where_another_runtime_has_ended_in_which_somebody_waited() {
    let lasting = runtime();
    let (world, piton, _worker) = lasting.block_on(async {
        let world = World::with(&[WORK]).await;
        world.deploy("work");
        let worker = world.worker("w1", &[]);
        let piton = on_connections_of_its_own(&world).await;
        (world, piton, worker)
    });
    let first = runtime();
    let waits = first.block_on(piton.start("work", &json!({"work_ms": 60_000})).into_future()).unwrap();
    first.block_on(async {
        let waited = tokio::time::timeout(Duration::from_millis(300), waits.result::<Value>()).await;
        assert!(waited.is_err());
    });
    drop(first);
    lasting.block_on(async {
        let run = piton.start("work", &json!({"work_ms": 0})).await.unwrap();
        tokio::time::timeout(SOON, run.result::<Value>()).await.expect("in time").unwrap();
    });
    drop(world);
}

#[tokio::test]
async fn what_no_worker_may_be_called_and_far_times_are_refused() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    let piton = piton(&world).await;
    for far in [1 << 60, 253_402_300_800] {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(far);
        for start in [piton.start("work", &json!({})).at(time), piton.start("work", &json!({})).deadline(time)] {
            let error = start.await.unwrap_err();
            assert!(matches!(&error, StartError::Invalid(said) if said.contains("9999")), "{error:?}");
        }
    }
    let options = sqlx::postgres::PgConnectOptions::new_without_pgpass().host("::1").port(1);
    let refused = Piton::builder(App::new(), sqlx::PgPool::connect_lazy_with(options)).build().await;
    assert!(matches!(refused, Err(piton::BuildError::Connect(_))), "{refused:?}");
}
