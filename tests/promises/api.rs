//! The admin API does what the command line and SQL do, for those who may, and for nobody else.

mod artifacts;
pub(crate) mod client;
mod faces;
mod fuzz;
mod hostile_rows;
mod inputs;
mod keys;
mod strict;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use self::client::{Api, OPERATOR, READER};
use crate::harness::{SOON, World, until};
use crate::server::Server;
use crate::workflows::{CHAIN, MISBEHAVE, SQUARES, WORK};

const FAILS: &str = r#"{"how": "fail", "times": 99, "class": "auth_failure"}"#;

/// Every operation of the document: method, and path below /v1/admin with something in the place of its parameters.
fn operations(document: &Value) -> Vec<(String, String)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.strip_prefix("/v1/admin").unwrap();
        let path = path
            .replace("{run}", "01890a5d-ac96-774b-bcce-b302099a8057")
            .replace("{id}", "01890a5d-ac96-774b-bcce-b302099a8057");
        let path = path
            .replace("{name}", "go")
            .replace("{stage}", "first")
            .replace("{workflow}", "chain")
            .replace("{batch}", "nightly")
            .replace("{schedule}", "nightly");
        assert!(!path.contains('{'), "{path}");
        operations.extend(item.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())));
    }
    operations
}

#[tokio::test]
async fn who_only_looks_can_change_nothing_and_who_has_no_token_sees_nothing() {
    let world = World::with(&[MISBEHAVE]).await;
    let worker = world.worker("w1", &[]);
    let run = world.start("misbehave", FAILS);
    assert_eq!(world.ended(&run).await, "blocked");
    drop(worker);
    let mut api = Api::of(&world).await;
    api.by(None);
    let operations = operations(&api.get("/openapi.json").good());
    let changing = operations.iter().filter(|(method, _)| method != "GET").count();
    assert!(operations.len() >= 20 && changing >= 8, "{operations:?}");
    let before = world.count("select count(*) from piton.audit").await;
    for (method, path) in &operations {
        let open = path == "/openapi.json";
        for (token, looks, changes) in
            [(None, 401, 401), (Some("unknown-0123456789"), 401, 401), (Some(READER), 0, 403)]
        {
            api.by(token);
            let answer = api.send(method, path, &json!({"all": true, "reason": "x"}));
            match (method.as_str(), looks) {
                ("GET", _) if open => assert_eq!(answer.status, 200, "{path}"),
                ("GET", 0) => assert!([200, 404].contains(&answer.status), "{path}: {answer:?}"),
                ("GET", looks) => assert_eq!(answer.problem().0, looks, "{path}"),
                _ => {
                    assert_eq!(answer.problem().0, changes, "{method} {path}");
                    assert!(answer.headers["www-authenticate"].starts_with("Bearer"), "{answer:?}");
                }
            }
        }
    }
    api.by(None);
    assert_eq!(api.get("/nothing").problem().0, 401, "nobody learns what there is");
    assert_eq!(world.count("select count(*) from piton.audit").await, before);
    assert_eq!(world.state(&run).await, "blocked");
    assert_eq!(world.count("select count(*) from piton.runs").await, 1);
}

#[tokio::test]
async fn tokens_are_in_no_log_and_no_error_and_come_from_files_too() {
    let world = World::with(&[CHAIN]).await;
    let file = world.path("tokens");
    std::fs::write(&file, format!("anna:{OPERATOR}\nrobot:another-0123456789abcdef\n")).unwrap();
    let files = [("PITON_API_OPERATOR_TOKEN_FILE", file.to_str().unwrap().to_owned())];
    let mut api = Api::with(&world, &files).await;
    for (token, status) in
        [(Some(OPERATOR), 200), (Some("another-0123456789abcdef"), 200), (Some(READER), 401), (None, 401)]
    {
        api.by(token);
        let answer = api.get("/workers");
        assert_eq!(answer.status, status);
        assert!(token.is_none_or(|token| !answer.body.contains(token)), "{answer:?}");
    }
    let command_line = std::fs::read(format!("/proc/{}/cmdline", api.process.id())).unwrap();
    assert!(!String::from_utf8_lossy(&command_line).contains("0123456789abcdef"));
    api.process.signal("TERM");
    assert_eq!(api.process.exit_code().await, Some(0));
    assert!(api.process.log().contains("admin API asked") && !api.process.log().contains("0123456789abcdef"));
    for list in ["short", "a name:0123456789abcdef0", "0123456789abcdef,0123456789abcdef"] {
        let output = world.command(["api"]).env("PITON_API_READER_TOKEN", list).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("of PITON_API_READER_TOKEN") && !said.contains("0123456789"), "{said}");
        assert_eq!(output.status.code(), Some(1));
    }
}

#[tokio::test]
async fn off_this_machine_nothing_is_served_without_a_token() {
    let world = World::with(&[]).await;
    for address in ["0.0.0.0:0", "[::]:0"] {
        let output = world.command(["api", "--listen", address]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("set PITON_API_OPERATOR_TOKEN") && said.contains("or listen at 127.0.0.1"), "{said}");
        assert_eq!(output.status.code(), Some(1));
    }
    // On this machine, who has no token is answered, unless a page of another name asks.
    let api = Api::with(&world, &[]).await;
    assert_eq!(api.get("/runs").good(), json!({"runs": [], "next": null}));
    for host in ["evil.example", "evil.example:7487"] {
        assert_eq!(api.ask("GET", "/runs", &[("Host", host)], b"").problem(), (421, "wrong-host".to_owned()));
        assert_eq!(api.ask("GET", "/openapi.json", &[("Host", host)], b"").status, 421);
    }
    let form = [("Content-Type", "text/plain"), ("Origin", "http://evil.example")];
    assert_eq!(api.ask("POST", "/recovery", &form, b"{}").problem().0, 415, "what a page may send unasked");
    assert!(!api.get("/runs").headers.keys().any(|name| name.starts_with("access-control")));
}

#[tokio::test]
async fn a_database_that_is_away_is_told_as_such_and_asked_again() {
    let mut server = Server::start().await;
    let world = World::on(&server, &[WORK]).await;
    let api = Api::of(&world).await;
    world.start("work", "{}");
    assert_eq!(api.get("/runs").good()["runs"].as_array().unwrap().len(), 1);
    server.stop("INT");
    for answer in [api.get("/runs"), api.post("/runs", &json!({"workflow": "work"})), api.get("/recovery")] {
        assert_eq!(answer.problem(), (503, "database-away".to_owned()));
        assert!(answer.headers["retry-after"].parse::<u32>().unwrap() > 0);
    }
    assert_eq!(api.get("/openapi.json").status, 200);
    server.resume().await;
    until(SOON, "it answers again", async || api.get("/runs").status == 200).await;
    api.post("/runs", &json!({"workflow": "work"})).good();
    assert_eq!(world.count("select count(*) from piton.runs").await, 2);
}

#[tokio::test]
async fn pages_hold_everything_once() {
    let squares = SQUARES.replace("[stages.square]", "[stages.square]\nretry = { max_retries = 0 }");
    let world = World::with(&[CHAIN, &squares]).await;
    let worker = world.worker("w1", &[]);
    for _ in 0..5 {
        world.start("chain", "{}");
    }
    let run = world.start("squares", r#"{"items": 12, "fails_once_every": 2}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    // Given up at the same moment: then the id decides.
    sqlx::query("update piton.dead_letters set dead_at = now()").execute(&world.pool).await.unwrap();
    let api = Api::of(&world).await;
    let all = |path: &str, list: &str, name: &dyn Fn(&Value) -> String| -> Vec<String> {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let page = api.get(&format!("{path}limit=2{after}")).good();
            found.extend(page[list].as_array().unwrap().iter().map(name));
            let Some(next) = page["next"].as_str() else { return found };
            after = format!("&after={next}");
        }
    };
    let text = |key: &'static str| move |row: &Value| row[key].as_str().unwrap().to_owned();
    let place = |row: &Value| format!("{}[{}]", row["stage"].as_str().unwrap(), row["item"]);
    let checkpoints = format!("/runs/{run}/checkpoints?");
    for (found, count) in [
        (all("/runs?", "runs", &text("run")), 6),
        (all("/runs?workflow=chain&", "runs", &text("run")), 5),
        (all("/runs?state=blocked&", "runs", &text("run")), 1),
        (all("/dead-letters?", "dead_letters", &text("id")), 6),
        (all("/dead-letters?stage=square&class=network_timeout&", "dead_letters", &text("id")), 6),
        (all("/dead-letters?since=2020-01-01T00:00:00Z&", "dead_letters", &text("id")), 6),
        (all("/dead-letters?since=2120-01-01T00:00:00%2B01:00&", "dead_letters", &text("id")), 0),
        (all("/dead-letters?resolution=retried&", "dead_letters", &text("id")), 0),
        // Of the list, of its split, and of six items.
        (all(&checkpoints, "checkpoints", &place), 8),
        (all("/workers?all=true&", "workers", &text("boot")), 1),
    ] {
        assert_eq!((found.len(), found.iter().collect::<BTreeSet<_>>().len()), (count, count), "{found:?}");
    }
    let nobody = "01890a5d-ac96-774b-bcce-b302099a8057";
    for path in ["/runs", "/dead-letters", "/workers"] {
        assert_eq!(api.get(&format!("{path}?after={nobody}")).problem().0, 404, "{path}");
    }
    worker.kill();
}

#[tokio::test]
async fn what_is_shown_is_what_the_command_line_shows() {
    let world = World::with(&[MISBEHAVE, CHAIN]).await;
    let _worker = world.worker("w1", &[]);
    let (blocked, done) = (world.start("misbehave", FAILS), world.start("chain", "{}"));
    assert_eq!((world.ended(&blocked).await, world.ended(&done).await), ("blocked".to_owned(), "done".to_owned()));
    let api = Api::of(&world).await;
    let cli = |arguments: &[&str]| -> Value {
        let output = world.command(arguments.iter().chain(&["--json"])).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let id = world.dead_letter().await;
    assert_eq!(api.get("/runs").good()["runs"], cli(&["runs"]));
    assert_eq!(api.get(&format!("/runs/{done}")).good(), cli(&["show", &done]));
    assert_eq!(api.get(&format!("/runs/{blocked}")).good(), cli(&["show", &blocked]));
    assert_eq!(api.get(&format!("/runs/{done}/verify")).good(), cli(&["verify", &done]));
    assert_eq!(api.get("/dead-letters").good()["dead_letters"], cli(&["dead-letter", "list"]));
    assert_eq!(api.get("/dead-letters/stats").good()["causes"], cli(&["dead-letter", "stats"]));
    assert_eq!(api.get(&format!("/dead-letters/{id}")).good(), cli(&["dead-letter", "show", &id]));
    assert_eq!(api.get("/recovery").good(), cli(&["recover", "--dry-run"]));
    let checkpoint = api.get(&format!("/runs/{done}/checkpoints/third")).good();
    assert_eq!((&checkpoint["output"], &checkpoint["sound"]), (&json!(1), &json!(true)));
    sqlx::query("update piton.checkpoints set output = '2' where stage = 2").execute(&world.pool).await.unwrap();
    assert_eq!(api.get(&format!("/runs/{done}/checkpoints/third")).good()["sound"], false);
    let worker = &api.get("/workers").good()["workers"][0];
    assert_eq!((&worker["worker"], &worker["slots"], &worker["jobs"]), (&json!("w1"), &json!(32), &json!(0)));
    let names: Vec<Value> =
        api.get("/workflows").good()["workflows"].as_array().unwrap().iter().map(|w| w["workflow"].clone()).collect();
    assert_eq!(names, ["chain", "misbehave"]);
    assert_eq!(api.get("/workflows/chain").good()["definition"]["stages"][1]["name"], "second");
    for nothing in [
        "/workflows/chian",
        "/dead-letters/01890a5d-ac96-774b-bcce-b302099a8057",
        "/runs/01890a5d-ac96-774b-bcce-b302099a8057",
    ] {
        assert_eq!(api.get(nothing).problem(), (404, "not-found".to_owned()));
    }
}

#[tokio::test]
async fn without_a_token_a_page_of_another_site_changes_nothing() {
    let world = World::with(&[CHAIN]).await;
    let api = Api::with(&world, &[]).await;
    let json = ("Content-Type", "application/json");
    let run = world.start("chain", "{}");
    let own = format!("http://{}", api.address);
    for (headers, status) in [
        (vec![("Origin", "http://evil.example"), json], 403),
        (vec![("Origin", "http://localhost:3000"), json], 403),
        (vec![("Origin", "null"), json], 403),
        (vec![("Sec-Fetch-Site", "same-site"), json], 403),
        (vec![("Content-Type", "text/plain")], 415),
        (vec![], 415),
        (vec![("Host", "rebound.example"), json], 421),
        (vec![("Host", "rebound.example"), ("Origin", "http://rebound.example"), json], 421),
    ] {
        for path in ["/cleanup/preview", "/runs", "/recovery", "/nothing"] {
            let answer = api.ask("POST", path, &headers, b"{}");
            assert_eq!(answer.problem().0, status, "{path} {headers:?}");
        }
        if status != 415 {
            let path = format!("/runs/{run}/hold");
            assert_eq!(api.ask("DELETE", &path, &headers, b"").problem().0, status, "{headers:?}");
        }
    }
    let nothing =
        "select (select count(*) from piton.cleanups) + (select count(*) from piton.audit where face = 'api')";
    assert_eq!((world.count(nothing).await, world.count("select count(*) from piton.runs").await), (0, 1));
    for headers in [vec![json], vec![("Origin", own.as_str()), ("Sec-Fetch-Site", "same-origin"), json]] {
        assert_eq!(api.ask("POST", "/cleanup/preview", &headers, b"").status, 201, "{headers:?}");
    }
}
