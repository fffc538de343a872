//! JSON that may enter: small enough, shallow enough, and without anything that Postgres cannot store.

use std::sync::Arc;

use serde::Serialize;

use super::{digest, json, text};

/// Sizes that are enforced where JSON comes in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PayloadLimits {
    /// Bytes of one run input or one stage output. Default 1 MiB.
    pub(crate) payload_bytes: usize,
    /// Bytes of all the inputs of one stage together. Default 64 MiB.
    pub(crate) stage_input_bytes: usize,
    /// Bytes of inputs that a worker has in memory at once; larger ones wait for others to end. Default 512 MiB.
    pub(crate) input_memory_bytes: usize,
    /// Items of one fanned-out stage. Default 100,000.
    pub(crate) items: u32,
}

impl Default for PayloadLimits {
    fn default() -> Self {
        PayloadLimits {
            payload_bytes: 1 << 20,
            stage_input_bytes: 64 << 20,
            input_memory_bytes: 512 << 20,
            items: 100_000,
        }
    }
}

/// Arrays and objects inside each other; serde_json itself stops at 128, and a stage's input wraps its parts twice.
pub(crate) const MAX_DEPTH: usize = 100;

/// Why a text is no payload.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum PayloadError {
    /// Not JSON.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// Over the limit.
    #[error("it has {bytes} bytes, over the limit of {limit}; keep big things in files and hand on their names")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Over the limit; nobody read how far.
    #[error("it has more than {limit} bytes; keep big things in files and hand on their names")]
    Longer {
        /// The limit.
        limit: usize,
    },
    /// Too deep.
    #[error("its arrays and objects are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// A NUL character.
    #[error("{place} holds a NUL character (\\u0000), which Postgres cannot keep; remove or encode it")]
    Nul {
        /// In words.
        place: String,
    },
    /// A surrogate without its other half: no program could read the string.
    #[error("{place} holds the lone surrogate {escape}, which is no character; write the whole pair, or remove it")]
    LoneSurrogate {
        /// In words.
        place: String,
        /// As it is written.
        escape: String,
    },
}

impl PayloadError {
    /// What is wrong with a text that is the value of that key of a larger one.
    pub(crate) fn below(self, key: &str) -> PayloadError {
        match self {
            PayloadError::Nul { place } => PayloadError::Nul { place: json::below(&place, key) },
            PayloadError::LoneSurrogate { place, escape } => {
                PayloadError::LoneSurrogate { place: json::below(&place, key), escape }
            }
            other @ (PayloadError::NotJson(_)
            | PayloadError::TooLarge { .. }
            | PayloadError::Longer { .. }
            | PayloadError::TooDeep) => other,
        }
    }
}

/// JSON text that was checked once, at the edge; cheap to clone. Public only as what [`crate::Handler`] hands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(Arc<str>);

impl Payload {
    /// Checks text from outside; numbers of any size and precision are as they are written.
    pub(crate) fn parse(text: &str, limit: usize) -> Result<Payload, PayloadError> {
        let text = text::without_mark(text).trim();
        shape(text, limit)?;
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|e| PayloadError::NotJson(e.to_string()))?;
        Ok(Payload(text.into()))
    }

    /// Writes a value as compact JSON and checks it.
    pub(crate) fn of(value: &impl Serialize, limit: usize) -> Result<Payload, PayloadError> {
        let text = serde_json::to_string(value).map_err(|e| PayloadError::NotJson(e.to_string()))?;
        shape(&text, limit)?;
        Ok(Payload(text.into()))
    }

    /// The JSON text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The JSON text, shared.
    pub(crate) fn text(&self) -> Arc<str> {
        self.0.clone()
    }

    /// What a checkpoint's digest covers: the very bytes that are stored.
    pub(crate) fn digest(&self) -> [u8; 32] {
        digest::of(&self.0)
    }
}

/// Size, depth and escapes in one walk over the bytes; that the text is JSON is for serde to say.
fn shape(text: &str, limit: usize) -> Result<(), PayloadError> {
    if text.len() > limit {
        return Err(PayloadError::TooLarge { bytes: text.len(), limit });
    }
    let (bytes, mut at, mut depth) = (text.as_bytes(), 0, 0usize);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = behind_string(text, at)?,
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(PayloadError::TooDeep);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Where the text goes on behind a string whose first character is at that place. Most of a payload is strings, and of those only quotes
/// and backslashes matter.
fn behind_string(text: &str, mut at: usize) -> Result<usize, PayloadError> {
    while let Some(found) = memchr::memchr2(b'"', b'\\', &text.as_bytes()[at.min(text.len())..]) {
        at += found;
        if text.as_bytes()[at] == b'"' {
            return Ok(at + 1);
        }
        at += 2 + escape(&text.as_bytes()[at..]).map_err(|wrong| wrong.at(text, at))?;
    }
    Ok(text.len())
}

/// Bytes of an escape that are behind its backslash and the character after that and must not be looked at by themselves:
/// those of a surrogate pair.
fn escape(bytes: &[u8]) -> Result<usize, Wrong> {
    let Some(first) = unit(bytes) else { return Ok(0) };
    match (first, bytes.get(6..).and_then(unit)) {
        (0, _) => Err(Wrong::Nul),
        (0xD800..=0xDBFF, Some(0xDC00..=0xDFFF)) => Ok(10),
        (0xD800..=0xDFFF, _) => Err(Wrong::LoneSurrogate),
        _ => Ok(0),
    }
}

/// The UTF-16 code unit of the escape that the bytes begin with, where it is one.
fn unit(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
}

/// Why an escape is refused.
enum Wrong {
    Nul,
    LoneSurrogate,
}

impl Wrong {
    fn at(self, text: &str, byte: usize) -> PayloadError {
        let place = json::place(text, byte);
        match self {
            Wrong::Nul => PayloadError::Nul { place },
            Wrong::LoneSurrogate => {
                PayloadError::LoneSurrogate { place, escape: text[byte..].chars().take(6).collect() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Payload, PayloadError> {
        Payload::parse(text, 1000)
    }

    fn said(text: &str) -> String {
        parse(text).expect_err("no payload").to_string()
    }

    #[test]
    fn what_nobody_can_keep_is_refused_at_the_edge_with_its_place() {
        insta::assert_snapshot!(said(r#"{"a":["x\u0000y"]}"#), @r"the string at `a.0` (character 9) holds a NUL character (\u0000), which Postgres cannot keep; remove or encode it");
        insta::assert_snapshot!(said(r#" {"é":1,"b":{"c":"x\uD83d"}}"#), @r"the string at `b.c` (character 19) holds the lone surrogate \uD83d, which is no character; write the whole pair, or remove it");
        assert!(
            said(r#"{"a":{"\udc00":1}}"#).starts_with(r"a key of `a` (character 8) holds the lone surrogate \udc00")
        );
        assert_eq!(parse(&"[".repeat(200)), Err(PayloadError::TooDeep));
        assert_eq!(
            parse(&format!("\"{}\"", "x".repeat(999))),
            Err(PayloadError::TooLarge { bytes: 1001, limit: 1000 })
        );
        assert!(matches!(parse("{\"a\": }"), Err(PayloadError::NotJson(_))));
        assert!(matches!(parse(""), Err(PayloadError::NotJson(_))));
        assert!(matches!(parse("1 2"), Err(PayloadError::NotJson(_))));
    }

    #[test]
    fn what_only_looks_wrong_is_taken_as_it_is_written() {
        for text in [
            r#""\\u0000""#,
            r#""\\ud800""#,
            r#""\ud83d\ude00\uD83D\uDE00""#,
            r#""[[[[""#,
            r#"{"a":1e999,"b":-0,"c":1.10,"d":12345678901234567890123,"z":0,"a":0E+5}"#,
        ] {
            assert_eq!(parse(text).map(|payload| payload.as_str().to_owned()), Ok(text.to_owned()));
        }
        for text in [
            r#""\\\u0000""#,
            r#""\ud83d\\ude00""#,
            r#""\ud83d \ude00""#,
            r#""\ude00\ud83d""#,
            r#""\ud83d\ud83d\ude00""#,
            r#""\ud83d\n\ude00""#,
        ] {
            assert!(
                matches!(parse(text), Err(PayloadError::Nul { .. } | PayloadError::LoneSurrogate { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_value() {
        assert_eq!(parse("\u{feff} [1]\r\n").map(|payload| payload.as_str().to_owned()), Ok("[1]".to_owned()));
    }

    proptest! {
        #[test]
        fn nothing_from_outside_panics(text in any::<String>(), escapes in "\"(\\\\|u|d8|[de]|0{1,4}|\\\\u[dD][89cC]00){0,12}\"?") {
            parse(&text).ok();
            parse(&escapes).ok();
        }

        #[test]
        fn a_string_is_refused_exactly_when_it_holds_a_nul(text in "[\\x00-\\x7f]{0,40}") {
            let written = serde_json::to_string(&text).expect("a string");
            prop_assert_eq!(matches!(parse(&written), Err(PayloadError::Nul { .. })), text.contains('\0'));
        }

        /// Strings by their UTF-16 code units, escaped one by one.
        #[test]
        fn a_string_is_refused_exactly_when_no_program_could_read_it(
            units in prop::collection::vec(prop_oneof![Just(0xD83D_u16), Just(0xDE00), 1..=0xFFFF_u16], 0..8)
        ) {
            let written: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let reads = String::from_utf16(&units).is_ok();
            prop_assert_eq!(parse(&format!("\"{written}\"")).is_ok(), reads);
        }
    }
}

#[cfg(test)]
mod fuzz;
