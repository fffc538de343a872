//! Which job is meant, and whether it can be tried.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;

use crate::cli::args::{StageItem, TryArgs};
use crate::cli::files::short;
use crate::config;
use crate::model::digest::hex;
use crate::model::id::{NO_ITEM, RunId};
use crate::model::payload::PayloadLimits;
use crate::model::quoted::quoted;
use crate::model::retry::RetryPolicy;
use crate::queue::by_hand::{Meant, Tried};
use crate::queue::catalog::Catalog;
use crate::queue::version::Version;
use crate::stage::missing::Missing;
use crate::store::Store;
use crate::view::snapshot::{Snapshot, StageState};
use crate::workflow::definition::Stage;

/// Attempts that an error names.
const NAMED: usize = 10;

/// A job of a run, and one of its attempts.
pub(super) struct Job {
    snapshot: Snapshot,
    version: Arc<Version>,
    number: i16,
    pub(super) stage: Stage,
    pub(super) item: Option<u32>,
    pub(super) attempt: u32,
    run_input: Option<Arc<str>>,
    /// The current version, where the run follows another one.
    current: Option<String>,
}

pub(super) async fn find(
    store: &Store,
    catalog: &Catalog,
    limits: &PayloadLimits,
    args: &TryArgs,
) -> anyhow::Result<Job> {
    let Some(snapshot) = Snapshot::glance(store, &catalog.definitions, args.run).await? else {
        bail!("there is no run {}; `{} runs` lists those there are", args.run, config::program());
    };
    let version = catalog.version(store, snapshot.run.version).await?;
    let StageItem { stage: name, item } = &args.stage;
    let stages = (0i16..).zip(&version.workflow.stages);
    let Some((number, stage)) = stages.clone().find(|(_, stage)| stage.name.as_str() == name) else {
        let names: Vec<&str> = stages.map(|(_, stage)| stage.name.as_str()).collect();
        bail!("workflow `{}` has no stage `{}`; its stages are {}", version.name, quoted(name), names.join(", "));
    };
    let stage = stage.clone();
    refuse_what_is_not_there(&snapshot, number)?;
    let mut job = Job { snapshot, version, number, stage, item: *item, attempt: 1, run_input: None, current: None };
    job.check_item(store, limits).await?;
    job.choose_attempt(store, args.attempt).await?;
    job.current = job.other_version(store).await?;
    Ok(job)
}

/// A stage that needs others has an input when they are done.
fn refuse_what_is_not_there(snapshot: &Snapshot, number: i16) -> anyhow::Result<()> {
    let Some(view) = usize::try_from(number).ok().and_then(|at| snapshot.stages.get(at)) else { return Ok(()) };
    let Some(need) = view.needs.first() else { return Ok(()) };
    let (run, program) = (snapshot.run.id, config::program());
    let state = snapshot.stages.iter().find(|stage| stage.name == *need).map(|stage| stage.state);
    let cure = match state {
        Some(StageState::Dead) => format!("it was given up: try that one first, with `{program} try {run} {need}`"),
        Some(StageState::Failed | StageState::Cancelled) => "its run ended before that".to_owned(),
        Some(StageState::Waiting) => format!("it waits for others itself; `{program} show {run}` shows the run"),
        Some(_) | None => format!("try again when it is; `{program} why {run}` shows what it waits for"),
    };
    bail!("stage `{}` has no input yet: it needs `{need}`, which is not done; {cure}", view.name)
}

impl Job {
    /// Of a fanned-out stage an item is meant, and it has to have that item.
    async fn check_item(&self, store: &Store, limits: &PayloadLimits) -> anyhow::Result<()> {
        let (name, run, program) = (&self.stage.name, self.run(), config::program());
        match (&self.stage.for_each, self.item) {
            (None, None) => return Ok(()),
            (None, Some(_)) => bail!("stage `{name}` is not fanned out, and has no items: {program} try {run} {name}"),
            (Some(_), _) => {}
        }
        let split = Tried::read(store, limits, Meant { item: None, ..self.meant() }).await?;
        let items = match split.items() {
            Some(items) => items,
            None => bail!("stage `{name}` cannot be split into items: {}", split.why_not()),
        };
        match self.item {
            _ if items == 0 => bail!("stage `{name}` has no items in this run: there is nothing to try"),
            Some(item) if item < items => Ok(()),
            Some(_) | None => bail!(
                "stage `{name}` is fanned out into {items} items, 0 to {}: name one of them, as in {program} try {run} '{name}[0]'",
                items - 1
            ),
        }
    }

    /// The latest attempt, or the one that is asked for; and the input that its run had then.
    async fn choose_attempt(&mut self, store: &Store, asked: Option<u32>) -> anyhow::Result<()> {
        let item = self.item.and_then(|item| i32::try_from(item).ok()).unwrap_or(NO_ITEM);
        let recorded = store.attempts_at(self.snapshot.run.key, self.number, item).await?;
        let chosen = match asked {
            None => recorded.last(),
            Some(number) => match recorded.iter().find(|tried| tried.attempt.unsigned_abs() == number) {
                Some(found) => Some(found),
                None => {
                    let last = recorded.len().saturating_sub(NAMED);
                    let known: Vec<String> =
                        recorded[last..].iter().map(|tried| format!("{} ({})", tried.attempt, tried.outcome)).collect();
                    let known =
                        if known.is_empty() { "none yet; leave --attempt out".to_owned() } else { known.join(", ") };
                    bail!("there is no attempt {number} of {}; on record: {known}", self.name());
                }
            },
        };
        self.attempt = chosen.map_or(1, |tried| tried.attempt.unsigned_abs());
        if let Some(at) = chosen.and_then(|tried| tried.ended_at) {
            self.run_input = store.input_before(self.snapshot.run.key, at).await?.map(Arc::from);
        }
        Ok(())
    }

    async fn other_version(&self, store: &Store) -> anyhow::Result<Option<String>> {
        let digest = self.digest();
        let current = store.current_versions().await?;
        let now =
            current.into_iter().find(|(workflow, _)| **workflow == *self.version.name).map(|(_, version)| version);
        Ok(now.filter(|now| now.digest != digest).map(|now| now.version))
    }

    /// A stage that this machine or program cannot run.
    pub(super) fn refuse_what_lacks(&self, catalog: &Catalog) -> anyhow::Result<()> {
        match Missing::of(&self.stage, &catalog.handlers) {
            None => Ok(()),
            Some(lacks @ Missing::Handler(_)) => bail!(
                "stage `{}` needs the {lacks}, which this program does not register; try it with the program of your workers",
                self.stage.name
            ),
            Some(lacks) => bail!(
                "stage `{}` lacks something here: {lacks}; set the variables and install the tools of your workers, or try it on \
                 one of their machines",
                self.stage.name
            ),
        }
    }

    pub(super) fn meant(&self) -> Meant {
        Meant {
            version: self.version.clone(),
            run: self.snapshot.run.key,
            stage: self.number,
            item: self.item,
            attempt: self.attempt,
            run_input: self.run_input.clone(),
        }
    }

    /// It is tried on another input than its next attempt would get.
    pub(super) fn has_another_input(&self) -> bool {
        self.run_input.is_some()
    }

    /// How its failures are retried.
    pub(super) fn policy(&self) -> RetryPolicy {
        self.version.policy(self.number).cloned().unwrap_or_default()
    }

    pub(super) fn run(&self) -> RunId {
        self.snapshot.run.id
    }

    pub(super) fn workflow(&self) -> &str {
        &self.version.name
    }

    pub(super) fn digest(&self) -> String {
        hex(&self.version.workflow.digest())
    }

    /// The stage with its item.
    pub(super) fn name(&self) -> String {
        let item = self.item.map_or_else(String::new, |item| format!("[{item}]"));
        format!("{}{item}", self.stage.name)
    }

    /// What is tried, and where.
    pub(super) fn title(&self, folder: &Path) -> String {
        let current = match &self.current {
            Some(current) => format!(", not the current one ({current})"),
            None => String::new(),
        };
        let input = if self.has_another_input() { ", on the input that its run had then" } else { "" };
        format!(
            "Trying {} of run {} ({}, version {}{current}) as attempt {}{input}, in {}",
            self.name(),
            self.run(),
            self.workflow(),
            short(&self.digest()),
            self.attempt,
            folder.display()
        )
    }
}
