//! A value is handed on as it is written, or it is refused where it enters.

mod escapes;
mod programs;
mod servers;

use std::io::Write;
use std::process::{Output, Stdio};

use sqlx::AssertSqlSafe;

use crate::api::client::{Answer, Api};
use crate::harness::{SOON, World, stdout, until};
use crate::http_server::HttpServer;

/// Through every kind of stage, a template, a header, a split and a join.
const THROUGH: &str = r#"
name = "through"
[stages.rust]
rust = "same"
[stages.command]
command = ["cat"]
needs = ["rust"]
[stages.http]
http = "${API}/echo"
headers = { x-big = "{{command.rust.big}}", x-far = "{{command.rust.values.3}}" }
needs = ["command"]
[stages.filled]
command = ["sh", "-c", 'printf %s "$1" > $PITON_OUTPUT', "sh", "{{http.command.rust}}"]
needs = ["http"]
[stages.each]
rust = "same"
needs = ["filled"]
for_each = "filled.values"
[stages.last]
rust = "same"
needs = ["each"]
"#;

/// What programs change that take numbers for floats, sort keys, read escapes or drop what is there twice.
const ITEMS: [&str; 12] = [
    "12345678901234567890123",
    "-0",
    "1.10",
    "1e999",
    "0.1000000000000000055511151231257827021181583404541015625",
    r#"{"z":1E+2,"a":{"\u00e9":-0.0},"z":"twice"}"#,
    r#""\u00e9 é \ud83d\ude00 😀 \/ \" \n""#,
    r#""1.10""#,
    r#""""#,
    "null",
    "[]",
    "[[],{},[true,false]]",
];

/// An output, or what its refusal says.
type Expected = Result<&'static str, &'static str>;

/// Without white space between its parts.
fn dense() -> String {
    format!(r#"{{"z":-0,"big":{},"a":{{"k":1.10}},"values":[{}],"\u006c":1e400}}"#, ITEMS[0], ITEMS.join(","))
}

/// With some.
fn spaced() -> String {
    dense().replace(r#","values":["#, r#" , "values" : [ "#).replacen('{', "{ ", 1)
}

fn run(world: &World, arguments: &[&str]) -> Output {
    let folder = world.path("workflows");
    world.command([&["--workflows", folder.to_str().unwrap()], arguments].concat()).output().unwrap()
}

fn with_stdin(world: &World, arguments: &[&str], input: &[u8]) -> Output {
    let folder = world.path("workflows");
    let mut command = world.command([&["--workflows", folder.to_str().unwrap()], arguments].concat());
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = piped.spawn().unwrap();
    process.stdin.take().unwrap().write_all(input).unwrap();
    process.wait_with_output().unwrap()
}

fn post(api: &Api, path: &str, body: &str) -> Answer {
    api.ask("POST", path, &[("Content-Type", "application/json")], body.as_bytes())
}

/// Every way in for an input, and what was said of it where it was refused.
async fn offered(world: &World, api: &Api, input: &str, number: usize) -> Vec<(&'static str, Result<(), String>)> {
    let file = world.path("input.json");
    std::fs::write(&file, format!("\u{feff}{input}\r\n")).unwrap();
    let file = file.to_str().unwrap();
    let by_command = |output: &Output| match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    };
    let by_api = |answer: &Answer| if answer.status == 201 { Ok(()) } else { Err(answer.body.clone()) };
    let by_sql = async |call: &str| {
        let sql = call.replace("INPUT", &format!("'{input}'::json")).replace("NAME", &format!("sql-{number}"));
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&world.pool).await;
        done.map(drop).map_err(|error| error.to_string())
    };
    let (batch, api_batch) = (format!("cli-{number}"), format!("api-{number}"));
    vec![
        ("start --input FILE", by_command(&run(world, &["start", "through", "--input", file]))),
        ("start --input -", by_command(&with_stdin(world, &["start", "through", "--input", "-"], input.as_bytes()))),
        ("batch start", by_command(&run(world, &["batch", "start", &batch, "through", "--input", file]))),
        ("start_run", by_sql("select piton.start_run('through', INPUT)").await),
        ("start_runs", by_sql("select piton.start_runs('through', array[INPUT])").await),
        ("start_batch", by_sql("select piton.start_batch('NAME', 'through', array[INPUT])").await),
        ("POST /runs", by_api(&post(api, "/runs", &format!(r#"{{"workflow": "through", "input": {input}}}"#)))),
        (
            "POST /batches",
            by_api(&post(
                api,
                "/batches",
                &format!(r#"{{"name": "{api_batch}", "workflow": "through", "inputs": [{input}]}}"#),
            )),
        ),
    ]
}

/// Starts a run of what is deployed.
async fn start(world: &World, workflow: &str, input: &str) -> String {
    let sql = "select piton.start_run($1, $2::json)::text";
    sqlx::query_scalar(sql).bind(workflow).bind(input).fetch_one(&world.pool).await.unwrap()
}

/// The outputs of a stage, in the order of its items, as they are stored.
async fn outputs(world: &World, run: &str, stage: i16) -> Vec<String> {
    let sql = "select k.output::text from piton.checkpoints k join piton.runs r on r.id = k.run_id
               where r.uuid = $1::uuid and k.stage = $2 and (k.item >= 0 or k.stage <> 4) order by k.item";
    sqlx::query_scalar(sql).bind(run).bind(stage).fetch_all(&world.pool).await.unwrap()
}

/// Every stage of it got what was written, and gave it back.
async fn assert_unchanged(world: &World, run: &str, input: &str, filled: &str) {
    assert_eq!(outputs(world, run, 0).await, [input]);
    let command = format!(r#"{{"input":{input},"rust":{input}}}"#);
    assert_eq!(outputs(world, run, 1).await, [command.as_str()]);
    assert_eq!(outputs(world, run, 2).await, [format!(r#"{{"input":{input},"command":{command}}}"#)]);
    assert_eq!(outputs(world, run, 3).await, [filled]);
    assert_eq!(outputs(world, run, 4).await, ITEMS);
    assert_eq!(outputs(world, run, 5).await, [format!("[{}]", ITEMS.join(","))]);
}

#[tokio::test]
async fn a_value_comes_through_every_face_and_every_kind_of_stage_as_it_is_written() {
    let server =
        HttpServer::start(|request, wire| wire.answer(200, &["Content-Type: application/json"], request.body.clone()));
    let mut world = World::with(&[THROUGH]).await;
    world.environment = vec![("API", server.url()), ("NO_PROXY", "*".to_owned())];
    world.deploy("through");
    let api = Api::of(&world).await;
    let input = spaced();
    let taken = offered(&world, &api, &input, 1).await;
    assert!(taken.iter().all(|(_, taken)| taken.is_ok()), "{taken:?}");
    let file = world.path("input.json");
    let set = ["start", "through", "--input", file.to_str().unwrap(), "--set", "version=1.10", "--set", "a.far=-0"];
    let set = stdout(&run(&world, &set)).trim().to_owned();

    let _worker = world.worker("w1", &[]);
    let begun = async || world.count("select count(*) from piton.runs").await == 9;
    until(SOON, "batches start their runs", begun).await;
    let runs: Vec<(String, String)> = sqlx::query_as("select uuid::text, input::text from piton.runs order by id")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    for (run, stored) in &runs {
        assert_eq!(world.ended(run).await, "done");
        if *run == set {
            let with = |text: String| {
                text.replace(r#""k":1.10"#, r#""k":1.10,"far":-0"#).replacen("1e400}", r#"1e400,"version":1.10}"#, 1)
            };
            assert_eq!(stored.replace([' '], ""), with(dense()).replace([' '], ""));
            assert_unchanged(&world, run, stored, &with(dense())).await;
        } else {
            assert_eq!(*stored, input);
            assert_unchanged(&world, run, &input, &dense()).await;
        }
    }
    for request in server.requests_to("/echo") {
        assert_eq!((request.header("x-big"), request.header("x-far")), (Some(ITEMS[0]), Some(ITEMS[3])));
    }

    // What is shown of it is what it is.
    let (run, last) = (&runs[0].0, format!(r#""output":{{"last":[{}]}}"#, ITEMS.join(",")));
    let shown = stdout(&world.command(["show", run, "--json"]).output().unwrap());
    assert!(shown.contains(&last), "{shown}");
    assert!(api.get(&format!("/runs/{run}")).body.contains(&last));
    assert!(api.get(&format!("/runs/{run}/checkpoints/rust")).body.contains(&format!(r#""output":{input}"#)));
    let results = stdout(&world.command(["batch", "results", "cli-1"]).output().unwrap());
    let one = results.replace(r#""last" : "#, r#""last":"#).contains(&ITEMS.join(","));
    assert!(one && results.lines().count() == 1, "{results}");
    assert!(api.get("/batches/sql-1/results").body.contains(&ITEMS.join(",")));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_a_run_printed_is_read_as_it_is_written() {
    let told = r#"
        name = "told"
        [stages.told]
        command = ["printf", "%s", "{ \"z\": [1.10, -0],\n\"a\": {},\"far\": 1e999}"]
    "#;
    let world = World::with(&[told]).await;
    assert_eq!(
        stdout(&run(&world, &["run", "told"])),
        "told: {\n  \"z\": [\n    1.10,\n    -0\n  ],\n  \"a\": {},\n  \"far\": 1e999\n}\n"
    );
}

#[tokio::test]
async fn what_nobody_can_read_is_refused_by_every_face_with_its_place() {
    let world = World::with(&[THROUGH]).await;
    world.deploy("through");
    let api = Api::of(&world).await;
    for (number, (wrong, said)) in
        [(r"\ud83d", r"lone surrogate \ud83d"), (r"\uDE00\ud83d", r"lone surrogate \uDE00"), (r"\u0000", "NUL")]
            .iter()
            .enumerate()
    {
        let input = format!(r#"{{"a":[1,"x{wrong}"]}}"#);
        for (face, taken) in offered(&world, &api, &input, number).await {
            // Backslashes are escaped in a problem of the API.
            let refused = taken.expect_err(face).replace(r"\\", r"\");
            let place = refused.contains("`a.1` (character 11)") || refused.contains("at character 11");
            // What Postgres says of a statement has the statement's own characters too.
            assert!(place && refused.contains(said), "{face}: {refused}");
        }
    }
    let set = run(&world, &["start", "through", "--set", r#"a="\udfff""#]);
    insta::assert_snapshot!(
        String::from_utf8_lossy(&set.stderr),
        @r#"error: the run's input, with what is set: the string at `a` (character 7) holds the lone surrogate \udfff, which is no character; write the whole pair, or remove it"#
    );
    assert_eq!(world.count("select count(*) from piton.runs").await, 0);
    assert_eq!(world.count("select count(*) from piton.batches").await, 0);
}

#[tokio::test]
async fn an_input_that_is_null_is_null() {
    let world = World::with(&[THROUGH]).await;
    world.deploy("through");
    let api = Api::of(&world).await;
    assert!(offered(&world, &api, "null", 1).await.iter().all(|(_, taken)| taken.is_ok()));
    assert_eq!(world.count("select count(*) from piton.runs where input::text <> 'null'").await, 0);
    assert!(world.count("select count(*) from piton.runs").await >= 5);
}

/// What an older Piton let in: the place that holds it is named, and no other is in the way.
#[tokio::test]
async fn a_string_that_nobody_can_read_hides_no_other_place() {
    let fill = |name: &str, place: &str| {
        format!(
            "name = \"{name}\"\n[stages.fill]\ncommand = [\"printf\", \"%s\", \"{{{{input.{place}}}}}\"]\noutput = \"text\"\n"
        )
    };
    let world = World::with(&[&fill("beside", "good"), &fill("itself", "bad")]).await;
    let runs = ["beside", "itself"].map(|workflow| world.start(workflow, "{}"));
    sqlx::query(r#"update piton.runs set input = '{"bad": "\ud83d", "good": 1e999}'"#)
        .execute(&world.pool)
        .await
        .unwrap();
    let _worker = world.worker("w1", &[]);
    assert_eq!(world.ended(&runs[0]).await, "done");
    assert_eq!(outputs(&world, &runs[0], 0).await, ["\"1e999\""]);
    assert_eq!(world.ended(&runs[1]).await, "blocked");
    let letter = stdout(&world.command(["dead-letter", "show", &world.dead_letter().await]).output().unwrap());
    assert!(
        letter.contains("invalid_input: the string at `input.bad` of the stage's input cannot be read"),
        "{letter}"
    );
    assert!(letter.contains(r#"{"bad":"\ud83d","good":1e999}"#), "{letter}");
}
