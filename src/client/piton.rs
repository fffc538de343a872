//! A database with Piton's schema, and what this program brings along.

use std::sync::Arc;

use super::await_end::Ends;
use crate::artifacts::Artifacts;
use crate::config;
use crate::model::id::WorkflowId;
use crate::queue::catalog::Catalog;
use crate::store::Store;
use crate::store::connect::{Pooling, Server};

/// A database with Piton's schema, and the workflows of this program. Cheap to clone.
///
/// Any worker that has their workflow works on the runs it starts: [`Piton::worker`] in this process, or
/// `piton worker` in others.
#[derive(Debug, Clone)]
pub struct Piton {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// On the caller's pool, if one was given. A worker has connections of its own, which are set as the engine needs them.
    pub(super) store: Store,
    pub(super) server: Server,
    pub(super) pooling: Pooling,
    /// Where the database is, for helper processes and for stages that ask for it.
    pub(super) url: String,
    pub(super) catalog: Arc<Catalog>,
    pub(super) workflows: Vec<WorkflowId>,
    pub(super) ends: Arc<Ends>,
    /// The artifact store, where one was named.
    pub(super) artifacts: Option<Artifacts>,
}

impl Piton {
    /// The artifact store: the one that was named, else a folder in the data folder of whoever runs the program.
    pub(super) fn artifacts(&self) -> Option<Artifacts> {
        let in_data_folder = || Some(Artifacts::in_folder(config::data_folder()?.join("artifacts")));
        self.shared.artifacts.clone().or_else(in_data_folder)
    }
}
