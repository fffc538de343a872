//! `piton metrics`: every metric, from the catalog.

use serde::Serialize;

use super::args::Global;
use super::exit::Exit;
use crate::cli::output::{out, outln};
use crate::meters::catalog::ALL;
use crate::meters::{Kind, Meter, Source};

const INTRODUCTION: &str = "\
# Metrics

Every worker serves `/metrics` (`worker --metrics ADDRESS`, `127.0.0.1:7486` by default). This page is what `piton metrics`
prints. A scrape never asks the database: one worker at a time reads its state, every 15 seconds (`--snapshot-every`).

- *process* metrics are about one worker. Add them up with `sum`; a counter starts at 0 with its process. What a process counted
  after its last scrape is lost when it is killed; the tables are not.
- *database* metrics are the same for all workers, and only one exports them. Use `max`, never `sum` over workers.

`piton_work_left_seconds` and `piton_empty_seconds` know what is live, and estimate three things: how long a job takes (from all
attempts of the latest thousand or so jobs of its stage, or of the other stages of its workflow, or a second), how many items a
stage will have that is not split yet (the average of earlier runs, or one), and everything in a state with more than 20,000 jobs
(from a thousand pages of the table). A worker that has just begun to export the state leaves these two out of its first reading.
Workers count the pace, and add to `piton.throughput` every 10 seconds; a killed one loses the counts of its last seconds.

Beside these there are the usual `process_…` metrics of memory, CPU and open files.
";

#[derive(Serialize)]
struct Row {
    metric: &'static str,
    r#type: &'static str,
    labels: &'static [&'static str],
    from: &'static str,
    meaning: &'static str,
}

impl From<&Meter> for Row {
    fn from(meter: &Meter) -> Row {
        let r#type = match meter.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let from = match meter.source {
            Source::Process => "process",
            Source::Database => "database",
        };
        Row { metric: meter.name, r#type, labels: meter.labels, from, meaning: meter.help }
    }
}

pub(crate) fn metrics(global: &Global) -> anyhow::Result<Exit> {
    if global.json {
        outln!("{}", serde_json::to_string(&ALL.iter().map(Row::from).collect::<Vec<_>>())?);
    } else {
        out!("{}", page());
    }
    Ok(Exit::Done)
}

fn page() -> String {
    let mut page = format!("{INTRODUCTION}\n| metric | type | labels | from | meaning |\n|---|---|---|---|---|\n");
    for Row { metric, r#type, labels, from, meaning } in ALL.iter().map(Row::from) {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        page += &format!("| `{metric}` | {type} | {} | {from} | {meaning} |\n", labels.join(", "));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_on_metrics_is_that_of_the_catalog() {
        let shipped = include_str!("../../docs/metrics.md");
        assert!(
            shipped == page(),
            "docs/metrics.md is out of date; write it anew with: cargo run -- metrics > docs/metrics.md"
        );
    }
}
