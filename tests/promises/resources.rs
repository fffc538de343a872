//! What a worker lacks (descriptors, a temporary folder, its artifact store) is its own trouble, and never a failure of a job.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Process, SOON, World, example, stdout, until};
use crate::http_server::HttpServer;
use crate::scrape::{Scrape, address, until_scraped};
use crate::workflows::WORK;

/// Many programs side by side, each for a moment.
const SWARM: &str = r#"
name = "swarm"
[stages.numbers]
rust = "numbers"
[stages.each]
command = ["sh", "-c", "echo > $PITON_ARTIFACTS/a; sleep 0.3; echo 1"]
needs = ["numbers"]
for_each = "numbers.numbers"
retry = { max_retries = 0 }
"#;

/// Runs the script that its input names, once.
const SCRIPT: &str = r#"
name = "script"
[stages.script]
command = ["sh", "-c", "{{input.script}}"]
output = "text"
timeout = "5m"
retry = { max_retries = 0 }
"#;

/// Opens files until there is no descriptor left.
const GREED: &str = r#"
name = "greed"
[stages.greed]
rust = "greed"
retry = { max_retries = 0 }
"#;

/// Keeps a file that its input names, once.
const PUT: &str = r#"
name = "put"
[stages.put]
rust = "put"
retry = { max_retries = 0 }
[stages.read]
rust = "read-one"
needs = ["put"]
retry = { max_retries = 0 }
"#;

const FAILED: &str = "select count(*) from piton.attempts where outcome = 'failed'";
const RELEASED: &str = "select count(*) from piton.attempts where outcome = 'released'";

/// A worker that may open so many files: the soft limit and the hard one.
fn limited(world: &World, name: &str, limits: &str, arguments: &[&str]) -> Process {
    let (limits, program, folder) = (format!("--nofile={limits}"), example("test-worker"), world.path("workflows"));
    let worker = ["worker", "--name", name, "--workflows", folder.to_str().unwrap()];
    let all = [&[limits.as_str(), program.to_str().unwrap()], &worker[..], arguments].concat();
    Process::spawn(world.command_of(Path::new("prlimit"), all), world.path(&format!("{name}.log")))
}

/// Folders that programs were given, and still have.
fn folders(world: &World) -> usize {
    let entries = std::fs::read_dir(world.folder.path()).unwrap().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("piton-command-")).count()
}

async fn leaves_no_folder(world: &World) {
    until(SOON, "no folder is left", async || folders(world) == 0).await;
}

fn is(world: &World, worker: &Process, probe: &str) -> bool {
    let arguments = ["health", "--at", &address(worker), probe];
    world.command(arguments).output().unwrap().status.success()
}

async fn becomes_ready(world: &World, worker: &Process, ready: bool) {
    until(SOON, &format!("ready is {ready}"), async || is(world, worker, "--ready") == ready).await;
}

/// Class and message of the only dead letter of the run.
async fn given_up(world: &World, run: &str) -> (String, String) {
    assert_eq!(world.ended(run).await, "blocked");
    let sql = "select d.class, d.message from piton.dead_letters d join piton.runs r on r.id = d.run_id
               where r.uuid = $1::uuid";
    sqlx::query_as(sql).bind(run).fetch_one(&world.pool).await.unwrap()
}

#[tokio::test]
async fn a_worker_uses_the_slots_it_may_open_files_for_and_no_job_fails() {
    for limits in ["80:80", "300:300"] {
        let world = World::with(&[SWARM]).await;
        let worker = limited(&world, "w1", limits, &["--slots", "400"]);
        let run = world.start("swarm", r#"{"items": 60}"#);
        assert_eq!(world.ended(&run).await, "done");
        worker.says(" of 400 slots: raise the limit").await;
        assert_eq!(world.count(FAILED).await, 0, "{limits}");
        leaves_no_folder(&world).await;
        let slots = Scrape::of(&worker).await.sum("piton_slots", &[]);
        let recorded = world.count("select slots::int8 from piton.workers where name = 'w1'").await;
        assert!((1.0..60.0).contains(&slots) && slots == recorded as f64, "{limits}: {slots} {recorded}");
    }
}

#[tokio::test]
async fn a_worker_without_room_for_a_slot_says_so_and_takes_nothing() {
    let world = World::with(&[SWARM]).await;
    let run = world.start("swarm", r#"{"items": 3}"#);
    let mut worker = limited(&world, "w1", "32:32", &[]);
    assert_eq!(worker.exit_code().await, Some(1));
    let said = worker.log();
    assert!(said.contains("this process may open 32 files, and a worker with one slot needs "), "{said}");
    assert!(said.contains("raise the limit (ulimit -n"), "{said}");
    assert_eq!((world.count(FAILED).await, world.journal()), (0, Vec::new()));
    let _able = world.worker("w2", &[]);
    assert_eq!(world.ended(&run).await, "done");
}

#[tokio::test]
async fn the_soft_limit_is_raised_for_the_worker_and_not_for_its_programs() {
    let world = World::with(&[SCRIPT]).await;
    let worker = limited(&world, "w1", "200:4000", &["--slots", "300"]);
    let run = world.start("script", r#"{"script": "ulimit -S -n; ulimit -H -n"}"#);
    assert_eq!(world.ended(&run).await, "done");
    let sql = "select output #>> '{}' from piton.checkpoints";
    let printed: String = sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap();
    assert_eq!(printed, "200\n4000");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", worker.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["4000", "4000"]);
    assert_eq!(Scrape::of(&worker).await.sum("piton_slots", &[]), 300.0);
}

#[tokio::test]
async fn an_attempt_that_finds_no_descriptor_left_goes_back_and_fails_no_job() {
    let world = World::with(&[SWARM, GREED]).await;
    let worker = limited(&world, "w1", "400:400", &["--slots", "16"]);
    let greedy = world.start("greed", r#"{"hold_ms": 3000, "fails": false}"#);
    until(SOON, "it has all of them", async || !world.journal().is_empty()).await;
    let run = world.start("swarm", r#"{"items": 12}"#);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.ended(&greedy).await, "done");
    assert!(world.count(RELEASED).await >= 1, "some were tried while there was none");
    assert_eq!(world.count(FAILED).await, 0);
    worker.says("this worker lacks file descriptors").await;
    worker.says("this worker has file descriptors again").await;
    leaves_no_folder(&world).await;
    becomes_ready(&world, &worker, true).await;
}

#[tokio::test]
async fn an_attempt_that_uses_up_every_descriptor_by_itself_is_a_failure_of_its_own() {
    let world = World::with(&[GREED]).await;
    let worker = limited(&world, "w1", "300:300", &["--slots", "4"]);
    let run = world.start("greed", r#"{"hold_ms": 0, "fails": true}"#);
    let (class, message) = given_up(&world, &run).await;
    assert_eq!((class.as_str(), message.as_str()), ("resource_unavailable", "Too many open files (os error 24)"));
    becomes_ready(&world, &worker, true).await;
}

#[tokio::test]
async fn what_is_no_regular_file_holds_nobody_up() {
    let world = World::with(&[SCRIPT, PUT]).await;
    let _worker = world.worker("w1", &[]);
    let scripts = [
        ("mkfifo $PITON_OUTPUT", "it is a FIFO and no regular file"),
        ("mkfifo $PITON_OUTPUT.f; ln -s $PITON_OUTPUT.f $PITON_OUTPUT", "it is a FIFO and no regular file"),
        ("mkdir $PITON_OUTPUT", "it is a folder and no regular file"),
        ("ln -s /dev/zero $PITON_OUTPUT", "it is a device and no regular file"),
    ];
    for (script, what) in scripts {
        let run = world.start("script", &json!({"script": script}).to_string());
        let (class, message) = given_up(&world, &run).await;
        let said = format!("$PITON_OUTPUT cannot be taken as the output: {what}");
        assert_eq!((class.as_str(), message), ("invalid_input", said), "{script}");
    }
    // The lock of the attempt's folder, and the folder of artifacts.
    let others = "mkfifo $(dirname $PITON_OUTPUT)/tried; rm $(dirname $PITON_OUTPUT)/lock; mkfifo \
                  $(dirname $PITON_OUTPUT)/lock; mkfifo $PITON_ARTIFACTS/fifo; ln -s /dev/zero $PITON_ARTIFACTS/zero; echo 1";
    let run = world.start("script", &json!({"script": others}).to_string());
    assert_eq!(world.ended(&run).await, "done");
    // What a handler keeps, and what is in the place of an artifact that another one reads.
    let (file, fifo) = (world.path("file"), world.path("fifo"));
    std::fs::write(&file, "text").unwrap();
    stdout(&Command::new("mkfifo").arg(&fifo).output().unwrap());
    symlink(&fifo, world.path("link")).unwrap();
    for path in [&fifo, &world.path("link")] {
        let run = world.start("put", &json!({"path": path, "wait_ms": 0}).to_string());
        let (class, message) = given_up(&world, &run).await;
        assert!(class == "invalid_input" && message.ends_with("it is a FIFO and no regular file"), "{message}");
    }
    let run = world.start("put", &json!({"path": file, "wait_ms": 2000}).to_string());
    let sql = "select address from piton.artifacts where bytes is not null limit 1";
    let mut kept: Option<String> = None;
    until(SOON, "it is kept", async || {
        kept = sqlx::query_scalar(sql).fetch_optional(&world.pool).await.unwrap();
        kept.is_some()
    })
    .await;
    let kept = world.path("artifacts").join(kept.unwrap());
    std::fs::remove_file(&kept).unwrap();
    stdout(&Command::new("mkfifo").arg(&kept).output().unwrap());
    let (class, message) = given_up(&world, &run).await;
    assert!(class == "resource_unavailable" && message.contains("is no regular file"), "{message}");
    leaves_no_folder(&world).await;
}

#[tokio::test]
async fn a_worker_whose_threads_all_wait_is_not_live_until_they_go_on() {
    let world = World::with(&["name = \"block\"\n[stages.block]\nrust = \"block\"\n"]).await;
    let worker = world.worker("w1", &[]);
    until_scraped(&worker, "it is live", |scrape| scrape.sum("piton_live", &[]) == 1.0).await;
    let go = world.path("go");
    let run = world.start("block", &json!({"threads": 600, "until": go}).to_string());
    assert_eq!(world.ended(&run).await, "done");
    until(SOON, "it is not live", async || !is(&world, &worker, "--live")).await;
    assert!(!is(&world, &worker, "--ready"));
    worker.says("this worker stands still and is not live: every thread for files waits").await;
    std::fs::write(&go, "").unwrap();
    until(SOON, "it is live again", async || is(&world, &worker, "--live")).await;
    becomes_ready(&world, &worker, true).await;
}

#[tokio::test]
async fn who_waits_for_an_input_that_does_not_come_can_be_stopped() {
    let world = World::with(&[WORK]).await;
    let (fifo, folder) = (world.path("fifo"), world.path("workflows"));
    stdout(&Command::new("mkfifo").arg(&fifo).output().unwrap());
    for command in ["run", "start"] {
        let arguments = [command, "work", "--input", fifo.to_str().unwrap(), "--workflows", folder.to_str().unwrap()];
        let mut process = Process::spawn(world.command(arguments), world.path("waits.log"));
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(process.is_running(), "{command}");
        process.signal("TERM");
        assert_eq!(process.exit_code().await, None, "{command} ends by the signal");
    }
}

/// `why` gives that as the reason why a run waits for a worker.
async fn says_why(world: &World, run: &str, lacks: &str) {
    let expected = format!("no live worker has what it needs: {lacks}");
    let sql =
        "select count(*) from piton.why_waiting where run = $1::uuid and reason = 'no_handler' and why like '%' || $2
               and moves like '%the log of that worker%'";
    until(SOON, &expected, async || {
        sqlx::query_scalar::<_, i64>(sql).bind(run).bind(&expected).fetch_one(&world.pool).await.unwrap() > 0
    })
    .await;
}

/// A worker with another temporary folder.
fn with_folder(world: &World, name: &str, folder: &Path) -> Process {
    let workflows = world.path("workflows");
    let mut command = world.command(["worker", "--name", name, "--workflows", workflows.to_str().unwrap()]);
    command.env("TMPDIR", folder);
    Process::spawn(command, world.path(&format!("{name}.log")))
}

#[tokio::test]
async fn a_worker_without_a_temporary_folder_leaves_programs_to_others() {
    let world = World::with(&[SCRIPT, WORK]).await;
    let later = world.path("later");
    // Not there yet, no folder, and one that is read-only.
    std::fs::write(world.path("file"), "").unwrap();
    let places = [later.as_path(), &world.path("file"), Path::new("/proc")];
    let mut workers = Vec::new();
    for (number, place) in places.into_iter().enumerate() {
        let worker = with_folder(&world, &format!("w{number}"), place);
        worker.says("this worker lacks the temporary folder").await;
        worker.says("worker started").await;
        workers.push(worker);
    }
    let script = || world.start("script", r#"{"script": "echo 1"}"#);
    let runs: Vec<String> = (0..5).map(|_| script()).collect();
    // What needs no folder is done.
    let other = world.start("work", r#"{"work_ms": 10}"#);
    assert_eq!(world.ended(&other).await, "done");
    for worker in &workers {
        assert!(!is(&world, worker, "--ready") && is(&world, worker, "--live"));
        let missing = Scrape::of(worker).await.sum("piton_stages_missing", &[("workflow", "script")]);
        assert_eq!(missing, 1.0);
    }
    until_scraped(&workers[0], "the check tells", |scrape| {
        scrape.sum("piton_component_status", &[("component", "disk"), ("status", "unhealthy")]) == 1.0
    })
    .await;
    assert_eq!(world.count("select count(*) from piton.attempts").await, 0);
    // Nobody says that they lack the program.
    says_why(
        &world,
        &runs[0],
        "w0 lacks the temporary folder, w1 lacks the temporary folder, w2 lacks the temporary folder",
    )
    .await;
    // What no worker can run is put aside, sooner or later.
    let begun = "select count(*) from piton.jobs where state not in ('ready', 'limited') or attempt <> 0";
    assert_eq!(world.count(begun).await, 0);
    // Another one has what they need, and so has one of these later.
    let able = world.worker("able", &[]);
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    able.kill();
    std::fs::create_dir(&later).unwrap();
    becomes_ready(&world, &workers[0], true).await;
    assert_eq!(world.ended(&script()).await, "done");
    assert_eq!(world.count(FAILED).await, 0);
}

#[tokio::test]
async fn who_runs_a_program_alone_without_a_temporary_folder_is_told_at_once() {
    let world = World::with(&[SCRIPT]).await;
    let (folder, input) = (world.path("workflows"), world.path("input.json"));
    std::fs::write(&input, r#"{"script": "echo 1"}"#).unwrap();
    let arguments = ["run", "script", "--input", input.to_str().unwrap(), "--workflows", folder.to_str().unwrap()];
    let output = world.command(arguments).env("TMPDIR", world.path("nowhere")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("nowhere, and none can be made there: "), "{said}");
    assert!(said.contains("Let TMPDIR name another"), "{said}");
    assert_eq!(world.count("select count(*) from piton.runs").await, 0);
}

#[tokio::test]
async fn a_worker_whose_folder_goes_away_hands_back_what_needs_it() {
    let world = World::with(&[SWARM]).await;
    let place = world.path("place");
    std::fs::create_dir(&place).unwrap();
    let worker = with_folder(&world, "w1", &place);
    becomes_ready(&world, &worker, true).await;
    std::fs::remove_dir_all(&place).unwrap();
    let run = world.start("swarm", r#"{"items": 5}"#);
    worker.says("this worker lacks the temporary folder").await;
    becomes_ready(&world, &worker, false).await;
    std::fs::create_dir(&place).unwrap();
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.count(FAILED).await, 0);
}

#[tokio::test]
async fn a_worker_without_its_artifact_store_claims_nothing_that_needs_it() {
    let world = World::with(&[PUT, WORK]).await;
    let store = world.path("artifacts");
    std::fs::write(&store, "no folder").unwrap();
    let worker = world.worker("w1", &[]);
    worker.says("this worker lacks the artifact store").await;
    worker.says("worker started").await;
    becomes_ready(&world, &worker, false).await;
    let file = world.path("file");
    std::fs::write(&file, "text").unwrap();
    let put = || world.start("put", &json!({"path": file, "wait_ms": 0}).to_string());
    let run = put();
    says_why(&world, &run, "w1 lacks the artifact store").await;
    // Nobody has named a store to this one, and what it has not seen to need one is no matter of it.
    let (data, workflows) = (world.path("data"), world.path("workflows"));
    std::fs::write(&data, "no folder").unwrap();
    let arguments = ["worker", "--name", "w2", "--data-dir", data.to_str().unwrap()];
    let mut command = world.command([&arguments[..], &["--workflows", workflows.to_str().unwrap()]].concat());
    command.env_remove("PITON_ARTIFACT_STORE");
    let by_default = Process::spawn(command, world.path("w2.log"));
    let other = world.start("work", r#"{"work_ms": 10}"#);
    assert_eq!(world.ended(&other).await, "done");
    by_default.kill();
    assert_eq!(world.count(FAILED).await, 0);
    // Back at the first one, nothing was begun before its store was there.
    std::fs::remove_file(&store).unwrap();
    becomes_ready(&world, &worker, true).await;
    assert_eq!(world.ended(&run).await, "done");
    let released = world.count(RELEASED).await;
    // Gone again, before anybody has looked: the attempt that finds out goes back.
    std::fs::rename(&store, world.path("moved")).unwrap();
    std::fs::write(&store, "no folder").unwrap();
    let run = put();
    until(SOON, "one has found out", async || world.count(RELEASED).await > released).await;
    becomes_ready(&world, &worker, false).await;
    std::fs::remove_file(&store).unwrap();
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.count(FAILED).await, 0);
}

/// Keeps what a server answers, and sends it back to that server; once each.
const MIRROR: &str = r#"
name = "mirror"
retry = { max_retries = 0 }
[stages.fetch]
http = "${API}/fetch"
output = "file"
[stages.send]
http = "${API}/send"
files = { it = "file:fetch/answer" }
needs = ["fetch"]
"#;

#[tokio::test]
async fn a_worker_whose_artifact_store_goes_away_sends_no_request_whose_files_it_needs() {
    let server = HttpServer::start(|_, wire| wire.answer(200, &[], "{}"));
    let mut world = World::with(&[MIRROR, WORK]).await;
    world.environment.push(("API", server.url()));
    let store = world.path("artifacts");
    std::fs::write(&store, "no folder").unwrap();
    let worker = world.worker("w1", &[]);
    worker.says("this worker lacks the artifact store").await;
    worker.says("worker started").await;
    let run = world.start("mirror", "{}");
    says_why(&world, &run, "w1 lacks the artifact store").await;
    assert_eq!((server.requests().len(), world.count(RELEASED).await), (0, 0));
    std::fs::remove_file(&store).unwrap();
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(server.requests().len(), 2);
    // It is seen to do without the store.
    assert_eq!(world.ended(&world.start("work", r#"{"work_ms": 10}"#)).await, "done");
    // Gone again, before anybody has looked: what finds out goes back, and waits.
    until(SOON, "it is ready", async || is(&world, &worker, "--ready")).await;
    std::fs::rename(&store, world.path("moved")).unwrap();
    std::fs::write(&store, "no folder").unwrap();
    let run = world.start("mirror", "{}");
    says_why(&world, &run, "w1 lacks the artifact store").await;
    // What comes after it is done here, and it is not claimed meanwhile.
    for _ in 0..5 {
        let other = world.start("work", r#"{"work_ms": 200}"#);
        assert_eq!(world.ended(&other).await, "done");
    }
    assert_eq!((server.requests().len(), world.count(RELEASED).await), (3, 1));
    std::fs::remove_file(&store).unwrap();
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!((server.requests().len(), world.count(FAILED).await), (5, 0));
}

/// A program that writes more than it may.
const FILL: &str = r#"
name = "fill"
[stages.fill]
command = ["sh", "-c", 'exec head -c 3000000 /dev/zero > "$PITON_ARTIFACTS/big"']
retry = { max_retries = 0 }
"#;

#[tokio::test]
async fn a_file_over_the_limit_of_file_sizes_fails_its_attempt_and_ends_no_worker() {
    let world = World::with(&[PUT, FILL, WORK]).await;
    let (program, folder) = (example("test-worker"), world.path("workflows"));
    let arguments = ["worker", "--name", "w1", "--workflows", folder.to_str().unwrap()];
    let all = [&["--fsize=2000000", program.to_str().unwrap()], &arguments[..]].concat();
    let mut worker = Process::spawn(world.command_of(Path::new("prlimit"), all), world.path("w1.log"));
    let file = world.path("file");
    std::fs::write(&file, vec![b'x'; 3_000_000]).unwrap();
    let put = world.start("put", &json!({"path": file, "wait_ms": 0}).to_string());
    let (class, message) = given_up(&world, &put).await;
    assert_eq!(class, "resource_unavailable");
    assert!(message.contains("File too large"), "{message}");
    // A program has the system's own way to take it.
    let (_, message) = given_up(&world, &world.start("fill", "{}")).await;
    assert!(message.contains("SIGXFSZ"), "{message}");
    let other = world.start("work", r#"{"work_ms": 10}"#);
    assert_eq!(world.ended(&other).await, "done");
    assert!(worker.is_running(), "it is the same worker");
}
