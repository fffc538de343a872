//! Silence on the wire: a connection on which nothing comes back is given up within 15 s, and work goes on over a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::{ConnectOptions, Executor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};

use crate::harness::{Process, SOON, World, until};
use crate::namespace::Namespace;
use crate::own_rows::{ENTER, with_tables};
use crate::scrape::address;
use crate::server::{Beside, Server};
use crate::workflows::{SQUARES, WORK};

/// From the cut on, until work has come through again: the promise is 15 s, the rest is for a busy machine.
const WORKS_AGAIN: Duration = Duration::from_secs(22);
/// As long as the worker's log has to say it.
const SAID: Duration = Duration::from_secs(18);

/// A server behind the namespace's network, and a worker in there.
struct Behind {
    // First, so that its log is there when it is told.
    worker: Process,
    world: World,
    server: Server,
    network: Namespace,
}

impl Behind {
    async fn start(workflows: &[&str], arguments: &[&str]) -> Option<Behind> {
        let network = Namespace::make()?;
        let listen = format!("listen_addresses={}", network.host);
        let beside = Beside { settings: &[&listen], access: "host all all 10.0.0.0/8 trust", ..Beside::default() };
        let server = Server::with(beside).await;
        let world = World::on(&server, workflows).await;
        let worker = network.worker(&world, "w1", arguments);
        worker.says("worker started").await;
        let behind = Behind { worker, world, server, network };
        let alive = "select count(*) from piton.workers where session_lock is not null";
        until(SOON, "the worker listens", async || behind.world.count(alive).await == 1).await;
        Some(behind)
    }

    /// Processes of the server's that serve the worker.
    async fn backends(&self) -> Vec<i32> {
        let sql = "select pid from pg_stat_activity where client_addr is not null order by pid";
        sqlx::query_scalar(sql).fetch_all(&self.world.pool).await.unwrap()
    }
}

async fn says(worker: &Process, words: &str) {
    until(SAID, words, async || worker.log().contains(words)).await;
}

#[tokio::test]
async fn flows_that_are_dropped_while_nothing_is_to_do_cost_fifteen_seconds_at_most() {
    let Some(behind) = Behind::start(&[WORK], &[]).await else { return };
    let cut = behind.backends().await;
    behind.network.drop_flows();
    let dropped = Instant::now();
    let run = behind.world.start("work", r#"{"work_ms": 10}"#);
    let done = async || behind.world.state(&run).await == "done";
    until(WORKS_AGAIN, "the run is done over a new connection", done).await;
    println!("done {:?} after the cut", dropped.elapsed());
    says(&behind.worker, "the connection is given up, and work goes on over a new one").await;
    // The server too learns that nobody is there: what it was at does not hold locks for ever.
    let gone = async || !behind.backends().await.iter().any(|pid| cut.contains(pid));
    until(SAID * 2, "the server has given the old connections up", gone).await;
}

#[tokio::test]
async fn flows_that_are_dropped_while_statements_wait_cost_fifteen_seconds_at_most() {
    let Some(behind) = Behind::start(&[SQUARES], &["--slots", "8"]).await else { return };
    let world = &behind.world;
    let run = world.start("squares", r#"{"items": 400, "work_ms": 20}"#);
    let items = "select count(*) from piton.checkpoints where item >= 0";
    until(SOON, "some items are done", async || world.count(items).await >= 20).await;
    let mut lock = behind.server.options().connect().await.unwrap();
    lock.execute("begin; lock table piton.checkpoints in share mode").await.unwrap();
    let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and client_addr is not null";
    until(SOON, "a commit waits", async || world.count(waits).await > 0).await;
    behind.network.drop_flows();
    let dropped = Instant::now();
    lock.execute("commit").await.unwrap();
    let before = world.count(items).await;
    // What was under way lands on the server; the answer does not come through, and more than the slots is new work.
    until(WORKS_AGAIN, "new items are done", async || world.count(items).await > before + 32).await;
    println!("new items {:?} after the cut", dropped.elapsed());
    assert_eq!(world.ended(&run).await, "done");
    let lost = world.count("select count(*) from piton.attempts where outcome in ('failed', 'lost')").await;
    assert_eq!(lost, 0, "no worker was lost, only connections");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn while_the_host_of_the_database_is_gone_a_worker_says_so_lives_and_goes_on_when_it_is_back() {
    let Some(behind) = Behind::start(&[SQUARES], &["--slots", "8", "--health-every", "1s"]).await else { return };
    let world = &behind.world;
    let run = world.start("squares", r#"{"items": 300, "work_ms": 20}"#);
    let items = "select count(*) from piton.checkpoints where item >= 0";
    until(SOON, "some items are done", async || world.count(items).await >= 20).await;
    behind.network.drop_all();
    says(&behind.worker, "database is unhealthy").await;
    let metrics = address(&behind.worker);
    assert!(behind.network.command(world, &["health", "--live", "--at", &metrics]).status.success(), "it lives");
    let database = behind.network.command(world, &["health", "--at", &metrics]);
    assert!(!database.status.success(), "{}", String::from_utf8_lossy(&database.stdout));
    says(&behind.worker, "the connection is given up").await;
    behind.network.bring_back();
    let before = world.count(items).await;
    until(WORKS_AGAIN, "new items are done", async || world.count(items).await > before + 32).await;
    assert_eq!(world.ended(&run).await, "done");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_worker_whose_database_fell_silent_ends_within_its_grace() {
    let Some(mut behind) = Behind::start(&[WORK], &["--grace", "5s"]).await else { return };
    behind.world.start("work", r#"{"work_ms": 60000}"#);
    let began = async || !behind.world.journal().is_empty();
    until(SOON, "the stage runs", began).await;
    behind.network.drop_all();
    behind.worker.signal("TERM");
    let asked = Instant::now();
    behind.worker.exit_code().await;
    // The grace, ten seconds for what is handed back to land, and two to close.
    assert!(asked.elapsed() < Duration::from_secs(5 + 10 + 2 + 5), "it took {:?}", asked.elapsed());
}

#[tokio::test]
async fn a_worker_that_has_nothing_to_do_ends_at_once_although_its_database_is_silent() {
    let Some(mut behind) = Behind::start(&[WORK], &["--poll", "100ms"]).await else { return };
    behind.network.drop_all();
    // Longer than its poll: from now on it waits for an answer, and will for ten seconds more.
    tokio::time::sleep(Duration::from_secs(1)).await;
    behind.worker.signal("TERM");
    let asked = Instant::now();
    assert_eq!(behind.worker.exit_code().await, Some(0));
    assert!(asked.elapsed() < Duration::from_secs(11), "it took {:?}", asked.elapsed());
    assert!(behind.worker.log().contains("could not say goodbye to the database"), "{}", behind.worker.log());
}

/// A proxy that stops to carry what goes over the connections it has, and acknowledges every byte all the same.
struct DeafProxy {
    port: u16,
    /// Connections before that number are carried no more.
    deaf_before: Arc<AtomicU32>,
    accepted: Arc<AtomicU32>,
}

impl DeafProxy {
    async fn start(server: &Server) -> DeafProxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (deaf_before, accepted) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (deaf, numbers) = (deaf_before.clone(), accepted.clone());
        let socket = server.socket().join(".s.PGSQL.5432");
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let number = numbers.fetch_add(1, Ordering::SeqCst);
                let server = UnixStream::connect(&socket).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(carry(from_client, to_server, number, deaf.clone()));
                tokio::spawn(carry(from_server, to_client, number, deaf.clone()));
            }
        });
        DeafProxy { port, deaf_before, accepted }
    }

    fn go_deaf(&self) {
        self.deaf_before.store(self.accepted.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    number: u32,
    deaf_before: Arc<AtomicU32>,
) {
    let mut chunk = [0; 8192];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        if number >= deaf_before.load(Ordering::SeqCst) && to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
    if number < deaf_before.load(Ordering::SeqCst) {
        // Nor does it carry the end.
        std::future::pending::<()>().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_acknowledges_for_a_dead_server_is_seen_through() {
    let server = Server::start().await;
    let proxy = DeafProxy::start(&server).await;
    let mut world = World::on(&server, &[SQUARES]).await;
    world.environment.push(("DATABASE_URL", format!("postgres://piton@127.0.0.1:{}/postgres", proxy.port)));
    let mut worker = world.worker("w1", &["--slots", "8"]);
    worker.says("worker started").await;
    let run = world.start("squares", r#"{"items": 400, "work_ms": 20}"#);
    let items = "select count(*) from piton.checkpoints where item >= 0";
    until(SOON, "some items are done", async || world.count(items).await >= 20).await;
    proxy.go_deaf();
    let deaf = Instant::now();
    says(&worker, "the connection is given up, and work goes on over a new one").await;
    says(&worker, "database is unhealthy").await;
    let before = world.count(items).await;
    until(WORKS_AGAIN, "new items are done", async || world.count(items).await > before + 32).await;
    println!("new items {:?} after the proxy went deaf", deaf.elapsed());
    assert_eq!(world.ended(&run).await, "done");
    let log = worker.log();
    assert_eq!(log.matches("the connection is given up").count(), 1, "it is said once:\n{log}");
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0));
    world.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_a_stage_whose_commit_is_never_answered_is_given_up_and_its_rows_are_written_once() {
    let server = Server::start().await;
    let proxy = DeafProxy::start(&server).await;
    let mut world = with_tables(World::on(&server, &[ENTER]).await).await;
    world.environment.push(("DATABASE_URL", format!("postgres://piton@127.0.0.1:{}/postgres", proxy.port)));
    let mut worker = world.worker("w1", &["--slots", "2"]);
    worker.says("worker started").await;
    let run = world.start("enter", r#"{"open_ms": 500}"#);
    let running = "select count(*) from piton.jobs where state = 'running'";
    until(SOON, "the stage runs", async || world.count(running).await == 1).await;
    // Its commit waits for this lock, and for its answer for ever.
    let mut lock = world.pool.begin().await.unwrap();
    sqlx::query("select from piton.jobs for update").execute(&mut *lock).await.unwrap();
    let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%insert into piton.checkpoints%'";
    until(SOON, "its commit waits", async || world.count(waits).await == 1).await;
    proxy.go_deaf();
    lock.rollback().await.unwrap();
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.count("select count(*) from public.ledger").await, 1);
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0));
    world.assert_nothing_is_left().await;
}
