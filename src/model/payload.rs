//! JSON that may enter: small enough, shallow enough, and without what Postgres cannot keep.

use std::sync::Arc;

use serde::Serialize;

use super::digest;

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
    #[error("a string in it holds a NUL character (\\u0000), which Postgres cannot keep; remove or encode it")]
    Nul,
}

/// JSON text that was checked once, at the edge; cheap to clone. Public only as what [`crate::Handler`] hands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(Arc<str>);

impl Payload {
    /// Checks text from outside.
    pub(crate) fn parse(text: &str, limit: usize) -> Result<Payload, PayloadError> {
        let text = text.trim();
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

/// Size, depth and NUL in one walk over the bytes; that the text is JSON is for serde to say.
fn shape(text: &str, limit: usize) -> Result<(), PayloadError> {
    if text.len() > limit {
        return Err(PayloadError::TooLarge { bytes: text.len(), limit });
    }
    let (mut depth, mut in_string) = (0usize, false);
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                if text.as_bytes()[at..].starts_with(b"\\u0000") {
                    return Err(PayloadError::Nul);
                }
                bytes.next();
            }
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(PayloadError::TooDeep);
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Payload, PayloadError> {
        Payload::parse(text, 1000)
    }

    #[test]
    fn what_postgres_or_serde_cannot_take_is_refused_at_the_edge() {
        assert_eq!(parse(r#"{"a":"x\u0000y"}"#), Err(PayloadError::Nul));
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
    fn an_escaped_backslash_before_u0000_is_no_nul() {
        assert!(parse(r#""\\u0000""#).is_ok());
        assert_eq!(parse(r#""\\\u0000""#), Err(PayloadError::Nul));
        assert!(parse(r#""[[[[""#).is_ok());
    }

    proptest! {
        #[test]
        fn nothing_from_outside_panics(text in any::<String>()) {
            parse(&text).ok();
        }

        #[test]
        fn a_string_is_refused_exactly_when_it_holds_a_nul(text in "[\\x00-\\x7f]{0,40}") {
            let written = serde_json::to_string(&text).expect("a string");
            prop_assert_eq!(parse(&written) == Err(PayloadError::Nul), text.contains('\0'));
        }
    }
}

#[cfg(test)]
mod fuzz;
