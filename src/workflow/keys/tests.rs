//! What the table says of a key is what the reader does with it.

use super::*;
use crate::workflow::definition::Workflow;
use crate::workflow::limits::Limits;
use crate::workflow::mistake::Mistakes;
use crate::workflow::retry_rules::RetryRules;

/// Where a key stands in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    File,
    /// A stage of that kind; without a kind, the key is one itself.
    Stage(Option<Key>),
    /// The rules for retries of the workflow.
    Retry,
    /// The rules of a class among them.
    Class,
}

/// Every key wherever it may stand, but for `stages`, which is no line of its own.
pub(crate) fn everywhere() -> Vec<(At, Key)> {
    let mut all = Vec::new();
    let mut add = |at: At, keys: &[Key]| all.extend(keys.iter().map(|key| (at, *key)));
    add(At::File, &[NAME, DESCRIPTION, RETRY]);
    add(At::Stage(None), KINDS);
    for kind in KINDS {
        add(At::Stage(Some(*kind)), EVERY_STAGE);
        add(At::Stage(Some(*kind)), of_kind(kind.name));
    }
    add(At::Retry, RETRY_RULES);
    add(At::Retry, &classes().map(class).collect::<Vec<_>>());
    add(At::Class, CLASS_RULES);
    all
}

/// A file with that line where it belongs; what it may name is there.
pub(crate) fn file(at: At, line: &str) -> String {
    let (mut file, mut kind, mut stage) = (String::new(), RUST.example, String::new());
    let fanned_out = "needs = [\"script\", \"check\"]\nfor_each = \"check.scenes\"";
    match at {
        At::File => file = line.to_owned(),
        At::Retry => file = format!("[retry]\n{line}"),
        At::Class => file = format!("[retry.unknown]\n{line}"),
        At::Stage(None) => (kind, stage) = (line, fanned_out.to_owned()),
        At::Stage(Some(of_kind)) => {
            let beside = match line {
                for_each if for_each.starts_with("for_each") => "needs = [\"check\"]",
                needs if needs.starts_with("needs") => "",
                _ => fanned_out,
            };
            (kind, stage) = (of_kind.example, format!("{beside}\n{line}"));
        }
    }
    let name = if line.starts_with("name") { "" } else { NAME.example };
    format!(
        "{name}\n{file}\n[stages.script]\nrust = \"script\"\n[stages.check]\nrust = \"check\"\n\
         [stages.last]\n{kind}\n{stage}\n"
    )
}

pub(crate) fn parse(text: &str) -> Result<Workflow, Mistakes> {
    Workflow::parse("f.toml", text.as_bytes(), &Limits::default())
}

#[test]
fn the_example_of_every_key_is_right() {
    for (at, key) in everywhere() {
        let file = file(at, key.example);
        if let Err(mistakes) = parse(&file) {
            panic!("{at:?} {}:\n{file}\n{mistakes}", key.name);
        }
    }
}

#[test]
fn a_default_that_is_written_changes_nothing() {
    for (at, key) in everywhere().into_iter().filter(|(_, key)| !key.default.is_empty()) {
        let policy = |workflow: &Workflow| RetryRules::policy(&workflow.retry, &workflow.stages[2].retry);
        let without = parse(&file(at, "")).expect("a workflow");
        let with = parse(&file(at, &format!("{} = {}", key.name, key.default))).expect("a workflow");
        assert_eq!(policy(&with), policy(&without), "{}", key.name);
        assert_eq!(with.stages, without.stages, "{}", key.name);
    }
}
