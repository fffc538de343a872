//! `piton worker`.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::args::{CallbackArgs, CheckArgs, Global, RunArgs, SettingsArgs, WorkerArgs};
use super::artifacts;
use super::database::Database;
use super::exit::Exit;
use super::files::{self, Deploys};
use super::listening::Listening;
use super::sentence::in_one_sentence;
use crate::app::App;
use crate::config;
use crate::health::{self, Health};
use crate::model::actor::{Actor, Face};
use crate::model::health::Thresholds;
use crate::model::payload::PayloadLimits;
use crate::queue::catalog::Catalog;
use crate::stage::resources::Resources;
use crate::stage::variables;
use crate::store::connect::OpenError;
use crate::store::schema::SchemaError;
use crate::store::{self, backoff::Backoff};
use crate::telemetry;
use crate::telemetry::exporter::{Exporter, MOST_SERIES};
use crate::telemetry::relay;
use crate::telemetry::server::{self, Address};
use crate::worker::{self, Metrics, RUNS_SUSPECTS_AS, Role, Shutdown, WorkerSettings};

/// What a worker says. What sqlx says of broken connections, the engine says in its own words.
pub(super) const WORKER_LOG: &str = "info,sqlx=off,apalis_core=warn";

impl From<RunArgs> for WorkerArgs {
    fn from(run: RunArgs) -> WorkerArgs {
        WorkerArgs {
            name: None,
            metrics: Some(Address::Off),
            metrics_series: MOST_SERIES,
            snapshot_every: Duration::MAX,
            cleanup_every: Duration::MAX,
            callbacks: CallbackArgs::default(),
            health: CheckArgs { health_every: Duration::MAX, health_threshold: Vec::new(), external: Vec::new() },
            settings: run.settings,
        }
    }
}

pub(crate) async fn worker(app: App, global: Global, args: WorkerArgs) -> anyhow::Result<Exit> {
    telemetry::log_to(global.log.as_deref().unwrap_or(WORKER_LOG), global.log_format, std::io::stderr)?;
    // Signals count from here on: one that comes during the start must not be lost.
    let shutdown = Shutdown::on_signals()?;
    // Also while it waits for its database.
    let metrics = Served::start(&global, &args).await?;
    let callbacks = Listening::start(&args.callbacks).await?;
    let workflows = files::load(&app, &global)?;
    for workflow in &workflows {
        workflow.notes().iter().for_each(|note| tracing::info!(workflow = workflow.name.as_str(), "{note}"));
        let lacking = files::lacking(workflow, &app.handlers);
        if !lacking.is_empty() {
            let (workflow, stages) = (workflow.name.as_str(), lacking.join(", "));
            tracing::warn!(workflow, "stages that lack something here: {stages}");
        }
    }
    let health = metrics.shown.as_ref().map(|shown| shown.health.clone());
    let open = async || {
        let database = Database::open_to_work(&global, args.settings.migrate).await?;
        database.store.refuse_read_only().await?;
        anyhow::Ok(database)
    };
    let Some(database) = patiently(&shutdown, health.as_deref(), open).await? else { return Ok(Exit::Done) };
    let catalog = Arc::new(Catalog::new(app.handlers));
    let name = args.name.clone().unwrap_or_else(config::worker_name);
    // Whoever runs suspects works for a process that has registered its files, or does not deploy them.
    let deploys = if worker::is_runner() { Deploys::None } else { Deploys::All };
    let by = Actor { name: &name, face: Face::Worker };
    let register = async || {
        let versions = files::register_usable(&catalog, &workflows, &database.store, deploys, by).await?;
        for said in files::not_current(&versions, &database.store).await? {
            tracing::warn!("{said}: runs that are started follow the current one; `workflows deploy` changes that");
        }
        Ok(versions)
    };
    let Some(versions) = patiently(&shutdown, health.as_deref(), register).await? else { return Ok(Exit::Done) };
    if versions.is_empty() {
        tracing::warn!("{}", files::no_such_workflow("*", &[]));
    }
    let settings = match std::env::var(RUNS_SUSPECTS_AS) {
        Ok(name) => {
            worker::end_with_parent(shutdown.clone());
            WorkerSettings {
                slots: 1,
                role: Role::Runner,
                parent: worker::parent(),
                ..settings(name, &global, &args.settings)
            }
        }
        Err(_) => WorkerSettings {
            cleanup_every: Some(args.cleanup_every),
            ..settings(name.clone(), &global, &args.settings)
        },
    };
    callbacks.serve(database.store.clone(), metrics.stop.clone());
    let queues = versions.iter().map(|version| version.workflow_id).collect();
    worker::run(database.store.clone(), catalog, queues, settings, metrics.shown, shutdown).await?;
    database.close().await;
    metrics.stop.cancel();
    Ok(Exit::Done)
}

/// The metrics of this process, while it has some.
struct Served {
    shown: Option<Metrics>,
    stop: CancellationToken,
}

impl Served {
    /// A process that runs suspects serves none: its worker counts what it tells.
    async fn start(global: &Global, args: &WorkerArgs) -> anyhow::Result<Served> {
        let address = args.metrics.unwrap_or(Address::Default);
        let stop = CancellationToken::new();
        if worker::is_runner() {
            relay::install()?;
            return Ok(Served { shown: None, stop });
        }
        let listener = server::bind(address).await.with_context(|| format!("metrics cannot be served at {address}"))?;
        let Some(listener) = listener else { return Ok(Served { shown: None, stop }) };
        let exporter = Exporter::install(args.metrics_series as usize)?;
        tokio::spawn(exporter.clone().keep_up(stop.clone()));
        tokio::spawn(server::serve(listener, exporter.clone(), stop.clone()));
        let health = Health::new(health_settings(global, args));
        let shown = health.clone();
        exporter.before_scrapes(move || shown.show());
        Ok(Served { shown: Some(Metrics { exporter, snapshot_every: args.snapshot_every, health }), stop })
    }
}

fn health_settings(global: &Global, args: &WorkerArgs) -> health::HealthSettings {
    // Programs run in folders of their own there.
    let mut folders = vec![std::env::temp_dir()];
    folders.extend(artifacts::data_folder(global).filter(|_| global.database_url.is_none()));
    let CheckArgs { health_every: every, health_threshold, external } = &args.health;
    let externals = external.clone();
    let thresholds = Thresholds::with(health_threshold);
    health::HealthSettings {
        every: *every,
        thresholds,
        artifacts: artifacts::store(global, &args.settings.store),
        externals,
        folders,
    }
}

/// Tries again as long as the database is away, which is no reason for a worker to end; `None` when it was asked to stop.
pub(super) async fn patiently<T>(
    shutdown: &Shutdown,
    health: Option<&Health>,
    mut attempt: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<Option<T>> {
    let mut backoff = Backoff::default();
    loop {
        let attempted = tokio::select! {
            biased;
            attempted = attempt() => attempted,
            // A database that is silent does not keep it.
            () = shutdown.asked() => return Ok(None),
        };
        let error = match attempted {
            Ok(done) => return Ok(Some(done)),
            Err(error) => error,
        };
        let waits = |error: &_| store::is_away(error) && !store::is_wrong_address(error);
        let waits = |cause: &(dyn Error + 'static)| {
            cause.downcast_ref().is_some_and(waits)
                || cause.downcast_ref().is_some_and(|error: &OpenError| error.waits)
                // As a server may be made where its disk is full, until somebody has seen to it.
                || matches!(cause.downcast_ref(), Some(SchemaError::ReadOnly(_)))
        };
        if !error.chain().any(waits) {
            return Err(error);
        }
        let sentence = in_one_sentence(&error);
        if let Some(health) = health {
            health.database_is_away(&sentence);
        }
        if backoff.is_first() {
            tracing::warn!("starting waits: {sentence}");
        }
        tokio::select! {
            () = backoff.wait() => {}
            () = shutdown.asked() => return Ok(None),
        }
    }
}

pub(crate) fn settings(name: String, global: &Global, args: &SettingsArgs) -> WorkerSettings {
    let store = artifacts::store(global, &args.store);
    if let Some(store) = &store {
        // For stages that ask for the database.
        variables::artifact_store_is(store.name());
    }
    let resources = Resources::new(store.clone(), args.store.artifacts.is_some(), &name);
    let resources = Arc::new(resources.with_file_cache(args.file_cache as u64));
    WorkerSettings {
        slots: args.slots as usize,
        poll: args.poll,
        lease: args.lease,
        grace: args.grace,
        artifacts: store,
        resources,
        limits: PayloadLimits {
            payload_bytes: args.payload_limit as usize,
            stage_input_bytes: args.input_limit,
            input_memory_bytes: args.input_memory,
            ..PayloadLimits::default()
        },
        ..WorkerSettings::of(name)
    }
}
