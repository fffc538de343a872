//! Places in a stage's input. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in a stage's input: `input`, `item` or a stage that is needed, and keys from the outside in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Place {
    pub(crate) head: String,
    pub(crate) path: Vec<String>,
    /// What stands in a text where nothing is there.
    pub(crate) fallback: Option<String>,
}

impl Place {
    /// Reads a place such as `item.scenes.0.title`; a number is a key of an object or an element of an array.
    pub(crate) fn parse(text: &str) -> Option<Place> {
        let odd =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '{' | '}' | '[' | ']' | '*' | '"' | '\'');
        let mut keys = text.split('.').map(str::to_owned);
        let head = keys.next()?;
        let path: Vec<String> = keys.collect();
        let whole = !head.is_empty() && path.iter().all(|key| !key.is_empty()) && !text.contains(odd);
        whole.then_some(Place { head, path, fallback: None })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head)?;
        self.path.iter().try_for_each(|key| write!(f, ".{key}"))
    }
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Place, String> {
        Place::parse(&text).ok_or_else(|| format!("`{text}` is no place"))
    }
}

impl From<Place> for String {
    fn from(place: Place) -> String {
        place.to_string()
    }
}
