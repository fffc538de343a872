//! Which texts of a stage are filled in when it runs.

use crate::workflow::definition::StageKind;

/// All that a stage may have.
pub(super) const TEXT_KEYS: &[&str] = &[
    "command",
    "env",
    "dir",
    "http",
    "method",
    "headers",
    "files",
    "sql",
    "role",
    "parameters",
    "until",
    "workflow",
    "input",
];

impl StageKind {
    /// The keys that the texts of this stage have in the workflow file; none for a handler.
    pub(super) fn text_keys(&self) -> Vec<&'static str> {
        let keys = match self {
            StageKind::Rust { .. } | StageKind::Signal(_) => Vec::new(),
            StageKind::Command(stage) => {
                vec![("command", true), ("env", !stage.env.is_empty()), ("dir", stage.dir.is_some())]
            }
            StageKind::Http(stage) => vec![
                ("http", true),
                ("method", true),
                ("headers", !stage.headers.is_empty()),
                ("files", !stage.files.is_empty()),
                ("dir", stage.dir.is_some()),
            ],
            StageKind::Sql(_) => vec![("sql", true), ("role", true), ("parameters", true)],
            StageKind::Sleep(stage) => vec![("until", stage.until.is_some())],
            StageKind::Run(_) => vec![("workflow", true), ("input", true)],
        };
        keys.into_iter().filter_map(|(key, is_there)| is_there.then_some(key)).collect()
    }
}
