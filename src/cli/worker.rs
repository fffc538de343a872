//! `piton worker`.

use std::io::Read;

use super::args::{Global, RunArgs, SettingsArgs, WorkerArgs};
use super::database::Database;
use super::exit::Exit;
use super::files;
use crate::app::App;
use crate::model::payload::PayloadLimits;
use crate::telemetry;
use crate::worker::{self, RUNS_SUSPECTS_AS, Role, Settings, Shutdown};
use crate::{config, queue::catalog::Version};

/// This process was started to run the suspects of a worker, each alone.
pub(crate) fn is_runner() -> bool {
    std::env::var_os(RUNS_SUSPECTS_AS).is_some()
}

impl From<RunArgs> for WorkerArgs {
    fn from(run: RunArgs) -> WorkerArgs {
        WorkerArgs { name: None, settings: run.settings }
    }
}

pub(crate) async fn worker(app: App, global: Global, args: WorkerArgs) -> anyhow::Result<Exit> {
    telemetry::log_to(
        global.log.as_deref().unwrap_or("info,sqlx=warn,apalis_core=warn"),
        global.log_format,
        std::io::stderr,
    )?;
    // Signals count from here on: one that comes during the start must not be lost.
    let shutdown = Shutdown::on_signals()?;
    for workflow in files::load(&app, &global)? {
        let lacking = files::lacking(&workflow, &app.handlers);
        if !lacking.is_empty() {
            let (workflow, stages) = (workflow.name.as_str(), lacking.join(", "));
            tracing::warn!(workflow, "stages that lack something here: {stages}");
        }
    }
    let database = Database::open(&global).await?;
    let (catalog, versions) = files::register(app, &global, &database.store).await?;
    if versions.is_empty() {
        tracing::warn!("{}", files::no_such_workflow("*", &[]));
    }
    let settings = match std::env::var(RUNS_SUSPECTS_AS) {
        Ok(name) => {
            end_with_parent(shutdown.clone());
            Settings { slots: 1, role: Role::Runner, ..settings(name, &args.settings) }
        }
        Err(_) => settings(args.name.clone().unwrap_or_else(config::worker_name), &args.settings),
    };
    let workflows = versions.iter().map(|v: &std::sync::Arc<Version>| v.workflow_id).collect();
    worker::run(database.store.clone(), catalog, workflows, settings, shutdown).await?;
    database.close().await;
    Ok(Exit::Done)
}

/// The worker that started this runner holds the other end of our standard input. When it is gone, what runs here goes
/// back at once.
fn end_with_parent(shutdown: Shutdown) {
    std::thread::spawn(move || {
        // End or error, either way nobody is there any more.
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        shutdown.ask();
        shutdown.ask();
    });
}

pub(crate) fn settings(name: String, args: &SettingsArgs) -> Settings {
    Settings {
        name,
        slots: args.slots as usize,
        poll: args.poll,
        lease: args.lease,
        grace: args.grace,
        role: Role::Ordinary,
        limits: PayloadLimits { payload_bytes: args.payload_limit as usize, ..PayloadLimits::default() },
    }
}
