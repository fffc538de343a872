//! A worker that has nothing to do costs next to nothing.

use sqlx::{ConnectOptions, Executor};

use crate::harness::{Process, SOON, World, until};
use crate::scrape::{address, text};
use crate::statements::Statements;
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

#[tokio::test]
async fn a_busy_worker_sends_its_statements_and_hardly_a_question_whether_a_connection_still_answers() {
    let world = World::with(&[CHAIN]).await;
    world.deploy("chain");
    let (database, folder) = world.database();
    let statements = Statements::counted(&folder);
    let workflows = world.path("workflows");
    let mut command = world.command(["worker", "--name", "w1", "--workflows", workflows.to_str().unwrap()]);
    command.env("DATABASE_URL", statements.url(&database));
    let worker = Process::spawn(command, world.path("w1.log"));
    worker.says("worker started").await;
    let (sent, asked) = statements.counts();
    // One after another: each stage is claimed or handed on, and committed, by itself.
    for _ in 0..50 {
        sqlx::query("select piton.start_run('chain', '{}')").execute(&world.pool).await.unwrap();
        until(SOON, "it is done", async || world.count("select count(*) from piton.jobs").await == 0).await;
    }
    let (sent, asked) = (statements.counts().0 - sent, statements.counts().1 - asked);
    assert!(sent >= 200, "a claim and three commits of each run are counted: {sent}");
    assert!(asked * 4 < sent, "{asked} questions beside {sent} statements");
}
