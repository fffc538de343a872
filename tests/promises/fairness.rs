//! A run that goes from stage to stage in one slot leaves room for the others: waiting times are bounded in stages.

use sqlx::AssertSqlSafe;

use crate::harness::{SOON, World, stdout, until};
use crate::workflows::CHAIN;

/// Stages that a run may do in a row while another of its priority waits (`model/turn.rs`).
const MOST_IN_A_ROW: i64 = 16;

/// A chain of that many stages, and a workflow of one stage.
fn workflows(stages: usize) -> [String; 2] {
    let mut chain = "name = \"long\"\n[stages.s0]\nrust = \"work\"\n".to_owned();
    for stage in 1..stages {
        chain.push_str(&format!("[stages.s{stage}]\nrust = \"work\"\nneeds = [\"s{}\"]\n", stage - 1));
    }
    [chain, "name = \"short\"\n[stages.only]\nrust = \"work\"\n".to_owned()]
}

/// How many stages of the long run were finished between the start of the short run and the start of its stage.
async fn waited_for(world: &World, short: &str) -> i64 {
    sqlx::query_scalar(
        "select count(*) from piton.checkpoints l, piton.runs r join piton.checkpoints s on s.run_id = r.id
         where r.uuid = $1::uuid and l.run_id <> r.id and l.finished_at between r.started_at and s.started_at",
    )
    .bind(short)
    .fetch_one(&world.pool)
    .await
    .unwrap()
}

async fn wait_while_a_long_run_goes(stages: usize, work_ms: u32, priority: &str) -> i64 {
    let [long, short] = workflows(stages);
    let world = World::with(&[&long, &short]).await;
    let long = world.start("long", &format!("{{\"work_ms\": {work_ms}}}"));
    let _worker = world.worker("w1", &["--slots", "1"]);
    until(SOON, "it is on its way", async || world.count("select count(*) from piton.checkpoints").await >= 2).await;
    let folder = world.path("workflows");
    let arguments = ["start", "short", "--priority", priority, "--workflows", folder.to_str().unwrap()];
    let short = stdout(&world.command(arguments).output().unwrap()).trim().to_owned();
    assert_eq!(world.ended(&short).await, "done");
    assert_eq!(world.state(&long).await, "running", "the long run was to be overtaken");
    let waited = waited_for(&world, &short).await;
    assert_eq!(world.ended(&long).await, "done");
    world.assert_nothing_is_left().await;
    waited
}

#[tokio::test]
async fn a_run_of_higher_priority_waits_for_one_stage_and_not_for_a_run() {
    let waited = wait_while_a_long_run_goes(12, 400, "5").await;
    // The stage that ran, and one more if it ended before anyone looked.
    assert!(waited <= 2, "it waited for {waited} stages");
}

#[tokio::test]
async fn a_run_of_the_same_priority_waits_for_a_bounded_number_of_stages() {
    let waited = wait_while_a_long_run_goes(60, 60, "0").await;
    // Who waits is known a quarter of a second late at most: a few stages more.
    assert!(waited <= MOST_IN_A_ROW + 8, "it waited for {waited} stages");
}

/// Every run has a moment of its own at which it came, as where applications start them; claims take them in that order, and after the first
/// one behind a cursor, where a claim shows nothing of the queue's head.
#[tokio::test]
async fn no_branch_yields_to_a_job_that_its_own_worker_has_claimed() {
    const RUNS: i64 = 3000;
    let world = World::with(&[CHAIN]).await;
    world.deploy("chain");
    let one_by_one = format!(
        "do $$ begin for i in 1..{RUNS} loop perform piton.start_run('chain', '{{}}'); commit; end loop; end $$"
    );
    sqlx::raw_sql(AssertSqlSafe(one_by_one)).execute(&world.pool).await.unwrap();
    let _worker = world.worker("w1", &["--slots", "100"]);
    let done = async || world.count("select count(*) from piton.runs where state = 'done'").await;
    until(SOON, "all are done", async || done().await == RUNS).await;
    // An attempt that was handed on began at the moment when the one before it was committed.
    let handed_on = "select count(*) from piton.checkpoints a join piton.checkpoints b
                         on b.run_id = a.run_id and b.stage = a.stage + 1 and b.started_at = a.finished_at";
    let handed_on = world.count(handed_on).await;
    assert!(handed_on > 2 * RUNS * 8 / 10, "only {handed_on} of {} stages were handed on", 2 * RUNS);
}
