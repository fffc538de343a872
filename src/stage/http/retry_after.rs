//! When a server wants to be asked again. Pure: the time is an argument.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// Seconds from here on are a date: a time since 1970, as some servers send it where seconds from now are meant.
const LOOKS_LIKE_A_DATE: u64 = 1_000_000_000;

/// From `Retry-After` (seconds or a date), else from `RateLimit-Reset`. What makes no sense says nothing.
pub(super) fn of(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    text(RETRY_AFTER.as_str())
        .and_then(|said| seconds(said).or_else(|| date(said, now)))
        .or_else(|| text("ratelimit-reset").and_then(seconds).map(|wait| from_date(wait, now)))
}

fn seconds(said: &str) -> Option<Duration> {
    let digits = !said.is_empty() && said.bytes().all(|b| b.is_ascii_digit());
    // More digits than fit are as long as can be; the policy believes a week.
    digits.then(|| Duration::from_secs(said.parse().unwrap_or(u64::MAX)))
}

fn date(said: &str, now: SystemTime) -> Option<Duration> {
    let at = httpdate::parse_http_date(said).ok()?;
    at.duration_since(now).ok()
}

fn from_date(wait: Duration, now: SystemTime) -> Duration {
    if wait.as_secs() < LOOKS_LIKE_A_DATE {
        return wait;
    }
    UNIX_EPOCH.checked_add(wait).and_then(|at| at.duration_since(now).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    /// 2026-11-24 12:00:00 UTC.
    const NOW: u64 = 1_795_521_600;

    fn wait(name: &'static str, value: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).ok()?);
        of(&headers, UNIX_EPOCH + Duration::from_secs(NOW)).map(|wait| wait.as_secs())
    }

    #[test]
    fn both_forms_are_understood_and_nonsense_says_nothing() {
        assert_eq!(wait("retry-after", "120"), Some(120));
        assert_eq!(wait("retry-after", "10000000000"), Some(10_000_000_000));
        assert_eq!(wait("retry-after", "99999999999999999999999"), Some(u64::MAX));
        assert_eq!(wait("retry-after", "Tue, 24 Nov 2026 12:01:30 GMT"), Some(90));
        assert_eq!(wait("retry-after", "Tue, 24 Nov 2020 12:00:00 GMT"), None, "it is over");
        assert_eq!(wait("retry-after", "-1"), None);
        assert_eq!(wait("retry-after", "soon"), None);
        assert_eq!(wait("ratelimit-reset", "30"), Some(30));
        assert_eq!(wait("ratelimit-reset", &(NOW + 45).to_string()), Some(45));
    }

    proptest! {
        #[test]
        fn nothing_that_a_server_sends_panics(said in "[ -~]{0,40}") {
            wait("retry-after", &said);
            wait("ratelimit-reset", &said);
        }
    }
}

#[cfg(test)]
mod fuzz;
