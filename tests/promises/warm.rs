//! Warm stages: a program that is started once does one job after another; whatever it does ends in an answer or in a classified
//! failure of one job, in its time, and no process is left.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::commands::output;
use crate::harness::{Process, SOON, World, stdout, until};
use crate::scrape::Scrape;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/promises/warm/program.py");

/// A workflow of one warm stage.
pub(crate) fn warm(name: &str, warm: &str, keys: &str) -> String {
    format!(
        "name = \"{name}\"\n[stages.work]\ncommand = [\"python3\", \"{PROGRAM}\"]\nwarm = {{ {warm} }}\n\
         pass_env = [\"NOTES\", \"LATE\", \"API_KEY\", \"LOADS\"]\n{keys}\n"
    )
}

const ONCE: &str = "retry = { max_retries = 0 }";

async fn world(workflows: &[&str]) -> World {
    let mut world = World::with(workflows).await;
    world.environment.push(("NOTES", world.path("notes").to_str().unwrap().to_owned()));
    world
}

/// A worker of the plain binary.
fn worker(world: &World, name: &str, arguments: &[&str]) -> Process {
    let folder = world.path("workflows");
    let mut all = vec!["worker", "--name", name, "--workflows", folder.to_str().unwrap(), "--log", "debug"];
    all.extend(arguments);
    let command = world.command_of(Path::new(env!("CARGO_BIN_EXE_piton")), all);
    Process::spawn(command, world.path(&format!("{name}.log")))
}

impl World {
    /// What the programs have noted, by their words.
    fn noted(&self, word: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("notes")).unwrap_or_default();
        let of = |line: &str| line.strip_prefix(word).map(|pid| pid.trim().to_owned());
        text.lines().filter_map(of).collect()
    }

    /// Processes that the warm programs of this world are, or have started: they know its socket.
    fn warm_processes(&self) -> Vec<String> {
        let mark = format!("PITON_WARM={}", self.folder.path().display());
        let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let marked = processes.filter(|process| {
            let environment = std::fs::read(process.join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&mark)
        });
        marked.filter_map(|process| std::fs::read_to_string(process.join("comm")).ok()).collect()
    }

    async fn no_program_is_left(&self) {
        until(SOON, "no warm program is left", async || self.warm_processes().is_empty()).await;
    }

    /// Class, message and detail of the only failure of a run, and how long its attempt took.
    async fn failure(&self, run: &str) -> (String, String, Value, Duration) {
        let (class, message, detail, seconds): (String, String, Option<Value>, f64) = sqlx::query_as(
            "select a.class, a.message, a.detail, extract(epoch from a.ended_at - a.started_at)::float8
             from piton.attempts a join piton.runs r on r.id = a.run_id where r.uuid = $1::uuid and a.outcome = 'failed'",
        )
        .bind(run)
        .fetch_one(&self.pool)
        .await
        .unwrap();
        (class, message, detail.unwrap_or_default(), Duration::from_secs_f64(seconds))
    }

    async fn outputs(&self) -> Vec<Value> {
        let sql = "select output from piton.checkpoints where item >= 0 order by run_id, item";
        sqlx::query_scalar(sql).fetch_all(&self.pool).await.unwrap()
    }
}

#[tokio::test]
async fn a_program_is_started_once_and_does_one_job_after_another() {
    let world = world(&[&warm("many", "processes = 2", "for_each = \"input.items\"")]).await;
    let mut worker = worker(&world, "w1", &["--slots", "16"]);
    let items: Vec<Value> = (0..60).map(|n| json!({"n": n})).collect();
    let run = world.start("many", &json!({"items": items}).to_string());
    assert_eq!(world.ended(&run).await, "done");
    let outputs = world.outputs().await;
    let answered: Vec<&Value> = outputs.iter().map(|output| &output["item"]).collect();
    assert_eq!(answered, items.iter().collect::<Vec<_>>(), "every job has its own answer");
    let mut processes: Vec<i64> = outputs.iter().map(|output| output["pid"].as_i64().unwrap()).collect();
    processes.sort_unstable();
    processes.dedup();
    assert!((1..=2).contains(&processes.len()), "{processes:?}");
    let most = outputs.iter().map(|output| output["served"].as_i64().unwrap()).max().unwrap();
    assert!(most >= 30, "{most} of 60 jobs by one process");
    world.assert_nothing_is_left().await;
    until(SOON, "metrics show them", async || {
        let scrape = Scrape::of(&worker).await;
        let idle = scrape.sum("piton_warm_processes", &[("workflow", "many"), ("state", "idle")]);
        let ready = scrape.sum("piton_warm_starts_total", &[("workflow", "many"), ("outcome", "ready")]);
        idle >= processes.len() as f64 && idle == ready
    })
    .await;
    until(SOON, "so do lists of workers", async || {
        let said = world.command(["workers", "--json"]).output().unwrap();
        let said: Value = serde_json::from_slice(&said.stdout).unwrap();
        said[0]["warm"]
            == json!([{"workflow": "many", "stage": "work", "starting": 0, "idle": processes.len(), "busy": 0, "stopping": 0}])
    })
    .await;
    let said = stdout(&world.command(["workers"]).output().unwrap());
    assert!(said.contains(&format!("warm programs of many, work: {} idle", processes.len())), "{said}");
    // The programs are asked to end, and do.
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0), "{}", worker.log());
    assert!(world.noted("stopped").len() >= processes.len());
    assert_eq!(world.warm_processes(), [""; 0]);
}

#[tokio::test]
async fn whatever_a_warm_program_does_ends_in_a_class_in_its_time_and_spares_the_next_job() {
    let hurried = warm("hurried", "max_memory = \"150MiB\"", &format!("timeout = \"2s\"\n{ONCE}"));
    let world = world(&[&hurried]).await;
    let mut worker = worker(&world, "w1", &["--slots", "4"]);
    let out_of_time = "the stage ran longer than its timeout of 2 s";
    let cases: [(Value, &str, &str); 18] = [
        (json!({"do": "other"}), "unknown", "`python3` sent a message about another job than the one it has"),
        (json!({"do": "never"}), "network_timeout", out_of_time),
        (json!({"do": "deaf"}), "network_timeout", out_of_time),
        (json!({"do": "exit", "code": 3}), "unknown", "`python3` ended with exit status 3: on the way"),
        (json!({"do": "exit", "code": 75}), "resource_unavailable", "(EX_TEMPFAIL: try again later)"),
        (json!({"do": "exit", "code": 0}), "unknown", "`python3` ended before it answered"),
        (json!({"do": "kill", "signal": 9}), "out_of_memory", "`python3` was killed by SIGKILL"),
        (json!({"do": "kill", "signal": 11}), "unknown", "`python3` was killed by SIGSEGV"),
        (json!({"do": "grow"}), "out_of_memory", "more than its max_memory of 150 MiB"),
        (json!({"do": "shout"}), "unknown", "`python3` sent a line that is not JSON: "),
        (json!({"do": "greet"}), "unknown", "`python3` said in the middle of a job that it is ready"),
        (json!({"do": "unknown"}), "unknown", "`python3` sent a message of the type `done`, which it does not know"),
        (json!({"do": "long"}), "invalid_input", "`python3` sent a message of more than"),
        (
            json!({"do": "daemon"}),
            "unknown",
            "left processes running when its job was done (sleep), which were stopped",
        ),
        (json!({"do": "hang_up"}), "unknown", "`python3` closed its connection in the middle of a job"),
        (json!({"do": "fail", "failure": {"class": "auth_failure", "message": "no"}}), "auth_failure", "no"),
        (json!({"do": "fail", "failure": {}}), "unknown", "the program says no more than that it failed"),
        (json!({"do": "juggle"}), "invalid_input", "cannot do juggle"),
    ];
    for (input, class, message) in cases {
        let run = world.start("hurried", &input.to_string());
        assert_eq!(world.ended(&run).await, "blocked", "{input}");
        let (found, said, detail, took) = world.failure(&run).await;
        assert_eq!(found, class, "{input}: {said}");
        assert!(said.contains(message), "{input}: {said}");
        assert!(took < Duration::from_secs(8), "{input} took {took:?}");
        if class != "invalid_input" {
            assert!(detail["stderr"].as_str().is_some_and(|words| words.contains("on the way")), "{input}: {detail}");
            assert!(detail["stdout"].as_str().is_some_and(|words| words.contains("noise")), "{input}: {detail}");
        }
        // The next job finds a program in its right mind.
        let begun = Instant::now();
        let next = world.start("hurried", "{}");
        assert_eq!(output(&world, &next).await["attempt"], 1, "{input}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{input}: the next one took {:?}", begun.elapsed());
    }
    // What comes after an answer is nobody's failure.
    for (input, told) in [("twice", "one job has one answer"), ("die_after", "it died between two jobs: exit status 3")]
    {
        let before = worker.log().matches(told).count();
        let run = world.start("hurried", &json!({"do": input}).to_string());
        assert_eq!(world.ended(&run).await, "done", "{input}");
        until(SOON, told, async || worker.log().matches(told).count() > before).await;
        let next = world.start("hurried", "{}");
        assert_eq!(output(&world, &next).await["served"], 1, "after {input} it is another process");
    }
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0), "{}", worker.log());
    world.no_program_is_left().await;
}

#[tokio::test]
async fn a_program_that_ends_after_each_of_its_jobs_fails_none_of_them() {
    let world = world(&[&warm("many", "processes = 2", "for_each = \"input.items\"")]).await;
    let _worker = worker(&world, "w1", &["--slots", "8"]);
    let items: Vec<Value> = (0..20).map(|n| json!({"n": n, "do": "die_after"})).collect();
    let run = world.start("many", &json!({"items": items}).to_string());
    assert_eq!(world.ended(&run).await, "done");
    assert!(world.outputs().await.iter().all(|output| output["served"] == 1 && output["attempt"] == 1));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_program_that_does_not_start_costs_one_attempt_and_not_one_for_each_job() {
    let late = warm(
        "late",
        "start_timeout = \"800ms\"",
        "for_each = \"input.items\"\nretry = { max_retries = 30, resource_unavailable = { max_retries = 30, base = \"10ms\", cap = \"10ms\" } }",
    );
    let mut world = world(&[&late]).await;
    world.environment.push(("LATE", world.path("model").to_str().unwrap().to_owned()));
    let worker = worker(&world, "w1", &["--slots", "64"]);
    let items: Vec<Value> = (0..40).map(|n| json!({"n": n})).collect();
    let run = world.start("late", &json!({"items": items}).to_string());
    let failed = "select count(*) from piton.attempts where outcome = 'failed'";
    until(SOON, "the third start has failed", async || world.count(failed).await >= 3).await;
    let told = "select count(*) from piton.attempts where outcome = 'failed' and class = 'resource_unavailable'
                and message like '`python3` was not ready within its start_timeout of 800 ms%'";
    let failures = world.count(told).await;
    assert!(failures <= 4, "{failures} failures of 40 jobs");
    assert_eq!(failures, world.count(failed).await);
    assert!(worker.log().contains("program_not_started"), "{}", worker.log());
    let rests = "select count(*) from piton.why_waiting where why like '%needs: w1 lacks a warm program that starts'";
    until(SOON, "jobs wait for a program, and none for python3", async || world.count(rests).await > 0).await;
    std::fs::write(world.path("model"), "").unwrap();
    assert_eq!(world.ended(&run).await, "done");
    assert!(world.count(failed).await <= 6, "it was tried again as a stage");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_program_dies_with_its_worker_and_another_worker_goes_on() {
    let world = world(&[&warm("many", "processes = 2", "for_each = \"input.items\"")]).await;
    let items: Vec<Value> = (0..80).map(|n| json!({"n": n, "do": "work"})).collect();
    let run = world.start("many", &json!({"items": items}).to_string());
    for round in 0..3 {
        let victim = worker(&world, &format!("victim-{round}"), &[]);
        let done = "select count(*) from piton.checkpoints where item >= 0";
        let before = world.count(done).await;
        until(SOON, "it has begun", async || world.count(done).await > before).await;
        victim.kill();
        world.no_program_is_left().await;
    }
    let _heir = worker(&world, "heir", &[]);
    assert_eq!(world.ended(&run).await, "done");
    let outputs = world.outputs().await;
    let answered: Vec<&Value> = outputs.iter().map(|output| &output["item"]).collect();
    assert_eq!(answered, items.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_job_that_is_cancelled_leaves_its_program_to_the_next() {
    let world = world(&[&warm("many", "", "")]).await;
    let mut worker = worker(&world, "w1", &[]);
    let first = world.start("many", "{}");
    let pid = output(&world, &first).await["pid"].clone();
    let run = world.start("many", r#"{"do": "wait"}"#);
    until(SOON, "it waits", async || world.noted("waits").len() == 1).await;
    assert!(world.command(["cancel", &run, "--reason", "a test"]).output().unwrap().status.success());
    until(SOON, "it is told", async || world.noted("cancel").len() == 1).await;
    let next = world.start("many", "{}");
    let next = output(&world, &next).await;
    assert_eq!((&next["pid"], &next["served"]), (&pid, &json!(3)));
    // A worker that hands its job back says the same.
    let run = world.start("many", r#"{"do": "wait"}"#);
    until(SOON, "it waits again", async || world.noted("waits").len() == 2).await;
    worker.signal("TERM");
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0), "{}", worker.log());
    assert_eq!((world.noted("cancel").len(), world.noted("stopped").len()), (2, 1));
    assert_eq!(world.state(&run).await, "running", "nothing is counted");
    assert_eq!(world.count("select count(*) from piton.attempts where outcome = 'failed'").await, 0);
    world.no_program_is_left().await;
}

#[tokio::test]
async fn a_program_is_replaced_when_it_is_idle_worn_out_or_of_an_older_version() {
    let world =
        world(&[&warm("idle", "idle = \"300ms\"", ""), &warm("worn", "max_jobs = 2", ""), &warm("old", "", "")]).await;
    let worker = worker(&world, "w1", &[]);
    let run = world.start("idle", "{}");
    output(&world, &run).await;
    worker.says("it had no job for 300 ms").await;
    until(SOON, "it has ended", async || world.noted("stopped").len() == 1).await;
    let mut served = Vec::new();
    for _ in 0..5 {
        let run = world.start("worn", "{}");
        served.push(output(&world, &run).await["served"].as_i64().unwrap());
    }
    assert_eq!(served, [1, 2, 1, 2, 1]);
    let run = world.start("old", "{}");
    let old = output(&world, &run).await["pid"].clone();
    world.write_workflows(&["", "", &warm("old", "", "env = { LEVEL = \"2\" }")]);
    std::fs::remove_file(world.path("workflows/0.toml")).unwrap();
    std::fs::remove_file(world.path("workflows/1.toml")).unwrap();
    world.deploy("old");
    let run = world.start("old", "{}");
    let new = output(&world, &run).await;
    assert!(new["pid"] != old && new["served"] == 1, "{new}");
    worker.says("another version of the workflow needs its place").await;
}

#[tokio::test]
async fn a_program_tells_and_asks_what_a_handler_can() {
    let talk = "name = \"talk\"\n[stages.write]\n\
                command = [\"sh\", \"-c\", 'printf \"to be\" > \"$1\"; printf {}', \"write\", \"{{out:text.txt}}\"]\n\
                [stages.work]\nneeds = [\"write\"]\ncommand = [\"python3\", \"PROGRAM\"]\nwarm = {}\n\
                pass_env = [\"NOTES\", \"API_KEY\"]\n\
                env = { TEXT = \"{{file:write/text.txt}}\", OUT = \"{{out:loud.txt}}\" }\n\
                retry = { unknown = { base = \"10ms\" } }";
    let mut world = world(&[&talk.replace("PROGRAM", PROGRAM)]).await;
    world.environment.push(("API_KEY", "a-very-secret-key".to_owned()));
    let worker = worker(&world, "w1", &[]);
    let run = world.start("talk", r#"{"do": "talk"}"#);
    let told = output(&world, &run).await;
    assert_eq!(told["paid"], json!({"attempt": 1}), "the step was not done again");
    assert_eq!(
        (&told["kept"], &told["refused"], &told["has"]),
        (&json!("kept.txt"), &json!(["refused", "invalid_input"]), &json!(true))
    );
    let knows = [
        "artifacts",
        "attempt",
        "deadline",
        "env",
        "id",
        "idempotency_key",
        "input",
        "inputs",
        "run",
        "stage",
        "timeout",
        "traceparent",
        "worker",
        "workflow",
    ];
    assert_eq!(told["knows"], json!(knows));
    assert_eq!(told["named"], json!("of-${API_KEY}.txt"));
    let files: Vec<(String, String)> = sqlx::query_as(
        "select a.name, a.type from piton.artifacts a join piton.checkpoints k using (run_id, stage, item, attempt)
         where k.stage = 1 order by a.name",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
    let kept =
        [("kept.txt", "preview"), ("left.txt", "output"), ("loud.txt", "output"), ("of-${API_KEY}.txt", "output")];
    assert_eq!(files, kept);
    let shown = "select string_agg(s.text, ' ') from (
                     select to_jsonb(a)::text from piton.artifacts a union all select to_jsonb(s)::text from piton.steps s) as s (text)";
    let shown: String = sqlx::query_scalar(shown).fetch_one(&world.pool).await.unwrap();
    assert!(shown.contains("sign in as ${API_KEY}") && !shown.contains("a-very-secret-key"), "{shown}");
    let log = worker.log();
    assert!(log.contains("the key is ${API_KEY}") && !log.contains("a-very-secret-key"), "{log}");
    assert!(log.contains("loaded"), "{log}");
}

#[tokio::test]
async fn a_warm_program_has_its_socket_however_long_the_path_of_tmpdir_is() {
    let mut world = world(&[&warm("deep", "", ONCE)]).await;
    let folder = world.path(&"deep/".repeat(30));
    std::fs::create_dir_all(&folder).unwrap();
    world.environment.push(("TMPDIR", folder.to_str().unwrap().to_owned()));
    let mut worker = worker(&world, "w1", &[]);
    let run = world.start("deep", "{}");
    let pid = output(&world, &run).await["pid"].as_i64().unwrap();
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let socket = environment.split(|byte| *byte == 0).find_map(|variable| variable.strip_prefix(b"PITON_WARM="));
    let socket = Path::new(std::str::from_utf8(socket.unwrap()).unwrap()).to_owned();
    assert!(socket.exists() && !socket.starts_with(&folder), "{}", socket.display());
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0), "{}", worker.log());
    assert!(!socket.parent().unwrap().exists(), "{}", socket.display());
}

#[tokio::test]
async fn a_warm_program_may_finish_its_attempt_in_a_transaction_of_its_own() {
    let keys = "finish = true\nretry = { max_retries = 0 }";
    let mut world = world(&[&warm("own", "", keys).replace("\"LOADS\"", "\"TARGET\"")]).await;
    world.environment.push(("TARGET", world.url.clone()));
    let _worker = worker(&world, "w1", &[]);
    let run = world.start("own", r#"{"do": "finish"}"#);
    assert_eq!(output(&world, &run).await, json!(7));
    let run = world.start("own", r#"{"do": "nothing"}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    let (class, said, ..) = world.failure(&run).await;
    assert!(class == "unknown" && said.contains("without an output"), "{class}: {said}");
}
