//! A worker that has nothing to do costs next to nothing.

use sqlx::{ConnectOptions, Executor};

use crate::harness::{SOON, World, until};
use crate::scrape::{address, text};
use crate::workflows::CHAIN;

#[tokio::test]
async fn an_idle_worker_makes_at_most_one_statement_a_second_and_none_for_a_scrape() {
    let world = World::with(&[CHAIN]).await;
    let worker = world.worker("w1", &[]);
    worker.says("worker started").await;
    let name = world.pool.connect_options().get_database().unwrap().to_owned();
    // From another database, so that asking does not count.
    let mut outside = (*world.pool.connect_options()).clone().database("postgres").connect().await.unwrap();
    outside.execute("create extension if not exists pg_stat_statements").await.unwrap();
    let mut look = async || -> (i64, f64) {
        sqlx::query_as(
            "select coalesce(sum(calls), 0)::int8, extract(epoch from clock_timestamp())::float8
             from pg_stat_statements where dbid = (select oid from pg_database where datname = $1)",
        )
        .bind(&name)
        .fetch_one(&mut outside)
        .await
        .unwrap()
    };
    let begun = look().await;
    let (mut before, mut after) = (begun, begun);
    let (address, mut scrapes) = (address(&worker), 0);
    until(SOON, "the start is over, and twelve seconds more", async || {
        after = look().await;
        assert!(text(&address).contains("piton_slots"));
        scrapes += 1;
        if after.1 - begun.1 < 3.0 {
            before = after;
        }
        after.1 - before.1 >= 12.0
    })
    .await;
    let (statements, seconds) = (after.0 - before.0, after.1 - before.1);
    assert!(scrapes > 30, "{scrapes} scrapes");
    assert!(statements >= 3, "the statistics do not count");
    assert!(statements as f64 <= seconds, "{statements} statements in {seconds:.1} s");
}
