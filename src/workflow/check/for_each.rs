//! Whether what a stage is fanned out over is there: from places in a file to sources.

use super::{Graph, texts};
use crate::workflow::definition::{Factor, ForEach, Source};
use crate::workflow::draft::DraftStage;
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::similar::similar;
use crate::workflow::value::Word;

/// Keys a path may have inside each other.
const DEEPEST: usize = 32;
/// Arrays of one product.
const MOST_ARRAYS: usize = 4;
/// Behind the array whose elements hold the arrays.
const EACH: &str = "[*]";

impl Graph<'_> {
    pub(super) fn for_each_of(&self, at: usize, found: &mut Vec<Mistake>) -> Option<ForEach> {
        let stage = self.stages.get(at)?;
        let for_each = stage.for_each.as_ref()?;
        let before = found.len();
        found.extend(same_names(stage));
        let mut arrays = Vec::new();
        for word in &for_each.places {
            arrays.extend(self.array_of(at, word, found));
        }
        if for_each.is_product {
            found.extend(odd_product(stage));
        }
        let is_whole = found.len() == before && arrays.len() == for_each.places.len();
        let mut arrays = arrays.into_iter().filter(|_| is_whole);
        let (Factor { source, path }, within) = arrays.next()?;
        Some(ForEach { source, path, within, times: arrays.map(|(factor, _)| factor).collect() })
    }

    /// One array, and where in its elements the arrays stand that hold the items.
    fn array_of(&self, at: usize, word: &Word, found: &mut Vec<Mistake>) -> Option<(Factor, Option<Vec<String>>)> {
        let stage = self.stages.get(at)?;
        let own = stage.word.text.as_str();
        let wrong = |title: String, help: String| Mistake::new(word.span.clone(), title, "", help);
        let (array, within) = match word.text.split_once(EACH) {
            Some((array, within)) => (array, Some(within)),
            None => (word.text.as_str(), None),
        };
        let mut keys = array.split('.');
        let head = keys.next()?;
        let path: Vec<String> = keys.map(str::to_owned).collect();
        let within = match within {
            None => None,
            Some("") => Some(Vec::new()),
            // Behind the bracket comes a dot; anything else is no name.
            Some(keys) => Some(keys.strip_prefix('.').unwrap_or("[").split('.').map(str::to_owned).collect()),
        };
        if let Some(mistake) = bad_path(word, head, &path, within.as_deref()) {
            found.push(mistake);
            return None;
        }
        if head == "input" {
            if let Some(declared) = self.input {
                texts::array(declared, word, &path, found);
            }
            return Some((Factor { source: Source::Input, path }, within));
        }
        let Some(index) = self.by_name.get(head).copied() else {
            // The same misspelling under `needs` has been told there.
            if !stage.needs.iter().any(|need| need.text == head) {
                let title = format!("`for_each` reads the output of {}, and there is no such stage", shown(head));
                let help = match self.suggestion(head, own, found.len()) {
                    help if similar(head, ["input"]).is_some() => format!("{help}; the run's input is `input`"),
                    help => help,
                };
                found.push(wrong(title, help));
            }
            return None;
        };
        if index.at() == at {
            let title = format!("stage {} is fanned out over its own output", shown(own));
            found.push(wrong(title, "name the stage before it that makes the array".to_owned()));
        } else if !stage.needs.iter().any(|need| need.text == head) {
            found.push(not_needed(stage, word, head));
        } else if self.stages.get(index.at()).is_some_and(|source| source.for_each.is_some()) && !path.is_empty() {
            let title = format!("stage {} is itself fanned out: its output is an array, and has no keys", shown(head));
            let array = path.join(".");
            let help = format!(
                "write for_each = \"{head}\", or \"{head}[*].{array}\" for the elements of the arrays in its outputs"
            );
            found.push(wrong(title, help));
        } else {
            return Some((Factor { source: Source::Stage(index), path }, within));
        }
        None
    }
}

fn not_needed(stage: &DraftStage, word: &Word, head: &str) -> Mistake {
    let title = format!("`for_each` reads the output of {}, which is not among the needs", shown(head));
    let all = stage.needs.iter().map(|need| need.text.as_str()).chain([head]);
    let list = all.map(|name| format!("\"{}\"", name.escape_debug())).collect::<Vec<_>>().join(", ");
    let help =
        if stage.needs.len() < 8 { format!("write needs = [{list}]") } else { format!("add \"{head}\" to needs") };
    Mistake::new(word.span.clone(), title, "", help)
}

/// A need with the name of something that its items bring along.
fn same_names(stage: &DraftStage) -> Option<Mistake> {
    let for_each = stage.for_each.as_ref()?;
    let need = stage.needs.iter().find(|need| for_each.names().contains(&need.text.as_str()))?;
    let title = format!(
        "the items of {} bring {} along, and a stage that it needs has that name",
        shown(&stage.word.text),
        shown(&need.text)
    );
    Some(Mistake::new(need.span.clone(), title, "", "give that stage another name"))
}

/// Arrays that make no product.
fn odd_product(stage: &DraftStage) -> Option<Mistake> {
    let places = &stage.for_each.as_ref()?.places;
    let first = places.first()?;
    let mistake = |word: &Word, title: String, help: String| Some(Mistake::new(word.span.clone(), title, "", help));
    if places.len() < 2 {
        let help = format!("write for_each = \"{}\"", first.text.escape_debug());
        return mistake(first, "one array is no product".to_owned(), help);
    }
    if let Some(word) = places.get(MOST_ARRAYS) {
        let title = format!("a product of {} arrays, over the limit of {MOST_ARRAYS}", places.len());
        return mistake(word, title, "let a stage before it make the items".to_owned());
    }
    if let Some(word) = places.iter().find(|word| word.text.contains(EACH)) {
        let help = "let a stage before it go over these items, and name that one".to_owned();
        return mistake(word, "a product is one of arrays, and none of them is flattened in it".to_owned(), help);
    }
    let name = |word: &Word| word.text.rsplit('.').next().map(str::to_owned);
    let again =
        places.iter().enumerate().find(|(at, word)| places[..*at].iter().any(|other| name(other) == name(word)));
    let (_, word) = again?;
    let title = format!("two arrays of the product would both be `item.{}`", name(word).unwrap_or_default());
    mistake(word, title, "hand one of them on under another key".to_owned())
}

/// A `for_each` that is no place, whatever the stages are.
fn bad_path(word: &Word, head: &str, path: &[String], within: Option<&[String]>) -> Option<Mistake> {
    let odd = |c: char| c.is_whitespace() || matches!(c, '[' | ']' | '*' | '"' | '\'' | '/');
    let right = "write a stage, or a stage and keys with dots between them, such as \"check\" or \"check.scenes\"; \
                 [*] stands for each element of an array that holds arrays, as in \"render[*].pages\"";
    let all = || path.iter().chain(within.unwrap_or_default()).map(String::as_str);
    let (label, help) = if head.is_empty() || all().any(str::is_empty) {
        ("a name is missing before or after a dot", right)
    } else if all().count() > DEEPEST {
        ("more than 32 keys", "hand on the array nearer to the outside of the output")
    } else if word.text.matches(EACH).count() > 1 {
        ("more than one [*]", "let a stage before it go over the outer items")
    } else if head.contains(odd) || all().any(|key| key.contains(odd)) {
        ("a place is made of names and dots only", right)
    } else {
        return None;
    };
    Some(Mistake::new(word.span.clone(), format!("{} is no place of an array", shown(&word.text)), label, help))
}
