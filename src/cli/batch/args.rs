//! The arguments of `piton batch`.

use clap::{Args, Subcommand};

use crate::cli::dead_letter::args::class;
use crate::model::actor;
use crate::model::failure::FailureClass;

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum BatchArgs {
    /// Start a run for every line of a file, under one name.
    ///
    /// Nothing starts before every line has been read and found valid. If the command is killed before that, run it again to
    /// continue; a name that was started is refused.
    Start(StartArgs),
    /// List batches, the newest first, and how their runs are doing.
    List {
        /// How many to list.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Show how far a batch is, what its items wait for, and what to do about failed ones.
    Show {
        /// Its name or its id.
        batch: String,
    },
    /// End a batch: items that have not started never will, and unfinished runs are cancelled.
    Cancel {
        /// Its name or its id.
        batch: String,
        /// Why, for the record.
        #[arg(long, value_parser = actor::reason)]
        reason: String,
        /// Who does it [default: your user name].
        #[arg(long, value_name = "NAME", value_parser = actor::name)]
        by: Option<String>,
    },
    /// Retry the pending dead letters of a batch, with a new retry budget.
    Retry {
        /// Its name or its id.
        batch: String,
        /// Only those of this failure class.
        #[arg(long, value_parser = class)]
        class: Option<FailureClass>,
        /// Who decides [default: your user name].
        #[arg(long, value_name = "NAME", value_parser = actor::name)]
        by: Option<String>,
        /// Why, for the record.
        #[arg(long, alias = "reason", value_parser = actor::reason)]
        note: Option<String>,
    },
    /// Write the result of every item: a line of JSON for each, in order.
    Results {
        /// Its name or its id.
        batch: String,
        /// File to write; - for standard output.
        #[arg(long, value_name = "FILE", default_value = "-")]
        to: String,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct StartArgs {
    /// A name that no other batch has: letters, digits and . _ : @ + -.
    pub(crate) name: String,
    /// Name of the workflow.
    pub(crate) workflow: String,
    /// File with one run's input as JSON on every line; - for standard input.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) input: String,
    /// Maximum number of unfinished runs at a time; workers start more as they end [default: all start at once].
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) cap: Option<i32>,
    /// Runs of higher priority are claimed first.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i16).range(-1000..=1000), allow_hyphen_values = true)]
    pub(crate) priority: i16,
    /// Who starts it [default: your user name].
    #[arg(long, value_name = "NAME", value_parser = actor::name)]
    pub(crate) by: Option<String>,
}
