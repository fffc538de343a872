//! A stage of a recorded run is tried by hand: on its input and files, as a worker would run it, and nothing of it is recorded.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::harness::{Process, SOON, World, stdout, until};
use crate::http_server::HttpServer;
use crate::privileges::{login, url};

const BY_HAND: &str = r#"
name = "by-hand"
[stages.list]
command = ["sh", "-c", 'printf tip > "$1"; echo "[\"a\",\"b\"]"', "list", "{{out:notes/tip.txt}}"]
[stages.shout]
command = ["sh", "-c", '''
echo "attempt $PITON_ATTEMPT of $PITON_STAGE with $SPOKEN_KEY" >&2
if [ "$2" = b ]; then echo "out of paper" >&2; exit 65; fi
echo "$2$3" > "$PITON_ARTIFACTS/said.txt"
printf '{"said": "%s %s", "n": 1.10}' "$(cat "$1")" "$2"
''', "shout", "{{file:list/notes/tip.txt}}", "{{item}}", '${SPOKEN_KEY}']
needs = ["list"]
for_each = "list"
env = { SPOKEN_KEY = '${SPOKEN_KEY}' }
[stages.report]
command = ["cat"]
needs = ["shout"]
"#;

const KEY: &str = "a-key-of-many-characters";

/// A run of which one item went well and the other one was given up, with no worker left.
async fn blocked() -> (World, String) {
    let mut world = World::with(&[BY_HAND]).await;
    world.environment.push(("SPOKEN_KEY", KEY.to_owned()));
    let run = world.start("by-hand", "{}");
    let mut worker = world.worker("w1", &[]);
    assert_eq!(world.ended(&run).await, "blocked");
    until(SOON, "the other item is done", async || {
        world.count("select count(*) from piton.checkpoints where stage = 1 and item = 0").await == 1
    })
    .await;
    worker.signal("TERM");
    worker.exit_code().await;
    (world, run)
}

fn tried(world: &World, arguments: &[&str]) -> Output {
    world.command(["try"].iter().chain(arguments)).output().unwrap()
}

/// Standard output, standard error and the exit code.
fn told(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

fn refused(world: &World, arguments: &[&str]) -> String {
    let (out, err, code) = told(&tried(world, arguments));
    assert_eq!((out.as_str(), code), ("", Some(1)), "{err}");
    err
}

fn script(world: &World, name: &str, text: &str) -> PathBuf {
    let path = world.path(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

/// Everything that Piton has on record, but for what only looking at it changes.
async fn records(world: &World) -> Vec<(String, String)> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class where relnamespace = 'piton'::regnamespace and relkind in ('r', 'p') order by 1",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    let mut all = Vec::new();
    for table in tables {
        let sql = format!("select coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from piton.{table} t");
        let digest: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&world.pool).await.unwrap();
        all.push((table, digest));
    }
    assert!(all.len() > 20);
    all
}

/// Files of the artifact store.
fn stored(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { stored(&path) } else { 1 }).sum()
}

#[tokio::test]
async fn a_tried_program_has_its_input_and_its_files_and_nothing_is_recorded_by_a_reader() {
    let (world, run) = blocked().await;
    let (before, files) = (records(&world).await, stored(&world.path("artifacts")));
    let reader = url(&world, &login(&world, "reader", Some("piton_reader")).await);
    let as_reader = |arguments: &[&str]| {
        let mut command = world.command(["try"].iter().chain(arguments));
        command.env("DATABASE_URL", &reader).output().unwrap()
    };

    // A folder that is there is used, and is nobody else's from then on.
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::create_dir(world.path("kept")).and_then(|()| std::fs::set_permissions(world.path("kept"), open)).unwrap();
    let (out, err, code) = told(&as_reader(&[&run, "shout[0]", "--keep", "kept"]));
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(std::fs::metadata(world.path("kept")).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(err.contains("attempt 1 of shout with ${SPOKEN_KEY}"), "{err}");
    assert!(err.contains("Trying shout[0] of run") && err.contains("as attempt 1, in "), "{err}");
    assert!(out.contains(r#"{"said": "tip a", "n": 1.10}"#), "it is heard as it is said: {out}");
    assert!(
        out.contains(
            "The attempt would have finished, with this output:\nshout[0]: {\n  \"said\": \"tip a\",\n  \"n\": 1.10"
        ),
        "{out}"
    );
    assert!(out.contains("Files that it would have kept:\n  said.txt  26 B  "), "{out}");
    assert!(out.contains("Nothing was recorded. Everything is in "), "{out}");
    let kept = world.path("kept");
    assert_eq!(read(kept.join("input.json")), r#"{"input":{},"item":"a"}"#);
    assert_eq!(read(kept.join("inputs/list/notes/tip.txt")), "tip");
    assert_eq!(read(kept.join("artifacts/said.txt")).trim(), format!("a{KEY}"));
    assert!(!format!("{out}{err}").contains(KEY), "a secret was shown: {out}{err}");
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 3, "nothing but that is left there");

    let (out, err, code) = told(&as_reader(&[&run, "shout[1]"]));
    assert_eq!(code, Some(3), "{out}{err}");
    assert!(err.contains("out of paper\n"), "{err}");
    assert!(out.starts_with("The attempt would have failed: invalid_input: "), "{out}");
    assert!(out.contains("out of paper"), "{out}");
    assert!(out.contains("A failure of this class is not retried: the job would be given up."), "{out}");

    let shown: Value = serde_json::from_slice(&as_reader(&[&run, "list", "--json"]).stdout).unwrap();
    assert_eq!(
        (&shown["stage"], &shown["output"], &shown["failure"]),
        (&json!("list"), &json!(["a", "b"]), &json!(null))
    );
    assert_eq!((&shown["files"][0]["name"], &shown["files"][0]["bytes"]), (&json!("notes/tip.txt"), &json!(3)));
    assert_eq!(records(&world).await, before);
    assert_eq!(stored(&world.path("artifacts")), files);
}

#[tokio::test]
async fn what_cannot_be_tried_is_refused_with_what_to_type_instead() {
    let (world, run) = blocked().await;
    let says = |arguments: &[&str], words: &str| {
        let said = refused(&world, arguments);
        assert!(said.contains(words), "{arguments:?}: {said}");
    };
    says(&[&run, "shout"], "stage `shout` is fanned out into 2 items, 0 to 1: name one of them, as in ");
    says(&[&run, "shout[2]"], "2 items, 0 to 1");
    says(&[&run, "list[0]"], "stage `list` is not fanned out, and has no items");
    says(&[&run, "shuot[0]"], "has no stage `shuot`; its stages are list, shout, report");
    says(&[&run, "report"], "it needs `shout`, which is not done; it was given up: try that one first, with ");
    says(&[&run, "shout[1]", "--attempt", "7"], "there is no attempt 7 of shout[1]; on record: 1 (failed)");
    says(&["01a226b0-0000-7000-8000-000000000000", "list"], "there is no run ");
    std::fs::create_dir(world.path("full")).unwrap();
    std::fs::write(world.path("full/mine"), "").unwrap();
    says(&[&run, "list", "--keep", "full"], "is not empty, and nothing in it is written over");
    let mut command = world.command(["try", &run, "shout[0]"]);
    let (_, said, code) = told(&command.env_remove("SPOKEN_KEY").output().unwrap());
    assert!(said.contains("lacks something here: variable SPOKEN_KEY; set the variables"), "{said}");
    assert_eq!(code, Some(1));
    let (_, said, code) = told(&tried(&world, &[&run, "shout[x]"]));
    assert!(said.contains("an item is a number in brackets, from 0: shout[3]"), "{said}");
    assert_eq!(code, Some(2));
}

#[tokio::test]
async fn an_input_is_edited_before_and_what_is_no_input_is_not_tried() {
    let (world, run) = blocked().await;
    let edited = |editor: &Path| {
        let mut command = world.command(["try", &run, "shout[1]", "--edit-input"]);
        told(&command.env("VISUAL", "").env("EDITOR", format!("{} -x", editor.display())).output().unwrap())
    };
    let before = records(&world).await;
    let corrects = script(&world, "corrects", r#"[ "$1" = -x ] || exit 1; sed -i 's/"b"/"better"/' "$2""#);
    let (out, err, code) = edited(&corrects);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("tip better"), "{out}");
    let breaks = script(&world, "breaks", r#"echo '{"item": }' > "$2""#);
    let (out, err, code) = edited(&breaks);
    assert!(code == Some(1) && out.is_empty() && err.contains("input.json: "), "{out}{err}");
    let gives_up = script(&world, "gives-up", "exit 3");
    let (out, err, code) = edited(&gives_up);
    assert!(code == Some(1) && out.is_empty() && err.contains("and nothing was tried"), "{out}{err}");
    assert_eq!(records(&world).await, before);
}

#[tokio::test]
async fn a_shell_has_the_folder_the_environment_and_a_script_that_runs_the_program() {
    let (world, run) = blocked().await;
    let shell =
        script(&world, "shell", r#"pwd; ls; echo "$PITON_STAGE $PITON_ITEM"; ./run; echo; env | grep -c JOURNAL"#);
    let mut command = world.command(["try", &run, "shout[0]", "--shell", "--keep", "kept"]);
    let (out, err, code) = told(&command.env("SHELL", &shell).output().unwrap());
    let kept = world.path("kept");
    assert_eq!(code, Some(0), "{err}");
    let expected = format!(
        "{}\nartifacts\ninput.json\ninputs\nrun\nshout 0\n{}\n0\n",
        kept.display(),
        r#"{"said": "tip a", "n": 1.10}"#
    );
    assert_eq!(out, expected, "{err}");
    assert!(err.contains("./run runs the program as a worker would"), "{err}");
    let script = read(kept.join("run"));
    assert!(script.contains("\"${SPOKEN_KEY}\"") && !script.contains(KEY), "{script}");
    assert_eq!(read(kept.join("artifacts/said.txt")).trim(), format!("a{KEY}"));
}

#[tokio::test]
async fn an_older_attempt_has_its_number_and_the_input_that_its_run_had_and_the_version_of_its_run() {
    let echo = "name = \"echo\"\n[stages.echo]\ncommand = [\"sh\", \"-c\", 'echo \"attempt $PITON_ATTEMPT, $1\" >&2; exit 65', \"echo\", \"{{input.n}}\"]\n";
    let world = World::with(&[echo]).await;
    let run = world.start("echo", r#"{"n": 1}"#);
    let mut worker = world.worker("w1", &[]);
    assert_eq!(world.ended(&run).await, "blocked");
    std::fs::write(world.path("corrected.json"), r#"{"n": 2}"#).unwrap();
    let letter = world.dead_letter().await;
    stdout(&world.command(["dead-letter", "retry", &letter, "--input", "corrected.json"]).output().unwrap());
    until(SOON, "it is given up again", async || world.count("select count(*) from piton.dead_letters").await == 2)
        .await;
    worker.signal("TERM");
    worker.exit_code().await;
    // Runs keep to their version.
    world.write_workflows(&[&echo.replace("attempt $", "another $")]);
    world.deploy("echo");
    let said = |arguments: &[&str]| told(&tried(&world, arguments)).1;
    let latest = said(&[&run, "echo"]);
    assert!(latest.contains("attempt 2, 2\n") && latest.contains(", not the current one ("), "{latest}");
    assert!(latest.contains("as attempt 2, in "), "{latest}");
    let older = said(&[&run, "echo", "--attempt", "1"]);
    assert!(
        older.contains("attempt 1, 1\n") && older.contains("as attempt 1, on the input that its run had then, in "),
        "{older}"
    );
}

#[tokio::test]
async fn a_handler_reads_what_it_recorded_and_records_nothing_and_one_that_commits_rows_is_refused() {
    let workflow = "name = \"steps\"\n[stages.steps]\nrust = \"steps\"\n[stages.keep]\nrust = \"keep\"\n[stages.enter]\nrust = \"enter\"\n";
    let world = World::with(&[workflow]).await;
    let run = world.start("steps", &json!({"steps": 3, "names": ["b.txt"], "work_ms": 0}).to_string());
    let before = records(&world).await;
    let (out, err, code) = told(&tried(&world, &[&run, "steps"]));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("with this output:\nsteps: 6\n") || out.contains("with this output:\nsteps: 3\n"), "{out}");
    let (out, err, code) = told(&tried(&world, &[&run, "keep", "--keep", "kept"]));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("  b.txt  ") && world.path("kept/artifacts/b.txt").is_file(), "{out}");
    let (out, err, code) = told(&tried(&world, &[&run, "enter"]));
    assert_eq!(code, Some(3), "{out}{err}");
    assert!(out.contains("commit rows of its own here") || out.contains("does not fit"), "{out}");
    let plain = world.command_of(Path::new(env!("CARGO_BIN_EXE_piton")), ["try", &run, "steps"]).output().unwrap();
    let (_, said, code) = told(&plain);
    assert!(said.contains("needs the handler \"steps\", which this program does not register"), "{said}");
    assert_eq!(code, Some(1));
    assert_eq!(records(&world).await, before);
}

#[tokio::test]
async fn a_request_is_sent_and_its_status_class_and_answer_are_shown() {
    let server = HttpServer::start(|request, wire| match request.target.as_str() {
        "/good" => wire.answer(200, &["Content-Type: application/json"], "{\"n\": 1.10}"),
        _ => wire.answer(503, &["Retry-After: 90"], "closed"),
    });
    let address = server.url();
    let workflow =
        format!("name = \"ask\"\n[stages.good]\nhttp = \"{address}/good\"\n[stages.bad]\nhttp = \"{address}/bad\"\n");
    let world = World::with(&[&workflow]).await;
    let run = world.start("ask", r#"{"n": 1}"#);
    let before = records(&world).await;
    let ask = |stage: &str| told(&world.command(["try", &run, stage]).env("NO_PROXY", "*").output().unwrap());
    let (out, err, code) = ask("good");
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        out.starts_with("The attempt would have finished (status 200), with this output:\ngood: {\n  \"n\": 1.10\n}"),
        "{out}"
    );
    let (out, _, code) = ask("bad");
    assert_eq!(code, Some(3), "{out}");
    assert!(out.starts_with("The attempt would have failed (status 503): resource_unavailable: "), "{out}");
    assert!(out.contains("closed"), "what the server said: {out}");
    assert!(
        out.contains("is retried up to 3 times, for the first time after 2 s or so; it asks to wait for 1 min 30 s"),
        "{out}"
    );
    // On another input it is another request: a server that knows the key must not take its answer for the job's.
    let corrects = script(&world, "corrects", "sed -i 's/1/2/' \"$1\"");
    let mut command = world.command(["try", &run, "good", "--edit-input"]);
    let edited = command.env("NO_PROXY", "*").env("VISUAL", &corrects).output().unwrap();
    assert!(edited.status.success(), "{edited:?}");
    let [first, second] = &server.requests_to("/good")[..] else { panic!("two requests") };
    assert_eq!((first.json(), second.json()), (json!({"input": {"n": 1}}), json!({"input": {"n": 2}})));
    assert_eq!(first.header("idempotency-key"), Some(format!("{run}:good").as_str()));
    let own = second.header("idempotency-key").unwrap();
    assert!(own.starts_with(&format!("{run}:good:try-")), "{own}");
    assert_eq!(records(&world).await, before);
}

#[tokio::test]
async fn a_program_that_would_finish_its_attempt_itself_is_only_tried_in_a_shell() {
    let workflow = "name = \"rows\"\n[stages.load]\ncommand = [\"sh\", \"-c\", \"echo $PITON_ATTEMPT_TOKEN; echo 1\"]\nfinish = true\n";
    let world = World::with(&[workflow]).await;
    let run = world.start("rows", "{}");
    let said = refused(&world, &[&run, "load"]);
    assert!(said.contains("commits rows of its own with piton.finish") && said.contains("--shell"), "{said}");
    let shell = script(&world, "shell", "./run");
    let mut command = world.command(["try", &run, "load", "--shell"]);
    let (out, err, code) = told(&command.env("SHELL", &shell).output().unwrap());
    assert_eq!((out.as_str(), code), ("\n1\n", Some(0)), "without a token: {err}");
}

#[tokio::test]
async fn a_warm_program_is_tried_as_one_that_does_one_job() {
    let workflow = r#"
name = "warm"
[stages.work]
command = ["sh", "-c", 'test -z "$PITON_WARM" && cat']
warm = {}
"#;
    let world = World::with(&[workflow]).await;
    let run = world.start("warm", r#"{"n": 1}"#);
    let (out, err, code) = told(&tried(&world, &[&run, "work"]));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("The attempt would have finished, with this output:"), "{out}");
}

/// Whatever it started is gone, and its folder is there.
#[tokio::test]
async fn a_try_that_is_interrupted_leaves_no_process_and_keeps_its_folder() {
    let workflow = "name = \"slow\"\n[stages.slow]\ncommand = [\"sh\", \"-c\", 'echo $$; exec sleep 600']\n";
    let world = World::with(&[workflow]).await;
    let run = world.start("slow", "{}");
    let mut tries = Process::spawn(world.command(["try", &run, "slow", "--keep", "kept"]), world.path("try.log"));
    let pid = || tries.log().lines().find_map(|line| line.trim().parse::<u32>().ok());
    until(SOON, "it runs", async || pid().is_some()).await;
    let process = PathBuf::from(format!("/proc/{}", pid().unwrap()));
    assert!(process.exists());
    tries.signal("INT");
    assert_eq!(tries.exit_code().await, Some(4));
    until(SOON, "its program is gone", async || !process.exists()).await;
    assert!(tries.log().contains("stopped; nothing was recorded"), "{}", tries.log());
    assert_eq!(read(world.path("kept/input.json")), r#"{"input":{}}"#);
}
