//! How long something is kept, as people write it.

use std::str::FromStr;
use std::time::Duration;

use crate::workflow::duration;

/// A time, or for ever. Unlike the durations of a workflow it may be of years; the schema bounds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HowLong(pub(crate) Option<Duration>);

const DAY: u64 = 86_400;

impl FromStr for HowLong {
    type Err = String;

    fn from_str(text: &str) -> Result<HowLong, String> {
        if text == "forever" {
            return Ok(HowLong(None));
        }
        if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()) {
            return Ok(HowLong(Some(Duration::from_secs(u64::from(days) * DAY))));
        }
        let parsed = duration::parse(text).map_err(|error| format!("{error}, or forever"))?;
        Ok(HowLong(Some(parsed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_days_or_shorter_units_or_for_ever() {
        let read = |text: &str| text.parse::<HowLong>().map(|keep| keep.0.map(|keep| keep.as_secs()));
        assert_eq!(read("forever"), Ok(None));
        assert_eq!(read("400d"), Ok(Some(400 * DAY)));
        assert_eq!(read("1h30m"), Ok(Some(5400)));
        for text in ["", "soon", "-3d", "3"] {
            assert!(read(text).unwrap_err().ends_with(", or forever"), "{text}");
        }
    }
}
