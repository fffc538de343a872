//! What a stage learns of its own attempt: programs by variables, and the texts of its file by `{{run.…}}`.

use std::borrow::Cow;
use std::fmt;

use crate::model::state::states;

/// Where the input has the failure of the stage that another one runs after. No stage of a file with such a one has that name.
pub(crate) const FAILURE: &str = "failure";

/// The word before the dot. No stage has that name.
pub(crate) const HEAD: &str = "run";

/// Variable that a warm program finds its socket in, at its start; of its jobs it is told later.
pub(crate) const WARM_VARIABLE: &str = "PITON_WARM";

states! {
    /// One such thing, by the key behind `run`.
    pub(crate) enum Own {
        /// The run's id.
        Id = "id",
        Workflow = "workflow",
        Stage = "stage",
        /// Number of the item of a fan-out, from 0.
        Item = "item",
        /// Which try it is, from 1.
        Attempt = "attempt",
        /// Which round it is, from 1, of a stage that is done again until it is good enough.
        Round = "round",
        Worker = "worker",
        /// The same for every attempt of a job.
        IdempotencyKey = "idempotency_key",
        /// File that a program may write its output into.
        Output = "output",
        /// File that a program may report its progress in.
        Progress = "progress",
        /// Folder whose files are kept as artifacts.
        Artifacts = "artifacts",
        /// Folder with the files that it names.
        Inputs = "inputs",
    }
}

impl Own {
    /// The one of that key, or those that there are.
    pub(crate) fn of_key(key: &str) -> Result<Own, String> {
        Own::from_word(key).ok_or_else(|| {
            let keys: Vec<String> = Own::ALL.iter().map(Own::place).collect();
            keys.join(", ")
        })
    }

    /// As it is written between braces.
    pub(crate) fn place(&self) -> String {
        format!("{HEAD}.{}", self.as_str())
    }

    /// The variable that tells a program.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Own::Id => "PITON_RUN",
            Own::Workflow => "PITON_WORKFLOW",
            Own::Stage => "PITON_STAGE",
            Own::Item => "PITON_ITEM",
            Own::Attempt => "PITON_ATTEMPT",
            Own::Round => "PITON_ROUND",
            Own::Worker => "PITON_WORKER",
            Own::IdempotencyKey => "PITON_IDEMPOTENCY_KEY",
            Own::Output => "PITON_OUTPUT",
            Own::Progress => "PITON_PROGRESS",
            Own::Artifacts => "PITON_ARTIFACTS",
            Own::Inputs => "PITON_INPUTS",
        }
    }

    /// The one that a program is told by this variable.
    pub(crate) fn of_variable(name: &str) -> Option<Own> {
        Own::ALL.iter().copied().find(|own| own.variable() == name)
    }

    /// Whether only programs have it.
    pub(crate) fn is_for_programs(self) -> bool {
        matches!(self, Own::Output | Own::Progress | Own::Artifacts | Own::Inputs)
    }
}

/// Tells one of them; none where an attempt has it not.
pub(crate) type Tell<'t> = dyn Fn(Own) -> Option<Cow<'t, str>> + Sync + 't;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_has_a_place_and_every_place_a_variable() {
        for own in Own::ALL {
            assert_eq!(Own::of_variable(own.variable()), Some(*own));
            assert_eq!(Own::of_key(own.as_str()), Ok(*own));
        }
        assert_eq!(Own::of_variable("PITON_WORKFLOWS"), None, "a setting of the worker's");
        assert!(Own::of_key("uuid").is_err_and(|known| known.starts_with("run.id, run.workflow, ")));
    }
}
