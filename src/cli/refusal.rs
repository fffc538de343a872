//! What all decisions of people have in common: who decides, and how a refusal of the database reads.

use sqlx::postgres::PgDatabaseError;

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

/// What the database said, without the words around it. Its hints are for those who ask it in SQL.
pub(super) fn refused(error: StoreError) -> anyhow::Error {
    match &error {
        StoreError::Refused(sqlx::Error::Database(said)) => {
            let detail = said.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::detail);
            let detail = detail.map_or_else(String::new, |detail| format!(". {}", detail.trim_end_matches('.')));
            anyhow::anyhow!("{}{detail}", said.message())
        }
        StoreError::Refused(_) | StoreError::Away(_) | StoreError::Damaged(_) => error.into(),
    }
}
