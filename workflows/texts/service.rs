//! A small service for the workflow `texts`: rates how hard a text is to read, from its counts.
//!
//! It also reads texts aloud, which takes it a while: it answers with a name for that, and is asked again.
//!
//! It is busy at times: to every third request that it has not seen before it says 429, and to come back in a second.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// Largest request that is read.
const LARGEST: usize = 1 << 20;

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8417".to_owned());
    let listener = TcpListener::bind(address)?;
    println!("listening on http://{}", listener.local_addr()?);
    let seen = Arc::new(Mutex::new(HashSet::new()));
    for connection in listener.incoming() {
        let (connection, seen) = (connection?, seen.clone());
        std::thread::spawn(move || {
            // A client that goes away in the middle is its own affair.
            serve(connection, &seen).ok();
        });
    }
    Ok(())
}

/// What a request is about.
struct Request {
    line: String,
    idempotency_key: String,
    body: Vec<u8>,
}

/// Answers the requests of one connection until it is closed.
fn serve(connection: TcpStream, seen: &Mutex<HashSet<String>>) -> std::io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(connection.try_clone()?);
    while let Some(request) = read(&mut reader)? {
        let (status, header, body) = answer(&request, seen);
        let body = body.to_string();
        write!(
            &connection,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{header}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
    Ok(())
}

fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let (mut line, mut idempotency_key, mut length) = (String::new(), String::new(), 0);
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "idempotency-key" => idempotency_key = value.trim().to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length.min(LARGEST)];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { line: line.trim().to_owned(), idempotency_key, body }))
}

/// Status, a header, and the body.
fn answer(request: &Request, seen: &Mutex<HashSet<String>>) -> (&'static str, &'static str, Value) {
    if request.line == "GET /v1/texts HTTP/1.1" {
        return ("200 OK", "x-total-pages: 3", json!(["contract", "lighthouse"]));
    }
    if request.line == "POST /v1/readings HTTP/1.1" {
        // Whoever asks again under the same key gets the same reading.
        let id = request.idempotency_key.split(':').next().unwrap_or_default();
        return ("202 Accepted", "cache-control: no-store", json!({"id": id}));
    }
    if let Some(path) = request.line.strip_prefix("GET /v1/readings/") {
        let id = path.split(' ').next().unwrap_or_default();
        let is_new = seen.lock().unwrap_or_else(PoisonError::into_inner).insert(format!("reading {id}"));
        let said =
            if is_new { json!({"status": "reading"}) } else { json!({"status": "done", "result": {"seconds": 7}}) };
        return ("200 OK", "cache-control: no-store", said);
    }
    if request.line != "POST /v1/rate HTTP/1.1" {
        return (
            "404 Not Found",
            "cache-control: no-store",
            json!({"error": format!("nothing is at {}", request.line)}),
        );
    }
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.insert(request.idempotency_key.clone()) && seen.len().is_multiple_of(3) {
        return ("429 Too Many Requests", "retry-after: 1", json!({"error": "busy; come back in a second"}));
    }
    let input: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let counts = if input["item"].is_object() { &input["item"] } else { &input["input"] };
    match grade(counts) {
        Some(grade) => {
            let mut rated = counts.clone();
            rated["grade"] = json!(grade);
            ("200 OK", "cache-control: no-store", rated)
        }
        None => (
            "400 Bad Request",
            "cache-control: no-store",
            json!({"error": "item or input must hold words, sentences and letters"}),
        ),
    }
}

/// The Automated Readability Index: about the school year that understands the text. Never below 1.
fn grade(counts: &Value) -> Option<f64> {
    let number = |key: &str| counts[key].as_f64();
    let (words, sentences, letters) = (number("words")?.max(1.0), number("sentences")?.max(1.0), number("letters")?);
    let index = 4.71 * letters / words + 0.5 * words / sentences - 21.43;
    Some((index.max(1.0) * 10.0).round() / 10.0)
}
