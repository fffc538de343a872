//! Postgres fails over, with commits that are lost or with none: what is lost is lost whole, and nothing is mixed up.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::harness::{Process, SOON, World, stdout, until};
use crate::pair::{Copy, Pair};

/// Two stages, each with a step and an artifact, whose outputs say of which run they are.
const MARKED: &str = r#"
name = "marked"
[stages.first]
rust = "mark"
[stages.second]
rust = "mark"
needs = ["first"]
"#;

/// As many as are started at once: a sequence is up to 32 values ahead on a standby, so that fewer would show nothing.
const MANY: usize = 100;

/// Starts a run for each mark, all at once.
async fn start_all(world: &World, marks: impl IntoIterator<Item = String>, work_ms: u64) -> Vec<String> {
    let inputs: Vec<Value> = marks.into_iter().map(|mark| json!({"mark": mark, "work_ms": work_ms})).collect();
    let mut started = Vec::new();
    let sql = "select run::text from piton.start_runs('marked', $1::json[]) as run";
    // The pool may hold connections to a server that is gone.
    until(SOON, "the runs are started", async || {
        let answer = sqlx::query_scalar(sql).bind(&inputs).fetch_all(&world.pool).await;
        answer.map(|runs| started = runs).is_ok()
    })
    .await;
    started
}

fn marks(prefix: &str) -> impl Iterator<Item = String> {
    (0..MANY).map(move |number| format!("{prefix}-{number}"))
}

/// How often a stage of a run with a mark that begins like that has begun.
fn begun(world: &World, prefix: &str) -> usize {
    world.journal().iter().filter(|line| line.starts_with(prefix)).count()
}

/// Every run that there is comes to its end, on its own input and nobody else's: outputs, steps and artifacts.
async fn assert_all_end_and_nothing_is_mixed_up(world: &World) {
    let live = "select count(*) from piton.runs where state = 'running'";
    until(SOON * 2, "every run is over", async || world.count(live).await == 0).await;
    let wrong: Vec<String> = sqlx::query_scalar(
        "select 'output: ' || (r.input ->> 'mark') || ' has ' || k.output
         from piton.checkpoints k join piton.runs r on r.id = k.run_id
         where k.output ->> 'mark' is distinct from r.input ->> 'mark'
            or k.output ->> 'remembered' is distinct from r.input ->> 'mark'
            or k.stage = 1 and k.output ->> 'before' is distinct from r.input ->> 'mark'
         union all
         select 'step: ' || (r.input ->> 'mark') || ' has ' || s.output
         from piton.steps s join piton.runs r on r.id = s.run_id
         where s.output #>> '{}' is distinct from r.input ->> 'mark'
         union all
         select 'artifact: ' || (r.input ->> 'mark') || ' has another''s'
         from piton.artifacts a join piton.runs r on r.id = a.run_id
         where a.digest is distinct from sha256(convert_to(r.input ->> 'mark', 'UTF8'))
         union all
         select 'worker: ' || (r.input ->> 'mark') || ' has a result of one that is not known'
         from piton.checkpoints k join piton.runs r on r.id = k.run_id
         where not exists (select from piton.workers w where w.id = k.worker_id and w.started_at <= k.started_at)",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert!(wrong.is_empty(), "{} mixed up, such as {:?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    let states = "select count(*) from piton.runs where state <> 'done'";
    assert_eq!(world.count(states).await, 0, "a run did not end as it should");
    world.assert_nothing_is_left().await;
    let verified = stdout(&world.command(["verify", "--all"]).output().unwrap());
    assert!(!verified.contains("differ"), "{verified}");
}

#[tokio::test]
async fn what_a_failover_loses_is_lost_whole_and_no_new_run_gets_the_outputs_of_a_lost_one() {
    let mut pair = Pair::start().await;
    let world = World::at(pair.url(), &[MARKED]).await;
    let mut worker = world.worker("w1", &["--slots", "300", "--lease", "5s"]);
    worker.says("worker started").await;
    let kept = start_all(&world, marks("kept").take(3), 0).await;
    pair.make(Copy::Behind).await;
    assert_all_end_and_nothing_is_mixed_up(&world).await;

    pair.cut_replication().await;
    let lost = start_all(&world, marks("lost"), 6_000).await;
    until(SOON, "the worker has claimed them", async || begun(&world, "lost") == MANY).await;
    pair.fail_over().await;
    let new = start_all(&world, marks("new"), 6_000).await;

    assert_all_end_and_nothing_is_mixed_up(&world).await;
    let there: BTreeSet<String> = runs(&world).await.into_keys().collect();
    assert_eq!(there, kept.into_iter().chain(new).collect(), "runs that were lost are lost whole");
    assert!(lost.iter().all(|run| !there.contains(run)));
    assert!(worker.is_running(), "it goes on");
}

/// The runs that there are, and their states.
async fn runs(world: &World) -> BTreeMap<String, String> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("select uuid::text, state from piton.runs").fetch_all(&world.pool).await.unwrap();
    rows.into_iter().collect()
}

/// The database believes that the worker still runs them; the worker believes that they are committed.
#[tokio::test]
async fn what_was_finished_and_whose_commit_a_failover_lost_is_done_again() {
    let mut pair = Pair::start().await;
    let world = World::at(pair.url(), &[MARKED]).await;
    let mut worker = world.worker("w1", &["--slots", "300", "--lease", "5s"]);
    worker.says("worker started").await;
    pair.make(Copy::Behind).await;
    let started = start_all(&world, marks("one"), 2_000).await;
    until(SOON, "the worker has claimed them", async || begun(&world, "one") == MANY).await;
    pair.cut_replication().await;
    assert_all_end_and_nothing_is_mixed_up(&world).await;
    // It finds other work of other runs in the meantime, and has long forgotten the ones before.
    start_all(&world, marks("two"), 0).await;
    assert_all_end_and_nothing_is_mixed_up(&world).await;
    pair.fail_over().await;

    assert_all_end_and_nothing_is_mixed_up(&world).await;
    let there = runs(&world).await;
    assert_eq!(there.into_keys().collect::<BTreeSet<_>>(), started.into_iter().collect());
    assert_eq!(begun(&world, "one"), 2 * 2 * MANY, "what was lost is done again, once");
    assert_eq!(world.count("select count(*) from piton.dead_letters").await, 0);
    assert!(worker.is_running(), "it goes on");
}

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_or_done_twice_by_a_failover_to_a_standby_in_step() {
    let mut pair = Pair::start().await;
    let world = World::at(pair.url(), &[MARKED]).await;
    let arguments = ["--slots", "8", "--lease", "15s"];
    let mut workers = [world.worker("w1", &arguments), world.worker("w2", &arguments)];
    for worker in &workers {
        worker.says("worker started").await;
    }
    pair.make(Copy::InStep).await;
    let load = Load::start(&world);
    let some = async || world.count("select count(*) from piton.checkpoints").await >= 60;
    until(SOON, "the workers are at it", some).await;
    pair.crash();
    for worker in &workers {
        worker.says("wait").await;
    }
    pair.fail_over().await;
    let done = async || {
        sqlx::query("select from piton.checkpoints").execute(&world.pool).await.map_or(0, |r| r.rows_affected())
    };
    let before = done().await;
    until(SOON, "the workers go on", async || done().await > before + 60).await;
    let (acknowledged, unanswered) = load.stop().await;
    assert!(acknowledged.len() > 30, "{} runs", acknowledged.len());

    assert_all_end_and_nothing_is_mixed_up(&world).await;
    let there = runs(&world).await;
    let lost: Vec<&String> = acknowledged.iter().filter(|run| !there.contains_key(*run)).collect();
    assert!(lost.is_empty(), "acknowledged, and gone: {lost:?}");
    let more = there.len() - acknowledged.len();
    assert!(more <= unanswered, "{more} runs too many, where {unanswered} starts had no answer");
    let losses = "select count(*) from piton.attempts where outcome in ('failed', 'lost')";
    assert_eq!(world.count(losses).await, 0, "a worker was taken for gone");
    let twice: BTreeSet<String> = twice(world.journal());
    assert!(twice.is_empty(), "done twice: {twice:?}");
    assert!(workers.iter_mut().all(Process::is_running), "a worker exited");
}

fn twice(lines: Vec<String>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    lines.into_iter().filter(|line| !seen.insert(line.clone())).collect()
}

/// Starts one run after another, whatever becomes of the database, and knows which were acknowledged.
struct Load {
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<(Vec<String>, usize)>,
}

impl Load {
    fn start(world: &World) -> Load {
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let pool = world.pool.clone();
        let task = tokio::spawn(async move {
            let (mut acknowledged, mut unanswered) = (Vec::new(), 0);
            for number in 0.. {
                let input = json!({"mark": format!("load-{number}"), "work_ms": 20}).to_string();
                let sql = "select piton.start_run('marked', $1::json)::text";
                match sqlx::query_scalar(sql).bind(input).fetch_one(&pool).await {
                    Ok(run) => acknowledged.push(run),
                    Err(_) => unanswered += 1,
                }
                let pause = std::time::Duration::from_millis(20);
                if tokio::time::timeout(pause, &mut stopped).await.is_ok() {
                    break;
                }
            }
            (acknowledged, unanswered)
        });
        Load { stop, task }
    }

    /// What was acknowledged, and how many starts had no answer.
    async fn stop(self) -> (Vec<String>, usize) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap()
    }
}

/// The worker holds the numbers of a workflow and of a boot that other rows have by now.
#[tokio::test]
async fn a_worker_whose_workflows_and_boot_a_failover_lost_serves_them_again_and_nobody_else_s() {
    const OTHER: &str = "name = 'other'\n[stages.only]\nrust = 'echo'\n";
    let mut pair = Pair::start().await;
    let world = World::at(pair.url(), &[MARKED]).await;
    pair.make(Copy::Behind).await;
    pair.cut_replication().await;
    // Its workflow, its version and its row are only where they will be lost.
    let mut worker = world.worker("w1", &["--slots", "300", "--lease", "5s"]);
    worker.says("worker started").await;
    start_all(&world, marks("lost"), 3_000).await;
    until(SOON, "the worker has claimed them", async || begun(&world, "lost") == MANY).await;
    pair.fail_over().await;
    assert_eq!(runs(&world).await, BTreeMap::new());

    // Numbers begin anew: the workflow that comes first, and the worker that does, could get those that were lost.
    std::fs::create_dir(world.path("other")).unwrap();
    std::fs::write(world.path("other/other.toml"), OTHER).unwrap();
    let folder = world.path("other");
    let of_others = ["--workflows", folder.to_str().unwrap()];
    let start = [&["start", "other", "--set", "mark=other"][..], &of_others].concat();
    let other = stdout(&world.command(&start).output().unwrap());
    let is_back = "select count(*) from piton.workers where name = 'w1' and stopped_at is null";
    until(SOON, "the worker is known again", async || world.count(is_back).await == 1).await;
    // The starts find the workflow again, once the worker has registered it again.
    let new = start_all(&world, marks("new"), 0).await;
    until(SOON * 2, "the worker does its own runs", async || {
        let done = "select count(*) from piton.runs r join piton.workflow_versions v on v.id = r.version_id
                    join piton.workflows w on w.id = v.workflow_id where w.name = 'marked' and r.state = 'done'";
        world.count(done).await as usize == new.len()
    })
    .await;
    assert_eq!(world.state(other.trim()).await, "running", "nobody is there who could do it");
    let heir = [&["worker", "--name", "w2"][..], &of_others].concat();
    let _heir = Process::spawn(world.command(&heir), world.path("w2.log"));
    assert_eq!(world.ended(other.trim()).await, "done");
    let output: String = sqlx::query_scalar(
        "select k.output #>> '{input,mark}' from piton.checkpoints k join piton.runs r on r.id = k.run_id
         where r.uuid = $1::uuid",
    )
    .bind(other.trim())
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(output, "other");
    sqlx::query("delete from piton.runs where uuid = $1::uuid").bind(other.trim()).execute(&world.pool).await.unwrap();
    assert!(worker.is_running(), "it goes on");
}

#[tokio::test]
async fn a_worker_that_thaws_on_a_restored_backup_commits_nothing_of_what_is_lost() {
    let mut pair = Pair::start().await;
    let world = World::at(pair.url(), &[MARKED]).await;
    // Registers the workflow, too.
    let kept = world.start("marked", r#"{"mark": "kept"}"#);
    pair.make(Copy::Backup).await;
    // Its row is not in the backup: the next worker could get its number.
    let mut frozen = world.worker("w1", &["--slots", "300", "--lease", "5s"]);
    frozen.says("worker started").await;
    start_all(&world, marks("lost"), 4_000).await;
    until(SOON, "the worker has claimed them", async || begun(&world, "lost") == MANY).await;
    frozen.signal("STOP");
    pair.fail_over().await;
    let heir = world.worker("w2", &["--slots", "300", "--lease", "5s"]);
    heir.says("worker started").await;
    let new = start_all(&world, marks("new"), 8_000).await;
    until(SOON, "the other worker has claimed them", async || begun(&world, "new") == MANY).await;
    frozen.signal("CONT");
    let is_back = "select count(*) from piton.workers where name = 'w1' and stopped_at is null";
    until(SOON, "the worker is known again", async || world.count(is_back).await == 1).await;

    assert_all_end_and_nothing_is_mixed_up(&world).await;
    assert_eq!(runs(&world).await.into_keys().collect::<BTreeSet<_>>(), new.into_iter().chain([kept]).collect());
    assert_eq!(begun(&world, "new"), 2 * MANY, "the worker that lived lost nothing to it");
    assert!(frozen.is_running(), "it goes on");
}
