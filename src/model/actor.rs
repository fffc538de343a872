//! Who asks for a change, and through which face: what `piton.audit` is told.

use std::fmt;

use super::state::states;

states! {
    /// Where a change was asked for. What is asked for in SQL says so by itself.
    pub(crate) enum Face {
        /// The command line.
        Cli = "cli",
        /// The admin API.
        Api = "api",
        /// A program that has Piton as a library.
        Library = "library",
        /// Nobody asked: a worker was the first with a new version of a workflow.
        Worker = "worker",
    }
}

/// Who decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Actor<'a> {
    pub(crate) name: &'a str,
    pub(crate) face: Face,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_knows_the_same_faces() {
        let schema = include_str!("../../migrations/0038_let_programs_decide.sql");
        let quoted: Vec<String> = Face::ALL.iter().map(|face| format!("'{face}'")).collect();
        assert!(schema.contains(&format!("face in ('sql', {})", quoted.join(", "))));
    }
}
