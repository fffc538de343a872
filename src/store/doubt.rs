//! Whether a statement that fails again and again is itself to blame. A result must not be lost because a server has a bad
//! moment, and a statement that no server will ever accept must not hold up everything behind it.

use super::connect::{Suspicion, suspicion};
use super::{Store, StoreError};

/// After this many such answers in a row, a statement with the work of several is sent in parts: that loses nothing.
const APART: u32 = 3;
/// After this many, what is left is given up: with the waits between them, some 15 s.
const ITSELF: u32 = 30;
/// The same where the server is short of memory, which may pass: some five minutes.
const SHORT_OF_MEMORY: u32 = 600;

/// Counts the answers that may be about the statement. No answer at all is never one: that is the database that is away.
#[derive(Debug, Default)]
pub(crate) struct Doubt {
    in_a_row: u32,
}

impl Doubt {
    /// Whether waiting is over, after one more error of a statement with that many parts: the server takes others.
    pub(crate) async fn is_over(&mut self, error: &StoreError, parts: usize, store: &Store) -> bool {
        let StoreError::Away(error) = error else { return true };
        self.counts(suspicion(error), parts) && store.now().await.is_ok()
    }

    fn counts(&mut self, suspicion: Suspicion, parts: usize) -> bool {
        let most = match suspicion {
            Suspicion::None => {
                self.in_a_row = 0;
                return false;
            }
            Suspicion::Statement => ITSELF,
            Suspicion::Memory => SHORT_OF_MEMORY,
        };
        self.in_a_row += 1;
        self.in_a_row >= if parts > 1 { APART } else { most }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers_until_it_is_over(suspicion: Suspicion, parts: usize) -> Option<u32> {
        let mut doubt = Doubt::default();
        (1..=10_000).find(|_| doubt.counts(suspicion, parts))
    }

    #[test]
    fn a_database_that_is_away_is_waited_for_without_an_end() {
        assert_eq!(answers_until_it_is_over(Suspicion::None, 1), None);
        assert_eq!(answers_until_it_is_over(Suspicion::None, 500), None);
    }

    #[test]
    fn what_fails_again_and_again_is_sent_in_parts_and_then_given_up() {
        assert_eq!(answers_until_it_is_over(Suspicion::Statement, 2), Some(APART));
        assert_eq!(answers_until_it_is_over(Suspicion::Statement, 1), Some(ITSELF));
        assert_eq!(answers_until_it_is_over(Suspicion::Memory, 1), Some(SHORT_OF_MEMORY));
    }

    #[test]
    fn only_answers_in_a_row_count() {
        let mut doubt = Doubt::default();
        for _ in 0..1000 {
            assert!(!doubt.counts(Suspicion::Statement, 1));
            assert!(!doubt.counts(Suspicion::None, 1));
        }
    }
}
