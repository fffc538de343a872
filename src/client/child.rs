//! Processes that Piton starts from the program's own file, and the one line of `main` that they need.

use std::fmt::Display;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::builder;
use crate::app::App;
use crate::artifacts::Artifacts;
use crate::queue::catalog::Catalog;
use crate::role::Role;
use crate::stage::resources::Resources;
use crate::stage::{http, variables};
use crate::store::Store;
use crate::store::connect::{Address, Server, handshake};
use crate::telemetry::relay;
use crate::worker::{self, ORDERS_ON_STDIN, RUNS_SUSPECTS_AS, Shutdown, WorkerSettings};

static CALLED: AtomicBool = AtomicBool::new(false);

/// Must be the first line of `main` of a program that runs a [`worker`](crate::Piton::worker): before a port is bound, a file is
/// opened or a runtime is started.
///
/// Piton starts the program's own file again for work that needs a process of its own: to start commands and watch over each
/// until it and everything it started are gone, and to run a job alone whose process has died. In the latter, `app` is called within a
/// tokio runtime, and has to return the same handlers as the program's.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// async fn app() -> Result<piton::App, std::convert::Infallible> {
///     Ok(piton::App::new())
/// }
///
/// fn main() -> ExitCode {
///     if let Some(code) = piton::child(app) {
///         return code;
///     }
///     // The program itself.
///     ExitCode::SUCCESS
/// }
/// ```
pub fn child<E: Display>(app: impl AsyncFnOnce() -> Result<App, E>) -> Option<ExitCode> {
    let has_runtime = tokio::runtime::Handle::try_current().is_ok();
    CALLED.store(!has_runtime, Ordering::Relaxed);
    match Role::of_this_process() {
        Role::Helper(code) => Some(code),
        Role::Runner if std::env::var_os(ORDERS_ON_STDIN).is_some() && !has_runtime => Some(run_suspects(app)),
        // One that a command line started goes on to it.
        Role::Runner | Role::Program => None,
    }
}

pub(crate) fn was_called() -> bool {
    CALLED.load(Ordering::Relaxed)
}

/// What a worker passes to a process that runs its suspects: a line of JSON on standard input, because it holds a password.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Orders {
    database: String,
    artifacts: Option<String>,
    artifacts_are_named: bool,
    #[serde(default)]
    callback_url: Option<String>,
    lease_ms: u64,
    grace_ms: u64,
}

impl Orders {
    pub(super) fn of(settings: &WorkerSettings, artifacts: Option<&Artifacts>, url: &str) -> Orders {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Orders {
            database: url.to_owned(),
            artifacts: artifacts.map(|store| store.name().to_string_lossy().into_owned()),
            artifacts_are_named: settings.artifacts.is_some(),
            callback_url: variables::callback_url().map(str::to_owned),
            lease_ms: millis(settings.lease),
            grace_ms: millis(settings.grace),
        }
    }

    /// Numbers and texts always are JSON.
    pub(super) fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn settings(&self, name: String) -> Result<WorkerSettings, String> {
        let artifacts = self.artifacts.as_deref().map(Artifacts::at).transpose()?;
        Ok(WorkerSettings {
            resources: Arc::new(Resources::new(artifacts.clone(), self.artifacts_are_named, &name)),
            artifacts,
            slots: 1,
            lease: Duration::from_millis(self.lease_ms),
            grace: Duration::from_millis(self.grace_ms),
            role: worker::Role::Runner,
            parent: worker::parent(),
            ..WorkerSettings::of(name)
        })
    }
}

fn run_suspects<E: Display>(app: impl AsyncFnOnce() -> Result<App, E>) -> ExitCode {
    let ran = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string());
    let ran = ran.and_then(|runtime| {
        let ran = runtime.block_on(work(app));
        // A handler that never yields must not keep the process.
        runtime.shutdown_background();
        ran
    });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is closed, nobody is left to read it.
            writeln!(std::io::stderr(), "piton: a process for suspects did not start: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

async fn work<E: Display>(app: impl AsyncFnOnce() -> Result<App, E>) -> Result<(), String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|error| error.to_string())?;
    let orders: Orders = serde_json::from_str(&line).map_err(|error| format!("its orders: {error}"))?;
    let name = std::env::var(RUNS_SUSPECTS_AS).map_err(|error| error.to_string())?;
    // Where the program counts in a way of its own, it has set a recorder in `app`, or will set none here.
    relay::install().ok();
    http::install_tls();
    let app = app().await.map_err(|error| error.to_string())?;
    let workflows = builder::workflows(&app).map_err(|error| error.to_string())?;
    let shutdown = Shutdown::on_signals().map_err(|error| error.to_string())?;
    worker::end_with_parent(shutdown.clone());
    let address = Address::parse(&orders.database).map_err(|error| error.to_string())?;
    let server = Server::at(address, builder::SILENCE).map_err(|error| error.to_string())?;
    let pooling = handshake(&server).await.map_err(|error| error.to_string())?;
    let store = Store::for_work(server, pooling, 1);
    if let Some(url) = &orders.callback_url {
        variables::callback_url_is(url.clone());
    }
    let catalog = Arc::new(Catalog::new(app.handlers));
    let mut queues = Vec::with_capacity(workflows.len());
    for workflow in workflows {
        let version = catalog.register(&store, workflow, None).await.map_err(|error| error.to_string())?;
        queues.push(version.workflow_id);
    }
    let settings = orders.settings(name)?;
    variables::database_is(orders.database);
    if let Some(store) = &settings.artifacts {
        variables::artifact_store_is(store.name());
    }
    worker::run(store.clone(), catalog, queues, settings, None, shutdown).await.map_err(|error| error.to_string())?;
    store.close().await;
    Ok(())
}
