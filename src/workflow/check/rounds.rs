//! Whether the rounds of a file can be done again and again: which stages they are made of, and who else needs those.

use std::collections::HashMap;

use crate::workflow::condition;
use crate::workflow::definition::{Repeat, StageIndex, StageKind};
use crate::workflow::draft::{DraftRepeat, DraftStage};
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::rounds::{PREVIOUS, members, strays};
use crate::workflow::similar::similar;
use crate::workflow::template::Place;
use crate::workflow::value::{Field, Word};

/// The rounds of a file.
#[derive(Default)]
pub(super) struct Rounds {
    /// Of each stage what its `repeat` says, where that is right.
    pub(super) repeats: Vec<Option<Repeat>>,
    /// Of each stage the names of all that are part of its rounds.
    names: Vec<Option<Vec<String>>>,
}

impl Rounds {
    /// Tells of rounds that cannot be.
    pub(super) fn of(
        stages: &[DraftStage],
        by_name: &HashMap<&str, StageIndex>,
        needs: &[Vec<StageIndex>],
        found: &mut Vec<Mistake>,
    ) -> Rounds {
        let mut rounds = Rounds { repeats: vec![None; stages.len()], names: vec![None; stages.len()] };
        let mut deciders: Vec<Option<&str>> = vec![None; stages.len()];
        for (at, stage) in stages.iter().enumerate() {
            let Some(repeat) = &stage.repeat else { continue };
            let (last, own) = (StageIndex::of(at), stage.word.text.as_str());
            found.extend(undecidable(stage, repeat));
            let Some(from) = from_of(stage, repeat, by_name, last, found) else { continue };
            let members = members(needs, from, last);
            if members.is_empty() {
                found.push(no_way(own, repeat));
                continue;
            }
            let names: Vec<String> = members.iter().map(|member| stages[member.at()].word.text.clone()).collect();
            for member in &members {
                match deciders[member.at()].replace(own) {
                    Some(other) => found.push(shared(&stages[member.at()], (other, own), repeat)),
                    None => rounds.names[member.at()] = Some(names.clone()),
                }
            }
            let told = strays(needs, &members, last);
            found.extend(told.into_iter().map(|(stray, need)| strayed(&stages[stray.at()], &stages[need.at()], own)));
            found.extend(unchanging(repeat, own, &names));
            let DraftRepeat { until: (_, until), at_most, then, .. } = repeat;
            rounds.repeats[at] = Some(Repeat { from, until: until.clone(), at_most: *at_most, then: *then });
        }
        if stages.iter().any(|stage| stage.repeat.is_some())
            && let Some(stage) = stages.iter().find(|stage| stage.word.text == PREVIOUS)
        {
            let title = format!("{} is the round before, in a file with `repeat`", shown(PREVIOUS));
            found.push(Mistake::new(stage.word.span.clone(), title, "", "give the stage another name"));
        }
        rounds
    }

    /// The names of all that are part of the rounds of that stage.
    pub(super) fn names(&self, stage: Option<&StageIndex>) -> Option<&[String]> {
        self.names.get(stage?.at())?.as_deref()
    }
}

fn from_of(
    stage: &DraftStage,
    repeat: &DraftRepeat,
    by_name: &HashMap<&str, StageIndex>,
    last: StageIndex,
    found: &mut Vec<Mistake>,
) -> Option<StageIndex> {
    let Some(word) = &repeat.from else { return Some(last) };
    let from = by_name.get(word.text.as_str()).copied();
    if from.is_none() {
        let help = match similar(&word.text, by_name.keys().copied()) {
            Some(meant) => format!("did you mean {}?", shown(meant)),
            None => format!("name the first stage of a round, or remove it for {} alone", shown(&stage.word.text)),
        };
        let title = format!("`repeat` begins from {}, and there is no such stage", shown(&word.text));
        found.push(Mistake::new(word.span.clone(), title, "", help));
    }
    from
}

fn no_way(own: &str, repeat: &DraftRepeat) -> Mistake {
    let from = repeat.from.as_ref().map_or(own, |word| word.text.as_str());
    let span = repeat.from.as_ref().map_or(repeat.span.clone(), |word| word.span.clone());
    let title = format!("`repeat` begins from {}, which {} does not need by any way", shown(from), shown(own));
    let help = format!("name a stage that leads to {}, or remove `from` for that stage alone", shown(own));
    Mistake::new(span, title, "", help)
}

/// Of a stage that does not end with one output which is looked at before it is committed.
fn undecidable(stage: &DraftStage, repeat: &DraftRepeat) -> Option<Mistake> {
    let name = shown(&stage.word.text);
    let why = match &stage.kind {
        _ if stage.for_each.is_some() => format!("{name} is fanned out, and each of its items ends by itself"),
        Field::Right(StageKind::Sql(_)) => format!("{name} is a statement, which is committed with its output"),
        Field::Right(StageKind::Command(command)) if command.finish => {
            format!("{name} has finish = true, and ends its attempts itself")
        }
        _ => return None,
    };
    let help = format!("put `repeat` on a stage that needs {name}, with the same `from`");
    Some(Mistake::new(repeat.span.clone(), format!("`repeat` looks at one output, and {why}"), "", help))
}

fn shared(member: &DraftStage, (one, other): (&str, &str), repeat: &DraftRepeat) -> Mistake {
    let (name, one, other) = (shown(&member.word.text), shown(one), shown(other));
    let title = format!("stage {name} is part of the rounds of {one} and of {other}");
    let help = "let one begin behind the other's last stage: rounds within rounds are not possible";
    Mistake::new(repeat.span.clone(), title, "", help)
}

fn strayed(stage: &DraftStage, need: &DraftStage, last: &str) -> Mistake {
    let word = stage.needs.iter().find(|word| word.text == need.word.text);
    let span = word.map_or(stage.word.span.clone(), |word| word.span.clone());
    let (own, need) = (shown(&stage.word.text), shown(&need.word.text));
    let title = format!("stage {own} needs {need}, which each round does again");
    let help = format!("add \"{last}\" to the needs of {own}, so that it waits for the last round");
    Mistake::new(span, title, "", help)
}

/// A condition that says the same of every round.
fn unchanging(repeat: &DraftRepeat, own: &str, names: &[String]) -> Option<Mistake> {
    let (word, until) = &repeat.until;
    let changes = |head: &str| head == PREVIOUS || condition::meant(head, names.iter().map(String::as_str)).is_some();
    if until.reads().iter().any(|read| changes(&read.head)) {
        return None;
    }
    let help = format!("read what comes of the round, such as {}.score >= 0.8", own.replace('-', "_"));
    Some(Mistake::new(word.span.clone(), "`until` reads nothing that changes from round to round", "", help))
}

/// Tells of a place of the round before that there is not, or that may be missing.
pub(super) fn previous(
    names: &[String],
    (word, place): (&Word, &Place),
    names_file: bool,
    is_asked: bool,
) -> Option<Mistake> {
    let wrong = |title: String, help: String| Some(Mistake::new(word.span.clone(), title, "", help));
    if names_file {
        let title = format!("{} is in no first round", shown(&place.to_string()));
        return wrong(title, "let the stage open the files of the round before itself".to_owned());
    }
    if let Some(stage) = place.path.first().filter(|stage| !names.contains(stage)) {
        let title = format!("`{PREVIOUS}` has no {}: that stage is not part of the round", shown(stage));
        let known: Vec<String> = names.iter().take(8).map(|name| shown(name)).collect();
        return wrong(title, format!("the stages of the round are {}", known.join(", ")));
    }
    if place.fallback.is_none() && !is_asked {
        let title = format!("there is no {} in the first round", shown(&place.to_string()));
        return wrong(title, format!("say what stands there then: {{{{{place} | \"\"}}}}"));
    }
    None
}
