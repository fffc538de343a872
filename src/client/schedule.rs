//! A schedule, as a program decides about it.

use super::actor::{actor, name};
use super::error::ScheduleError;
use super::piton::Piton;
use super::run::Run;
use crate::model::id::RunId;
use crate::store::schedules::Named;

/// A handle on one schedule of a workflow. Dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct Schedule {
    piton: Piton,
    workflow: String,
    schedule: String,
}

impl Piton {
    /// The schedule of that name, in the workflow's file or set in SQL. Does not query the database.
    pub fn schedule(&self, workflow: &str, schedule: &str) -> Schedule {
        Schedule { piton: self.clone(), workflow: workflow.to_owned(), schedule: schedule.to_owned() }
    }
}

impl Schedule {
    /// Pauses it: it starts no run until it is resumed, whatever is deployed. Runs that it has started go on.
    pub async fn pause(&self, reason: &str) -> Result<(), ScheduleError> {
        let by = name();
        Ok(self.piton.shared.store.pause_schedule(self.named(), reason, actor(&by)).await?)
    }

    /// Lets it go on with its next tick; those since it was paused are not made up for.
    pub async fn resume(&self) -> Result<(), ScheduleError> {
        let by = name();
        Ok(self.piton.shared.store.resume_schedule(self.named(), None, actor(&by)).await?)
    }

    /// Starts a run of it now, between its ticks. Asking twice starts two.
    pub async fn trigger(&self) -> Result<Run, ScheduleError> {
        let by = name();
        let run = self.piton.shared.store.trigger_schedule(self.named(), None, actor(&by)).await?;
        Ok(Run::new(self.piton.clone(), RunId(run), true))
    }

    fn named(&self) -> Named<'_> {
        Named { workflow: &self.workflow, schedule: &self.schedule }
    }
}
