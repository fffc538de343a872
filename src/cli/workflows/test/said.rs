//! What became of the cases, as people and programs read it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::output::outln;
use crate::testing::cases::report::{CaseReport, Verdict};

/// One case, and what became of it.
pub(super) struct Judged {
    pub(super) workflow: String,
    pub(super) case: String,
    pub(super) file: String,
    pub(super) took: Duration,
    pub(super) report: CaseReport,
}

impl Judged {
    pub(super) fn name(&self) -> String {
        full_name(&self.workflow, &self.case)
    }
}

/// As `--filter` sees it.
pub(super) fn full_name(workflow: &str, case: &str) -> String {
    format!("{workflow}/{case}")
}

/// A line for the case, and what differs below it.
pub(super) fn say(judged: &Judged) {
    let word = match judged.report.verdict {
        Verdict::Passed => "ok    ",
        Verdict::Failed => "FAILED",
        Verdict::Broken => "BROKEN",
        Verdict::Stopped => {
            outln!("STOPPED {}", judged.name());
            return;
        }
    };
    outln!("{word}  {}  ({} ms)", judged.name(), judged.took.as_millis());
    for why in &judged.report.why {
        for line in why.lines() {
            outln!("          {line}");
        }
    }
}

pub(super) fn count(all: &[Judged], verdict: Verdict) -> usize {
    all.iter().filter(|judged| judged.report.verdict == verdict).count()
}

/// The last line.
pub(super) fn sum(all: &[Judged]) -> String {
    let broken = match count(all, Verdict::Broken) {
        0 => String::new(),
        broken => format!(", {broken} could not be judged"),
    };
    let stopped = match count(all, Verdict::Stopped) {
        0 => String::new(),
        stopped => format!(", {stopped} did not end"),
    };
    let cases = if all.len() == 1 { "1 case".to_owned() } else { format!("{} cases", all.len()) };
    format!("{cases}: {} passed, {} failed{broken}{stopped}", count(all, Verdict::Passed), count(all, Verdict::Failed))
}

/// The same as `--json` prints it.
pub(super) fn as_json(all: &[Judged]) -> Value {
    let cases: Vec<Value> = all
        .iter()
        .map(|judged| {
            json!({"workflow": judged.workflow, "case": judged.case, "file": judged.file,
                   "verdict": judged.report.verdict, "why": judged.report.why,
                   "milliseconds": u64::try_from(judged.took.as_millis()).unwrap_or(u64::MAX)})
        })
        .collect();
    json!({"passed": count(all, Verdict::Passed), "failed": count(all, Verdict::Failed),
           "broken": count(all, Verdict::Broken), "stopped": count(all, Verdict::Stopped), "cases": cases})
}
