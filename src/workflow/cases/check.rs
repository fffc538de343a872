//! Whether cases fit the workflow that they test.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::de::IgnoredAny;

use super::{Answer, Ending, JobExpectation, StageExpectation, TestFile};
use crate::workflow::definition::{ForEach, Stage, StageIndex, Workflow};
use crate::workflow::mistake::{Mistake, Mistakes, shown};
use crate::workflow::own::FAILURE;
use crate::workflow::rounds::PREVIOUS;
use crate::workflow::similar::similar;
use crate::workflow::value::Word;

impl TestFile {
    /// Tells of every stage that the workflow has not, and of what a stage never does.
    pub(crate) fn check(&self, workflow: &Workflow) -> Result<(), Mistakes> {
        let mut found = Vec::new();
        for case in &self.cases {
            for (name, answer) in &case.mocks {
                if let Some(stage) = stage(workflow, name, &mut found) {
                    check_answer((stage, has_rounds(workflow, stage)), answer, &mut found);
                }
            }
            for (name, expected) in &case.expect.stages {
                let is_mocked = case.mocks.iter().any(|(mocked, _)| mocked.text == name.text);
                if let Some(stage) = stage(workflow, name, &mut found) {
                    check_expected((stage, has_rounds(workflow, stage)), name, expected, &mut found);
                    check_given(workflow, stage, expected, is_mocked, &mut found);
                }
            }
            if let Some((Ending::Done, place)) = &case.expect.state
                && case.expect.stages.iter().any(|(name, stage)| stage.fails() && !may_be_tolerated(workflow, name))
            {
                let title = "a run with a dead letter is blocked, and not done";
                found.push(Mistake::new(place.clone(), title, "", "remove `state`, or the expected failure"));
            }
        }
        if found.is_empty() { Ok(()) } else { Err(Mistakes::new(&self.file, &*self.text, found)) }
    }

    /// A mistake of the whole file, such as a workflow that is not there.
    pub(crate) fn mistake(&self, title: String, help: &str) -> Mistakes {
        let span = self.workflow.as_ref().map_or(0..0, |word| word.span.clone());
        Mistakes::new(&self.file, &*self.text, vec![Mistake::new(span, title, "", help)])
    }
}

fn stage<'w>(workflow: &'w Workflow, name: &Word, found: &mut Vec<Mistake>) -> Option<&'w Stage> {
    let stage = workflow.stages.iter().find(|stage| stage.name.as_str() == name.text);
    if stage.is_none() {
        let names: Vec<&str> = workflow.stages.iter().map(|stage| stage.name.as_str()).collect();
        let help = meant(&name.text, "its stages are", &names);
        let title = format!("workflow `{}` has no stage {}", workflow.name, shown(&name.text));
        found.push(Mistake::new(name.span.clone(), title, "", help));
    }
    stage
}

/// Its dead letters block no run, or not every one does.
fn may_be_tolerated(workflow: &Workflow, name: &Word) -> bool {
    let races = |at: usize| {
        workflow.stages.iter().any(|stage| stage.first.is_some() && stage.needs.contains(&StageIndex::of(at)))
    };
    let tolerates =
        |at: usize, stage: &Stage| workflow.is_tolerated(StageIndex::of(at)) || stage.quorum.is_some() || races(at);
    workflow.stages.iter().enumerate().any(|(at, stage)| stage.name.as_str() == name.text && tolerates(at, stage))
}

/// What was meant, or else all that could be.
fn meant(name: &str, there_are: &str, names: &[&str]) -> String {
    match similar(name, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("{there_are} {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
    }
}

fn check_answer((stage, has_rounds): (&Stage, bool), answer: &Answer, found: &mut Vec<Mistake>) {
    match answer {
        Answer::Output(output) => {
            if let Some(why) = stage.never_outputs(&output.text) {
                let title = format!("stage `{}` never has this output: {why}", stage.name);
                found.push(Mistake::new(
                    output.span.clone(),
                    title,
                    "",
                    "give the mock an output that the stage can have",
                ));
            }
        }
        Answer::Fail { .. } => {}
        Answer::Attempts(answers) => answers.iter().for_each(|answer| check_answer((stage, has_rounds), answer, found)),
        Answer::Rounds(place, answers) => {
            if !has_rounds {
                found.push(has_no_rounds(stage, &place.span));
            }
            answers.iter().for_each(|answer| check_answer((stage, has_rounds), answer, found));
        }
        Answer::Items(place, answers) => {
            if stage.for_each.is_none() {
                found.push(has_no_items(stage, &place.span));
            }
            answers.iter().for_each(|answer| check_answer((stage, has_rounds), answer, found));
        }
    }
}

fn has_no_rounds(stage: &Stage, place: &Range<usize>) -> Mistake {
    let title = format!("stage `{}` is done once", stage.name);
    Mistake::new(
        place.clone(),
        title,
        "",
        "leave `rounds` out: only stages with `repeat`, and those that they do again, have some",
    )
}

/// Whether that stage is done in rounds.
fn has_rounds(workflow: &Workflow, stage: &Stage) -> bool {
    let groups = workflow.groups();
    workflow.stages.iter().zip(&groups).any(|(other, group)| other.name == stage.name && group.is_some())
}

fn has_no_items(stage: &Stage, place: &Range<usize>) -> Mistake {
    let title = format!("stage `{}` has no items", stage.name);
    Mistake::new(place.clone(), title, "", "leave `items` out: only a stage with `for_each` has some")
}

fn check_expected(
    (stage, has_rounds): (&Stage, bool),
    name: &Word,
    expected: &StageExpectation,
    found: &mut Vec<Mistake>,
) {
    let is_fanned = stage.for_each.is_some();
    let of_jobs = |job: &JobExpectation| {
        [
            ("attempts", job.attempts.is_some()),
            ("input", job.input.is_some()),
            ("texts", job.texts.is_some()),
            ("fail", job.failure.is_some()),
        ]
    };
    if is_fanned && let Some((key, _)) = of_jobs(&expected.job).into_iter().find(|(_, is_there)| *is_there) {
        let title = format!("stage `{}` has items, and each has its own `{key}`", stage.name);
        let help = format!("write it in `items`: items = [{{ {key} = … }}]");
        found.push(Mistake::new(name.span.clone(), title, "", help));
    }
    if !has_rounds && expected.rounds.is_some() {
        found.push(has_no_rounds(stage, &name.span));
    }
    if let (false, Some((place, _))) = (is_fanned, &expected.items) {
        found.push(has_no_items(stage, place));
    }
}

/// What a job was given: it is known of mocks, and a key that the stage never has is a slip.
fn check_given(
    workflow: &Workflow,
    stage: &Stage,
    expected: &StageExpectation,
    is_mocked: bool,
    found: &mut Vec<Mistake>,
) {
    let (input_keys, text_keys) = (input_keys(workflow, stage), stage.kind.text_keys());
    for job in expected.jobs() {
        if !is_mocked {
            for place in job.input.iter().chain(&job.texts) {
                let title = format!("what stage `{}` was given is known of a mock only", stage.name);
                let help = format!("mock it with mocks.{} = {{ output = … }}, or remove this", stage.name);
                found.push(Mistake::new(place.span.clone(), title, "", help));
            }
            continue;
        }
        if let Some(input) = &job.input {
            for key in unknown(input, &input_keys) {
                let title = format!("the input of stage `{}` never has the key {}", stage.name, shown(&key));
                let help = meant(&key, "its keys are", &input_keys);
                found.push(Mistake::new(input.span.clone(), title, "", help));
            }
        }
        if let Some(texts) = &job.texts {
            for key in unknown(texts, &text_keys) {
                let title = format!("stage `{}` has no text {}", stage.name, shown(&key));
                let help = match text_keys.as_slice() {
                    [] => "remove `texts`: the stage is a handler, which has none".to_owned(),
                    keys => meant(&key, "its texts are", keys),
                };
                found.push(Mistake::new(texts.span.clone(), title, "", help));
            }
        }
    }
}

/// The keys that the input of a stage may have.
fn input_keys<'w>(workflow: &'w Workflow, stage: &Stage) -> Vec<&'w str> {
    let items = stage.for_each.as_ref().map_or(&[][..], ForEach::names).iter().copied();
    let needs = stage.needs_output_of().filter_map(|need| Some(workflow.stages.get(need.at())?.name.as_str()));
    let failure = stage.on_failure_of.map(|_| FAILURE);
    let previous = has_rounds(workflow, stage).then_some(PREVIOUS);
    std::iter::once("input").chain(items).chain(needs).chain(previous).chain(failure).collect()
}

/// The keys of that object which are none of these.
fn unknown(object: &Word, known: &[&str]) -> Vec<String> {
    let read: BTreeMap<String, IgnoredAny> = serde_json::from_str(&object.text).unwrap_or_default();
    read.into_keys().filter(|key| !known.contains(&key.as_str())).collect()
}
