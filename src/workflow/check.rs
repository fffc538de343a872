//! Whether the stages of a file fit together: from a draft to the definition.

mod conditions;
mod failures;
mod for_each;
mod quorums;
mod races;
mod rounds;
mod schedules;
mod texts;

use std::collections::{HashMap, HashSet};

use self::rounds::Rounds;
use super::definition::{DEFAULT_TIMEOUT, ForEach, InputForm, Repeat, Stage, StageIndex, StageKind, Workflow};
use super::draft::{Draft, DraftStage};
use super::duration;
use super::graph;
use super::input::DeclaredInput;
use super::limits::Limits;
use super::mistake::{Mistake, SHOWN, shown};
use super::own::FAILURE;
use super::rounds::PREVIOUS;
use super::service;
use super::similar::similar;
use super::template::Place;
use super::value::{Field, Word};

/// Names to stages, and what each stage needs as far as that is known.
struct Graph<'a> {
    stages: &'a [DraftStage],
    /// What the runs' input holds, where the file says so.
    input: Option<&'a DeclaredInput>,
    by_name: HashMap<&'a str, StageIndex>,
    needs: Vec<Vec<StageIndex>>,
    rounds: Rounds,
}

/// The definition, or nothing and at least one mistake more.
pub(crate) fn check(mut draft: Draft, limits: &Limits, found: &mut Vec<Mistake>) -> Option<Workflow> {
    if let Field::Absent = draft.name {
        let help = "write name = \"story\" as the first line";
        found.push(Mistake::new(0..0, "the workflow has no name", "", help));
    }
    let stages = match std::mem::take(&mut draft.stages) {
        Field::Right(stages) if !stages.is_empty() => stages,
        Field::Wrong => return None,
        Field::Absent | Field::Right(_) => {
            let help = "write [stages.first] and below it command = [\"program\", \"argument\"]";
            found.push(Mistake::new(0..0, "the workflow has no stages", "", help));
            return None;
        }
    };
    let mut stages = stages;
    races::check(&stages, found);
    stages.iter_mut().for_each(races::accept_all);
    let Connected { needs, for_each, repeats } = connect(&stages, draft.input.as_ref(), limits, found);
    let name = draft.name.clone().right()?;
    found.extend(own_children(&stages, name.as_str()));
    let names: HashMap<String, StageIndex> =
        (0..).zip(&stages).map(|(at, stage)| (stage.word.text.clone(), StageIndex::of(at))).collect();
    let index_of = |name: &str| names.get(name).copied();
    let built: Option<Vec<Stage>> = stages
        .into_iter()
        .zip(needs)
        .zip(for_each)
        .zip(repeats)
        .map(|(((stage, needs), for_each), repeat)| build(stage, needs, (for_each, repeat), &index_of))
        .collect();
    let Draft { description, retry, input, schedules, .. } = draft;
    found.extend(input.iter().flat_map(|input| schedules::unfit(&schedules, input)));
    let schedules = schedules.into_iter().map(|(name, (schedule, _))| (name, schedule)).collect();
    found.is_empty().then_some(Workflow { name, description, retry, input, stages: built?, schedules })
}

fn build(
    stage: DraftStage,
    needs: Vec<StageIndex>,
    (for_each, repeat): (Option<ForEach>, Option<Repeat>),
    index_of: &impl Fn(&str) -> Option<StageIndex>,
) -> Option<Stage> {
    let quorum = quorums::quorum(&stage);
    let (name, kind) = (stage.name?, stage.kind.right()?);
    let timeout = stage.timeout.unwrap_or(DEFAULT_TIMEOUT);
    let stall = stage.stall.map(|(stall, _)| stall);
    let inputs = stage.inputs.map(|(form, _)| form).unwrap_or_default();
    let first = stage.first.as_ref().map(|(first, _)| *first);
    let accepted = stage.needs.iter().filter(|need| first.is_none() && stage.accepted.contains(&need.text));
    let on_failure_of = stage.on_failure_of.as_ref().and_then(|word| index_of(&word.text));
    let accepts_skipped = accepted.filter_map(|need| index_of(&need.text)).chain(on_failure_of).collect();
    let when = stage.when.map(|(_, condition)| condition);
    let DraftStage { named, wait_names, optional, concurrency, per_worker, rate, requires, wait, retry, .. } = stage;
    // An attempt that waits for a process would hold a slot.
    let per_worker = per_worker.or(kind.warm_processes());
    let knows_run = !named.owns.is_empty() || !wait_names.owns.is_empty();
    let knows_files = !named.files.is_empty() || named.makes_files;
    Some(Stage {
        name,
        needs,
        accepts_skipped,
        first,
        when,
        optional,
        quorum,
        on_failure_of,
        for_each,
        repeat,
        inputs,
        kind,
        timeout,
        stall,
        concurrency,
        per_worker,
        rate,
        requires,
        wait,
        retry,
        knows_run,
        knows_files,
    })
}

/// What each stage needs, what it is fanned out over, and the rounds that it decides about.
struct Connected {
    needs: Vec<Vec<StageIndex>>,
    for_each: Vec<Option<ForEach>>,
    repeats: Vec<Option<Repeat>>,
}

fn connect(
    stages: &[DraftStage],
    input: Option<&DeclaredInput>,
    limits: &Limits,
    found: &mut Vec<Mistake>,
) -> Connected {
    let by_name = stages.iter().enumerate().map(|(at, stage)| (stage.word.text.as_str(), StageIndex::of(at))).collect();
    let needs = Vec::with_capacity(stages.len());
    let mut graph = Graph { stages, input, by_name, needs, rounds: Rounds::default() };
    for stage in stages {
        if let Field::Absent = stage.kind {
            let title = format!("stage {} does not say how it runs", shown(&stage.word.text));
            let help = "add command = [\"program\", \"argument\"], http = \"https://…\", or rust = \"…\", the name of a \
                        handler that is registered in your binary";
            found.push(Mistake::new(stage.word.span.clone(), title, "", help));
        }
        let needs = failures::first(stage, stages, &graph.by_name, found).into_iter();
        let needs = needs.chain(graph.needs_of(stage, limits, found)).collect();
        graph.needs.push(needs);
    }
    graph.rounds = Rounds::of(stages, &graph.by_name, &graph.needs, found);
    let for_each = (0..stages.len()).map(|at| graph.for_each_of(at, found)).collect();
    for stage in stages {
        found.extend(bad_inputs(stage));
        quorums::check(stage, found);
        found.extend(bad_stall(stage));
        stage.named.places.iter().for_each(|(word, place)| graph.look_up(stage, (word, Names::Value), place, found));
        let look_up = |word: &Word, place: &Place, found: &mut Vec<Mistake>| {
            graph.look_up(stage, (word, Names::Condition), place, found);
        };
        for asked in stage.conditions() {
            conditions::check(stage, asked, graph.input, &look_up, found);
        }
        for (word, place) in &stage.wait_names.places {
            found.extend(texts::two_answers(stage, word, place));
            if place.head != service::ANSWER {
                graph.look_up(stage, (word, Names::Value), place, found);
            }
        }
        let has_rounds = graph.rounds.names(graph.by_name.get(stage.word.text.as_str())).is_some();
        let owns = stage.named.owns.iter().chain(&stage.wait_names.owns);
        owns.for_each(|(word, own)| texts::own(stage, (word, *own), has_rounds, found));
        for (word, file) in &stage.named.files {
            match texts::place_of(stage, word, file) {
                Ok(place) => graph.look_up(stage, (word, Names::File), &place, found),
                Err(mistake) => found.push(mistake),
            }
        }
    }
    found.extend(same_signals(stages));
    found.extend(failures::taken_name(stages));
    for circle in graph::circles(&graph.needs) {
        found.push(graph.told(&circle));
    }
    Connected { needs: graph.needs, for_each, repeats: graph.rounds.repeats }
}

/// What a place is named for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Names {
    /// Its value stands in a text.
    Value,
    /// A file that it refers to.
    File,
    /// A condition reads it, and may ask first whether it is there.
    Condition,
}

impl Graph<'_> {
    fn needs_of(&self, stage: &DraftStage, limits: &Limits, found: &mut Vec<Mistake>) -> Vec<StageIndex> {
        let own = stage.word.text.as_str();
        if let Some(over) = stage.needs.get(limits.max_needs) {
            let (count, limit) = (stage.needs.len(), limits.max_needs);
            let title = format!("stage {} needs {count} stages, over the limit of {limit}", shown(own));
            let help = "let stages in between gather their outputs, or use `for_each`: it counts as one need";
            found.push(Mistake::new(over.span.clone(), title, "the first need over the limit", help));
            return Vec::new();
        }
        let mut seen = HashSet::new();
        let mut needs = Vec::new();
        for need in &stage.needs {
            let span = need.span.clone();
            match self.by_name.get(need.text.as_str()) {
                _ if need.text == own => {
                    let title = format!("stage {} needs itself", shown(own));
                    found.push(Mistake::new(span, title, "", "remove it, or name the stage that comes before"));
                }
                None => {
                    let title = format!("there is no stage {}", shown(&need.text));
                    found.push(Mistake::new(span, title, "", self.suggestion(&need.text, own, found.len())));
                }
                Some(index) if seen.insert(*index) => needs.push(*index),
                Some(_) => {
                    let title = format!("stage {} needs {} twice", shown(own), shown(&need.text));
                    found.push(Mistake::new(span, title, "", "name each stage once"));
                }
            }
        }
        needs
    }

    /// What to write instead of a stage that there is not. Nobody reads suggestions past the mistakes that are shown.
    fn suggestion(&self, text: &str, own: &str, mistakes: usize) -> String {
        let others = || self.stages.iter().map(|stage| stage.word.text.as_str()).filter(|name| *name != own);
        let meant = if mistakes > SHOWN { None } else { similar(text, others()) };
        match meant {
            Some(meant) => format!("did you mean {}?", shown(meant)),
            None => {
                let mut names: Vec<String> = others().take(8).map(shown).collect();
                if others().nth(8).is_some() {
                    names.push("…".to_owned());
                }
                if names.is_empty() {
                    return "there is no other stage; remove it".to_owned();
                }
                format!("the other stages are {}", names.join(", "))
            }
        }
    }

    /// Tells of a place that the input of the stage does not have, as far as that is known before a run.
    fn look_up(&self, stage: &DraftStage, (word, names): (&Word, Names), place: &Place, found: &mut Vec<Mistake>) {
        let (head, own) = (place.head.as_str(), shown(&stage.word.text));
        let (title, help) = match head {
            "input" => {
                if let Some(declared) = self.input {
                    texts::place(declared, word, place, found);
                }
                return;
            }
            PREVIOUS if let Some(members) = self.rounds.names(self.by_name.get(stage.word.text.as_str())) => {
                let (is_file, is_asked) = (names == Names::File, names == Names::Condition);
                found.extend(rounds::previous(members, (word, place), is_file, is_asked));
                return;
            }
            FAILURE if stage.on_failure_of.is_some() => {
                found.extend(failures::place(word, place, names == Names::File));
                return;
            }
            head if stage.on_failure_of.as_ref().is_some_and(|of| of.text == head) => {
                found.push(failures::has_no_output(stage, word, head));
                return;
            }
            _ if stage.item_names().contains(&head) => return,
            "item" => {
                let title = format!("{} has no `item`: it is not fanned out", shown(&stage.word.text));
                (title, "add for_each = \"…\", the place of an array, or read from `input`".to_owned())
            }
            _ if stage.needs.iter().any(|need| need.text == head) => {
                let may_be_absent = stage.accepted.contains(head) && place.fallback.is_none();
                let is_asked = names == Names::Condition;
                let is_in_file = (is_asked || !place.path.is_empty()) && comes_as_file(stage, head);
                if may_be_absent && !is_in_file && !is_asked {
                    found.push(texts::may_be_skipped(word, place, names == Names::File));
                    return;
                }
                if !is_in_file {
                    return;
                }
                let title = format!("{} is in a file: the stage has inputs = \"file\"", shown(&place.to_string()));
                let help = match is_asked {
                    true => {
                        "a condition reads no files: let the stage before it decide, and need that one for its answer"
                            .to_owned()
                    }
                    false => format!("write {{{{{head}}}}} for the name of the file, and let the stage read it"),
                };
                (title, help)
            }
            _ if self.by_name.contains_key(head) && head != stage.word.text => {
                let what = if names == Names::File { "a file" } else { "the output" };
                let title = format!("stage {own} reads {what} of {}, which is not among its needs", shown(head));
                (title, format!("add \"{head}\" to needs"))
            }
            _ => {
                let title =
                    format!("{} is in no input of stage {}", shown(&place.to_string()), shown(&stage.word.text));
                let own = ["input", "item"]
                    .into_iter()
                    .chain(stage.item_names().iter().copied().filter(|name| *name != "item"));
                let known = || own.clone().chain(stage.needs.iter().map(|need| need.text.as_str()));
                let meant = if found.len() > SHOWN { None } else { similar(head, known()) };
                let help = match (meant, texts::meant_file(place)) {
                    (_, Some(file)) => file,
                    (Some(meant), None) => format!("did you mean {}?", shown(meant)),
                    (None, None) => "a place begins with `input`, `item` or a stage that is needed".to_owned(),
                };
                (title, help)
            }
        };
        found.push(Mistake::new(word.span.clone(), title, "", help));
    }

    /// One circle, at the need that leads from its first stage to its second.
    fn told(&self, circle: &[StageIndex]) -> Mistake {
        let stage = |at: usize| self.stages.get(circle.get(at % circle.len())?.at());
        let name = |at: usize| stage(at).map_or("", |stage| stage.word.text.as_str());
        let mut way: Vec<&str> = (0..=circle.len()).map(name).collect();
        if way.len() > 12 {
            way.splice(6..way.len() - 6, ["…"]);
        }
        let need = stage(0).and_then(|first| first.needs.iter().find(|need| need.text == name(1)));
        Mistake::new(
            need.map_or(0..0, |need: &Word| need.span.clone()),
            format!("stages need each other in a circle: {}", way.join(" → ")),
            format!("{} needs {}", shown(name(0)), shown(name(1))),
            "take one of these needs away, so that one of the stages can start",
        )
    }
}

/// Whether the stage gets the output of that one in a file; what it is fanned out over comes item by item.
fn comes_as_file(stage: &DraftStage, need: &str) -> bool {
    let is_source = stage.for_each.as_ref().is_some_and(|for_each| for_each.heads().any(|head| head == need));
    matches!(stage.inputs, Some((InputForm::File, _))) && !is_source
}

/// Signals with the name of an earlier one: nobody could say which of them is answered.
fn same_signals(stages: &[DraftStage]) -> Vec<Mistake> {
    let signals = stages.iter().filter_map(|stage| match &stage.kind {
        Field::Right(StageKind::Signal(signal)) => Some((stage, signal.name.as_str())),
        _ => None,
    });
    let mut first: HashMap<&str, &str> = HashMap::new();
    let mut found = Vec::new();
    for (stage, name) in signals {
        let own = stage.word.text.as_str();
        let before = *first.entry(name).or_insert(own);
        if before != own {
            let title =
                format!("stage {} waits for the signal {}, as stage {} does", shown(own), shown(name), shown(before));
            found.push(Mistake::new(stage.word.span.clone(), title, "", "give one of them another name"));
        }
    }
    found
}

/// Stages that start runs of their own workflow: each would start the next one.
fn own_children(stages: &[DraftStage], name: &str) -> Vec<Mistake> {
    let own = stages
        .iter()
        .filter(|stage| matches!(&stage.kind, Field::Right(StageKind::Run(run)) if run.workflow.as_str() == name));
    own.map(|stage| {
        let title = format!("a run of {0} would start runs of {0} without end", shown(name));
        Mistake::new(stage.word.span.clone(), title, "", "start runs of another workflow")
    })
    .collect()
}

/// A `stall` that no attempt lives to see.
fn bad_stall(stage: &DraftStage) -> Option<Mistake> {
    let (stall, span) = stage.stall.as_ref()?;
    let timeout = stage.timeout.unwrap_or(DEFAULT_TIMEOUT);
    if *stall < timeout {
        return None;
    }
    let (stall, timeout) = (duration::format(*stall), duration::format(timeout));
    let title =
        format!("`stall` of {} is {stall}, and an attempt ends at its timeout of {timeout}", shown(&stage.word.text));
    Some(Mistake::new(span.clone(), title, "", "make it shorter, or the timeout longer"))
}

/// `inputs = "file"` where nothing comes of it.
fn bad_inputs(stage: &DraftStage) -> Option<Mistake> {
    let (InputForm::File, span) = stage.inputs.as_ref()? else { return None };
    let name = shown(&stage.word.text);
    if stage.needs.iter().any(|need| comes_as_file(stage, &need.text)) {
        return None;
    }
    let title = format!("{name} needs no stage whose output could come as a file");
    Some(Mistake::new(span.clone(), title, "", "remove the line; the run's input and the item are always values"))
}
