//! A server's `Retry-After` is understood or ignored.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::model::fuzz;

/// 2026-11-24 12:00:00 UTC.
const NOW: u64 = 1_795_521_600;

/// Longer ones are dates.
const SECONDS: std::ops::Range<u32> = 0..1_000_000_000;

const PIECES: &[&str] = &[
    "0",
    "1",
    "30",
    "-",
    "+",
    ".",
    ",",
    " ",
    "e9",
    "Tue",
    "Nov",
    "24 Nov 2026",
    "12:01:30",
    "GMT",
    "Tue, 24 Nov 2026 12:01:30 GMT",
    "Tuesday, 24-Nov-26 12:01:30 GMT",
    "99999999999999999999999",
    "1795521645",
    "soon",
    ";",
    "=",
];

fn headers(name: &'static str, said: &str) -> Option<HeaderMap> {
    let value = HeaderValue::from_bytes(said.as_bytes()).ok()?;
    Some(HeaderMap::from_iter([(HeaderName::from_static(name), value)]))
}

fn wait(name: &'static str, said: &str) -> Option<Duration> {
    let again = Again::of(&headers(name, said)?, UNIX_EPOCH + Duration::from_secs(NOW));
    again.after.or(again.reset)
}

/// Nothing panics, and what is said with a number is that number at most.
fn is_understood_or_not(said: String) -> Result<(), TestCaseError> {
    for name in ["retry-after", "retry-after-ms", "ratelimit-reset", "date"] {
        let waits = wait(name, &said);
        if said.trim().starts_with('-') {
            prop_assert_eq!(waits, None);
        }
    }
    Ok(())
}

fn is_kept((seconds, later): (u32, u32)) -> Result<(), TestCaseError> {
    prop_assert_eq!(wait("retry-after", &seconds.to_string()), Some(Duration::from_secs(seconds.into())));
    let later = Duration::from_secs(u64::from(later) + 1);
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(NOW) + later);
    prop_assert_eq!(wait("retry-after", &date), Some(later));
    Ok(())
}

#[test]
fn seconds_and_dates_are_kept_and_nonsense_is_passed_over() {
    fuzz::shortly(fuzz::pieces(PIECES, 6), is_understood_or_not);
    fuzz::shortly((SECONDS, any::<u32>()), is_kept);
}

#[test]
#[ignore = "two minutes"]
fn fuzz_retry_after() {
    fuzz::for_a_minute(fuzz::pieces(PIECES, 10), is_understood_or_not);
    fuzz::for_a_minute((SECONDS, any::<u32>()), is_kept);
}
