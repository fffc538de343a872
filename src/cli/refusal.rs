//! What all decisions have in common: who decides, and how a refusal of the database reads.

use crate::config;
use crate::model::actor::{Actor, Face};
use crate::store::StoreError;

/// Who decides, for the record.
pub(super) fn name(by: Option<String>) -> String {
    by.unwrap_or_else(config::user_name)
}

/// The same through this face.
pub(super) fn actor(name: &str) -> Actor<'_> {
    Actor { name, face: Face::Cli }
}

/// What the database said, without the words around it, and what to do about it in the words of this face.
pub(super) fn refused(error: StoreError) -> anyhow::Error {
    match (error.refusal(), error.hint()) {
        (Some(said), hint) => {
            let cure = hint.and_then(|hint| cure(&hint, &said));
            anyhow::anyhow!("{said}{}", cure.unwrap_or_default())
        }
        (None, _) => error.into(),
    }
}

/// What a view is for those who ask in SQL, a command is here.
const COMMANDS: [(&str, &str); 9] = [
    ("piton.waits_overview", "waits"),
    ("piton.pauses_overview", "pauses"),
    ("piton.schedules_overview", "schedules list"),
    ("piton.dead_letters_overview", "dead-letter list"),
    ("piton.runs_overview", "runs"),
    ("from piton.runs.", "runs"),
    ("piton.batches_overview", "batch list"),
    ("piton.versions_overview", "workflows versions"),
    ("piton.artifacts_overview", "artifacts list RUN"),
];

/// The hint of a function as this face has it; `None` where that is about SQL alone.
fn cure(hint: &str, message: &str) -> Option<String> {
    if let Some((_, command)) = COMMANDS.iter().find(|(view, _)| hint.contains(view)) {
        let of = if *command == "workflows versions" { format!(" {}", workflow_in(message)) } else { String::new() };
        return Some(format!("; see them with:  {} {command}{of}", config::program()));
    }
    // For `*` and the like; the words are those of piton.refuse_workflow.
    if hint.starts_with("Leave the workflow out (null)") {
        let program = config::program();
        return Some(format!(". Every workflow is meant by:  {program} pause --everything --reason \"...\""));
    }
    let is_of_sql = ["piton.", "=>", "null", "select ", "from_", "same_input"].iter().any(|word| hint.contains(word));
    (!is_of_sql).then(|| format!(". {}", hint.trim_end_matches('.')))
}

/// The workflow that a refusal is about.
fn workflow_in(message: &str) -> &str {
    let behind = message.split_once("workflow \"").and_then(|(_, behind)| behind.split_once('"'));
    behind.map_or("WORKFLOW", |(workflow, _)| workflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_said_as_commands() {
        let said = |hint, message| cure(hint, message).map(|said| said.replace(&config::program(), "piton"));
        assert_eq!(
            said("What is: select * from piton.pauses_overview.", "x").as_deref(),
            Some("; see them with:  piton pauses")
        );
        assert_eq!(
            said("select * from piton.versions_overview shows them.", "workflow \"story\" has no version ab")
                .as_deref(),
            Some("; see them with:  piton workflows versions story")
        );
        assert_eq!(said("Give more digits.", "x").as_deref(), Some(". Give more digits"));
        assert_eq!(said("from_stage => 'a', or from_beginning => true.", "x"), None);
    }

    #[test]
    fn every_view_that_a_hint_names_has_its_command() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/functions");
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for hint in text.split("hint = '").skip(1).map(|behind| behind.split('\n').next().unwrap()) {
                let view = hint.contains("_overview");
                assert!(!view || cure(hint, "").is_some_and(|cure| cure.contains("see them with")), "{hint}");
            }
        }
    }
}
