//! What a run under test has come to, to be held against what it comes to otherwise.

use std::collections::BTreeMap;

use serde_json::Value;

use super::dead_letter::TestDeadLetter;
use super::error::TestError;
use crate::client::ResultError;
use crate::model::id::{NO_ITEM, RunId};
use crate::store::{Store, StoreError};

#[derive(Debug)]
pub(super) struct Outcome {
    /// In a word.
    state: &'static str,
    /// Null where it was given up.
    pub(super) output: Value,
    /// Stage, item and output.
    recorded: Vec<(String, i32, Value)>,
    /// Attempts are none of the outcome: one more is what a crash costs.
    given_up: Vec<TestDeadLetter>,
    /// What is left in the queue, and has no explanation.
    unexplained: Option<String>,
}

impl Outcome {
    pub(super) async fn of(store: &Store, run: RunId, result: Result<Value, TestError>) -> Result<Outcome, StoreError> {
        let (state, output, given_up) = match result {
            Ok(output) => ("done", output, Vec::new()),
            Err(TestError::Run { error, dead_letters }) => (word(&error), Value::Null, dead_letters),
            Err(_) => ("unfinished", Value::Null, Vec::new()),
        };
        let read = |(stage, item, output): (String, i32, String)| {
            (stage, item, serde_json::from_str(&output).unwrap_or(Value::String(output)))
        };
        let recorded = store.all_outputs(run).await?.into_iter().map(read).collect();
        let given_up = given_up.into_iter().map(|letter| TestDeadLetter { attempts: 0, ..letter }).collect();
        Ok(Outcome { state, output, recorded, given_up, unexplained: store.unexplained_job().await? })
    }

    pub(super) fn normalize(&mut self, normalize: &(impl Fn(&str, &mut Value) + ?Sized)) {
        self.recorded.iter_mut().for_each(|(stage, _, output)| normalize(stage, output));
    }

    /// The first difference, in words.
    pub(super) fn differs_from(&self, expected: &Outcome) -> Option<String> {
        if let Some(what) = &self.unexplained {
            return Some(format!("nobody works on what is left: {what}"));
        }
        if self.state != expected.state || self.given_up != expected.given_up {
            let shown = |outcome: &Outcome| format!("{} {:?}", outcome.state, outcome.given_up);
            return Some(format!("the run is {}, and without a crash it is {}", shown(self), shown(expected)));
        }
        let (here, there) = (one_each(&self.recorded), one_each(&expected.recorded));
        let differs = |place: &&(&str, i32)| here.get(*place) != there.get(*place);
        let place = here.keys().chain(there.keys()).find(differs)?;
        let shown = |output: Option<&&Value>| output.map_or_else(|| "none".to_owned(), |output| output.to_string());
        let (stage, item) = place;
        let item = if *item == NO_ITEM { String::new() } else { format!("[{item}]") };
        let (here, there) = (shown(here.get(place)), shown(there.get(place)));
        Some(format!("the output of {stage}{item} is {here}, and without a crash it is {there}"))
    }
}

/// Outputs by stage and item: the database has at most one of each.
fn one_each(recorded: &[(String, i32, Value)]) -> BTreeMap<(&str, i32), &Value> {
    recorded.iter().map(|(stage, item, output)| ((stage.as_str(), *item), output)).collect()
}

fn word(error: &ResultError) -> &'static str {
    match error {
        ResultError::Blocked { .. } => "blocked",
        ResultError::Failed { .. } => "failed",
        ResultError::Cancelled { .. } => "cancelled",
        ResultError::NotFound(_) | ResultError::Output(_) | ResultError::Database(_) => "unfinished",
    }
}
