//! What `piton top` asks every second, and a real terminal that it draws on.

use std::process::{Command, Output};

use sqlx::{AssertSqlSafe, Executor};

use crate::harness::{SOON, World, example, until};
use crate::workflows::{CHAIN, MISBEHAVE};

const SESSION: &str = include_str!("../../src/store/sql/session.sql");

pub(crate) const ASKED: [&str; 6] = [
    include_str!("../../src/store/sql/top_queue.sql"),
    "select * from piton.outlook_overview",
    include_str!("../../src/store/sql/top_runs.sql"),
    include_str!("../../src/store/sql/top_workers.sql"),
    include_str!("../../src/store/sql/top_causes.sql"),
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
        let arguments = match (sql.contains("$4"), sql.contains("$1")) {
            (true, _) => "(200, 'chain', 'first', '0123456789abcdef')",
            (false, true) => "(200)",
            (false, false) => "",
        };
        let call = format!("asked_{number}{arguments}");
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
async fn a_run_that_was_put_off_is_not_counted_as_running() {
    let world = World::with(&[CHAIN]).await;
    let folder = world.path("workflows");
    for at in [&["--at", "1h"][..], &["--at", "2h"], &[]] {
        let arguments = [&["start", "chain", "--workflows", folder.to_str().unwrap()], at].concat();
        assert!(world.command(arguments).output().unwrap().status.success());
    }
    let failed = "update piton.jobs set attempt = 1, state = 'scheduled', due_at = now() + interval '1 hour' where state = 'ready'";
    let counted = async || -> (i64, i64, i64) {
        let sql = include_str!("../../src/store/sql/top_runs.sql").to_owned();
        let sql = format!("select running, scheduled, blocked from ({sql}) as counted");
        sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&world.pool).await.unwrap()
    };
    assert_eq!(counted().await, (1, 2, 0));
    sqlx::query(failed).execute(&world.pool).await.unwrap();
    assert_eq!(counted().await, (1, 2, 0), "one that waits for a retry has begun");
    let told: Vec<(String, i64)> =
        sqlx::query_as("select state, count(*) from piton.runs_overview group by 1 order by 1")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(told, [("running".to_owned(), 1), ("scheduled".to_owned(), 2)], "as the list of runs says");
    sqlx::query("update piton.jobs set due_at = now() - interval '1 second'").execute(&world.pool).await.unwrap();
    assert_eq!(counted().await, (3, 0, 0), "their time has come");
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

    /// A return is a carriage return, as a terminal has it.
    fn types(&self, text: &str) {
        self.call(&["send-keys", "-l", text]);
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

/// A shell on a terminal of that size.
fn terminal(world: &World, (width, height): (&str, &str)) -> Tmux {
    let tmux = Tmux { socket: world.path(&format!("tmux-{width}")).to_str().unwrap().to_owned() };
    let shell = ["new-session", "-d", "-x", width, "-y", height, "env", "PS1=shell> ", "sh"];
    assert!(tmux.call(&shell).status.success());
    let program = example("test-worker");
    tmux.types(&format!("{} top --every 100ms --by anna --database-url '{}'", program.display(), world.url));
    tmux.call(&["send-keys", "Enter"]);
    tmux
}

fn is_here() -> bool {
    let is_here = Command::new("tmux").arg("-V").output().is_ok();
    if !is_here {
        eprintln!("left out: there is no tmux here");
    }
    is_here
}

#[tokio::test]
async fn a_dead_letter_is_decided_about_on_a_terminal_which_is_given_back() {
    if !is_here() {
        return;
    }
    let world = World::with(&[MISBEHAVE]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("misbehave", r#"{"how": "fail", "times": 9, "class": "invalid_input"}"#);
    assert_eq!(world.ended(&run).await, "blocked");

    let tmux = terminal(&world, ("80", "24"));
    tmux.shows("runs: 0 running, 1 blocked").await;
    tmux.shows("w1").await;
    tmux.shows("> ").await;
    tmux.shows("q quit  ? help  Tab table  Enter open  r retry  d dismiss  p pause  u resume").await;

    // While the sessions are cut it goes on.
    world.cut_sessions().await;
    tmux.types("\r");
    tmux.shows(&format!("Run {run}: ")).await;
    tmux.types("\r");
    tmux.shows("given up: invalid_input").await;
    tmux.types("q");
    tmux.types("d");
    tmux.shows("Why?").await;
    tmux.types("nobody needs it\r");
    tmux.shows("no dead letter of this cause waits any more").await;
    assert_eq!(world.state(&run).await, "failed");
    let decided = "select count(*) from piton.dead_letters where resolved_by = 'anna' and note = 'nobody needs it'";
    assert_eq!(world.count(decided).await, 1);

    tmux.types("q");
    tmux.shows("No dead letter waits for a decision.").await;
    tmux.types("q");
    // What is typed while it leaves is dropped.
    tmux.shows("shell>").await;
    tmux.types("stty -a\r");
    tmux.shows(" icanon").await;
    assert!(tmux.picture().contains(" echo "), "what is typed is seen again");
}

#[tokio::test]
async fn a_whole_cause_is_retried_on_a_terminal_and_no_other_dead_letter_is() {
    if !is_here() {
        return;
    }
    let world = World::with(&[MISBEHAVE]).await;
    let _worker = world.worker("w1", &[]);
    let fails =
        |class: &str| world.start("misbehave", &format!(r#"{{"how": "fail", "times": 1, "class": "{class}"}}"#));
    let of_one_cause = [fails("auth_failure"), fails("auth_failure")];
    let another = fails("invalid_input");
    for run in of_one_cause.iter().chain([&another]) {
        assert_eq!(world.ended(run).await, "blocked");
    }

    let tmux = terminal(&world, ("120", "40"));
    // The bigger one is chosen.
    tmux.shows("auth_failure").await;
    tmux.types("r");
    tmux.shows("Retry 2 dead letters of 2 runs: all of misbehave, misbehave, cause").await;
    tmux.types("y");
    tmux.shows("2 dead letters go on from their last checkpoints").await;
    for run in &of_one_cause {
        assert_eq!(world.ended(run).await, "done");
    }
    tmux.shows("runs: 0 running, 1 blocked").await;
    assert_eq!(world.state(&another).await, "blocked");
    let decided = "select count(*) from piton.dead_letters where resolution = 'retried' and resolved_by = 'anna'";
    assert_eq!(world.count(decided).await, 2);
}

#[tokio::test]
async fn a_fleet_that_has_died_is_seen_to_be_silent() {
    if !is_here() {
        return;
    }
    let world = World::with(&[MISBEHAVE]).await;
    let worker = world.worker("w1", &[]);
    worker.says("worker started").await;
    let tmux = terminal(&world, ("200", "50"));
    tmux.shows("workers: 1 alive").await;
    // Nobody is left to notice.
    worker.kill();
    sqlx::query("update piton.workers set last_seen = now() - interval '78 seconds'")
        .execute(&world.pool)
        .await
        .unwrap();
    tmux.shows("workers: 0 alive, 1 silent").await;
    tmux.shows("silent for 1 min").await;
    tmux.shows("No worker is alive, so nothing begins. Start one:").await;
}
