//! `piton api`: serves the admin API.

use std::env::VarError;
use std::path::Path;

use anyhow::{Context, bail};
use tokio::net::TcpListener;

use super::args::{ApiArgs, Global};
use super::artifacts;
use super::database::Database;
use super::exit::Exit;
use super::worker::{WORKER_LOG, patiently};
use crate::api::{self, Access, Scope, Tokens};
use crate::config;
use crate::telemetry;
use crate::worker::Shutdown;

pub(crate) async fn api(global: Global, args: ApiArgs) -> anyhow::Result<Exit> {
    telemetry::log_to(global.log.as_deref().unwrap_or(WORKER_LOG), global.log_format, std::io::stderr)?;
    // Nothing is listened at, and no database is touched, before it is known who may ask. Signals are counted later: a file of
    // tokens may be a FIFO that nobody writes to.
    let access = Access::at(args.listen, tokens(&args)?)?;
    let shutdown = Shutdown::on_signals()?;
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener.with_context(|| format!("the admin API cannot be served at {}", args.listen))?;
    let Some(database) = patiently(&shutdown, None, async || Database::open(&global).await).await? else {
        return Ok(Exit::Done);
    };
    let asked = shutdown.clone();
    let stopped = async move { asked.asked().await };
    let artifacts = artifacts::store(&global, &args.store);
    let (store, host) = (database.store.clone(), config::host_name());
    let served = api::serve(listener, access, store, artifacts, host, stopped);
    tokio::select! {
        served = served => served.context("the admin API is not served any more")?,
        // Asked again: whoever still waits for an answer gets none.
        () = shutdown.times(2) => {}
    }
    database.close().await;
    Ok(Exit::Done)
}

/// From the environment or from files; never from arguments, which everybody on the machine can read.
fn tokens(args: &ApiArgs) -> anyhow::Result<Tokens> {
    let mut tokens = Tokens::default();
    for (scope, name, file) in [
        (Scope::Operator, "PITON_API_OPERATOR_TOKEN", &args.operator_tokens),
        (Scope::Reader, "PITON_API_READER_TOKEN", &args.reader_tokens),
    ] {
        read_tokens(&mut tokens, scope, name, file.as_deref())?;
    }
    Ok(tokens)
}

fn read_tokens(tokens: &mut Tokens, scope: Scope, name: &str, file: Option<&Path>) -> anyhow::Result<()> {
    match std::env::var(name) {
        Ok(list) => tokens.add(scope, &list, name)?,
        Err(VarError::NotPresent) => {}
        Err(VarError::NotUnicode(_)) => bail!("{name} is not UTF-8"),
    }
    if let Some(file) = file {
        tokens.add_file(scope, file)?;
    }
    Ok(())
}
