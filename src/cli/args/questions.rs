//! The arguments of commands that show something and change nothing.

use clap::Args;

use crate::cli::dead_letter::args::WhereArgs;
use crate::model::id::RunId;
use crate::model::state::ShownState;
use crate::model::wait::WaitKind;
use crate::telemetry::server::Address;
use crate::view::when::{self, Past};

#[derive(Debug, Clone, Args)]
pub(crate) struct WhyArgs {
    /// One run, with everything it waits for [default: everything live, counted].
    pub(crate) run: Option<RunId>,
    /// Only this workflow.
    #[arg(long, conflicts_with = "run")]
    pub(crate) workflow: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WaitsArgs {
    /// Only this run.
    #[arg(long)]
    pub(crate) run: Option<RunId>,
    /// Only this workflow.
    #[arg(long)]
    pub(crate) workflow: Option<String>,
    /// Only waits of this kind: sleep, signal, callback, poll or run.
    #[arg(long, value_parser = wait_kind)]
    pub(crate) kind: Option<WaitKind>,
    /// How many to list, the oldest first.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

fn wait_kind(word: &str) -> Result<WaitKind, String> {
    WaitKind::from_word(word).ok_or_else(|| {
        let known: Vec<&str> = WaitKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("a wait is one of {}", known.join(", "))
    })
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ThroughputArgs {
    /// Only this workflow.
    #[arg(long)]
    pub(crate) workflow: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ChangesArgs {
    /// Since when: yesterday, today, a date such as 2026-12-24, a time such as 2026-12-24T18:00:00Z, 12:00 (the last time that
    /// clocks here showed it), or 2h ago by the database's clock.
    #[arg(long, value_name = "WHEN", default_value = "yesterday", value_parser = when::parse_past)]
    pub(crate) since: Past,
    /// Only what concerns this workflow.
    #[arg(long)]
    pub(crate) workflow: Option<String>,
    /// How many of the newest to list.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunsArgs {
    /// Only runs of this workflow.
    #[arg(long)]
    pub(crate) workflow: Option<String>,
    /// Only runs in this state: scheduled, running, blocked, done, failed or cancelled.
    #[arg(long, value_parser = run_state)]
    pub(crate) state: Option<ShownState>,
    /// Only runs that stages of this run have started.
    #[arg(long, value_name = "RUN")]
    pub(crate) parent: Option<RunId>,
    #[command(flatten)]
    pub(crate) input: WhereArgs,
    /// How many to list.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WorkersArgs {
    /// Also workers that ended more than an hour ago.
    #[arg(long)]
    pub(crate) all: bool,
    /// How many to list, the newest first.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ShowArgs {
    /// Id of the run.
    pub(crate) run: RunId,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct HealthArgs {
    /// Where the worker serves /metrics: host and port.
    #[arg(long, env = "PITON_METRICS", value_name = "ADDRESS", default_value_t = Address::Default.to_string())]
    pub(crate) at: String,
    #[command(flatten)]
    pub(crate) probe: HealthProbe,
}

#[derive(Debug, Clone, Copy, Args)]
#[group(multiple = false)]
pub(crate) struct HealthProbe {
    /// Check only whether every part of it runs.
    #[arg(long)]
    pub(crate) live: bool,
    /// Check only whether it claims jobs and its database answers.
    #[arg(long)]
    pub(crate) ready: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct VerifyArgs {
    /// The run.
    #[arg(required_unless_present = "all")]
    pub(crate) run: Option<RunId>,
    /// Every run.
    #[arg(long, conflicts_with = "run")]
    pub(crate) all: bool,
}

fn run_state(word: &str) -> Result<ShownState, String> {
    ShownState::from_word(word).ok_or_else(|| {
        let known: Vec<&str> = ShownState::ALL.iter().map(|s| s.as_str()).collect();
        format!("a run is {}", known.join(", "))
    })
}
