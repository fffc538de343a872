//! Each component is driven unhealthy for real and back: gauge, exit code, history and alert follow, whatever it is.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Process, SOON, World, stdout, until};
use crate::prometheus::Prometheus;
use crate::s3_server::S3Server;
use crate::scrape::{Scrape, address};
use crate::server::Server;
use crate::workflows::{MISBEHAVE, WORK};

/// Between two checks.
const EVERY: &[&str] = &["--health-every", "1s"];
/// What a check finds is told within its interval; a busy machine gets ten of them.
const FOLLOWS: Duration = Duration::from_secs(10);
const MIB: u64 = 1 << 20;

/// A worker, and what is asked of it.
struct Watched<'w> {
    world: &'w World,
    process: Process,
    prometheus: Prometheus,
}

impl Watched<'_> {
    async fn start<'w>(world: &'w World, arguments: &[&str]) -> Watched<'w> {
        let process = world.worker("w1", &[EVERY, arguments].concat());
        process.says("metrics are at http://").await;
        let prometheus = Prometheus::start(world.folder.path(), &[address(&process)]).await;
        let checked = async || Scrape::of(&process).await.sum("piton_component_status", &[("component", "database")]);
        until(SOON, "it was checked", async || checked().await == 1.0).await;
        Watched { world, process, prometheus }
    }

    /// `piton health`: whether it ends with 0, and what it prints.
    fn health(&self, flags: &[&str]) -> (bool, Value) {
        let address = address(&self.process);
        let arguments = [&["health", "--json", "--at", &address], flags].concat();
        let output = self.world.command(arguments).output().unwrap();
        let said = serde_json::from_slice(&output.stdout);
        (output.status.success(), said.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))))
    }

    /// What it prints for people.
    fn said(&self) -> String {
        let output = self.world.command(["health", "--at", &address(&self.process)]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Within an interval the gauges say so; then the command line does, and the alert is there or not.
    async fn becomes(&self, component: &str, status: &str) {
        let says = format!("{component} is {status}");
        until(FOLLOWS, &says, async || {
            let scrape = Scrape::of(&self.process).await;
            let of = |status| scrape.sum("piton_component_status", &[("component", component), ("status", status)]);
            let all = ["healthy", "degraded", "unhealthy"].map(of);
            assert!(all.iter().sum::<f64>() <= 1.0, "{component} has two states: {all:?}");
            of(status) == 1.0
        })
        .await;
        let (passes, health) = self.health(&[]);
        let components = health["components"].as_array().unwrap();
        let told = components.iter().find(|told| told["component"] == component).unwrap();
        assert_eq!(told["status"], status, "{health}");
        assert!(told["check_age_seconds"].as_f64().unwrap() < FOLLOWS.as_secs_f64(), "{health}");
        assert_eq!(passes, status == "healthy" && health["ready"] == true, "{health}");
        let alert = "PitonComponentUnhealthy";
        let notices = async || self.prometheus.notices(alert, component) == (status == "unhealthy");
        until(FOLLOWS, &format!("{alert} follows {says}"), notices).await;
    }

    /// Waits for the row of a change, and returns its reason.
    async fn history(&self, component: &str, was: &str, status: &str) -> String {
        let mut reason: Option<Option<String>> = None;
        let sql = "select reason from piton.health_history
                   where worker = 'w1' and component = $1 and was = $2 and status = $3 order by id desc limit 1";
        until(FOLLOWS, "the change is in the history", async || {
            let row = sqlx::query_scalar(sql).bind(component).bind(was).bind(status);
            reason = row.fetch_optional(&self.world.pool).await.unwrap();
            reason.is_some()
        })
        .await;
        reason.flatten().unwrap_or_default()
    }
}

#[tokio::test]
async fn a_database_that_is_stopped_is_unhealthy_and_the_worker_is_live_but_not_ready() {
    let mut server = Server::start().await;
    let world = World::on(&server, &[WORK]).await;
    let watched = Watched::start(&world, &[]).await;
    until(SOON, "it is ready", async || watched.health(&["--ready"]).0).await;
    watched.becomes("database", "healthy").await;
    server.stop("INT");
    watched.becomes("database", "unhealthy").await;
    until(SOON, "it is not ready", async || !watched.health(&["--ready"]).0).await;
    assert!(watched.health(&["--live"]).0, "to restart it would help nobody");
    // What it took when it still answered is not said beside that.
    let (_, health) = watched.health(&[]);
    let told = health["components"].as_array().unwrap().iter().find(|told| told["component"] == "database").unwrap();
    assert_eq!(told["measures"], serde_json::json!([]), "{health}");
    let said = watched.said();
    let line = said.lines().find(|line| line.starts_with("database")).unwrap();
    assert!(line.starts_with("database  unhealthy  checked ") && line.ends_with(" ago"), "{said}");
    assert!(said.ends_with("select * from piton.health_history order by at desc limit 20;\n"), "{said}");
    server.resume().await;
    until(SOON, "it is ready again", async || watched.health(&["--ready"]).0).await;
    watched.becomes("database", "healthy").await;
    let reason = watched.history("database", "healthy", "unhealthy").await;
    assert!(reason.contains("did not answer"), "{reason}");
    watched.history("database", "unhealthy", "healthy").await;
}

#[tokio::test]
async fn a_worker_that_waits_for_its_database_says_so_and_one_that_drains_is_not_ready() {
    let mut server = Server::start().await;
    let world = World::on(&server, &[WORK]).await;
    server.stop("INT");
    let watched = Watched::start(&world, &[]).await;
    watched.becomes("database", "unhealthy").await;
    let flags = |watched: &Watched| (watched.health(&["--live"]).0, watched.health(&["--ready"]).0);
    assert_eq!(flags(&watched), (true, false));
    server.resume().await;
    until(SOON, "it is ready", async || flags(&watched) == (true, true)).await;
    watched.history("database", "unhealthy", "healthy").await;
    world.start("work", r#"{"work_ms": 60000}"#);
    until(SOON, "it runs", async || !world.journal().is_empty()).await;
    watched.process.signal("TERM");
    until(SOON, "it drains", async || flags(&watched) == (true, false)).await;
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_unhealthy_until_it_can() {
    let world = World::with(&[WORK]).await;
    let watched = Watched::start(&world, &[]).await;
    watched.becomes("storage", "healthy").await;
    let store = world.path("artifacts");
    std::fs::rename(&store, world.path("moved")).unwrap();
    std::fs::write(&store, "").unwrap();
    watched.becomes("storage", "unhealthy").await;
    let reason = watched.history("storage", "healthy", "unhealthy").await;
    assert!(reason.contains("artifacts"), "{reason}");
    std::fs::remove_file(&store).unwrap();
    watched.becomes("storage", "healthy").await;
    watched.history("storage", "unhealthy", "healthy").await;
}

#[tokio::test]
async fn a_bucket_that_refuses_is_unhealthy_until_it_answers() {
    let mut world = World::with(&[WORK]).await;
    let bucket = S3Server::start();
    world.environment = bucket.environment();
    let watched = Watched::start(&world, &[]).await;
    watched.becomes("storage", "healthy").await;
    bucket.set_down(true);
    watched.becomes("storage", "unhealthy").await;
    watched.history("storage", "healthy", "unhealthy").await;
    bucket.set_down(false);
    watched.becomes("storage", "healthy").await;
}

#[tokio::test]
async fn a_disk_that_fills_is_unhealthy_until_there_is_room_again() {
    let world = World::with(&[WORK]).await;
    let df = |field: &str| -> u64 {
        let output = Command::new("df").args(["-B1", &format!("--output={field}")]).arg(world.folder.path()).output();
        stdout(&output.unwrap()).lines().last().unwrap().trim().parse().unwrap()
    };
    let (used, whole) = (df("used"), df("used") + df("avail"));
    let from = (used + 1024 * MIB) as f64 / whole as f64;
    let threshold = format!("disk.used_share={from}:{from}");
    let watched = Watched::start(&world, &["--health-threshold", &threshold]).await;
    watched.becomes("disk", "healthy").await;
    let file = world.path("filler");
    let filled = Command::new("fallocate").args(["-l", &(2560 * MIB).to_string()]).arg(&file).status().unwrap();
    assert!(filled.success());
    watched.becomes("disk", "unhealthy").await;
    let reason = watched.history("disk", "healthy", "unhealthy").await;
    assert!(reason.starts_with("used is "), "{reason}");
    std::fs::remove_file(&file).unwrap();
    watched.becomes("disk", "healthy").await;
    watched.history("disk", "unhealthy", "healthy").await;
}

#[tokio::test]
async fn memory_that_runs_short_is_unhealthy_until_it_is_given_back() {
    let world = World::with(&[WORK]).await;
    let mut watched = Watched::start(&world, &[]).await;
    watched.becomes("memory", "healthy").await;
    let said = watched.said();
    assert!(said.contains("(degraded from 5 min, unhealthy from 30 min), failed 0 % (degraded from 10 %"), "{said}");
    assert!(said.contains("(degraded from 85 %, unhealthy from 95 %), checked "), "{said}");
    let (_, health) = watched.health(&[]);
    let memory = health["components"].as_array().unwrap().iter().find(|told| told["component"] == "memory").unwrap();
    let used = memory["measures"][0]["value"].as_f64().unwrap();
    // Of the machine at most: a smaller whole is passed sooner.
    let whole = std::fs::read_to_string("/proc/meminfo").unwrap();
    let whole: u64 = whole.split_whitespace().nth(1).unwrap().parse().unwrap();
    // Far from what the tests beside this one take and give back meanwhile.
    let from = used + 1000.0 / (whole / 1024) as f64;
    watched.process.kill();
    std::fs::remove_file(world.path("w1.log")).unwrap();
    let threshold = format!("memory.used_share={from}:{from}");
    watched = Watched::start(&world, &["--health-threshold", &threshold]).await;
    watched.becomes("memory", "healthy").await;
    let ballast = vec![1_u8; usize::try_from(2000 * MIB).unwrap()];
    watched.becomes("memory", "unhealthy").await;
    watched.history("memory", "healthy", "unhealthy").await;
    drop(std::hint::black_box(ballast));
    watched.becomes("memory", "healthy").await;
    watched.history("memory", "unhealthy", "healthy").await;
}

#[tokio::test]
async fn a_queue_that_ages_is_degraded_then_unhealthy_until_its_job_is_claimed() {
    let world = World::with(&[WORK]).await;
    let threshold = "queue.oldest_ready_seconds=1:5";
    let watched = Watched::start(&world, &["--slots", "1", "--health-threshold", threshold]).await;
    watched.becomes("queue", "healthy").await;
    let held = world.start("work", r#"{"work_ms": 60000}"#);
    until(SOON, "it runs", async || !world.journal().is_empty()).await;
    let waits = world.start("work", r#"{"work_ms": 0}"#);
    watched.history("queue", "healthy", "degraded").await;
    watched.becomes("queue", "unhealthy").await;
    let reason = watched.history("queue", "degraded", "unhealthy").await;
    assert!(reason.starts_with("oldest ready is "), "{reason}");
    stdout(&world.command(["dead-letter", "force", &held, "work", "--reason", "it holds the slot"]).output().unwrap());
    assert_eq!(world.ended(&waits).await, "done");
    watched.becomes("queue", "healthy").await;
}

#[tokio::test]
async fn a_queue_whose_jobs_are_given_up_is_unhealthy() {
    let world = World::with(&[MISBEHAVE]).await;
    let watched = Watched::start(&world, &[]).await;
    watched.becomes("queue", "healthy").await;
    for _ in 0..20 {
        world.start("misbehave", r#"{"how": "fail", "times": 9, "class": "invalid_input"}"#);
    }
    watched.becomes("queue", "unhealthy").await;
    let reason = watched.history("queue", "healthy", "unhealthy").await;
    assert!(reason.starts_with("failed is 100.0 %, and unhealthy from"), "{reason}");
}

#[tokio::test]
async fn nobody_there_and_a_threshold_that_cannot_be_are_told_as_such() {
    let world = World::with(&[WORK]).await;
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let output = world.command(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{said}");
    };
    let quick = Duration::from_secs(5);
    let asked = std::time::Instant::now();
    refused(&["health", "--at", "127.0.0.1:1"], 1, "no worker answers at 127.0.0.1:1, and no other address was tried");
    refused(&["health", "--at", "127.0.0.1:1"], 1, "health --at HOST:PORT; each worker logs its own");
    assert!(asked.elapsed() < quick * 10);
    refused(&["health", "--at", "localhost:1"], 1, "no worker answers at localhost:1");
    refused(&["health", "--at", "off"], 1, "serves no metrics");
    refused(&["health", "--live", "--ready"], 2, "cannot be used with");
    refused(&["worker", "--health-threshold", "disk.full=1:2"], 2, "nothing measures `disk.full`");
}

#[tokio::test]
async fn a_server_that_workflows_depend_on_is_unhealthy_while_it_is_away() {
    let world = World::with(&[WORK]).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let watched = Watched::start(&world, &["--external", &format!("voices=tcp://{address}")]).await;
    watched.becomes("external", "healthy").await;
    drop(listener);
    watched.becomes("external", "unhealthy").await;
    let reason = watched.history("external", "healthy", "unhealthy").await;
    assert!(reason.starts_with("voices: "), "{reason}");
    let _again = std::net::TcpListener::bind(address).unwrap();
    watched.becomes("external", "healthy").await;
    watched.history("external", "unhealthy", "healthy").await;
}
