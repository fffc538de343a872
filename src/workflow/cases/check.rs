//! Whether cases fit the workflow that they test.

use std::ops::Range;

use super::{Answer, Ending, JobExpectation, StageExpectation, TestFile};
use crate::workflow::definition::{Stage, Workflow};
use crate::workflow::mistake::{Mistake, Mistakes, shown};
use crate::workflow::similar::similar;
use crate::workflow::value::Word;

impl TestFile {
    /// Tells of every stage that the workflow has not, and of what a stage never does.
    pub(crate) fn check(&self, workflow: &Workflow) -> Result<(), Mistakes> {
        let mut found = Vec::new();
        for case in &self.cases {
            for (name, answer) in &case.mocks {
                if let Some(stage) = stage(workflow, name, &mut found) {
                    check_answer(stage, answer, &mut found);
                }
            }
            for (name, expected) in &case.expect.stages {
                let is_mocked = case.mocks.iter().any(|(mocked, _)| mocked.text == name.text);
                if let Some(stage) = stage(workflow, name, &mut found) {
                    check_expected(stage, name, expected, is_mocked, &mut found);
                }
            }
            if let Some((Ending::Done, place)) = &case.expect.state
                && case.expect.stages.iter().any(|(_, stage)| stage.fails())
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
        let names = || workflow.stages.iter().map(|stage| stage.name.as_str());
        let help = match similar(&name.text, names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => {
                format!("its stages are {}", names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
            }
        };
        let title = format!("workflow `{}` has no stage {}", workflow.name, shown(&name.text));
        found.push(Mistake::new(name.span.clone(), title, "", help));
    }
    stage
}

fn check_answer(stage: &Stage, answer: &Answer, found: &mut Vec<Mistake>) {
    match answer {
        Answer::Output(output) => {
            if let Some(why) = stage.kind.never_outputs(&output.text) {
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
        Answer::Attempts(answers) => answers.iter().for_each(|answer| check_answer(stage, answer, found)),
        Answer::Items(place, answers) => {
            if stage.for_each.is_none() {
                found.push(has_no_items(stage, &place.span));
            }
            answers.iter().for_each(|answer| check_answer(stage, answer, found));
        }
    }
}

fn has_no_items(stage: &Stage, place: &Range<usize>) -> Mistake {
    let title = format!("stage `{}` has no items", stage.name);
    Mistake::new(place.clone(), title, "", "leave `items` out: only a stage with `for_each` has some")
}

fn check_expected(stage: &Stage, name: &Word, expected: &StageExpectation, is_mocked: bool, found: &mut Vec<Mistake>) {
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
    if let (false, Some((place, _))) = (is_fanned, &expected.items) {
        found.push(has_no_items(stage, place));
    }
    if !is_mocked {
        for place in expected.jobs().flat_map(|job| job.input.iter().chain(&job.texts)) {
            let title = format!("what stage `{}` was given is known of a mock only", stage.name);
            let help = format!("mock it with mocks.{} = {{ output = … }}, or remove this", stage.name);
            found.push(Mistake::new(place.span.clone(), title, "", help));
        }
    }
}
