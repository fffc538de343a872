//! The arguments of `workflows`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[cfg(feature = "testing")]
use crate::cli::workflows::test::args::TestArgs;
use crate::model::actor;

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum WorkflowsArgs {
    /// Write a commented file to start from, which runs as it is, and its tests; nothing is written over.
    ///
    /// On a terminal it asks what kind of workflow it is to be.
    New(NewArgs),
    /// Check workflow files and report every mistake at once.
    ///
    /// Exits with 0 if there is none, otherwise with 1. A program, a handler or a variable that this machine lacks is not a
    /// mistake of the file; `workflows list` shows those.
    Check {
        /// Files, or folders with files [default: every workflow this program has].
        files: Vec<PathBuf>,
    },
    /// Run the cases of test files (NAME.test.toml), each in a database of its own, with the mocks it names.
    ///
    /// Exits with 0 if every case passed, with 1 if one did not, with 2 if a file has mistakes or there is nothing to run, and with
    /// 4 if it was stopped.
    #[cfg(feature = "testing")]
    Test(TestArgs),
    /// List the workflows this program has.
    List,
    /// Show each stage of a workflow, as its file has it.
    Show {
        /// Name of the workflow.
        workflow: String,
        /// With the defaults filled in, and the retry rules of each stage, class by class.
        #[arg(long)]
        effective: bool,
    },
    /// List the versions of a workflow in the database, and which one is current, since when and by whom.
    Versions {
        /// Name of the workflow.
        workflow: String,
    },
    /// Make a version of a workflow the current one, which SQL and the API start and whose limits hold.
    ///
    /// A version becomes current by itself only the first time that a worker, or someone who starts a run, brings it. To go back to
    /// an old file, deploy it.
    Deploy(DeployArgs),
    /// Go back to the version that was current before.
    Rollback(RollbackArgs),
    /// Draw a workflow's stages.
    Graph {
        /// Name of the workflow.
        workflow: String,
        /// Lines of text, Mermaid, or Graphviz.
        #[arg(long, value_enum, default_value = "text")]
        format: GraphFormat,
    },
    /// Print the JSON Schema of workflow files, for editors to complete and check them with.
    Schema {
        /// Print that of test files instead.
        #[arg(long)]
        tests: bool,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DeployArgs {
    /// A workflow file, or the name of a workflow that this program has.
    pub(crate) workflow: String,
    /// Instead of the file, a version that is already registered, by the first digits of its digest.
    #[arg(long)]
    pub(crate) digest: Option<String>,
    /// Why, for the record.
    #[arg(long, value_parser = actor::reason)]
    pub(crate) reason: Option<String>,
    /// Who does it [default: your user name].
    #[arg(long, value_name = "NAME", value_parser = actor::name)]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RollbackArgs {
    /// Name of the workflow.
    pub(crate) workflow: String,
    /// Version to go back to, by the first digits of its digest [default: the one that the current version replaced].
    #[arg(long, value_name = "DIGEST")]
    pub(crate) to: Option<String>,
    /// Why, for the record.
    #[arg(long, value_parser = actor::reason)]
    pub(crate) reason: Option<String>,
    /// Who does it [default: your user name].
    #[arg(long, value_name = "NAME", value_parser = actor::name)]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct NewArgs {
    /// Name of the workflow.
    pub(crate) workflow: String,
    /// What kind it is [default: asks on a terminal, else words].
    #[arg(long, value_enum)]
    pub(crate) kind: Option<NewKind>,
    /// File to write [default: NAME.toml in the folder of workflow files].
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum NewKind {
    /// Commands that pass text and JSON on, on any machine with a shell.
    Words,
    /// Programs that make and read files.
    Media,
    /// Stages in Python, in one script.
    Python,
    /// Requests to a service.
    Http,
    /// Handlers in a Rust program.
    Rust,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum GraphFormat {
    Text,
    Mermaid,
    Dot,
}
