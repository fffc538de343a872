//! Signals that stop a worker reach its programs too, and freezes come when they like: neither is a failure of a program.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Process, SOON, World, until};

/// Programs that wait for files, each with another way to take the signal.
const PATIENT: &str = r#"
name = "patient"
[stages.patient]
command = ["sh", "-c", "{{input.script}}"]
timeout = "5m"
"#;

/// Ends well before its timeout.
const BRIEF: &str = r#"
name = "brief"
[stages.brief]
command = ["sh", "-c", "echo began >> {{input.log}}; sleep 1; echo 7"]
timeout = "4s"
"#;

/// The same, asked of a server, and of a handler.
const ASLEEP: &str = r#"
name = "asleep"
[stages.work]
rust = "work"
timeout = "4s"
"#;

fn start(world: &World, mark: &str, trap: &str) -> String {
    let log = world.path(mark);
    let script = format!("{trap} echo $$ >> {}; sleep 300 & wait", log.display());
    world.start("patient", &json!({ "script": script }).to_string())
}

/// Every process that descends from that one, itself included.
fn family(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(process) = found.get(next) {
        let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        let children: Vec<u32> = lists
            .flat_map(|l| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .filter_map(|p| p.parse().ok())
            .collect();
        found.extend(children);
        next += 1;
    }
    found
}

fn signal(processes: &[u32], name: &str) {
    let ids: Vec<String> = processes.iter().map(u32::to_string).collect();
    // Some of them may have ended by the signal to another.
    Command::new("kill").arg(format!("-{name}")).args(ids).output().unwrap();
}

async fn began(world: &World, marks: &[&str]) {
    for mark in marks {
        until(SOON, mark, async || world.path(mark).exists()).await;
    }
}

/// No attempt failed, and every job is as good as before.
async fn assert_all_released(world: &World, jobs: i64) {
    let released =
        world.count("select count(*) from piton.attempts where outcome = 'released' and class is null").await;
    assert_eq!((released, world.count("select count(*) from piton.attempts").await), (jobs, jobs));
    assert_eq!(world.count("select count(*) from piton.dead_letters").await, 0);
    assert_eq!(world.count("select count(*) from piton.jobs where state = 'ready'").await, jobs);
}

#[tokio::test]
async fn a_stop_that_reaches_every_process_of_a_service_costs_no_retry() {
    for name in ["TERM", "INT"] {
        let world = World::with(&[PATIENT]).await;
        let mut worker = world.worker("w1", &["--grace", "20s"]);
        start(&world, "dies", "");
        start(&world, "as-shells-say-it", "trap 'exit 143' TERM; trap 'exit 130' INT;");
        began(&world, &["dies", "as-shells-say-it"]).await;
        signal(&family(worker.id()), name);
        assert_eq!(worker.exit_code().await, Some(0), "{name}");
        assert_all_released(&world, 2).await;
        assert!(!worker.log().contains("the grace period is over"), "they had ended: {}", worker.log());
    }
}

#[tokio::test]
async fn a_program_that_gets_the_signal_before_its_worker_costs_no_retry() {
    let world = World::with(&[PATIENT]).await;
    let mut worker = world.worker("w1", &["--grace", "20s"]);
    start(&world, "dies", "");
    began(&world, &["dies"]).await;
    let mut processes = family(worker.id());
    processes.retain(|process| *process != worker.id());
    signal(&processes, "HUP");
    // Its fork server stays.
    let parts = || family(worker.id()).len() - 2;
    // The signals of one stop come one after another; this one comes when all the others have done what they do.
    until(SOON, "the program is gone", async || parts() == 0).await;
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0));
    assert_all_released(&world, 1).await;
}

#[tokio::test]
async fn a_program_that_is_stopped_while_its_worker_goes_on_has_failed() {
    let world = World::with(&[PATIENT]).await;
    let worker = world.worker("w1", &[]);
    start(&world, "dies", "");
    began(&world, &["dies"]).await;
    let program: u32 = std::fs::read_to_string(world.path("dies")).unwrap().trim().parse().unwrap();
    signal(&[program], "TERM");
    let failed =
        "select count(*) from piton.attempts where outcome = 'failed' and message = '`sh` was killed by SIGTERM'";
    until(SOON, "it has failed", async || world.count(failed).await == 1).await;
    drop(worker);
}

#[tokio::test]
async fn the_parts_of_a_command_outlive_a_stop_and_end_with_their_worker() {
    let world = World::with(&[PATIENT]).await;
    let worker = world.worker("w1", &["--grace", "1h"]);
    // The program itself goes on, too.
    start(&world, "stays", "trap '' TERM INT HUP;");
    began(&world, &["stays"]).await;
    let before = family(worker.id());
    for name in ["TERM", "INT", "HUP"] {
        let parts: Vec<u32> = before.iter().copied().filter(|process| *process != worker.id()).collect();
        signal(&parts[..2], name);
    }
    let program: u32 = std::fs::read_to_string(world.path("stays")).unwrap().trim().parse().unwrap();
    let lives =
        |process: u32| std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|s| !s.contains(") Z "));
    assert!(before.iter().all(|process| lives(*process)), "a signal ended one of {before:?}");
    for (part, who) in [(1, "the fork server"), (2, "the guard")] {
        assert_eq!(dispositions(before[part]).1 & STOPS, STOPS, "{who} takes the signals");
    }
    worker.kill();
    until(SOON, "all of them are gone", async || !lives(program) && before.iter().all(|p| !lives(*p))).await;
}

/// SIGHUP, SIGINT and SIGTERM.
const STOPS: u64 = 1 << 0 | 1 << 1 | 1 << 14;

/// Signals that a process ignores, and those that it takes in a way of its own.
fn dispositions(process: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    (mask("SigIgn:"), mask("SigCgt:"))
}

#[tokio::test]
async fn a_program_begins_with_the_system_s_own_way_to_take_signals() {
    let world = World::with(&[PATIENT]).await;
    let _worker = world.worker("w1", &[]);
    let log = world.path("program");
    let script = format!("exec sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 300'", log.display());
    world.start("patient", &json!({ "script": script }).to_string());
    began(&world, &["program"]).await;
    let program: u32 = std::fs::read_to_string(&log).unwrap().trim().parse().unwrap();
    let is_sleep = || std::fs::read_to_string(format!("/proc/{program}/comm")).is_ok_and(|name| name.trim() == "sleep");
    until(SOON, "it is there", async || is_sleep()).await;
    let (ignored, caught) = dispositions(program);
    assert_eq!((ignored & STOPS, caught & STOPS), (0, 0));
}

#[tokio::test]
async fn whenever_a_stop_reaches_all_processes_no_attempt_fails_by_it() {
    let brief = PATIENT.replace("name = \"patient\"", "name = \"brief\"");
    let world = World::with(&[&brief]).await;
    for round in 0..6 {
        for _ in 0..12 {
            world.start("brief", r#"{"script": "sleep 0.2; echo 7"}"#);
        }
        let mut worker = world.worker("w1", &["--slots", "4"]);
        let some = format!("select count(*) from piton.checkpoints having count(*) > {}", round * 9);
        until(SOON, "some are done", async || {
            sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(some.clone()))
                .fetch_optional(&world.pool)
                .await
                .unwrap()
                .is_some()
        })
        .await;
        // At another moment in the life of a program each time.
        tokio::time::sleep(Duration::from_millis(37 * round)).await;
        signal(&family(worker.id()), "TERM");
        assert_eq!(worker.exit_code().await, Some(0));
        assert_eq!(
            world.count("select count(*) from piton.attempts where class is not null").await,
            0,
            "{}",
            worker.log()
        );
    }
}

/// Freezes the worker while something goes on without it.
async fn freeze(worker: &Process) {
    worker.signal("STOP");
    // Longer than the time limits that ran out meanwhile, and what a guard is given beyond them. Nothing can be waited for: the
    // process that would tell stands still.
    tokio::time::sleep(Duration::from_secs(9)).await;
    worker.signal("CONT");
}

#[tokio::test]
async fn a_program_that_ended_in_time_counts_though_its_worker_was_frozen() {
    let world = World::with(&[BRIEF]).await;
    let worker = world.worker("w1", &[]);
    let log = world.path("log");
    let run = world.start("brief", &json!({ "log": log }).to_string());
    began(&world, &["log"]).await;
    freeze(&worker).await;
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(std::fs::read_to_string(log).unwrap().lines().count(), 1, "it was executed again");
    assert_eq!(world.count("select count(*) from piton.attempts where class is not null").await, 0);
}

#[tokio::test]
async fn a_handler_is_not_charged_for_the_time_in_which_its_worker_was_frozen() {
    let world = World::with(&[ASLEEP]).await;
    let worker = world.worker("w1", &[]);
    let run = world.start("asleep", r#"{"work_ms": 500}"#);
    until(SOON, "it runs", async || world.journal().len() == 1).await;
    freeze(&worker).await;
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.journal().len(), 1, "it was executed again");
}

#[tokio::test]
async fn a_timeout_is_named_as_the_file_has_it() {
    let world = World::with(&[&BRIEF.replace("sleep 1;", "sleep 60;").replace("\"4s\"", "\"1s\"")]).await;
    let worker = world.worker("w1", &[]);
    let log = world.path("log");
    world.start("brief", &json!({ "log": log }).to_string());
    began(&world, &["log"]).await;
    freeze(&worker).await;
    let failed = "select count(*) from piton.attempts where class = 'network_timeout'";
    until(SOON, "it has failed", async || world.count(failed).await > 0).await;
    let named = "select count(*) from piton.attempts where message = 'the stage ran longer than its timeout of 1 s'";
    assert_eq!(world.count(named).await, 1);
}

const UNIT: &str = include_str!("../../docs/piton.service");

/// What the unit says under that key.
fn said<'u>(key: &str) -> Vec<&'u str> {
    UNIT.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn the_shipped_unit_leaves_programs_alone_and_gives_them_their_time() {
    assert_eq!(said("KillMode"), ["mixed"]);
    let stop: u64 = said("TimeoutStopSec")[0].parse().unwrap();
    let help = Command::new(env!("CARGO_BIN_EXE_piton")).args(["worker", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("[env: PITON_GRACE=]") && help.contains("[default: 30s]"));
    // And ten seconds for the last commits.
    assert!(stop > 30 + 10, "it is killed after {stop} s");
    for variable in said("Environment") {
        let name = variable.split('=').next().unwrap();
        assert!(help.contains(&format!("[env: {name}=")), "{name} is no variable of a worker");
    }
    assert_eq!(said("ExecStart"), ["/usr/local/bin/piton worker"]);
}

#[test]
fn systemd_takes_the_shipped_unit() {
    let folder = crate::harness::folder();
    let file = folder.path().join("piton.service");
    std::fs::write(&file, UNIT.replace("/usr/local/bin/piton", env!("CARGO_BIN_EXE_piton"))).unwrap();
    let verify = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file).output();
    let Ok(verified) = verify else {
        eprintln!("left out: systemd-analyze is not installed");
        return;
    };
    let told = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success() && !told.contains("piton.service"), "{told}");
}
