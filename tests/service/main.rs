//! A program with Piton as a library, which the tests drive: it binds a port and counts in a way of its own before its worker
//! starts, as services do.

#![allow(clippy::unwrap_used, reason = "a test's program may panic")]

use std::convert::Infallible;
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use piton::{App, Failure, Input, Piton, StageContext};
use serde::Deserialize;
use serde_json::{Value, json};

const FILE: &str = r#"
name = "service"
[stages.first]
rust = "first"
[stages.second]
command = ["cat"]
needs = ["first"]
[stages.third]
rust = "third"
needs = ["second"]
"#;

fn main() -> ExitCode {
    if let Some(code) = piton::child(app) {
        return code;
    }
    // Nobody else can have it: whatever runs this program once more fails here.
    let _port = TcpListener::bind(std::env::var("PORT").unwrap()).unwrap();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work());
    ExitCode::SUCCESS
}

async fn app() -> Result<App, Infallible> {
    Ok(App::new().workflow("service.toml", FILE).handler("first", first).handler("third", third))
}

async fn work() {
    let url = std::env::var("DATABASE_URL").unwrap();
    let piton = Piton::builder(app().await.unwrap(), url).build().await.unwrap();
    let worker = piton.worker().slots(4).name("service").lease(Duration::from_secs(2)).spawn().unwrap();
    println!("works");
    let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    stop.recv().await;
    worker.shutdown().await.unwrap();
    println!("stopped");
}

#[derive(Deserialize)]
struct Run {
    input: Orders,
}

#[derive(Deserialize)]
struct Orders {
    /// Attempts that kill their process.
    deaths: u32,
    work_ms: u64,
}

async fn first(Input(Run { input }): Input<Run>, context: StageContext) -> Result<Value, Failure> {
    if context.attempt() <= input.deaths {
        std::process::abort();
    }
    tokio::time::sleep(Duration::from_millis(input.work_ms)).await;
    Ok(json!({"pid": std::process::id()}))
}

async fn third(Input(input): Input<Value>) -> Result<Value, Failure> {
    Ok(input["second"]["first"].clone())
}
