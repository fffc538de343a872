//! A workflow file read key by key: every value has its type, and nothing is known yet about how they fit together.

use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::duration;
use super::mistake::{Mistake, SHOWN, shown};
use super::name::{self, NameError, StageName, WorkflowName};
use super::similar::similar;
use super::value::{self, Field, Value, Wanted, Word};

const KEYS: [&str; 3] = ["name", "description", "stages"];
const STAGE_KEYS: [&str; 4] = ["rust", "needs", "for_each", "timeout"];
/// Kinds of stages that are announced, and not in this version yet.
const ANNOUNCED: [&str; 2] = ["command", "http"];

const REMOVE: &str = ", or remove the line";

const NAME: Wanted = Wanted { key: "name", what: "a string", example: "name = \"story\"", or: "" };
const DESCRIPTION: Wanted =
    Wanted { key: "description", what: "a string", example: "description = \"What the workflow is for.\"", or: REMOVE };
const STAGES: Wanted = Wanted {
    key: "stages",
    what: "tables, one for each stage",
    example: "[stages.first] on a line of its own, and the keys of the stage below it",
    or: "",
};
const STAGE: Wanted = Wanted { key: "stages", what: "tables, one for each stage", example: "[stages.first]", or: "" };
const RUST: Wanted =
    Wanted { key: "rust", what: "the name of a registered handler", example: "rust = \"script\"", or: "" };
const NEEDS: Wanted =
    Wanted { key: "needs", what: "an array of stage names", example: "needs = [\"script\"]", or: REMOVE };
const FOR_EACH: Wanted =
    Wanted { key: "for_each", what: "the place of an array", example: "for_each = \"check.scenes\"", or: REMOVE };
const TIMEOUT: Wanted =
    Wanted { key: "timeout", what: "a duration in quotes", example: "timeout = \"30s\"", or: REMOVE };

/// The file, key by key.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) name: Field<WorkflowName>,
    pub(crate) description: Option<String>,
    pub(crate) stages: Field<Vec<DraftStage>>,
}

/// One `[stages.<name>]`, key by key.
#[derive(Debug)]
pub(crate) struct DraftStage {
    /// As written.
    pub(crate) word: Word,
    /// If it is one.
    pub(crate) name: Option<StageName>,
    /// The handler's name; wrong also where another kind is given.
    pub(crate) rust: Field<String>,
    pub(crate) needs: Vec<Word>,
    /// `None` where it is absent or wrong.
    pub(crate) for_each: Option<Word>,
    pub(crate) timeout: Option<Duration>,
}

/// Reads the tree of a file. Of more than `most` stages none is read.
pub(crate) fn read(tree: &DeTable<'_>, most: usize, found: &mut Vec<Mistake>) -> Draft {
    let mut draft = Draft::default();
    for (key, value) in tree {
        let key = Word { text: key.get_ref().clone().into_owned(), span: key.span() };
        match key.text.as_str() {
            "name" => draft.name = Field::of(workflow_name(value, found)),
            "description" => draft.description = value::text(value, DESCRIPTION, true, found).map(|word| word.text),
            "stages" => read_stages(value, most, &mut draft, found),
            unknown => {
                let known = meant(unknown, &KEYS, found.len());
                let of_stage =
                    STAGE_KEYS.contains(&unknown).then_some("it belongs to a stage: write it below [stages.<name>]");
                value::unknown_key(&key, "a workflow file", &KEYS, known, of_stage, found);
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

/// The key that was probably meant. Nobody reads suggestions past the mistakes that are shown.
fn meant(key: &str, keys: &[&'static str], mistakes: usize) -> Option<&'static str> {
    if mistakes > SHOWN { None } else { similar(key, keys.iter().copied()) }
}

fn workflow_name(value: &Value<'_>, found: &mut Vec<Mistake>) -> Option<WorkflowName> {
    let word = value::text(value, NAME, false, found)?;
    match word.text.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            let help = name::nearest(&word.text).map_or(error.to_string(), |name| format!("write name = \"{name}\""));
            found.push(bad_name("workflow", &word, &error, help));
            None
        }
    }
}

fn bad_name(what: &str, word: &Word, error: &NameError, help: String) -> Mistake {
    let title = format!("{} is no name for a {what}", shown(&word.text));
    Mistake::new(word.span.clone(), title, error.to_string(), help)
}

fn read_stages(value: &Value<'_>, most: usize, draft: &mut Draft, found: &mut Vec<Mistake>) {
    let DeValue::Table(table) = value.get_ref() else {
        draft.stages = Field::of(value::wrong_type(value, STAGES, found));
        return;
    };
    if let Some((key, _)) = table.iter().nth(most) {
        let title = format!("the workflow has {} stages, over the limit of {most}", table.len());
        let help = "divide it into several workflows, or use `for_each` for stages that differ in their input only";
        found.push(Mistake::new(key.span(), title, "the first stage over the limit", help));
        draft.stages = Field::Wrong;
        return;
    }
    let stages = table.iter().map(|(key, value)| {
        let word = Word { text: key.get_ref().clone().into_owned(), span: key.span() };
        read_stage(word, value, found)
    });
    draft.stages = Field::Right(stages.collect());
}

fn read_stage(word: Word, value: &Value<'_>, found: &mut Vec<Mistake>) -> DraftStage {
    let name = stage_name(&word, found);
    let mut stage = DraftStage { word, name, rust: Field::Absent, needs: Vec::new(), for_each: None, timeout: None };
    let DeValue::Table(table) = value.get_ref() else {
        stage.rust = Field::of(value::wrong_type(value, STAGE, found));
        return stage;
    };
    one_kind(&stage.word, table, found);
    for (key, value) in table {
        let key = Word { text: key.get_ref().clone().into_owned(), span: key.span() };
        match key.text.as_str() {
            "rust" => stage.rust = Field::of(value::text(value, RUST, false, found).map(|word| word.text)),
            "needs" => stage.needs = value::texts(value, NEEDS, found),
            "for_each" => stage.for_each = value::text(value, FOR_EACH, false, found),
            "timeout" => stage.timeout = timeout(value, found),
            kind if ANNOUNCED.contains(&kind) => {
                if matches!(stage.rust, Field::Absent) {
                    stage.rust = Field::Wrong;
                }
            }
            unknown => {
                let meant = meant(unknown, &STAGE_KEYS, found.len());
                let of_file = KEYS
                    .contains(&unknown)
                    .then_some("it belongs to the workflow: write it above the first [stages.<name>]");
                value::unknown_key(&key, "a stage", &STAGE_KEYS, meant, of_file, found);
                if meant == Some("rust") && matches!(stage.rust, Field::Absent) {
                    stage.rust = Field::Wrong;
                }
            }
        }
    }
    stage
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
            found.push(bad_name("stage", word, &error, help));
            None
        }
    }
}

/// Tells of two kinds in one stage, and of a kind that is only announced.
fn one_kind(stage: &Word, table: &DeTable<'_>, found: &mut Vec<Mistake>) {
    let is_kind = |key: &str| key == "rust" || ANNOUNCED.contains(&key);
    let kinds: Vec<_> = table.keys().filter(|key| is_kind(key.get_ref())).collect();
    match kinds.as_slice() {
        [] => {}
        [kind] if kind.get_ref() == "rust" => {}
        [kind] => {
            let title = format!("stages of the kind `{}` are not in this version yet", kind.get_ref());
            let help = "write rust = \"…\", the name of a handler that is registered in your binary";
            found.push(Mistake::new(kind.span(), title, "", help));
        }
        [first, second, ..] => {
            let title = format!("stage {} says twice how it runs", shown(&stage.text));
            let label = format!("`{}` was given already", first.get_ref());
            found.push(Mistake::new(second.span(), title, label, "keep one of the two; a stage runs in one way"));
        }
    }
}

fn timeout(value: &Value<'_>, found: &mut Vec<Mistake>) -> Option<Duration> {
    if let DeValue::Integer(number) = value.get_ref()
        && number.radix() == 10
    {
        let help = format!("write timeout = \"{}s\" for seconds", number.as_str());
        found.push(Mistake::new(value.span(), "`timeout` must be a duration in quotes", "found a whole number", help));
        return None;
    }
    let word = value::text(value, TIMEOUT, false, found)?;
    match duration::parse(&word.text) {
        Ok(duration) => Some(duration),
        Err(error) => {
            let title = format!("{} is no timeout", shown(&word.text));
            found.push(Mistake::new(word.span, title, "", error.to_string()));
            None
        }
    }
}
