//! Starts of runs wake workers, and never wait for each other (promise 14).

use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::harness::{SOON, World, until};
use crate::workflows::WORK;

/// With these, only a wake-up finds a job in time: the next look is a minute away.
const ASLEEP: &[&str] = &["--poll", "1m", "--lease", "10m"];
const START: &str = "select piton.start_run('work')";
const ASKING: &str = "select count(*) from pg_locks l join pg_database d on d.oid = l.database
                      where d.datname = current_database() and l.locktype = 'advisory' and l.classid = 1885959278
                        and l.objid = 2 and l.granted";

async fn unfinished(world: &World) -> i64 {
    world.count("select count(*) from piton.runs where state = 'running'").await
}

async fn all_done(world: &World, what: &str) {
    until(SOON, what, async || unfinished(world).await == 0).await;
}

async fn asks(world: &World) {
    until(SOON, "the worker asks for notifications", async || world.count(ASKING).await > 0).await;
}

async fn connect(world: &World) -> PgConnection {
    PgConnection::connect(&world.url).await.unwrap()
}

/// How many notifications that makes. Its own one, at the end, shows that none is still on its way.
async fn notifications(world: &World, sql: &str) -> usize {
    let mut ear = PgListener::connect_with(&world.pool).await.unwrap();
    ear.listen("piton_jobs").await.unwrap();
    world.pool.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    world.pool.execute("select pg_notify('piton_jobs', 'the end')").await.unwrap();
    let mut heard = 0;
    while ear.recv().await.unwrap().payload() != "the end" {
        heard += 1;
    }
    heard
}

#[tokio::test]
async fn where_no_worker_asks_no_verb_notifies_and_no_commit_waits_for_another() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    let give_up = "select piton.force_dead_letter((select uuid from piton.runs r join piton.jobs j on j.run_id = r.id limit 1), 'work', 'x')";
    let verbs = [
        START,
        "select count(*) from piton.start_runs('work', array['{}', '{}']::json[])",
        "select piton.start_batch('b', 'work', array['{}', '{}']::json[])",
        give_up,
        "select piton.retry_dead_letter((select id from piton.dead_letters where resolution = 'pending'), 'Ada')",
        give_up,
        "select piton.retry_dead_letter((select id from piton.dead_letters where resolution = 'pending'), 'Ada', from_beginning => true)",
    ];
    for verb in verbs {
        assert_eq!(notifications(&world, verb).await, 0, "{verb}");
    }
    let _worker = world.worker("w1", ASLEEP);
    asks(&world).await;
    all_done(&world, "it does what it finds").await;
    assert_eq!(notifications(&world, START).await, 1);
}

/// It does not ask: `only_listens` is what such a program leaves to the column's default.
#[tokio::test]
async fn a_worker_of_the_release_before_is_always_notified() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    let old = "insert into piton.workers (boot_id, name, host, pid) values (gen_random_uuid(), 'old', 'h', 1)";
    world.pool.execute(old).await.unwrap();
    assert_eq!(notifications(&world, START).await, 1);
    world.pool.execute("update piton.workers set stopped_at = now(), stop_reason = 'lost'").await.unwrap();
    assert_eq!(notifications(&world, START).await, 0);
}

/// At random moments, so that some fall between the worker's last look and its sleep.
#[tokio::test]
async fn an_idle_worker_is_woken_by_every_start_whatever_the_caller_s_transaction_is_like() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    let _worker = world.worker("w1", ASLEEP);
    asks(&world).await;
    let mut caller = connect(&world).await;
    let ways = [
        START.to_owned(),
        format!("begin isolation level repeatable read; select 1; {START}; commit"),
        format!("begin isolation level serializable; {START}; select pg_sleep(0.02); commit"),
        format!("begin; savepoint a; {START}; rollback to a; {START}; commit"),
        format!("begin; {START}; {START}; prepare_nothing"),
    ];
    for round in 0..120_u64 {
        let way = &ways[(round % 4) as usize];
        caller.execute(AssertSqlSafe(way.clone())).await.unwrap();
        all_done(&world, way).await;
        tokio::time::sleep(Duration::from_micros(rand::random_range(0..6_000))).await;
    }
    // One that fails starts nothing, and leaves nothing held.
    caller.execute(AssertSqlSafe(ways[4].clone())).await.unwrap_err();
    caller.execute("rollback").await.unwrap();
    caller.execute(START).await.unwrap();
    all_done(&world, "after a transaction that failed").await;
}

#[tokio::test]
async fn starts_that_overlap_stop_notifying_and_all_of_them_begin_at_once() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    let _worker = world.worker("w1", ASLEEP);
    asks(&world).await;
    let mut ear = PgListener::connect_with(&world.pool).await.unwrap();
    ear.listen("piton_jobs").await.unwrap();
    // One stays under way all the time: nobody can know yet whether it will be seen.
    let mut open = connect(&world).await;
    open.execute("begin").await.unwrap();
    open.execute(START).await.unwrap();
    let callers = (0..8).map(|_| {
        let url = world.url.clone();
        tokio::spawn(async move {
            let mut caller = PgConnection::connect(&url).await.unwrap();
            for _ in 0..150 {
                caller.execute(START).await.unwrap();
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    all_done(&world, "the others do not wait for the one that is open").await;
    world.pool.execute("select pg_notify('piton_jobs', 'the end')").await.unwrap();
    let mut heard = 0;
    while ear.recv().await.unwrap().payload() != "the end" {
        heard += 1;
    }
    assert!(heard < 600, "{heard} of 1200 starts notified");
    open.execute("commit").await.unwrap();
    all_done(&world, "the one that was open is found").await;
    asks(&world).await;
}
