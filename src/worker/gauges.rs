//! Gauges of a worker's parts, read at each scrape.

use std::sync::Arc;

use super::shared::Shared;
use crate::meters::catalog::{CONNECTIONS, CONNECTIONS_MAX, FILE_CACHE_BYTES, SLOTS, STAGES_MISSING, WARM_PROCESSES};
use crate::stage::command::warm::Pools;
use crate::telemetry::exporter::Exporter;

/// From now on every scrape asks the parts.
pub(super) fn show(exporter: &Exporter, shared: &Shared, warm: &Arc<Pools>) {
    let warm = warm.clone();
    let (slots, store, catalog) = (shared.slots.clone(), shared.store.clone(), shared.catalog.clone());
    let for_stages = shared.starter.for_stages.clone();
    let resources = shared.starter.resources.clone();
    exporter.before_scrapes(move || {
        let usage = slots.usage();
        let states = [("busy", usage.busy), ("lent", usage.lent), ("free", usage.free)];
        states.iter().for_each(|(state, slots)| SLOTS.gauge(&[state]).set(*slots as f64));
        let connections = store.connections().and(for_stages.connections());
        CONNECTIONS.gauge(&["idle"]).set(connections.idle as f64);
        CONNECTIONS.gauge(&["in_use"]).set(connections.in_use as f64);
        CONNECTIONS_MAX.gauge(&[]).set(connections.max as f64);
        FILE_CACHE_BYTES.gauge(&[]).set(resources.files().bytes() as f64);
        for count in warm.counts() {
            let labels = [&*count.workflow, &*count.stage, count.state.as_str()];
            WARM_PROCESSES.gauge(&labels).set(count.processes as f64);
        }
        for (workflow, stages) in catalog.missing() {
            STAGES_MISSING.gauge(&[&workflow]).set(stages as f64);
        }
    });
}
