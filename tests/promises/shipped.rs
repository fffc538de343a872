//! The workflows that are shipped run as their comments and README say, with the plain binary.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Process, World, example, stdout};

const HOME: &str = env!("CARGO_MANIFEST_DIR");

/// The service that some of them call, and its address.
async fn service(world: &World) -> (Process, String) {
    let mut command = Command::new(example("texts-service"));
    command.arg("127.0.0.1:0");
    let process = Process::spawn(command, world.path("service.log"));
    process.says("listening on http://127.0.0.1:").await;
    let address = process.log().trim().rsplit(' ').next().unwrap().to_owned();
    (process, address)
}

/// The output of the last stage of a run, started as a newcomer would.
fn run(world: &World, service: &str, workflow: &str, stage: &str, input: &[&str]) -> Value {
    let mut command = world.command_of(Path::new(env!("CARGO_BIN_EXE_piton")), ["run", workflow, "--json"]);
    for value in input {
        command.args(["--set", value]);
    }
    command.current_dir(HOME).env("TEXTS_SERVICE", service).env("GREETING_KEY", "abc-123-def");
    let report: Value = serde_json::from_str(&stdout(&command.output().unwrap())).unwrap();
    report["output"][stage].clone()
}

#[tokio::test]
async fn the_texts_are_counted_rated_and_reported() {
    let world = World::with(&[]).await;
    let (_service, address) = service(&world).await;
    let report = run(&world, &address, "texts", "report", &["folder=workflows/texts/samples"]);
    insta::assert_snapshot!(report.as_str().unwrap(), @r"
    | text | words | grade |
    |---|--:|--:|
    | contract.txt | 24 | 28.8 |
    | lighthouse.txt | 47 | 1.7 |
    | rhyme.txt | 22 | 1.0 |
    ");
    let busy = "select count(*) from piton.attempts where class = 'rate_limited' and retry_at >= ended_at + interval '1 second'";
    assert_eq!(world.count(busy).await, 1, "the service was busy once, and asked for a second");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_folder_of_texts_that_is_not_there_is_told_with_its_class() {
    let world = World::with(&[]).await;
    let arguments = ["run", "texts", "--set", "folder=/no/such/folder"];
    let mut command = world.command_of(Path::new(env!("CARGO_BIN_EXE_piton")), arguments);
    let output = command.current_dir(HOME).env("TEXTS_SERVICE", "http://127.0.0.1:9").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("list: invalid_input: there is no folder /no/such/folder"), "{said}");
}

#[tokio::test]
async fn every_idea_runs_as_its_comment_says() {
    let world = World::with(&[]).await;
    let (_service, address) = service(&world).await;
    let ideas: [(&str, &str, &[&str], Value); 32] = [
        ("hello", "greet", &["name=Ada"], json!("Hello, Ada!")),
        ("input", "greet", &["name=Ada"], json!("en: Hello, Ada! (no note)")),
        ("schedule", "report", &[], json!("by hand: from the beginning to now")),
        ("chain", "square", &["n=5"], json!(100)),
        ("fan-out", "sum", &["words=[\"to\", \"be\", \"or\", \"not\"]"], json!(9)),
        ("large-join", "sum", &["n=20"], json!(420)),
        ("files", "bind", &["text=to be or not to"], json!("TO BE\nOR NOT\nTO")),
        ("when", "report", &["lang=en", "words=[\"good\", \"\"]"], json!({"letters": 4, "translated": null})),
        ("optional", "report", &["urls=[\"https://a\", \"no\"]"], json!({"fetched": 1, "of": 2})),
        ("on-failure", "report", &["address=nowhere"], json!("paid back, for invalid_input")),
        (
            "repeat",
            "print",
            &["text=a far too long sentence about tides", "longest=9"],
            json!({"text": "a far too", "letters": 9}),
        ),
        ("quorum", "report", &["urls=[\"https://a\", \"https://b\", \"no\"]"], json!({"fetched": 2, "of": 3})),
        ("race", "pick", &[], json!("near was first")),
        (
            "flatten",
            "join",
            &["books=[{\"title\": \"Owls\", \"pages\": [\"night\"]}]"],
            json!(["loud: Owls, page 0: night", "soft: Owls, page 0: night"]),
        ),
        ("retry", "flaky", &[], json!("went well at attempt 3")),
        ("secrets", "sign", &[], json!("hello, signed with a key of 11 characters")),
        ("limits", "frugal", &[], json!({"in": "/"})),
        ("sleep", "publish", &["publish_at=2020-01-31T06:00:00+01:00"], json!("a draft, published")),
        ("signal", "publish", &["text=A storm"], json!("published: A storm")),
        ("callback", "publish", &["text=A storm"], json!("A storm: 240 frames")),
        ("poll", "tell", &["text=A storm"], json!("A storm: 7 s")),
        ("progress", "render", &["pages=2"], json!("2 pages")),
        ("children", "report", &["words=[\"to\", \"owl\"]"], json!([2, 3])),
        ("child", "length", &["word=OWL"], json!(3)),
        ("own-rows", "load", &["n=3"], json!({"rows": 3})),
        (
            "statement",
            "count",
            &["words=[\"to\", \"be\", \"to\"]"],
            json!({"rows": [{"word": "to", "times": 2}, {"word": "be", "times": 1}], "count": 2}),
        ),
        ("python", "sum", &["words=[\"owl\", \"finch\"]"], json!(8)),
        ("per-worker", "report", &["words=[\"to\", \"be\"]"], json!(["TO", "BE"])),
        ("warm", "report", &["words=[\"to\", \"be\", \"or\", \"not\"]"], json!([2, 2, 2, 3])),
        ("requires", "look", &[], json!("/tmp")),
        ("response", "tell", &[], json!("contract, on page 1 of 3 (200)")),
        (
            "request",
            "rate",
            &["words=100", "sentences=10", "letters=450"],
            json!({"words": 100, "sentences": 10, "letters": 450, "grade": 4.8}),
        ),
    ];
    let shown = |workflow: &str| ideas.iter().any(|(name, ..)| *name == workflow);
    for file in std::fs::read_dir(Path::new(HOME).join("workflows/ideas")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".test.toml") {
            continue;
        }
        assert!(shown(name.trim_end_matches(".toml")), "{name} is run by no test");
    }
    let readme = std::fs::read_to_string(Path::new(HOME).join("workflows/README.md")).unwrap();
    for (workflow, stage, input, expected) in &ideas {
        assert_eq!(run(&world, &address, workflow, stage, input), *expected, "{workflow}");
        assert!(
            readme.contains(&format!("[ideas/{workflow}.toml](ideas/{workflow}.toml)")),
            "{workflow} is not in README"
        );
    }
    world.assert_nothing_is_left().await;
}
