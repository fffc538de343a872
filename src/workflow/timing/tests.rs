//! Ticks are those of another implementation: croner for the calendar, chrono-tz for the zones, and a walk minute by minute.

use chrono::{NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

fn timing(cron: &str, zone: &str) -> Timing {
    Timing::Cron { cron: cron.parse().expect("a cron text"), zone: Zone::named(zone).expect("a zone") }
}

fn ticks(timing: &Timing, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let all = std::iter::successors(Some(from), |at| timing.after(*at, from)).skip(1);
    all.take_while(|tick| *tick <= to).collect()
}

fn offset(zone: Tz, at: DateTime<Utc>) -> TimeDelta {
    TimeDelta::seconds(i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()))
}

/// Walks every minute of the time between: what the clocks show is matched, and what they skip or show twice is noted.
fn walked(crons: &[&str], zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Vec<DateTime<Utc>>> {
    let every_hour: Vec<bool> = crons.iter().map(|cron| cron.split(' ').nth(1) == Some("*")).collect();
    let crons: Vec<croner::Cron> = crons.iter().map(|cron| cron.parse().expect("a cron text")).collect();
    let matches = |cron: &croner::Cron, civil: NaiveDateTime| cron.is_time_matching(&civil.and_utc()).expect("a time");
    let (mut found, mut at) = (vec![Vec::new(); crons.len()], from);
    // The latest time that the clocks have shown: a day before, they were not further.
    let shown_at = |at: DateTime<Utc>| (at + offset(zone, at)).naive_utc();
    let mut latest = (0..2 * 24 * 60).map(|back| shown_at(from - TimeDelta::minutes(back))).max().expect("some");
    while at < to {
        at += TimeDelta::minutes(1);
        let now = shown_at(at);
        let is_new = now > latest;
        let skipped = || (1..(now - latest).num_minutes()).map(|minutes| latest + TimeDelta::minutes(minutes));
        for ((cron, every_hour), found) in crons.iter().zip(&every_hour).zip(&mut found) {
            let hit = match every_hour {
                true => matches(cron, now),
                false => is_new && (matches(cron, now) || skipped().any(|civil| matches(cron, civil))),
            };
            if hit {
                found.push(at);
            }
        }
        latest = latest.max(now);
    }
    found
}

/// Gaps and folds of an hour, of half an hour, of a whole day, at midnight, and none at all.
const ZONES: [Tz; 12] = [
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
    Tz::Pacific__Apia,
    Tz::America__Santiago,
    Tz::Asia__Beirut,
    Tz::Africa__Casablanca,
    Tz::Asia__Kathmandu,
    Tz::America__Caracas,
    Tz::Asia__Pyongyang,
    Tz::Europe__Istanbul,
];

const CRONS: [&str; 12] = [
    "30 2 * * *",
    "*/15 * * * *",
    "0 0 * * *",
    "15,45 1-3 * * *",
    "0 * * * *",
    "30 * * * *",
    "0 0 29 2 *",
    "5 0 1 * *",
    "0 12 13 * 5",
    "30 23 * * 0",
    "0 3 L * *",
    "59 23 31 12 *",
];

#[test]
fn ticks_of_years_are_those_of_a_walk_through_every_minute() {
    // Samoa skips a day, Caracas and Pyongyang change their time, Istanbul stays in summer; 2012 and 2016 are leap years.
    for (from, to) in
        [("2011-12-01T00:00:00Z", "2013-01-05T00:00:00Z"), ("2015-07-01T00:00:00Z", "2016-11-10T00:00:00Z")]
    {
        let (from, to) = (utc(from), utc(to));
        for zone in ZONES {
            let walked = walked(&CRONS, zone, from, to);
            for (cron, walked) in CRONS.iter().zip(walked) {
                assert_eq!(ticks(&timing(cron, zone.name()), from, to), walked, "{cron} in {zone}");
            }
        }
    }
}

fn field(least: u32, most: u32) -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_owned()),
        (least..=most).prop_map(|number| number.to_string()),
        (least..most, 1..=most).prop_map(move |(from, step)| format!("{from}-{most}/{step}")),
        prop::collection::vec(least..=most, 1..4)
            .prop_map(|numbers| { numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",") }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_ticks_are_those_of_a_walk(
        (minute, hour, day, month, weekday) in (field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6)),
        zone in prop::sample::select(ZONES.to_vec()), day_of in 0i64..5_000,
    ) {
        let cron = format!("{minute} {hour} {day} {month} {weekday}");
        let from = utc("2010-01-01T00:00:00Z") + TimeDelta::days(day_of);
        let to = from + TimeDelta::days(45);
        prop_assume!(hour == "*" || !names_every_hour(&hour));
        let walked = walked(&[&cron], zone, from, to).remove(0);
        prop_assert_eq!(ticks(&timing(&cron, zone.name()), from, to), walked, "{} in {}", cron, zone);
    }

    #[test]
    fn what_ticks_by_elapsed_time_ticks_at_multiples_of_it(every in 1u64..10_000_000, passed in -1_000_000i64..2_000_000_000) {
        let anchor = utc("2026-11-29T12:00:00.123456Z");
        let at = anchor + TimeDelta::milliseconds(passed);
        let tick = Timing::Every(Duration::from_millis(every)).after(at, anchor).expect("a tick");
        let since = (tick - anchor).num_milliseconds();
        prop_assert!(tick > at && since > 0 && since % every as i64 == 0);
        prop_assert!(since == every as i64 || tick - TimeDelta::milliseconds(every as i64) <= at);
    }
}

fn names_every_hour(hour: &str) -> bool {
    format!("0 {hour} * * *").parse::<Cron>().expect("a cron text").is_every_hour()
}

#[test]
fn a_night_when_clocks_change_is_as_the_page_says() {
    let all = |cron: &str, from: &str, to: &str| {
        let timing = timing(cron, "Europe/Berlin");
        ticks(&timing, utc(from), utc(to)).into_iter().map(|tick| timing.text(tick)).collect::<Vec<_>>().join(" ")
    };
    let spring = |cron: &str| all(cron, "2026-03-28T23:30:00Z", "2026-03-29T01:30:00Z");
    insta::assert_snapshot!(spring("30 2 * * *"), @"2026-03-29T03:00:00+02:00");
    insta::assert_snapshot!(spring("*/20 2 * * *"), @"2026-03-29T03:00:00+02:00");
    insta::assert_snapshot!(spring("30 * * * *"), @"2026-03-29T01:30:00+01:00 2026-03-29T03:30:00+02:00");
    let autumn = |cron: &str| all(cron, "2026-10-24T23:30:00Z", "2026-10-25T02:30:00Z");
    insta::assert_snapshot!(autumn("30 2 * * *"), @"2026-10-25T02:30:00+02:00");
    insta::assert_snapshot!(autumn("30 * * * *"), @"2026-10-25T02:30:00+02:00 2026-10-25T02:30:00+01:00 2026-10-25T03:30:00+01:00");
}
