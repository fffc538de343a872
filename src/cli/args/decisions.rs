//! The arguments of commands that decide about runs and queues.

use clap::Args;

use crate::model::actor;
use crate::model::id::RunId;

#[derive(Debug, Clone, Args)]
pub(crate) struct CancelArgs {
    /// Id of the run.
    pub(crate) run: RunId,
    /// Why, for the record.
    #[arg(long, value_parser = actor::reason)]
    pub(crate) reason: String,
    /// Who does it [default: your user name].
    #[arg(long, value_name = "NAME", value_parser = actor::name)]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SignalArgs {
    /// Id of the run.
    pub(crate) run: RunId,
    /// Name of the signal.
    pub(crate) name: String,
    /// File with the answer as JSON; - for standard input [default: {}].
    #[arg(long, short, value_name = "FILE")]
    pub(crate) input: Option<String>,
    /// Set one value of the answer, such as --set approved=true; may be given several times.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// Who answers [default: your user name].
    #[arg(long, value_name = "NAME", value_parser = actor::name)]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WakeArgs {
    /// Id of the run.
    pub(crate) run: RunId,
    /// Name of the stage that sleeps.
    pub(crate) stage: String,
    /// Only this item of it.
    #[arg(long)]
    pub(crate) item: Option<i32>,
    /// Who does it [default: your user name].
    #[arg(long, value_name = "NAME", value_parser = actor::name)]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    pub(crate) what: QueueArgs,
    /// Why, for the record and for anyone who asks what waits.
    #[arg(long, value_parser = actor::reason)]
    pub(crate) reason: String,
    /// Who does it [default: your user name].
    #[arg(long, value_name = "NAME", value_parser = actor::name)]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) what: QueueArgs,
    /// Why, for the record.
    #[arg(long, value_parser = actor::reason)]
    pub(crate) reason: Option<String>,
    /// Who does it [default: your user name].
    #[arg(long, value_name = "NAME", value_parser = actor::name)]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct QueueArgs {
    /// Name of the workflow.
    #[arg(required_unless_present = "everything")]
    pub(crate) workflow: Option<String>,
    /// Only this stage of it.
    #[arg(long, requires = "workflow")]
    pub(crate) stage: Option<String>,
    /// Every workflow.
    #[arg(long, conflicts_with = "workflow")]
    pub(crate) everything: bool,
}
