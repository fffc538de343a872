//! A name that is safe in tables, labels, file names and `for_each` paths.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Characters of a name.
const LONGEST: usize = 63;

/// Words that mean something else where a stage is named.
pub(crate) const RESERVED: [&str; 4] = ["input", "item", "end", "run"];

/// Why a text is no name; says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    /// No characters.
    #[error("a name cannot be empty")]
    Empty,
    /// Too many characters.
    #[error("a name has at most {LONGEST} characters, this one has {0}")]
    TooLong(usize),
    /// It begins with something else than a letter.
    #[error("a name begins with a small letter (a to z), not with `{}`", .0.escape_debug())]
    Start(char),
    /// It holds a character that no name holds.
    #[error("a name is made of small letters, digits, `-` and `_`; `{}` is none of them", .0.escape_debug())]
    Character(char),
    /// It means something else.
    #[error("`{0}` is a word of Piton's own and cannot name a stage")]
    Reserved(String),
}

/// Holds a text to `[a-z][a-z0-9_-]{0,62}`.
fn checked(text: &str) -> Result<(), NameError> {
    let first = text.chars().next().ok_or(NameError::Empty)?;
    if !first.is_ascii_lowercase() {
        return Err(NameError::Start(first));
    }
    let odd = |c: &char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
    if let Some(c) = text.chars().find(odd) {
        return Err(NameError::Character(c));
    }
    if text.len() > LONGEST {
        return Err(NameError::TooLong(text.len()));
    }
    Ok(())
}

/// The same as a regular expression.
pub(crate) fn pattern() -> String {
    format!("^[a-z][a-z0-9_-]{{0,{}}}$", LONGEST - 1)
}

/// The nearest name to a text that is none: `My Stage` becomes `my-stage`.
pub(crate) fn nearest(text: &str) -> Option<String> {
    let mut name = String::new();
    for c in text.chars().take(4 * LONGEST).map(|c| c.to_ascii_lowercase()) {
        match c {
            'a'..='z' => name.push(c),
            '0'..='9' | '_' if !name.is_empty() => name.push(c),
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    name.truncate(LONGEST);
    let name = name.trim_end_matches('-');
    (!name.is_empty() && !RESERVED.contains(&name)).then(|| name.to_owned())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $text:ident => $more:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub(crate) struct $type(String);

        impl $type {
            /// The name as text.
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;

            fn try_from($text: String) -> Result<Self, NameError> {
                checked(&$text)?;
                $more?;
                Ok($type($text))
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name! {
    /// The name of a workflow: `[a-z][a-z0-9_-]{0,62}`.
    WorkflowName, text => Ok::<(), NameError>(())
}

name! {
    /// The name of a signal: `[a-z][a-z0-9_-]{0,62}`.
    SignalName, text => Ok::<(), NameError>(())
}

name! {
    /// The name of a stage: `[a-z][a-z0-9_-]{0,62}`, and none of `input`, `item`, `end`, `run`.
    StageName, text => if RESERVED.contains(&text.as_str()) { Err(NameError::Reserved(text.clone())) } else { Ok(()) }
}

name! {
    /// The name of a schedule of a workflow: `[a-z][a-z0-9_-]{0,62}`.
    ScheduleName, text => Ok::<(), NameError>(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bad_name_says_what_is_wrong_with_it() {
        let error = |text: &str| text.parse::<StageName>().err();
        assert_eq!(error("script-2_b"), None);
        assert_eq!(error(""), Some(NameError::Empty));
        assert_eq!(error("2nd"), Some(NameError::Start('2')));
        assert_eq!(error("myStage"), Some(NameError::Character('S')));
        assert_eq!(error(&"x".repeat(64)), Some(NameError::TooLong(64)));
        assert_eq!(error("input"), Some(NameError::Reserved("input".to_owned())));
        assert!("input".parse::<WorkflowName>().is_ok());
    }

    #[test]
    fn the_nearest_name_keeps_what_can_be_kept() {
        assert_eq!(nearest("My Stage!"), Some("my-stage".to_owned()));
        assert_eq!(nearest("2nd draft"), Some("nd-draft".to_owned()));
        assert_eq!(nearest("運"), None);
        assert_eq!(nearest("Input"), None);
    }

    proptest! {
        #[test]
        fn the_nearest_name_is_a_name(text in any::<String>()) {
            if let Some(name) = nearest(&text) {
                prop_assert!(name.parse::<StageName>().is_ok());
            }
        }
    }
}
