//! Where a process of a warm stage belongs.

use std::sync::Arc;

use crate::workflow::definition::CommandStage;
use crate::workflow::warm::Warm;

/// A stage, as one version of its workflow defines it, on one worker.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) workflow: Arc<str>,
    pub(super) stage: Arc<str>,
    pub(super) worker: Arc<str>,
    pub(super) command: CommandStage,
    pub(super) warm: Warm,
    /// Bytes of an output.
    pub(super) most: usize,
}

impl Origin {
    /// What the program is called in messages: as it stands in the file.
    pub(super) fn program(&self) -> &str {
        self.command.argv.first().map_or("", |program| program.as_str())
    }
}
