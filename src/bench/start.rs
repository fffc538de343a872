//! Starts the runs to be measured.

use std::time::Instant;

use super::case::{self, Case};
use super::{BenchError, Teller};
use crate::model::actor::{Actor, Face};
use crate::model::id::VersionId;
use crate::model::payload::{Payload, PayloadLimits};
use crate::store::Store;
use crate::workflow::definition::Workflow;
use crate::workflow::limits::Limits;
use crate::workflow::plan::Plan;

/// Runs that one statement starts.
const START_AT_ONCE: u64 = 10_000;

/// What the runs are started with.
pub(super) struct Start {
    pub(super) workflow: String,
    pub(super) version: VersionId,
    pub(super) input: Payload,
}

pub(super) async fn register(case: &Case, store: &Store) -> Result<Start, BenchError> {
    let text = case::workflow(case.shape, case.stages);
    let workflow = Workflow::parse("bench.toml", text.as_bytes(), &Limits::default())
        .map_err(|mistakes| BenchError::Workflow(mistakes.render(false)))?;
    let (name, plan) = (workflow.name.as_str(), Plan::of(&workflow));
    let (id, version) = store.register_workflow(name, workflow.digest(), &workflow.to_json(), &plan).await?;
    store.deploy_if_new(id, version, Actor { name: "bench", face: Face::Cli }).await?;
    let input = Payload::parse(&case.input(), PayloadLimits::default().payload_bytes)
        .map_err(|error| BenchError::Workflow(error.to_string()))?;
    Ok(Start { workflow: workflow.name.to_string(), version, input })
}

/// Starts per second.
pub(super) async fn start_ahead(
    runs: u64,
    start: &Start,
    store: &Store,
    teller: &dyn Teller,
) -> Result<f64, BenchError> {
    if runs == 0 {
        return Ok(0.0);
    }
    teller.begin("starts", runs);
    let (begin, mut started) = (Instant::now(), 0);
    while started < runs {
        let count = START_AT_ONCE.min(runs - started);
        started += store.start_runs(count, &start.workflow, &start.input).await?;
        teller.at(started);
    }
    teller.end();
    Ok(runs as f64 / begin.elapsed().as_secs_f64())
}
