//! Starts runs by schedules: computes which ticks of those that are due count, and has them decided in the database.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::events;
use crate::model::id::WorkflowId;
use crate::store::schedules::DueSchedule;
use crate::store::{Store, StoreError};
use crate::workflow::schedule::Schedule;
use crate::workflow::schedule::outlook::{Outlook, Place, Tick};

/// Schedules of one statement: what a kill undoes, and is done again.
const AT_ONCE: i64 = 200;
/// Between two statements that had little to do.
const PAUSE: Duration = Duration::from_millis(50);
/// Ticks count as decided for longer than that from now only where the clock went back.
const AHEAD: TimeDelta = TimeDelta::minutes(1);

pub(super) struct Scheduler {
    pub(super) store: Store,
    pub(super) workflows: Vec<WorkflowId>,
    /// A look has seen one that is due.
    pub(super) due: Arc<Notify>,
}

impl Scheduler {
    /// Until told to stop. What was not decided then, the next look of any worker finds.
    pub(super) async fn run(self, stop: CancellationToken) {
        let firing = async {
            loop {
                self.due.notified().await;
                loop {
                    match self.fire().await {
                        Ok(true) => {}
                        Ok(false) => break,
                        // The look, which comes again, tells of a database that is away.
                        Err(error) => {
                            tracing::debug!("schedules wait for the next look: {error}");
                            break;
                        }
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = firing => {}
        }
    }

    /// Whether there is more to do at once: not where others are at it.
    async fn fire(&self) -> Result<bool, StoreError> {
        let found = self.store.due_schedules(&self.workflows, AT_ONCE).await?;
        if found.is_empty() {
            return Ok(false);
        }
        let decisions: Vec<Decision> = found.iter().map(decided).collect();
        // Texts and numbers cannot fail to become JSON.
        let fired = self.store.fire_schedules(&serde_json::to_string(&decisions).unwrap_or_default()).await?;
        fired.iter().for_each(events::schedule::fired);
        Ok(found.len() as i64 == AT_ONCE)
    }
}

/// What `piton.fire_schedule` takes.
#[derive(Serialize)]
struct Decision<'s> {
    workflow_id: i64,
    name: &'s str,
    revision: i64,
    was_settled: DateTime<Utc>,
    settled: DateTime<Utc>,
    next: Option<DateTime<Utc>>,
    look_at: DateTime<Utc>,
    ticks: Vec<Tick>,
    overlap: &'static str,
    pause_after_failures: Option<u32>,
    input: Option<Box<RawValue>>,
    /// Why its definition cannot be read.
    broken: Option<String>,
}

fn decided(due: &DueSchedule) -> Decision<'_> {
    let decision = |outlook: Outlook, schedule: Option<Schedule>, broken| Decision {
        workflow_id: due.workflow_id,
        name: &due.name,
        revision: due.revision,
        was_settled: due.settled_until,
        settled: outlook.settled,
        next: outlook.next,
        look_at: outlook.look_at,
        ticks: outlook.ticks,
        overlap: schedule.as_ref().map_or("skip", |schedule| schedule.overlap.as_str()),
        pause_after_failures: schedule.as_ref().and_then(|schedule| schedule.pause_after_failures),
        input: schedule.and_then(|schedule| RawValue::from_string(schedule.input).ok()),
        broken,
    };
    match serde_json::from_str::<Schedule>(&due.definition) {
        Ok(schedule) => {
            let ahead = due.settled_until > due.now + AHEAD;
            let settled = if ahead { due.now } else { due.settled_until };
            let name = format!("{}/{}", due.workflow, due.name);
            let place = Place { name: &name, anchor: due.anchor_at.min(due.now), settled };
            decision(schedule.outlook(place, due.now), Some(schedule), None)
        }
        Err(error) => {
            let nothing = Outlook { ticks: Vec::new(), settled: due.settled_until, next: None, look_at: due.now };
            decision(nothing, None, Some(format!("its definition cannot be read: {error}")))
        }
    }
}
