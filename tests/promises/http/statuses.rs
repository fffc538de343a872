//! What a status means, and when a request is sent again.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{ask, ask_each, failures, worker};
use crate::harness::{SOON, World, until};
use crate::http_server::{HttpServer, Request, Wire};

/// Answers with the status at the beginning of the last part of the path, and with the header that follows it.
fn status_in_path(request: &Request, wire: &mut Wire) -> std::io::Result<()> {
    let said = percent_encoding::percent_decode_str(request.target.trim_start_matches('/')).decode_utf8_lossy();
    let (status, header) = said.split_once(' ').unwrap_or((&*said, "X-Nothing: 1"));
    let body = format!("{{\"error\": \"{}\"}}", "e".repeat(10_000));
    wire.answer(status.parse().unwrap(), &[header], if status == "404" { "no\0thing" } else { &body })
}

#[tokio::test]
async fn a_status_decides_the_class_and_the_server_when_it_is_asked_again() {
    let server = HttpServer::start(status_in_path);
    let world = World::with(&[&ask_each("http = \"${API}/{{item}}\"")]).await;
    let url = server.url();
    let _worker = worker(&world, &[("API", &url)], &[]);
    let in_hours = |hours: u64| httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(hours * 3600));
    let (three_hours, past) =
        (format!("429 Retry-After: {}", in_hours(3)), "503 Retry-After: Tue, 15 Nov 1994 08:12:31 GMT");
    let hour = 3600.0;
    let expected = [
        ("400", "invalid_input", "400 Bad Request", hour),
        ("401", "auth_failure", "401 Unauthorized", hour),
        ("403", "auth_failure", "403 Forbidden", hour),
        ("404", "invalid_input", "404 Not Found: no thing", hour),
        ("408", "network_timeout", "408 Request Timeout", hour),
        ("429", "rate_limited", "429 Too Many Requests", hour),
        ("500", "resource_unavailable", "500 Internal Server Error", hour),
        ("503", "resource_unavailable", "503 Service Unavailable", hour),
        ("504", "network_timeout", "504 Gateway Timeout", hour),
        (
            "301 Location: /400",
            "invalid_input",
            "301 Moved Permanently to /400; redirects are followed with redirects = 3",
            hour,
        ),
        ("304", "invalid_input", "304 Not Modified", hour),
        ("429 Retry-After: 7200", "rate_limited", "429 Too Many Requests", 2.0 * hour),
        (&three_hours, "rate_limited", "429 Too Many Requests", 3.0 * hour),
        ("429 RateLimit-Reset: 7200", "rate_limited", "429 Too Many Requests", 2.0 * hour),
        ("503 Retry-After: 7200", "resource_unavailable", "503 Service Unavailable", 2.0 * hour),
        ("429 Retry-After: 60", "rate_limited", "429 Too Many Requests", hour),
        ("429 Retry-After: -1", "rate_limited", "429 Too Many Requests", hour),
        ("503 Retry-After: soon", "resource_unavailable", "503 Service Unavailable", hour),
        (past, "resource_unavailable", "503 Service Unavailable", hour),
        ("429 Retry-After: 7199.5", "rate_limited", "429 Too Many Requests", 2.0 * hour),
        ("429 Retry-After-Ms: 7200000", "rate_limited", "429 Too Many Requests", 2.0 * hour),
        (
            "429 Retry-After: Tue, 24 Nov 2020 14:00:00 GMT\r\nDate: Tue, 24 Nov 2020 12:00:00 GMT",
            "rate_limited",
            "429 Too Many Requests",
            2.0 * hour,
        ),
        ("429 Retry-After: 604800", "rate_limited", "429 Too Many Requests", 7.0 * 24.0 * hour),
        ("429 Retry-After: 604801", "rate_limited", "429 Too Many Requests", hour),
        ("429 Retry-After: 10000000000", "rate_limited", "429 Too Many Requests", hour),
        ("403 Retry-After: 7200", "rate_limited", "403 Forbidden", 2.0 * hour),
        ("403 X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset-After: 7200", "rate_limited", "403 Forbidden", 2.0 * hour),
        ("409 Retry-After: 7200", "resource_unavailable", "409 Conflict", 2.0 * hour),
        ("404 X-RateLimit-Remaining: 0", "invalid_input", "404 Not Found: no thing", hour),
        ("503 RateLimit-Reset: 7200", "resource_unavailable", "503 Service Unavailable", hour),
    ];
    let failed = ask(&world, &expected.map(|(item, ..)| item)).await;
    for (item, class, message, wait) in expected {
        let failed = &failed[item];
        assert_eq!(failed.class, class, "{item}");
        assert!(failed.message.starts_with(&format!("the server answered {message}")), "{item}: {}", failed.message);
        let waits = failed.wait.unwrap();
        assert!((wait - 60.0..=wait).contains(&waits), "{item}: due in {waits} s, not {wait}");
    }
    let detail: Value = serde_json::from_str(failed["500"].detail.as_ref().unwrap()).unwrap();
    let body = detail["body"].as_str().unwrap();
    assert_eq!((&detail["status"], body.len()), (&json!(500), 8 * 1024));
    assert!(body.starts_with("{\"error\": \"eee") && failed["500"].message.ends_with("eee…"));
}

#[tokio::test]
async fn a_file_may_say_what_a_status_means() {
    let server = HttpServer::start(status_in_path);
    let classes =
        "{ 202 = \"resource_unavailable\", 403 = \"invalid_input\", 404 = \"unknown\", 503 = \"rate_limited\" }";
    let stage = ask_each(&format!("http = \"${{API}}/{{{{item}}}}\"\nclasses = {classes}"));
    let world = World::with(&[&stage]).await;
    let url = server.url();
    let _worker = worker(&world, &[("API", &url)], &[]);
    let expected = [
        ("202 Retry-After: 7200", "resource_unavailable", "202 Accepted", 2),
        ("403 Retry-After: 60", "invalid_input", "403 Forbidden", 1),
        ("404", "unknown", "404 Not Found: no thing", 1),
        ("503 RateLimit-Reset: 7200", "rate_limited", "503 Service Unavailable", 2),
        ("500", "resource_unavailable", "500 Internal Server Error", 1),
    ];
    let failed = ask(&world, &expected.map(|(item, ..)| item)).await;
    for (item, class, message, hours) in expected {
        let failed = &failed[item];
        assert_eq!(failed.class, class, "{item}");
        assert!(failed.message.starts_with(&format!("the server answered {message}")), "{item}: {}", failed.message);
        assert_eq!(failed.wait.map(|wait| (wait / 3600.0).round()), Some(f64::from(hours)), "{item}");
    }
}

#[tokio::test]
async fn the_file_s_rules_decide_when_a_request_is_sent_again() {
    let rules = r#"
        name = "rules"
        [stages.deaf]
        http = "${API}/429%20Retry-After:%207200"
        [stages.deaf.retry]
        rate_limited = { retry_after = false, base = "10m", cap = "10m", jitter = 0.0 }
        [stages.capped]
        http = "${API}/503"
        [stages.capped.retry]
        resource_unavailable = { max_retries = 2, base = "20m", cap = "30m", jitter = 0.0 }
    "#;
    let server = HttpServer::start(status_in_path);
    let world = World::with(&[rules]).await;
    let url = server.url();
    let _worker = worker(&world, &[("API", &url)], &[]);
    let run = world.start("rules", "{}");
    assert_eq!(failures(&world, &run, 2).await.iter().map(|f| f.wait).collect::<Vec<_>>(), [Some(600.0), Some(1200.0)]);
    for (count, waits) in [(3, Some(1800.0)), (4, None)] {
        // Time passes.
        let due = "update piton.jobs set due_at = now() where state = 'scheduled' and stage = 1";
        sqlx::query(due).execute(&world.pool).await.unwrap();
        let failed = failures(&world, &run, count).await;
        let last = failed.last().unwrap();
        assert_eq!((last.stage, last.wait), (1, waits));
    }
    until(SOON, "it is given up after two retries", async || world.state(&run).await == "blocked").await;
}
