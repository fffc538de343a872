//! The state that all routes share.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;

use super::problem::Problem;
use crate::artifacts::Artifacts;
use crate::definitions::Definitions;
use crate::model::id::RunId;
use crate::store::Store;
use crate::store::runs::RunRow;

/// What every route has at hand. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(super) store: Store,
    pub(super) definitions: Arc<Definitions>,
    pub(super) artifacts: Option<Artifacts>,
    /// The machine that workers are looked at from.
    pub(super) host: Arc<str>,
    pub(super) document: Arc<OnceLock<Bytes>>,
}

impl Api {
    /// The run of that id, or that there is none.
    pub(super) async fn run(&self, id: RunId) -> Result<RunRow, Problem> {
        let none = || Problem::no_such_thing(format!("there is no run {id}")).hint("List them: GET /v1/admin/runs.");
        self.store.run(id).await?.ok_or_else(none)
    }
}
