//! Piton as a library: start runs from Rust, await their results, and work on them in a process of your own.

mod await_end;
mod builder;
mod child;
mod error;
mod progress;
mod run;
mod start;
mod worker;

use std::sync::Arc;

use serde::Serialize;

pub use self::builder::{Builder, Database, Migrations};
pub use self::child::child;
pub use self::error::{BuildError, CancelError, DatabaseError, ResultError, StartError, WorkerError};
pub use self::progress::{RunProgress, StageProgress};
pub use self::run::Run;
pub use self::start::Start;
pub use self::worker::{Worker, WorkerBuilder};

use self::await_end::Ends;
use crate::app::App;
use crate::config;
use crate::model::actor::{Actor, Face};
use crate::model::id::{RunId, WorkflowId};
use crate::queue::catalog::Catalog;
use crate::store::Store;
use crate::store::connect::{Pooling, Server};

/// A database with Piton's schema, and the workflows of this program. Cheap to clone.
///
/// Runs that it starts are worked on by whatever worker has their workflow: [`Piton::worker`] in this process, or
/// `piton worker` in others.
#[derive(Debug, Clone)]
pub struct Piton {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// On the caller's pool, if one was given. A worker has connections of its own, which are set as the engine needs them.
    store: Store,
    server: Server,
    pooling: Pooling,
    /// Where the database is, for helper processes and for stages that ask for it.
    url: String,
    catalog: Arc<Catalog>,
    workflows: Vec<WorkflowId>,
    ends: Arc<Ends>,
}

impl Piton {
    /// Begins with what the program brings along, and the database: a connection string, or a pool of sqlx 0.9.
    pub fn builder(app: App, database: impl Into<Database>) -> Builder {
        Builder::new(app, database.into())
    }

    /// Starts a run of the current version of a workflow, once the returned [`Start`] is awaited.
    pub fn start<T: Serialize + ?Sized>(&self, workflow: &str, input: &T) -> Start {
        Start::new(self.clone(), workflow, input)
    }

    /// A run that was started before, be it by another program. Asks the database nothing.
    pub fn run(&self, id: RunId) -> Run {
        Run::new(self.clone(), id, false)
    }

    /// A worker in this process and its tokio runtime, once it is spawned.
    pub fn worker(&self) -> WorkerBuilder {
        WorkerBuilder::new(self.clone())
    }
}

/// In whose name a program decides: that of the user it runs as.
fn actor(name: &str) -> Actor<'_> {
    Actor { name, face: Face::Library }
}

fn name() -> String {
    config::user_name()
}
