//! The arguments of `piton dead-letter`.

use clap::{Args, Subcommand};
use sqlx::types::Uuid;

use crate::model::actor;
use crate::model::condition::Condition;
use crate::model::failure::FailureClass;
use crate::model::id::RunId;
use crate::model::state::Resolution;
use crate::store::causes::By;
use crate::view::when::{self, Past};

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum DeadLetterArgs {
    /// List dead letters, the newest first.
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// Only those that are pending, were retried or were dismissed.
        #[arg(long, value_parser = resolution, default_value = "pending")]
        resolution: Resolution,
        /// How many to list.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Count dead letters by cause, with an example of each.
    Stats {
        #[command(flatten)]
        filter: FilterArgs,
        /// Count each cause by stage, workflow, batch, hour, or the value at a path in the runs' inputs, such as input.tenant.
        #[arg(long, default_value = "stage", value_parser = by)]
        by: By,
        /// How many lines to list.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
        /// Only those that are pending, were retried or were dismissed.
        #[arg(long, value_parser = resolution, default_value = "pending")]
        resolution: Resolution,
    },
    /// Show a dead letter with its whole history.
    Show {
        /// Its id.
        id: Uuid,
    },
    /// Retry a job with a new retry budget: from its last checkpoint, or from an earlier stage.
    Retry {
        /// Its id; or select many with a filter.
        id: Option<Uuid>,
        #[command(flatten)]
        filter: FilterArgs,
        /// Every pending one.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        again: AgainArgs,
        /// Only show what would run again, what that took last time, and which limits it meets.
        #[arg(long)]
        dry_run: bool,
        /// Who decides [default: your user name].
        #[arg(long, value_name = "NAME", value_parser = actor::name)]
        by: Option<String>,
        /// Why, for the record.
        #[arg(long, alias = "reason", value_parser = actor::reason)]
        note: Option<String>,
    },
    /// Give up a live job: its attempt is stopped, and its run is blocked.
    Force {
        /// Its run.
        run: RunId,
        /// Its stage.
        stage: String,
        /// Its item, if the stage is fanned out and split: the one that is running or next in its branch.
        #[arg(long)]
        item: Option<i32>,
        /// Why, for the record.
        #[arg(long, value_parser = actor::reason)]
        reason: String,
        /// Who decides [default: your user name].
        #[arg(long, value_name = "NAME", value_parser = actor::name)]
        by: Option<String>,
    },
    /// End the run of a dead letter as failed: its other jobs are cancelled.
    Dismiss {
        /// Its id; or select many with a filter.
        id: Option<Uuid>,
        #[command(flatten)]
        filter: FilterArgs,
        /// Every pending one.
        #[arg(long)]
        all: bool,
        /// Why, for the record.
        #[arg(long, value_parser = actor::reason)]
        reason: String,
        /// Who decides [default: your user name].
        #[arg(long, value_name = "NAME", value_parser = actor::name)]
        by: Option<String>,
    },
}

/// What is done again.
#[derive(Debug, Clone, Args)]
pub(crate) struct AgainArgs {
    /// Do this stage again, and everything that needs it.
    #[arg(long, value_name = "STAGE", conflicts_with = "from_beginning")]
    pub(crate) from: Option<String>,
    /// Do everything again.
    #[arg(long)]
    pub(crate) from_beginning: bool,
    /// File with a corrected input for the run of one dead letter; - for standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<String>,
}

/// Which dead letters.
#[derive(Debug, Clone, Args)]
pub(crate) struct FilterArgs {
    /// Only those of this workflow.
    #[arg(long)]
    pub(crate) workflow: Option<String>,
    /// Only those of this stage.
    #[arg(long)]
    pub(crate) stage: Option<String>,
    /// Only those of this failure class.
    #[arg(long, value_parser = class)]
    pub(crate) class: Option<FailureClass>,
    /// Only those of this run.
    #[arg(long)]
    pub(crate) run: Option<RunId>,
    /// Only those of this cause, as `dead-letter stats` names it.
    #[arg(long)]
    pub(crate) fingerprint: Option<String>,
    /// Only those given up since then: yesterday, a time such as 2026-12-24T18:00:00Z, 12:00 (the last time that clocks here
    /// showed it), or 2h ago by the database's clock.
    #[arg(long, value_name = "WHEN", value_parser = when::parse_past)]
    pub(crate) since: Option<Past>,
    #[command(flatten)]
    pub(crate) input: WhereArgs,
}

/// Runs are told apart by their inputs.
#[derive(Debug, Clone, Args)]
pub(crate) struct WhereArgs {
    /// Only those of runs whose input holds this value, such as input.tenant=acme or input.items[0].id=17; if given several times, all
    /// of them.
    #[arg(long = "where", value_name = "input.PATH=VALUE")]
    pub(crate) conditions: Vec<Condition>,
}

fn by(word: &str) -> Result<By, String> {
    word.parse()
}

fn resolution(word: &str) -> Result<Resolution, String> {
    Resolution::from_word(word).ok_or_else(|| {
        let known: Vec<&str> = Resolution::ALL.iter().map(|r| r.as_str()).collect();
        format!("a dead letter is {}", known.join(", "))
    })
}

pub(crate) fn class(word: &str) -> Result<FailureClass, String> {
    FailureClass::from_word(word).ok_or_else(|| {
        let known: Vec<&str> = FailureClass::ALL.iter().map(|c| c.as_str()).collect();
        format!("the classes are {}", known.join(", "))
    })
}
