//! What is measured: who does which work. Pure.

use clap::ValueEnum;
use serde::Serialize;

/// One measurement; the names are those of `--only`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Case {
    /// The floor, 200 bytes a stage.
    Floor,
    /// Piton, one worker, 200 bytes a stage.
    Piton,
    /// Piton, two workers.
    PitonTwoWorkers,
    /// apalis-workflow, 200 bytes a stage.
    Apalis,
    /// The floor, 1 KiB a stage.
    FloorKib,
    /// Piton, 1 KiB a stage.
    PitonKib,
    /// Piton, one fan-out over 10,000 items.
    PitonFanOut,
    /// Piton, 50,000 runs.
    Piton50k,
    /// The same, with a million runs waiting behind them.
    PitonBacklog,
    /// Piton, 200,000 runs.
    Piton200k,
    /// The same, while another connection holds an old snapshot.
    PitonSnapshot,
    /// Piton, 100 runs offered per second.
    PitonOffered,
}

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    Floor,
    Apalis,
    Piton,
}

/// When a case is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Always,
    Scale,
    Latency,
}

/// Runs per system. Rates are compared, not totals, so that a slower one may have less to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) runs: u32,
    pub(crate) apalis_runs: u32,
}

const STAGES: u32 = 5;
const SLOTS: u32 = 1024;

impl Case {
    /// In the order of a round.
    pub(crate) fn all() -> &'static [Case] {
        Case::value_variants()
    }

    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Case::Floor => "hand-written loop, 200 B",
            Case::Piton => "Piton, 200 B",
            Case::PitonTwoWorkers => "Piton, 200 B, two workers",
            Case::Apalis => "apalis-workflow, 200 B",
            Case::FloorKib => "hand-written loop, 1 KiB",
            Case::PitonKib => "Piton, 1 KiB",
            Case::PitonFanOut => "Piton, fan-out of 10,000 items",
            Case::Piton50k => "Piton, 50,000 runs",
            Case::PitonBacklog => "Piton, 50,000 runs before a million others",
            Case::Piton200k => "Piton, 200,000 runs",
            Case::PitonSnapshot => "Piton, 200,000 runs, an old snapshot held",
            Case::PitonOffered => "Piton, 100 runs offered per second",
        }
    }

    pub(crate) fn system(self) -> System {
        match self {
            Case::Floor | Case::FloorKib => System::Floor,
            Case::Apalis => System::Apalis,
            Case::Piton
            | Case::PitonTwoWorkers
            | Case::PitonKib
            | Case::PitonFanOut
            | Case::Piton50k
            | Case::PitonBacklog
            | Case::Piton200k
            | Case::PitonSnapshot
            | Case::PitonOffered => System::Piton,
        }
    }

    pub(crate) fn group(self) -> Group {
        match self {
            Case::Piton50k | Case::PitonBacklog | Case::Piton200k | Case::PitonSnapshot => Group::Scale,
            Case::PitonOffered => Group::Latency,
            Case::Floor
            | Case::Piton
            | Case::PitonTwoWorkers
            | Case::Apalis
            | Case::FloorKib
            | Case::PitonKib
            | Case::PitonFanOut => Group::Always,
        }
    }

    /// The arguments of its program, without the database.
    pub(crate) fn arguments(self, sizes: Sizes) -> Vec<String> {
        let payload = if matches!(self, Case::FloorKib | Case::PitonKib) { 1024 } else { 200 };
        let text = match self {
            Case::Floor | Case::FloorKib => format!("--runs {} --stages {STAGES}", sizes.runs),
            Case::Apalis => format!("--runs {} --stages {STAGES}", sizes.apalis_runs),
            Case::Piton | Case::PitonKib => chain(sizes.runs, 1, ""),
            Case::PitonTwoWorkers => chain(sizes.runs, 2, ""),
            Case::PitonFanOut => format!("--shape fan-out --items 10000 --workers 1 --slots {SLOTS}"),
            Case::Piton50k => chain(50_000, 1, ""),
            Case::PitonBacklog => chain(50_000, 1, "--backlog 1000000"),
            Case::Piton200k => chain(200_000, 1, ""),
            Case::PitonSnapshot => chain(200_000, 1, "--hold-snapshot"),
            Case::PitonOffered => {
                format!("--shape sequential --offered 100 --stages {STAGES} --workers 1 --slots {SLOTS}")
            }
        };
        text.split_whitespace().map(str::to_owned).chain(["--payload".to_owned(), payload.to_string()]).collect()
    }
}

fn chain(runs: u32, workers: u32, more: &str) -> String {
    format!("--shape sequential --runs {runs} --stages {STAGES} --workers {workers} --slots {SLOTS} {more}")
}
