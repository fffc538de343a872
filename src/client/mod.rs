//! Piton as a library: start runs from Rust, await their results, and work on them in a process of your own.

mod actor;
mod await_end;
mod builder;
mod callback;
mod child;
mod error;
mod piton;
mod progress;
mod run;
mod schedule;
mod start;
mod worker;

pub(crate) use self::builder::url_of;
pub use self::builder::{Builder, Database, Migrations};
pub use self::child::child;
pub(crate) use self::child::was_called;
pub use self::error::{
    BuildError, CancelError, DatabaseError, ResultError, ScheduleError, StartError, WaitError, WorkerError,
};
pub use self::piton::Piton;
pub use self::progress::{RunProgress, StageProgress};
pub use self::run::Run;
pub use self::schedule::Schedule;
pub use self::start::Start;
pub use self::worker::{Worker, WorkerBuilder};
