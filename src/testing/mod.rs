//! Tests of handlers and of whole workflows: what stages do may be scripted, and the rest is the real engine.
//!
//! | to test | use |
//! |---|---|
//! | a handler, like a function | [`TestAttempt`] |
//! | a workflow, with some of its stages mocked | [`TestPiton`], [`Mock`] |
//! | what happens in two hours | [`TestPiton::advance`] |
//! | that a crash changes nothing | [`crash_at_every_commit`]; of a process of your own [`TestDatabase::crash_before_commit`] |
//! | statements of your own | [`TestDatabase`] |

mod arrange;
mod attempt;
pub(crate) mod cases;
mod crash_point;
mod crash_test;
mod database;
mod dead_letter;
mod error;
mod folder;
mod messages;
mod mocked;
pub(crate) mod mocks;
mod outcome;
mod process;
mod result;
mod test_piton;

pub use attempt::{TestArtifact, TestAttempt, TestProgress};
pub use crash_point::{CrashPoint, CrashSide};
pub use crash_test::{CrashReport, CrashTest, CrashTurn, crash_at_every_commit};
pub use database::TestDatabase;
pub use dead_letter::TestDeadLetter;
pub use error::TestError;
pub use mocks::{Mock, MockCall};
pub use test_piton::{TestPiton, TestPitonBuilder};
