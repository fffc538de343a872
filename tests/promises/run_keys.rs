//! The same key with another input: every face says so, and refuses it if it is asked to.

use serde_json::{Value, json};
use sqlx::Connection;

use crate::harness::{World, stdout};
use crate::workflows::WORK;

const FIRST: &str = r#"{"work_ms": 0, "order": 7}"#;
const SAME: &str = r#"{"order":7,"work_ms":0}"#;
const OTHER: &str = r#"{"order": 7.0, "work_ms": 0}"#;

/// A start through the command line: what it printed, what it said beside it, and its exit code.
fn start(world: &World, input: &str, more: &[&str]) -> (String, String, i32) {
    std::fs::write(world.path("input.json"), input).unwrap();
    let folder = world.path("workflows");
    let arguments =
        ["start", "work", "--key", "order 7", "--input", "input.json", "--workflows", folder.to_str().unwrap()];
    let output = world.command(arguments).args(more).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code().unwrap())
}

#[tokio::test]
async fn the_command_line_says_that_the_first_run_has_another_input() {
    let world = World::with(&[WORK]).await;
    let (run, said, code) = start(&world, FIRST, &["--same-input"]);
    assert_eq!((said.as_str(), code), ("", 0), "nothing was started before");
    assert_eq!(
        start(&world, SAME, &["--same-input"]),
        (run.clone(), String::new(), 0),
        "spaces and order do not count"
    );
    let (printed, said, code) = start(&world, OTHER, &[]);
    assert_eq!((printed.as_str(), code), (run.as_str(), 0));
    assert!(said.starts_with("note: that run was started under the key before, on another input"), "{said}");
    let (printed, said, code) = start(&world, OTHER, &["--same-input"]);
    assert_eq!((printed.as_str(), code), ("", 1));
    assert!(said.contains(&format!("run {run} was started under that key before, on another input")), "{said}");
    let json: Value = serde_json::from_str(&start(&world, OTHER, &["--json"]).0).unwrap();
    assert_eq!(json, json!({"run": run, "workflow": "work", "is_new": false, "is_other_input": true}));
    assert_eq!(world.count("select count(*) from piton.runs").await, 1);
}

#[tokio::test]
async fn sql_warns_tells_and_refuses() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    let once = async |input: &str, same_input: bool| -> Result<(String, bool, bool), sqlx::Error> {
        let sql = "select run::text, is_new, is_other_input from piton.start_run_once('work', 'k', $1::json, same_input => $2)";
        sqlx::query_as(sql).bind(input).bind(same_input).fetch_one(&world.pool).await
    };
    let (run, is_new, is_other) = once(FIRST, true).await.unwrap();
    assert_eq!((is_new, is_other), (true, false));
    assert_eq!(once(SAME, true).await.unwrap(), (run.clone(), false, false));
    assert_eq!(once(OTHER, false).await.unwrap(), (run.clone(), false, true));
    let refused = once(OTHER, true).await.unwrap_err();
    let refused = refused.as_database_error().unwrap();
    assert_eq!(refused.code().as_deref(), Some("55000"));
    assert!(refused.message().starts_with(&format!("run {run} was started under that key before")), "{refused}");
    let plain: String = sqlx::query_scalar("select piton.start_run('work', $1::json, 'k')::text")
        .bind(OTHER)
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(plain, run);
    // Only who sees warnings sees it; to stop at them makes it an answer.
    let mut connection = sqlx::postgres::PgConnection::connect(&world.url).await.unwrap();
    let warned = "do $$ begin
        perform piton.start_run('work', '{\"order\": 8}', 'k');
    end $$";
    sqlx::raw_sql(warned).execute(&mut connection).await.unwrap();
    // What jsonb cannot hold is compared as it is.
    assert_eq!(world.count("select piton.is_same_json('\"\\ud800\"', ' \"\\ud800\"')::int::int8").await, 0);
    assert_eq!(world.count("select piton.is_same_json('1e3', '1000')::int::int8").await, 1);
    assert_eq!(world.count("select piton.is_same_json('1.10', '1.1')::int::int8").await, 0);
    assert_eq!(world.count("select count(*) from piton.runs").await, 1);
    let nothing =
        sqlx::query("select * from piton.start_run_once('nothing', 'k')").execute(&world.pool).await.unwrap_err();
    assert!(nothing.to_string().contains("nothing"), "{nothing}");
}

#[tokio::test]
async fn what_a_workflow_fills_in_makes_no_other_input() {
    let typed = "name = 'typed'\n[input]\ntopic = 'string'\nlang = { type = 'string', default = 'en' }\n\
                 [stages.a]\nrust = 'work'\n";
    let world = World::with(&[typed]).await;
    let folder = world.path("workflows");
    let start = |more: &[&str]| {
        let arguments = ["start", "typed", "--key", "k", "--workflows", folder.to_str().unwrap(), "--json"];
        stdout(&world.command(arguments.iter().chain(more)).output().unwrap())
    };
    let first: Value = serde_json::from_str(&start(&["--set", "topic=a"])).unwrap();
    for again in [["--set", "topic=a"].as_slice(), &["--set", "topic=a", "--set", "lang=en"]] {
        let second: Value = serde_json::from_str(&start(&[again, &["--same-input"]].concat())).unwrap();
        assert_eq!((&second["run"], &second["is_other_input"]), (&first["run"], &false.into()), "{second}");
    }
    for (input, cure) in [(r#"{"topic": "\u0000"}"#, "NUL"), (r#"{"topic": "\ud83d"}"#, "surrogate")] {
        let asked = "select run from piton.start_run_once('typed', 'k', $1::json)";
        let refused = sqlx::query(asked).bind(input).execute(&world.pool).await.unwrap_err().to_string();
        assert!(refused.contains(cure), "{refused}");
    }
}
