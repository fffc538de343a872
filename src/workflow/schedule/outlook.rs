//! What a worker does about a schedule at a given time: which ticks are due, which of them count, and when to look again. Pure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Missed, Schedule};
use crate::workflow::timing::Timing;

/// A tick that begins later than this was missed.
const LATE: Duration = Duration::from_secs(60);
/// Made up for with one statement; the rest follows at once.
const MOST_AT_ONCE: usize = 100;
/// So often a schedule is looked at in any case: the rules of its zone may have changed.
const LOOK_AGAIN: TimeDelta = TimeDelta::days(1);
/// How far back the last tick is looked for, nearer first.
const BACK: [TimeDelta; 5] =
    [TimeDelta::minutes(2), TimeDelta::hours(1), TimeDelta::days(1), TimeDelta::days(32), TimeDelta::days(366)];

/// Where a schedule stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'p> {
    /// What tells its jitter from that of others.
    pub(crate) name: &'p str,
    /// When it was made, or its timing changed.
    pub(crate) anchor: DateTime<Utc>,
    /// Every tick up to here is decided.
    pub(crate) settled: DateTime<Utc>,
}

/// A tick that a run may start for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct Tick {
    pub(crate) at: DateTime<Utc>,
    /// By the clocks of its zone.
    pub(crate) text: String,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// The oldest first.
    pub(crate) ticks: Vec<Tick>,
    /// Every tick up to here is decided then.
    pub(crate) settled: DateTime<Utc>,
    pub(crate) next: Option<DateTime<Utc>>,
    pub(crate) look_at: DateTime<Utc>,
}

impl Tick {
    /// What its run is started under, as `piton.fire_schedule` has it.
    pub(crate) fn key(&self, schedule: &str) -> String {
        let whole = self.at.timestamp_subsec_micros() == 0;
        let format = if whole { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S.%6fZ" };
        format!("schedule/{schedule}/{}", self.at.format(format))
    }
}

impl Schedule {
    /// Its ticks behind that time.
    pub(crate) fn ticks(&self, from: DateTime<Utc>, anchor: DateTime<Utc>) -> impl Iterator<Item = Tick> {
        let all = std::iter::successors(Some(from), move |at| self.timing.after(*at, anchor)).skip(1);
        all.map(|at| Tick { at, text: self.timing.text(at) })
    }

    /// The last tick up to that time, as its run would be told of it.
    pub(crate) fn before(&self, place: Place<'_>, at: DateTime<Utc>) -> Option<String> {
        let found = BACK.into_iter().find_map(|back| {
            let ticks = self.ticks(place.settled.max(at - back), place.anchor);
            ticks.take_while(|tick| tick.at <= at).last()
        });
        found.map(|tick| tick.text)
    }

    /// An anchor with the same ticks that lies before that time, and one more tick before it.
    pub(crate) fn anchor_before(&self, anchor: DateTime<Utc>, at: DateTime<Utc>) -> DateTime<Utc> {
        let Timing::Every(every) = self.timing else { return anchor };
        let step = delta(every).num_microseconds().unwrap_or(1).max(1);
        let behind = (anchor - at).num_microseconds().unwrap_or_default();
        if behind < 0 { anchor } else { anchor - TimeDelta::microseconds((behind / step + 2) * step) }
    }

    pub(crate) fn outlook(&self, place: Place<'_>, now: DateTime<Utc>) -> Outlook {
        let due = match self.missed {
            Missed::All => self.all(place, now),
            Missed::Last | Missed::None => self.latest(place, now).into_iter().collect(),
        };
        let settled = due.last().copied().unwrap_or(place.settled);
        let next = self.timing.after(settled, place.anchor);
        let again = now + LOOK_AGAIN;
        Outlook {
            ticks: due
                .into_iter()
                .filter(|tick| self.counts(place, *tick, now))
                .map(|at| Tick { at, text: self.timing.text(at) })
                .collect(),
            settled,
            next,
            look_at: next.map_or(again, |next| self.begins(place, next).min(again)),
        }
    }

    /// When a tick's run starts.
    fn begins(&self, place: Place<'_>, tick: DateTime<Utc>) -> DateTime<Utc> {
        let Some(jitter) = self.jitter else { return tick };
        let drawn = Sha256::digest(format!("{} {}", place.name, tick.timestamp_millis()));
        let number = drawn.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        // A day has fewer milliseconds.
        let most = u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX).max(1);
        tick + TimeDelta::milliseconds(i64::try_from(number % most).unwrap_or_default())
    }

    fn is_due(&self, place: Place<'_>, tick: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        self.begins(place, tick) <= now
    }

    fn counts(&self, place: Place<'_>, tick: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let old = |since: DateTime<Utc>, most: Duration| (now - since).to_std().is_ok_and(|age| age > most);
        match self.missed {
            Missed::None => !old(self.begins(place, tick), LATE),
            Missed::Last | Missed::All => !self.within.is_some_and(|within| old(tick, within)),
        }
    }

    /// Those that are due, from the oldest that is made up for.
    fn all(&self, place: Place<'_>, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let from = self.within.map_or(place.settled, |within| place.settled.max(now - delta(within)));
        let ticks = std::iter::successors(Some(from), |at| self.timing.after(*at, place.anchor)).skip(1);
        let due: Vec<_> = ticks.take_while(|tick| self.is_due(place, *tick, now)).take(MOST_AT_ONCE).collect();
        // Those that are too old are decided, too.
        if due.is_empty() && from > place.settled { self.latest(place, now).into_iter().collect() } else { due }
    }

    /// The last one that is due.
    fn latest(&self, place: Place<'_>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let first = self.timing.after(place.settled, place.anchor).filter(|tick| self.is_due(place, *tick, now))?;
        let jitter = self.jitter.map_or(TimeDelta::zero(), delta);
        BACK.into_iter()
            .map(|back| place.settled.max(now - back - jitter))
            .find_map(|from| {
                let ticks = std::iter::successors(Some(from), |at| self.timing.after(*at, place.anchor)).skip(1);
                ticks.take_while(|tick| *tick <= now).filter(|tick| self.is_due(place, *tick, now)).last()
            })
            // Nothing in a year: it is the only one.
            .or(Some(first))
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(LOOK_AGAIN)
}
