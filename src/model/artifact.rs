//! Artifacts by name, type and address, and the reference that stages hand on. Pure.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::id::{NO_ITEM, RunId};

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

/// Bytes of a name.
const LONGEST_NAME: usize = 200;
/// What a name may hold beside letters and digits.
const MARKS: &str = "._-+=@(), ";
/// Bytes of a media type.
const LONGEST_CONTENT_TYPE: usize = 255;
/// Types that Piton gives.
const RESERVED: [&str; 4] = ["pending", "failed", "orphan", "dead_letter"];

/// Why an artifact cannot be called that.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Misnamed {
    #[error(
        "an artifact cannot be named {0:?}: a name has 1 to {LONGEST_NAME} of the letters a to z and A to Z, digits, spaces \
         inside, and the marks {marks}; it is not only dots, and has no /",
        marks = MARKS.trim()
    )]
    Name(String),
    #[error(
        "an artifact cannot be of the type {0:?}: a type begins with a small letter and has up to 63 small letters, digits \
         and _; {reserved} are given by Piton",
        reserved = RESERVED.join(", ")
    )]
    Type(String),
    #[error("{0:?} is no content type; it is plain text such as image/png, of at most {LONGEST_CONTENT_TYPE} bytes")]
    ContentType(String),
}

/// A name that is safe as the last part of an address and of a file's path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ArtifactName(String);

impl ArtifactName {
    /// A name of one part, as a handler gives it.
    pub(crate) fn parse(text: &str) -> Result<ArtifactName, Misnamed> {
        let is_right = text.len() <= LONGEST_NAME && is_part(text);
        if is_right { Ok(ArtifactName(text.to_owned())) } else { Err(Misnamed::Name(shown(text))) }
    }

    /// The way to a file below a folder, each part of it as strict as a name.
    pub(crate) fn of_path(parts: &[String]) -> Result<ArtifactName, Misnamed> {
        let text = parts.join("/");
        let is_right = !parts.is_empty() && text.len() <= LONGEST_NAME && parts.iter().all(|part| is_part(part));
        if is_right { Ok(ArtifactName(text)) } else { Err(Misnamed::Name(shown(&text))) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_part(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || MARKS.contains(c))
        && text.contains(|c| c != '.')
        && text.trim() == text
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

/// Where an artifact is in the store. Its id is part of it, so that nothing is ever written over.
pub(crate) fn address(run: RunId, stage: &str, item: i32, attempt: i32, artifact: Uuid, name: &ArtifactName) -> String {
    let item = if item == NO_ITEM { "-".to_owned() } else { item.to_string() };
    format!("runs/{run}/{stage}/{item}/{attempt}-{artifact}/{}", name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_refused_and_told_what_would_be_right() {
        for name in ["captions.srt", "Chapter 1 (final).mp3", ".hidden", "a..b", &"x".repeat(200)] {
            assert_eq!(ArtifactName::parse(name).expect("a name").as_str(), name);
        }
        let long = "x".repeat(201);
        for name in [
            "",
            ".",
            "..",
            "...",
            "/etc/passwd",
            "a/b",
            "../a",
            "a\0b",
            "a\nb",
            " a",
            "a ",
            "ünï",
            "a\\b",
            "a#1",
            &long,
        ] {
            assert!(ArtifactName::parse(name).is_err(), "{name:?}");
        }
        insta::assert_snapshot!(ArtifactName::parse("../x\0").unwrap_err(), @r#"an artifact cannot be named "../x\0": a name has 1 to 200 of the letters a to z and A to Z, digits, spaces inside, and the marks ._-+=@(),; it is not only dots, and has no /"#);
    }

    #[test]
    fn a_path_is_as_strict_in_each_of_its_parts() {
        let of = |path: &str| ArtifactName::of_path(&path.split('/').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(of("pages/1.png").expect("a name").as_str(), "pages/1.png");
        for path in ["", "/a", "a//b", "a/../b", "a/.", "pages/ü.png", &["x"; 150].join("/")] {
            assert!(of(path).is_err(), "{path:?}");
        }
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

    #[test]
    fn an_address_is_made_by_piton() {
        let name = ArtifactName::parse("a.txt").expect("a name");
        let told = address(RunId(Uuid::nil()), "draw", NO_ITEM, 2, Uuid::max(), &name);
        insta::assert_snapshot!(told, @"runs/00000000-0000-0000-0000-000000000000/draw/-/2-ffffffff-ffff-ffff-ffff-ffffffffffff/a.txt");
    }
}

#[cfg(test)]
mod fuzz;
