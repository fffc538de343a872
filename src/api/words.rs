//! Small values of queries and bodies, which are valid once they are parsed.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::model::condition::{self, Condition, NoCondition};
use crate::model::times;
use crate::store::causes::By;

/// Characters of a text.
const LONGEST: usize = 2000;
/// Rows of a page: at most, and where nothing is said.
const MOST_ROWS: u16 = 1000;
const ROWS: u16 = 50;
/// Seconds without a sign of life after which a worker counts as gone: at most, and where nothing is said.
/// As for `--lease`.
const SHORTEST_LEASE: u32 = 2;
const LONGEST_LEASE: u32 = 86_400;
const LEASE: u32 = 15;

/// A name or a sentence that Postgres can keep.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, min_length = 1, max_length = 2000, pattern = r"^[^\x00]*$")]
pub(super) struct Text(pub(super) String);

impl TryFrom<String> for Text {
    type Error = String;

    fn try_from(text: String) -> Result<Text, String> {
        if text.is_empty() {
            return Err("a text must not be empty".to_owned());
        }
        if text.contains('\0') {
            return Err("a text must not hold a NUL character".to_owned());
        }
        if text.chars().nth(LONGEST).is_some() {
            return Err(format!("a text has {LONGEST} characters at most"));
        }
        Ok(Text(text))
    }
}

/// A whole number, also one that is written `15.0`: to JSON that is the same.
struct Whole(i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Whole, D::Error> {
        deserializer.deserialize_i64(WholeVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Whole, E> {
        Ok(Whole(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
        // What is larger than any number in here is refused as well.
        Ok(Whole(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Whole, E> {
        let is_whole = number.fract() == 0.0 && number.abs() < 1e15;
        if is_whole { Ok(Whole(number as i64)) } else { Err(E::invalid_value(Unexpected::Float(number), &self)) }
    }
}

/// A run's priority.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(try_from = "Whole")]
#[schema(value_type = i32, minimum = -1000, maximum = 1000, default = 0)]
pub(super) struct Priority(pub(super) i16);

impl TryFrom<Whole> for Priority {
    type Error = String;

    fn try_from(Whole(priority): Whole) -> Result<Priority, String> {
        let priority = i16::try_from(priority).ok().filter(|priority| (-1000..=1000).contains(priority));
        priority.map(Priority).ok_or_else(|| "a priority is between -1000 and 1000".to_owned())
    }
}

/// How many rows.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(try_from = "Whole")]
#[schema(value_type = u32, minimum = 1, maximum = 1000, default = 50)]
pub(super) struct Limit(u16);

impl Default for Limit {
    fn default() -> Limit {
        Limit(ROWS)
    }
}

impl Limit {
    pub(super) fn rows(self) -> i64 {
        i64::from(self.0)
    }

    pub(super) fn most(self) -> i32 {
        i32::from(self.0)
    }

    /// Behind which row the next page begins, where this one is full.
    pub(super) fn next<'r, R, N>(self, rows: &'r [R], name: impl FnOnce(&'r R) -> N) -> Option<N> {
        rows.last().filter(|_| rows.len() == usize::from(self.0)).map(name)
    }
}

impl TryFrom<Whole> for Limit {
    type Error = String;

    fn try_from(Whole(rows): Whole) -> Result<Limit, String> {
        let rows = u16::try_from(rows).ok().filter(|rows| (1..=MOST_ROWS).contains(rows));
        rows.map(Limit).ok_or_else(|| format!("a limit is between 1 and {MOST_ROWS}"))
    }
}

/// A point in time that Postgres knows as well.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = DateTime<Utc>)]
pub(super) struct Time(pub(super) DateTime<Utc>);

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Time, String> {
        let read = DateTime::parse_from_rfc3339(&text).map(|at| at.to_utc());
        let sound = read.ok().filter(|at| times::checked(*at).is_ok());
        sound.map(Time).ok_or_else(|| {
            "a time is written like 2026-11-25T08:30:00Z, and lies between the years 1970 and 9999".to_owned()
        })
    }
}

/// What a run's input must hold, all of it.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(try_from = "Said")]
#[schema(value_type = Vec<String>, max_items = 20, example = json!(["input.tenant=acme"]))]
pub(super) struct Where(pub(super) Vec<Condition>);

/// Stands between what a query says one by one: nothing that is looked for holds it.
pub(super) const BETWEEN: char = '\0';

/// What is asked for, one by one. In a query, all of it is one text.
struct Said(Vec<String>);

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Said, D::Error> {
        deserializer.deserialize_any(SaidVisitor)
    }
}

struct SaidVisitor;

impl<'de> Visitor<'de> for SaidVisitor {
    type Value = Said;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts such as \"input.tenant=acme\"")
    }

    fn visit_str<E: Error>(self, lines: &str) -> Result<Said, E> {
        Ok(Said(lines.split(BETWEEN).map(str::to_owned).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut each: A) -> Result<Said, A::Error> {
        let mut said = Vec::new();
        while let Some(one) = each.next_element()? {
            said.push(one);
        }
        Ok(Said(said))
    }
}

impl TryFrom<Said> for Where {
    type Error = String;

    fn try_from(Said(each): Said) -> Result<Where, String> {
        if each.len() > condition::MOST {
            return Err(format!("at most {} conditions are asked for at once", condition::MOST));
        }
        let read = |text: String| text.parse().map_err(|error: NoCondition| format!("where: {error}"));
        each.into_iter().map(read).collect::<Result<_, _>>().map(Where)
    }
}

/// What dead letters are counted by, beside their cause.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, default = "stage", pattern = r"^(stage|workflow|batch|hour|input[.\[].*)$")]
pub(super) struct CountedBy(pub(super) By);

impl TryFrom<String> for CountedBy {
    type Error = String;

    fn try_from(word: String) -> Result<CountedBy, String> {
        word.parse().map(CountedBy)
    }
}

/// How many at once.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(try_from = "Whole")]
#[schema(value_type = i32, minimum = 1)]
pub(super) struct Cap(pub(super) i32);

impl TryFrom<Whole> for Cap {
    type Error = String;

    fn try_from(Whole(cap): Whole) -> Result<Cap, String> {
        let cap = i32::try_from(cap).ok().filter(|cap| *cap >= 1);
        cap.map(Cap).ok_or_else(|| "a cap is a number from 1".to_owned())
    }
}

/// Number of an item: of a fanned-out stage, or of a batch.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(try_from = "Whole")]
#[schema(value_type = i32, minimum = 0)]
pub(super) struct Item(pub(super) i32);

impl TryFrom<Whole> for Item {
    type Error = String;

    fn try_from(Whole(item): Whole) -> Result<Item, String> {
        let item = i32::try_from(item).ok().filter(|item| *item >= 0);
        item.map(Item).ok_or_else(|| "an item is a number from 0".to_owned())
    }
}

/// Seconds without a sign of life after which a worker counts as gone.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(try_from = "Whole")]
#[schema(value_type = u32, minimum = 2, maximum = 86400, default = 15)]
pub(super) struct Lease(u32);

impl Default for Lease {
    fn default() -> Lease {
        Lease(LEASE)
    }
}

impl Lease {
    pub(super) fn duration(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.0.into())
    }
}

impl TryFrom<Whole> for Lease {
    type Error = String;

    fn try_from(Whole(seconds): Whole) -> Result<Lease, String> {
        let seconds = u32::try_from(seconds).ok().filter(|seconds| (SHORTEST_LEASE..=LONGEST_LEASE).contains(seconds));
        seconds.map(Lease).ok_or_else(|| format!("a lease is between {SHORTEST_LEASE} and {LONGEST_LEASE} seconds"))
    }
}
