//! How many items of a fan-out must be done, and what stands in place of the others. Pure.

use serde::{Deserialize, Serialize};

/// Shares are kept as whole numbers, so that Postgres and Piton count alike.
const WHOLE: u32 = 1_000_000;

/// What a fanned-out stage is content with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quorum {
    pub(crate) at_least: AtLeast,
    /// JSON text in place of the output of an item that is given up or cancelled; null where the file says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) missing: Option<String>,
    /// What becomes of the other items once enough are done.
    #[serde(default, skip_serializing_if = "Rest::is_waited_for")]
    pub(crate) rest: Rest,
}

/// How many items must be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AtLeast {
    Items(u32),
    /// That many of a million.
    Millionths(u32),
}

/// Items that are not done when enough of them are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rest {
    /// They go on, and the stage ends with the last of them.
    #[default]
    Wait,
    Cancel,
}

impl Rest {
    fn is_waited_for(&self) -> bool {
        *self == Rest::Wait
    }
}

impl Quorum {
    /// Whether that is what an item has that was not done: null too, if its condition did not hold.
    pub(crate) fn can_stand_for_an_output(&self, output: &str) -> bool {
        output == "null" || self.missing.as_deref() == Some(output)
    }

    /// Whether any array could meet it.
    pub(super) fn is_sound(&self) -> bool {
        let json = |text: &String| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        let is_possible = match self.at_least {
            AtLeast::Items(items) => items > 0,
            AtLeast::Millionths(share) => (1..=WHOLE).contains(&share),
        };
        is_possible && self.missing.as_ref().is_none_or(json)
    }
}

impl AtLeast {
    /// A share above 0 and up to 1, with six digits at most.
    pub(super) fn share(share: f64) -> Option<AtLeast> {
        let millionths = share * f64::from(WHOLE);
        let whole = millionths.round();
        let is_exact = (millionths - whole).abs() < 1e-3 && whole >= 1.0 && whole <= f64::from(WHOLE);
        // Within the bounds of the type, as has just been seen.
        is_exact.then_some(AtLeast::Millionths(whole as u32))
    }

    /// How many of that many items.
    pub(crate) fn of(self, items: u32) -> u32 {
        match self {
            AtLeast::Items(count) => count,
            AtLeast::Millionths(share) => {
                let needed = (u64::from(items) * u64::from(share)).div_ceil(u64::from(WHOLE));
                u32::try_from(needed).unwrap_or(u32::MAX)
            }
        }
    }

    /// As the file says it: a whole number of items, or a share of them.
    pub(super) fn to_value(self) -> serde_json::Value {
        match self {
            AtLeast::Items(count) => count.into(),
            AtLeast::Millionths(share) => (f64::from(share) / f64::from(WHOLE)).into(),
        }
    }

    /// For people.
    pub(crate) fn in_words(self) -> String {
        match self {
            AtLeast::Items(count) => format!("at least {count}"),
            AtLeast::Millionths(share) => {
                format!("at least {} %", f64::from(share) / f64::from(WHOLE / 100))
            }
        }
    }
}

/// Whether enough items can still be done when that many are lost.
pub(crate) fn is_within_reach(items: u32, lost: u32, needed: u32) -> bool {
    items.saturating_sub(lost) >= needed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_share_is_rounded_up_and_exact() {
        let of = |share: f64, items| AtLeast::share(share).map(|least| least.of(items));
        assert_eq!(of(0.9, 50), Some(45));
        assert_eq!(of(0.9, 51), Some(46));
        assert_eq!(of(0.1, 1), Some(1));
        assert_eq!(of(1.0, 7), Some(7));
        assert_eq!(of(0.000_001, 1_000_000), Some(1));
        assert_eq!(of(0.5, 0), Some(0));
        assert_eq!([0.0, 1.1, 0.000_000_5, 1.0 / 3.0, f64::NAN].map(AtLeast::share), [None; 5]);
        assert_eq!(AtLeast::Items(3).of(1), 3);
    }

    proptest! {
        #[test]
        fn a_share_of_all_is_never_more_than_all_and_never_less_than_it_says(share in 1u32..=WHOLE, items in 0u32..2_000_000) {
            let needed = AtLeast::Millionths(share).of(items);
            prop_assert!(needed <= items);
            prop_assert!(u64::from(needed) * u64::from(WHOLE) >= u64::from(items) * u64::from(share));
            prop_assert!(is_within_reach(items, items - needed, needed));
            prop_assert!(needed == 0 || !is_within_reach(items, items - needed + 1, needed));
        }
    }
}
