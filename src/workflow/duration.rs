//! A length of time as people write it: `250ms`, `30s`, `5m`, `1h30m`, `1d`.

use std::time::Duration;

/// No stage runs longer in one attempt.
pub(crate) const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// Units from large to small, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

const CURE: &str = "write a number and a unit (ms, s, m, h or d), such as \"250ms\", \"30s\", \"5m\" or \"1h30m\"";

/// Why a text is no duration; says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    #[error("{CURE}")]
    NoDuration,
    #[error("a unit is missing after {number}; write \"{number}s\" for seconds, or use ms, m, h or d")]
    NoUnit { number: String },
    #[error("there is no unit `{unit}`; the units are ms, s, m, h and d")]
    UnknownUnit { unit: String },
    #[error("whole numbers only; write \"1h30m\" instead of \"1.5h\"")]
    Fraction,
    #[error("larger units come first, and each once; write \"1h30m\" instead of \"30m1h\"")]
    Order,
    #[error("it must be longer than nothing; write at least \"1ms\"")]
    Zero,
    #[error("it must not be longer than 30 days; write at most \"30d\"")]
    TooLong,
}

/// Reads a duration that is longer than nothing and not longer than [`LONGEST`].
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    if text.contains(['.', ',']) {
        return Err(DurationError::Fraction);
    }
    let (mut rest, mut total, mut smallest) = (text, 0u64, u64::MAX);
    while !rest.is_empty() {
        let (number, after) = rest.split_at(end_of(rest, |c| c.is_ascii_digit()));
        let (unit, after) = after.split_at(end_of(after, |c| c.is_ascii_alphabetic()));
        if number.is_empty() || !(after.is_empty() || after.starts_with(|c: char| c.is_ascii_digit())) {
            return Err(DurationError::NoDuration);
        }
        let size = size_of(number, unit)?;
        if size >= smallest {
            return Err(DurationError::Order);
        }
        let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
        total = total.saturating_add(number.saturating_mul(size));
        (rest, smallest) = (after, size);
    }
    if text.is_empty() {
        return Err(DurationError::NoDuration);
    }
    checked(Duration::from_millis(total))
}

/// Reads a duration for an option that has bounds of its own.
pub(crate) fn parse_between(text: &str, (least, most): (Duration, Duration), why: &str) -> Result<Duration, String> {
    match parse(text) {
        Ok(duration) if (least..=most).contains(&duration) => Ok(duration),
        // Its own bounds are what counts, also for what no duration may be.
        Ok(_) | Err(DurationError::Zero | DurationError::TooLong) => {
            Err(format!("it must be between {} and {}: {why}", format(least), format(most)))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Holds a duration to its bounds, wherever it came from.
pub(crate) fn checked(duration: Duration) -> Result<Duration, DurationError> {
    match duration {
        d if d.is_zero() => Err(DurationError::Zero),
        d if d > LONGEST => Err(DurationError::TooLong),
        d => Ok(d),
    }
}

/// What [`parse`] reads, as a regular expression; it also matches what is empty, zero or too long.
pub(crate) fn pattern() -> String {
    let units: String = UNITS.iter().map(|(unit, _)| format!("([0-9]+{unit})?")).collect();
    format!("^{units}$")
}

/// Writes a duration as [`parse`] reads it; what is below a millisecond is dropped.
pub(crate) fn format(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, size) in UNITS {
        if left >= size {
            text += &format!("{}{unit}", left / size);
            left %= size;
        }
    }
    if text.is_empty() { "0ms".to_owned() } else { text }
}

/// A duration as people say it, in its two largest units, the smaller one only where it says something: milliseconds under a
/// second, tenths under a minute. `piton.span_words` says the same.
pub(crate) fn words(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let units = |(large, name): (u64, &str), (small, rest_name): (u64, &str)| match ms % large / small {
        0 => format!("{} {name}", ms / large),
        rest => format!("{} {name} {rest} {rest_name}", ms / large),
    };
    let (second, minute, hour, day) = ((1_000, "s"), (60_000, "min"), (3_600_000, "h"), (86_400_000, "d"));
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 if ms % 1_000 < 100 => format!("{} s", ms / 1_000),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => units(minute, second),
        3_600_000..86_400_000 => units(hour, minute),
        _ => units(day, hour),
    }
}

fn end_of(text: &str, wanted: impl Fn(char) -> bool) -> usize {
    text.find(|c| !wanted(c)).unwrap_or(text.len())
}

fn size_of(number: &str, unit: &str) -> Result<u64, DurationError> {
    match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, size)) => Ok(*size),
        None if unit.is_empty() => Err(DurationError::NoUnit { number: number.chars().take(20).collect() }),
        None => Err(DurationError::UnknownUnit { unit: unit.chars().take(20).collect() }),
    }
}

/// A duration in the stored definition: whole milliseconds.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

/// The same, where the definition may say nothing.
pub(crate) mod optional_millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::millis::serialize(duration, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn people_write_durations_in_many_ways() {
        let ms = |text| parse(text).map(|d| d.as_millis());
        assert_eq!(ms("250ms"), Ok(250));
        assert_eq!(ms("30s"), Ok(30_000));
        assert_eq!(ms("1h30m"), Ok(5_400_000));
        assert_eq!(ms("1d2h3m4s5ms"), Ok(93_784_005));
        assert_eq!(ms("30d"), Ok(2_592_000_000));
    }

    #[test]
    fn what_is_no_duration_says_what_would_be() {
        assert_eq!(parse(""), Err(DurationError::NoDuration));
        assert_eq!(parse("soon"), Err(DurationError::NoDuration));
        assert_eq!(parse("-5s"), Err(DurationError::NoDuration));
        assert_eq!(parse("1h 30m"), Err(DurationError::NoDuration));
        assert_eq!(parse("30"), Err(DurationError::NoUnit { number: "30".to_owned() }));
        assert_eq!(parse("30sec"), Err(DurationError::UnknownUnit { unit: "sec".to_owned() }));
        assert_eq!(parse("1.5h"), Err(DurationError::Fraction));
        assert_eq!(parse("30m1h"), Err(DurationError::Order));
        assert_eq!(parse("1s1s"), Err(DurationError::Order));
        assert_eq!(parse("0s"), Err(DurationError::Zero));
        assert_eq!(parse("31d"), Err(DurationError::TooLong));
        assert_eq!(parse("99999999999999999999d"), Err(DurationError::TooLong));
    }

    #[test]
    fn an_option_with_bounds_names_them() {
        let bounds = (Duration::from_secs(2), Duration::from_secs(86_400));
        let read = |text| parse_between(text, bounds, "so it is");
        assert_eq!(read("2s"), Ok(bounds.0));
        assert_eq!(read("24h"), Ok(bounds.1));
        assert_eq!(read("1999ms"), Err("it must be between 2s and 1d: so it is".to_owned()));
        assert_eq!(read("24h1ms"), Err("it must be between 2s and 1d: so it is".to_owned()));
        assert_eq!(read("0s"), Err("it must be between 2s and 1d: so it is".to_owned()));
        assert_eq!(read("99999d"), Err("it must be between 2s and 1d: so it is".to_owned()));
        assert_eq!(read("2"), Err(parse("2").unwrap_err().to_string()));
    }

    #[test]
    fn durations_are_shown_in_the_units_people_use() {
        assert_eq!(format(Duration::from_secs(300)), "5m");
        assert_eq!(format(Duration::from_millis(90_500)), "1m30s500ms");
        assert_eq!(format(Duration::ZERO), "0ms");
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_read_again(ms in 1u64..=2_592_000_000) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            prop_assert!(parse(&text).is_ok_and(|d| d <= LONGEST) || parse(&text).is_err());
        }
    }
}
