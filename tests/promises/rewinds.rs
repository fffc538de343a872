//! A database that went back in time under living workers: whatever numbers it gives out again, nothing of what it forgot is
//! taken for something of now.

use crate::harness::{SOON, World, until};

const NODE: &str = "name = \"node\"\n[stages.node]\nrust = \"node\"\n";

/// Forgets the only run, and gives its numbers to the next one.
async fn forget_the_run(world: &World) {
    let (run, job): (i64, i64) =
        sqlx::query_as("select run_id, id from piton.jobs").fetch_one(&world.pool).await.unwrap();
    let sql = format!(
        "delete from piton.jobs; delete from piton.steps; delete from piton.artifacts; delete from piton.runs;
         alter table piton.runs alter column id restart with {run};
         alter table piton.jobs alter column id restart with {job};"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&world.pool).await.unwrap();
}

#[tokio::test]
async fn what_a_lost_run_returns_is_never_committed_for_the_run_that_has_its_numbers_now() {
    let world = World::with(&[NODE]).await;
    let worker = world.worker("w1", &[]);
    world.start("node", r#"{"say": "lost", "slow": {"node": 1500}}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    forget_the_run(&world).await;
    // Both run on one worker, as attempt 1 at the same stage of the same job of the same run, if one goes by the numbers.
    let run = world.start("node", r#"{"say": "mine", "slow": {"node": 4000}}"#);
    until(SOON, "it runs, too", async || world.journal().len() == 2).await;
    worker.says("no longer held").await;
    assert_eq!(world.state(&run).await, "running", "the lost one's end has ended it");
    assert_eq!(world.ended(&run).await, "done");
    let said = "select output ->> 'say' from piton.checkpoints";
    let said: String = sqlx::query_scalar(said).fetch_one(&world.pool).await.unwrap();
    let remembered = "select output #>> '{}' from piton.steps";
    let remembered: String = sqlx::query_scalar(remembered).fetch_one(&world.pool).await.unwrap();
    assert_eq!((said.as_str(), remembered.as_str()), ("mine", "mine"));
    world.assert_nothing_is_left().await;
}

/// A version that was registered in the time that is lost has no number that another definition could get.
#[tokio::test]
async fn a_registration_that_was_lost_gets_its_keys_again_and_no_other_definition_does() {
    let world = World::with(&[NODE]).await;
    let ids = "select w.id, v.id from piton.workflows w join piton.workflow_versions v on v.workflow_id = w.id
               where w.name = $1";
    let ids_of = async |name: &str| -> (i64, i64) {
        sqlx::query_as(ids).bind(name.to_owned()).fetch_one(&world.pool).await.unwrap()
    };
    world.start("node", "{}");
    let first = ids_of("node").await;
    let forget = "delete from piton.jobs; delete from piton.runs; update piton.workflows set current_version_id = null;
                  delete from piton.workflow_versions; delete from piton.workflows;
                  alter table piton.workflows alter column id restart with 1;
                  alter table piton.workflow_versions alter column id restart with 1";
    sqlx::raw_sql(forget).execute(&world.pool).await.unwrap();
    world.write_workflows(&["name = \"other\"\n[stages.other]\nrust = \"echo\"\n"]);
    world.start("other", "{}");
    let other = ids_of("other").await;
    assert!(other.0 != first.0 && other.1 != first.1);
    world.write_workflows(&[NODE]);
    world.start("node", "{}");
    assert_eq!(ids_of("node").await, first);
}

const KEEP: &str = "name = \"keep\"\n[stages.keep]\nrust = \"keep\"\n";

/// Its claim is still there, but not what it has put on record since.
#[tokio::test]
async fn a_checkpoint_lands_with_the_artifacts_it_names_or_not_at_all() {
    let world = World::with(&[KEEP]).await;
    let worker = world.worker("w1", &[]);
    let run = world.start("keep", r#"{"names": ["kept.txt"], "work_ms": 2000}"#);
    let whole = "select count(*) from piton.artifacts where digest is not null";
    until(SOON, "its artifact is whole", async || world.count(whole).await == 1).await;
    sqlx::query("delete from piton.artifacts").execute(&world.pool).await.unwrap();
    worker.says("no longer held").await;
    assert_eq!(world.ended(&run).await, "done");
    let visible = "select count(*) from piton.artifacts a join piton.checkpoints k using (run_id, stage, item, attempt)
                   where a.type = 'output'";
    assert_eq!(world.count(visible).await, 1);
    world.assert_nothing_is_left().await;
}
