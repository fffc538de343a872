//! The arguments of `piton cleanup`.

use std::str::FromStr;

use clap::{Args, Subcommand};
use sqlx::types::Uuid;

use crate::cleanup::HowLong;
use crate::cli::args::ArtifactStoreArgs;
use crate::model::actor;
use crate::model::id::RunId;

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum CleanupArgs {
    /// Show exactly what a cleanup would delete, what it refuses to delete, and why. Deletes nothing.
    Preview,
    /// Delete what a preview showed, or what is due now; workers do the latter by themselves.
    Run(RunArgs),
    /// Show what cleanups have deleted, and what is in the artifact store.
    Stats,
    /// Compare the artifact store with the catalogue: find unknown files, and artifacts whose file is gone.
    ///
    /// Exits with 1 if an artifact's file is gone.
    Scan(ScanArgs),
    /// Show how long each kind of thing is kept.
    Rules,
    /// Set how long something is kept: runs of a state, artifacts of a type, batches, workers, or versions.
    Keep(KeepArgs),
    /// Keep cleanup away from a run and everything it made.
    Hold {
        /// Id of the run.
        run: RunId,
        /// Why, for the record.
        #[arg(long, value_parser = actor::reason)]
        reason: String,
        /// Who does it [default: your user name].
        #[arg(long, value_name = "NAME", value_parser = actor::name)]
        by: Option<String>,
    },
    /// End the hold of a run.
    Release {
        /// Id of the run.
        run: RunId,
        /// Who does it [default: your user name].
        #[arg(long, value_name = "NAME", value_parser = actor::name)]
        by: Option<String>,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// Id of a preview's plan: deletes exactly what that showed, or nothing if it has changed since.
    #[arg(long)]
    pub(crate) plan: Option<Uuid>,
    /// Who does it [default: your user name].
    #[arg(long, value_name = "NAME", value_parser = actor::name)]
    pub(crate) by: Option<String>,
    #[command(flatten)]
    pub(crate) store: ArtifactStoreArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ScanArgs {
    /// Delete unknown files of this database that are older than an hour.
    #[arg(long)]
    pub(crate) delete: bool,
    #[command(flatten)]
    pub(crate) store: ArtifactStoreArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct KeepArgs {
    /// What is kept: runs, artifacts, batches, workers or versions.
    #[arg(value_parser = ["runs", "artifacts", "batches", "workers", "versions"])]
    pub(crate) what: String,
    /// State of the runs (done, failed, cancelled), or type of the artifacts (output, preview, temp, failed, …); ended
    /// for batches
    /// and workers; unused for versions.
    #[arg(value_name = "TYPE")]
    pub(crate) kind: String,
    /// How long, such as 30d, or forever.
    #[arg(value_name = "HOW LONG", value_parser = HowLong::from_str)]
    pub(crate) keep: HowLong,
    /// Only of this workflow.
    #[arg(long)]
    pub(crate) workflow: Option<String>,
    /// Who says so [default: your user name].
    #[arg(long, value_name = "NAME", value_parser = actor::name)]
    pub(crate) by: Option<String>,
}
