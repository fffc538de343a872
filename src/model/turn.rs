//! Whose turn it is when a stage or an item is done: the next stage of the same branch, in the same slot and without the queue,
//! or a waiting job. Pure.

use super::place::Place;

/// Stages and items that a branch may do in a row in one slot while another of the same priority waits.
pub(crate) const MOST_IN_A_ROW: u32 = 16;

/// What becomes of a branch whose next stage or item could start at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It stays claimed, and the next one goes straight to the slot.
    Stays,
    /// It goes back to its place in the queue: a better one waits.
    Yields,
    /// It goes behind all that waits: it had its turn.
    GoesToTheBack,
}

/// Decides for a branch at `place` that has done `in_a_row` stages; `waiting` is the best place among those that wait.
pub(crate) fn after_a_stage(place: Place, in_a_row: u32, waiting: Option<Place>) -> Turn {
    match waiting {
        Some(better) if better < place => Turn::Yields,
        Some(other) if other.rank == place.rank && in_a_row >= MOST_IN_A_ROW => Turn::GoesToTheBack,
        Some(_) | None => Turn::Stays,
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use proptest::prelude::*;

    use super::*;

    fn place((rank, seconds): (i16, i64)) -> Place {
        let due_at: DateTime<Utc> = DateTime::UNIX_EPOCH + chrono::Duration::seconds(seconds);
        Place { rank, due_at }
    }

    proptest! {
        #[test]
        fn nobody_better_waits_and_nobody_equal_waits_for_ever(
            mine in (-9i16..9, 0i64..9), waiting in prop::option::of((-9i16..9, 0i64..9)), in_a_row in 1u32..99,
        ) {
            let turn = after_a_stage(place(mine), in_a_row, waiting.map(place));
            match waiting {
                None => prop_assert_eq!(turn, Turn::Stays),
                Some(other) if other < mine => prop_assert_eq!(turn, Turn::Yields),
                Some(other) if other.0 > mine.0 => prop_assert_eq!(turn, Turn::Stays),
                Some(_) => prop_assert_eq!(turn == Turn::GoesToTheBack, in_a_row >= MOST_IN_A_ROW),
            }
        }
    }
}
