//! Whether the workflows of some files start runs of each other as they should: as far as that can be seen before any run.

use std::collections::HashMap;

use super::definition::{RunStage, Stage, StageIndex, StageKind, Workflow};
use super::graph;
use super::mistake::shown;

/// Runs below each other at most; `piton.begin_child` holds every run to it.
pub(crate) const DEEPEST: usize = 16;

/// What is wrong with a stage that starts runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChildMistake {
    /// Place of its workflow among those that were given.
    pub(crate) workflow: usize,
    pub(crate) stage: String,
    pub(crate) title: String,
    pub(crate) help: &'static str,
}

/// Stages that start runs, with what they start.
pub(crate) fn starts(workflow: &Workflow) -> impl Iterator<Item = (&Stage, &RunStage)> {
    workflow.stages.iter().filter_map(|stage| match &stage.kind {
        StageKind::Run(run) => Some((stage, run)),
        _ => None,
    })
}

/// Names of the workflow and of all whose runs are started below its own, as far as they are among these.
pub(crate) fn all_below<'w>(workflows: &'w [Workflow], name: &'w str) -> Vec<&'w str> {
    let mut names = vec![name];
    let mut at = 0;
    while let Some(name) = names.get(at).copied() {
        let below = workflows.iter().filter(|workflow| workflow.name.as_str() == name).flat_map(starts);
        let below: Vec<&str> = below.map(|(_, run)| run.workflow.as_str()).collect();
        for name in below {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        at += 1;
    }
    names
}

/// Every mistake. What is started and stands in none of these files may be in the database.
pub(crate) fn check(workflows: &[&Workflow]) -> Vec<ChildMistake> {
    let by_name: HashMap<&str, usize> =
        workflows.iter().enumerate().map(|(at, workflow)| (workflow.name.as_str(), at)).collect();
    let below: Vec<Vec<StageIndex>> = workflows
        .iter()
        .map(|workflow| {
            let known = starts(workflow).filter_map(|(_, run)| by_name.get(run.workflow.as_str()));
            let mut known: Vec<usize> = known.copied().collect();
            known.sort_unstable();
            known.dedup();
            known.into_iter().map(StageIndex::of).collect()
        })
        .collect();
    let mut found: Vec<ChildMistake> =
        graph::circles(&below).iter().map(|circle| in_a_circle(workflows, circle)).collect();
    if let Some(order) = graph::order(&below) {
        found.extend(too_deep(workflows, &below, &order));
    }
    for (at, workflow) in workflows.iter().enumerate() {
        for (stage, run) in starts(workflow) {
            if let Some(child) = by_name.get(run.workflow.as_str()).and_then(|at| workflows.get(*at)) {
                let odd = unfit(workflow, stage, run, child);
                found.extend(odd.into_iter().map(|(title, help)| mistake(at, stage, title, help)));
            }
        }
    }
    found
}

fn mistake(workflow: usize, stage: &Stage, title: String, help: &'static str) -> ChildMistake {
    ChildMistake { workflow, stage: stage.name.to_string(), title, help }
}

fn in_a_circle(workflows: &[&Workflow], circle: &[StageIndex]) -> ChildMistake {
    let name =
        |at: usize| circle.get(at % circle.len()).and_then(|at| workflows.get(at.at())).map_or("", |w| w.name.as_str());
    let way: Vec<&str> = (0..=circle.len()).map(name).collect();
    let first = circle.first().map_or(0, |first| first.at());
    let stage =
        workflows.get(first).and_then(|workflow| starts(workflow).find(|(_, run)| run.workflow.as_str() == name(1)));
    ChildMistake {
        workflow: first,
        stage: stage.map_or_else(String::new, |(stage, _)| stage.name.to_string()),
        title: format!("workflows start runs of each other in a circle: {}", way.join(" → ")),
        help: "let one of them start no run of the next: a run would start others without end",
    }
}

/// Workflows with more below them than runs may have.
fn too_deep(workflows: &[&Workflow], below: &[Vec<StageIndex>], order: &[StageIndex]) -> Option<ChildMistake> {
    let mut depth = vec![0usize; workflows.len()];
    for at in order {
        let deepest =
            below.get(at.at())?.iter().filter_map(|next| depth.get(next.at()).copied()).map(|next| next + 1).max();
        *depth.get_mut(at.at())? = deepest.unwrap_or(0);
    }
    let at = depth.iter().position(|depth| *depth > DEEPEST)?;
    let (stage, _) = workflows.get(at).copied().and_then(|workflow| starts(workflow).next())?;
    let title = format!(
        "runs of {} would have runs {} deep below them, over the limit of {DEEPEST}",
        shown(workflows.get(at)?.name.as_str()),
        depth.get(at)?
    );
    Some(mistake(at, stage, title, "let fewer workflows start runs of each other"))
}

/// How the input that is given differs from what the other workflow declares.
fn unfit(workflow: &Workflow, stage: &Stage, run: &RunStage, child: &Workflow) -> Vec<(String, &'static str)> {
    let Some(declared) = &child.input else { return Vec::new() };
    let given: Vec<&str> = match &run.input {
        Some(input) => match input.keys() {
            Some(keys) => keys,
            None => return Vec::new(),
        },
        None => {
            let needs = stage.needs.iter().filter_map(|need| workflow.stage(*need)).map(|need| need.name.as_str());
            ["input"].into_iter().chain(needs).chain(stage.for_each.as_ref().map(|_| "item")).collect()
        }
    };
    let name = shown(child.name.as_str());
    let strange = given.iter().filter(|key| declared.key(key).is_none());
    let strange = strange.map(|key| {
        let title = format!("runs of {name} would get {}, which it does not declare", shown(key));
        (title, "write `input` with the keys that it declares, or declare this one below its [input]")
    });
    let required = declared.0.iter().filter(|key| !key.optional && key.default.is_none());
    let lacking = required.filter(|key| !given.contains(&key.key.as_str())).map(|key| {
        let title = format!("runs of {name} would lack {}, which every one of them needs", shown(&key.key));
        (title, "add it to `input`, or give it a default below [input] of that workflow")
    });
    strange.chain(lacking).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::keys::tests::parse;

    fn said(files: &[&str]) -> Vec<String> {
        let workflows: Vec<Workflow> = files.iter().map(|file| parse(file).expect("a workflow")).collect();
        let found = check(&workflows.iter().collect::<Vec<_>>());
        found.into_iter().map(|mistake| format!("{} {}: {}", mistake.workflow, mistake.stage, mistake.title)).collect()
    }

    #[test]
    fn a_circle_of_workflows_is_told_once() {
        let a = "name = 'a'\n[stages.x]\nworkflow = 'b'";
        let b = "name = 'b'\n[stages.y]\nworkflow = 'c'";
        let c = "name = 'c'\n[stages.z]\nworkflow = 'a'\n[stages.elsewhere]\nworkflow = 'd'";
        assert_eq!(said(&[a, b, c]), ["0 x: workflows start runs of each other in a circle: a → b → c → a"]);
        assert_eq!(said(&[a, b]), [""; 0]);
    }

    #[test]
    fn as_many_runs_below_each_other_as_may_be_and_no_more() {
        let chain = |length: usize| -> Vec<String> {
            let last = format!("name = 'w{length}'\n[stages.x]\ncommand = ['x']");
            let file = |at| format!("name = 'w{at}'\n[stages.x]\nworkflow = 'w{}'", at + 1);
            (0..length).map(file).chain([last]).collect()
        };
        let told = |length| said(&chain(length).iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(told(16), [""; 0]);
        assert_eq!(told(17), ["0 x: runs of `w0` would have runs 17 deep below them, over the limit of 16"]);
    }

    #[test]
    fn what_is_given_is_what_the_other_workflow_declares() {
        let child = "name = 'b'\n[input]\nfile = 'string'\nlang = { type = 'string', default = 'en' }\n[stages.y]\ncommand = ['y']";
        let parent = |input: &str| format!("name = 'a'\n[stages.x]\nworkflow = 'b'\n{input}");
        assert_eq!(said(&[&parent("input = { file = '{{input.f}}' }"), child]), [""; 0]);
        assert_eq!(said(&[&parent("input = '{{input.f}}'"), child]), [""; 0], "what that is shows then");
        assert_eq!(
            said(&[&parent("input = { name = 'x' }"), child]),
            [
                "0 x: runs of `b` would get `name`, which it does not declare",
                "0 x: runs of `b` would lack `file`, which every one of them needs"
            ]
        );
        assert_eq!(
            said(&[&parent(""), child]),
            [
                "0 x: runs of `b` would get `input`, which it does not declare",
                "0 x: runs of `b` would lack `file`, which every one of them needs"
            ]
        );
    }

    #[test]
    fn all_that_is_started_below_a_workflow_is_found_once() {
        let files = [
            "name = 'a'\n[stages.x]\nworkflow = 'b'\n[stages.y]\nworkflow = 'c'",
            "name = 'b'\n[stages.x]\nworkflow = 'c'",
            "name = 'c'\n[stages.x]\ncommand = ['x']",
            "name = 'd'\n[stages.x]\ncommand = ['x']",
        ];
        let workflows: Vec<Workflow> = files.iter().map(|file| parse(file).expect("a workflow")).collect();
        assert_eq!(all_below(&workflows, "a"), ["a", "b", "c"]);
    }
}
