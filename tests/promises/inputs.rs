//! A workflow that declares its input starts on nothing else, whoever starts it.

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgDatabaseError;
use sqlx::types::Uuid;

use crate::harness::{World, stdout};

/// Fails once, so that its input can be corrected.
const DECLARED: &str = r#"
name = "declared"
[input]
topic = "string"
size = { type = "number", default = 1.10 }
count = { type = "integer", required = false }
tags = { type = "array", default = [] }
extra = { type = "any", required = false }
[stages.only]
command = ["sh", "-c", "cat; exit 65"]
"#;

const TAKES: &str = "It takes \"count\" (integer, may be left out), \"extra\" (any, may be left out), \"size\" (number, or else \
                     1.10), \"tags\" (array, or else []), \"topic\" (string).";

/// Inputs that do not fit, and what is said of them.
const WRONG: [(&str, &str); 7] = [
    ("{}", "does not fit its workflow: \"topic\" is missing: add it (a string)"),
    (r#"{"topic": 7}"#, "does not fit its workflow: \"topic\" is a number: make it a string"),
    (r#"{"topic": null}"#, "does not fit its workflow: \"topic\" is null: make it a string"),
    (r#"{"topic": "a", "count": 1.5}"#, "does not fit its workflow: \"count\" is a number: make it a whole number"),
    (
        r#"{"topic": "a", "tag": ["b"]}"#,
        "does not fit its workflow: \"tag\" is not declared: remove it, or declare it below [input] in the file",
    ),
    (
        r#"{"size": "x", "tags": {}, "other": 1}"#,
        "does not fit its workflow: \"size\" is a string: make it a number; \"tags\" is an object: make it an array; \"topic\" \
         is missing: add it (a string); \"other\" is not declared: remove it, or declare it below [input] in the file",
    ),
    ("[]", "must be an object with the keys that its workflow declares"),
];

/// What a run is started on for an input that fits.
const FITS: [(&str, &str); 5] = [
    (r#"{"topic":"a"}"#, r#"{"topic":"a","size":1.10,"tags":[]}"#),
    (r#" {"tags": [1.0, "é"],  "topic": "a" } "#, r#"{"tags": [1.0, "é"],  "topic": "a" ,"size":1.10}"#),
    (
        r#"{"size": 12345678901234567890123, "topic": "\u0061", "tags": [], "count": -7}"#,
        r#"{"size": 12345678901234567890123, "topic": "\u0061", "tags": [], "count": -7}"#,
    ),
    (r#"{"extra": null, "topic": ""}"#, r#"{"extra": null, "topic": "","size":1.10,"tags":[]}"#),
    (
        r#"{"topic": "a", "topic": "b", "tags": [], "size": 0}"#,
        r#"{"topic": "a", "topic": "b", "tags": [], "size": 0}"#,
    ),
];

async fn refusal(world: &World, sql: String) -> (String, String) {
    let error = sqlx::query(AssertSqlSafe(sql.clone())).execute(&world.pool).await.expect_err(&sql);
    let said = error.as_database_error().unwrap().downcast_ref::<PgDatabaseError>();
    assert_eq!(said.code(), "22023", "{sql}");
    (said.message().to_owned(), said.detail().unwrap_or_default().to_owned())
}

async fn started(world: &World, sql: String) -> Vec<String> {
    let runs: Vec<Uuid> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&world.pool).await.unwrap();
    let inputs = "select trim(r.input::text) from unnest($1) with ordinality as s (id, place)
                  join piton.runs r on r.uuid = s.id order by s.place";
    sqlx::query_scalar(inputs).bind(runs).fetch_all(&world.pool).await.unwrap()
}

fn command(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let folder = world.path("workflows");
    let output = world.command([arguments, &["--workflows", folder.to_str().unwrap()]].concat()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn an_input_that_does_not_fit_is_refused_in_sql_with_every_key_and_its_cure() {
    let world = World::with(&[DECLARED]).await;
    world.deploy("declared");
    for (input, said) in WRONG {
        let one = refusal(&world, format!("select piton.start_run('declared', '{input}')")).await;
        assert_eq!(one, (format!("the run's input {said}"), TAKES.to_owned()));
        let good = r#"{"topic": "a"}"#;
        let many = format!("piton.start_runs('declared', array['{good}', '{input}']::json[])");
        assert_eq!(refusal(&world, format!("select {many}")).await.0, format!("input 2 {said}"));
        let batch = format!("piton.start_batch('b', 'declared', array['{good}', '{input}']::json[])");
        assert_eq!(refusal(&world, format!("select {batch}")).await.0, format!("item 2 {said}"));
    }
    // What no run may have is refused before it is held against the file.
    let refused = async |sql: String| {
        let error = sqlx::query(AssertSqlSafe(sql)).execute(&world.pool).await.unwrap_err();
        error.as_database_error().unwrap().message().to_owned()
    };
    for (input, said) in [
        (
            r#"{"topic": "\u0000"}"#,
            "a string in input 2 holds a NUL character (\\u0000) at character 12, which Postgres cannot keep",
        ),
        (
            r#"{"topic": "\ud83d"}"#,
            "a string in input 2 holds the lone surrogate \\ud83d at character 12, which is no character",
        ),
    ] {
        let many = format!(
            "select piton.start_runs('declared', array['{{\"topic\": \"\\u00e9\"}}', '{input}', '{input}']::json[])"
        );
        assert_eq!(refused(many).await, said);
    }
    let many = "select piton.start_runs('declared', array['{}', to_json(repeat('x', 1048575))]::json[])".to_owned();
    assert_eq!(refused(many).await, "input 2 has 1048577 bytes, over the limit of 1048576");
    assert_eq!(world.count("select count(*) from piton.runs").await, 0);
    assert_eq!(world.count("select count(*) from piton.batches").await, 0);
}

#[tokio::test]
async fn what_is_left_out_gets_its_default_and_the_rest_stays_as_it_was_written() {
    let world = World::with(&[DECLARED]).await;
    world.deploy("declared");
    for (input, expected) in FITS {
        let one = started(&world, format!("select piton.start_run('declared', '{input}')")).await;
        assert_eq!(one, [expected]);
    }
    let all = FITS.map(|(input, _)| format!("'{input}'")).join(", ");
    let expected = FITS.map(|(_, expected)| expected);
    let many = format!("select * from piton.start_runs('declared', array[{all}]::json[])");
    assert_eq!(started(&world, many).await, expected);
    let batch = format!("select piton.start_batch('b', 'declared', array[{all}]::json[])");
    sqlx::query(AssertSqlSafe(batch)).execute(&world.pool).await.unwrap();
    let items = "select run from piton.batch_items order by number".to_owned();
    assert_eq!(started(&world, items).await, expected);
}

#[tokio::test]
async fn the_command_line_says_what_does_not_fit_and_starts_nothing() {
    let world = World::with(&[DECLARED]).await;
    let said = format!("error: the run's input {}. {}\n", WRONG[0].1, TAKES.trim_end_matches('.'));
    for verb in ["start", "run"] {
        assert_eq!(command(&world, &[verb, "declared"]), (Some(1), said.clone()), "{verb}");
    }
    let lines = world.path("lines.jsonl");
    std::fs::write(&lines, "{\"topic\": \"a\"}\n{\"topic\": 1}\n").unwrap();
    let batch = ["batch", "start", "b", "declared", "--input", lines.to_str().unwrap()];
    let (code, said) = command(&world, &batch);
    assert!(code == Some(1) && said.starts_with(&format!("error: item 2 {}", WRONG[1].1)), "{said}");
    assert!(said.ends_with("nothing was started\n"), "{said}");
    for table in ["select count(*) from piton.runs", "select count(*) from piton.batches"] {
        assert_eq!(world.count(table).await, 0, "{table}");
    }
    std::fs::write(&lines, "{\"topic\":\"a\"}\n").unwrap();
    assert_eq!(command(&world, &batch).0, Some(0), "its name is free");
    assert_eq!(started(&world, "select run from piton.batch_items".to_owned()).await, [FITS[0].1]);
}

#[tokio::test]
async fn items_of_a_batch_fit_the_version_that_it_is_pinned_to() {
    let world = World::with(&[DECLARED]).await;
    world.deploy("declared");
    let open = "select piton.open_batch('b', 'declared')";
    let key: i64 = sqlx::query_scalar(open).fetch_one(&world.pool).await.unwrap();
    let add = format!("select piton.add_to_batch({key}, 1, array['{{\"topic\": \"a\"}}']::json[])");
    for _ in 0..2 {
        // May be sent again.
        sqlx::query(AssertSqlSafe(add.clone())).execute(&world.pool).await.unwrap();
    }
    world.write_workflows(&[&DECLARED.replace("topic = \"string\"", "topic = \"integer\"")]);
    world.deploy("declared");
    let said = refusal(&world, open.to_owned()).await.0;
    assert_eq!(said, "item 1 does not fit its workflow: \"topic\" is a string: make it a whole number");
}

#[tokio::test]
async fn a_corrected_input_has_to_fit_too() {
    let world = World::with(&[DECLARED]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("declared", r#"{"topic": "a"}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    let letter = world.dead_letter().await;
    let retry =
        |input: &str| format!("select piton.retry_dead_letter('{letter}', from_beginning => true, input => '{input}')");
    assert_eq!(refusal(&world, retry("{}")).await.0, format!("the run's input {}", WRONG[0].1));
    sqlx::query(AssertSqlSafe(retry(r#"{"topic":"b"}"#))).execute(&world.pool).await.unwrap();
    let now = started(&world, format!("select '{run}'::uuid")).await;
    assert_eq!(now, [r#"{"topic":"b","size":1.10,"tags":[]}"#]);
}

#[tokio::test]
async fn a_workflow_that_declares_nothing_takes_any_input() {
    let world = World::with(&["name = \"open\"\n[stages.only]\ncommand = [\"cat\"]\n"]).await;
    world.deploy("open");
    for input in ["{}", "[]", "7", r#"{"any": ["thing"]}"#] {
        assert_eq!(started(&world, format!("select piton.start_run('open', '{input}')")).await, [input]);
    }
    let shown =
        stdout(&world.command(["workflows", "show", "open", "--json", "--workflows", "workflows"]).output().unwrap());
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown.get("input"), None, "{}", json!(shown));
}
