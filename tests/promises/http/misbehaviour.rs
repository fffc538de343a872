//! Servers that do what no server should.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::{WAIT_AN_HOUR, ask_each, failures, peak_memory, worker};
use crate::harness::{SOON, World, stdout, until};
use crate::http_server::{HttpServer, Request, Wire};

/// A server's misbehaviours, by the path.
fn misbehave(request: &Request, wire: &mut Wire) -> std::io::Result<()> {
    match request.target.as_str() {
        "/silence" => wire.wait_until_left(),
        "/slow" => drip(wire, "HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n"),
        "/slow%5Frefusal" => drip(wire, "HTTP/1.1 401 No\r\nContent-Length: 60\r\n\r\nwho are you?"),
        "/endless" => flood(wire, "HTTP/1.1 200 OK\r\n\r\n", "\"xxxxxxxxxxxx"),
        "/endless%5Frefusal" => flood(wire, "HTTP/1.1 400 OK\r\n\r\n", "no, "),
        "/endless%5Fhead" => flood(wire, "HTTP/1.1 200 OK\r\n", "X-More: and more\r\n"),
        "/endless%5Fpromises" => flood(wire, "", "HTTP/1.1 100 Continue\r\n\r\n"),
        "/large%5Fhead" => wire.answer(200, &[&format!("X-Large: {}", "x".repeat(1 << 20))], "1"),
        "/cut" => wire.say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[1").and_then(|()| wire.hang_up()),
        "/cut%5Frefusal" => {
            wire.say("HTTP/1.1 503 OK\r\nContent-Length: 1000\r\n\r\nbusy").and_then(|()| wire.hang_up())
        }
        "/gone" => wire.hang_up(),
        "/no%5Fhttp" => wire.say("220 mail.example.com ESMTP\r\n").and_then(|()| wire.wait_until_left()),
        "/no%5Futf8" => wire.answer(200, &[], b"\"\xff\xfe\""),
        "/no%5Fjson" => wire.answer(200, &[], "<html>"),
        "/nothing" => wire.answer(200, &[], ""),
        "/redirect" => wire.answer(301, &["Location: /redirect"], ""),
        other => panic!("no misbehaviour {other}"),
    }
}

/// A byte per second.
fn drip(wire: &mut Wire, head: &str) -> std::io::Result<()> {
    wire.say(head)?;
    while !wire.is_left_within(Duration::from_secs(1))? {
        wire.say("1")?;
    }
    Ok(())
}

/// As much as the client takes.
fn flood(wire: &mut Wire, head: &str, said: &str) -> std::io::Result<()> {
    wire.say(head)?;
    let much = said.repeat(10_000);
    loop {
        wire.say(&much)?;
    }
}

const TIMEOUT: &str = "the stage ran longer than its timeout of 1.5 s";
const MISBEHAVIOURS: [(&str, &str, &str); 16] = [
    ("silence", "network_timeout", TIMEOUT),
    ("slow", "network_timeout", TIMEOUT),
    ("slow_refusal", "auth_failure", "the server answered 401 Unauthorized: who are you?"),
    ("endless", "invalid_input", "the server sent more than 1048576 bytes"),
    ("endless_refusal", "invalid_input", "the server answered 400 Bad Request: no, no, "),
    ("endless_head", "resource_unavailable", "error sending request"),
    ("endless_promises", "network_timeout", TIMEOUT),
    ("large_head", "resource_unavailable", "error sending request"),
    ("cut", "resource_unavailable", "error decoding response body"),
    ("cut_refusal", "resource_unavailable", "the server answered 503 Service Unavailable: busy"),
    ("gone", "resource_unavailable", "error sending request"),
    ("no_http", "resource_unavailable", "error sending request"),
    ("no_utf8", "invalid_input", "the server sent text that is not UTF-8: byte 2 is 0xFF; have it answer in UTF-8"),
    ("no_json", "invalid_input", "the server sent `<html>`, which is not JSON"),
    ("nothing", "invalid_input", "the server sent nothing, but the output must be JSON"),
    ("redirect", "invalid_input", "the server answered 301 Moved Permanently to /redirect; redirects are followed"),
];

/// Stages whose servers cannot be reached by a path; one of each.
const UNREACHABLE: [(&str, &str, &str, &str); 6] = [
    ("round-and-round", "${API}/redirect", "invalid_input", "error following redirect: too many redirects"),
    (
        "untrusted",
        "${TLS_API}/",
        "resource_unavailable",
        "error sending request: client error (Connect): invalid peer certificate: UnknownIssuer",
    ),
    (
        "plain",
        "https://127.0.0.1:${API_PORT}/",
        "resource_unavailable",
        "error sending request: client error (Connect): received corrupt message",
    ),
    (
        "refused",
        "${CLOSED}/",
        "resource_unavailable",
        "error sending request: client error (Connect): tcp connect error: Connection refused",
    ),
    ("unknown-host", "http://nowhere.invalid/", "", ""),
    ("no-url", "${NO_URL}/", "invalid_input", "`${NO_URL}/` is not a valid URL: "),
];

fn unreachable_stages() -> String {
    let stage = |(name, url, ..): &(&str, &str, &str, &str)| {
        let rules = WAIT_AN_HOUR.replace("ask", name);
        format!("[stages.{name}]\nhttp = \"{url}\"\ntimeout = \"1500ms\"\nredirects = 3\n{rules}\n")
    };
    UNREACHABLE.iter().map(stage).collect()
}

#[tokio::test]
async fn every_misbehaviour_of_a_server_is_a_classified_failure_in_time_and_in_little_memory() {
    let (server, tls) = (HttpServer::start(misbehave), HttpServer::start_tls(misbehave));
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let workflow = ask_each("http = \"${API}/{{item}}\"\ntimeout = \"1500ms\"") + &unreachable_stages();
    let world = World::with(&[&workflow]).await;
    let (url, tls_url, closed) = (server.url(), tls.url(), format!("http://{closed}"));
    let port = server.port().to_string();
    let variables =
        [("API", &*url), ("API_PORT", &*port), ("TLS_API", &*tls_url), ("CLOSED", &*closed), ("NO_URL", "nonsense")];
    let mut worker = worker(&world, &variables, &["--slots", "32"]);
    let items = MISBEHAVIOURS.map(|(item, ..)| item);
    let run = world.start("ask", &json!({"items": items}).to_string());
    let failed = failures(&world, &run, items.len() + UNREACHABLE.len()).await;
    for failed in &failed {
        let (name, class, message) = match failed.stage {
            0 => MISBEHAVIOURS[usize::try_from(failed.item).unwrap()],
            stage => {
                let (name, _, class, message) = UNREACHABLE[usize::try_from(stage).unwrap() - 1];
                (name, class, message)
            }
        };
        assert!(failed.took < 1.5 + 2.0, "{name} took {} s", failed.took);
        if name == "unknown-host" {
            // Asking for its name may take longer than the stage has.
            assert!(["resource_unavailable", "network_timeout"].contains(&failed.class.as_str()), "{}", failed.class);
            continue;
        }
        assert_eq!(failed.class, class, "{name}: {}", failed.message);
        assert!(failed.message.starts_with(message), "{name}: {}", failed.message);
    }
    assert!(worker.is_running());
    let peak = peak_memory(&worker);
    assert!(peak < 200 << 20, "the worker had {} MiB", peak >> 20);
}

#[tokio::test]
async fn an_attempt_that_is_over_closes_its_connection() {
    let workflows = [
        "name = \"limit\"\n[stages.ask]\nhttp = \"${API}/limit\"\ntimeout = \"300ms\"\n",
        "name = \"fails\"\n[stages.hangs]\nhttp = \"${API}/sibling\"\n[stages.fails]\nhttp = \"${API}/400\"\n",
        "name = \"stop\"\n[stages.ask]\nhttp = \"${API}/stop\"\n",
    ];
    let (left, arrived) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (left_too, arrived_too) = (left.clone(), arrived.clone());
    let server = HttpServer::start(move |request, wire| {
        if request.target == "/400" {
            // Fails when the other one is under way.
            while arrived_too.load(Ordering::SeqCst) < 2 && !wire.is_left_within(Duration::from_millis(10))? {}
            return wire.answer(400, &[], "");
        }
        arrived_too.fetch_add(1, Ordering::SeqCst);
        wire.wait_until_left()?;
        left_too.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    let world = World::with(&workflows).await;
    let url = server.url();
    let mut worker = worker(&world, &[("API", &url)], &["--grace", "1h"]);
    let is = async |count: &AtomicUsize, number: usize| {
        until(SOON, "the server notices", async || count.load(Ordering::SeqCst) >= number).await;
    };
    world.start("limit", "{}");
    is(&left, 1).await;
    let run = world.start("fails", "{}");
    until(SOON, "it is blocked", async || world.state(&run).await == "blocked").await;
    stdout(
        &world.command(["dead-letter", "dismiss", &world.dead_letter().await, "--reason", "no use"]).output().unwrap(),
    );
    is(&left, 2).await;
    assert!(worker.is_running());

    let arrived_before = arrived.load(Ordering::SeqCst);
    world.start("stop", "{}");
    is(&arrived, arrived_before + 1).await;
    worker.signal("TERM");
    worker.says("shutting down").await;
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0));
    is(&left, arrived.load(Ordering::SeqCst)).await;
    assert_eq!(world.count("select count(*) from piton.attempts where outcome = 'released'").await, 1);
}

/// Connections to a listener that accepts none, as many as it takes until the next one is not let in.
fn crowd(listener: &TcpListener) -> Vec<TcpStream> {
    let address = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(500)).ok();
    std::iter::from_fn(connect).take(100_000).collect()
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_is_given_up_at_the_connect_timeout() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let _crowd = crowd(&listener);
    let keys = "http = \"${API}/x\"\nconnect_timeout = \"300ms\"\ntimeout = \"5m\"";
    let world = World::with(&[&ask_each(keys)]).await;
    let url = format!("http://{}", listener.local_addr().unwrap());
    let _worker = worker(&world, &[("API", &url)], &[]);
    let run = world.start("ask", r#"{"items": [0]}"#);
    let failed = &failures(&world, &run, 1).await[0];
    assert_eq!(failed.class, "network_timeout", "{}", failed.message);
    assert!(failed.took < 60.0, "{} s", failed.took);
}
