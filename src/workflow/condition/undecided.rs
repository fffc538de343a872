//! Why a condition is neither true nor false.

/// Bytes of all that an expression sees.
pub(super) const MOST_BYTES: usize = 1 << 20;

/// Why a condition is neither true nor false.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Undecided {
    #[error("`{place}` is missing: `{holder}` has no field `{field}`; has({place}) asks whether it is there")]
    Missing { place: String, holder: String, field: String },
    #[error("there is no `{0}`")]
    NoName(String),
    #[error("a value in it has no field `{0}`; has() asks whether it is there")]
    MissingInside(String),
    #[error("it is {0}, and not true or false")]
    NoBool(&'static str),
    #[error("{0}")]
    Refused(String),
    #[error("what it reads has more than {} bytes; hand on less", MOST_BYTES)]
    TooLarge,
    #[error("it takes too many steps over the values that it reads; let the stage before it decide")]
    TooManySteps,
    #[error("`{0}` holds a text that cannot be read")]
    Unreadable(String),
}
