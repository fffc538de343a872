//! Why a text is no condition.

/// Characters of an expression, and how deeply its parts may be nested.
pub(crate) const LONGEST: usize = 2_000;
pub(super) const DEEPEST: usize = 64;
/// Functions beside the operators and the macros `has`, `all`, `exists`, `exists_one`, `filter` and `map`.
pub(super) const FUNCTIONS: [&str; 11] =
    ["bool", "bytes", "contains", "double", "endsWith", "int", "matches", "size", "startsWith", "string", "uint"];

/// Why a text is no condition; says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConditionError {
    #[error("it has more than {LONGEST} characters; let the stage before it decide, and ask for its answer")]
    TooLong,
    #[error("it is nested more than {DEEPEST} deep")]
    TooDeep,
    #[error("{0}; write one such as check.score >= 0.8 && input.lang in ['de', 'en']")]
    Syntax(String),
    #[error("there is no function `{0}`; there are {list}, and the macros has, all, exists, exists_one, filter and map", list = FUNCTIONS.join(", "))]
    Function(String),
    #[error("the pattern of `matches` must be a text in quotes that is a regular expression of at most 200 characters")]
    Pattern,
    #[error("it reads nothing, and so is the same for every run")]
    Constant,
    #[error("it is {0}, and not true or false; compare it with something")]
    NoBool(&'static str),
}
