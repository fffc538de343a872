//! The arguments of every command.

mod input;
mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::input::{InputArgs, TraceArgs};
pub(crate) use self::worker::{ArtifactStoreArgs, CheckArgs, SettingsArgs, WorkerArgs, lease};
pub(super) use super::artifacts::args::ArtifactsArgs;
pub(super) use super::batch::args::BatchArgs;
#[cfg(feature = "lab")]
pub(super) use super::bench::args::{BenchArgs, BenchWorkerArgs};
#[cfg(feature = "lab")]
pub(super) use super::chaos::args::{ChaosArgs, ChaosWorkerArgs};
pub(super) use super::cleanup::args::CleanupArgs;
pub(super) use super::dead_letter::args::{DeadLetterArgs, WhereArgs};
#[cfg(feature = "top")]
pub(super) use super::top::args::TopArgs;
use crate::model::actor;
use crate::model::id::RunId;
use crate::model::state::ShownState;
use crate::telemetry::LogFormat;
use crate::telemetry::server::Address;
use crate::view::when::{self, Past, When};
use crate::workflow::duration;

/// Durable pipelines on Postgres: every finished stage is a row that is never paid for twice.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Postgres to use. Without it, Piton runs a private one in your data folder and keeps it.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    pub(crate) database_url: Option<String>,
    /// A worker gives a connection up when the database owes an answer for that long; where a network is in between.
    #[arg(long, env = "PITON_DATABASE_SILENCE", default_value = "12s", value_parser = silence, global = true)]
    pub(crate) database_silence: Duration,
    /// Folder of the private Postgres [default: your data folder, as root /var/lib/piton].
    #[arg(long, env = "PITON_DATA_DIR", global = true)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Folder with workflow files (*.toml, also one folder down) [default: workflows, where none are built in].
    #[arg(long, env = "PITON_WORKFLOWS", global = true)]
    pub(crate) workflows: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Do not migrate the private Postgres either; a database that is named is migrated by `piton migrate` alone.
    #[arg(long, env = "PITON_NO_MIGRATE", global = true)]
    pub(crate) no_migrate: bool,
    /// Log filter, such as info or piton=debug [default: warn; info for workers].
    #[arg(long, env = "PITON_LOG", global = true)]
    pub(crate) log: Option<String>,
    /// How logs on standard error look.
    #[arg(long, env = "PITON_LOG_FORMAT", value_enum, default_value = "pretty", global = true)]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a run, work on it in this process, follow it, and print its result.
    Run(RunArgs),
    /// Work on runs until stopped; any number of workers may share one database.
    Worker(WorkerArgs),
    /// Start a run for the workers and print its id.
    Start(StartArgs),
    /// List runs, the newest first.
    Runs(RunsArgs),
    /// Show what became of a run, and what to do about it.
    Show(ShowArgs),
    /// List workers: which of them live, and what they run.
    Workers(WorkersArgs),
    /// Show what is stuck, why, and what would get it moving: everything, or one run.
    Why(WhyArgs),
    /// Show how much is done and left, how fast it goes, when nothing is left, and what holds it up.
    Throughput(ThroughputArgs),
    /// List what changed, by whom and why: versions, limits, pauses, builds of workers, new causes of failure, decisions.
    Changes(ChangesArgs),
    /// Watch everything that is live on a terminal, and act on it with keys.
    #[cfg(feature = "top")]
    Top(TopArgs),
    /// Cancel a run: running attempts are stopped, waiting jobs are removed, finished stages are kept.
    Cancel(CancelArgs),
    /// Start no more jobs of a workflow, of a stage, or of anything; those that run go on to their end.
    Pause(PauseArgs),
    /// Resume what was paused.
    Resume(ResumeArgs),
    /// List what is paused, by whom and why.
    Pauses,
    /// Start many runs together under one name, see how they are doing, and decide about all of them.
    #[command(subcommand)]
    Batch(BatchArgs),
    /// Look at the files that the stages of a run have made, and get them.
    #[command(subcommand)]
    Artifacts(ArtifactsArgs),
    /// List and show dead letters (jobs that are not retried by themselves), and retry or dismiss them.
    #[command(subcommand)]
    DeadLetter(DeadLetterArgs),
    /// Free the jobs of workers that are gone, as every worker does by itself.
    Recover(RecoverArgs),
    /// Verify every checkpoint: digest, size, stage and time, and that none is missing.
    Verify(VerifyArgs),
    /// Delete what is past its retention, or show what that would be.
    #[command(subcommand)]
    Cleanup(CleanupArgs),
    /// Show whether a worker is well, from its metrics; also for probes.
    ///
    /// Exits with 0 if it is live and ready and no component is unhealthy, otherwise with 1; with --live or --ready, only
    /// that counts. Asks the worker, not the database.
    Health(HealthArgs),
    /// List every metric that a worker exports.
    Metrics,
    /// Serve the admin API over HTTP: runs, dead letters, recovery, checkpoints, workers and workflows.
    ///
    /// Tokens come from the environment: PITON_API_OPERATOR_TOKEN may change things, PITON_API_READER_TOKEN may look. Each is
    /// a token, or several with commas between them; with a name before it (anna:TOKEN) that is who decides. Without any,
    /// only this machine is answered, and only at 127.0.0.1. /v1/admin/openapi.json says what there is.
    #[cfg(feature = "api")]
    Api(ApiArgs),
    /// Bring the schema up to date. In a named database only this does, and a worker with --migrate.
    ///
    /// Workers keep running meanwhile, also those of the previous release. Tables are locked for moments only: if a lock cannot be
    /// had within 3 s, everything is left as it was, its holder is named, and migrating is tried again.
    Migrate(MigrateArgs),
    /// Measure how fast Piton is on this machine, and prove that nothing was lost on the way.
    #[cfg(feature = "lab")]
    Bench(BenchArgs),
    /// A worker of a bench; `bench` starts it.
    #[cfg(feature = "lab")]
    #[command(hide = true)]
    BenchWorker(BenchWorkerArgs),
    /// Make workers and Postgres fail, by a seed, and prove that every promise holds.
    #[cfg(feature = "lab")]
    Chaos(ChaosArgs),
    /// A worker of a campaign; `chaos` starts it.
    #[cfg(feature = "lab")]
    #[command(hide = true)]
    ChaosWorker(ChaosWorkerArgs),
    /// Look at workflow files, and decide which versions of them are current.
    #[command(subcommand)]
    Workflows(WorkflowsArgs),
    /// Try out retry policies.
    #[command(subcommand)]
    RetryPolicy(RetryPolicyArgs),
    /// Print the script with which a shell completes commands and options.
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all commands into a folder.
    Man(ManArgs),
}

impl Command {
    /// It works on runs, or serves, and says more than one that asks or decides.
    pub(crate) fn works(&self) -> bool {
        match self {
            Command::Run(_) | Command::Worker(_) => true,
            #[cfg(feature = "api")]
            Command::Api(_) => true,
            #[cfg(feature = "lab")]
            Command::BenchWorker(_) | Command::ChaosWorker(_) => true,
            _ => false,
        }
    }

    /// It draws on the whole terminal.
    pub(crate) fn draws(&self) -> bool {
        match self {
            #[cfg(feature = "top")]
            Command::Top(_) => true,
            _ => false,
        }
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct MigrateArgs {
    /// Give up if locks cannot be had for that long [default: 60s].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) lock_wait: Option<Duration>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct StartArgs {
    /// Name of the workflow.
    pub(crate) workflow: String,
    /// Start no second run of that workflow under that key, but print the id of the first.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Fail where the first run under that key was started on another input, which is only said otherwise.
    #[arg(long, requires = "key")]
    pub(crate) same_input: bool,
    /// Start it then, not at once: a time such as 2026-12-24T18:00:00Z, 18:00 (the next time that clocks show it here), or 2h from now by
    /// the database's clock.
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    pub(crate) at: Option<When>,
    /// Cancel it when it is not finished by then; written as for --at.
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    pub(crate) deadline: Option<When>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WhyArgs {
    /// One run, with everything that it waits for [default: all that is live, counted].
    pub(crate) run: Option<RunId>,
    /// Only that workflow.
    #[arg(long, conflicts_with = "run")]
    pub(crate) workflow: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ThroughputArgs {
    /// Only that workflow.
    #[arg(long)]
    pub(crate) workflow: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ChangesArgs {
    /// Since then: yesterday, today, a date such as 2026-12-24, a time such as 2026-12-24T18:00:00Z, 12:00 (the last time that
    /// clocks showed it here), or 2h ago by the database's clock.
    #[arg(long, value_name = "WHEN", default_value = "yesterday", value_parser = when::parse_past)]
    pub(crate) since: Past,
    /// Only what concerns that workflow.
    #[arg(long)]
    pub(crate) workflow: Option<String>,
    /// How many, the newest.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CancelArgs {
    /// Id of the run.
    pub(crate) run: RunId,
    /// Why, for the record.
    #[arg(long, value_parser = actor::reason)]
    pub(crate) reason: String,
    /// Who does it [default: your user name].
    #[arg(long, value_parser = actor::name)]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    pub(crate) what: QueueArgs,
    /// Why, for the record and for whoever asks what waits.
    #[arg(long, value_parser = actor::reason)]
    pub(crate) reason: String,
    /// Who does it [default: your user name].
    #[arg(long, value_parser = actor::name)]
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
    #[arg(long, value_parser = actor::name)]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct QueueArgs {
    /// Name of the workflow.
    #[arg(required_unless_present = "everything")]
    pub(crate) workflow: Option<String>,
    /// Only that stage of it.
    #[arg(long, requires = "workflow")]
    pub(crate) stage: Option<String>,
    /// Every workflow there is.
    #[arg(long, conflicts_with = "workflow")]
    pub(crate) everything: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// Name of the workflow.
    #[arg(required_unless_present = "resume")]
    pub(crate) workflow: Option<String>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Go on with a run that was started before.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["workflow", "input", "set", "traceparent"])]
    pub(crate) resume: Option<RunId>,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct HealthArgs {
    /// Where the worker serves /metrics: address or name of its machine, and port.
    #[arg(long, env = "PITON_METRICS", value_name = "ADDRESS", default_value_t = Address::Default.to_string())]
    pub(crate) at: String,
    #[command(flatten)]
    pub(crate) probe: HealthProbe,
}

#[derive(Debug, Clone, Copy, Args)]
#[group(multiple = false)]
pub(crate) struct HealthProbe {
    /// Only whether every part of it runs.
    #[arg(long)]
    pub(crate) live: bool,
    /// Only whether it claims, and its database answers.
    #[arg(long)]
    pub(crate) ready: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ApiArgs {
    /// Address to listen at. Off this machine it needs a token, and something in front of it that speaks TLS.
    #[arg(long, env = "PITON_API", value_name = "ADDRESS", default_value = "127.0.0.1:7487")]
    pub(crate) listen: SocketAddr,
    /// File with tokens of operators, one a line.
    #[arg(long, env = "PITON_API_OPERATOR_TOKEN_FILE", value_name = "FILE")]
    pub(crate) operator_tokens: Option<PathBuf>,
    /// File with tokens of readers, one a line.
    #[arg(long, env = "PITON_API_READER_TOKEN_FILE", value_name = "FILE")]
    pub(crate) reader_tokens: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: ArtifactStoreArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunsArgs {
    /// Only runs of that workflow.
    #[arg(long)]
    pub(crate) workflow: Option<String>,
    /// Only runs in that state: scheduled, running, blocked, done, failed or cancelled.
    #[arg(long, value_parser = run_state)]
    pub(crate) state: Option<ShownState>,
    #[command(flatten)]
    pub(crate) input: WhereArgs,
    /// How many.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WorkersArgs {
    /// Also those that ended more than an hour ago.
    #[arg(long)]
    pub(crate) all: bool,
    /// How many, the newest first.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ShowArgs {
    /// Id of the run.
    pub(crate) run: RunId,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum WorkflowsArgs {
    /// Write a file to begin with: three commands that run as they are, with comments.
    New(NewArgs),
    /// Check workflow files and say every mistake at once.
    ///
    /// Ends with 0 when there is no mistake, and with 1 when there is one. A program, a handler or a variable that is not
    /// there on this machine is no mistake of the file; `workflows list` tells of those.
    Check {
        /// Files, or folders with files [default: every workflow this program has].
        files: Vec<PathBuf>,
    },
    /// List the workflows this program has.
    List,
    /// Show what each stage of a workflow is and has, as its file says it.
    Show {
        /// Name of the workflow.
        workflow: String,
        /// As it really is: with the defaults, and with the rules for retries that each stage has, class by class.
        #[arg(long)]
        effective: bool,
    },
    /// List the versions that the database has of a workflow, and say which one is current, since when and by whom.
    Versions {
        /// Name of the workflow.
        workflow: String,
    },
    /// Make a version of a workflow the current one: what is started from SQL, the API and schedules, and whose limits hold.
    ///
    /// A version becomes current by itself only the first time that a worker, or whoever starts it, brings it. An old file is
    /// deployed with this.
    Deploy(DeployArgs),
    /// Go back to the version that was current before.
    Rollback(RollbackArgs),
    /// Draw a workflow's stages.
    Graph {
        /// Name of the workflow.
        workflow: String,
        /// As lines of text, for Mermaid, or for Graphviz.
        #[arg(long, value_enum, default_value = "text")]
        format: GraphFormat,
    },
    /// Print the JSON Schema of workflow files, with which editors complete and check them.
    Schema,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DeployArgs {
    /// A workflow file, or the name of a workflow this program has.
    pub(crate) workflow: String,
    /// A version that is registered already instead of the file, by the first digits of its digest.
    #[arg(long)]
    pub(crate) digest: Option<String>,
    /// Why, for the record.
    #[arg(long, value_parser = actor::reason)]
    pub(crate) reason: Option<String>,
    /// Who does it [default: your user name].
    #[arg(long, value_parser = actor::name)]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RollbackArgs {
    /// Name of the workflow.
    pub(crate) workflow: String,
    /// Go back to that version, by the first digits of its digest [default: the one that the current version has replaced].
    #[arg(long, value_name = "DIGEST")]
    pub(crate) to: Option<String>,
    /// Why, for the record.
    #[arg(long, value_parser = actor::reason)]
    pub(crate) reason: Option<String>,
    /// Who does it [default: your user name].
    #[arg(long, value_parser = actor::name)]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct NewArgs {
    /// Name of the workflow.
    pub(crate) workflow: String,
    /// File to write [default: NAME.toml in the folder of workflow files].
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum GraphFormat {
    Text,
    Mermaid,
    Dot,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ManArgs {
    /// Folder for a page of each command, such as ~/.local/share/man/man1; it is made if it is not there.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct VerifyArgs {
    /// The run.
    #[arg(required_unless_present = "all")]
    pub(crate) run: Option<RunId>,
    /// Every run there is.
    #[arg(long, conflicts_with = "run")]
    pub(crate) all: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RecoverArgs {
    /// Only show what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// A worker that was not heard of for that long is gone: 2s to 1d.
    #[arg(long, env = "PITON_LEASE", default_value = "15s", value_parser = lease)]
    pub(crate) lease: Duration,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum RetryPolicyArgs {
    /// Hold the failures on record against a changed workflow file: which dead jobs would have been tried again, which
    /// jobs given up sooner, and what it would have cost in attempts. Changes nothing.
    Simulate {
        /// The changed file; the failures are those of the workflow that it names.
        file: PathBuf,
        /// How far back.
        #[arg(long, default_value = "30d", value_parser = duration::parse)]
        since: Duration,
    },
}

/// What a slow network and a busy server may take.
const LEAST_SILENCE: Duration = Duration::from_secs(2);

fn silence(text: &str) -> Result<Duration, String> {
    let silence = duration::parse(text).map_err(|error| error.to_string())?;
    if silence < LEAST_SILENCE {
        return Err(format!("at least {} s, which a slow network may take for an answer", LEAST_SILENCE.as_secs()));
    }
    Ok(silence)
}

fn run_state(word: &str) -> Result<ShownState, String> {
    ShownState::from_word(word).ok_or_else(|| {
        let known: Vec<&str> = ShownState::ALL.iter().map(|s| s.as_str()).collect();
        format!("a run is {}", known.join(", "))
    })
}
