//! Bytes from outside as text, or where and why they are not text. Pure.

/// Mark of the encoding that some systems put before a text in UTF-8; it is no part of the text.
const MARK: char = '\u{feff}';

/// Why bytes are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotUtf8 {
    /// Counted from 1.
    #[error("byte {at}{} is 0x{byte:02X}", on(*line))]
    Byte { at: usize, byte: u8, line: usize },
    #[error("it is UTF-16, by the mark that it begins with")]
    Utf16,
}

fn on(line: usize) -> String {
    if line == 1 { String::new() } else { format!(", on line {line},") }
}

/// The text, without a byte order mark before it.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, NotUtf8> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(NotUtf8::Utf16);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        NotUtf8::Byte { at: good.len() + 1, byte: bytes.get(good.len()).copied().unwrap_or_default(), line }
    })?;
    Ok(without_mark(text))
}

/// The text without a byte order mark before it.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(bytes: &[u8]) -> String {
        utf8(bytes).expect_err("no text").to_string()
    }

    #[test]
    fn what_is_no_text_is_told_with_its_place() {
        assert_eq!(said(b"a\nb\xe9.ogg\n"), "byte 4, on line 2, is 0xE9");
        assert_eq!(said(b"\xff"), "byte 1 is 0xFF");
        assert_eq!(said(b"abc\xc3"), "byte 4 is 0xC3");
        assert_eq!(said(b"\xff\xfea\0"), "it is UTF-16, by the mark that it begins with");
    }

    #[test]
    fn a_mark_before_a_text_is_no_part_of_it() {
        assert_eq!(utf8(b"\xef\xbb\xbf{}"), Ok("{}"));
        assert_eq!(utf8("a\u{feff}".as_bytes()), Ok("a\u{feff}"));
    }

    proptest! {
        #[test]
        fn bytes_are_text_exactly_when_they_are_utf8(bytes in any::<Vec<u8>>()) {
            prop_assert_eq!(utf8(&bytes).is_ok(), std::str::from_utf8(&bytes).is_ok());
        }
    }
}
