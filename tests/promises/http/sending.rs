//! What is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{ask, ask_each, assert_failed, peak_memory, worker};
use crate::harness::World;
use crate::http_server::{CERTIFICATE, HttpServer, Request};

const SEND: &str = r#"
name = "send"
[stages.put]
http = "${API}/items/{{item.id}}/put?of={{item.id}}"
method = "PUT"
headers = { Authorization = "Bearer ${API_KEY}", x-lang = "{{input.lang}}", content-type = "application/vnd.test+json" }
for_each = "input.items"
retry = { resource_unavailable = { base = "1ms" } }
[stages.post]
http = "${API}/post"
needs = ["put"]
[stages.get]
http = "${TLS_API}/get?q={{input.dots}}"
method = "GET"
headers = { x-key = "${API_KEY}" }
redirects = 1
needs = ["post"]
[stages.text]
http = "${API}/text"
output = "text"
needs = ["get"]
"#;

/// Runs `send` twice against a server that fails its very first request: what the servers saw.
async fn sent() -> (Vec<Request>, Vec<Request>, usize, Value) {
    let asked = AtomicUsize::new(0);
    let api = HttpServer::start(move |request, wire| match request.target.as_str() {
        _ if asked.fetch_add(1, Ordering::SeqCst) == 0 => wire.answer(503, &[], "later"),
        "/text" => wire.answer(200, &[], "two\nlines\n"),
        _ => wire.answer(200, &["Content-Type: application/json"], "{\"ok\": true}"),
    });
    let tls = HttpServer::start_tls(|request, wire| match request.target.as_str() {
        "/there" => wire.answer(200, &[], "null"),
        _ => wire.answer(302, &["Location: /there"], ""),
    });
    let world = World::with(&[SEND]).await;
    let (api_url, tls_url) = (api.url(), tls.url());
    let variables =
        [("API", &*api_url), ("TLS_API", &*tls_url), ("API_KEY", "k-123456"), ("SSL_CERT_FILE", CERTIFICATE)];
    let _worker = worker(&world, &variables, &["--slots", "1"]);
    let input = json!({"lang": "de", "dots": "..", "items": [{"id": "../a?b=c&d#e%2f é"}, {"id": 7}, {"id": "x.y"}]});
    let runs = [world.start("send", &input.to_string()), world.start("send", &input.to_string())];
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    let text: Value = sqlx::query_scalar("select output from piton.checkpoints where stage = 3 limit 1")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    world.assert_nothing_is_left().await;
    (api.requests(), tls.requests(), api.connections(), text)
}

#[tokio::test]
async fn a_request_is_what_the_file_says_and_is_recognised_when_it_is_sent_again() {
    let (requests, over_tls, connections, result) = sent().await;
    assert_eq!((requests.len(), over_tls.len()), (2 * 5 + 1, 2 * 2));
    assert_eq!(result, json!("two\nlines"));
    assert!(connections <= 3, "{connections} connections for requests that came one after another");

    let items: Vec<&Request> = requests.iter().filter(|request| request.method == "PUT").collect();
    let odd = "%2E%2E%2Fa%3Fb%3Dc%26d%23e%252f%20%C3%A9";
    let targets: BTreeSet<&str> = items.iter().map(|request| request.target.as_str()).collect();
    let expected =
        [format!("/items/{odd}/put?of={odd}"), "/items/7/put?of=7".into(), "/items/x%2Ey/put?of=x%2Ey".into()];
    assert_eq!(targets, expected.iter().map(String::as_str).collect());
    for request in &items {
        assert_eq!(request.header("authorization"), Some("Bearer k-123456"));
        assert_eq!(request.header("x-lang"), Some("de"));
        assert_eq!(request.header("content-type"), Some("application/vnd.test+json"));
        assert!(request.json()["item"]["id"] == 7 || request.json()["item"]["id"].is_string());
    }
    for request in requests.iter().filter(|request| request.target == "/post") {
        assert_eq!((request.method.as_str(), request.header("content-type")), ("POST", Some("application/json")));
        assert_eq!(request.json()["input"]["lang"], "de");
        assert_eq!(request.json()["put"], json!([{"ok": true}, {"ok": true}, {"ok": true}]));
    }
    let targets: Vec<&str> = over_tls.iter().map(|request| request.target.as_str()).collect();
    assert_eq!(targets, ["/get?q=%2E%2E", "/there", "/get?q=%2E%2E", "/there"]);
    for request in &over_tls {
        assert_eq!((request.method.as_str(), request.text()), ("GET", ""));
        assert_eq!((request.header("content-type"), request.header("content-length")), (None, None));
        assert_eq!((request.header("x-key"), request.header("referer")), (Some("k-123456"), None));
    }
    let redirected = over_tls.iter().filter(|request| request.target == "/there");
    recognised(requests.iter().chain(redirected));
}

/// Every job has a key, which another attempt repeats and nothing else has; every run has a trace.
fn recognised<'r>(requests: impl Iterator<Item = &'r Request>) {
    let (mut jobs, mut traces): (BTreeMap<&str, Vec<&Request>>, BTreeSet<&str>) = Default::default();
    for request in requests {
        assert!(request.header("user-agent").unwrap().starts_with("piton/"));
        jobs.entry(request.header("idempotency-key").unwrap()).or_default().push(request);
        let trace: Vec<&str> = request.header("traceparent").unwrap().split('-').collect();
        let [version, trace, span, flags] = trace[..] else { panic!("{trace:?} has four parts") };
        assert_eq!((version, trace.len(), span.len(), flags), ("00", 32, 16, "01"));
        assert!((trace.to_owned() + span).bytes().all(|b| b.is_ascii_hexdigit()) && trace.bytes().any(|b| b != b'0'));
        traces.insert(trace);
    }
    assert_eq!((jobs.len(), traces.len()), (2 * 6, 2));
    let again: Vec<&Vec<&Request>> = jobs.values().filter(|requests| requests.len() > 1).collect();
    assert_eq!((again.len(), again[0].len()), (1, 2), "one attempt failed");
    assert_eq!((&again[0][0].target, &again[0][0].body), (&again[0][1].target, &again[0][1].body));
}

#[tokio::test]
async fn input_does_not_lead_a_url_to_another_place() {
    let server = HttpServer::start(|_, wire| wire.answer(200, &[], "null"));
    let world = World::with(&[&ask_each("http = \"${API}/items/{{item}}/delete\"")]).await;
    let no_certificates = [("SSL_CERT_FILE", "/nowhere"), ("SSL_CERT_DIR", "/nowhere")];
    let url = server.url();
    let _worker = worker(&world, &[&[("API", &*url)][..], &no_certificates].concat(), &[]);
    for failed in ask(&world, &[".", "..", "..."]).await.values() {
        assert_failed(failed, "invalid_input", "a part of the URL that comes from the input is only dots");
    }
    assert_eq!(server.connections(), 0);
    let run = world.start("ask", r#"{"items": ["../..", "a b"]}"#);
    assert_eq!(world.ended(&run).await, "done", "also where nothing is trusted over TLS, which nobody asked for");
    assert_eq!(server.requests_to("/items/%2E%2E%2F%2E%2E/delete").len(), 1);
}

#[tokio::test]
async fn files_are_sent_as_a_form_and_never_from_outside_their_folder() {
    let server = HttpServer::start(|request, wire| match request.body.len() {
        0 => wire.answer(413, &[], "").and_then(|()| wire.wait_until_left()),
        _ => wire.answer(200, &[], "null"),
    });
    let keys = "http = \"${API}/\"\ndir = \"${MEDIA}\"\nfiles = { audio = \"item\" }\n\
                headers = { content-type = \"text/plain\" }";
    let world = World::with(&[&ask_each(keys)]).await;
    let media = world.path("media");
    std::fs::create_dir_all(media.join("deep")).unwrap();
    let sound = "\r\n--sound\0\n".repeat(100_000);
    std::fs::write(media.join("deep/a.wav"), &sound).unwrap();
    std::fs::write(world.path("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(world.path("secret"), media.join("link")).unwrap();
    let url = server.url();
    let worker = worker(&world, &[("API", &url), ("MEDIA", media.to_str().unwrap())], &[]);

    let outside = world.path("secret");
    let outside = outside.to_str().unwrap();
    let failed =
        ask(&world, &["../secret", "../nothing", outside, "/nothing", "link", "deep", "gone.wav", "deep/../gone"])
            .await;
    for name in ["../secret", "../nothing", outside, "/nothing", "link"] {
        let said = format!("the file `{name}` is not below the stage's folder (`dir`)");
        assert_failed(&failed[name], "invalid_input", &said);
    }
    assert_failed(&failed["deep"], "invalid_input", "`deep` is no file");
    for name in ["gone.wav", "deep/../gone"] {
        let said = format!("cannot read `{name}`: No such file or directory (os error 2)");
        assert_failed(&failed[name], "resource_unavailable", &said);
    }
    assert_eq!(server.connections(), 0, "nothing was sent");

    let run = world.start("ask", r#"{"items": ["deep/a.wav"]}"#);
    assert_eq!(world.ended(&run).await, "done");
    let request = &server.requests()[0];
    let kind = request.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let parts: Vec<&str> = request.text().split(&format!("--{boundary}")).collect();
    let [_, input, audio, _] = parts[..] else { panic!("{} parts", parts.len()) };
    assert!(input.contains("name=\"input\"\r\nContent-Type: application/json\r\n\r\n{"), "{input}");
    assert!(input.contains("\"item\":\"deep/a.wav\""), "{input}");
    assert!(audio.contains("name=\"audio\"; filename=\"a.wav\"") && audio.ends_with(&format!("\r\n\r\n{sound}\r\n")));

    std::fs::File::create(media.join("large")).unwrap().set_len(1 << 30).unwrap();
    let failed = ask(&world, &["large"]).await;
    assert_failed(&failed["large"], "invalid_input", "the server answered 413 Payload Too Large");
    let peak = peak_memory(&worker);
    assert!(peak < 200 << 20, "the worker had {} MiB", peak >> 20);
}

#[tokio::test]
async fn a_request_may_name_its_run_and_what_stands_where_nothing_is() {
    let names = r#"
        name = "names"
        [stages.asks]
        http = "${API}/runs/{{run.id}}/{{run.stage}}?lang={{input.lang | 'e n'}}"
        headers = { x-attempt = "{{run.attempt}} of {{run.workflow}} by {{run.worker}}" }
        output = "text"
    "#;
    let server = HttpServer::start(|_, wire| wire.answer(200, &[], "ok"));
    let world = World::with(&[names]).await;
    let _worker = worker(&world, &[("API", &server.url())], &[]);
    let run = world.start("names", "{}");
    assert_eq!(world.ended(&run).await, "done");
    let request = server.requests().remove(0);
    assert_eq!(request.target, format!("/runs/{}/asks?lang=e%20n", run.replace('-', "%2D")));
    assert_eq!(request.header("x-attempt"), Some("1 of names by w1"));
}
