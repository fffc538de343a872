//! The arguments of `piton schedules`.

use clap::{Args, Subcommand};

use crate::model::actor;
use crate::view::when::{self, Past};

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum SchedulesArgs {
    /// List schedules: when each ticks next, and what became of its last tick.
    List {
        /// Only those of this workflow.
        workflow: Option<String>,
    },
    /// Show a schedule: when it ticks, what it has started, and why it starts nothing.
    Show(NamedArgs),
    /// Print the next ticks of a schedule, as its runs will get them.
    Next {
        #[command(flatten)]
        named: NamedArgs,
        /// How many.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
        count: u16,
    },
    /// Start no more runs of a schedule until it is resumed, whatever is deployed.
    Pause {
        #[command(flatten)]
        named: NamedArgs,
        /// Why, for the record.
        #[arg(long, value_parser = actor::reason)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Resume a schedule with its next tick; those since it was paused are not made up for.
    Resume(DecideArgs),
    /// Start a run of a schedule now, between its ticks.
    Trigger(DecideArgs),
    /// Start a batch with a run for every tick between two times, except those that have one.
    Backfill(BackfillArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct NamedArgs {
    /// Name of the workflow.
    pub(crate) workflow: String,
    /// Name of the schedule.
    pub(crate) schedule: String,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct By {
    /// Who does it [default: your user name].
    #[arg(long, value_name = "NAME", value_parser = actor::name)]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DecideArgs {
    #[command(flatten)]
    pub(crate) named: NamedArgs,
    /// Why, for the record.
    #[arg(long, value_parser = actor::reason)]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) by: By,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct BackfillArgs {
    #[command(flatten)]
    pub(crate) named: NamedArgs,
    /// The first time, such as 2026-11-01, 2026-11-01T00:00:00Z, or 7d for seven days ago.
    #[arg(long, value_name = "WHEN", value_parser = when::parse_past)]
    pub(crate) from: Past,
    /// The last time [default: now].
    #[arg(long, value_name = "WHEN", value_parser = when::parse_past)]
    pub(crate) to: Option<Past>,
    /// Maximum number of unfinished runs at a time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) cap: i32,
    /// Name of the batch [default: made of the schedule and the two times].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Start runs for ticks that have one, too.
    #[arg(long)]
    pub(crate) again: bool,
    #[command(flatten)]
    pub(crate) by: By,
}
