//! Who asks for a change, why, and through which face, for `piton.audit`.

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

/// Characters of a name, and of a reason or a note. `piton.check_said` holds everyone to them.
pub(crate) const LONGEST_NAME: usize = 200;
pub(crate) const LONGEST_REASON: usize = 2000;

/// Who decides, as somebody typed it.
pub(crate) fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("a name must not be empty".to_owned());
    }
    within(text, "a name", LONGEST_NAME)
}

/// Why, as somebody typed it. That there must be a reason is what the verb says.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    within(text, "a reason", LONGEST_REASON)
}

fn within(text: &str, what: &str, most: usize) -> Result<String, String> {
    let characters = text.chars().count();
    if characters > most {
        return Err(format!("{what} has {most} characters at most, and this one has {characters}"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_reasons_are_bounded() {
        assert_eq!(reason("the disk is full").as_deref(), Ok("the disk is full"));
        assert!(reason(&"ü".repeat(2000)).is_ok() && name(&"ü".repeat(200)).is_ok());
        let said = "a reason has 2000 characters at most, and this one has 50000000";
        assert_eq!(reason(&"x".repeat(50_000_000)), Err(said.to_owned()));
        assert_eq!(name(" "), Err("a name must not be empty".to_owned()));
        let schema = include_str!("../../migrations/functions/check_said.sql");
        assert!(schema.contains(&format!("> {LONGEST_NAME}")) && schema.contains(&format!("> {LONGEST_REASON}")));
    }

    #[test]
    fn the_schema_knows_the_same_faces() {
        let schema = include_str!("../../migrations/0038_let_programs_decide.sql");
        let quoted: Vec<String> = Face::ALL.iter().map(|face| format!("'{face}'")).collect();
        assert!(schema.contains(&format!("face in ('sql', {})", quoted.join(", "))));
    }
}
