//! What all decisions of people have in common: who decides, and how a refusal of the database reads.

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

/// What the database said, without the words around it.
pub(super) fn refused(error: StoreError) -> anyhow::Error {
    match error.refusal() {
        Some(said) => anyhow::anyhow!("{said}"),
        None => error.into(),
    }
}
