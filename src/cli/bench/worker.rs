//! The workers of a bench: this same program, started again as an ordinary worker with handlers that do nothing.

use std::process::Command;

use anyhow::Context;

use super::args::BenchWorkerArgs;
use crate::app::App;
use crate::bench::case::{self, Case};
use crate::bench::handlers;
use crate::child;
use crate::cli::args::Global;
use crate::cli::exit::Exit;
use crate::cli::worker as ordinary;

/// The hidden command.
pub(crate) async fn worker(global: Global, args: BenchWorkerArgs) -> anyhow::Result<Exit> {
    child::end_with_starter();
    let file = case::workflow(args.shape, args.stages);
    let app = App::new()
        .workflow("bench.toml", &file)
        .handler("bench-list", handlers::list)
        .handler("bench-step", handlers::step(args.payload));
    // Whatever folder the environment names: only the bench's own workflow is worked on.
    let global = Global { workflows: None, ..global };
    ordinary::worker(app, global, args.worker).await
}

/// How the bench starts it. The address goes through the environment, since a password may be in it.
pub(super) fn command(global: &Global, case: &Case, url: &str, number: u32) -> anyhow::Result<Command> {
    let shape = clap::ValueEnum::to_possible_value(&case.shape).context("a shape without a name")?;
    let mut command = Command::new(std::env::current_exe().context("where this program is")?);
    command
        .args(["bench-worker", "--no-migrate", "--shape", shape.get_name()])
        .args(["--stages", &case.stages.to_string(), "--payload", &case.payload_bytes.to_string()])
        .args(["--slots", &case.slots.to_string(), "--name", &format!("bench-{number}")])
        // They count as every worker does; nobody scrapes them.
        .args(["--metrics", "127.0.0.1:0", "--log", global.log.as_deref().unwrap_or("warn")])
        .env("DATABASE_URL", url);
    Ok(command)
}
