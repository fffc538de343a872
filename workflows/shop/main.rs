//! A web shop that has Piton as a library: an order and the run that fulfils it are written in one transaction, the worker is in
//! this process, and what came of it is asked for over HTTP.
//!
//! ```console
//! $ DATABASE_URL=postgres://localhost/shop cargo run --example shop
//! $ curl -s localhost:8418/orders -H 'content-type: application/json' -d '{"items": ["lamp", "rug"]}'
//! {"order":"01a2…"}
//! $ curl -s localhost:8418/orders/01a2…
//! {"state":"done","parcel":"parcel of lamp, rug for 01a2…"}
//! ```

mod stages;

use std::convert::Infallible;
use std::error::Error;
use std::process::ExitCode;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use piton::{App, Migrations, Piton, ResultError, RunState};
use serde::Deserialize;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use self::stages::{Order, Parcel};

/// The service's own tables.
const SCHEMA: &str = "
    create schema if not exists shop;
    create table if not exists shop.orders (
        id uuid primary key, items text[] not null, run uuid not null, taken_at timestamptz not null default now());
    create table if not exists shop.parcels (
        order_id uuid not null references shop.orders, content text not null, shipped_at timestamptz not null default now())";

fn main() -> ExitCode {
    // Before anything else: Piton starts this program again for what needs a process of its own.
    if let Some(code) = piton::child(app) {
        return code;
    }
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the stages need, wherever they run.
async fn app() -> Result<App, Infallible> {
    Ok(App::new()
        .workflow("order.toml", include_str!("order.toml"))
        .handler("pay", stages::pay)
        .handler("pack", stages::pack)
        .handler("ship", stages::ship))
}

fn database() -> String {
    std::env::var("DATABASE_URL").unwrap_or_else(|_| "postgres://localhost/shop".to_owned())
}

#[tokio::main]
async fn serve() -> Result<(), Box<dyn Error>> {
    let pool = PgPool::connect(&database()).await?;
    sqlx::raw_sql(SCHEMA).execute(&pool).await?;
    let piton = Piton::builder(app().await?, &pool).migrations(Migrations::Run).build().await?;
    let mut worker = piton.worker().slots(8).spawn()?;

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8418".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let router =
        Router::new().route("/orders", post(take)).route("/orders/{order}", get(show)).with_state(Shop { pool, piton });
    tokio::select! {
        served = axum::serve(listener, router).with_graceful_shutdown(asked_to_stop()) => served?,
        // By itself it stops with an error only: somebody has to start the service again.
        ended = worker.ended() => ended?,
    }
    // Nothing is claimed any more, and what runs is finished.
    worker.shutdown().await?;
    Ok(())
}

async fn asked_to_stop() {
    let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else { return };
    tokio::select! {
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[derive(Clone)]
struct Shop {
    pool: PgPool,
    piton: Piton,
}

#[derive(Deserialize)]
struct NewOrder {
    items: Vec<String>,
}

/// Takes an order: it and its run are there together, or neither.
async fn take(State(shop): State<Shop>, Json(new): Json<NewOrder>) -> Result<Response, Trouble> {
    let order = Order { order: Uuid::now_v7(), items: new.items };
    let mut transaction = shop.pool.begin().await?;
    let run = shop.piton.start("order", &order).in_transaction(&mut transaction).await?;
    sqlx::query("insert into shop.orders (id, items, run) values ($1, $2, $3)")
        .bind(order.order)
        .bind(&order.items)
        .bind(run.id().0)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(json!({"order": order.order}))).into_response())
}

/// How far an order is; its parcel, once it was shipped.
async fn show(State(shop): State<Shop>, Path(order): Path<Uuid>) -> Result<Response, Trouble> {
    let found = sqlx::query_scalar("select run from shop.orders where id = $1").bind(order);
    let Some(run) = found.fetch_optional(&shop.pool).await? else { return Ok(StatusCode::NOT_FOUND.into_response()) };
    let run = shop.piton.run(piton::RunId(run));
    let state = run.state().await?;
    let parcel = match state {
        Some(RunState::Done) => Some(run.result::<Parcel>().await?.content),
        _ => None,
    };
    Ok(Json(json!({"state": state, "parcel": parcel})).into_response())
}

/// Whatever keeps a request from its answer.
struct Trouble(Box<dyn Error>);

impl<E: Into<Box<dyn Error>>> From<E> for Trouble {
    fn from(error: E) -> Trouble {
        Trouble(error.into())
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let status = match self.0.downcast_ref() {
            Some(ResultError::NotFound(_)) => StatusCode::NOT_FOUND,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, self.0.to_string()).into_response()
    }
}
