//! The command line: reads arguments, shows results to people, and leaves the work to the layers below.

#[cfg(feature = "api")]
mod api;
mod args;
mod artifacts;
mod batch;
#[cfg(feature = "lab")]
mod bench;
mod callbacks;
mod changes;
#[cfg(feature = "lab")]
mod chaos;
mod cleanup;
mod completions;
mod control;
mod database;
mod dead_letter;
mod exit;
mod files;
mod follow;
mod health;
mod left_out;
mod listening;
mod live;
mod man;
mod metrics;
mod output;
mod plain;
mod recover;
mod refusal;
mod retry_policy;
mod run;
mod run_files;
mod runs;
mod schedules;
mod sentence;
mod show;
mod start;
mod throughput;
#[cfg(feature = "top")]
mod top;
mod trace;
mod try_stage;
mod usage;
mod verify;
mod waits;
mod why;
mod worker;
mod workers;
mod workflows;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

use crate::app::App;
use crate::cli::output::{Coloured, errln};
use crate::role::Role;
use crate::stage::http;
use crate::system::{descriptors, file_size};
use crate::telemetry;
use args::{Arguments, Command};
use exit::Exit;
use sentence::in_one_sentence;

/// What a command says that asks or decides. What sqlx says of broken connections, the command says in its own words.
const PEOPLE_S_LOG: &str = "warn,sqlx=off";

impl App {
    /// Runs the command line and returns the process' exit code.
    pub fn main(self) -> ExitCode {
        match Role::of_this_process() {
            Role::Helper(code) => code,
            Role::Program | Role::Runner => main(self),
        }
    }
}

/// Parses the arguments, runs the command, and turns what became of it into an exit code.
fn main(app: App) -> ExitCode {
    http::install_tls();
    descriptors::raise(crate::worker::descriptors_before());
    file_size::makes_errors();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version end here too, and are no errors.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            return exit_code(output::written(usage::shortened(error).print()).map(|()| exit));
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            errln!("error: the runtime does not start: {error}");
            return Exit::Failed.into();
        }
    };
    let ended = output::conclude(runtime.block_on(command(app, arguments)));
    // A handler that never yields must not keep the process.
    runtime.shutdown_background();
    exit_code(ended)
}

fn exit_code(ended: anyhow::Result<Exit>) -> ExitCode {
    let exit = ended.unwrap_or_else(|error| {
        match error.downcast_ref::<Coloured>() {
            Some(Coloured(text)) => output::coloured_line(&Coloured(format!("error: {text}"))),
            None => errln!("error: {}", in_one_sentence(&error)),
        }
        Exit::of(&error)
    });
    exit.into()
}

async fn command(app: App, arguments: Arguments) -> anyhow::Result<Exit> {
    if let Some(mistake) = app.mistake() {
        anyhow::bail!("{mistake}");
    }
    let Arguments { global, command } = arguments;
    if !command.works() {
        let filter = global.log.as_deref().unwrap_or(PEOPLE_S_LOG);
        // Lines would tear the picture, unless they go elsewhere.
        let filter = if command.draws() && std::io::stderr().is_terminal() { "off" } else { filter };
        telemetry::log_to(filter, global.log_format, std::io::stderr)?;
    }
    match command {
        // What `run` would start is started; this process is to run its suspects.
        Command::Run(run) if crate::worker::is_runner() => worker::worker(app, global, run.into()).await,
        Command::Run(run) => run::run(app, global, run).await,
        Command::Worker(worker) => worker::worker(app, global, worker).await,
        Command::Start(start) => start::start(app, global, start).await,
        Command::Runs(runs) => runs::runs(global, runs).await,
        Command::Show(show) => show::show(global, show).await,
        Command::Try(args) => try_stage::try_stage(app, global, args).await,
        #[cfg(feature = "top")]
        Command::Top(args) => top::top(global, args).await,
        Command::Workers(args) => workers::workers(global, args).await,
        Command::Why(args) => why::why(global, args).await,
        Command::Throughput(args) => throughput::throughput(global, args).await,
        Command::Changes(args) => changes::changes(global, args).await,
        Command::Cancel(args) => control::cancel(global, args).await,
        Command::Waits(args) => waits::waits(global, args).await,
        Command::Signal(args) => waits::signal(global, args).await,
        Command::Wake(args) => waits::wake(global, args).await,
        Command::Complete(args) => callbacks::complete(global, args).await,
        Command::Fail(args) => callbacks::fail(global, args).await,
        Command::Callbacks(args) => callbacks::callbacks(global, args).await,
        Command::Pause(args) => control::pause(global, args).await,
        Command::Resume(args) => control::resume(global, args).await,
        Command::Pauses => control::pauses(global).await,
        Command::Batch(action) => batch::batch(app, global, action).await,
        Command::Schedules(action) => schedules::schedules(global, action).await,
        Command::Artifacts(action) => artifacts::artifacts(global, action).await,
        Command::DeadLetter(action) => dead_letter::dead_letter(global, action).await,
        Command::Recover(recover) => recover::recover(global, recover).await,
        Command::Verify(verify) => verify::verify(global, verify).await,
        Command::Cleanup(action) => cleanup::cleanup(global, action).await,
        Command::Health(args) => health::health(global, args).await,
        Command::Metrics => metrics::metrics(&global),
        #[cfg(feature = "api")]
        Command::Api(args) => api::api(global, args).await,
        Command::Migrate(args) => database::migrate(global, args).await,
        #[cfg(feature = "lab")]
        Command::Bench(bench) => bench::bench(global, bench).await,
        #[cfg(feature = "lab")]
        Command::BenchWorker(worker) => bench::worker(global, worker).await,
        #[cfg(feature = "lab")]
        Command::Chaos(args) => chaos::chaos(app, global, args).await,
        #[cfg(feature = "lab")]
        Command::ChaosWorker(worker) => chaos::worker(app, global, worker).await,
        #[cfg(feature = "lab")]
        Command::ChaosLoad => chaos::load(global).await,
        #[cfg(feature = "lab")]
        Command::ChaosAsk => chaos::ask(global).await,
        Command::RetryPolicy(action) => retry_policy::retry_policy(global, action).await,
        Command::Completions(args) => completions::completions(&global, &args),
        Command::Man(args) => man::man(&global, &args),
        #[cfg(feature = "testing")]
        Command::WorkflowCase(args) => workflows::test::case(app, global, args).await,
        Command::Workflows(action) => workflows::workflows(app, global, action).await,
    }
}
