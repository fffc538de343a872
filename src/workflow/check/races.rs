//! Whether stages can race for the one that begins with the first of them.

use crate::workflow::draft::DraftStage;
use crate::workflow::mistake::{Mistake, shown};

/// Any need of a race may be stopped: places in its output are as behind a need with a `?`.
pub(super) fn accept_all(stage: &mut DraftStage) {
    if stage.first.is_some() {
        stage.accepted = stage.needs.iter().map(|need| need.text.clone()).collect();
    }
}

/// Tells of stages that cannot race, and of races that nobody could lose.
pub(super) fn check(stages: &[DraftStage], found: &mut Vec<Mistake>) {
    for stage in stages {
        let Some((first, span)) = &stage.first else { continue };
        let (name, needs) = (shown(&stage.word.text), stage.needs.len());
        if needs < 2 {
            let title = format!("stage {name} begins with the first of several stages, and needs {needs}");
            let help = "name those that race in needs, such as needs = [\"fast\", \"safe\"]; or remove the line";
            found.push(Mistake::new(span.clone(), title, "", help));
            continue;
        }
        if *first as usize >= needs {
            let title =
                format!("stage {name} begins with the first {first} of {needs} stages: none of them is stopped");
            let help = match needs {
                2 => "write first = 1, or remove the line".to_owned(),
                _ => format!("write a number from 1 to {}, or remove the line", needs - 1),
            };
            found.push(Mistake::new(span.clone(), title, "", help));
        }
        for need in &stage.needs {
            found.extend(
                cannot_race(stages, stage, &need.text)
                    .map(|(title, help)| Mistake::new(need.span.clone(), title, "", help)),
            );
        }
    }
}

fn cannot_race(stages: &[DraftStage], race: &DraftStage, racer: &str) -> Option<(String, String)> {
    let (name, began) = (shown(racer), shown(&race.word.text));
    if race.accepted.contains(racer) {
        let title = format!("{name} races, and may be stopped anyway");
        return Some((title, format!("write \"{racer}\", without the `?`")));
    }
    let needs =
        |other: &&DraftStage| other.word.text != race.word.text && other.needs.iter().any(|need| need.text == racer);
    if let Some(other) = stages.iter().find(needs) {
        let other = &other.word.text;
        let title = format!("{name} races for {began} and may be stopped, and stage {} needs it too", shown(other));
        return Some((title, format!("let {other} need {}, or give it a stage of its own", race.word.text)));
    }
    let is_fanned = stages.iter().any(|stage| stage.word.text == racer && stage.for_each.is_some());
    is_fanned.then(|| {
        let title = format!("{name} is fanned out, and only whole stages race");
        (title, format!("gather its items in a stage behind it, and let that one race for {}", race.word.text))
    })
}
