//! What `piton bench` measures, it also proves; and it leaves nothing behind.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use sqlx::postgres::PgListener;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use crate::command_line::shape;
use crate::harness::{Process, World, stdout};

fn bench(world: &World, arguments: &[&str]) -> Command {
    world.command_of(Path::new(env!("CARGO_BIN_EXE_piton")), ["bench"].iter().chain(arguments))
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&stdout(output)).unwrap()
}

async fn databases_of(world: &World, bench: u32) -> i64 {
    let count = sqlx::query_scalar("select count(*) from pg_database where datname like $1");
    count.bind(format!("piton_bench_{bench}%")).fetch_one(&world.pool).await.unwrap()
}

#[tokio::test]
async fn a_bench_measures_both_shapes_proves_them_and_leaves_nothing_behind() {
    let world = World::with(&[]).await;
    let mut command = bench(&world, &["--runs", "30", "--stages", "3", "--items", "40", "--json", "--write", "b.json"]);
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    let report = json(&child.wait_with_output().unwrap());
    let written: Value = serde_json::from_str(&std::fs::read_to_string(world.path("b.json")).unwrap()).unwrap();
    assert_eq!(report, written);
    assert_eq!(databases_of(&world, id).await, 0, "its database is dropped");
    assert_eq!(world.count("select count(*) from piton.runs").await, 0, "the user's runs are not touched");

    let [chain, fan_out] = report["results"].as_array().unwrap().as_slice() else { panic!("{report}") };
    assert_eq!(chain["proof"]["checkpoints"], 90);
    assert_eq!(fan_out["proof"]["checkpoints"], 43, "list, split, 40 items, join");
    insta::assert_snapshot!(shape(&report, 0), @r##"
machine: 
  cores: number
  fsync: boolean
  memory_bytes: number
  postgres: string
  synchronous_commit: string
piton: string
results: list
    asked_to_first_handler_ms: null
    asked_to_last_handler_ms: null
    backlog: number
    clients: null
    elapsed_s: number
    first_handler_ms: null
    first_tenth_stages_per_s: number
    hold_snapshot: boolean
    hops_ms: null
    items: number
    last_handler_ms: null
    last_tenth_stages_per_s: number
    notify: null
    observer_cpu_us_per_stage: null
    offered_per_s: null
    payload_bytes: number
    postgres_cpu_us_per_stage: number
    postgres_cpu_us_per_start: null
    proof: 
      checkpoints: number
      runs_done: number
      runs_waiting: number
    result_durable_ms: null
    runs: number
    runs_per_s: number
    shape: string
    slots: number
    stages: number
    stages_per_s: number
    start_ms: null
    starts_per_s: number
    wait_ms: 
      max: number
      p50: number
      p95: number
      p99: number
    wal_bytes_per_stage: number
    wal_bytes_per_start: null
    worker_cpu_us_per_stage: number
    worker_peak_memory_bytes: number
    workers: number
    xargs: null
"##);
}

#[tokio::test]
async fn runs_of_one_stage_are_measured_with_one_worker_and_with_two() {
    let world = World::with(&[]).await;
    let report = json(&bench(&world, &["--shape", "one-stage", "--runs", "60", "--json"]).output().unwrap());
    let [one, two] = report["results"].as_array().unwrap().as_slice() else { panic!("{report}") };
    assert_eq!((&one["workers"], &two["workers"]), (&1.into(), &2.into()));
    for result in [one, two] {
        assert_eq!((&result["shape"], &result["stages"]), (&"one-stage".into(), &1.into()));
        assert_eq!((&result["proof"]["runs_done"], &result["proof"]["checkpoints"]), (&60.into(), &60.into()));
        assert!(result["stages_per_s"].as_f64().unwrap() > 0.0, "{report}");
    }
}

#[tokio::test]
async fn clients_start_runs_without_notify_without_workers_and_beside_one() {
    let world = World::with(&[]).await;
    let arguments = ["--shape", "starts", "--runs", "50", "--clients", "1,4", "--json"];
    let report = json(&bench(&world, &arguments).output().unwrap());
    let results = report["results"].as_array().unwrap();
    let ways: Vec<(u64, bool, u64)> = results
        .iter()
        .map(|result| {
            (
                result["clients"].as_u64().unwrap(),
                result["notify"].as_bool().unwrap(),
                result["workers"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(ways, [(1, false, 0), (1, true, 0), (1, true, 1), (4, false, 0), (4, true, 0), (4, true, 1)]);
    for (result, (clients, _, workers)) in results.iter().zip(ways) {
        // Each client starts ten before the clock.
        let (runs, ended) = (50 + 10 * clients, if workers > 0 { "runs_done" } else { "runs_waiting" });
        assert_eq!(result["proof"][ended], runs, "{result}");
        assert!(result["starts_per_s"].as_f64().unwrap() > 0.0 && result["start_ms"]["p50"].is_f64(), "{result}");
        assert!(result["stages_per_s"].is_null() && result["wal_bytes_per_start"].is_f64(), "{result}");
    }
}

#[tokio::test]
async fn what_is_measured_without_notify_notifies_nobody() {
    let world = World::with(&[]).await;
    let mut listener = PgListener::connect_with(&world.pool).await.unwrap();
    listener.listen("piton_jobs").await.unwrap();
    // Every pause notifies, whoever sleeps.
    let pause = "select piton.pause('a test')";
    world.pool.execute(pause).await.unwrap();
    assert_eq!(listener.recv().await.unwrap().payload(), "pauses");
    world.pool.execute(sqlx::raw_sql(include_str!("../../src/store/sql/bench_never_notify.sql"))).await.unwrap();
    world.pool.execute(pause).await.unwrap();
    world.pool.execute("select pg_notify('piton_jobs', 'the next one')").await.unwrap();
    assert_eq!(listener.recv().await.unwrap().payload(), "the next one");
}

#[tokio::test]
async fn programs_are_measured_beside_those_that_xargs_starts() {
    let world = World::with(&[]).await;
    let report = json(&bench(&world, &["--shape", "commands", "--runs", "20", "--json"]).output().unwrap());
    let [eight, many] = report["results"].as_array().unwrap().as_slice() else { panic!("{report}") };
    assert_eq!((&eight["slots"], &many["slots"]), (&8.into(), &32.into()));
    for result in [eight, many] {
        assert_eq!(result["proof"]["runs_done"], 20, "{report}");
        assert!(result["stages_per_s"].as_f64().unwrap() > 0.0, "{report}");
        assert!(result["worker_cpu_us_per_stage"].as_f64().unwrap() > 0.0, "{report}");
        assert!(result["xargs"]["programs_per_s"].as_f64().unwrap() > 0.0, "{report}");
        assert!(result["xargs"]["cpu_us_per_program"].is_f64(), "{report}");
    }
    std::fs::write(world.path("earlier.json"), report.to_string()).unwrap();
    let arguments = ["--shape", "commands", "--runs", "10", "--slots", "32", "--compare", "earlier.json"];
    let said = stdout(&bench(&world, &arguments).output().unwrap());
    assert!(said.contains("compared with commands: 20 runs of true, 1 worker with 32 slots"), "{said}");
}

#[tokio::test]
async fn a_proof_fails_when_a_checkpoint_is_gone_and_says_what_is_wrong() {
    let world = World::with(&[]).await;
    let child = bench(&world, &["--runs", "20", "--stages", "2", "--shape", "sequential", "--keep"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let name = format!("piton_bench_{}", child.id());
    let kept = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&kept.stderr).contains(&format!("bench --prove {name}")), "{kept:?}");
    assert!(stdout(&kept).contains("proved: 20 runs done; 40 checkpoints"), "{kept:?}");

    let again = stdout(&bench(&world, &["--prove", &name]).output().unwrap());
    assert!(again.starts_with("proved: 20 runs done; 40 checkpoints"), "{again}");

    let mut inside = world.pool.connect_options().as_ref().clone().database(&name).connect().await.unwrap();
    inside.execute("delete from piton.checkpoints where run_id = 7 and stage = 1").await.unwrap();
    inside.execute("update piton.checkpoints set output = '{\"at\":1}' where run_id = 8 and stage = 0").await.unwrap();
    inside.execute("update piton.checkpoints set attempt = 3 where run_id = 9 and stage = 0").await.unwrap();
    inside.close().await.unwrap();
    let tampered = bench(&world, &["--prove", &name]).output().unwrap();
    assert_eq!(tampered.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8_lossy(&tampered.stderr), @r##"
error: the proof failed:
  missing checkpoints of finished stages and items: 1
  checkpoints that do not hold what their digests say: 1
  jobs whose attempts are not numbered 1, 2, 3 …: 1
This should never be. Please report it, with the database that --keep keeps
"##);
    world.pool.execute(AssertSqlSafe(format!("drop database {name} with (force)"))).await.unwrap();
}

#[tokio::test]
async fn a_backlog_waits_behind_and_is_whole_although_a_snapshot_is_held() {
    let world = World::with(&[]).await;
    let arguments = ["--runs", "50", "--stages", "3", "--backlog", "20000", "--hold-snapshot", "--json"];
    let report = json(&bench(&world, &arguments).output().unwrap());
    let result = &report["results"][0];
    let count = |key: &str| result["proof"][key].as_u64().unwrap();
    assert_eq!(count("runs_done") + count("runs_waiting"), 20_050);
    assert!(count("runs_waiting") > 0 && count("checkpoints") >= 150, "{report}");
    assert!(result["last_tenth_stages_per_s"].as_f64().unwrap() > 0.0, "{report}");
}

#[tokio::test]
async fn runs_that_are_offered_are_timed_to_their_durable_result() {
    let world = World::with(&[]).await;
    let arguments = ["--offered", "40", "--seconds", "1", "--stages", "2", "--workers", "2", "--json"];
    let report = json(&bench(&world, &arguments).output().unwrap());
    let result = &report["results"][0];
    assert_eq!((&result["proof"]["runs_done"], &result["proof"]["checkpoints"]), (&40.into(), &80.into()));
    let [hop] = result["hops_ms"].as_array().unwrap().as_slice() else { panic!("{report}") };
    for percentile in ["p50", "p95", "p99", "max"] {
        let of = |spread: &Value| spread[percentile].as_f64().unwrap();
        let (first, last, durable) =
            (of(&result["first_handler_ms"]), of(&result["last_handler_ms"]), of(&result["result_durable_ms"]));
        assert!(first < last && last < durable, "{report}");
        let asked = ["asked_to_first_handler_ms", "asked_to_last_handler_ms"].map(|key| of(&result[key]));
        assert!(first < asked[0] && last < asked[1] && of(&result["start_ms"]) > 0.0, "{report}");
        assert!(0.0 < of(hop) && of(hop) <= of(&result["last_handler_ms"]) + first, "{report}");
    }
    assert!(result["observer_cpu_us_per_stage"].is_f64(), "{report}");
}

#[tokio::test]
async fn a_bench_that_is_interrupted_takes_its_database_and_its_workers_along() {
    let world = World::with(&[]).await;
    let cases: [(&[&str], &str, usize); 3] = [
        (&["--runs", "400", "--stages", "500"], "stages: 200,000 to do", 1),
        (&["--shape", "commands", "--runs", "50000"], "stages: 50,000 to do", 1),
        (&["--shape", "starts", "--runs", "5000000", "--clients", "4"], "starts: 5,000,000 to do", 0),
    ];
    for (arguments, says, workers) in cases {
        let mut interrupted = Process::spawn(bench(&world, arguments), world.path("log"));
        interrupted.says(says).await;
        let children = Command::new("pgrep").args(["-P", &interrupted.id().to_string()]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        assert_eq!(children.lines().count(), workers, "{children}");
        interrupted.signal("INT");
        assert_eq!(interrupted.exit_code().await, Some(4));
        assert_eq!(databases_of(&world, interrupted.id()).await, 0);
        for child in children.lines() {
            let alive = Command::new("kill").args(["-0", child]).stderr(Stdio::null()).status().unwrap();
            assert!(!alive.success(), "worker {child} is still there");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_measured_is_refused_before_anything_starts() {
    let world = World::with(&[]).await;
    std::fs::write(world.path("old.json"), "{}").unwrap();
    let cases: [(&[&str], i32); 8] = [
        (&["--payload", "63"], 2),
        (&["--offered", "0"], 2),
        (&["--shape", "fan-out", "--offered", "5"], 1),
        (&["--shape", "sequential,starts", "--backlog", "5"], 1),
        (&["--shape", "starts", "--clients", "8,0"], 2),
        (&["--items", "100000", "--payload", "10000"], 1),
        (&["--compare", "old.json"], 1),
        (&["--prove", "no_such_database"], 1),
    ];
    let mut said = String::new();
    for (arguments, code) in cases {
        let output = bench(&world, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        // What follows in parentheses are the server's own words.
        let stderr = String::from_utf8_lossy(&output.stderr);
        said.push_str(stderr.lines().next().unwrap().split(" (").next().unwrap());
        said.push('\n');
    }
    insta::assert_snapshot!(said, @r##"
error: invalid value '63' for '--payload <PAYLOAD>': 63 is not in 64..=1048576
error: invalid value '0' for '--offered <RATE>': a rate is a number of runs per second, from 0.01 to 100000
error: --offered and --backlog measure the chain alone; leave --shape out, or give sequential
error: --offered and --backlog measure the chain alone; leave --shape out, or give sequential
error: invalid value '0' for '--clients <NUMBERS>': 0 is not in 1..=1000
error: the join of 100000 items of 10000 bytes would have an input of 1000100000 bytes, over the limit of 67108864; give fewer --items or a smaller --payload
error: old.json is no report of this version's bench; write one with --write FILE: missing field `piton` at line 1 column 2
error: cannot look into no_such_database; give the name of a database that --keep kept
"##);
}
