//! A file that a request sends in a form. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::named_file::{FILE, NamedFile};
use super::place::Place;

/// Where the file of a form field comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum FormFile {
    /// From the worker's disk: its name stands at this place of the input.
    OnDisk(Place),
    /// From the artifact store.
    Stored(NamedFile),
}

impl FormFile {
    pub(crate) fn parse(text: &str) -> Option<FormFile> {
        match text.strip_prefix(FILE) {
            Some(name) => NamedFile::parse(name).map(FormFile::Stored),
            None => Place::parse(text).map(FormFile::OnDisk),
        }
    }
}

impl fmt::Display for FormFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FormFile::OnDisk(place) => place.fmt(f),
            FormFile::Stored(file) => write!(f, "{FILE}{file}"),
        }
    }
}

impl TryFrom<String> for FormFile {
    type Error = String;

    fn try_from(text: String) -> Result<FormFile, String> {
        FormFile::parse(&text).ok_or_else(|| format!("`{text}` is neither a place nor a file"))
    }
}

impl From<FormFile> for String {
    fn from(file: FormFile) -> String {
        file.to_string()
    }
}
