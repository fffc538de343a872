//! What became of a case.

use serde::{Deserialize, Serialize};

/// One case, judged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CaseReport {
    pub(crate) verdict: Verdict,
    /// What differs from what is expected, or why the case could not be judged.
    pub(crate) why: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Passed,
    /// Something else came than is expected.
    Failed,
    /// It could not be judged.
    Broken,
    /// The command was stopped before it had ended.
    Stopped,
}

impl CaseReport {
    /// Of what was compared.
    pub(crate) fn of(differences: Vec<String>) -> CaseReport {
        let verdict = if differences.is_empty() { Verdict::Passed } else { Verdict::Failed };
        CaseReport { verdict, why: differences }
    }

    pub(crate) fn broken(why: impl Into<String>) -> CaseReport {
        CaseReport { verdict: Verdict::Broken, why: vec![why.into()] }
    }
}
