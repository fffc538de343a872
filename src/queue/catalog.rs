//! The workflow versions a worker has met, and the stages it cannot run.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::version::Version;
use crate::definitions::{Definition, Definitions};
use crate::events;
use crate::meters::stage::StageMeters;
use crate::model::actor::{Actor, Face};
use crate::model::counts::Counts;
use crate::model::digest::hex;
use crate::model::id::VersionId;
use crate::stage::handler::Handlers;
use crate::stage::missing::Missing;
use crate::stage::resources::Resources;
use crate::store::shortages::Shortage;
use crate::store::{Store, StoreError};
use crate::workflow::definition::{Stage, StageKind, Workflow};
use crate::workflow::plan::Plan;

/// What is lacking for a stage whose warm program did not start.
const STARTS: &str = "a warm program that starts";

/// A workflow that this process has registered.
#[derive(Debug, Clone)]
struct Registered {
    workflow: Workflow,
    /// In whose name it is deployed where it is new.
    deployer: Option<(String, Face)>,
}

/// Versions by id. Runs pin versions, so a worker meets old ones as well as its own files'.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) handlers: Handlers,
    pub(crate) definitions: Definitions,
    versions: Mutex<HashMap<VersionId, Arc<Version>>>,
    unknown: Mutex<Vec<(VersionId, i16)>>,
    /// Stages that are left alone until then: their warm program did not start here.
    resting: Mutex<HashMap<(VersionId, i16), Instant>>,
    /// What the machine of the worker has; none where nobody works.
    resources: OnceLock<Arc<Resources>>,
    /// Versions whose definitions cannot be used.
    unusable: Mutex<HashSet<VersionId>>,
    /// What this process has registered.
    registered: Mutex<Vec<Registered>>,
    /// Wakes those of this process that await results: a worker of its own has ended runs.
    pub(crate) run_ended: Arc<Notify>,
}

impl Catalog {
    pub(crate) fn new(handlers: Handlers) -> Catalog {
        Catalog {
            handlers,
            definitions: Definitions::default(),
            versions: Mutex::default(),
            unknown: Mutex::default(),
            resting: Mutex::default(),
            resources: OnceLock::new(),
            unusable: Mutex::default(),
            registered: Mutex::default(),
            run_ended: Arc::default(),
        }
    }

    /// From now on, what these lack is left to others. Once in a process.
    pub(crate) fn work_with(&self, resources: Arc<Resources>) {
        self.resources.get_or_init(|| resources);
    }

    /// The resources, where something is lacking.
    fn lacking(&self) -> Option<&Resources> {
        self.resources.get().map(|resources| &**resources).filter(|resources| !resources.are_all_there())
    }

    /// Whether a version that is known has a stage that is a program.
    pub(crate) fn has_commands(&self) -> bool {
        let is_command = |stage: &Stage| matches!(stage.kind, StageKind::Command(_));
        lock(&self.versions).values().any(|version| version.workflow.stages.iter().any(is_command))
    }

    /// How many processes the warm stages of the versions that are known may have here at once: no more than there are slots.
    pub(crate) fn warm_processes(&self, slots: usize) -> usize {
        let versions = lock(&self.versions);
        let stages = versions.values().flat_map(|version| &version.workflow.stages);
        let processes = stages.filter_map(|stage| stage.kind.warm_processes());
        processes.map(|processes| usize::try_from(processes).unwrap_or(usize::MAX).min(slots)).sum()
    }

    /// Registers a workflow file's definition in the database and here. With a deployer it becomes the current version, if it
    /// never was that: an old file turns nothing back.
    pub(crate) async fn register(
        &self,
        store: &Store,
        workflow: Workflow,
        deployer: Option<Actor<'_>>,
    ) -> Result<Arc<Version>, StoreError> {
        let (workflow_id, id) = store
            .register_workflow(workflow.name.as_str(), workflow.digest(), &workflow.to_json(), &Plan::of(&workflow))
            .await?;
        match deployer {
            Some(actor) if store.deploy_if_new(workflow_id, id, actor).await? => {
                let version = hex(&workflow.digest());
                events::decision::deployed(workflow.name.as_str(), &version, actor.name);
            }
            Some(_) => {}
            None => store.renew_stages(workflow_id).await?,
        }
        let mut registered = lock(&self.registered);
        if !registered.iter().any(|known| known.workflow == workflow) {
            let deployer = deployer.map(|actor| (actor.name.to_owned(), actor.face));
            registered.push(Registered { workflow: workflow.clone(), deployer });
        }
        drop(registered);
        Ok(self.keep(self.definitions.keep(id, workflow_id, workflow)))
    }

    /// Registers once more what this process has registered: a database that was set back may have lost it. The same
    /// definitions get the same ids.
    pub(crate) async fn register_again(&self, store: &Store) -> Result<(), StoreError> {
        let registered = lock(&self.registered).clone();
        for Registered { workflow, deployer } in registered {
            let deployer = deployer.as_ref().map(|(name, face)| Actor { name, face: *face });
            self.register(store, workflow, deployer).await?;
        }
        Ok(())
    }

    /// The version of that id, ready for use.
    pub(crate) async fn version(&self, store: &Store, id: VersionId) -> Result<Arc<Version>, StoreError> {
        if let Some(version) = lock(&self.versions).get(&id) {
            return Ok(version.clone());
        }
        Ok(self.keep(self.definitions.get(store, id).await?))
    }

    /// It was met before.
    pub(crate) fn has(&self, id: VersionId) -> bool {
        lock(&self.versions).contains_key(&id)
    }

    fn keep(&self, definition: Arc<Definition>) -> Arc<Version> {
        let (id, version) = (definition.id, Arc::new(Version::new(definition)));
        let stages = (0i16..).zip(&version.workflow.stages);
        // Before the list is locked: programs are looked for.
        let unknown: Vec<i16> = stages.filter(|(_, stage)| !self.can_run(stage)).map(|(stage, _)| stage).collect();
        let mut list = lock(&self.unknown);
        for stage in unknown {
            if !list.contains(&(id, stage)) {
                list.push((id, stage));
            }
        }
        lock(&self.versions).insert(id, version.clone());
        version
    }

    fn can_run(&self, stage: &Stage) -> bool {
        Missing::of(stage, &self.handlers).is_none()
    }

    /// Looks again which programs, tools and places are here, and tells whether one came. What else a stage may lack does not
    /// change while a process lives.
    pub(crate) fn look_again(&self) -> bool {
        let versions: Vec<Arc<Version>> = lock(&self.versions).values().cloned().collect();
        let mut came = false;
        for version in &versions {
            let stages = (0i16..).zip(&version.workflow.stages).filter(|(_, stage)| stage.depends_on_the_machine());
            for (number, stage) in stages {
                let missing = Missing::of(stage, &self.handlers);
                let mut list = lock(&self.unknown);
                let listed = list.iter().position(|other| *other == (version.id, number));
                let (workflow, stage) = (&*version.name, stage.name.as_str());
                match (listed, missing) {
                    (Some(at), None) => {
                        list.swap_remove(at);
                        came = true;
                        tracing::info!(workflow, stage, "what this stage needs is here now");
                    }
                    (None, Some(missing)) => {
                        list.push((version.id, number));
                        tracing::warn!(workflow, stage, "left for a worker that has it: {missing}");
                    }
                    (Some(_), Some(_)) | (None, None) => {}
                }
            }
        }
        came
    }

    /// An attempt of a stage has failed: where its program or something it requires is gone, others are left the rest.
    pub(crate) fn doubt(&self, version: VersionId, number: i16, stage: &Stage) {
        if let Some(missing) = Missing::of_the_machine(stage)
            && !self.is_unknown(version, number)
        {
            self.refuse(version, number);
            let known = lock(&self.versions).get(&version).cloned();
            let stage = known.map(|version| version.stage_name(number));
            tracing::warn!(%version, stage = stage.as_deref(), "left for a worker that has it: {missing}");
        }
    }

    /// A stage that this worker must not claim: it has not what it needs, or its definition cannot be read.
    pub(crate) fn refuse(&self, version: VersionId, stage: i16) {
        let mut list = lock(&self.unknown);
        if !list.contains(&(version, stage)) {
            list.push((version, stage));
        }
    }

    /// The warm program of a stage did not start here: its jobs are left to others until then.
    pub(crate) fn let_rest(&self, version: VersionId, stage: i16, until: Instant) {
        lock(&self.resting).insert((version, stage), until);
    }

    /// Stages whose rest is not over.
    fn resting(&self) -> Vec<(VersionId, i16)> {
        let mut resting = lock(&self.resting);
        if !resting.is_empty() {
            let now = Instant::now();
            resting.retain(|_, until| *until > now);
        }
        resting.keys().copied().collect()
    }

    /// Its definition cannot be used. `true` when that is found out for the first time.
    pub(crate) fn give_up(&self, version: VersionId) -> bool {
        lock(&self.unusable).insert(version)
    }

    pub(crate) fn is_given_up(&self, version: VersionId) -> bool {
        lock(&self.unusable).contains(&version)
    }

    /// Stages to leave for a worker that knows them, or has what they need.
    pub(crate) fn unknown(&self) -> Vec<(VersionId, i16)> {
        let mut left = lock(&self.unknown).clone();
        left.extend(self.resting());
        if let Some(resources) = self.lacking() {
            for version in lock(&self.versions).values() {
                left.extend(version.kept_from(resources).map(|(stage, _)| (version.id, stage)));
            }
        }
        left
    }

    /// What this worker lacks, at this moment, for stages that it has everything for that their files name.
    pub(crate) fn shortages(&self) -> Vec<Shortage> {
        let shortage = |version: VersionId, stage, lacks| Shortage { version: version.0, stage, lacks };
        let resting = self.resting().into_iter();
        let mut shortages: Vec<Shortage> = resting.map(|(version, stage)| shortage(version, stage, STARTS)).collect();
        if let Some(resources) = self.lacking() {
            for version in lock(&self.versions).values() {
                let kept = version.kept_from(resources);
                shortages.extend(kept.map(|(stage, lacks)| shortage(version.id, stage, lacks.as_str())));
            }
        }
        shortages.sort_unstable();
        shortages
    }

    /// A stage that this worker can run, and for which its machine lacks something at this moment.
    pub(crate) fn is_kept_from(&self, version: &Version, stage: i16) -> bool {
        self.lacking().is_some_and(|resources| version.kept_from(resources).any(|(kept, _)| kept == stage))
    }

    /// What happened since this was last asked, in each stage in which something did.
    pub(crate) fn take_counts(&self) -> Vec<Counts> {
        let versions: Vec<Arc<Version>> = lock(&self.versions).values().cloned().collect();
        let mut all: HashMap<(String, String), Counts> = HashMap::new();
        for counts in versions.iter().flat_map(|version| version.meters.stages()).filter_map(StageMeters::take_counts) {
            all.entry((counts.workflow.clone(), counts.stage.clone()))
                .and_modify(|sum| sum.add(&counts))
                .or_insert(counts);
        }
        all.into_values().collect()
    }

    /// How many jobs are done here, and how many were given up.
    pub(crate) fn jobs(&self) -> (u64, u64) {
        let versions = lock(&self.versions);
        let jobs = versions.values().flat_map(|version| version.meters.stages()).map(StageMeters::jobs);
        jobs.fold((0, 0), |(done, given_up), jobs| (done + jobs.0, given_up + jobs.1))
    }

    /// How many stages of each workflow are left to others.
    pub(crate) fn missing(&self) -> Vec<(Arc<str>, usize)> {
        let unknown = self.unknown();
        let mut missing = HashMap::new();
        for version in lock(&self.versions).values() {
            let stages = unknown.iter().filter(|(id, _)| *id == version.id).count();
            *missing.entry(version.name.clone()).or_insert(0) += stages;
        }
        missing.into_iter().collect()
    }

    pub(crate) fn is_unknown(&self, version: VersionId, stage: i16) -> bool {
        lock(&self.unknown).contains(&(version, stage))
            || self.resting().contains(&(version, stage))
            || self.lacking().is_some()
                && lock(&self.versions).get(&version).is_some_and(|version| self.is_kept_from(version, stage))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
