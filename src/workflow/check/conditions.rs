//! Whether what a condition reads will be there when it is decided, as far as that is known before a run.

use crate::workflow::condition::{self, Compared, Condition, Kind, Read};
use crate::workflow::draft::{Asked, DraftStage};
use crate::workflow::input::{DeclaredInput, InputType};
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::place::Place;
use crate::workflow::rounds::PREVIOUS;
use crate::workflow::value::Word;

/// Tells of what the condition of a stage cannot know; `look_up` tells of a place that no input has.
pub(super) fn check(
    stage: &DraftStage,
    Asked { word, condition, is_behind }: Asked<'_>,
    declared: Option<&DeclaredInput>,
    look_up: &impl Fn(&Word, &Place, &mut Vec<Mistake>),
    found: &mut Vec<Mistake>,
) {
    let mut told = Vec::new();
    for read in condition.reads() {
        let place = place(stage, read, is_behind);
        // Of its own output nothing is known.
        if told.contains(&place) || is_behind && place.head == stage.word.text {
            continue;
        }
        match dashed(stage, word, read).filter(|_| !is_known(stage, &place.head)) {
            Some(mistake) => found.push(mistake),
            None if may_be_left_out(declared, &place) && !is_tested(condition, read) => {
                let title = format!("`{read}` may be left out");
                let help = format!("ask first: has({read}) && …; or give it a default below [input]");
                found.push(Mistake::new(word.span.clone(), title, "", help));
            }
            None => {
                let tested = Place { fallback: is_tested(condition, read).then(String::new), ..place.clone() };
                look_up(word, &tested, found);
                found.extend(unguarded(stage, word, condition, read, &place));
            }
        }
        told.push(place);
    }
    for compared in condition.compared() {
        found.extend(misfit(declared, word, compared));
    }
}

fn is_known(stage: &DraftStage, head: &str) -> bool {
    matches!(head, "input" | "item")
        || stage.item_names().contains(&head)
        || stage.needs.iter().any(|need| need.text == head)
}

/// A key of the input that a run need not have.
fn may_be_left_out(declared: Option<&DeclaredInput>, place: &Place) -> bool {
    let key = place.path.first().filter(|_| place.head == "input");
    key.and_then(|key| declared?.key(key)).is_some_and(|key| key.optional)
}

/// The place that a name of an expression means: there, `-` is a sign, so that names have `_` in its place.
fn place(stage: &DraftStage, read: &Read, is_behind: bool) -> Place {
    let own = is_behind.then_some(stage.word.text.as_str());
    let meant = condition::meant(&read.head, stage.needs.iter().map(|need| need.text.as_str()).chain(own));
    Place { head: meant.unwrap_or(&read.head).to_owned(), path: read.path.clone(), fallback: None }
}

/// Where the condition asks itself whether it is there.
fn is_tested(condition: &Condition, read: &Read) -> bool {
    read.is_asked
        || condition
            .reads()
            .iter()
            .any(|other| other.is_asked && other.head == read.head && read.path.starts_with(&other.path))
}

/// A name that is half of one with a `-`: that was taken for a minus.
fn dashed(stage: &DraftStage, word: &Word, read: &Read) -> Option<Mistake> {
    let is_half =
        |name: &&str| name.contains('-') && word.text.contains(*name) && name.split('-').any(|half| half == read.head);
    let name = stage.needs.iter().map(|need| need.text.as_str()).find(is_half)?;
    let title = format!("a condition takes the `-` of {} for a minus", shown(name));
    Some(Mistake::new(word.span.clone(), title, "", format!("write {}", name.replace('-', "_"))))
}

/// Fields of an output that may be null.
fn unguarded(stage: &DraftStage, word: &Word, condition: &Condition, read: &Read, place: &Place) -> Option<Mistake> {
    let asks = || condition.reads().iter().any(|other| other.head == read.head && other.path.is_empty());
    let is_previous = place.head == PREVIOUS && !is_known(stage, PREVIOUS);
    if !(stage.accepted.contains(&place.head) || is_previous) || read.path.is_empty() || asks() {
        return None;
    }
    if is_previous {
        let title = format!("`{PREVIOUS}` is null in the first round: it has no `{}`", read.path.join("."));
        let help = format!("ask first: {PREVIOUS} != null && …");
        return Some(Mistake::new(word.span.clone(), title, "", help));
    }
    let title = format!("`{}` may be skipped, and is null then: it has no `{}`", read.head, read.path.join("."));
    let help = format!("ask first: {} != null && …", read.head);
    Some(Mistake::new(word.span.clone(), title, "", help))
}

/// What [input] declares to be of another type than the value beside it.
fn misfit(declared: Option<&DeclaredInput>, word: &Word, Compared { read, with }: &Compared) -> Option<Mistake> {
    let (declared, "input", [name]) = (declared?, read.head.as_str(), read.path.as_slice()) else { return None };
    let kind = declared.key(name)?.kind;
    let fits = match kind {
        InputType::Any => true,
        InputType::String => *with == Kind::Text,
        InputType::Number | InputType::Integer => *with == Kind::Number,
        InputType::Boolean => *with == Kind::Bool,
        InputType::Array | InputType::Object => *with == Kind::Other,
    };
    let title = || format!("`{read}` is {}, and is compared with {}", kind.in_words(), with.in_words());
    (!fits).then(|| Mistake::new(word.span.clone(), title(), "", "compare it with a value of its own type"))
}
