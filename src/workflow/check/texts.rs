//! Whether what a stage's texts refer to will be there when it starts, as far as that is known before a run.

use crate::workflow::definition::StageKind;
use crate::workflow::draft::DraftStage;
use crate::workflow::input::{DeclaredInput, InputType};
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::named_file::NamedFile;
use crate::workflow::own::Own;
use crate::workflow::service::ANSWER;
use crate::workflow::similar::similar;
use crate::workflow::template::Place;
use crate::workflow::value::{Field, Word};

/// Tells of something that an attempt of this stage does not know of itself.
pub(super) fn own(stage: &DraftStage, (word, own): (&Word, Own), has_rounds: bool, found: &mut Vec<Mistake>) {
    let is_program = matches!(&stage.kind, Field::Right(kind) if kind.is_command());
    let (title, help) = match own {
        Own::Item if stage.for_each.is_none() => {
            let title = format!("{} has no `{}`: it is not fanned out", shown(&stage.word.text), own.place());
            (title, "add for_each = \"…\", the place of an array, or remove it")
        }
        Own::Round if !has_rounds => {
            let title = format!("{} has no `{}`: it is done once", shown(&stage.word.text), own.place());
            (title, "add `repeat` to it or to a stage behind it, or remove it")
        }
        own if own.is_for_programs() && !is_program => {
            let title = format!("{} has no `{}`: only programs have it", shown(&stage.word.text), own.place());
            let is_statement = matches!(&stage.kind, Field::Right(StageKind::Sql(_)));
            (title, if is_statement { "remove it" } else { "remove it; the body of the answer is the output" })
        }
        _ => return,
    };
    found.push(Mistake::new(word.span.clone(), title, "", help));
}

/// Tells of a place that two things could be meant by: the output of a stage, and what a service answered first.
pub(super) fn two_answers(stage: &DraftStage, word: &Word, place: &Place) -> Option<Mistake> {
    let is_both = place.head == ANSWER && stage.needs.iter().any(|need| need.text == ANSWER);
    let title = || {
        format!("{} could be the answer of the service, or the output of stage `{ANSWER}`", shown(&place.to_string()))
    };
    is_both.then(|| Mistake::new(word.span.clone(), title(), "", "give that stage another name"))
}

/// Tells of the output of a need that is accepted without one.
pub(super) fn may_be_skipped(word: &Word, place: &Place, names_file: bool) -> Mistake {
    let head = &place.head;
    let lacks =
        if names_file { "it keeps no files".to_owned() } else { format!("there is no {}", shown(&place.to_string())) };
    let title = format!("`{head}` may be skipped, and then {lacks}");
    let help = match names_file {
        true => {
            format!("write \"{head}\" among the needs, without the `?`, or let the stage look for its files itself")
        }
        false => format!("say what stands there then: {{{{{place} | \"\"}}}}"),
    };
    Mistake::new(word.span.clone(), title, "", help)
}

/// The place of the input whose files are named.
pub(super) fn place_of(stage: &DraftStage, word: &Word, file: &NamedFile) -> Result<Place, Mistake> {
    let at = |head: &str, path: &[&str]| Place {
        head: head.to_owned(),
        path: path.iter().map(|key| (*key).to_owned()).collect(),
        fallback: None,
    };
    match file {
        NamedFile::At(place) => Ok(place.clone()),
        NamedFile::Of { head, .. } if head == "input" => Ok(at(head, &["files"])),
        NamedFile::Of { head, .. } if head == "item" => {
            let title = format!("{}: an item keeps no files", shown(&word.text));
            let help = "write {{file:item}}, or the place in the item, for what it refers to; or name the stage";
            Err(Mistake::new(word.span.clone(), title, "", help))
        }
        NamedFile::Of { head, .. } if *head == stage.word.text => {
            let title = format!("stage {} takes its own files", shown(head));
            let help = "name the stage before it; what a program makes itself is {{out:NAME}}";
            Err(Mistake::new(word.span.clone(), title, "", help))
        }
        NamedFile::Of { head, .. } => Ok(at(head, &[])),
    }
}

/// What to write instead of a place that looks as if a file were meant.
pub(super) fn meant_file(place: &Place) -> Option<String> {
    let text = place.to_string();
    match text.split_once(':') {
        Some((kind, name)) => similar(kind, ["file", "out"]).map(|kind| format!("did you mean `{kind}:{name}`?")),
        None if text.contains('/') => Some(format!("write `file:{text}` for a file that a stage has kept")),
        None => None,
    }
}

/// Tells of a place of the run's input that no run of this workflow has for certain.
pub(super) fn place(declared: &DeclaredInput, word: &Word, place: &Place, found: &mut Vec<Mistake>) {
    let Some(name) = place.path.first() else { return };
    let Some(kind) = declared_kind(declared, word, name, found) else { return };
    let optional = declared.key(name).is_some_and(|key| key.optional);
    let (title, help) = if !kind.has_keys() && place.path.len() > 1 {
        (format!("`input.{name}` is {}, and nothing is inside of it", kind.in_words()), "name it alone".to_owned())
    } else if optional && place.fallback.is_none() {
        let help = format!("give it a default below [input], or write {{{{{place} | \"…\"}}}}");
        (format!("`input.{name}` may be left out"), help)
    } else {
        return;
    };
    found.push(Mistake::new(word.span.clone(), title, "", help));
}

/// Tells of a place that `for_each` cannot find an array at.
pub(super) fn array(declared: &DeclaredInput, word: &Word, path: &[String], found: &mut Vec<Mistake>) {
    let wrong = |title: String, help: &str| Mistake::new(word.span.clone(), title, "", help);
    let Some(name) = path.first() else {
        let title = "`input` is an object, by [input], and no array".to_owned();
        found.push(wrong(title, "name the key that holds the array, such as \"input.files\""));
        return;
    };
    let Some(kind) = declared_kind(declared, word, name, found) else { return };
    let fits = match kind {
        InputType::Any => true,
        InputType::Array => path.len() == 1,
        InputType::Object => path.len() > 1,
        InputType::String | InputType::Number | InputType::Integer | InputType::Boolean => false,
    };
    if !fits {
        let title = format!("`input.{name}` is {}, and `for_each` names an array", kind.in_words());
        found.push(wrong(title, "name another place, or declare it below [input] as an array"));
    } else if declared.key(name).is_some_and(|key| key.optional) {
        let title = format!("`input.{name}` may be left out");
        found.push(wrong(title, "give it a default below [input], such as default = []"));
    }
}

/// The type of a key, if it is declared.
fn declared_kind(declared: &DeclaredInput, word: &Word, name: &str, found: &mut Vec<Mistake>) -> Option<InputType> {
    let kind = declared.key(name).map(|key| key.kind);
    if kind.is_none() {
        let help = match similar(name, declared.0.iter().map(|key| key.key.as_str())) {
            Some(meant) => format!("did you mean `input.{meant}`?"),
            None if name == "files" => "declare it below [input]: files = \"array\"".to_owned(),
            None => format!("declare it below [input], such as {name} = \"string\""),
        };
        let title = format!("{} is not among the keys of [input]", shown(&format!("input.{name}")));
        found.push(Mistake::new(word.span.clone(), title, "", help));
    }
    kind
}
