//! A heartbeat waits for nobody: neither for connections that stages use, nor for deadlines, nor for recoveries.

use std::process::Command;
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::harness::{Process, SOON, World, until};
use crate::workflows::WORK;

const STEPS: &str = "name = \"steps\"\n[stages.steps]\nrust = \"steps\"\n";
const LOST: &str = "select count(*) from piton.attempts where outcome = 'lost'";
const WAITING: &str = "select count(*) from pg_stat_activity
                       where datname = current_database() and application_name = 'piton' and wait_event_type = 'Lock'";

/// Until it is dropped, no step can be recorded: stages that want to hold every connection of their worker's pool.
async fn no_step_can_be_recorded(world: &World) -> PgConnection {
    let mut held = world.pool.acquire().await.unwrap().detach();
    sqlx::raw_sql("begin; lock table piton.steps in exclusive mode").execute(&mut held).await.unwrap();
    held
}

/// Fills the worker's pool, and returns the runs that do.
async fn fill_the_pool(world: &World) -> Vec<String> {
    let runs: Vec<String> = (0..12).map(|_| world.start("steps", r#"{"steps": 2}"#)).collect();
    until(SOON, "every connection for stages waits", async || world.count(WAITING).await >= 7).await;
    runs
}

async fn seconds_pass(world: &World, seconds: f64) {
    let now = async || -> f64 {
        sqlx::query_scalar("select extract(epoch from clock_timestamp())::float8").fetch_one(&world.pool).await.unwrap()
    };
    let begun = now().await;
    until(SOON * 2, "time passes", async || now().await - begun >= seconds).await;
}

#[tokio::test]
async fn a_worker_whose_every_connection_waits_is_not_taken_for_dead() {
    let world = World::with(&[STEPS]).await;
    let held = no_step_can_be_recorded(&world).await;
    let worker = world.worker("w1", &["--lease", "3s"]);
    worker.says("worker started").await;
    let runs = fill_the_pool(&world).await;
    let other = world.worker("w2", &["--lease", "3s"]);
    other.says("worker started").await;
    seconds_pass(&world, 12.0).await;
    assert_eq!(world.count(LOST).await, 0);
    assert_eq!(world.count("select count(*) from piton.workers where stopped_at is null").await, 2);
    held.close().await.unwrap();
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    assert_eq!(world.count(LOST).await, 0);
}

#[tokio::test]
async fn deadlines_that_take_long_hold_up_neither_looks_nor_recovery() {
    let world = World::with(&[WORK]).await;
    let victim = world.worker("w2", &[]);
    world.start("work", r#"{"work_ms": 600000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    let worker = world.worker("w1", &["--lease", "3s"]);
    worker.says("worker started").await;

    sqlx::raw_sql(
        "insert into piton.runs (uuid, version_id, input) select gen_random_uuid(), id, '{}' from piton.workflow_versions;
         insert into piton.jobs (run_id, workflow_id, version_id, stage, state, due_at)
         select r.id, v.workflow_id, v.id, 0, 'scheduled', now() + interval '1 hour'
         from piton.runs r join piton.workflow_versions v on v.id = r.version_id
         where not exists (select from piton.jobs j where j.run_id = r.id)",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let mut held = world.pool.acquire().await.unwrap().detach();
    sqlx::raw_sql("begin; select from piton.runs where id = (select max(id) from piton.runs) for update")
        .execute(&mut held)
        .await
        .unwrap();
    sqlx::query("insert into piton.deadlines (run_id, at) select max(id), now() from piton.runs")
        .execute(&world.pool)
        .await
        .unwrap();
    until(SOON, "somebody waits to end the run", async || world.count(WAITING).await >= 1).await;
    victim.kill();
    until(SOON, "the jobs of the dead one are run again", async || world.journal().len() == 2).await;
    assert!(world.count(WAITING).await >= 1, "the deadline waits all the time");
    assert_eq!(world.count("select count(*) from piton.workers where name = 'w1' and stopped_at is not null").await, 0);
    held.close().await.unwrap();
    let cancelled = "select count(*) from piton.runs where state = 'cancelled'";
    until(SOON, "the run is ended", async || world.count(cancelled).await == 1).await;
}

/// A worker in a process namespace of its own, as in a container: nobody sees from outside whether its process lives.
fn contained(world: &World, name: &str, arguments: &[&str]) -> Process {
    let folder = world.path("workflows");
    let mut all = vec!["worker", "--name", name, "--workflows", folder.to_str().unwrap()];
    all.extend(arguments);
    let inner = world.command(all);
    let mut outer = Command::new("unshare");
    outer.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(inner.get_program()).args(inner.get_args());
    outer.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(world.folder.path());
    Process::spawn(outer, world.path(&format!("{name}.log")))
}

fn namespaces_are_allowed() -> bool {
    let tried = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]).output();
    tried.is_ok_and(|tried| tried.status.success())
}

#[tokio::test]
async fn between_machines_a_session_that_is_lost_again_and_again_costs_no_attempt() {
    if !namespaces_are_allowed() {
        eprintln!("skipped: process namespaces are not allowed here");
        return;
    }
    let world = World::with(&[STEPS]).await;
    // Just after a start of the server everyone is given more time, which would hide what this is about.
    let young = "select count(*) where pg_postmaster_start_time() > now() - interval '11 seconds'";
    until(SOON, "the server is no longer young", async || world.count(young).await == 0).await;
    let held = no_step_can_be_recorded(&world).await;
    let worker = contained(&world, "w1", &[]);
    worker.says("worker started").await;
    let runs = fill_the_pool(&world).await;
    let other = contained(&world, "w2", &[]);
    other.says("worker started").await;
    let machines = "select count(distinct machine) from piton.workers";
    assert_eq!(world.count(machines).await, 2, "each sees only its own processes");
    let locked = "select count(*) from pg_locks l
                  join piton.workers w on (w.id >> 32)::oid = l.classid and (w.id & 4294967295)::oid = l.objid
                  where l.locktype = 'advisory' and l.granted and l.mode = 'ExclusiveLock' and l.objsubid = 1";
    for _ in 0..10 {
        until(SOON, "both have their session locks", async || world.count(locked).await == 2).await;
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_locks
             where locktype = 'advisory' and mode = 'ExclusiveLock' and database = (
                 select oid from pg_database where datname = current_database())",
        )
        .execute(&world.pool)
        .await
        .unwrap();
        seconds_pass(&world, 1.0).await;
    }
    assert_eq!(world.count(LOST).await, 0);
    assert_eq!(world.count("select count(*) from piton.workers").await, 2, "nobody was given up");
    held.close().await.unwrap();
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    drop((worker, other));
    assert_eq!(world.count(LOST).await, 0);
}

/// What a look or a stage holds up is no sign of death, and a dead worker is still found at once.
#[tokio::test]
async fn between_machines_a_killed_worker_s_jobs_are_claimed_within_seconds() {
    if !namespaces_are_allowed() {
        eprintln!("skipped: process namespaces are not allowed here");
        return;
    }
    let world = World::with(&[WORK]).await;
    let young = "select count(*) where pg_postmaster_start_time() > now() - interval '11 seconds'";
    until(SOON, "the server is no longer young", async || world.count(young).await == 0).await;
    let victim = contained(&world, "w1", &["--lease", "1h"]);
    let run = world.start("work", r#"{"work_ms": 3000}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    let other = contained(&world, "w2", &["--lease", "1h"]);
    other.says("worker started").await;
    let killed = std::time::Instant::now();
    victim.kill();
    until(SOON, "the other one runs it", async || world.journal().len() == 2).await;
    assert!(killed.elapsed() < Duration::from_secs(12), "it took {:?}", killed.elapsed());
    assert_eq!(world.ended(&run).await, "done");
}
