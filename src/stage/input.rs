//! A stage's input as one JSON object, assembled from parts that are JSON already.

use std::sync::Arc;

use super::fan_out::Item;
use crate::model::failure::Failure;
use crate::workflow::condition::{self, Decision};
use crate::workflow::definition::Stage;

/// Parts by name, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct StageInput {
    parts: Vec<(Arc<str>, Arc<str>)>,
    /// Stages whose outputs come in files, by name and number: those are written when the attempt begins.
    files: Vec<(Arc<str>, i16)>,
}

impl StageInput {
    pub(crate) fn push(&mut self, name: Arc<str>, json: Arc<str>) {
        self.parts.push((name, json));
    }

    /// The output of that stage comes in a file.
    pub(crate) fn push_file(&mut self, name: Arc<str>, stage: i16) {
        self.files.push((name, stage));
    }

    /// What has to be written into files before the input is whole.
    pub(crate) fn files(&self) -> &[(Arc<str>, i16)] {
        &self.files
    }

    /// Whoever takes them pushes the names of the files.
    pub(crate) fn take_files(&mut self) -> Vec<(Arc<str>, i16)> {
        std::mem::take(&mut self.files)
    }

    /// Why the stage is skipped on it: its condition does not hold. One that cannot be decided is a failure.
    pub(crate) fn fails(&self, stage: &Stage) -> Result<Option<Arc<str>>, Failure> {
        let Some(condition) = &stage.when else { return Ok(None) };
        match condition.decide(|name| self.part(name)) {
            Ok(Decision::Holds) => Ok(None),
            Ok(Decision::Fails(reason)) => Ok(Some(reason.into())),
            Err(undecided) => {
                let message = format!("the condition of stage `{}` cannot be decided: {undecided}", stage.name);
                Err(Failure::invalid_input(message))
            }
        }
    }

    /// The part of that name, as an expression writes it.
    pub(crate) fn part(&self, name: &str) -> Option<&str> {
        let meant = condition::meant(name, self.parts.iter().map(|(name, _)| &**name))?;
        self.parts.iter().find(|(name, _)| **name == *meant).map(|(_, json)| &**json)
    }

    /// The item comes last, with what it brings along.
    pub(crate) fn push_item(&mut self, Item { json, beside }: Item) {
        self.push("item".into(), json);
        beside.into_iter().for_each(|(name, json)| self.push(name.into(), json));
    }

    /// The same input for another item.
    pub(crate) fn of_another_item(&self, item: Item) -> StageInput {
        let common = self.parts.len().saturating_sub(1 + item.beside.len());
        let parts = self.parts.iter().take(common).cloned().collect();
        let mut input = StageInput { parts, files: self.files.clone() };
        input.push_item(item);
        input
    }

    /// Bytes of all parts.
    pub(crate) fn bytes(&self) -> usize {
        self.parts.iter().map(|(_, json)| json.len()).sum()
    }

    /// The object. Names are those of stages and need no escaping.
    pub(crate) fn to_json(&self) -> String {
        let mut text = String::with_capacity(self.bytes() + 32 * self.parts.len() + 2);
        text.push('{');
        for (i, (name, json)) in self.parts.iter().enumerate() {
            if i > 0 {
                text.push(',');
            }
            text.push('"');
            text.push_str(name);
            text.push_str("\":");
            text.push_str(json);
        }
        text.push('}');
        text
    }
}

/// The outputs of a fanned-out stage, as the array that a stage after it gets.
pub(crate) fn array<'j>(items: impl Iterator<Item = &'j str>) -> String {
    let mut text = String::from("[");
    for (i, item) in items.enumerate() {
        if i > 0 {
            text.push(',');
        }
        text.push_str(item);
    }
    text.push(']');
    text
}
