//! What `piton top` asks every second, and a real terminal that it draws on.

use std::process::{Command, Output};

use sqlx::{AssertSqlSafe, Executor};

use crate::harness::{SOON, World, example, until};
use crate::workflows::{CHAIN, MISBEHAVE};

const SESSION: &str = include_str!("../../src/store/sql/session.sql");

pub(crate) const ASKED: [&str; 5] = [
    "select workflow, stage, reason, jobs, oldest_since, why, moves from piton.waiting_overview",
    include_str!("../../src/store/sql/top_runs.sql"),
    include_str!("../../src/store/sql/top_workers.sql"),
    include_str!("../../src/store/sql/top_failures.sql"),
    include_str!("../../src/store/sql/top_letters.sql"),
];

/// Runs that are over: each with a checkpoint, failed attempts, and a dead letter that was retried.
async fn add_history(world: &World, runs: i64) {
    sqlx::raw_sql(AssertSqlSafe(format!(
        "with worker as (
             insert into piton.workers (boot_id, name, host, pid, slots, stopped_at, stop_reason, cleared)
             values (gen_random_uuid(), 'old', 'h', 1, 8, now(), 'drained', true) returning id),
         run as (
             insert into piton.runs (uuid, version_id, input, state, finished_at)
             select gen_random_uuid(), v.id, '{{}}', 'done', now() from piton.workflow_versions v, generate_series(1, {runs})
             returning id),
         tried as (
             insert into piton.attempts (run_id, stage, item, attempt, outcome, class, message, worker_id, started_at)
             select run.id, 0, -1, a, 'failed', 'unknown', 'no', worker.id, now()
             from run, worker, generate_series(1, 3) a)
         insert into piton.dead_letters (id, run_id, workflow_id, version_id, stage, item, attempt, rank, class, message, fingerprint,
                                         resolution, resolved_at, resolved_by, worker_id)
         select gen_random_uuid(), run.id, 1, 1, 0, -1, 3, 0, 'unknown', 'no', '0123456789abcdef', 'retried', now(), 'x', worker.id
         from run, worker;
         analyze"
    )))
    .execute(&world.pool)
    .await
    .unwrap();
}

/// Pages that each statement touches.
async fn pages(world: &World) -> Vec<i64> {
    let mut connection = world.pool.acquire().await.unwrap().detach();
    connection.execute(SESSION).await.unwrap();
    let mut pages = Vec::new();
    for (number, sql) in ASKED.iter().enumerate() {
        connection.execute(AssertSqlSafe(format!("prepare asked_{number} as {sql}"))).await.unwrap();
        let call = if sql.contains("$1") { format!("asked_{number}(200)") } else { format!("asked_{number}") };
        let explain = format!("explain (analyze, buffers, format json) execute {call}");
        let plan: serde_json::Value =
            sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut connection).await.unwrap();
        let touched = |kind: &str| plan[0]["Plan"][kind].as_i64().unwrap();
        pages.push(touched("Shared Hit Blocks") + touched("Shared Read Blocks"));
    }
    pages
}

#[tokio::test]
async fn what_top_asks_does_not_grow_with_the_history() {
    let world = World::with(&[CHAIN]).await;
    world.start("chain", "{}");
    add_history(&world, 300).await;
    let few = pages(&world).await;
    add_history(&world, 20_000).await;
    let many = pages(&world).await;
    for (number, (few, many)) in few.iter().zip(&many).enumerate() {
        assert!(*many <= few * 2 + 20, "statement {number} touches {few} pages, and {many} with more history");
    }
}

#[tokio::test]
async fn where_there_is_no_terminal_top_tells_what_to_type_instead() {
    let world = World::with(&[CHAIN]).await;
    for arguments in [&["top"][..], &["top", "--json"]] {
        let output = world.command(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(said.contains(" why\n") && said.contains(" why --json\n"), "{said}");
    }
}

/// A server of tmux of the test's own: no user's windows are touched, and it ends with the test.
struct Tmux {
    socket: String,
}

impl Tmux {
    fn call(&self, arguments: &[&str]) -> Output {
        Command::new("tmux").args(["-f", "/dev/null", "-S", &self.socket]).args(arguments).output().unwrap()
    }

    fn picture(&self) -> String {
        String::from_utf8(self.call(&["capture-pane", "-p"]).stdout).unwrap()
    }

    async fn shows(&self, words: &str) {
        let what = format!("the screen shows {words}");
        until(SOON, &what, async || self.picture().contains(words)).await;
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.picture());
        }
        self.call(&["kill-server"]);
    }
}

#[tokio::test]
async fn a_dead_letter_is_decided_about_on_a_terminal_which_is_given_back() {
    if Command::new("tmux").arg("-V").output().is_err() {
        eprintln!("left out: there is no tmux here");
        return;
    }
    let world = World::with(&[MISBEHAVE]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("misbehave", r#"{"how": "fail", "times": 9, "class": "invalid_input"}"#);
    assert_eq!(world.ended(&run).await, "blocked");

    let tmux = Tmux { socket: world.path("tmux").to_str().unwrap().to_owned() };
    let shell = ["new-session", "-d", "-x", "120", "-y", "30", "env", "PS1=shell> ", "sh"];
    assert!(tmux.call(&shell).status.success());
    let line =
        format!("{} top --every 100ms --by anna --database-url '{}'", example("test-worker").display(), world.url);
    tmux.call(&["send-keys", "-l", &line]);
    tmux.call(&["send-keys", "Enter"]);
    tmux.shows("runs: 0 running, 1 blocked").await;
    tmux.shows("w1").await;
    tmux.shows("> ").await;

    // While the sessions are cut it goes on.
    world.cut_sessions().await;
    tmux.call(&["send-keys", "Enter"]);
    tmux.shows("given up after invalid_input").await;
    tmux.call(&["send-keys", "q"]);
    tmux.call(&["send-keys", "d"]);
    tmux.shows("Why?").await;
    tmux.call(&["send-keys", "-l", "nobody needs it"]);
    tmux.call(&["send-keys", "Enter"]);
    tmux.shows("runs: 0 running, 0 blocked").await;
    assert_eq!(world.state(&run).await, "failed");
    let decided = "select count(*) from piton.dead_letters where resolved_by = 'anna' and note = 'nobody needs it'";
    assert_eq!(world.count(decided).await, 1);

    tmux.call(&["send-keys", "q"]);
    // What is typed while it leaves is dropped.
    tmux.shows("shell>").await;
    tmux.call(&["send-keys", "-l", "stty -a"]);
    tmux.call(&["send-keys", "Enter"]);
    tmux.shows(" icanon").await;
    assert!(tmux.picture().contains(" echo "), "what is typed is seen again");
}
