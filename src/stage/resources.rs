//! What stages need from this worker's machine, and whether it is there. If something is lacking, this worker leaves the stages
//! that need it to others, and checks again and again.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::command;
use super::file_cache::{self, FileCache};
use crate::artifacts::Artifacts;
use crate::events;
use crate::model::resource::{Resource, out_of_descriptors};
use crate::system::descriptors;
use crate::workflow::definition::StageKind;

/// Between two looks at what may break by itself.
const EVERY: Duration = Duration::from_secs(15);
/// Between two looks at what is lacking; from one to the next twice as long.
const FIRST_AGAIN: Duration = Duration::from_secs(1);
const LAST_AGAIN: Duration = Duration::from_secs(15);
/// Longest wait for the artifact store to show that it works.
const PATIENCE: Duration = Duration::from_secs(10);
/// That the store does not work is believed that long.
const FRESH: Duration = Duration::from_secs(1);
/// Descriptors are lacking for that long after an attempt found none.
const RECOVERS: Duration = Duration::from_secs(1);

/// Whether attempts of a stage use the artifact store, as far as was seen here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreUse {
    Unknown,
    /// One was done without it.
    None,
    Some,
}

/// The resources of one worker.
#[derive(Debug)]
pub(crate) struct Resources {
    store: Option<Artifacts>,
    /// Somebody has named the store, and did so for a reason.
    is_named: bool,
    /// What was fetched of it.
    files: FileCache,
    worker: String,
    lacking: Mutex<BTreeMap<Resource, Lack>>,
    /// Nothing is lacking: asked with every claim.
    all_there: AtomicBool,
    look: Notify,
    /// When the store was last tried out, and whether it worked.
    tried: tokio::sync::Mutex<Option<(Instant, Result<(), String>)>>,
}

#[derive(Debug, Clone)]
struct Lack {
    why: String,
    found: Instant,
    /// How often it was looked for since.
    looks: u32,
}

impl Resources {
    pub(crate) fn new(store: Option<Artifacts>, is_named: bool, worker: &str) -> Resources {
        Resources {
            store,
            is_named,
            files: FileCache::of(file_cache::DEFAULT_BYTES),
            worker: worker.to_owned(),
            lacking: Mutex::default(),
            all_there: AtomicBool::new(true),
            look: Notify::new(),
            tried: tokio::sync::Mutex::default(),
        }
    }

    /// The artifact store, where there is one.
    pub(crate) fn store(&self) -> Option<&Artifacts> {
        self.store.as_ref()
    }

    /// The same with room for that many bytes of files that were fetched.
    pub(crate) fn with_file_cache(self, bytes: u64) -> Resources {
        Resources { files: FileCache::of(bytes), ..self }
    }

    /// Files of the store that are at hand.
    pub(crate) fn files(&self) -> &FileCache {
        &self.files
    }

    pub(crate) fn are_all_there(&self) -> bool {
        self.all_there.load(Ordering::Relaxed)
    }

    pub(crate) fn lacks(&self, resource: Resource) -> bool {
        !self.are_all_there() && self.lacking().contains_key(&resource)
    }

    /// Why it is lacking, where it is.
    pub(crate) fn why_lacking(&self, resource: Resource) -> Option<String> {
        self.lacking().get(&resource).map(|lack| lack.why.clone())
    }

    fn lacking(&self) -> MutexGuard<'_, BTreeMap<Resource, Lack>> {
        self.lacking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a stage needs and is not here. Whether programs and handlers use the store is seen when they run; before that they
    /// count as using one that was named. Whatever an attempt went back for, its stage needs: no release is claimed again at once.
    pub(crate) fn keeps_from(
        &self,
        kind: &StageKind,
        store: StoreUse,
        went_back_for: impl Fn(Resource) -> bool,
    ) -> Option<Resource> {
        let may_use_store = match store {
            StoreUse::Unknown => self.is_named,
            StoreUse::None => false,
            StoreUse::Some => true,
        };
        let (store, folder, processes) = match kind {
            StageKind::Command(_) => (may_use_store, true, true),
            StageKind::Rust { .. } => (may_use_store, false, false),
            StageKind::Http(http) => (http.uses_store(), http.sends_stored_files(), false),
            StageKind::Sql(_) | StageKind::Sleep(_) | StageKind::Signal(_) | StageKind::Run(_) => (false, false, false),
        };
        let needs =
            [(Resource::ArtifactStore, store), (Resource::TemporaryFolder, folder), (Resource::Processes, processes)];
        let is_kept_by =
            |&(resource, needs): &(Resource, bool)| (needs || went_back_for(resource)) && self.lacks(resource);
        needs.into_iter().find(is_kept_by).map(|(resource, _)| resource)
    }

    /// Until nothing is lacking that every attempt needs. Whoever is lacking descriptors has some again in a moment, when
    /// attempts end.
    pub(crate) async fn at_hand(&self) {
        while self.keep_everything_back() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether it lacks what every attempt needs.
    pub(crate) fn keep_everything_back(&self) -> bool {
        self.lacks(Resource::Descriptors) || self.lacks(Resource::SystemDescriptors)
    }

    /// An attempt, or a check, found it lacking.
    pub(crate) fn found_lacking(&self, resource: Resource, why: &str) {
        let is_new = {
            let mut lacking = self.lacking();
            self.all_there.store(false, Ordering::Relaxed);
            let (found, looks) = (Instant::now(), lacking.get(&resource).map_or(0, |known| known.looks));
            lacking.insert(resource, Lack { why: why.to_owned(), found, looks }).is_none()
        };
        if is_new {
            events::worker::lacks(&self.worker, resource.as_str(), why, resource.cure());
            self.look.notify_one();
        }
    }

    fn is_back(&self, resource: Resource) {
        let mut lacking = self.lacking();
        if lacking.remove(&resource).is_some() {
            events::worker::has_again(&self.worker, resource.as_str());
        }
        self.all_there.store(lacking.is_empty(), Ordering::Relaxed);
    }

    /// Tries out what every worker needs, before its first claim.
    pub(crate) async fn check(&self) {
        tokio::join!(self.check_folder(), self.check_store());
    }

    /// Looks now and then, and more often where something is lacking, until told to stop.
    pub(crate) async fn watch(&self, stop: CancellationToken) {
        let watching = async {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(self.next_look()) => {}
                    () = self.look.notified() => continue,
                }
                self.check_folder().await;
                if self.lacks(Resource::ArtifactStore) {
                    self.check_store().await;
                }
                if self.lacks(Resource::Processes) && command::try_out_process().await.is_ok() {
                    self.is_back(Resource::Processes);
                }
                self.check_descriptors();
                self.lacking().values_mut().for_each(|lack| lack.looks = lack.looks.saturating_add(1));
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = watching => {}
        }
    }

    fn next_look(&self) -> Duration {
        let looks = self.lacking().values().map(|lack| lack.looks).min();
        looks.map_or(EVERY, |looks| FIRST_AGAIN.saturating_mul(1 << looks.min(6)).min(LAST_AGAIN))
    }

    async fn check_folder(&self) {
        let tried = tokio::task::spawn_blocking(command::try_out_folder).await;
        match tried.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => self.is_back(Resource::TemporaryFolder),
            // Of the folder it says nothing.
            Err(error) if out_of_descriptors(&error).is_some() => {}
            Err(error) => {
                let folder = std::env::temp_dir();
                self.found_lacking(Resource::TemporaryFolder, &format!("{}: {error}", folder.display()));
            }
        }
    }

    fn check_descriptors(&self) {
        for resource in [Resource::Descriptors, Resource::SystemDescriptors] {
            let found = self.lacking().get(&resource).map(|lack| lack.found);
            if found.is_some_and(|found| found.elapsed() >= RECOVERS) && !descriptors::are_used_up() {
                self.is_back(resource);
            }
        }
    }

    /// Whether the store works, as somebody has just doubted.
    pub(crate) async fn check_store(&self) -> bool {
        let Some(store) = &self.store else { return true };
        let doubted = Instant::now();
        let mut tried = self.tried.lock().await;
        // One that began later answers all who were waiting; that it worked before a doubt says nothing.
        let answers =
            |(at, works): &(Instant, Result<(), String>)| *at >= doubted || works.is_err() && at.elapsed() < FRESH;
        let known = tried.take().filter(answers);
        let (at, works) = match known {
            Some(known) => known,
            None => {
                // Not the file that the checks of health write.
                let (began, file) = (Instant::now(), format!("{}-{}", self.worker, std::process::id()));
                let works = match tokio::time::timeout(PATIENCE, store.probe(&file)).await {
                    // Of the store it says nothing.
                    Ok(Err(error)) if error.lacking_descriptors().is_some() => {
                        return !self.lacks(Resource::ArtifactStore);
                    }
                    Ok(probed) => probed.map_err(|error| error.to_string()),
                    Err(_) => Err(format!("no answer within {} seconds", PATIENCE.as_secs())),
                };
                (began, works)
            }
        };
        match &works {
            Ok(()) => self.is_back(Resource::ArtifactStore),
            Err(why) => self.found_lacking(Resource::ArtifactStore, &format!("{store}: {why}")),
        }
        let is_there = works.is_ok();
        *tried = Some((at, works));
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rust() -> StageKind {
        StageKind::Rust { handler: "draw".to_owned() }
    }

    #[test]
    fn a_store_that_is_away_keeps_a_worker_from_what_needs_it_and_nothing_else() {
        for (is_named, store, keeps) in [
            (true, StoreUse::Unknown, true),
            (true, StoreUse::None, false),
            (true, StoreUse::Some, true),
            (false, StoreUse::Unknown, false),
            (false, StoreUse::Some, true),
        ] {
            let resources = Resources::new(None, is_named, "w1");
            let keeps_from = || resources.keeps_from(&rust(), store, |_| false);
            assert_eq!(keeps_from(), None);
            resources.found_lacking(Resource::ArtifactStore, "it is full");
            assert_eq!(keeps_from().is_some(), keeps, "named {is_named}, {store:?}");
            resources.is_back(Resource::ArtifactStore);
            assert!(resources.are_all_there() && keeps_from().is_none());
        }
    }

    #[test]
    fn what_an_attempt_went_back_for_keeps_its_stage_back_whatever_its_kind() {
        let resources = Resources::new(None, false, "w1");
        resources.found_lacking(Resource::TemporaryFolder, "it is gone");
        assert_eq!(resources.keeps_from(&rust(), StoreUse::None, |_| false), None);
        let kept = resources.keeps_from(&rust(), StoreUse::None, |resource| resource == Resource::TemporaryFolder);
        assert_eq!(kept, Some(Resource::TemporaryFolder));
        resources.is_back(Resource::TemporaryFolder);
        assert_eq!(resources.keeps_from(&rust(), StoreUse::None, |_| true), None);
    }

    #[tokio::test]
    async fn a_store_is_lacking_until_it_works_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("artifacts");
        std::fs::write(&folder, "no folder").unwrap();
        let resources = Resources::new(Some(Artifacts::in_folder(folder.clone())), true, "w1");
        assert!(!resources.check_store().await);
        assert!(resources.lacks(Resource::ArtifactStore) && !resources.are_all_there());
        std::fs::remove_file(&folder).unwrap();
        *resources.tried.lock().await = None;
        assert!(resources.check_store().await && resources.are_all_there());
        // That it worked a moment ago is no answer to whoever doubts it now.
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::write(&folder, "no folder").unwrap();
        assert!(!resources.check_store().await);
    }
}
