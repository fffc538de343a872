//! A workflow file read key by key: every value has its type, and how they fit together is not yet known.

mod child;
mod classes;
mod files;
mod input;
mod kind;
mod named;
mod repeat;
mod requires;
mod retry;
mod schedule;
mod service;
mod sql;
mod url;
mod wait;
mod warm;

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::time::Duration;

use toml::de::DeValue;

pub(crate) use self::repeat::DraftRepeat;
use super::condition::Condition;
use super::definition::{ForEach, InputForm, StageKind};
use super::input::DeclaredInput;
use super::json::json;
use super::keys::{self, Key, Shape};
use super::mistake::{Mistake, shown};
use super::name::{self, NameError, ScheduleName, StageName, WorkflowName};
use super::quorum::{AtLeast, Rest};
use super::rate::Rate;
use super::retry_rules::RetryRules;
use super::schedule::Schedule;
use super::service::ServiceWait;
use super::suggestion::suggestion;
use super::template::Template;
use super::value::{self, Field, Value, Word};

/// The file, key by key.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) name: Field<WorkflowName>,
    pub(crate) description: Option<String>,
    pub(crate) retry: RetryRules,
    /// `None` where it is absent or wrong.
    pub(crate) input: Option<DeclaredInput>,
    pub(crate) stages: Field<Vec<DraftStage>>,
    /// Those that are right, each with its place in the file.
    pub(crate) schedules: BTreeMap<ScheduleName, (Schedule, Range<usize>)>,
}

/// One `[stages.<name>]`, key by key.
#[derive(Debug)]
pub(crate) struct DraftStage {
    /// As written.
    pub(crate) word: Word,
    /// If it is one.
    pub(crate) name: Option<StageName>,
    pub(crate) kind: Field<StageKind>,
    pub(crate) named: named::Named,
    pub(crate) needs: Vec<Word>,
    /// Those of them that may have been skipped: written with a `?`, which is left out here.
    pub(crate) accepted: HashSet<String>,
    /// How many of them it begins with, and its place in the file; `None` where it is absent or wrong.
    pub(crate) first: Option<(u32, Range<usize>)>,
    /// `None` where it is absent or wrong.
    pub(crate) when: Option<(Word, Condition)>,
    pub(crate) optional: bool,
    pub(crate) on_failure_of: Option<Word>,
    /// `None` where it is absent or wrong.
    pub(crate) repeat: Option<DraftRepeat>,
    /// `None` where it is absent or wrong.
    pub(crate) for_each: Option<DraftForEach>,
    pub(crate) quorum: DraftQuorum,
    /// With its place in the file.
    pub(crate) inputs: Option<(InputForm, Range<usize>)>,
    pub(crate) timeout: Option<Duration>,
    /// With its place in the file.
    pub(crate) stall: Option<(Duration, Range<usize>)>,
    pub(crate) concurrency: Option<u32>,
    pub(crate) per_worker: Option<u32>,
    pub(crate) rate: Option<Rate>,
    pub(crate) requires: Vec<Template>,
    pub(crate) wait: Option<ServiceWait>,
    /// What the texts in that name.
    pub(crate) wait_names: named::Named,
    pub(crate) retry: RetryRules,
}

/// What a stage is fanned out over, as written.
#[derive(Debug)]
pub(crate) struct DraftForEach {
    pub(crate) places: Vec<Word>,
    /// It is a list: each element of one array goes with each of the others.
    pub(crate) is_product: bool,
}

impl DraftForEach {
    /// What the places begin with: `input`, or a stage.
    pub(crate) fn heads(&self) -> impl Iterator<Item = &str> {
        self.places.iter().filter_map(|place| place.text.split(['.', '[']).next())
    }

    /// What the items bring along, and `item` itself.
    pub(crate) fn names(&self) -> &'static [&'static str] {
        let is_flat = self.places.iter().any(|place| place.text.contains('['));
        ForEach::names_of(is_flat, self.is_product)
    }
}

impl DraftStage {
    /// With nothing but its name.
    fn new(word: Word, name: Option<StageName>) -> DraftStage {
        DraftStage {
            word,
            name,
            kind: Field::Absent,
            named: named::Named::default(),
            needs: Vec::new(),
            accepted: HashSet::new(),
            first: None,
            when: None,
            optional: false,
            on_failure_of: None,
            repeat: None,
            for_each: None,
            quorum: DraftQuorum::default(),
            inputs: None,
            timeout: None,
            stall: None,
            concurrency: None,
            per_worker: None,
            rate: None,
            requires: Vec::new(),
            wait: None,
            wait_names: named::Named::default(),
            retry: RetryRules::default(),
        }
    }

    /// Names of what an item has in its input.
    pub(crate) fn item_names(&self) -> &'static [&'static str] {
        self.for_each.as_ref().map_or(&[], DraftForEach::names)
    }
}

/// What a fan-out is content with, each key with its place in the file.
#[derive(Debug, Default)]
pub(crate) struct DraftQuorum {
    /// `None` where it is absent or wrong.
    pub(crate) at_least: Option<(AtLeast, Range<usize>)>,
    pub(crate) missing: Option<(String, Range<usize>)>,
    pub(crate) rest: Option<(Rest, Range<usize>)>,
}

/// A condition of a stage, with its text.
pub(crate) struct Asked<'s> {
    pub(crate) word: &'s Word,
    pub(crate) condition: &'s Condition,
    /// It is decided behind the stage's work, and reads its output, too.
    pub(crate) is_behind: bool,
}

impl DraftStage {
    /// Its conditions.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = Asked<'_>> {
        let when = self.when.as_ref().map(|(word, condition)| Asked { word, condition, is_behind: false });
        let until = self.repeat.as_ref().map(|repeat| &repeat.until);
        when.into_iter().chain(until.map(|(word, condition)| Asked { word, condition, is_behind: true }))
    }
}

/// Reads the tree of a file. Of more than `most` stages none is read.
pub(crate) fn read(tree: &toml::de::DeTable<'_>, most: usize, found: &mut Vec<Mistake>) -> Draft {
    let mut draft = Draft::default();
    for (key, value) in value::entries(tree) {
        match key.text.as_str() {
            "name" => draft.name = Field::of(workflow_name(value, found)),
            "description" => {
                draft.description = value::text(value, keys::DESCRIPTION, true, found).map(|word| word.text);
            }
            "retry" => draft.retry = retry::rules(value, found).unwrap_or_default(),
            "input" => draft.input = input::declared(value, keys::INPUT, found),
            "stages" => read_stages(value, most, &mut draft, found),
            "schedules" => draft.schedules = schedule::schedules(value, found),
            unknown => {
                let known = suggestion(unknown, keys::FILE, found.len());
                let elsewhere = match unknown {
                    name if is_of_stage(name) => Some("it belongs to a stage: write it below [stages.<name>]"),
                    name if names(keys::SCHEDULE, name) => {
                        Some("it belongs to a schedule: write it below [schedules.<name>]")
                    }
                    _ => None,
                };
                value::unknown_key(&key, "a workflow file", keys::FILE, known, elsewhere, found);
                match known {
                    Some("name") => draft.name = Field::Wrong,
                    Some("stages") => draft.stages = Field::Wrong,
                    _ => {}
                }
            }
        }
    }
    draft
}

fn is_of_stage(name: &str) -> bool {
    let all = [
        keys::KINDS,
        keys::EVERY_STAGE,
        keys::COMMAND_STAGE,
        keys::HTTP_STAGE,
        keys::SQL_STAGE,
        keys::SLEEP_STAGE,
        keys::CHILD_STAGE,
    ];
    all.iter().any(|keys| names(keys, name))
}

fn names(keys: &[Key], name: &str) -> bool {
    keys.iter().any(|key| key.name == name)
}

fn workflow_name(value: &Value<'_>, found: &mut Vec<Mistake>) -> Option<WorkflowName> {
    let word = value::text(value, keys::NAME, false, found)?;
    match word.text.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            let help = name::nearest(&word.text).map_or(error.to_string(), |name| format!("write name = \"{name}\""));
            found.push(value::bad_name("workflow", &word, &error, help));
            None
        }
    }
}

fn read_stages(value: &Value<'_>, most: usize, draft: &mut Draft, found: &mut Vec<Mistake>) {
    let Some(table) = value::table(value, keys::STAGES, found) else {
        draft.stages = Field::Wrong;
        return;
    };
    if let Some((key, _)) = table.iter().nth(most) {
        let title = format!("the workflow has {} stages, over the limit of {most}", table.len());
        let help = "divide it into several workflows, or use `for_each` for stages that differ in their input only";
        found.push(Mistake::new(key.span(), title, "the first stage over the limit", help));
        draft.stages = Field::Wrong;
        return;
    }
    let stages = value::entries(table).map(|(word, value)| read_stage(word, value, found));
    draft.stages = Field::Right(stages.collect());
}

fn read_stage(word: Word, value: &Value<'_>, found: &mut Vec<Mistake>) -> DraftStage {
    let name = stage_name(&word, found);
    let mut stage = DraftStage::new(word, name);
    let DeValue::Table(table) = value.get_ref() else {
        let one = Key { example: "[stages.first]", ..keys::STAGES };
        stage.kind = Field::of(value::wrong_type(value, one, found));
        return stage;
    };
    let kind = kind::named(&stage.word, table, found);
    if let Some(kind) = kind {
        stage.kind = kind::read(kind, table, &mut stage.named, found);
    }
    for (key, value) in value::entries(table) {
        if is_no_key_of_a_wait(&key, kind, &stage.word, found) {
            continue;
        }
        match key.text.as_str() {
            "needs" => (stage.needs, stage.accepted) = needs(value, found),
            "first" => stage.first = value::number(value, keys::FIRST, found).map(|first| (first, value.span())),
            "optional" => stage.optional = value::flag(value, keys::OPTIONAL, found).unwrap_or_default(),
            "on_failure_of" => stage.on_failure_of = value::text(value, keys::ON_FAILURE_OF, false, found),
            "when" => stage.when = value::condition(value, keys::WHEN, found),
            "repeat" => stage.repeat = repeat::repeat(value, keys::REPEAT, found),
            "for_each" => stage.for_each = for_each(value, found),
            "at_least" => {
                stage.quorum.at_least = value::portion(value, keys::AT_LEAST, found).map(|n| (n, value.span()))
            }
            "missing" => stage.quorum.missing = json(value, keys::MISSING, found).map(|text| (text, value.span())),
            "rest" => stage.quorum.rest = rest(value, found).map(|rest| (rest, value.span())),
            "inputs" if kind.is_some_and(|kind| names(keys::of_kind(kind), "inputs")) => {
                stage.inputs = input_form(value, found).map(|form| (form, value.span()));
            }
            "stall" if kind.is_some_and(|kind| names(keys::of_kind(kind), "stall")) => {
                stage.stall = value::duration(value, keys::STALL, found).map(|stall| (stall, value.span()));
            }
            "timeout" => stage.timeout = value::duration(value, keys::TIMEOUT, found),
            "concurrency" => stage.concurrency = value::number(value, keys::CONCURRENCY, found),
            "per_worker" => stage.per_worker = value::number(value, keys::PER_WORKER, found),
            "rate" => stage.rate = value::rate(value, keys::RATE, found),
            "requires" => stage.requires = requires::requires(value, found),
            "retry" => stage.retry = retry::rules(value, found).unwrap_or_default(),
            "wait" if kind.is_some_and(|kind| keys::ASKING.contains(&kind)) => {
                stage.wait = service::wait(value, &mut stage.wait_names, found);
                if let (Some(_), Field::Right(kind)) = (&stage.wait, &stage.kind) {
                    found.extend(service::misfit(kind, &key, &stage.word));
                }
            }
            read if names(keys::KINDS, read) || kind.is_some_and(|kind| names(keys::of_kind(kind), read)) => {}
            unknown => {
                let meant = unknown_key(&key, unknown, kind, &stage.word, found);
                if matches!(stage.kind, Field::Absent) && meant.is_some_and(|meant| names(keys::KINDS, meant)) {
                    stage.kind = Field::Wrong;
                }
            }
        }
    }
    stage
}

/// Names of stages, and those that have a `?` behind them.
fn needs(value: &Value<'_>, found: &mut Vec<Mistake>) -> (Vec<Word>, HashSet<String>) {
    let mut needs = value::texts(value, keys::NEEDS, found);
    let mut accepted = HashSet::new();
    for need in &mut needs {
        if let Some(name) = need.text.strip_suffix('?').map(|name| name.trim_end().to_owned()) {
            accepted.insert(name.clone());
            need.text = name;
        }
    }
    (needs, accepted)
}

/// Tells of a key that means nothing for a stage which only waits.
fn is_no_key_of_a_wait(key: &Word, kind: Option<&str>, stage: &Word, found: &mut Vec<Mistake>) -> bool {
    let name = key.text.as_str();
    let Some(kind) = kind.filter(|kind| names(keys::EVERY_STAGE, name) && !names(keys::of_every(kind), name)) else {
        return false;
    };
    if kind == "wait" && name == "for_each" {
        let title = format!("stage {} waits for a signal, which answers a stage and not its items", shown(&stage.text));
        let help = "remove it: one answer can hold a decision on each item; or start a run for each";
        found.push(Mistake::new(key.span.clone(), title, "", help));
        return true;
    }
    let title =
        format!("`{name}` means nothing for stage {}: it waits (`{kind}`), and runs nothing", shown(&stage.text));
    found.push(Mistake::new(key.span.clone(), title, "", "remove it"));
    true
}

fn input_form(value: &Value<'_>, found: &mut Vec<Mistake>) -> Option<InputForm> {
    let Shape::Word(words) = keys::INPUTS.shape else { return None };
    Some(if value::one_of(value, keys::INPUTS, words, found)? == "file" { InputForm::File } else { InputForm::Value })
}

/// The place of an array, or several.
fn for_each(value: &Value<'_>, found: &mut Vec<Mistake>) -> Option<DraftForEach> {
    if let DeValue::Array(elements) = value.get_ref() {
        let before = found.len();
        let places = value::texts_of(elements, keys::FOR_EACH, found);
        if places.is_empty() && found.len() == before {
            return value::wrong_type(value, keys::FOR_EACH, found);
        }
        return (found.len() == before).then_some(DraftForEach { places, is_product: true });
    }
    let place = value::text(value, keys::FOR_EACH, false, found)?;
    Some(DraftForEach { places: vec![place], is_product: false })
}

fn rest(value: &Value<'_>, found: &mut Vec<Mistake>) -> Option<Rest> {
    let Shape::Word(words) = keys::REST.shape else { return None };
    Some(if value::one_of(value, keys::REST, words, found)? == "cancel" { Rest::Cancel } else { Rest::Wait })
}

/// Kinds with keys that no other has.
const OWN_KEYS: [&str; 5] = ["command", "http", "sql", "sleep", "workflow"];

/// Tells of a key that a stage of that kind has not, and says which was meant.
fn unknown_key(
    key: &Word,
    name: &str,
    kind: Option<&str>,
    stage: &Word,
    found: &mut Vec<Mistake>,
) -> Option<&'static str> {
    let owners = || OWN_KEYS.into_iter().filter(|owner| names(keys::of_kind(owner), name));
    if let Some(kind) = kind
        && owners().next().is_some()
    {
        let owners: Vec<String> = owners().map(|owner| format!("`{owner}`")).collect();
        let title = format!(
            "`{name}` is for stages of the kind {}, and {} is of the kind `{kind}`",
            owners.join(" or "),
            shown(&stage.text)
        );
        found.push(Mistake::new(key.span.clone(), title, "", "remove it"));
        return None;
    }
    if kind.is_none() && owners().next().is_some() {
        // It goes with a kind that is missing or misspelt, and that is told.
        return None;
    }
    let of_kind = kind.map_or(&[][..], keys::of_kind);
    let kinds: Vec<Key> = keys::KINDS.iter().copied().filter(|key| kind.is_none_or(|kind| key.name == kind)).collect();
    let known = [kinds.as_slice(), kind.map_or(keys::EVERY_STAGE, keys::of_every), of_kind].concat();
    let meant = suggestion(name, &known, found.len());
    let elsewhere =
        names(keys::FILE, name).then_some("it belongs to the workflow: write it above the first [stages.<name>]");
    value::unknown_key(key, "a stage", &known, meant, elsewhere, found);
    meant
}

fn stage_name(word: &Word, found: &mut Vec<Mistake>) -> Option<StageName> {
    match word.text.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            let help = match (&error, name::nearest(&word.text)) {
                (NameError::Reserved(_), _) => format!("choose another name, such as [stages.{}-stage]", word.text),
                (_, Some(name)) => format!("write [stages.{name}]"),
                (_, None) => "choose a name such as [stages.first]".to_owned(),
            };
            found.push(value::bad_name("stage", word, &error, help));
            None
        }
    }
}
