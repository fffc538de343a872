//! What a key asks for.

use sqlx::types::Uuid;

use crate::cli::top::state::{Ask, CauseName, Said, Top};
use crate::model::id::RunId;

/// What somebody wants that the screen alone cannot do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::top) enum Wish {
    Quit,
    Retry {
        letter: Uuid,
        run: RunId,
    },
    RetryAll(CauseName),
    /// It was asked for, and a reason was given.
    Decide {
        ask: Ask,
        reason: String,
    },
    /// `None` for every workflow, or every stage.
    Resume {
        workflow: Option<String>,
        stage: Option<String>,
    },
    Why {
        run: RunId,
    },
    Letters(CauseName),
}

pub(super) fn refuse(top: &mut Top, why: &str) {
    top.said = Some(Said::Refused(why.to_owned()));
}
