//! The part of a file that a request asks for (RFC 9110, section 14). Pure.

use std::ops::Range;

use axum::http::HeaderMap;
use axum::http::header::{IF_RANGE, RANGE};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Whole,
    Part(Range<u64>),
    /// A part that is not there.
    Nothing,
}

impl Wanted {
    /// Of a file of so many bytes, which has that tag. Several parts at once, or what makes no sense, is asked in vain: whoever
    /// asks has to be ready for the whole.
    pub(super) fn of(headers: &HeaderMap, bytes: u64, tag: &str) -> Wanted {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let is_another = headers.contains_key(IF_RANGE) && text(IF_RANGE) != Some(tag);
        let ranges = text(RANGE).filter(|_| !is_another && headers.get_all(RANGE).iter().count() == 1);
        ranges.and_then(|ranges| part(ranges, bytes)).unwrap_or(Wanted::Whole)
    }
}

fn part(ranges: &str, bytes: u64) -> Option<Wanted> {
    let (unit, range) = ranges.split_once('=')?;
    let (first, last) = range.split_once('-').filter(|_| unit.eq_ignore_ascii_case("bytes"))?;
    let range = match (first, last) {
        ("", last) => bytes.saturating_sub(number(last)?)..bytes,
        (first, "") => number(first)?..bytes,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(bytes)
        }
    };
    Some(if range.is_empty() { Wanted::Nothing } else { Wanted::Part(range) })
}

/// One that is too large is behind the end of every file.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn asked(ranges: &str, bytes: u64) -> Wanted {
        Wanted::of(&HeaderMap::from_iter([(RANGE, HeaderValue::from_str(ranges).expect("a value"))]), bytes, "\"tag\"")
    }

    #[test]
    fn one_part_is_answered_and_everything_else_is_the_whole() {
        for (ranges, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-5", 2..6),
            ("Bytes=2-", 2..10),
            ("bytes=-3", 7..10),
            ("bytes=-99", 0..10),
            ("bytes=9-99999999999999999999999", 9..10),
        ] {
            assert_eq!(asked(ranges, 10), Wanted::Part(range), "{ranges}");
        }
        for ranges in ["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(asked(ranges, 10), Wanted::Nothing, "{ranges}");
        }
        for ranges in
            ["", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "bytes=+1-2", "bytes= 1-2", "lines=1-2"]
        {
            assert_eq!(asked(ranges, 10), Wanted::Whole, "{ranges}");
        }
        assert_eq!(asked("bytes=0-", 0), Wanted::Nothing);
    }

    #[test]
    fn a_part_of_another_file_is_not_asked_for() {
        let of = |tag: &'static str| {
            let ranges = (RANGE, HeaderValue::from_static("bytes=1-2"));
            Wanted::of(&HeaderMap::from_iter([ranges, (IF_RANGE, HeaderValue::from_static(tag))]), 10, "\"tag\"")
        };
        assert_eq!(of("\"tag\""), Wanted::Part(1..3));
        for other in ["\"other\"", "W/\"tag\"", "Thu, 01 Jan 2026 06:00:00 GMT"] {
            assert_eq!(of(other), Wanted::Whole, "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_within_the_file(ranges in "bytes=[0-9]{0,21}-[0-9]{0,21}", bytes in 0..100_u64) {
            if let Wanted::Part(range) = asked(&ranges, bytes) {
                prop_assert!(range.start < range.end && range.end <= bytes);
            }
        }
    }
}
