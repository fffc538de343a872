//! When a server wants to be asked again. Pure: the time is an argument.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{DATE, HeaderMap};

/// Seconds from here on are a date: a time since 1970, as some servers send it where seconds from now are meant.
const LOOKS_LIKE_A_DATE: f64 = 1e9;
/// From here on it is one in milliseconds.
const LOOKS_LIKE_MILLISECONDS: f64 = 1e12;

/// What the headers of an answer say about the next request.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Again {
    /// How long to wait: `Retry-After` in any of its forms.
    pub(super) after: Option<Duration>,
    /// The client has used up what it may ask for.
    pub(super) is_used_up: bool,
    /// When it may ask for more; servers say so of every answer, also where something else was wrong.
    pub(super) reset: Option<Duration>,
}

impl Again {
    /// What makes no sense says nothing. Dates count from the server's own clock, where it tells the time.
    pub(super) fn of(headers: &HeaderMap, now: SystemTime) -> Again {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let now = text(DATE.as_str()).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
        let milliseconds = |name| text(name).and_then(number).and_then(|number| seconds(number / 1000.0));
        let time = |name| text(name).and_then(number).and_then(|number| wait(number, now));
        Again {
            after: milliseconds("retry-after-ms")
                .or_else(|| milliseconds("x-ms-retry-after-ms"))
                .or_else(|| time("retry-after"))
                .or_else(|| text("retry-after").and_then(|date| until(date, now))),
            is_used_up: ["ratelimit-remaining", "x-ratelimit-remaining"].iter().any(|name| text(name) == Some("0")),
            reset: ["ratelimit-reset", "x-ratelimit-reset-after", "x-ratelimit-reset"].into_iter().find_map(time),
        }
    }
}

/// A number as servers write one, also with a fraction.
fn number(said: &str) -> Option<f64> {
    let is_number =
        said.bytes().all(|b| b.is_ascii_digit() || b == b'.') && said.starts_with(|c: char| c.is_ascii_digit());
    is_number.then(|| said.parse().ok()).flatten()
}

fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok()
}

/// Seconds, or the time until a date that is written as a number.
fn wait(number: f64, now: SystemTime) -> Option<Duration> {
    if number < LOOKS_LIKE_A_DATE {
        return seconds(number);
    }
    let since_1970 = if number < LOOKS_LIKE_MILLISECONDS { number } else { number / 1000.0 };
    let at = UNIX_EPOCH.checked_add(seconds(since_1970)?)?;
    Some(at.duration_since(now).unwrap_or_default())
}

/// The time until a date; none where it is over.
fn until(date: &str, now: SystemTime) -> Option<Duration> {
    let at = httpdate::parse_http_date(date).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    /// 2026-11-24 12:00:00 UTC.
    const NOW: u64 = 1_795_521_600;

    fn again(headers: &[(&'static str, &str)]) -> Again {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let Ok(value) = HeaderValue::from_str(value) else { return Again::default() };
            map.insert(HeaderName::from_static(name), value);
        }
        Again::of(&map, UNIX_EPOCH + Duration::from_secs(NOW))
    }

    fn after(name: &'static str, value: &str) -> Option<f64> {
        again(&[(name, value)]).after.map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn every_form_is_understood_and_nonsense_says_nothing() {
        for (value, expected) in [
            ("120", Some(120.0)),
            ("1.5", Some(1.5)),
            ("0.25", Some(0.25)),
            ("0", Some(0.0)),
            ("Tue, 24 Nov 2026 12:01:30 GMT", Some(90.0)),
            ("Tue, 24 Nov 2020 12:00:00 GMT", Some(0.0)),
            ("1795521645", Some(45.0)),
            ("1795521645000", Some(45.0)),
            ("99999999999999999999999999999999999999999", None),
            ("-1", None),
            (".5", None),
            ("1.2.3", None),
            ("1e3", None),
            ("inf", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(after("retry-after", value), expected, "{value}");
        }
        assert_eq!(after("retry-after-ms", "1500"), Some(1.5));
        assert_eq!(after("x-ms-retry-after-ms", "20"), Some(0.02));
        assert_eq!(after("retry-after-ms", "soon"), None);
    }

    #[test]
    fn milliseconds_are_more_exact_and_go_first() {
        let both = again(&[("retry-after", "2"), ("retry-after-ms", "1500")]);
        assert_eq!(both.after, Some(Duration::from_millis(1500)));
        let broken = again(&[("retry-after", "2"), ("retry-after-ms", "-")]);
        assert_eq!(broken.after, Some(Duration::from_secs(2)));
    }

    #[test]
    fn dates_count_from_the_server_s_own_clock() {
        let date = ("date", "Tue, 24 Nov 2020 12:00:00 GMT");
        let minute = Some(Duration::from_secs(60));
        assert_eq!(again(&[date, ("retry-after", "Tue, 24 Nov 2020 12:01:00 GMT")]).after, minute);
        assert_eq!(again(&[date, ("x-ratelimit-reset", "1606219260")]).reset, minute);
        assert_eq!(again(&[("date", "now"), ("retry-after", "Tue, 24 Nov 2026 12:01:00 GMT")]).after, minute);
    }

    #[test]
    fn a_limit_that_is_used_up_says_when_there_is_more() {
        let later = (NOW + 45).to_string();
        for name in ["ratelimit-reset", "x-ratelimit-reset", "x-ratelimit-reset-after"] {
            for value in ["45", &later] {
                let said = again(&[(name, value), ("x-ratelimit-remaining", "0")]);
                let reset = Some(Duration::from_secs(45));
                assert_eq!(said, Again { after: None, is_used_up: true, reset }, "{name}: {value}");
            }
        }
        assert!(!again(&[("x-ratelimit-remaining", "10")]).is_used_up);
    }

    proptest! {
        #[test]
        fn nothing_that_a_server_sends_panics(said in "[ -~]{0,40}|[0-9.]{0,60}") {
            for name in ["date", "retry-after", "retry-after-ms", "ratelimit-reset", "x-ratelimit-remaining"] {
                again(&[(name, &said), ("x-ratelimit-reset", &said)]);
            }
        }
    }
}

#[cfg(test)]
mod fuzz;
