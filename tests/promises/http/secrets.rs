//! Secrets stay where they are.

use serde_json::json;
use sqlx::AssertSqlSafe;

use super::{WAIT_AN_HOUR, ask_each, failures, worker};
use crate::harness::World;
use crate::http_server::{HttpServer, Request, Wire};

const KEY: &str = "s3cret-and-\"quoted\"-key";
/// No beginning of the key that long turns up either.
const PIECE: &str = "s3cret";

/// Tells the key in every way a server has.
fn tell(request: &Request, wire: &mut Wire, elsewhere: &str) -> std::io::Result<()> {
    assert_eq!(request.header("x-key"), Some(KEY));
    match request.target.split('?').next().unwrap() {
        "/body" => wire.answer(401, &[], format!("no {KEY}")),
        "/json" => wire.answer(400, &[], json!({"headers": {"x-key": KEY}}).to_string()),
        "/edge" => wire.answer(500, &[], "x".repeat(8 * 1024 - 9) + KEY),
        "/many" => wire.answer(500, &[], KEY.repeat(1000)),
        "/quote" => wire.answer(200, &[], "x".repeat(70) + KEY),
        "/location" => wire.answer(301, &[&format!("Location: {elsewhere}/{}{KEY}", "x".repeat(50))], ""),
        "/reason" => wire.say(format!("HTTP/1.1 500 {KEY}\r\nContent-Length: 0\r\n\r\n")),
        "/head" => wire.say(format!("HTTP/1.1 200 OK\r\n{KEY} {KEY}\r\n\r\n")),
        "/wait" => wire.answer(429, &[&format!("Retry-After: {KEY}")], ""),
        "/unfinished" => wire
            .say(format!("HTTP/1.1 500 No\r\nContent-Length: 99\r\n\r\n{}", &KEY[..12]))
            .and_then(|()| wire.hang_up()),
        "/elsewhere" => wire.answer(307, &[&format!("Location: {elsewhere}/")], ""),
        other => panic!("no way {other}"),
    }
}

#[tokio::test]
async fn a_secret_that_a_server_tells_is_kept_nowhere_and_sent_to_nobody_else() {
    let other = HttpServer::start(|_, wire| wire.answer(200, &[], "null"));
    let elsewhere = other.url();
    let server = HttpServer::start(move |request, wire| tell(request, wire, &elsewhere));
    let keys = "http = \"${API}/{{item}}?key=${API_KEY}\"\nredirects = 2\ntimeout = \"5s\"\nheaders = { x-key = \"${API_KEY}\" }";
    let refused = format!(
        "[stages.refused]\nhttp = \"http://127.0.0.1:1/?key=${{API_KEY}}\"\n{}",
        WAIT_AN_HOUR.replace("ask", "refused")
    );
    let world = World::with(&[&(ask_each(keys) + &refused)]).await;
    let url = server.url();
    let worker = worker(&world, &[("API", &url), ("API_KEY", KEY)], &["--log", "trace"]);
    let ways =
        ["body", "json", "edge", "many", "quote", "location", "reason", "head", "wait", "unfinished", "elsewhere"];
    let run = world.start("ask", &json!({"items": ways}).to_string());
    let failed = failures(&world, &run, ways.len() + 1).await;
    assert_eq!(failed[0].message, "the server answered 401 Unauthorized: no ${API_KEY}");
    assert_eq!(failed[0].class, "auth_failure");
    let moved = format!("the server answered 307 Temporary Redirect to {}/; ", other.url());
    assert!(failed[10].message.starts_with(&moved), "{}", failed[10].message);
    assert_eq!(other.connections(), 0);

    let tables: Vec<String> =
        sqlx::query_scalar("select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'piton'")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert!(tables.len() > 5);
    for table in tables {
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("select t::text from {table} t")))
            .fetch_all(&world.pool)
            .await
            .unwrap();
        let told: Vec<&String> = rows.iter().filter(|row| row.contains(PIECE)).collect();
        assert!(told.is_empty(), "{table}: {told:?}");
    }
    let log = worker.log();
    assert!(log.contains("TRACE"));
    let told: Vec<&str> = log.lines().filter(|line| line.contains(PIECE)).collect();
    assert!(told.is_empty(), "{told:?}");
}
