//! A statement of SQL with places of the input in it. Values are bound as parameters and never become part of the text, so a
//! place can stand only where a parameter can. Pure.

mod error;
mod lexer;
mod piece;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use error::StatementError;
pub(crate) use piece::Piece;

use super::template::Template;

/// One statement. It is stored and shown as it was written.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Statement {
    written: String,
    pieces: Vec<Piece>,
    /// Each once, in the order in which they are bound.
    parameters: Vec<Template>,
    returns_rows: bool,
}

impl Statement {
    /// Reads a text.
    pub(crate) fn parse(text: &str) -> Result<Statement, StatementError> {
        if text.contains('\0') {
            return Err(StatementError::Nul);
        }
        let read = lexer::read(text)?;
        Ok(Statement {
            written: text.to_owned(),
            pieces: read.pieces,
            parameters: read.parameters,
            returns_rows: read.returns_rows,
        })
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// What is bound.
    pub(crate) fn parameters(&self) -> &[Template] {
        &self.parameters
    }

    /// Whether rows come back.
    pub(crate) fn returns_rows(&self) -> bool {
        self.returns_rows
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

impl TryFrom<String> for Statement {
    type Error = StatementError;

    fn try_from(text: String) -> Result<Statement, StatementError> {
        Statement::parse(&text)
    }
}

impl From<Statement> for String {
    fn from(statement: Statement) -> String {
        statement.written
    }
}

/// Why nobody can be that role; `None` where somebody can.
pub(crate) fn odd_role(role: &str) -> Option<&'static str> {
    if role.len() > 63 {
        Some("Postgres' names have 63 bytes at most")
    } else if role.eq_ignore_ascii_case("none") || role.starts_with("pg_") || role.starts_with("piton_") {
        Some("name a role of your own, which can do what the statement needs and nothing else, such as role = \"etl\"")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
