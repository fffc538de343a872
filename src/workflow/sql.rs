//! A statement of SQL with places of the input in it. Values are bound as parameters and never become part of the text, so a
//! place can stand only where a parameter can. Pure.

mod lexer;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::template::{Template, TemplateError};

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

/// A stretch of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    Text(String),
    /// Number of a parameter, from 0.
    Parameter(usize),
    /// Here begins what is done, behind the `with` of the statement, if it has one.
    Main {
        behind_with: bool,
    },
}

/// Why a text is no such statement; says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StatementError {
    #[error(
        "`{0}` stands in {1}, where it is not filled in; take it out, as in 'owls of ' || {{{{input.year}}}}, or in \
         {{{{input.day}}}}::date"
    )]
    Inside(String, &'static str),
    #[error("{0} is not closed")]
    Open(&'static str),
    #[error("it holds a second statement; let it be a stage of its own, or use one statement with WITH")]
    Second,
    #[error("`{0}` numbers a parameter itself; write the place instead, such as {{{{input.id}}}}")]
    Numbered(String),
    #[error("a `)` closes nothing")]
    Unbalanced,
    #[error(
        "it begins with `{0}`; a stage runs one statement that selects or changes rows: insert, update, delete, merge, select, \
         values, with, call, or refresh"
    )]
    Kind(String),
    #[error("it says nothing")]
    Empty,
    #[error("`{0}` cannot stand in SQL; write a place of the input such as {{{{input.id}}}}, or {{{{run.id}}}}")]
    NoPlace(String),
    #[error(transparent)]
    Place(#[from] TemplateError),
    #[error("it holds a NUL character")]
    Nul,
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
