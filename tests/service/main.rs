//! A program with Piton as a library, which the tests drive: it binds a port and counts in a way of its own before its worker
//! starts, as services do.

#![allow(clippy::unwrap_used, reason = "a test's program may panic")]

mod own;

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
    let own = std::env::var_os("OWN").is_some().then(own::install);
    let url = std::env::var("DATABASE_URL").unwrap();
    let piton = Piton::builder(app().await.unwrap(), url).build().await.unwrap();
    let worker = piton.worker().slots(4).name("service").lease(Duration::from_secs(2)).spawn().unwrap();
    println!("works");
    if let Some(own) = own {
        piton.start("service", &json!({"deaths": 0, "work_ms": 0})).await.unwrap().result::<Value>().await.unwrap();
        own.tell();
    }
    if std::env::var_os("AWAITS").is_some() {
        await_ends(&piton).await;
    }
    let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    stop.recv().await;
    worker.shutdown().await.unwrap();
    println!("stopped");
}

/// Says how late it learns of ends of runs: the one in the middle.
async fn await_ends(piton: &Piton) {
    let url = std::env::var("DATABASE_URL").unwrap();
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    // The longer nothing happens, the more seldom the database is asked.
    let late = (0..7).map(async |number: u64| {
        let input = json!({"deaths": 0, "work_ms": 2000 + 230 * number});
        let run = piton.start("service", &input).await.unwrap();
        run.result::<Value>().await.unwrap();
        let late =
            "select (extract(epoch from clock_timestamp() - finished_at) * 1000)::int8 from piton.runs where uuid = $1";
        sqlx::query_scalar(late).bind(run.id().0).fetch_one(&pool).await.unwrap()
    });
    let mut late: Vec<i64> = futures_util::future::join_all(late).await;
    late.sort_unstable();
    println!("late {}", late[3]);
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
