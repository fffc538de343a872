//! `piton try`: a stage of a recorded run, here and by hand. Nothing of it is recorded.

mod edit;
mod folder;
mod job;
mod report;
mod shell;
mod work;

use std::sync::Arc;

use anyhow::bail;
use tokio::signal::unix::{SignalKind, signal};

use self::folder::TryFolder;
use self::report::Report;
use super::args::{Global, TryArgs};
use super::database::Database;
use super::exit::Exit;
use super::{artifacts, output};
use crate::app::App;
use crate::cli::output::errln;
use crate::model::payload::{Payload, PayloadLimits};
use crate::queue::by_hand::{Given, Tried};
use crate::queue::catalog::Catalog;
use crate::stage::handler::Offer;
use crate::stage::records::ByHand;
use crate::stage::resources::Resources;
use crate::stage::variables;
use crate::workflow::definition::{Stage, StageKind};

/// What stages are told of who runs them.
const WORKER: &str = "piton-try";

pub(crate) async fn try_stage(app: App, global: Global, args: TryArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let ended = try_on(&database, app, &global, &args).await;
    database.close().await;
    ended
}

async fn try_on(database: &Database, app: App, global: &Global, args: &TryArgs) -> anyhow::Result<Exit> {
    let catalog = Catalog::new(app.handlers);
    let limits = PayloadLimits {
        payload_bytes: args.payload_limit as usize,
        stage_input_bytes: args.input_limit,
        ..PayloadLimits::default()
    };
    let job = job::find(&database.store, &catalog, &limits, args).await?;
    refuse(&job.stage, args)?;
    job.refuse_what_lacks(&catalog)?;
    let resources = resources(database, global, args);
    let folder = TryFolder::make(args.keep.as_deref())?;
    errln!("{}", job.title(folder.path()));
    let tried = Tried::read(&database.store, &limits, job.meant()).await?;
    let input = match tried.given(&database.store, &folder.needs()?).await {
        Ok(Given::Input(input)) => input,
        Ok(Given::Skip(reason)) => {
            let mut report = Report::new(&job, &folder, Ok(Payload::of(&(), usize::MAX)?));
            report.skipped = Some(reason);
            return report.show(global.json);
        }
        Err(failure) => {
            return Report::new(&job, &folder, Err(failure)).show(global.json);
        }
    };
    let (file, edited) = (folder.write_input(&input)?, args.edit_input);
    let input = if edited { edit::edit(&file, &input, &limits).await? } else { input };
    let memory = Arc::default();
    let records = ByHand { store: database.store.clone(), memory: Arc::clone(&memory), kept: folder.kept() };
    // What another input makes must not be taken for what this job makes.
    let apart = (edited || job.has_another_input()).then(|| format!("try-{}", uuid::Uuid::now_v7()).into());
    let context = tried.context(Arc::new(records), resources, WORKER, &limits, apart);
    let offer = Offer { input, context, limits, stall: job.stage.stall, token: None, waits: false };
    if let (StageKind::Command(command), true) = (&job.stage.kind, args.shell) {
        return shell::open(command, &offer, &folder, &file).await;
    }
    output::keep(format!("Everything is in {}", folder.path().display()));
    let mut interrupt = signal(SignalKind::interrupt())?;
    let work = work::run(&catalog, &job.stage, offer, &folder, global.json);
    let (ended, status) = tokio::select! {
        ended = work => ended,
        _ = interrupt.recv() => {
            errln!("stopped; nothing was recorded, and what there is of it is in {}", folder.path().display());
            return Ok(Exit::Stopped);
        }
    };
    let mut report = Report::new(&job, &folder, ended);
    report.status = status;
    report.files = folder.gather(&memory)?;
    report.show(global.json)
}

/// Refuses what cannot be tried without harm, or makes no sense.
fn refuse(stage: &Stage, args: &TryArgs) -> anyhow::Result<()> {
    match &stage.kind {
        StageKind::Command(command) if command.finish && !args.shell => bail!(
            "stage `{}` commits rows of its own with piton.finish, and a program that is tried has no attempt to finish: it would \
             write rows, or fail where a worker's would not. Open a shell with its input and files, and run parts of it by hand: --shell",
            stage.name
        ),
        StageKind::Rust { .. } | StageKind::Http(_) if args.shell => {
            bail!("--shell is for commands, and stage `{}` has no program; leave --shell out to try it", stage.name)
        }
        StageKind::Signal(signal) => bail!(
            "stage `{}` only waits, so there is nothing to try; `piton signal RUN {}` answers it",
            stage.name,
            signal.name
        ),
        StageKind::Sleep(_) => bail!(
            "stage `{}` only waits, so there is nothing to try; `piton wake RUN {}` ends its wait",
            stage.name,
            stage.name
        ),
        StageKind::Run(run) => bail!(
            "stage `{}` only starts a run of `{}`, so there is nothing to try; `piton run {}` does the same",
            stage.name,
            run.workflow,
            run.workflow
        ),
        StageKind::Sql(_) => bail!(
            "stage `{}` is a statement that commits what it writes; try it in psql, between BEGIN and ROLLBACK, as the role that the \
             file names",
            stage.name
        ),
        StageKind::Command(_) | StageKind::Rust { .. } | StageKind::Http(_) => Ok(()),
    }
}

/// The artifact store, which is only read, and what programs are told of database and store, as by a worker here.
fn resources(database: &Database, global: &Global, args: &TryArgs) -> Arc<Resources> {
    if let Some(url) = global.database_url.clone().or_else(|| database.url()) {
        variables::database_is(url);
    }
    let store = artifacts::store(global, &args.store);
    if let Some(store) = &store {
        variables::artifact_store_is(store.name());
    }
    // No cache: the files stay in the folder when the attempt is over, and nobody else has them.
    Arc::new(Resources::new(store, false, WORKER).with_file_cache(0))
}
