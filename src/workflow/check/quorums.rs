//! Whether what a stage says of its quorum goes together.

use crate::model::payload::{Payload, PayloadLimits};
use crate::workflow::draft::DraftStage;
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::quorum::Quorum;

/// What a stage is content with; `None` where all its items must be done.
pub(super) fn quorum(stage: &DraftStage) -> Option<Quorum> {
    let (at_least, _) = stage.quorum.at_least.clone()?;
    let missing = stage.quorum.missing.as_ref().map(|(text, _)| text.clone());
    let rest = stage.quorum.rest.as_ref().map(|(rest, _)| *rest).unwrap_or_default();
    Some(Quorum { at_least, missing, rest })
}

/// Tells of keys that mean nothing beside the others.
pub(super) fn check(stage: &DraftStage, found: &mut Vec<Mistake>) {
    let (name, quorum) = (shown(&stage.word.text), &stage.quorum);
    if let Some((text, span)) = &quorum.missing
        && let Err(error) = Payload::parse(text, PayloadLimits::default().payload_bytes)
    {
        let title = format!("`missing` of stage {name} could not be an output");
        found.push(Mistake::new(span.clone(), title, "", error.to_string()));
    }
    let Some((_, span)) = &quorum.at_least else {
        let others = [("missing", quorum.missing.as_ref().map(|m| &m.1)), ("rest", quorum.rest.as_ref().map(|r| &r.1))];
        for (key, span) in others.into_iter().filter_map(|(key, span)| Some((key, span?))) {
            let title = format!("`{key}` means nothing for stage {name}: all of its items must be done");
            let help = "say how many must be done, such as at_least = 0.9; or remove the line";
            found.push(Mistake::new(span.clone(), title, "", help));
        }
        return;
    };
    if stage.for_each.is_none() {
        let title = format!("stage {name} has no items: it is not fanned out");
        let help =
            "add for_each = \"…\", the place of an array; for a stage that may be given up, write optional = true";
        found.push(Mistake::new(span.clone(), title, "", help));
    } else if stage.optional {
        let title = format!("stage {name} is optional, so that any number of its items may be given up");
        found.push(Mistake::new(span.clone(), title, "", "keep one of `optional` and `at_least`"));
    }
}
