//! A cleanup that is killed at any statement: catalogue and store agree, and the next one finishes the job.

use std::collections::BTreeSet;

use rand::SeedableRng;
use rand::rngs::StdRng;
use sqlx::types::Uuid;

use crate::cleanup::{self, Past};
use crate::harness::{Process, SOON, World, stdout, until};
use crate::statements::{Side, Statements};

/// As seen by whoever looks after the crash, whatever was done and whatever was not.
async fn assert_reconcilable(world: &World, history: &[Past], when: &str) {
    let visible: Vec<String> = sqlx::query_scalar("select address from piton.artifacts where type <> 'orphan'")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    for address in visible {
        assert!(world.path("artifacts").join(&address).exists(), "{when}: {address} is visible, and has no file");
    }
    let known: BTreeSet<String> = sqlx::query_scalar::<_, String>("select address from piton.artifacts")
        .fetch_all(&world.pool)
        .await
        .unwrap()
        .into_iter()
        .collect();
    for past in history {
        for made in &past.artifacts {
            let address = format!("runs/{}/{}", past.run, made.id);
            let is_there = world.path("artifacts").join(&address).exists();
            assert!(!is_there || known.contains(&address), "{when}: nobody knows of {address}");
        }
    }
    let runs = cleanup::left(world, "select uuid from piton.runs").await;
    let on_record =
        cleanup::left(world, "select run from piton.cleanup_items where what = 'runs' and deleted_at is not null")
            .await;
    for past in history {
        let (left, stays) = cleanup::expected(past);
        assert!(!stays || runs.contains(&past.run), "{when}: {past:?} was protected, or not due");
        assert!(runs.contains(&past.run) || on_record.contains(&past.run), "{when}: {past:?} is gone without a record");
        for id in left {
            let file = world.path("artifacts").join(format!("runs/{}/{id}", past.run));
            assert!(file.exists(), "{when}: artifact {id} of {past:?} was protected, or not due");
        }
    }
}

/// Kills a cleanup there; `false` when it was through before.
async fn killed_at(history: &[Past], number: usize, side: Side) -> bool {
    let when = format!("{side:?} statement {number}");
    let world = cleanup::world_of(history).await;
    let (database, folder) = world.database();
    let statements = Statements::before(&folder, (number, side));
    let mut command = world.command(["cleanup", "run"]);
    command.env("DATABASE_URL", statements.url(&database));
    let mut process = Process::spawn(command, world.path("killed.log"));
    if !statements.is_reached(|| !process.is_running()) {
        assert!(process.log().contains("Deleted") || process.log().contains("Nothing"), "{when}: {}", process.log());
        return false;
    }
    process.kill();
    // What had reached the server is done there to its end.
    until(SOON, "its sessions are over", async || {
        let sessions = "select count(*) from pg_stat_activity
                        where datname = current_database() and application_name = 'piton'";
        world.count(sessions).await == 0
    })
    .await;
    assert_reconcilable(&world, history, &when).await;
    let again: Vec<Uuid> = sqlx::query_scalar("select id from piton.cleanups where state = 'running'")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    for plan in again {
        stdout(&world.command(["cleanup", "run", "--plan", &plan.to_string()]).output().unwrap());
    }
    // Artifacts, the runs that had them, and that nothing is left.
    let rounds: Vec<String> = (0..3).map(|_| stdout(&world.command(["cleanup", "run"]).output().unwrap())).collect();
    assert!(rounds[2].contains("Nothing was due"), "{when}: {rounds:#?}");
    cleanup::assert_cleaned(&world, history).await;
    assert_eq!(world.count("select count(*) from piton.cleanups where state = 'running'").await, 0, "{when}");
    true
}

/// At every statement, on that side of it.
async fn killed_everywhere(side: Side) {
    let history = cleanup::history(&mut StdRng::seed_from_u64(7), 40);
    let due = history.iter().filter(|past| !cleanup::expected(past).1).count();
    let artifacts: usize = history.iter().map(|past| past.artifacts.len() - cleanup::expected(past).0.len()).sum();
    assert!(due >= 2 && artifacts >= 2, "{due} runs and {artifacts} artifacts are too few to tell");
    // Keeps the server of the tests up in between.
    let _world = World::with(&[]).await;
    let mut number = 1;
    while killed_at(&history, number, side).await {
        number += 1;
    }
    assert!(number > 15, "{number} statements are too few");
}

#[tokio::test]
async fn a_cleanup_that_is_killed_before_any_statement_is_finished_by_the_next_one() {
    killed_everywhere(Side::Before).await;
}

#[tokio::test]
async fn a_cleanup_that_is_killed_after_any_statement_is_finished_by_the_next_one() {
    killed_everywhere(Side::After).await;
}
