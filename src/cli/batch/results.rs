//! `piton batch results`.

use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::Context;
use futures_util::StreamExt;
use sqlx::types::Uuid;

use crate::cli::output::{Output, errln};
use crate::cli::refusal::refused;
use crate::store::Store;
use crate::view::batch::ItemReport;

/// Items of one statement: a slow reader holds no old snapshot for longer than they take.
const AT_ONCE: i32 = 1000;

/// One row is in memory at a time.
pub(super) async fn results(store: &Store, batch: &str, to: &str) -> anyhow::Result<()> {
    let row = store.batch(batch).await.map_err(refused)?;
    if to == "-" {
        return write(store, row.batch, row.items, Output).await.context("standard output");
    }
    let file = File::create(to).with_context(|| format!("cannot write {to}"))?;
    write(store, row.batch, row.items, file).await.with_context(|| format!("cannot write {to}"))?;
    errln!("{} items: into {to}", row.items);
    Ok(())
}

async fn write(store: &Store, batch: Uuid, items: i32, out: impl Write) -> anyhow::Result<()> {
    let mut out = BufWriter::new(out);
    let mut after = 0;
    while after < items {
        let mut rows = store.batch_results(batch, after, AT_ONCE);
        while let Some(row) = rows.next().await {
            serde_json::to_writer(&mut out, &ItemReport::try_from(row?)?)?;
            out.write_all(b"\n")?;
        }
        after = after.saturating_add(AT_ONCE);
    }
    out.flush()?;
    Ok(())
}
