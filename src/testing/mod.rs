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
mod attempt_end;
#[cfg(feature = "cli")]
pub(crate) mod cases;
mod crash_point;
mod crash_test;
mod crash_turn;
mod database;
mod dead_letter;
mod error;
mod folder;
mod messages;
mod mocked;
pub(crate) mod mocks;
mod outcome;
mod process;
mod recorded;
mod result;
mod test_piton;

pub use attempt::TestAttempt;
pub use crash_point::{CrashPoint, CrashSide};
pub use crash_test::{CrashTest, crash_at_every_commit};
pub use crash_turn::{CrashReport, CrashTurn};
pub use database::TestDatabase;
pub use dead_letter::TestDeadLetter;
pub use error::TestError;
pub use mocks::{Mock, MockCall};
pub use recorded::{TestArtifact, TestProgress};
pub use test_piton::{TestPiton, TestPitonBuilder};
