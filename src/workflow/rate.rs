//! How many attempts of a stage may start in a time, as people write it: `60/1m`, `10/s`, `5000/1d`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration;

/// Attempts that may begin in any stretch of time of that length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rate {
    attempts: u32,
    #[serde(rename = "period_ms", with = "super::duration::millis")]
    period: Duration,
}

/// More than so many in a second is no limit for what a stage calls.
const MOST_PER_SECOND: u128 = 1000;

/// Why a text is no rate; says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RateError {
    #[error("write how many attempts may begin, a slash and a time, such as \"60/1m\", \"10/1s\" or \"5000/1d\"")]
    NoRate,
    #[error("`piton pause` stops a stage; a rate begins at one attempt, such as \"1/1m\"")]
    Zero,
    #[error("at most 1000 attempts a second; leave `rate` out for no limit")]
    TooMany,
    #[error("in the time of the rate: {0}")]
    Period(#[from] duration::DurationError),
}

impl Rate {
    /// A unit alone is one of it: `10/s`.
    pub(crate) fn parse(text: &str) -> Result<Rate, RateError> {
        let (attempts, period) = text.split_once('/').ok_or(RateError::NoRate)?;
        let (attempts, period) = (attempts.trim(), period.trim());
        if attempts.is_empty() || !attempts.chars().all(|c| c.is_ascii_digit()) || period.is_empty() {
            return Err(RateError::NoRate);
        }
        let attempts = attempts.parse().map_err(|_| RateError::TooMany)?;
        let period = match period.starts_with(|c: char| c.is_ascii_alphabetic()) {
            true => duration::parse(&format!("1{period}"))?,
            false => duration::parse(period)?,
        };
        Rate { attempts, period }.checked()
    }

    /// Holds a rate to its bounds, wherever it came from.
    pub(crate) fn checked(self) -> Result<Rate, RateError> {
        duration::checked(self.period)?;
        match self.attempts {
            0 => Err(RateError::Zero),
            attempts if u128::from(attempts) * 1000 > self.period.as_millis() * MOST_PER_SECOND => {
                Err(RateError::TooMany)
            }
            _ => Ok(self),
        }
    }

    /// As [`Rate::parse`] reads it.
    pub(crate) fn format(self) -> String {
        format!("{}/{}", self.attempts, duration::format(self.period))
    }
}

/// What [`Rate::parse`] reads, as a regular expression; it also matches what is out of bounds.
pub(crate) fn pattern() -> String {
    format!(r"^\s*[0-9]*[1-9][0-9]*\s*/\s*(ms|s|m|h|d|{})\s*$", duration::pattern().trim_matches(['^', '$']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_people_write_it_and_written_as_it_is_read() {
        let format = |text: &str| Rate::parse(text).map(Rate::format);
        for (text, formatted) in
            [("60/1m", "60/1m"), ("10/s", "10/1s"), (" 5 / 1h30m ", "5/1h30m"), ("1/250ms", "1/250ms")]
        {
            assert_eq!(format(text), Ok(formatted.to_owned()));
        }
        assert_eq!(format("1000/1s"), Ok("1000/1s".to_owned()));
    }

    #[test]
    fn what_is_no_rate_says_what_would_be_one() {
        let error = |text: &str| Rate::parse(text).expect_err(text).to_string();
        for text in ["", "60", "60 per minute", "/1m", "60/", "-1/s", "1.5/s", "sixty/1m"] {
            assert_eq!(error(text), RateError::NoRate.to_string(), "{text}");
        }
        assert_eq!(error("0/1m"), RateError::Zero.to_string());
        for text in ["1001/1s", "2/1ms", "99999999999999999999/1d"] {
            assert_eq!(error(text), RateError::TooMany.to_string(), "{text}");
        }
        insta::assert_snapshot!(error("60/1x"), @"in the time of the rate: there is no unit `x`; the units are ms, s, m, h and d");
        insta::assert_snapshot!(error("60/0s"), @r#"in the time of the rate: it must be longer than nothing; write at least "1ms""#);
    }
}
