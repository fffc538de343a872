//! Tests of handlers and of whole workflows: what stages do may be scripted, and the rest is the real engine.
//!
//! | to test | use |
//! |---|---|
//! | a handler, like a function | [`TestAttempt`] |
//! | a workflow, with some of its stages mocked | [`TestPiton`], [`Mock`] |
//! | what happens in two hours | [`TestPiton::advance`] |
//! | statements of your own | [`TestDatabase`] |

mod arrange;
mod attempt;
mod database;
mod dead_letter;
mod error;
mod folder;
pub(crate) mod mocks;
mod process;
mod test_piton;

pub use attempt::{TestArtifact, TestAttempt, TestProgress};
pub use database::TestDatabase;
pub use dead_letter::TestDeadLetter;
pub use error::TestError;
pub use mocks::{Mock, MockCall};
pub use test_piton::{TestPiton, TestPitonBuilder};
