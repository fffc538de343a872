//! What `piton bench` measures, it also proves; and it leaves nothing behind.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
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
    backlog: number
    elapsed_s: number
    first_handler_ms: null
    first_tenth_stages_per_s: number
    hold_snapshot: boolean
    items: number
    last_tenth_stages_per_s: number
    offered_per_s: null
    payload_bytes: number
    postgres_cpu_us_per_stage: number
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
    starts_per_s: number
    wait_ms: 
      max: number
      p50: number
      p95: number
      p99: number
    wal_bytes_per_stage: number
    worker_cpu_us_per_stage: number
    worker_peak_memory_bytes: number
    workers: number
"##);
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
    let (first, durable) = (&result["first_handler_ms"], &result["result_durable_ms"]);
    for percentile in ["p50", "p95", "p99", "max"] {
        let (first, durable) = (first[percentile].as_f64().unwrap(), durable[percentile].as_f64().unwrap());
        assert!(first < durable, "{report}");
    }
}

#[tokio::test]
async fn a_bench_that_is_interrupted_takes_its_database_and_its_workers_along() {
    let world = World::with(&[]).await;
    let mut interrupted = Process::spawn(bench(&world, &["--runs", "400", "--stages", "500"]), world.path("log"));
    interrupted.says("stages: 200,000 to do").await;
    let workers = Command::new("pgrep").args(["-P", &interrupted.id().to_string()]).output().unwrap();
    let workers = String::from_utf8(workers.stdout).unwrap();
    assert_eq!(workers.lines().count(), 1, "{workers}");
    interrupted.signal("INT");
    assert_eq!(interrupted.exit_code().await, Some(4));
    assert_eq!(databases_of(&world, interrupted.id()).await, 0);
    let alive = Command::new("kill").args(["-0", workers.trim()]).stderr(Stdio::null()).status().unwrap();
    assert!(!alive.success(), "worker {workers} is still there");
}

#[tokio::test]
async fn what_cannot_be_measured_is_refused_before_anything_starts() {
    let world = World::with(&[]).await;
    std::fs::write(world.path("old.json"), "{}").unwrap();
    let cases: [(&[&str], i32); 6] = [
        (&["--payload", "63"], 2),
        (&["--offered", "0"], 2),
        (&["--shape", "fan-out", "--offered", "5"], 1),
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
error: the join of 100000 items of 10000 bytes would have an input of 1000100000 bytes, over the limit of 67108864; give fewer --items or a smaller --payload
error: old.json is no report of this version's bench; write one with --write FILE: missing field `piton` at line 1 column 2
error: cannot look into no_such_database; give the name of a database that --keep kept
"##);
}
