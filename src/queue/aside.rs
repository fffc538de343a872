//! Jobs that this worker may not start and that are in its way: they are set aside, where no claim and no look walks over them.

use tokio::sync::Notify;

use crate::model::id::{VersionId, WorkerId, WorkflowId};
use crate::store::queues::Queues;
use crate::store::{Store, StoreError};

/// Whether many of them stand at the head of a queue, as the last look saw it.
#[derive(Debug, Default)]
pub(crate) struct Crowd(Notify);

impl Crowd {
    /// Some are to be set aside; it is known until somebody does.
    pub(super) fn seen(&self) {
        self.0.notify_one();
    }

    /// Until that is so.
    pub(super) async fn gathers(&self) {
        self.0.notified().await;
    }
}

/// Stages that the others were told this worker leaves to them.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// The boot that told it: another one may have another database before it, that was set back.
    by: Option<WorkerId>,
    stages: Vec<(VersionId, i16)>,
}

impl Left {
    /// Makes sure that jobs of stages that this worker lacks something for can be set aside.
    pub(super) async fn tell(
        &mut self,
        store: &Store,
        boot: WorkerId,
        unknown: &[(VersionId, i16)],
    ) -> Result<(), StoreError> {
        if self.by != Some(boot) || self.stages != unknown {
            if !unknown.is_empty() {
                store.leave_stages(unknown).await?;
            }
            *self = Left { by: Some(boot), stages: unknown.to_vec() };
        }
        Ok(())
    }
}

/// Sets aside what stands at the heads of those queues, and says so where there may be more.
pub(super) async fn set_aside(
    store: &Store,
    workflows: &[WorkflowId],
    unknown: &[(VersionId, i16)],
    crowd: &Crowd,
) -> Result<(), StoreError> {
    let set_aside = store.set_aside(Queues { workflows, unknown }).await?;
    if set_aside.may_be_more {
        crowd.seen();
    }
    Ok(())
}
