//! What the command line says, word for word where it must not drift.

use std::process::Output;

use crate::harness::{Process, World, stdout};
use crate::workflows::{CHAIN, MISBEHAVE, SQUARES};

fn run(world: &World, arguments: &[&str]) -> Output {
    let folder = world.path("workflows");
    world.command(arguments).args(["--workflows", folder.to_str().unwrap()]).output().unwrap()
}

/// Exit code and what was said, with ids, times and paths made the same everywhere.
fn said(world: &World, output: &Output) -> String {
    let text = format!(
        "{}{}exit {}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        output.status.code().unwrap()
    );
    let program = crate::harness::example("test-worker");
    text.replace(world.folder.path().to_str().unwrap(), "FOLDER").replace(program.to_str().unwrap(), "PROGRAM")
}

#[tokio::test]
async fn bad_inputs_of_a_run_are_refused_with_the_cure() {
    let world = World::with(&[CHAIN]).await;
    std::fs::write(world.path("bad.json"), "{\"a\": ").unwrap();
    std::fs::write(world.path("nul.json"), "{\"a\": \"\\u0000\"}").unwrap();
    std::fs::write(world.path("deep.json"), "[".repeat(200) + &"]".repeat(200)).unwrap();
    std::fs::write(world.path("large.json"), format!("\"{}\"", "x".repeat(2 << 20))).unwrap();
    std::fs::write(world.path("bytes.json"), [0xff, 0xfe]).unwrap();
    let cases: [&[&str]; 9] = [
        &["start", "chain", "--input", "bad.json"],
        &["start", "chain", "--input", "nul.json"],
        &["start", "chain", "--input", "deep.json"],
        &["start", "chain", "--input", "large.json"],
        &["start", "chain", "--input", "bytes.json"],
        &["start", "chain", "--input", "missing.json"],
        &["start", "chain", "--set", "nothing"],
        &["start", "chian"],
        &["show", "01890a5d-ac96-774b-bcce-b302099a8057"],
    ];
    let all: Vec<String> = cases.iter().map(|case| said(&world, &run(&world, case))).collect();
    insta::assert_snapshot!(all.join("\n"), @r##"
error: the run's input (bad.json): it is not JSON: EOF while parsing a value at line 1 column 5
exit 1
error: the run's input (nul.json): the string at `a` (character 8) holds a NUL character (\u0000), which Postgres cannot keep; remove or encode it
exit 1
error: the run's input (deep.json): its arrays and objects are nested more than 100 deep
exit 1
error: the run's input (large.json): it has more than 1048576 bytes; keep big things in files and hand on their names
exit 1
error: the run's input (bytes.json) is not UTF-8: it is UTF-16, by the mark that it begins with
exit 1
error: cannot read the run's input from missing.json: No such file or directory (os error 2)
exit 1
error: --set nothing: write it as --set key=value, or --set outer.inner=value
exit 1
error: there is no workflow `chian`; did you mean `chain`? There are: chain
exit 1
error: there is no run 01890a5d-ac96-774b-bcce-b302099a8057; `PROGRAM runs` lists those there are
exit 1
"##);
    assert_eq!(world.count("select count(*) from piton.runs").await, 0, "nothing is half done");
}

#[tokio::test]
async fn a_file_with_mistakes_is_refused_before_anything_runs() {
    let world =
        World::with(&["name = \"broken\"\n[stages.a]\nrust = \"work\"\nneeds = [\"b\"]\ntimout = \"5s\"\n"]).await;
    insta::assert_snapshot!(said(&world, &run(&world, &["run", "broken"])), @r##"
error: workflow files have mistakes

error: there is no stage `b`
 --> FOLDER/workflows/0.toml:4:10
  |
4 | needs = ["b"]
  |          ^^^
  |
  = help: there is no other stage; remove it

error: there is no key `timout` in a stage
 --> FOLDER/workflows/0.toml:5:1
  |
5 | timout = "5s"
  | ^^^^^^
  |
  = help: did you mean `timeout`?

2 mistakes in `FOLDER/workflows/0.toml`
exit 1
"##);
    let json = run(&world, &["workflows", "check", "--json"]);
    assert_eq!(json.status.code(), Some(1));
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(value[0]["mistakes"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_run_is_told_in_lines_and_ends_with_its_output() {
    let world = World::with(&[CHAIN]).await;
    let output = run(&world, &["run", "chain", "--set", "work_ms=0"]);
    assert_eq!(stdout(&output), "third: 1\n");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("Run ") && told.contains("\n  third: done in "), "{told}");
}

#[tokio::test]
async fn a_run_that_is_blocked_exits_with_3_and_shows_what_happened() {
    let world = World::with(&[MISBEHAVE]).await;
    let output = run(&world, &["run", "misbehave", "--set", "how=nonsense"]);
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("error: the run is blocked by what was given up:")
            && told.contains("misbehave: invalid_input: no misbehaviour `nonsense`")
            && told.contains(&format!("dead-letter retry {}", world.dead_letter().await)),
        "{told}"
    );
    let id: String = sqlx::query_scalar("select uuid::text from piton.runs").fetch_one(&world.pool).await.unwrap();
    let shown = stdout(&run(&world, &["show", &id]));
    assert!(shown.contains("attempt 1 on ") && shown.contains("invalid_input: no misbehaviour"), "{shown}");
    let listed = stdout(&run(&world, &["runs", "--state", "blocked"]));
    assert!(listed.contains(&id), "{listed}");
}

#[tokio::test]
async fn the_json_of_a_run_keeps_its_shape() {
    let world = World::with(&[MISBEHAVE]).await;
    let arguments =
        ["run", "misbehave", "--json", "--set", "how=fail", "--set", "times=1", "--set", "class=network_timeout"];
    let text = stdout(&run(&world, &arguments));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    insta::assert_snapshot!(shape(&value, 0), @r##"
attempts: list
    attempt: number
    class: string
    ended_at: string
    item: null
    message: string
    outcome: string
    retry_at: string
    stage: string
    started_at: string
    worker: string
failure: null
finished_at: string
output: 
  misbehave: string
run: string
stages: list
    attempt: number
    done: number
    due_at: null
    failures: number
    items: null
    stage: string
    state: string
started_at: string
state: string
version: string
workflow: string
"##);
    assert_eq!(value["output"]["misbehave"], "recovered");
}

/// Keys and kinds of values, which scripts rely on.
pub(crate) fn shape(value: &serde_json::Value, depth: usize) -> String {
    use serde_json::Value as V;
    match value {
        V::Object(fields) => fields
            .iter()
            .map(|(key, value)| format!("\n{}{key}: {}", "  ".repeat(depth), shape(value, depth + 1)))
            .collect(),
        V::Array(items) => items.first().map_or("[]".to_owned(), |item| format!("list{}", shape(item, depth + 1))),
        V::String(_) => "string".to_owned(),
        V::Number(_) => "number".to_owned(),
        V::Bool(_) => "boolean".to_owned(),
        V::Null => "null".to_owned(),
    }
}

#[tokio::test]
async fn a_program_without_the_handlers_says_so_instead_of_waiting() {
    let world = World::with(&[CHAIN]).await;
    let folder = world.path("workflows");
    let plain = std::path::Path::new(env!("CARGO_BIN_EXE_piton"));
    let output = world.command_of(plain, ["run", "chain", "--workflows", folder.to_str().unwrap()]).output().unwrap();
    insta::assert_snapshot!(said(&world, &output), @r#"
    error: stages of workflow `chain` lack something here: first (handler "work"), second (handler "work"), third (handler "work")
    Set the variables, install the programs, and use the program that registers the handlers (this one has: none); or use `start` and let a worker do it that has them all
    exit 1
    "#);
    assert_eq!(world.count("select count(*) from piton.runs").await, 0);
}

/// A stage whose items take a while, and nothing else happens.
#[tokio::test]
async fn a_run_that_is_followed_says_a_line_at_each_tenth_and_every_ten_seconds() {
    let world = World::with(&[SQUARES, &format!("{CHAIN}\n").replace("\"chain\"", "\"paused\"")]).await;
    let tenths = ["run", "squares", "--slots", "1", "--set", "items=20", "--set", "work_ms=900"];
    let output = run(&world, &tenths);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = told.lines().filter(|line| line.starts_with("  square: running")).collect();
    assert!((8..=11).contains(&lines.len()), "{told}");
    assert!(lines.iter().any(|line| line.contains("10 of 20 items")), "{told}");

    let slow = run(&world, &["run", "squares", "--set", "items=1", "--set", "work_ms=11000"]);
    let told = String::from_utf8_lossy(&slow.stderr).into_owned();
    assert!(told.contains("\n  after 1") && told.contains(", square: running · 0 of 1 items"), "{told}");

    world.deploy("paused");
    stdout(&run(&world, &["pause", "paused", "--reason", "provider down", "--by", "anna"]));
    let waiting = Process::spawn(
        world.command(["run", "paused", "--workflows", world.path("workflows").to_str().unwrap()]),
        world.path("run.log"),
    );
    waiting.says("s, first: ").await;
    let log = waiting.log();
    let (_, reminder) = log.split_once("\n  after 1").unwrap();
    assert!(reminder.contains("the workflow is paused by anna: \"provider down\"\n    moved by: "), "{log}");
    stdout(&run(&world, &["resume", "paused"]));
    waiting.says("third: 1").await;
}
