//! What the versions of workflows say, read from the database once: for those who show runs, and for those who work on them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::id::{VersionId, WorkflowId};
use crate::store::{Store, StoreError};
use crate::workflow::definition::{Stage, Workflow};

/// A version's definition.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) id: VersionId,
    pub(crate) workflow_id: WorkflowId,
    pub(crate) name: Arc<str>,
    pub(crate) workflow: Workflow,
    pub(crate) stage_names: Vec<Arc<str>>,
}

impl Definition {
    fn new(id: VersionId, workflow_id: WorkflowId, workflow: Workflow) -> Definition {
        let name = workflow.name.as_str().into();
        let stage_names = workflow.stages.iter().map(|s| s.name.as_str().into()).collect();
        Definition { id, workflow_id, name, workflow, stage_names }
    }

    pub(crate) fn stage(&self, stage: i16) -> Option<&Stage> {
        self.workflow.stages.get(usize::try_from(stage).ok()?)
    }

    /// The stage goes over items: its first job splits it.
    pub(crate) fn splits(&self, stage: i16) -> bool {
        self.stage(stage).is_some_and(|stage| stage.for_each.is_some())
    }

    /// Its name, for people; a number where the definition has no such stage.
    pub(crate) fn stage_name(&self, stage: i16) -> Arc<str> {
        let known = usize::try_from(stage).ok().and_then(|number| self.stage_names.get(number));
        known.cloned().unwrap_or_else(|| format!("#{stage}").into())
    }
}

/// Definitions by version. A version's never changes, so each is read once.
#[derive(Debug, Default)]
pub(crate) struct Definitions(Mutex<HashMap<VersionId, Arc<Definition>>>);

impl Definitions {
    /// That of this version, read from the database the first time.
    pub(crate) async fn get(&self, store: &Store, id: VersionId) -> Result<Arc<Definition>, StoreError> {
        if let Some(definition) = self.known().get(&id) {
            return Ok(definition.clone());
        }
        let (workflow_id, workflow) = store.workflow_version(id).await?;
        Ok(self.keep(id, workflow_id, workflow))
    }

    /// It was read elsewhere, as from a file that was registered.
    pub(crate) fn keep(&self, id: VersionId, workflow_id: WorkflowId, workflow: Workflow) -> Arc<Definition> {
        let definition = Arc::new(Definition::new(id, workflow_id, workflow));
        self.known().insert(id, definition.clone());
        definition
    }

    fn known(&self) -> MutexGuard<'_, HashMap<VersionId, Arc<Definition>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
