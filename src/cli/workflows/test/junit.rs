//! The report that CI systems read.

use std::path::Path;

use anyhow::Context;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::said::Judged;
use crate::testing::cases::report::Verdict;

/// Writes it: a suite for each test file, in the order of the cases.
pub(super) fn write(path: &Path, all: &[Judged]) -> anyhow::Result<()> {
    let text = report(all).to_string().context("the JUnit report cannot be made")?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn report(all: &[Judged]) -> Report {
    let mut report = Report::new("piton workflows test");
    for of_file in all.chunk_by(|one, next| one.file == next.file) {
        let Some(first) = of_file.first() else { continue };
        let mut suite = TestSuite::new(&first.workflow);
        suite.set_time(of_file.iter().map(|judged| judged.took).sum());
        suite.extra.insert("file".into(), first.file.as_str().into());
        suite.add_test_cases(of_file.iter().map(case));
        report.add_test_suite(suite);
    }
    report
}

fn case(judged: &Judged) -> TestCase {
    let status = match judged.report.verdict {
        Verdict::Passed => TestCaseStatus::success(),
        Verdict::Failed => not_passed(NonSuccessKind::Failure, judged),
        Verdict::Broken => not_passed(NonSuccessKind::Error, judged),
        Verdict::Stopped => {
            let mut status = TestCaseStatus::skipped();
            status.set_message("the tests were stopped before it had ended");
            status
        }
    };
    let mut case = TestCase::new(&judged.case, status);
    case.set_classname(&judged.workflow).set_time(judged.took);
    case
}

fn not_passed(kind: NonSuccessKind, judged: &Judged) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    let why = judged.report.why.join("\n");
    status.set_message(why.lines().next().unwrap_or_default()).set_description(why);
    status
}
