//! Lanes: items of a fanned-out stage that one branch does one after another. Pure.

use super::id::NO_ITEM;
use super::turn::MOST_IN_A_ROW;

/// Items up to which each is a branch of its own, and lanes there are at least where there are more: slots that can
/// be busy at once.
pub(crate) const BRANCHES: u32 = 1024;
/// Items of one lane at most: as many as a branch may do before others of its priority have their turn.
pub(crate) const LONGEST: u32 = MOST_IN_A_ROW;

/// Where a branch stands: at an item of a stage, with the items before `until` still to come after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) stage: i16,
    /// [`NO_ITEM`] for a whole stage.
    pub(crate) item: i32,
    /// First item that is not the branch's any more.
    pub(crate) until: i32,
}

impl Spot {
    pub(crate) fn whole(stage: i16) -> Spot {
        Spot { stage, item: NO_ITEM, until: NO_ITEM + 1 }
    }

    /// The same item with none to come after it.
    pub(crate) fn alone(self) -> Spot {
        Spot { until: self.item.saturating_add(1), ..self }
    }

    /// What is left of the branch when its item is done.
    pub(crate) fn rest(self) -> Option<Spot> {
        let next = self.item.saturating_add(1);
        (self.until > next).then_some(Spot { item: next, ..self })
    }
}

/// Where a branch ends that a row says ends there. No lane is longer than the longest: a row that says so would make branches
/// without number of itself, and so it has that one item.
pub(crate) fn end(item: i32, until: i32) -> i32 {
    let longest = item.saturating_add(i32::try_from(LONGEST).unwrap_or(i32::MAX));
    let next = item.saturating_add(1);
    if item >= 0 && (next..=longest).contains(&until) { until } else { next }
}

/// Branches to be born: of `step` items each, from `first` up to `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Births {
    pub(crate) stage: i16,
    pub(crate) first: i32,
    pub(crate) until: i32,
    pub(crate) step: i32,
}

impl Births {
    /// One branch for all that lies before the spot's end.
    pub(crate) fn one(spot: Spot) -> Births {
        let Spot { stage, item, until } = spot;
        Births { stage, first: item, until, step: until.saturating_sub(item) }
    }

    /// A branch for each item.
    pub(crate) fn singles(spot: Spot) -> Births {
        Births::one(spot).split_up()
    }

    pub(crate) fn split_up(self) -> Births {
        Births { step: 1, ..self }
    }

    /// The lanes of a stage that was split; none of no items.
    pub(crate) fn lanes(stage: i16, items: u32) -> Option<Births> {
        let until = i32::try_from(items).unwrap_or(i32::MAX);
        let step = i32::try_from(length(items)).unwrap_or(1);
        (items > 0).then_some(Births { stage, first: 0, until, step })
    }
}

/// How many items one of that many lanes begins with.
fn length(items: u32) -> u32 {
    // Rounded down: fewer lanes than slots would leave slots idle.
    (items / BRANCHES).clamp(1, LONGEST)
}

/// Where the branch goes from an item that is done, and what leaves it. Behind an item that took long the others do not
/// queue up: they become branches of their own.
pub(crate) fn behind_a_done_item(spot: Spot, slow: bool) -> (Option<Spot>, Option<Births>) {
    match spot.rest() {
        Some(next) if slow => (Some(next.alone()), next.rest().map(Births::singles)),
        rest => (rest, None),
    }
}

/// What leaves the branch of an item that failed and is retried: whatever came after it.
pub(crate) fn behind_a_failed_item(spot: Spot, slow: bool) -> Option<Births> {
    spot.rest().map(if slow { Births::singles } else { Births::one })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As commit.sql makes rows of them.
    fn spots(births: Births) -> Vec<Spot> {
        let Births { stage, first, until, step } = births;
        let lane = |item: i32| Spot { stage, item, until: (item + step).min(until) };
        (first..until).step_by(step as usize).map(lane).collect()
    }

    /// Every item of a branch in the order in which it would do them.
    fn items(spot: Spot) -> Vec<i32> {
        std::iter::successors(Some(spot), |spot| spot.rest()).map(|spot| spot.item).collect()
    }

    #[test]
    fn a_whole_stage_is_one_birth_and_has_nothing_behind_it() {
        let whole = Spot::whole(3);
        assert_eq!(spots(Births::one(whole)), [whole]);
        assert_eq!(behind_a_done_item(whole, true), (None, None));
        assert_eq!(Births::lanes(3, 0), None);
    }

    proptest! {
        #[test]
        fn lanes_cover_every_item_once_and_in_order_and_are_enough_for_every_slot(count in 1u32..20_000) {
            let lanes = spots(Births::lanes(0, count).expect("items"));
            let covered: Vec<i32> = lanes.iter().flat_map(|lane| items(*lane)).collect();
            prop_assert_eq!(covered, (0..count as i32).collect::<Vec<_>>());
            prop_assert!(lanes.len() >= count.min(BRANCHES) as usize, "{} lanes", lanes.len());
            prop_assert!(lanes.iter().all(|lane| items(*lane).len() <= LONGEST as usize));
        }

        #[test]
        fn what_follows_an_item_is_the_rest_of_its_lane(item in 0i32..99, more in 1i32..17, slow: bool) {
            let spot = Spot { stage: 1, item, until: item + more };
            let rest: Vec<i32> = (item + 1..item + more).collect();
            let (goes_on, born) = behind_a_done_item(spot, slow);
            let done: Vec<i32> = goes_on.into_iter().chain(born.into_iter().flat_map(spots)).flat_map(items).collect();
            prop_assert_eq!(&done, &rest);
            let failed: Vec<Spot> = behind_a_failed_item(spot, slow).into_iter().flat_map(spots).collect();
            prop_assert_eq!(failed.iter().flat_map(|s| items(*s)).collect::<Vec<_>>(), rest);
            let alone = goes_on.into_iter().chain(failed).all(|spot| spot.rest().is_none());
            prop_assert!(!slow || alone, "behind a slow item every branch has one");
        }
    }
}
