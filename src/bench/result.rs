//! The figures: the shape of `bench --json` and of the files it writes, pinned by a test. Pure.

use serde::{Deserialize, Serialize};

use super::case::{Case, PROGRAM, Shape};
use super::machine::Machine;
use super::numbers::{counted, grouped, rounded};
use super::proof::Proof;
use super::spread::Spread;

/// Hops of a longer chain are in the file alone.
const HOPS_SAID: usize = 9;

/// Everything one call of `bench` measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Version of Piton.
    pub(crate) piton: String,
    pub(crate) machine: Machine,
    pub(crate) results: Vec<Measured>,
}

/// One measure. What cannot be known on this machine, or does not apply, is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) shape: Shape,
    pub(crate) runs: u64,
    pub(crate) stages: u16,
    pub(crate) items: u32,
    pub(crate) payload_bytes: usize,
    pub(crate) workers: u32,
    pub(crate) slots: u32,
    pub(crate) backlog: u64,
    pub(crate) hold_snapshot: bool,
    pub(crate) offered_per_s: Option<f64>,
    /// Clients that start the runs, a transaction each.
    pub(crate) clients: Option<u32>,
    /// Whether their starts notify workers.
    pub(crate) notify: Option<bool>,
    /// From the first claim to the last commit; of starts, from the first one to the last answer.
    pub(crate) elapsed_s: f64,
    /// Checkpoints, items and splits among them.
    pub(crate) stages_per_s: Option<f64>,
    pub(crate) first_tenth_stages_per_s: Option<f64>,
    pub(crate) last_tenth_stages_per_s: Option<f64>,
    pub(crate) runs_per_s: Option<f64>,
    pub(crate) starts_per_s: f64,
    /// From a client's start_run to its answer: the transaction is committed.
    pub(crate) start_ms: Option<Spread>,
    /// From the commit that a stage waited for, to its handler; for items from the split's record.
    pub(crate) wait_ms: Option<Spread>,
    /// From a client's start_run to the first handler.
    pub(crate) asked_to_first_handler_ms: Option<Spread>,
    /// From the answer of start_run to the first handler.
    pub(crate) first_handler_ms: Option<Spread>,
    /// From the beginning of each stage's handler to that of the next one's; the first is from stage 1 to stage 2.
    pub(crate) hops_ms: Option<Vec<Spread>>,
    /// From a client's start_run to the last handler.
    pub(crate) asked_to_last_handler_ms: Option<Spread>,
    /// From the answer of start_run to the last handler.
    pub(crate) last_handler_ms: Option<Spread>,
    /// From the answer of start_run until another connection saw the run done; it looks every 2 ms.
    pub(crate) result_durable_ms: Option<Spread>,
    pub(crate) worker_cpu_us_per_stage: Option<f64>,
    pub(crate) postgres_cpu_us_per_stage: Option<f64>,
    /// What of the server's CPU the bench's own looks for ended runs have used.
    pub(crate) observer_cpu_us_per_stage: Option<f64>,
    pub(crate) wal_bytes_per_stage: Option<f64>,
    /// Of the whole server, also for what workers did meanwhile.
    pub(crate) postgres_cpu_us_per_start: Option<f64>,
    pub(crate) wal_bytes_per_start: Option<f64>,
    /// The same programs started by `xargs -P` with as many side by side, right afterwards.
    pub(crate) xargs: Option<Xargs>,
    pub(crate) worker_peak_memory_bytes: Option<u64>,
    pub(crate) proof: Proof,
}

/// What `xargs -P` made of the same programs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Xargs {
    pub(crate) programs_per_s: f64,
    pub(crate) cpu_us_per_program: Option<f64>,
}

/// A figure as it is compared and said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
}

impl Measured {
    /// The figures in the order they are said.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        let mut add = |name: &str, value: Option<f64>| {
            figures.extend(value.map(|value| Figure { name: name.to_owned(), value }));
        };
        add("stages/s", self.stages_per_s);
        add("stages/s, first tenth", self.first_tenth_stages_per_s);
        add("stages/s, last tenth", self.last_tenth_stages_per_s);
        add("runs/s", self.runs_per_s);
        add("starts/s", Some(self.starts_per_s));
        for (name, spread) in self.times() {
            add(&format!("{name} p50, ms"), Some(spread.p50));
            add(&format!("{name} p95, ms"), Some(spread.p95));
            add(&format!("{name} p99, ms"), Some(spread.p99));
            add(&format!("{name} max, ms"), Some(spread.max));
        }
        add("worker CPU per stage, us", self.worker_cpu_us_per_stage);
        add("Postgres CPU per stage, us", self.postgres_cpu_us_per_stage);
        add("of it for the bench's looks, us", self.observer_cpu_us_per_stage);
        add("WAL per stage, bytes", self.wal_bytes_per_stage);
        add("Postgres CPU per start, us", self.postgres_cpu_us_per_start);
        add("WAL per start, bytes", self.wal_bytes_per_start);
        add("xargs, programs/s", self.xargs.map(|xargs| xargs.programs_per_s));
        add("xargs, CPU per program, us", self.xargs.and_then(|xargs| xargs.cpu_us_per_program));
        let mebibytes = |bytes: u64| rounded(bytes as f64 / f64::from(1 << 20), 1);
        add("largest worker's memory, MiB", self.worker_peak_memory_bytes.map(mebibytes));
        figures
    }

    /// In the order in which a run meets them.
    fn times(&self) -> Vec<(String, Spread)> {
        let hops = self.hops_ms.iter().flatten().take(HOPS_SAID).enumerate();
        let hops = hops.map(|(at, hop)| (format!("stage {} to stage {}", at + 1, at + 2), Some(*hop)));
        let named = |name: &str, spread: Option<Spread>| (name.to_owned(), spread);
        let all = [
            named("start", self.start_ms),
            named("wait", self.wait_ms),
            named("asked to first handler", self.asked_to_first_handler_ms),
            named("first handler", self.first_handler_ms),
        ];
        let all = all.into_iter().chain(hops);
        let all = all.chain([
            named("asked to last handler", self.asked_to_last_handler_ms),
            named("last handler", self.last_handler_ms),
            named("result", self.result_durable_ms),
        ]);
        all.filter_map(|(name, spread)| Some((name, spread?))).collect()
    }

    /// What was measured, in words.
    pub(crate) fn title(&self) -> String {
        let runs = counted(self.runs, "run");
        let mut title = match self.shape {
            Shape::Sequential => format!("sequential: {runs} of {}", counted(self.stages.into(), "stage")),
            Shape::FanOut => format!("fan-out: {runs} of {}", counted(self.items.into(), "item")),
            Shape::OneStage => format!("one-stage: {runs}"),
            Shape::Starts => format!("starts: {runs}"),
            Shape::Commands => format!("commands: {runs} of {PROGRAM}"),
        };
        if let Some(clients) = self.clients {
            title.push_str(&format!(", started by {}", counted(clients.into(), "client")));
        }
        if self.notify == Some(false) {
            title.push_str(" without NOTIFY");
        }
        if let Some(rate) = self.offered_per_s {
            title.push_str(&format!(", offered at {} per second", grouped(rate, 2)));
        }
        if self.payload_bytes > 0 && self.workers > 0 {
            title.push_str(&format!(", {} each", counted(self.payload_bytes as u64, "byte")));
        }
        let (workers, slots) = (counted(self.workers.into(), "worker"), counted(self.slots.into(), "slot"));
        match self.workers {
            0 => title.push_str(", no worker"),
            _ => title.push_str(&format!(", {workers} with {slots}")),
        }
        if self.backlog > 0 {
            title.push_str(&format!(", {} waiting behind", counted(self.backlog, "run")));
        }
        if self.hold_snapshot {
            title.push_str(", an old snapshot held");
        }
        title
    }

    /// What is counted is alike, so that their figures can be compared; the title tells what else differs.
    pub(crate) fn matches(&self, other: &Measured) -> bool {
        // Programs side by side are what a measure of commands is about; slots for stages that do nothing are a setting.
        let side_by_side = |m: &Measured| if m.shape == Shape::Commands { m.slots } else { 0 };
        let key = |m: &Measured| {
            (m.shape, m.stages, m.items, m.payload_bytes, m.workers, side_by_side(m), m.clients, m.notify)
        };
        key(self) == key(other) && self.offered_per_s == other.offered_per_s
    }

    /// What is known before anything was measured.
    pub(crate) fn of(case: &Case, proof: Proof) -> Measured {
        Measured {
            shape: case.shape,
            runs: case.runs,
            stages: case.stages,
            items: case.items,
            payload_bytes: case.payload_bytes,
            workers: case.workers,
            slots: case.slots,
            backlog: case.backlog,
            hold_snapshot: case.hold_snapshot,
            offered_per_s: case.offered.map(|offered| offered.per_s),
            clients: case.starts.map(|starts| starts.clients),
            notify: case.starts.map(|starts| starts.notify),
            elapsed_s: 0.0,
            stages_per_s: None,
            first_tenth_stages_per_s: None,
            last_tenth_stages_per_s: None,
            runs_per_s: None,
            starts_per_s: 0.0,
            start_ms: None,
            wait_ms: None,
            asked_to_first_handler_ms: None,
            first_handler_ms: None,
            hops_ms: None,
            asked_to_last_handler_ms: None,
            last_handler_ms: None,
            result_durable_ms: None,
            worker_cpu_us_per_stage: None,
            postgres_cpu_us_per_stage: None,
            observer_cpu_us_per_stage: None,
            wal_bytes_per_stage: None,
            postgres_cpu_us_per_start: None,
            wal_bytes_per_start: None,
            xargs: None,
            worker_peak_memory_bytes: None,
            proof,
        }
    }
}
