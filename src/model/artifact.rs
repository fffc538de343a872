//! Artifacts by name and type, and the reference that stages pass on. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::quoted::quoted;

/// Names an artifact in a stage's output, for the stages after it: `{"artifact", "name", "bytes", "digest"}`.
///
/// What putting a file returned. Serialize it as part of the output; a later stage deserializes it from its input and opens
/// it ([`StageContext::open`](crate::StageContext::open)). It is small, whatever the file's size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    pub(crate) artifact: Uuid,
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) digest: String,
}

impl Artifact {
    /// Its id, a UUIDv7, as `piton.artifacts_overview` and `artifacts list` show it.
    pub fn id(&self) -> String {
        self.artifact.to_string()
    }

    /// The name it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// SHA-256 of its bytes, as 64 hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// Bytes of a name that a handler gives, as of a file's name.
const LONGEST_NAME: usize = 255;
/// Bytes of the way to a program's file.
const LONGEST_PATH: usize = 4096;
/// Bytes of a media type.
const LONGEST_CONTENT_TYPE: usize = 255;
/// Types that Piton gives.
const RESERVED: [&str; 4] = ["pending", "failed", "orphan", "dead_letter"];

/// Why an artifact cannot be called that.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Misnamed {
    #[error(
        "an artifact cannot be named \"{}\": a name is what a file can be called: 1 to {LONGEST_NAME} bytes, without / and NUL, and \
         neither . nor ..",
        quoted(.0)
    )]
    Name(String),
    #[error(
        "an artifact cannot be named \"{}\": a name is the path of a file below a folder: parts of 1 to {LONGEST_NAME} bytes with a / \
         between them, none of them . or .., {LONGEST_PATH} bytes together",
        quoted(.0)
    )]
    Path(String),
    #[error(
        "an artifact cannot be of the type \"{}\": a type begins with a small letter and has up to 63 small letters, digits \
         and _; {reserved} are given by Piton",
        quoted(.0), reserved = RESERVED.join(", ")
    )]
    Type(String),
    #[error("\"{}\" is no content type; it is plain text such as image/png, of at most {LONGEST_CONTENT_TYPE} bytes", quoted(.0))]
    ContentType(String),
}

/// What an artifact is called: whatever a file can be called.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ArtifactName(String);

impl ArtifactName {
    /// A name of one part, as a handler gives it.
    pub(crate) fn parse(text: &str) -> Result<ArtifactName, Misnamed> {
        let is_right = text.len() <= LONGEST_NAME && is_part(text);
        if is_right { Ok(ArtifactName(text.to_owned())) } else { Err(Misnamed::Name(shown(text))) }
    }

    /// The name of a file that somebody gives: the path of it below a folder, so that it can be one again.
    pub(crate) fn of_file(text: &str) -> Result<ArtifactName, Misnamed> {
        let is_right =
            text.len() <= LONGEST_PATH && text.split('/').all(|part| part.len() <= LONGEST_NAME && is_part(part));
        if is_right { Ok(ArtifactName(text.to_owned())) } else { Err(Misnamed::Path(shown(text))) }
    }

    /// The way to a file below a folder.
    pub(crate) fn of_path(parts: &[String]) -> Result<ArtifactName, Misnamed> {
        let text = parts.join("/");
        let is_right = !parts.is_empty() && text.len() <= LONGEST_PATH && parts.iter().all(|part| is_part(part));
        if is_right { Ok(ArtifactName(text)) } else { Err(Misnamed::Name(shown(&text))) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// As a line can show it.
impl fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&in_a_line(&self.0))
    }
}

/// A name with its line ends, and what else a terminal would obey, as escapes.
pub(crate) fn in_a_line(name: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    name.chars().map(shown).collect()
}

fn is_part(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains(['/', '\0'])
}

/// As much of it as a message can bear.
fn shown(text: &str) -> String {
    text.chars().take(LONGEST_NAME).collect()
}

/// What an artifact is declared to be; it decides how long it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArtifactType(String);

impl ArtifactType {
    pub(crate) fn output() -> ArtifactType {
        ArtifactType("output".to_owned())
    }

    pub(crate) fn parse(text: &str) -> Result<ArtifactType, Misnamed> {
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
        if begins && text.len() <= 63 && text.chars().all(letter) && !RESERVED.contains(&text) {
            Ok(ArtifactType(text.to_owned()))
        } else {
            Err(Misnamed::Type(shown(text)))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

pub(crate) fn content_type(text: &str) -> Result<String, Misnamed> {
    let is_right = (1..=LONGEST_CONTENT_TYPE).contains(&text.len()) && text.chars().all(|c| matches!(c, ' '..='~'));
    if is_right { Ok(text.to_owned()) } else { Err(Misnamed::ContentType(shown(text))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_whatever_a_file_can_be_called() {
        let long = "é".repeat(127);
        for name in [
            "captions.srt",
            "Chapter 1 (final).mp3",
            ".hidden",
            "...",
            " a ",
            "ünï",
            "a\\b",
            "a#1",
            "a\nb",
            "{x}%",
            &long,
        ] {
            assert_eq!(ArtifactName::parse(name).expect("a name").as_str(), name);
        }
        for name in ["", ".", "..", "/etc/passwd", "a/b", "../a", "a\0b", &"x".repeat(256)] {
            assert!(ArtifactName::parse(name).is_err(), "{name:?}");
        }
        insta::assert_snapshot!(ArtifactName::parse("../x\0").unwrap_err(), @r#"an artifact cannot be named "../x\0": a name is what a file can be called: 1 to 255 bytes, without / and NUL, and neither . nor .."#);
    }

    fn of_path(path: &str) -> Result<ArtifactName, Misnamed> {
        ArtifactName::of_path(&path.split('/').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_path_stays_below_its_folder() {
        for path in ["pages/1.png", "pages/ü.png", &["x"; 150].join("/")] {
            assert_eq!(of_path(path).expect("a name").as_str(), path);
        }
        for path in ["", "/a", "a//b", "a/../b", "a/.", "a/b\0", &["x"; 2100].join("/")] {
            assert!(of_path(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_as_an_escape() {
        assert_eq!(in_a_line("a\n\u{1b}[2Jü.txt"), "a\\n\\u{1b}[2Jü.txt");
    }

    #[test]
    fn types_are_words_that_piton_does_not_give_itself() {
        for word in ["output", "preview", "temp", "frames_4k"] {
            assert!(ArtifactType::parse(word).is_ok(), "{word}");
        }
        for word in ["", "Preview", "4k", "a b", "pending", "failed", "orphan", "dead_letter", &"x".repeat(64)] {
            assert!(ArtifactType::parse(word).is_err(), "{word}");
        }
        assert!(content_type("text/plain; charset=utf-8").is_ok());
        assert!(content_type("").is_err() && content_type("a\r\nb: c").is_err());
    }
}

#[cfg(test)]
mod fuzz;
