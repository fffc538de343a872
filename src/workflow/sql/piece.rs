//! What a statement is made of.

/// A stretch of a statement.
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
