//! What servers answer, as it is documented.

use std::process::{Command, Stdio};

use super::programs::refusal;
use super::{Expected, outputs, start};
use crate::harness::World;
use crate::http_server::{HttpServer, Request, Wire};

const ASKS: &str = r#"
name = "json"
[stages.ask]
http = "${API}/{{input}}"
method = "GET"
retry = { resource_unavailable = { max_retries = 0 } }
"#;

fn answer(request: &Request, wire: &mut Wire) -> std::io::Result<()> {
    let json = "Content-Type: application/json";
    match request.target.trim_start_matches('/') {
        "mark" => wire.answer(200, &[json], "\u{feff}{\"n\": 1.10}\r\n"),
        "lines" => wire.answer(200, &["Content-Type: application/x-ndjson"], "1\r\n2\r\n"),
        "nothing" => wire.answer(200, &[json], ""),
        "no%2Dcontent" => wire.say("HTTP/1.1 204 No Content\r\nETag: \"7\"\r\n\r\n"),
        "reset" => wire.answer(205, &[], ""),
        "latin" => wire.answer(200, &["Content-Type: text/plain; charset=ISO-8859-1"], b"caf\xe9"),
        "mislabelled" => wire.answer(200, &["Content-Type: text/plain; charset=ISO-8859-1"], "\"café\""),
        "wide" => wire.answer(200, &["Content-Type: application/json; charset=utf-16"], b"\xff\xfe1\0"),
        "packed" => wire.answer(200, &[json, "Content-Encoding: gzip"], gzip("{\"n\": 1.10}")),
        "bomb" => wire.answer(200, &[json, "Content-Encoding: gzip"], gzip(&" ".repeat(3 << 20))),
        "torn" => wire.answer(200, &[json, "Content-Encoding: gzip"], &gzip("{\"n\": 1.10}")[..20]),
        "brotli" => wire.answer(200, &[json, "Content-Encoding: br"], b"\x0b\x02\x80{\"a\"}\x03"),
        "page" => wire.answer(
            201,
            &[
                json,
                "X-Total-Pages: 3",
                "Location: /items/7",
                "ETag: \"v1\"",
                "Link: <a>",
                "Link: <b>",
                "Set-Cookie: s=1",
            ],
            "{\"items\": [1.10, -0]}",
        ),
        "refused" => wire.answer(404, &[json, "Content-Encoding: gzip"], gzip("no such page")),
        other => panic!("no answer {other}"),
    }
}

/// By the program that every machine has.
fn gzip(text: &str) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let packed = Command::new("gzip")
        .arg("-c")
        .stdin(std::fs::File::open(file.path()).unwrap())
        .stderr(Stdio::inherit())
        .output();
    packed.unwrap().stdout
}

/// What a server answers, by the path: the output that is JSON, the one that is text, and the whole response.
type Answered = (&'static str, Expected, Expected, Expected);

const TORN: &str = "resource_unavailable: the server's gzip cannot be unpacked";

const ANSWERED: [Answered; 14] = [
    ("mark", Ok("{\"n\": 1.10}"), Ok(r#""{\"n\": 1.10}""#), Ok(r#""body":{"n": 1.10}}"#)),
    ("lines", Err("more than one JSON value (`1  2`)"), Ok(r#""1\r\n2""#), Ok(r#""body":"1\r\n2"}"#)),
    ("nothing", Err("the server sent nothing"), Ok("\"\""), Ok(r#""body":null}"#)),
    ("no-content", Ok("null"), Ok("\"\""), Ok(r#"{"status":204,"headers":{"etag":"\"7\""},"body":null}"#)),
    ("reset", Ok("null"), Ok("\"\""), Ok(r#"{"status":205,"#)),
    ("latin", Err("and says it is `ISO-8859-1`"), Err("byte 4 is 0xE9, and says"), Err("not UTF-8")),
    ("mislabelled", Ok("\"café\""), Ok(r#""\"café\"""#), Ok(r#""body":"\"café\""}"#)),
    ("wide", Err("it is UTF-16"), Err("it is UTF-16"), Err("it is UTF-16")),
    ("packed", Ok("{\"n\": 1.10}"), Ok(r#""{\"n\": 1.10}""#), Ok(r#""body":{"n": 1.10}}"#)),
    ("bomb", Err("more than 1048576 bytes"), Err("more than 1048576 bytes"), Err("more than 1048576 bytes")),
    ("torn", Err(TORN), Err(TORN), Err(TORN)),
    ("brotli", Err("its body as `br`"), Err("its body as `br`"), Err("accept-encoding = \"identity\"")),
    (
        "page",
        Ok("{\"items\": [1.10, -0]}"),
        Ok(r#""{\"items\": [1.10, -0]}""#),
        Ok(
            r#"{"status":201,"headers":{"content-length":"21","content-type":"application/json","etag":"\"v1\"","link":"<a>, <b>","location":"/items/7","set-cookie":["s=1"],"x-total-pages":"3"},"body":{"items": [1.10, -0]}}"#,
        ),
    ),
    ("refused", Err("404 Not Found: no such page"), Err("404 Not Found"), Err("404 Not Found")),
];

#[tokio::test]
async fn what_a_server_answers_is_the_output_or_is_refused_for_what_it_is() {
    let server = HttpServer::start(answer);
    let formats = ["json", "text", "response"];
    let files = formats.map(|format| {
        let file = ASKS.replace("\"json\"", &format!("\"{format}\""));
        if format == "json" { file } else { format!("{file}output = \"{format}\"\n") }
    });
    let mut world = World::with(&files.each_ref().map(String::as_str)).await;
    world.environment = vec![("API", server.url()), ("NO_PROXY", "*".to_owned())];
    formats.iter().for_each(|workflow| world.deploy(workflow));
    let mut runs = Vec::new();
    for (path, json, text, response) in &ANSWERED {
        for (format, expected) in formats.iter().zip([json, text, response]) {
            runs.push((*path, *format, expected, start(&world, format, &format!("\"{path}\"")).await));
        }
    }
    let _worker = world.worker("w1", &[]);
    for (path, format, expected, run) in &runs {
        match expected {
            Ok(output) => {
                assert_eq!(world.ended(run).await, "done", "{path}");
                let found = outputs(&world, run, 0).await;
                let same = if *format == "response" { found[0].contains(output) } else { found == [*output] };
                assert!(same, "{path} as {format}: {found:?}");
            }
            Err(said) => {
                assert_eq!(world.ended(run).await, "blocked", "{path}");
                let message = refusal(&world, run).await;
                assert!(message.contains(said), "{path}: {message}");
            }
        }
    }
    assert!(server.requests().iter().all(|request| request.header("accept-encoding") == Some("gzip")));
}

#[tokio::test]
async fn what_an_answer_says_beside_its_body_is_in_reach_of_the_stages_after_it() {
    let pages = r#"
        name = "pages"
        [stages.first]
        http = "${API}/page"
        method = "GET"
        output = "response"
        [stages.tell]
        command = ["printf", '"%s of %s at %s (%s)"', "{{item}}", "{{first.headers.x-total-pages}}", "{{first.headers.location}}", "{{first.status}}"]
        needs = ["first"]
        for_each = "first.body.items"
    "#;
    let server = HttpServer::start(answer);
    let mut world = World::with(&[pages]).await;
    world.environment = vec![("API", server.url()), ("NO_PROXY", "*".to_owned())];
    let _worker = world.worker("w1", &[]);
    let run = world.start("pages", "{}");
    assert_eq!(world.ended(&run).await, "done");
    let items = "select k.output::text from piton.checkpoints k where k.stage = 1 and k.item >= 0 order by k.item";
    let items: Vec<String> = sqlx::query_scalar(items).fetch_all(&world.pool).await.unwrap();
    assert_eq!(items, ["\"1.10 of 3 at /items/7 (201)\"", "\"-0 of 3 at /items/7 (201)\""]);
}
