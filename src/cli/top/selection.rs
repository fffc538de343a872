//! Which row of a list is selected, by its identity: the list changes while people select.

/// A choice that never moves to another row by itself, so that a key never hits a row that has just slipped under it.
#[derive(Debug, Clone)]
pub(super) struct Selection<K> {
    chosen: Option<K>,
    /// Where it was seen last.
    at: usize,
    /// It has seen a row yet: the first of the first list is chosen by itself.
    begun: bool,
}

impl<K> Default for Selection<K> {
    fn default() -> Self {
        Selection { chosen: None, at: 0, begun: false }
    }
}

impl<K: Clone + PartialEq> Selection<K> {
    /// The list is this now. A choice that is not in it any more is none.
    pub(super) fn settle(&mut self, keys: &[K]) {
        if !self.begun {
            self.chosen = keys.first().cloned();
            self.begun = self.chosen.is_some();
        }
        match self.chosen.as_ref().and_then(|chosen| keys.iter().position(|key| key == chosen)) {
            Some(at) => self.at = at,
            None => self.chosen = None,
        }
    }

    /// One down, or one up; what has gone leaves its place to the one that is there now.
    pub(super) fn step(&mut self, keys: &[K], down: bool) {
        let last = keys.len().saturating_sub(1);
        self.at = match (&self.chosen, down) {
            (None, _) => self.at.min(last),
            (Some(_), true) => (self.at + 1).min(last),
            (Some(_), false) => self.at.saturating_sub(1).min(last),
        };
        self.chosen = keys.get(self.at).cloned();
    }

    /// The place of what is chosen.
    pub(super) fn place(&self) -> Option<usize> {
        self.chosen.as_ref().map(|_| self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_follows_its_row_and_never_slips_to_another_one() {
        let mut selection = Selection::default();
        selection.settle(&[]);
        selection.settle(&["b", "c"]);
        assert_eq!(selection.place(), Some(0), "the first one, to begin with");
        selection.settle(&["a", "b", "c"]);
        assert_eq!(selection.place(), Some(1), "it moved down with its row");
        selection.settle(&["a", "c"]);
        assert_eq!(selection.place(), None, "its row has gone");
        selection.step(&["a", "c"], true);
        assert_eq!(selection.place(), Some(1), "what is in its place now");
        selection.step(&["a", "c"], true);
        assert_eq!(selection.place(), Some(1), "there is nothing below");
        selection.step(&["a", "c"], false);
        selection.step(&["a", "c"], false);
        assert_eq!(selection.place(), Some(0), "there is nothing above");
        selection.step(&[], true);
        assert_eq!(selection.place(), None);
    }
}
