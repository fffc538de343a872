//! Why a text is no statement for a stage.

use crate::workflow::template::TemplateError;

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
