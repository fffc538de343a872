//! What makes no sense is refused with the reason, and nothing is half done.

use serde_json::json;

use super::client::{Api, OPERATOR};
use crate::harness::World;
use crate::workflows::CHAIN;

#[tokio::test]
async fn what_cannot_be_read_is_refused_as_what_it_is() {
    let world = World::with(&[CHAIN]).await;
    let run = world.start("chain", "{}");
    let api = Api::of(&world).await;
    let json = [("Content-Type", "application/json")];
    let deep = format!(r#"{{"workflow": "chain", "input": {}{}}}"#, "[".repeat(101), "]".repeat(101));
    let nested = "[".repeat(100_000);
    let large = format!(r#"{{"workflow": "chain", "input": "{}"}}"#, "x".repeat(1 << 20));
    let bodies: [(&str, &[u8], u16); 20] = [
        ("/runs", b"", 400),
        ("/runs", b"{\"workflow\": ", 400),
        ("/runs", b"[\"chain\"]", 400),
        ("/runs", b"null", 400),
        ("/runs", b"\xff\xfe", 400),
        ("/runs", b"{\"workflow\": \"ch\xff\"}", 400),
        ("/runs", b"{\"workflow\": \"\\ud800\"}", 400),
        ("/runs", b"{\"workflow\": \"a\\u0000b\"}", 400),
        ("/runs", br#"{"workflow": "chain", "workflow": "chain"}"#, 400),
        ("/runs", br#"{"workflow": "chain", "inptu": {}}"#, 400),
        ("/runs", br#"{"workflow": "chain", "priority": 1e400}"#, 400),
        ("/runs", br#"{"workflow": "chain", "priority": 1001}"#, 400),
        ("/runs", br#"{"workflow": "chain", "input": "\u0000"}"#, 422),
        ("/runs", br#"{"workflow": "chain", "input": ["\udfff"]}"#, 422),
        ("/runs", br#"{"workflow": "chain", "traceparent": "00-0"}"#, 422),
        ("/runs", br#"{"workflow": "chian"}"#, 404),
        ("/runs", nested.as_bytes(), 400),
        ("/runs", deep.as_bytes(), 422),
        ("/runs", large.as_bytes(), 422),
        ("/dead-letters/force", br#"{"run": "x", "stage": "first", "reason": "x"}"#, 400),
    ];
    for (path, body, status) in bodies {
        let answer = api.ask("POST", path, &json, body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]);
        assert_eq!(answer.problem().0, status, "{shown}: {answer:?}");
    }
    let too_large = vec![b' '; 3 << 20];
    assert_eq!(api.ask("POST", "/runs", &json, &too_large).problem(), (413, "too-large".to_owned()));
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
        let answer = api.ask("POST", "/runs", &[("Content-Type", content_type)], b"{}");
        assert_eq!(answer.problem().0, 415, "{content_type}");
    }
    let with_charset = [("Content-Type", "Application/JSON; charset=utf-8")];
    assert_eq!(api.ask("POST", "/runs", &with_charset, br#"{"workflow": "chain"}"#).status, 201);
    for query in [
        "limit=0",
        "limit=1001",
        "limit=99999999999999999999",
        "limit=x",
        "limit=1&limit=2",
        "after=x",
        "state=nonsense",
        "workflow=%ff",
        "workflow=%00",
        "workflow=",
        "wrokflow=chain",
    ] {
        assert_eq!(api.get(&format!("/runs?{query}")).problem().0, 400, "{query}");
    }
    for query in ["since=yesterday", "since=%2B262142-01-01T00:00:00Z", "class=nonsense", "fingerprint=a%00"] {
        assert_eq!(api.get(&format!("/dead-letters?{query}")).problem().0, 400, "{query}");
    }
    for path in ["/runs/x", "/runs/%ff", &format!("/runs/{run}/checkpoints/first?item=-1"), "/recovery?lease=0"] {
        assert_eq!(api.get(path).problem().0, 400, "{path}");
    }
    for path in ["/nothing", "/", "/runs/", &format!("/runs/{run}/checkpoints/none"), "/workflows/%00"] {
        assert_eq!(api.get(path).problem().0, 404, "{path}");
    }
    for (method, path, allowed) in
        [("PUT", "/runs", "GET,HEAD,POST"), ("OPTIONS", "/workers", "GET,HEAD"), ("GET", "/dead-letters/force", "POST")]
    {
        let answer = api.ask(method, path, &[], b"");
        // What is said of the method does not depend on the order of the routes.
        assert_eq!((answer.problem().0, answer.headers["allow"].as_str()), (405, allowed), "{method} {path}");
    }
    assert_eq!(world.count("select count(*) from piton.runs").await, 2, "nothing was half done");
    assert!(!api.process.log().contains(" ERROR "), "{}", api.process.log());
}

#[tokio::test]
async fn a_workflow_that_is_not_there_is_refused_wherever_it_is_named() {
    let world = World::with(&[CHAIN]).await;
    world.deploy("chain");
    let api = Api::of(&world).await;
    let lists = [
        "/runs",
        "/why",
        "/throughput",
        "/changes",
        "/dead-letters",
        "/dead-letters/stats",
        "/dead-letters/retry-preview",
    ];
    for path in lists {
        let answer = api.get(&format!("{path}?workflow=nope"));
        assert_eq!(answer.problem().0, 404, "{path}: {answer:?}");
        assert!(answer.body.contains("there is no workflow `nope`"), "{answer:?}");
        api.get(&format!("{path}?workflow=chain")).good();
    }
    let filter = json!({"filter": {"workflow": "nope"}, "reason": "x"});
    assert_eq!(api.post("/dead-letters/dismiss", &filter).problem().0, 404);
    assert_eq!(api.post("/dead-letters/retry", &json!({"filter": {"workflow": "nope"}})).problem().0, 404);
}

#[tokio::test]
async fn what_is_wrong_with_a_condition_is_said_once_and_in_plain_words() {
    let world = World::with(&[CHAIN]).await;
    let api = Api::of(&world).await;
    let query = api.get("/runs?where=x").problem_text();
    assert!(query.contains("the query: where: a path begins with `input`"), "{query}");
    for wrong in [json!(5), json!({}), json!([5]), json!(null), json!(["x"])] {
        let answer = api.post("/dead-letters/retry", &json!({"filter": {"where": wrong}}));
        let said = answer.problem_text();
        assert!(
            !said.contains("untagged") && !said.contains("Said") && !said.contains("where: where"),
            "{wrong}: {said}"
        );
        let words = if wrong == json!(["x"]) { "where: a path begins with `input`" } else { "it must be a" };
        assert!(said.contains(words), "{wrong}: {said}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_keeps_nobody() {
    let world = World::with(&[CHAIN]).await;
    let api = Api::of(&world).await;
    let head = format!(
        "POST /v1/admin/runs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {OPERATOR}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"workflow\": "
    );
    assert_eq!(api.raw(head.as_bytes()).problem(), (408, "too-slow".to_owned()));
    assert_eq!(api.raw(b"nonsense\r\n\r\n").status, 400);
    assert_eq!(world.count("select count(*) from piton.runs").await, 0);
}

#[tokio::test]
async fn every_answer_is_for_whoever_asked_alone() {
    let world = World::with(&[]).await;
    let api = Api::of(&world).await;
    for path in ["/runs", "/nothing", "/openapi.json"] {
        let headers = api.get(path).headers;
        assert_eq!(
            (headers["cache-control"].as_str(), headers["x-content-type-options"].as_str()),
            ("no-store", "nosniff")
        );
    }
}

#[tokio::test]
async fn what_is_in_the_wrong_state_is_told_with_what_to_do() {
    let world = World::with(&[CHAIN]).await;
    let run = world.start("chain", "{}");
    let api = Api::of(&world).await;
    let forced = api.post("/dead-letters/force", &json!({"run": run, "stage": "first", "reason": "x"})).good();
    let letter = forced["dead_letter"].as_str().unwrap();
    let retry = format!("/dead-letters/{letter}/retry");
    for (body, status) in [
        (json!({"from_stage": "nothing"}), 404),
        (json!({"from_stage": "second"}), 422),
        (json!({"from_stage": "first", "from_beginning": true}), 422),
    ] {
        let answer = api.post(&retry, &body);
        assert_eq!(answer.problem().0, status, "{answer:?}");
    }
    assert_eq!(api.post("/dead-letters/retry", &json!({})).problem().0, 422, "many are never chosen by leaving out");
    assert_eq!(api.post("/dead-letters/dismiss", &json!({"reason": "x", "filter": {}})).problem().0, 422);
    assert_eq!(api.post(&format!("/dead-letters/{letter}/dismiss"), &json!({"reason": " "})).problem().0, 422);
    api.post(&retry, &json!({})).good();
    let again = api.post(&retry, &json!({}));
    assert_eq!(again.problem(), (409, "wrong-state".to_owned()));
    let said = again.json();
    assert!(said["detail"].as_str().unwrap().contains("was retried by anna already"), "{said}");
    assert_eq!(said["hint"], "A new failure of the job is a new dead letter.");
    let kept = api.send("DELETE", &format!("/runs/{run}/checkpoints/first"), &json!({}));
    assert_eq!(kept.problem().0, 409, "{kept:?}");
}
