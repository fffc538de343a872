//! A cron text: which minutes of the civil calendar it names. Clocks and zones are not its concern. Pure.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time, Weekday};

/// 29 February may be eight years away, and no other date is further.
const DAYS: usize = 8 * 366 + 1;

/// One of the five fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    name: &'static str,
    place: &'static str,
    least: u32,
    most: u32,
    /// Words for its numbers, from `least` on.
    words: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", place: "first", least: 0, most: 59, words: &[] };
const HOUR: Field = Field { name: "hour", place: "second", least: 0, most: 23, words: &[] };
const DAY: Field = Field { name: "day of the month", place: "third", least: 1, most: 31, words: &[] };
const MONTH: Field = Field {
    name: "month",
    place: "fourth",
    least: 1,
    most: 12,
    words: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
/// 7 is Sunday, too.
const WEEKDAY: Field = Field {
    name: "day of the week",
    place: "fifth",
    least: 0,
    most: 7,
    words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

const SHORT: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// Why a text is no cron text; names the field and says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CronError {
    #[error(
        "write five fields: minute, hour, day of the month, month, day of the week, such as \"30 2 * * *\"; this has {0}"
    )]
    Count(usize),
    #[error(
        "there is no `{0}`; write @hourly, @daily, @weekly, @monthly or @yearly, or five fields such as \"30 2 * * *\""
    )]
    Short(String),
    #[error("{}: `{part}` is none; {}", .field.head(), .field.cure())]
    Number { field: Field, part: String },
    #[error("{}: `{part}` runs backwards; write two ranges, such as \"{}\"", .field.head(), .field.turned(part))]
    Backwards { field: Field, part: String },
    #[error("{}: `{part}` has no step that works; write a range and a whole number from 1, such as \"*/5\" or \"10-30/5\"", .field.head())]
    Step { field: Field, part: String },
    #[error("no month has such a day, so it would never start; write another day or another month")]
    Never,
}

impl Field {
    fn head(&self) -> String {
        format!("the {} field is the {} ({} to {})", self.place, self.name, self.least, self.most)
    }

    fn cure(&self) -> String {
        match self.words {
            [] => format!(
                "write a number, \"*\", a range such as \"{}-{}\", or several with commas",
                self.least, self.most
            ),
            [first, .., last] => {
                format!("write a number, \"*\", a name ({first} to {last}), a range, or several with commas")
            }
            [one] => format!("write {one}"),
        }
    }

    /// `22-2` as two ranges.
    fn turned(&self, part: &str) -> String {
        let range = part.split('/').next().unwrap_or(part);
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        format!("{from}-{},{}-{to}", self.most, self.least)
    }

    /// One bit for each number that the text names.
    fn read(&self, text: &str) -> Result<u64, CronError> {
        text.split(',').try_fold(0, |all, part| Ok(all | self.part(part)?))
    }

    fn part(&self, part: &str) -> Result<u64, CronError> {
        let shown = || part.chars().take(40).collect::<String>();
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.most),
            Some((from, to)) => (self.number(from, part)?, self.number(to, part)?),
            None => {
                let one = self.number(range, part)?;
                (one, one)
            }
        };
        // `sat-sun`: Sunday is the last day there.
        let to = if *self == WEEKDAY && to == 0 && from > 0 { 7 } else { to };
        if from > to {
            return Err(CronError::Backwards { field: *self, part: shown() });
        }
        let step = match step {
            None => 1,
            Some(step) if from < to => {
                let number = step.parse::<u32>().ok().filter(|step| (1..=self.most).contains(step));
                number.ok_or_else(|| CronError::Step { field: *self, part: shown() })?
            }
            Some(_) => return Err(CronError::Step { field: *self, part: shown() }),
        };
        Ok((from..=to).step_by(step as usize).fold(0, |bits, number| bits | 1 << number))
    }

    fn number(&self, text: &str, part: &str) -> Result<u32, CronError> {
        let word = self.words.iter().zip(self.least..).find(|(word, _)| text.eq_ignore_ascii_case(word));
        let digits = text.len() <= 2 && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = match word {
            Some((_, number)) => Some(number),
            None if digits => text.parse().ok().filter(|number| (self.least..=self.most).contains(number)),
            None => None,
        };
        number.ok_or_else(|| CronError::Number { field: *self, part: part.chars().take(40).collect() })
    }
}

/// Minutes of the calendar, by five fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    /// The third field has an `L`.
    last_day: bool,
    months: u64,
    weekdays: u64,
    /// Both days are named: one of them is enough.
    either_day: bool,
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Cron, CronError> {
        let fields: Vec<&str> = match SHORT.iter().find(|(name, _)| text.trim() == *name) {
            Some((_, meaning)) => meaning.split(' ').collect(),
            None if text.trim().starts_with('@') => {
                return Err(CronError::Short(text.trim().chars().take(40).collect()));
            }
            None => text.split_ascii_whitespace().collect(),
        };
        let [minute, hour, day, month, weekday] = fields[..] else { return Err(CronError::Count(fields.len())) };
        let last_day = day.split(',').any(|part| part.eq_ignore_ascii_case("l"));
        let numbers: Vec<&str> = day.split(',').filter(|part| !part.eq_ignore_ascii_case("l")).collect();
        let days = if numbers.is_empty() { 0 } else { DAY.read(&numbers.join(","))? };
        let weekdays = WEEKDAY.read(weekday)?;
        let cron = Cron {
            text: text.split_ascii_whitespace().collect::<Vec<_>>().join(" "),
            minutes: MINUTE.read(minute)?,
            hours: HOUR.read(hour)?,
            days,
            last_day,
            months: MONTH.read(month)?,
            weekdays: weekdays | weekdays >> 7 & 1,
            // As every cron has it since Vixie's: a field that begins with a star does not name days.
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
        };
        // A year before a leap year, so that 29 February is near.
        cron.from(Date::constant(2027, 3, 1).to_datetime(Time::midnight())).ok_or(CronError::Never)?;
        Ok(cron)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Cron {
    /// It names every hour of its days.
    pub(crate) fn is_every_hour(&self) -> bool {
        self.hours == (1 << 24) - 1
    }

    /// The first minute it names that does not lie before that time.
    pub(crate) fn from(&self, at: DateTime) -> Option<DateTime> {
        let (mut date, mut hour, mut minute) = (at.date(), at.hour() as u32, at.minute() as u32);
        if at.second() > 0 || at.subsec_nanosecond() > 0 {
            minute += 1;
        }
        for _ in 0..DAYS {
            if self.has_day(date)
                && let Some((hour, minute)) = self.time_from(hour, minute)
            {
                return Some(date.at(hour, minute, 0, 0));
            }
            (date, hour, minute) = (date.tomorrow().ok()?, 0, 0);
        }
        None
    }

    fn has_day(&self, date: Date) -> bool {
        if self.months >> date.month() & 1 == 0 {
            return false;
        }
        let in_month = self.days >> date.day() & 1 == 1 || self.last_day && date.day() == date.days_in_month();
        let in_week = self.weekdays >> number_of(date.weekday()) & 1 == 1;
        if self.either_day { in_month || in_week } else { in_month && in_week }
    }

    /// The first time of a day it names from that one on, which may lie behind the end of its hour.
    fn time_from(&self, hour: u32, minute: u32) -> Option<(i8, i8)> {
        let found = match first(self.minutes, minute) {
            Some(minute) if self.hours >> hour & 1 == 1 => Some((hour, minute)),
            _ => first(self.hours, hour + 1).zip(first(self.minutes, 0)),
        };
        found.and_then(|(hour, minute)| Some((i8::try_from(hour).ok()?, i8::try_from(minute).ok()?)))
    }
}

fn number_of(weekday: Weekday) -> i8 {
    weekday.to_sunday_zero_offset()
}

/// The first bit from that one on.
fn first(bits: u64, from: u32) -> Option<u32> {
    let left = bits.checked_shr(from)?;
    (left != 0).then(|| from + left.trailing_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(cron: &str, at: &str) -> String {
        let cron: Cron = cron.parse().unwrap();
        cron.from(at.parse().unwrap()).map_or("never".to_owned(), |found| found.to_string())
    }

    #[test]
    fn the_calendar_is_read_as_cron_reads_it() {
        assert_eq!(next("30 2 * * *", "2026-11-29T02:30:00"), "2026-11-29T02:30:00");
        assert_eq!(next("30 2 * * *", "2026-11-29T02:30:01"), "2026-11-30T02:30:00");
        assert_eq!(next("*/15 * * * *", "2026-11-29T23:46:00"), "2026-11-30T00:00:00");
        assert_eq!(next("0 9-17/4 * * mon-fri", "2026-11-28T00:00:00"), "2026-11-30T09:00:00");
        assert_eq!(next("0 0 29 2 *", "2096-03-01T00:00:00"), "2104-02-29T00:00:00");
        assert_eq!(next("0 0 L * *", "2028-02-02T00:00:00"), "2028-02-29T00:00:00");
        assert_eq!(next("0 0 15,L * *", "2026-04-16T00:00:00"), "2026-04-30T00:00:00");
        assert_eq!(next("0 0 * * 7", "2026-11-30T00:00:00"), "2026-12-06T00:00:00");
        assert_eq!(next("0 0 * * sat-sun", "2026-11-30T00:00:00"), "2026-12-05T00:00:00");
        assert_eq!(next("@yearly", "2026-11-30T00:00:00"), "2027-01-01T00:00:00");
        // Two days that are both named: either. A star is none that is named.
        assert_eq!(next("0 0 13 * fri", "2026-11-29T00:00:00"), "2026-12-04T00:00:00");
        assert_eq!(next("0 0 */2 * fri", "2026-11-28T00:00:00"), "2026-12-11T00:00:00");
        assert_eq!(next("0 0 1 1 *", "9999-06-01T00:00:00"), "never");
    }

    #[test]
    fn a_mistake_names_its_field_and_its_cure() {
        let error = |text: &str| text.parse::<Cron>().expect_err(text).to_string();
        insta::assert_snapshot!(error("30 2 * *"), @r#"write five fields: minute, hour, day of the month, month, day of the week, such as "30 2 * * *"; this has 4"#);
        insta::assert_snapshot!(error("0 30 2 * * *"), @r#"write five fields: minute, hour, day of the month, month, day of the week, such as "30 2 * * *"; this has 6"#);
        insta::assert_snapshot!(error("60 2 * * *"), @r#"the first field is the minute (0 to 59): `60` is none; write a number, "*", a range such as "0-59", or several with commas"#);
        insta::assert_snapshot!(error("0 0 1 13 *"), @r#"the fourth field is the month (1 to 12): `13` is none; write a number, "*", a name (jan to dec), a range, or several with commas"#);
        insta::assert_snapshot!(error("0 22-2 * * *"), @r#"the second field is the hour (0 to 23): `22-2` runs backwards; write two ranges, such as "22-23,0-2""#);
        insta::assert_snapshot!(error("*/0 * * * *"), @r#"the first field is the minute (0 to 59): `*/0` has no step that works; write a range and a whole number from 1, such as "*/5" or "10-30/5""#);
        insta::assert_snapshot!(error("5/10 * * * *"), @r#"the first field is the minute (0 to 59): `5/10` has no step that works; write a range and a whole number from 1, such as "*/5" or "10-30/5""#);
        insta::assert_snapshot!(error("0 0 30 2 *"), @"no month has such a day, so it would never start; write another day or another month");
        insta::assert_snapshot!(error("@nightly"), @r#"there is no `@nightly`; write @hourly, @daily, @weekly, @monthly or @yearly, or five fields such as "30 2 * * *""#);
        for odd in [
            "",
            "* * * * x",
            "1,, * * * *",
            "-1 * * * *",
            "+1 * * * *",
            "١ * * * *",
            "1-2-3 * * * *",
            "* * 0 * *",
            "*/x * * * *",
        ] {
            error(odd);
        }
    }
}
