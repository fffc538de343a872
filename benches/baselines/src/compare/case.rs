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
    /// sqlxmq, 200 bytes a stage.
    Sqlxmq,
    /// graphile_worker, jobs of one stage.
    Graphile,
    /// Piton, runs of one stage.
    PitonOneStage,
    /// The same with two workers.
    PitonOneStageTwoWorkers,
    /// Piton, programs that do nothing, and the same by xargs.
    PitonCommands,
    /// Piton, runs started by 1 and by 32 clients.
    PitonStarts,
    /// Piton, 50 runs offered per second.
    PitonOffered,
    /// sqlxmq, 50 runs offered per second.
    SqlxmqOffered,
    /// Piton, 300 runs offered per second for two minutes.
    PitonSteady,
}

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    Floor,
    Apalis,
    Sqlxmq,
    Graphile,
    Piton,
}

/// When a case is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Always,
    Scale,
    Latency,
    Starts,
    Programs,
}

/// Runs per system. Rates are compared, not totals, so that a slower one may have less to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) runs: u32,
    /// For apalis-workflow and sqlxmq.
    pub(crate) apalis_runs: u32,
}

const STAGES: u32 = 5;
const SLOTS: u32 = 1024;
/// Runs per second.
const OFFERED: &str = "50";
/// Runs of one stage, for Piton and graphile_worker.
const ONE_STAGE_RUNS: u32 = 100_000;

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
            Case::Sqlxmq => "sqlxmq, 200 B",
            Case::Graphile => "graphile_worker, jobs of one stage",
            Case::PitonOneStage => "Piton, runs of one stage",
            Case::PitonOneStageTwoWorkers => "Piton, runs of one stage, two workers",
            Case::PitonCommands => "Piton, programs that do nothing, 32 slots",
            Case::PitonStarts => "Piton, starts by 32 clients",
            Case::PitonOffered => "Piton, 50 runs offered per second",
            Case::SqlxmqOffered => "sqlxmq, 50 runs offered per second",
            Case::PitonSteady => "Piton, 300 runs offered per second",
        }
    }

    pub(crate) fn system(self) -> System {
        match self {
            Case::Floor | Case::FloorKib => System::Floor,
            Case::Apalis => System::Apalis,
            Case::Sqlxmq | Case::SqlxmqOffered => System::Sqlxmq,
            Case::Graphile => System::Graphile,
            Case::Piton
            | Case::PitonTwoWorkers
            | Case::PitonKib
            | Case::PitonFanOut
            | Case::Piton50k
            | Case::PitonBacklog
            | Case::Piton200k
            | Case::PitonSnapshot
            | Case::PitonOneStage
            | Case::PitonOneStageTwoWorkers
            | Case::PitonCommands
            | Case::PitonStarts
            | Case::PitonOffered
            | Case::PitonSteady => System::Piton,
        }
    }

    pub(crate) fn group(self) -> Group {
        match self {
            Case::Piton50k | Case::PitonBacklog | Case::Piton200k | Case::PitonSnapshot => Group::Scale,
            Case::PitonOffered | Case::SqlxmqOffered | Case::PitonSteady => Group::Latency,
            Case::PitonStarts => Group::Starts,
            Case::PitonCommands => Group::Programs,
            Case::Floor
            | Case::Piton
            | Case::PitonTwoWorkers
            | Case::Apalis
            | Case::FloorKib
            | Case::PitonKib
            | Case::PitonFanOut
            | Case::Sqlxmq
            | Case::Graphile
            | Case::PitonOneStage
            | Case::PitonOneStageTwoWorkers => Group::Always,
        }
    }

    /// Takes minutes, and its figure is a mean over so long: once is enough where time is short.
    pub(crate) fn is_long(self) -> bool {
        self.group() == Group::Scale || self == Case::PitonSteady
    }

    /// Where its program tells the rate that stands for it.
    pub(crate) fn rate(self) -> &'static str {
        match self {
            // Without NOTIFY, with it, beside a worker; first by one client, then by 32.
            Case::PitonStarts => "/results/4/starts_per_s",
            _ => "/stages_per_s",
        }
    }

    /// The arguments of its program, without the database.
    pub(crate) fn arguments(self, sizes: Sizes) -> Vec<String> {
        let payload = if matches!(self, Case::FloorKib | Case::PitonKib) { 1024 } else { 200 };
        let text = match self {
            Case::Floor | Case::FloorKib => format!("--runs {} --stages {STAGES}", sizes.runs),
            Case::Apalis | Case::Sqlxmq => format!("--runs {} --stages {STAGES}", sizes.apalis_runs),
            Case::SqlxmqOffered => format!("--offered {OFFERED} --stages {STAGES}"),
            Case::Graphile => format!("--runs {ONE_STAGE_RUNS} --stages 1"),
            Case::PitonOneStage => one_stage(1),
            Case::PitonOneStageTwoWorkers => one_stage(2),
            Case::PitonCommands => "--shape commands --slots 32".to_owned(),
            Case::PitonStarts => "--shape starts --clients 1,32 --runs 6000".to_owned(),
            Case::PitonSteady => offered("300 --seconds 120"),
            Case::Piton | Case::PitonKib => chain(sizes.runs, 1, ""),
            Case::PitonTwoWorkers => chain(sizes.runs, 2, ""),
            Case::PitonFanOut => format!("--shape fan-out --items 10000 --workers 1 --slots {SLOTS}"),
            Case::Piton50k => chain(50_000, 1, ""),
            Case::PitonBacklog => chain(50_000, 1, "--backlog 1000000"),
            Case::Piton200k => chain(200_000, 1, ""),
            Case::PitonSnapshot => chain(200_000, 1, "--hold-snapshot"),
            Case::PitonOffered => offered(OFFERED),
        };
        text.split_whitespace().map(str::to_owned).chain(["--payload".to_owned(), payload.to_string()]).collect()
    }
}

fn offered(rate: &str) -> String {
    format!("--shape sequential --offered {rate} --stages {STAGES} --workers 1 --slots {SLOTS}")
}

fn one_stage(workers: u32) -> String {
    format!("--shape one-stage --runs {ONE_STAGE_RUNS} --workers {workers} --slots {SLOTS}")
}

fn chain(runs: u32, workers: u32, more: &str) -> String {
    format!("--shape sequential --runs {runs} --stages {STAGES} --workers {workers} --slots {SLOTS} {more}")
}
