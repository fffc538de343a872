//! Piton runs expensive, flaky, many-stage pipelines to the end: every stage is a job in Postgres, every finished
//! stage is a row that is never paid for twice, and a crash costs one stage, not the run.
//!
//! A binary of your own is Piton's whole command line plus your handlers:
//!
//! ```no_run
//! use piton::{App, Failure, Input};
//!
//! #[derive(serde::Deserialize)]
//! struct Greet {
//!     input: Person,
//! }
//! #[derive(serde::Deserialize)]
//! struct Person {
//!     name: String,
//! }
//!
//! async fn greet(Input(Greet { input }): Input<Greet>) -> Result<String, Failure> {
//!     Ok(format!("Hello, {}!", input.name))
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     let file = "name = \"hello\"\n[stages.greet]\nrust = \"greet\"\n";
//!     App::new().workflow("hello.toml", file).handler("greet", greet).main()
//! }
//! ```
//!
//! A program of your own starts runs and works on them with [`Piton`].
//!
//! Each face beside Rust is a [feature](https://docs.rs/crate/piton/latest/features), and so is each cloud of the artifact store:
//! `cli`, `api`, `top`, `lab`, `embedded`, `testing`, `aws`, `azure` and `gcp`. All are there by default; with
//! `default-features = false` Piton is the library alone.
//!
//! Handlers run at least once; a result commits at most once.

#![cfg_attr(docsrs, feature(doc_cfg))]
// What the faces share is there without them, too; the linker drops what nothing calls then.
#![cfg_attr(not(feature = "default"), allow(dead_code, unused_imports))]
// They panic where they cannot write; `cli::output` does not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

#[cfg(feature = "api")]
mod api;
mod app;
mod artifacts;
#[cfg(feature = "lab")]
mod bench;
mod bounded;
#[cfg(feature = "cli")]
mod callbacks;
mod cgroup;
#[cfg(feature = "lab")]
mod chaos;
#[cfg(feature = "cli")]
mod child;
mod cleanup;
#[cfg(feature = "cli")]
mod cli;
mod client;
mod config;
#[cfg(feature = "cli")]
mod decide;
mod definitions;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(not(feature = "embedded"))]
#[path = "no_embedded.rs"]
mod embedded;
mod events;
mod health;
mod meters;
mod model;
mod neighbour;
mod queue;
mod recovery;
mod role;
mod stage;
mod store;
mod system;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "cli")]
mod verify;
mod view;
mod worker;
mod workflow;

pub use app::App;
pub use artifacts::ArtifactReader;
pub use client::{
    BuildError, Builder, CancelError, Database, DatabaseError, Migrations, Piton, ResultError, Run, RunProgress,
    Schedule, ScheduleError, StageProgress, Start, StartError, WaitError, Worker, WorkerBuilder, WorkerError, child,
};
pub use model::artifact::Artifact;
pub use model::failure::{Failure, FailureClass, UnknownClass};
pub use model::id::RunId;
pub use model::state::ShownState as RunState;
pub use stage::callback::Callback;
pub use stage::context::StageContext;
pub use stage::context_files::FetchedFile;
pub use stage::handler::{AttemptParts, FromAttempt, Handler, Input};
pub use stage::items::Items;
pub use stage::new_artifact::NewArtifact;
pub use stage::own_rows::{Committed, StageTransaction};
pub use stage::service::Wait;
pub use stage::state::State;
/// For Piton's own tests.
#[doc(hidden)]
pub use store::migrator::migrate_from;
pub use view::snapshot::StageState;

/// The examples of the pages are compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/artifacts.md")]
#[doc = include_str!("../docs/handlers.md")]
#[doc = include_str!("../docs/library.md")]
#[doc = include_str!("../docs/testing.md")]
struct Pages;
