//! The database is there, and refuses: workers wait, keep what they have, and go on.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use crate::harness::{Process, SOON, World, until};
use crate::server::Server;
use crate::workflows::SQUARES;

/// How long the trouble lasts: long enough that claims, commits and heartbeats all meet it.
const TROUBLE: Duration = Duration::from_secs(4);
const ITEMS: i64 = 400;
const SLOTS: usize = 8;

/// Two workers in the middle of a fan-out, on a server of their own.
struct Campaign {
    // First, so that their logs are there when they are told.
    workers: [Process; 2],
    run: String,
    world: World,
    server: Server,
}

impl Campaign {
    async fn start() -> Campaign {
        let server = Server::start().await;
        let world = World::on(&server, &[SQUARES]).await;
        let slots = (SLOTS / 2).to_string();
        let workers = [world.worker("w1", &["--slots", &slots]), world.worker("w2", &["--slots", &slots])];
        for worker in &workers {
            worker.says("worker started").await;
        }
        let run = world.start("squares", &serde_json::json!({"items": ITEMS, "work_ms": 30}).to_string());
        let campaign = Campaign { workers, run, world, server };
        campaign.some_items_are_done().await;
        campaign
    }

    async fn some_items_are_done(&self) {
        let items = "select count(*) from piton.checkpoints where item >= 0";
        until(SOON, "some items are done", async || self.world.count(items).await >= 30).await;
    }

    /// A session that the trouble does not concern.
    async fn outside(&self) -> PgConnection {
        let mut outside = self.server.options().database("template1").connect().await.unwrap();
        outside.execute("set statement_timeout = 0; set default_transaction_read_only = off").await.unwrap();
        outside
    }

    /// For as long as the trouble lasts; both workers meet it.
    async fn endure(&self) {
        for worker in &self.workers {
            worker.says("wait").await;
        }
        // The trouble itself is the event.
        tokio::time::sleep(TROUBLE).await;
    }

    async fn assert_nothing_was_lost(mut self) {
        let world = &self.world;
        assert_eq!(world.ended(&self.run).await, "done");
        assert!(self.workers.iter_mut().all(Process::is_running), "a worker exited");
        assert_eq!(
            world.count("select count(*) from piton.checkpoints where stage = 1 and item >= 0").await,
            ITEMS,
            "an item has no checkpoint"
        );
        let ends: Vec<String> = sqlx::query_scalar(
            "select concat_ws(' ', outcome, message) from piton.attempts where outcome in ('failed', 'lost')",
        )
        .fetch_all(&world.pool)
        .await
        .unwrap();
        assert_eq!(ends, [""; 0]);
        world.assert_nothing_is_left().await;
    }
}

/// A setting of the whole server, also for the sessions that are there.
async fn set(outside: &mut PgConnection, setting: &str) {
    for statement in [&format!("alter system {setting}"), "select pg_reload_conf()"] {
        outside.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_that_is_read_only_is_waited_for() {
    let campaign = Campaign::start().await;
    let mut outside = campaign.outside().await;
    set(&mut outside, "set default_transaction_read_only = on").await;
    campaign.endure().await;
    set(&mut outside, "reset default_transaction_read_only").await;
    campaign.assert_nothing_was_lost().await;
}

#[tokio::test]
async fn a_database_that_is_read_only_for_longer_than_the_lease_loses_no_result() {
    let campaign = Campaign::start().await;
    let mut outside = campaign.outside().await;
    set(&mut outside, "set default_transaction_read_only = on").await;
    campaign.endure().await;
    let begun = campaign.world.journal().len();
    // The lease is 15 s.
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(campaign.world.journal().len(), begun, "attempts began while results waited in every slot");
    set(&mut outside, "reset default_transaction_read_only").await;
    campaign.assert_nothing_was_lost().await;
}

/// As a timeout does that somebody has set for them, or a person who sees one that takes long.
#[tokio::test]
async fn statements_that_are_cancelled_are_sent_again() {
    let campaign = Campaign::start().await;
    let mut outside = campaign.outside().await;
    let cancel = "select count(*) filter (where pg_cancel_backend(pid)) from pg_stat_activity
                  where pid <> pg_backend_pid() and application_name = 'piton' and state = 'active'";
    let begun = std::time::Instant::now();
    // Some statements are quicker than that.
    until(SOON, "statements are cancelled", async || {
        sqlx::query_scalar::<_, i64>(cancel).fetch_one(&mut outside).await.unwrap();
        let met =
            campaign.workers.iter().any(|worker| worker.log().contains("canceling statement due to user request"));
        met && begun.elapsed() > TROUBLE
    })
    .await;
    campaign.assert_nothing_was_lost().await;
}

#[tokio::test]
async fn a_server_without_a_free_connection_is_waited_for() {
    let campaign = Campaign::start().await;
    let mut outside = campaign.outside().await;
    let mut others = Vec::new();
    // Whoever is quicker than the workers has theirs.
    until(SOON, "others have every connection", async || {
        let piton = "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
                     where pid <> pg_backend_pid() and datname = 'postgres' and application_name = 'piton'";
        let ended: i64 = sqlx::query_scalar(piton).fetch_one(&mut outside).await.unwrap();
        while let Ok(other) = campaign.server.options().connect().await {
            others.push(other);
        }
        ended == 0
    })
    .await;
    assert!(others.len() > 20, "{} connections", others.len());
    campaign.endure().await;
    for other in others {
        other.close().await.unwrap();
    }
    campaign.assert_nothing_was_lost().await;
}

#[tokio::test]
async fn a_database_that_lets_nobody_in_is_waited_for() {
    let campaign = Campaign::start().await;
    let mut outside = campaign.outside().await;
    outside.execute("alter database postgres allow_connections false").await.unwrap();
    let sessions = "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'postgres'";
    outside.execute(sessions).await.unwrap();
    campaign.endure().await;
    outside.execute("alter database postgres allow_connections true").await.unwrap();
    campaign.assert_nothing_was_lost().await;
}

/// An error of that code, once in so many rows that are written.
async fn raise(world: &World, code: &str, once_in: u32) {
    let function = format!(
        "create or replace function public.trouble() returns trigger language plpgsql as $$
         begin
             if random() < 1.0 / {once_in} then
                 raise exception 'trouble' using errcode = '{code}';
             end if;
             return new;
         end
         $$"
    );
    world.pool.execute(AssertSqlSafe(function)).await.unwrap();
    for written in ["insert on piton.checkpoints", "update on piton.jobs", "update on piton.workers"] {
        let table = written.rsplit(' ').next().unwrap();
        let trigger = format!(
            "drop trigger if exists trouble on {table};
             create trigger trouble before {written} for each row execute function public.trouble()"
        );
        sqlx::raw_sql(AssertSqlSafe(trigger)).execute(&world.pool).await.unwrap();
    }
}

#[tokio::test]
async fn deadlocks_and_serialization_errors_are_sent_again() {
    let campaign = Campaign::start().await;
    raise(&campaign.world, "40001", 10).await;
    tokio::time::sleep(TROUBLE / 2).await;
    raise(&campaign.world, "40P01", 10).await;
    campaign.assert_nothing_was_lost().await;
}

#[tokio::test]
async fn a_stricter_isolation_of_the_database_changes_nothing() {
    for isolation in ["repeatable read", "serializable"] {
        let campaign = Campaign::start().await;
        let mut outside = campaign.outside().await;
        set(&mut outside, &format!("set default_transaction_isolation = '{isolation}'")).await;
        let terminated = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'piton'";
        outside.execute(terminated).await.unwrap();
        campaign.assert_nothing_was_lost().await;
    }
}

#[tokio::test]
async fn results_that_cannot_be_written_bound_the_claims() {
    let campaign = Campaign::start().await;
    let world = &campaign.world;
    let full = "create function public.full() returns trigger language plpgsql as $$
                begin raise exception 'no space left on device' using errcode = '53100'; end $$;
                create trigger trouble before insert on piton.checkpoints for each row execute function public.full()";
    sqlx::raw_sql(full).execute(&world.pool).await.unwrap();
    let begun = world.journal().len();
    campaign.endure().await;
    let begun = world.journal().len() - begun;
    assert!(begun <= 2 * SLOTS, "{begun} attempts began while results waited in {SLOTS} slots");
    world.pool.execute("drop trigger trouble on piton.checkpoints").await.unwrap();
    campaign.assert_nothing_was_lost().await;
}
