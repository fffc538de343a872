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
    /// List them, the newest first.
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// Those that are pending, were retried or were dismissed.
        #[arg(long, value_parser = resolution, default_value = "pending")]
        resolution: Resolution,
        /// How many.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Count them by cause, with an example of each.
    Stats {
        #[command(flatten)]
        filter: FilterArgs,
        /// Count each cause by stage, workflow, batch, hour, or what stands at a path in the runs' inputs, such as
        /// input.tenant.
        #[arg(long, default_value = "stage", value_parser = by)]
        by: By,
        /// How many lines.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
        /// Those that are pending, were retried or were dismissed.
        #[arg(long, value_parser = resolution, default_value = "pending")]
        resolution: Resolution,
    },
    /// Show one with its whole story.
    Show {
        /// Its id.
        id: Uuid,
    },
    /// Let a job go on, with a new budget of retries: from its last checkpoint, or from an earlier stage.
    Retry {
        /// Its id; or choose many by a filter.
        id: Option<Uuid>,
        #[command(flatten)]
        filter: FilterArgs,
        /// Every one that is pending.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        again: AgainArgs,
        /// Only show what would run again, what that took last time, and which limits it meets.
        #[arg(long)]
        dry_run: bool,
        /// Who decides [default: the user's name].
        #[arg(long, value_name = "NAME", value_parser = actor::name)]
        by: Option<String>,
        /// Why, in words.
        #[arg(long, alias = "reason", value_parser = actor::reason)]
        note: Option<String>,
    },
    /// Give up a live job: its attempt is stopped, and its run is blocked.
    Force {
        /// Its run.
        run: RunId,
        /// Its stage.
        stage: String,
        /// Its item, where the stage is fanned out and split: the one that is under way or next in its branch.
        #[arg(long)]
        item: Option<i32>,
        /// Why, in words.
        #[arg(long, value_parser = actor::reason)]
        reason: String,
        /// Who decides [default: the user's name].
        #[arg(long, value_name = "NAME", value_parser = actor::name)]
        by: Option<String>,
    },
    /// End the run of a dead letter as failed: its other jobs are cancelled.
    Dismiss {
        /// Its id; or choose many by a filter.
        id: Option<Uuid>,
        #[command(flatten)]
        filter: FilterArgs,
        /// Every one that is pending.
        #[arg(long)]
        all: bool,
        /// Why, in words.
        #[arg(long, value_parser = actor::reason)]
        reason: String,
        /// Who decides [default: the user's name].
        #[arg(long, value_name = "NAME", value_parser = actor::name)]
        by: Option<String>,
    },
}

/// What is done again.
#[derive(Debug, Clone, Args)]
pub(crate) struct AgainArgs {
    /// Do that stage again, and everything that needs it.
    #[arg(long, value_name = "STAGE", conflicts_with = "from_beginning")]
    pub(crate) from: Option<String>,
    /// Do everything again.
    #[arg(long)]
    pub(crate) from_beginning: bool,
    /// A file with a corrected input for the run of one dead letter, or - for standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<String>,
}

/// Which dead letters.
#[derive(Debug, Clone, Args)]
pub(crate) struct FilterArgs {
    /// Of that workflow.
    #[arg(long)]
    pub(crate) workflow: Option<String>,
    /// Of that stage.
    #[arg(long)]
    pub(crate) stage: Option<String>,
    /// Of that failure class.
    #[arg(long, value_parser = class)]
    pub(crate) class: Option<FailureClass>,
    /// Of that run.
    #[arg(long)]
    pub(crate) run: Option<RunId>,
    /// Of that cause, as `dead-letter stats` names it.
    #[arg(long)]
    pub(crate) fingerprint: Option<String>,
    /// Given up since then: yesterday, a time such as 2026-12-24T18:00:00Z, 12:00 (the last time that clocks showed it
    /// here), or a span such as 2h or 2h ago, by the database's clock.
    #[arg(long, value_name = "WHEN", value_parser = when::parse_past)]
    pub(crate) since: Option<Past>,
    #[command(flatten)]
    pub(crate) input: WhereArgs,
}

/// Runs are told apart by their inputs.
#[derive(Debug, Clone, Args)]
pub(crate) struct WhereArgs {
    /// Of runs whose input holds that value, such as input.tenant=acme or input.items[0].id=17; where it is given several
    /// times, of those that hold all of them.
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
