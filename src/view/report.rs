//! A run as JSON: the shape of `run --json`, `show --json`, `runs --json` and the admin API, pinned by a test.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use super::snapshot::{Snapshot, StageState};
use crate::model::digest::hex;
use crate::model::id::{NO_ITEM, RunId};
use crate::model::json;
use crate::model::state::{AttemptOutcome, RunState, ShownState};
use crate::store::family::{ChildRow, Family, ParentRow};
use crate::store::overview::AttemptRow;
use crate::store::runs::RunRow;
use crate::store::schedules::ScheduledRun;
use crate::store::why::RunWait;
use crate::store::{Store, StoreError};

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema), schema(as = Run))]
pub(crate) struct RunReport {
    #[cfg_attr(feature = "api", schema(value_type = Uuid))]
    run: RunId,
    workflow: String,
    /// Digest of the version of the workflow that it follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    state: ShownState,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    /// When a scheduled one may begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    starts_at: Option<DateTime<Utc>>,
    /// It went on without optional stages that were given up: so many dead letters are tolerated.
    #[serde(skip_serializing_if = "is_zero")]
    tolerated: i64,
    /// Why it failed; of a blocked one, its oldest dead letter that is pending.
    failure: Option<FailureReport>,
    /// The trace it was started in.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
    /// The run whose stage started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "api", schema(value_type = Option<Uuid>))]
    parent: Option<RunId>,
    /// That stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_by: Option<ParentRow>,
    /// What its stages have started, and what was started below that: 200 at most, at each level the unfinished ones first.
    #[serde(skip_serializing_if = "Option::is_none")]
    children: Option<Vec<ChildRow>>,
    /// The schedule that started it, and for which tick.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<ScheduledRun>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stages: Option<Vec<StageReport>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<Vec<AttemptReport>>,
    /// Outputs of the stages that nothing needs, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "api", schema(value_type = Option<BTreeMap<String, serde_json::Value>>))]
    output: Option<BTreeMap<String, Box<RawValue>>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema), schema(as = RunFailure))]
struct FailureReport {
    stage: String,
    class: String,
    message: String,
    /// How many other dead letters are pending.
    more: i64,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema), schema(as = RunStage))]
struct StageReport {
    stage: String,
    state: StageState,
    items: Option<i64>,
    done: i64,
    /// Those of them that were skipped.
    #[serde(skip_serializing_if = "is_zero")]
    skipped: i64,
    /// Of a fan-out that is content with a part of its items: how many must be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_least: Option<u32>,
    /// Jobs that were given up, and that the run goes on without.
    #[serde(skip_serializing_if = "is_zero")]
    tolerated: i64,
    /// Items that were cancelled because enough were done.
    #[serde(skip_serializing_if = "is_zero")]
    cancelled: i64,
    /// Why it was skipped, or one of its items.
    #[serde(skip_serializing_if = "Option::is_none")]
    skip_reason: Option<String>,
    /// Which round it is in, from 1, where it is done again until it is good enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    round: Option<u32>,
    attempt: i32,
    failures: i64,
    due_at: Option<DateTime<Utc>>,
    /// What it waits for, as `why` says it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waits: Vec<RunWait>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema), schema(as = RunAttempt))]
struct AttemptReport {
    stage: String,
    item: Option<i32>,
    attempt: i32,
    outcome: AttemptOutcome,
    class: Option<String>,
    message: Option<String>,
    worker: String,
    started_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
    retry_at: Option<DateTime<Utc>>,
}

fn is_zero(count: &i64) -> bool {
    *count == 0
}

impl RunReport {
    /// A run by its row alone.
    pub(crate) fn brief(run: &RunRow) -> RunReport {
        let failure = run.failure.as_ref().map(|f| FailureReport {
            stage: f.stage.clone(),
            class: f.class.clone(),
            message: f.message.clone(),
            more: f.more,
        });
        RunReport {
            run: run.id,
            workflow: run.workflow.clone(),
            version: None,
            state: run.shown,
            started_at: run.started_at,
            finished_at: run.finished_at,
            starts_at: run.starts_at,
            tolerated: run.tolerated,
            failure,
            traceparent: run.trace.as_ref().map(|trace| trace.parent().to_owned()),
            tracestate: run.trace.as_ref().and_then(|trace| trace.state()).map(str::to_owned),
            parent: run.parent,
            started_by: None,
            children: None,
            schedule: None,
            stages: None,
            attempts: None,
            output: None,
        }
    }

    /// With the tick it began with, if one.
    pub(crate) fn began_with(self, schedule: Option<ScheduledRun>) -> RunReport {
        RunReport { schedule, ..self }
    }

    /// With the runs above and below it, if there are some.
    pub(crate) fn among(self, family: Family) -> RunReport {
        let children = (!family.children.is_empty()).then_some(family.children);
        RunReport { started_by: family.parent, children, ..self }
    }

    /// Everything about a run.
    pub(crate) fn full(
        snapshot: &Snapshot,
        attempts: &[AttemptRow],
        output: Vec<(String, Box<RawValue>)>,
    ) -> RunReport {
        let mut report = RunReport::brief(&snapshot.run);
        report.version = Some(hex(&snapshot.definition.workflow.digest()));
        let stages = snapshot.stages.iter().map(|stage| StageReport {
            stage: stage.name.clone(),
            state: stage.state,
            items: stage.row.as_ref().and_then(|r| r.items),
            done: stage.row.as_ref().map_or(0, |r| r.done),
            skipped: stage.row.as_ref().map_or(0, |r| r.skipped),
            at_least: stage.needed(),
            tolerated: stage.row.as_ref().map_or(0, |r| r.tolerated),
            cancelled: stage.row.as_ref().map_or(0, |r| r.cancelled),
            skip_reason: stage.row.as_ref().and_then(|r| r.skip_reason.clone()),
            round: stage.round.map(|round| round.number),
            attempt: stage.row.as_ref().map_or(0, |r| r.attempt),
            failures: stage.row.as_ref().map_or(0, |r| r.failures),
            due_at: stage.row.as_ref().and_then(|r| r.due_at),
            waits: stage.waits.clone(),
        });
        report.stages = Some(stages.collect());
        let attempts = attempts.iter().map(|a| AttemptReport {
            stage: a.stage.clone(),
            item: (a.item != NO_ITEM).then_some(a.item),
            attempt: a.attempt,
            outcome: a.outcome,
            class: a.class.clone(),
            message: a.message.clone(),
            worker: a.worker.clone(),
            started_at: a.started_at,
            ended_at: a.ended_at,
            retry_at: a.retry_at,
        });
        report.attempts = Some(attempts.collect());
        report.output = (snapshot.run.state == RunState::Done).then(|| output.into_iter().collect());
        report
    }
}

/// Outputs of the stages that nothing needs; a fanned-out one is left out, for it has one output per item.
pub(crate) async fn outputs(store: &Store, snapshot: &Snapshot) -> Result<Vec<(String, Box<RawValue>)>, StoreError> {
    let stages = &snapshot.definition.workflow.stages;
    let mut outputs = Vec::new();
    for (number, stage) in (0i16..).zip(stages) {
        let needed = stages.iter().any(|s| s.needs.iter().any(|n| i32::from(n.0) == i32::from(number)));
        if needed || stage.for_each.is_some() {
            continue;
        }
        if let Some(text) = store.output(snapshot.run.key, number).await? {
            let value = RawValue::from_string(json::compact(&text))
                .map_err(|e| StoreError::Damaged(format!("an output that is not JSON: {e}")))?;
            outputs.push((stage.name.to_string(), value));
        }
    }
    Ok(outputs)
}

/// JSON text of what the last stages made: the output of one, or an object of several.
pub(crate) fn output(outputs: &[(String, Box<RawValue>)]) -> String {
    match outputs {
        [] => "null".to_owned(),
        [(_, only)] => only.get().to_owned(),
        several => {
            let members: Vec<String> =
                several.iter().map(|(stage, output)| format!("{}:{}", json::string(stage), output.get())).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}
