//! The kits for Python and Node: the same programs do one job and end, or stay and do one after another.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{SOON, World, folder, stdout, until};

const HOME: &str = env!("CARGO_MANIFEST_DIR");

/// A program in one of the languages; both do the same.
struct Kit {
    name: &'static str,
    program: &'static str,
    file: &'static str,
    text: &'static str,
}

const KITS: [Kit; 2] = [
    Kit { name: "python", program: "python3", file: "stages.py", text: include_str!("kits/stages.py") },
    Kit { name: "node", program: "node", file: "stages.mjs", text: include_str!("kits/stages.mjs") },
];

impl Kit {
    /// Python is wherever these tests run; without Node its part is left out, and says so.
    fn is_here(&self) -> bool {
        let here = Command::new(self.program).arg("--version").output().is_ok_and(|output| output.status.success());
        assert!(here || self.name == "node", "there is no {}", self.program);
        if !here {
            eprintln!("skipped for {}: there is no {}", self.name, self.program);
        }
        here
    }

    /// Beside its kit, as users copy it.
    fn write(&self, folder: &std::path::Path) -> std::path::PathBuf {
        for kit in ["kits/python/piton.py", "kits/node/piton.mjs"] {
            let kit = std::path::Path::new(HOME).join(kit);
            std::fs::copy(&kit, folder.join(kit.file_name().unwrap())).unwrap();
        }
        let file = folder.join(self.file);
        std::fs::write(&file, self.text).unwrap();
        file
    }
}

#[tokio::test]
async fn a_program_with_a_kit_does_one_job_returns_fails_by_class_and_keeps_files() {
    for kit in KITS.iter().filter(|kit| kit.is_here()) {
        let world = World::with(&[]).await;
        let file = kit.write(&world.path(""));
        let command = format!("command = [\"{}\", \"{}\"]", kit.program, file.display());
        world.write_workflows(&[&format!(
            "name = \"kit\"\nretry = {{ rate_limited = {{ base = \"1ms\", cap = \"2ms\" }}, unknown = {{ max_retries = 0 }}, network_timeout = {{ max_retries = 0 }} }}\n\
             [stages.count]\n{command}\nfor_each = \"input\"\n\
             [stages.shout]\n{command}\noutput = \"text\"\nneeds = [\"count\"]\nenv = {{ AS_TEXT = \"1\" }}\n"
        )]);
        let _worker = world.worker("w1", &[]);
        let run = world.start("kit", r#"["to be", "slow at first", "file"]"#);
        assert_eq!(world.ended(&run).await, "done", "{}", kit.name);
        let report: Value =
            serde_json::from_str(&stdout(&world.command(["show", &run, "--json"]).output().unwrap())).unwrap();
        assert_eq!(report["output"]["shout"], "COUNT, 3 of them: naïve", "{}", kit.name);
        let outputs: Vec<Value> =
            sqlx::query_scalar("select output from piton.checkpoints where stage = 0 and item >= 0 order by item")
                .fetch_all(&world.pool)
                .await
                .unwrap();
        assert_eq!(
            outputs[0],
            json!({"words": 2, "item": 0, "attempt": 1, "key": format!("{run}:count:0"), "run": run})
        );
        assert_eq!((&outputs[1]["attempt"], &outputs[1]["words"]), (&json!(2), &json!(3)), "{}", kit.name);
        let names: Vec<&str> =
            outputs[2]["files"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["copied.txt", "notes/put.txt"], "{}", kit.name);
        let failed = "select class || ': ' || message || ' ' || (retry_at - ended_at >= interval '0.2 s') from piton.attempts
                      where outcome = 'failed' and run_id = (select id from piton.runs where uuid = $1::uuid) order by ended_at";
        let said: Vec<String> = sqlx::query_scalar(failed).bind(&run).fetch_all(&world.pool).await.unwrap();
        assert_eq!(said, ["rate_limited: slow down true"], "it was asked to wait");
        for (item, class, message) in [
            ("invalid", "invalid_input", "no such word"),
            ("boom", "unknown", "Error: boom"),
            ("late", "network_timeout", "Timeout"),
            ("status", "auth_failure", "the server answered 401"),
            ("no json", "invalid_input", "the output is no JSON: "),
        ] {
            let run = world.start("kit", &json!([item]).to_string());
            assert_eq!(world.ended(&run).await, "blocked", "{}: {item}", kit.name);
            let failed = "select class, message from piton.attempts
                          where outcome = 'failed' and run_id = (select id from piton.runs where uuid = $1::uuid)";
            let (of, said): (String, String) = sqlx::query_as(failed).bind(&run).fetch_one(&world.pool).await.unwrap();
            assert!(of == class && said.contains(message), "{}: {item}: {of}: {said}", kit.name);
        }
        // A message of 3 MB is cut by the kit, so that its class and its wait are read.
        let run = world.start("kit", r#"["verbose"]"#);
        let asked = "select count(*) from piton.attempts where class = 'rate_limited' and message like 'mmm%'
                     and retry_at - ended_at >= interval '30 s' and run_id = (select id from piton.runs where uuid = $1::uuid)";
        let asked = async || sqlx::query_scalar::<_, i64>(asked).bind(&run).fetch_one(&world.pool).await.unwrap() == 1;
        until(SOON, "it waits as it was asked to", asked).await;
    }
}

/// The worker's side of the conversation with a warm program.
struct Worker {
    child: Child,
    lines: BufReader<UnixStream>,
    folder: tempfile::TempDir,
}

impl Worker {
    fn start(kit: &Kit) -> Worker {
        let folder = folder();
        let file = kit.write(folder.path());
        let socket = folder.path().join("warm");
        let listener = UnixListener::bind(&socket).unwrap();
        let mut command = Command::new(kit.program);
        command.arg(file).env("PITON_WARM", &socket).env("PITON_STAGE", "count").stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut worker = Worker { child, lines: BufReader::new(stream), folder };
        assert_eq!(worker.hear(), json!({"type": "ready", "protocol": 1}));
        worker
    }

    fn say(&mut self, message: &Value) {
        writeln!(self.lines.get_mut(), "{message}").unwrap();
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Gives it a job.
    fn begin(&mut self, id: &str, item: &str) {
        let artifacts = self.folder.path().join(id);
        std::fs::create_dir(&artifacts).unwrap();
        self.say(&json!({
            "type": "start", "id": id, "input": {"item": item}, "artifacts": artifacts, "run": "r", "workflow": "kit", "stage": "count",
            "item": 7, "attempt": 2, "worker": "w1", "idempotency_key": "k", "timeout": 5, "new_key": true,
        }));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn a_warm_program_with_a_kit_does_one_job_after_another() {
    for kit in KITS.iter().filter(|kit| kit.is_here()) {
        let mut worker = Worker::start(kit);
        // What it prints is no message; what it does not know it ignores.
        worker.say(&json!({"type": "news"}));
        worker.begin("a", "to be");
        let output = json!({"words": 2, "item": 7, "attempt": 2, "key": "k", "run": "r"});
        assert_eq!(worker.hear(), json!({"type": "result", "id": "a", "output": output}), "{}", kit.name);
        worker.begin("b", "tell");
        assert_eq!(worker.hear(), json!({"type": "progress", "id": "b", "done": 1, "of": 2, "note": "half"}));
        assert_eq!(worker.hear(), json!({"type": "log", "id": "b", "level": "warn", "message": "halfway"}));
        assert_eq!(worker.hear()["type"], "result");
        // A failure by class, and one that nobody foresaw.
        worker.begin("c", "quota");
        let quota = json!({"type": "failure", "id": "c", "class": "rate_limited", "message": "used up", "retry_after": "30s", "detail": {"left": 0}});
        assert_eq!(worker.hear(), quota, "{}", kit.name);
        // However long it is, and whatever it holds: the class is heard.
        for item in ["verbose", "odd"] {
            worker.begin(item, item);
            let failure = worker.hear();
            assert_eq!((&failure["id"], &failure["class"]), (&json!(item), &json!("rate_limited")), "{}", kit.name);
            assert!(
                failure.to_string().len() < 100_000 && failure["detail"].as_str().is_some(),
                "{}: {item}",
                kit.name
            );
            let asks = failure["retry_after"].as_str() == Some("30s");
            assert_eq!(asks, item == "verbose", "{}", kit.name);
        }
        worker.begin("d", "boom");
        let boom = worker.hear();
        assert_eq!((&boom["type"], &boom["class"]), (&json!("failure"), &json!("unknown")));
        assert!(
            boom["message"].as_str().unwrap().contains("boom") && boom["detail"].to_string().contains("boom"),
            "{boom}"
        );
        steps_and_files(&mut worker, kit);
        // It is asked to end soon, and does.
        worker.begin("h", "wait");
        assert_eq!(worker.hear()["type"], "log");
        worker.say(&json!({"type": "cancel", "id": "h"}));
        let cancelled = worker.hear();
        assert_eq!((&cancelled["type"], &cancelled["id"]), (&json!("failure"), &json!("h")), "{cancelled}");
        worker.begin("i", "to be");
        assert_eq!(worker.hear()["output"]["words"], 2, "the next one is not cancelled");
        worker.say(&json!({"type": "stop"}));
        let status = worker.child.wait().unwrap();
        assert!(status.success(), "{}: {status}", kit.name);
    }
}

/// Questions and their answers.
fn steps_and_files(worker: &mut Worker, kit: &Kit) {
    worker.begin("e", "step");
    assert_eq!(worker.hear(), json!({"type": "step", "id": "e", "name": "paid"}));
    worker.say(&json!({"type": "step", "id": "e", "name": "paid", "found": false}));
    assert_eq!(worker.hear(), json!({"type": "record", "id": "e", "name": "paid", "value": 41}));
    worker.say(&json!({"type": "recorded", "id": "e", "name": "paid"}));
    assert_eq!(worker.hear(), json!({"type": "result", "id": "e", "output": {"paid": 41}}), "{}", kit.name);
    worker.begin("f", "step");
    worker.hear();
    worker.say(&json!({"type": "step", "id": "f", "name": "paid", "found": true, "value": 40}));
    assert_eq!(worker.hear(), json!({"type": "result", "id": "f", "output": {"paid": 40}}), "{}", kit.name);
    worker.begin("s", "step");
    worker.hear();
    worker.say(&json!({"type": "refused", "id": "s", "class": "invalid_input", "message": "no such step"}));
    let refused = worker.hear();
    assert_eq!((&refused["class"], &refused["message"]), (&json!("invalid_input"), &json!("no such step")));
    worker.begin("g", "file");
    let asked = worker.hear();
    assert_eq!((&asked["type"], &asked["name"]), (&json!("file"), &json!("copied.txt")), "{asked}");
    assert!(std::path::Path::new(asked["path"].as_str().unwrap()).is_absolute());
    let file = json!({"artifact": "x", "name": "copied.txt", "bytes": 4, "digest": "y"});
    worker.say(&json!({"type": "file", "id": "g", "name": "copied.txt", "file": file}));
    assert_eq!(worker.hear(), json!({"type": "result", "id": "g", "output": {"file": file}}), "{}", kit.name);
    let put = worker.folder.path().join("g/notes/put.txt");
    assert_eq!(std::fs::read_to_string(put).unwrap(), "kept");
}

#[test]
fn a_warm_program_whose_worker_is_gone_ends() {
    for kit in KITS.iter().filter(|kit| kit.is_here()) {
        for item in ["wait", "step"] {
            let mut worker = Worker::start(kit);
            worker.begin("a", item);
            worker.hear();
            worker.lines.get_mut().shutdown(std::net::Shutdown::Both).unwrap();
            let until = std::time::Instant::now() + SOON;
            while worker.child.try_wait().unwrap().is_none() {
                assert!(std::time::Instant::now() < until, "{}: it lives on", kit.name);
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    }
}

#[test]
fn a_program_with_a_kit_can_be_tried_by_hand() {
    for kit in KITS.iter().filter(|kit| kit.is_here()) {
        let folder = folder();
        let file = kit.write(folder.path());
        let mut command = Command::new(kit.program);
        command.arg(file).env_remove("PITON_OUTPUT").env("PITON_STAGE", "count");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(br#"{"item": "to be or not"}"#).unwrap();
        let output = stdout(&child.wait_with_output().unwrap());
        let last: Value = serde_json::from_str(output.trim().lines().last().unwrap()).unwrap();
        assert_eq!(last["words"], 4, "{}: {output}", kit.name);
    }
}
