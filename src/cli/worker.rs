//! `piton worker`.

use super::args::{Global, SettingsArgs, WorkerArgs};
use super::database::Database;
use super::exit::Exit;
use super::files;
use crate::app::App;
use crate::model::payload::PayloadLimits;
use crate::telemetry;
use crate::worker::{self, Settings, Shutdown};
use crate::{config, queue::catalog::Version};

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
    let name = args.name.clone().unwrap_or_else(config::worker_name);
    let workflows = versions.iter().map(|v: &std::sync::Arc<Version>| v.workflow_id).collect();
    worker::run(database.store.clone(), catalog, workflows, settings(name, &args.settings), shutdown).await?;
    database.close().await;
    Ok(Exit::Done)
}

pub(crate) fn settings(name: String, args: &SettingsArgs) -> Settings {
    Settings {
        name,
        slots: args.slots as usize,
        poll: args.poll,
        lease: args.lease,
        grace: args.grace,
        limits: PayloadLimits { payload_bytes: args.payload_limit as usize, ..PayloadLimits::default() },
    }
}
