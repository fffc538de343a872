//! The arguments of `piton artifacts`.

use clap::{Args, Subcommand};

use crate::cli::args::ArtifactStoreArgs;
use crate::model::id::RunId;

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ArtifactsArgs {
    /// List the artifacts of a run.
    List(ListArgs),
    /// Get one, and check its digest.
    ///
    /// Exits with 1 if the bytes are not what was committed. A file is written only if all of it is right; on standard output, the
    /// check comes at the end.
    Get(GetArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    /// Id of the run.
    pub(crate) run: RunId,
    /// Also those of attempts that are still running, or that failed.
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct GetArgs {
    /// Id of the run.
    pub(crate) run: RunId,
    /// Its name, or its id as --json lists it.
    pub(crate) name: String,
    /// The stage that made it, if several made one of this name.
    #[arg(long)]
    pub(crate) stage: Option<String>,
    /// The item of a fanned-out stage, from 0.
    #[arg(long, value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) item: Option<i32>,
    /// File to write; - for standard output [default: its name, in this folder, unless that file exists].
    #[arg(long, value_name = "FILE", value_parser = named_file)]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) store: ArtifactStoreArgs,
}

fn named_file(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("name a file, or - for standard output".to_owned()) } else { Ok(text.to_owned()) }
}
