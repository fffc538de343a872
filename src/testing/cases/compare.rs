//! What a run has come to, beside what is expected of it. Pure.

use super::json_difference::{How, differences};
use super::observe::{Observed, ObservedJob, in_words};
use crate::workflow::cases::{Case, ExpectedFailure, JobExpectation, StageExpectation, Wanted};

/// Every expectation that is not met, in words.
pub(super) fn compare(case: &Case, observed: &Observed) -> Vec<String> {
    let mut found = Vec::new();
    let expected = case.ending();
    let has_its_end = observed.ending == Some(expected);
    if !has_its_end {
        let failures = observed.failures_in_words();
        let why = if failures.is_empty() { String::new() } else { format!(": {}", failures.join("; ")) };
        found.push(format!("the run: expected {}, found {}{why}", expected.as_str(), observed.state));
    }
    if let Some(wanted) = &case.expect.output {
        compare_output("output", wanted, observed.output.as_deref(), &mut found);
    }
    for (name, expectation) in &case.expect.stages {
        compare_stage(&name.text, expectation, observed, &mut found);
    }
    // Where the end is another one, all of them are told with it.
    if has_its_end {
        let unexpected = observed.failures().filter(|(stage, item, _)| !is_expected(case, stage, *item));
        found.extend(
            unexpected.map(|(stage, item, failure)| format!("expected no failure: {}", in_words(stage, item, failure))),
        );
    }
    found
}

/// A failure that the case speaks of: it is compared there. Where the case expects nothing of stages, it expects the end alone.
fn is_expected(case: &Case, stage: &str, item: Option<i32>) -> bool {
    if case.expect.stages.iter().all(|(_, stage)| !stage.fails()) {
        return true;
    }
    let of_stage = case.expect.stages.iter().find(|(name, _)| name.text == stage).map(|(_, expected)| expected);
    of_stage.is_some_and(|expected| match item {
        None => expected.job.failure.is_some(),
        Some(item) => {
            let job = expected.items.as_ref().and_then(|(_, items)| items.get(usize::try_from(item).ok()?));
            job.is_some_and(|job| job.failure.is_some())
        }
    })
}

fn compare_stage(name: &str, expected: &StageExpectation, observed: &Observed, found: &mut Vec<String>) {
    let place = format!("stages.{name}");
    let items = observed.items(name);
    let rounds = observed.round(name);
    if let Some(wanted) = expected.rounds.filter(|wanted| *wanted != rounds) {
        found.push(format!("{place}.rounds: expected {wanted}, found {rounds}"));
    }
    if let Some((_, wanted)) = &expected.items {
        let got = items.clone().unwrap_or_default();
        if wanted.len() != got.len() {
            found.push(format!("{place}.items: expected {}, found {}", wanted.len(), got.len()));
        }
        for (number, (wanted, got)) in wanted.iter().zip(&got).enumerate() {
            compare_job(&format!("{place}.items[{number}]"), wanted, got, found);
        }
    }
    let stage = match items {
        // The output of a fanned-out stage is there with its last item.
        Some(items) => {
            let outputs: Option<Vec<String>> = items.into_iter().map(|item| item.output).collect();
            let outputs = observed.stage(name).output.and(outputs);
            let skipped = observed.stage(name).skipped;
            let output = match &skipped {
                Some(_) => Some("null".to_owned()),
                None => outputs.map(|outputs| format!("[{}]", outputs.join(","))),
            };
            ObservedJob { output, skipped, ..ObservedJob::default() }
        }
        None => observed.stage(name),
    };
    compare_job(&place, &expected.job, &stage, found);
}

fn compare_job(place: &str, expected: &JobExpectation, job: &ObservedJob, found: &mut Vec<String>) {
    if let Some(wanted) = &expected.output {
        compare_output(&format!("{place}.output"), wanted, job.output.as_deref(), found);
    }
    match (expected.skipped, &job.skipped) {
        (Some(true), None) => found.push(format!("{place}.skipped: expected true, found that it was not skipped")),
        (Some(false), Some(reason)) => {
            found.push(format!("{place}.skipped: expected false, found that it was: {reason}"))
        }
        (Some(true), Some(_)) | (Some(false) | None, _) => {}
    }
    if let Some(attempts) = expected.attempts.filter(|attempts| *attempts != job.attempts) {
        found.push(format!("{place}.attempts: expected {attempts}, found {}", job.attempts));
    }
    let call = job.call.as_ref();
    let given = [
        ("input", &expected.input, call.map(|call| call.input_json().to_owned())),
        ("texts", &expected.texts, call.map(|call| call.texts().to_string())),
    ];
    for (key, wanted, got) in given {
        match (wanted, got) {
            (None, _) => {}
            (Some(_), None) => found.push(format!("{place}.{key}: the mock was never called")),
            (Some(wanted), Some(got)) => compare_keys(&format!("{place}.{key}"), &wanted.text, &got, found),
        }
    }
    if let Some(failure) = &expected.failure {
        compare_failure(place, failure, job, found);
    }
}

fn compare_output(place: &str, wanted: &Wanted, got: Option<&str>, found: &mut Vec<String>) {
    let (wanted, how) = match wanted {
        Wanted::Equal(wanted) => (wanted, How::Equal),
        Wanted::Containing(wanted) => (wanted, How::Containing),
    };
    match got {
        None => found.push(format!("{place}: expected {wanted}, found none")),
        Some(got) => tell(place, differences(wanted, got, how), found),
    }
}

/// The keys that are expected, each with the very value; others do not count.
fn compare_keys(place: &str, wanted: &str, got: &str, found: &mut Vec<String>) {
    let read =
        |json: &str| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json).unwrap_or_default();
    let (wanted, got) = (read(wanted), read(got));
    for (key, wanted) in wanted {
        let place = format!("{place}.{key}");
        match got.get(&key) {
            None => found.push(format!("{place}: expected {wanted}, found nothing")),
            Some(got) => tell(&place, differences(&wanted.to_string(), &got.to_string(), How::Equal), found),
        }
    }
}

fn tell(place: &str, differences: Vec<String>, found: &mut Vec<String>) {
    found.extend(differences.into_iter().map(|difference| match difference.starts_with(['.', '[']) {
        true => format!("{place}{difference}"),
        false => format!("{place}: {difference}"),
    }));
}

fn compare_failure(place: &str, expected: &ExpectedFailure, job: &ObservedJob, found: &mut Vec<String>) {
    let ExpectedFailure { class, message } = expected;
    let Some((got_class, got_message)) = &job.failure else {
        let instead = if job.output.is_some() { "it is done" } else { "it has none" };
        found.push(format!("{place}.fail: expected {class}, found that {instead}"));
        return;
    };
    if class.as_str() != got_class {
        found.push(format!("{place}.fail: expected {class}, found {got_class}: {got_message}"));
    }
    if let Some(message) = message.as_ref().filter(|message| !got_message.contains(message.as_str())) {
        found.push(format!("{place}.message: expected one that holds \"{message}\", found \"{got_message}\""));
    }
}
