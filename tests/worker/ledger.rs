//! Stages that end with rows of their own, in a table `ledger` that nothing keeps free of doubles.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use piton::{Committed, Failure, FailureClass, Input, StageContext};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

#[derive(Deserialize)]
pub(crate) struct Run {
    input: Entry,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    work_ms: u64,
    /// The transaction takes so long.
    #[serde(default)]
    open_ms: u64,
    /// What else the transaction does.
    #[serde(default)]
    how: String,
    /// In attempts up to that one.
    #[serde(default)]
    times: u32,
}

pub(crate) async fn enter(
    Input(Run { input }): Input<Run>,
    context: StageContext,
) -> Result<Committed<Value>, Failure> {
    super::journal(&context);
    tokio::time::sleep(Duration::from_millis(input.work_ms)).await;
    if input.how == "keep" {
        context.put_bytes("entry.txt", context.idempotency_key()).await?;
    }
    let how = if context.attempt() <= input.times { input.how.as_str() } else { "" };
    let calls = AtomicU32::new(0);
    let committed = context
        .commit(async |mut tx| {
            let calls = calls.fetch_add(1, Ordering::Relaxed) + 1;
            write(&context, &mut tx).await?;
            tokio::time::sleep(Duration::from_millis(input.open_ms)).await;
            misuse(how, &mut tx).await?;
            Ok(json!({"attempt": context.attempt(), "calls": calls}))
        })
        .await?;
    match how {
        "fail-after" => Err(Failure::invalid_input("too late")),
        "stay-after" => {
            tokio::time::sleep(Duration::from_millis(700)).await;
            Ok(committed)
        }
        "twice" => context.commit(async |mut tx| write(&context, &mut tx).await.map(|()| Value::Null)).await,
        _ => Ok(committed),
    }
}

async fn write(context: &StageContext, tx: &mut PgConnection) -> Result<(), Failure> {
    sqlx::query("insert into public.ledger (run, stage, item, attempt) values ($1, $2, $3, $4)")
        .bind(context.run().0)
        .bind(context.stage())
        .bind(context.item().map_or(-1, i64::from))
        .bind(i64::from(context.attempt()))
        .execute(tx)
        .await?;
    Ok(())
}

/// What a stage should not do, and what it may.
async fn misuse(how: &str, tx: &mut PgConnection) -> Result<(), Failure> {
    match how {
        "fail" => return Err(Failure::rate_limited("as asked")),
        "swallow" => drop(sqlx::query("select 1 / 0").execute(tx).await),
        "commit" => drop(sqlx::query("commit").execute(tx).await?),
        "role" => drop(sqlx::raw_sql("set local role nobody_s; set local search_path = nowhere").execute(tx).await?),
        "gate" => drop(sqlx::query("lock table public.strict in share mode").execute(tx).await?),
        "synchronous" => drop(sqlx::query("set local synchronous_commit = on").execute(tx).await?),
        "deferred" => drop(sqlx::query("insert into public.strict values (1), (1)").execute(tx).await?),
        "nested" => {
            let mut inner = tx.begin().await?;
            sqlx::query("delete from public.ledger").execute(&mut *inner).await?;
            inner.rollback().await?;
        }
        _ => {}
    }
    Ok(())
}

/// Says of each of its attempts whether it was the last, and fails.
pub(crate) async fn last(Input(input): Input<Value>, context: StageContext) -> Result<Value, Failure> {
    let usual = context.is_last_attempt().await?;
    let limited = context.is_last_attempt_for(FailureClass::RateLimited).await?;
    let invalid = context.is_last_attempt_for(FailureClass::InvalidInput).await?;
    let detail = json!([usual, limited, invalid]);
    let classes = input["input"]["classes"].as_array().cloned().unwrap_or_default();
    let class = classes.get(context.attempt() as usize - 1).and_then(Value::as_str).unwrap_or("unknown");
    Err(Failure::new(class.parse().unwrap(), "as asked").detail(detail))
}
