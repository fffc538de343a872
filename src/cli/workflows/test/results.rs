//! What has become of the cases so far.

use std::time::Duration;

use super::said::{Judged, say};
use super::suite::Suite;
use crate::testing::cases::report::{CaseReport, Verdict};

/// One place for each case, in their order. A case is told of as soon as all before it have ended.
pub(super) struct Results {
    cases: Vec<(Judged, bool)>,
    /// How many were told of; `None` where nothing is told before the end.
    told: Option<usize>,
}

impl Results {
    /// Of cases that are still to run.
    pub(super) fn of(suites: &[Suite], tells: bool) -> Results {
        let cases = suites.iter().flat_map(|suite| {
            suite.file.cases.iter().map(|case| {
                let unended = Judged {
                    workflow: suite.workflow.name.to_string(),
                    case: case.name.text.clone(),
                    file: suite.path.display().to_string(),
                    took: Duration::ZERO,
                    report: CaseReport { verdict: Verdict::Stopped, why: Vec::new() },
                };
                (unended, false)
            })
        });
        Results { cases: cases.collect(), told: tells.then_some(0) }
    }

    /// A case has ended.
    pub(super) fn put(&mut self, at: usize, took: Duration, report: CaseReport) {
        if let Some((case, has_ended)) = self.cases.get_mut(at) {
            (case.took, case.report, *has_ended) = (took, report, true);
        }
        if let Some(told) = &mut self.told {
            while let Some((case, true)) = self.cases.get(*told) {
                say(case);
                *told += 1;
            }
        }
    }

    /// Nothing more comes: tells of the rest, also of what did not end.
    pub(super) fn finish(self) -> Vec<Judged> {
        let all: Vec<Judged> = self.cases.into_iter().map(|(case, _)| case).collect();
        if let Some(told) = self.told {
            all.iter().skip(told).for_each(say);
        }
        all
    }
}
