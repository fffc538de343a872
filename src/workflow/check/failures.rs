//! Stages that run when another one is given up: whether that one can be, and what is known of its failure.

use std::collections::HashMap;

use crate::workflow::definition::StageIndex;
use crate::workflow::draft::DraftStage;
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::own::FAILURE;
use crate::workflow::similar::similar;
use crate::workflow::template::Place;
use crate::workflow::value::Word;

/// What the input has of a failure.
const KEYS: [&str; 2] = ["class", "message"];

/// The stage that this one waits for the failure of: its first need.
pub(super) fn first(
    stage: &DraftStage,
    stages: &[DraftStage],
    by_name: &HashMap<&str, StageIndex>,
    found: &mut Vec<Mistake>,
) -> Option<StageIndex> {
    let word = stage.on_failure_of.as_ref()?;
    let (own, of) = (stage.word.text.as_str(), word.text.as_str());
    let mut wrong = |title: String, help: String| found.push(Mistake::new(word.span.clone(), title, "", help));
    let index = by_name.get(of).copied();
    let needed = stages.get(index?.at());
    if of == own {
        wrong(format!("stage {} would run when it fails itself", shown(own)), "name the stage before it".to_owned());
        return None;
    }
    if needed.is_some_and(|needed| needed.for_each.is_some()) {
        let title = format!("stage {} is fanned out: each of its items fails by itself", shown(of));
        let help =
            format!("give {} optional = true, and let a stage behind it look for items that are null", shown(of));
        wrong(title, help);
    }
    if stage.needs.iter().any(|need| need.text == of) {
        let title = format!("stage {} runs when {} has failed, and cannot need its output", shown(own), shown(of));
        wrong(title, "remove it from the needs: it is waited for anyway".to_owned());
        return None;
    }
    index
}

/// Names of stages that there are not, and the one that has another meaning.
pub(super) fn taken_name(stages: &[DraftStage]) -> Vec<Mistake> {
    let mut found = Vec::new();
    for word in stages.iter().filter_map(|stage| stage.on_failure_of.as_ref()) {
        let names = || stages.iter().map(|stage| stage.word.text.as_str());
        if names().any(|name| name == word.text) {
            continue;
        }
        let help = match similar(&word.text, names()) {
            Some(meant) => format!("did you mean {}?", shown(meant)),
            None => "name a stage of this file".to_owned(),
        };
        found.push(Mistake::new(word.span.clone(), format!("there is no stage {}", shown(&word.text)), "", help));
    }
    if stages.iter().any(|stage| stage.on_failure_of.is_some())
        && let Some(stage) = stages.iter().find(|stage| stage.word.text == FAILURE)
    {
        let title = format!("{} is what a stage failed with, in a file with `on_failure_of`", shown(FAILURE));
        found.push(Mistake::new(stage.word.span.clone(), title, "", "give the stage another name"));
    }
    found
}

/// Tells of a place that no failure has.
pub(super) fn place(word: &Word, place: &Place, names_file: bool) -> Option<Mistake> {
    let (title, help) = match place.path.as_slice() {
        _ if names_file => (format!("{} is no file", shown(&place.to_string())), "remove it".to_owned()),
        [] => return None,
        [key] if KEYS.contains(&key.as_str()) => return None,
        [key, ..] => {
            let help = match similar(key, KEYS) {
                Some(meant) => format!("did you mean {FAILURE}.{meant}?"),
                None => format!("a failure has {}", KEYS.map(|key| format!("{FAILURE}.{key}")).join(" and ")),
            };
            (format!("{} is not in a failure", shown(&place.to_string())), help)
        }
    };
    Some(Mistake::new(word.span.clone(), title, "", help))
}

/// Tells of the output of what has failed.
pub(super) fn has_no_output(stage: &DraftStage, word: &Word, of: &str) -> Mistake {
    let title =
        format!("stage {} runs when {} has failed, and has no output of it", shown(&stage.word.text), shown(of));
    Mistake::new(word.span.clone(), title, "", format!("read {FAILURE}.class and {FAILURE}.message"))
}
