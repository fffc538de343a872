//! What a worker and the admin API serve costs them little, whoever asks and whatever there is to tell.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

use crate::harness::{Process, SOON, World, example, until};
use crate::scrape::{Scrape, address, get, until_scraped};
use crate::workflows::WORK;

const COMMAND: &str = r#"
name = "command"
[stages.command]
command = ["echo", "1"]
retry = { max_retries = 0 }
"#;

/// Connections that have sent half of a request, and send no more.
fn halves(address: &str, how_many: usize) -> Vec<TcpStream> {
    let half = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow:").unwrap();
        stream
    };
    (0..how_many).map(half).collect()
}

fn open_files(process: &Process) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", process.id())).unwrap().count()
}

#[tokio::test]
async fn requests_that_never_come_take_nothing_from_a_worker() {
    let world = World::with(&[COMMAND]).await;
    let folder = world.path("workflows");
    let program = example("test-worker");
    let arguments = ["--nofile=256:256", program.to_str().unwrap(), "worker", "--name", "w1"];
    let arguments = [&arguments[..], &["--slots", "8", "--workflows", folder.to_str().unwrap()]].concat();
    let worker = Process::spawn(world.command_of(Path::new("prlimit"), arguments), world.path("w1.log"));
    worker.says("metrics are at http://").await;
    let before = open_files(&worker);
    let held = halves(&address(&worker), 250);
    let runs: Vec<String> = (0..20).map(|_| world.start("command", "{}")).collect();
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    assert_eq!(Scrape::of(&worker).await.sum("piton_live", &[]), 1.0);
    // 16 of 256 descriptors for them, and room for what else is open now.
    until(SOON, "few are open", async || open_files(&worker) < before + 16 + 30).await;
    assert_eq!(world.count("select count(*) from piton.attempts").await, 0, "none failed and none went back");
    drop(held);
}

#[tokio::test]
async fn requests_that_never_come_keep_nobody_from_the_admin_api() {
    let world = World::with(&[WORK]).await;
    let arguments = ["api", "--listen", "127.0.0.1:0"];
    let api = Process::spawn(world.command(arguments), world.path("api.log"));
    api.says("the admin API is at http://").await;
    let log = api.log();
    let address = log.rsplit("the admin API is at http://").next().unwrap().split('/').next().unwrap().to_owned();
    let held = halves(&address, 400);
    assert!(get(&address, "/v1/admin/runs").contains("runs"), "it answers");
    until(SOON, "few are open", async || open_files(&api) < 256 + 60).await;
    drop(held);
}

/// So many stages side by side.
fn wide(name: &str, stages: usize) -> String {
    let stages = (0..stages).map(|n| format!("[stages.s{n}]\nrust = \"work\"\n"));
    format!("name = \"{name}\"\n{}", stages.collect::<String>())
}

#[tokio::test]
async fn of_stages_that_never_ran_nothing_is_shown() {
    let never: Vec<String> = (0..10).map(|n| wide(&format!("never{n}"), 100)).collect();
    let files: Vec<&str> = never.iter().map(String::as_str).chain([WORK]).collect();
    let world = World::with(&files).await;
    let worker = world.worker("w1", &["--snapshot-every", "200ms"]);
    let run = world.start("work", r#"{"work_ms": 1000}"#);
    until_scraped(&worker, "the state is shown", |scrape| {
        scrape.sum("piton_jobs", &[("workflow", "work"), ("state", "running")]) == 1.0
    })
    .await;
    assert_eq!(world.ended(&run).await, "done");
    until_scraped(&worker, "it is counted", |scrape| {
        scrape.sum("piton_jobs_finished_total", &[("workflow", "work"), ("outcome", "done")]) == 1.0
            && scrape.0.get("piton_jobs{workflow=\"work\",stage=\"work\",state=\"running\"}") == Some(&0.0)
    })
    .await;
    let scrape = Scrape::of(&worker).await;
    let of_never: Vec<&String> = scrape.0.keys().filter(|series| series.contains("workflow=\"never")).collect();
    assert!(!of_never.iter().any(|series| series.contains("stage=")), "{of_never:?}");
    assert!(of_never.len() <= 10 * 12, "{} series of workflows that never ran", of_never.len());
    assert_eq!(scrape.sum("piton_series_left_out", &[]), 0.0);
}

#[tokio::test]
async fn what_is_shown_of_stages_is_bounded_and_what_is_left_out_is_counted() {
    let world = World::with(&[&wide("wide", 20)]).await;
    let worker = world.worker("w1", &["--metrics-series", "200", "--snapshot-every", "200ms"]);
    let run = world.start("wide", r#"{"work_ms": 10}"#);
    assert_eq!(world.ended(&run).await, "done");
    until_scraped(&worker, "some are left out", |scrape| scrape.sum("piton_series_left_out", &[]) > 500.0).await;
    let scrape = Scrape::of(&worker).await;
    let of_stages = scrape.0.keys().filter(|series| series.contains("workflow=\"wide\"")).count();
    assert!((150..=400).contains(&of_stages), "200 of this process and 200 of the database: {of_stages}");
    assert_eq!(scrape.sum("piton_live", &[]), 1.0);
    worker.says("there are more than 200 series of workflows and stages").await;
}
