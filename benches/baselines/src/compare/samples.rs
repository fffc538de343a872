//! What the rounds have brought so far. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::case::Case;

/// Every measurement as its program told it, in the order of the rounds.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Samples(BTreeMap<Case, Vec<Value>>);

impl Samples {
    pub(crate) fn add(&mut self, case: Case, sample: Value) {
        self.0.entry(case).or_default().push(sample);
    }

    pub(crate) fn cases(&self) -> impl Iterator<Item = Case> {
        self.0.keys().copied()
    }

    /// The figures at a place, a JSON pointer, of a case's measurements.
    pub(crate) fn figures(&self, case: Case, place: &str) -> Vec<f64> {
        let samples = self.0.get(&case).into_iter().flatten();
        samples.filter_map(|sample| sample.pointer(place)?.as_f64()).collect()
    }

    /// The median of them, where there are any.
    pub(crate) fn median(&self, case: Case, place: &str) -> Option<f64> {
        let mut figures = self.figures(case, place);
        figures.sort_by(f64::total_cmp);
        let middle = figures.len() / 2;
        let upper = *figures.get(middle)?;
        Some(if figures.len() % 2 == 1 { upper } else { (figures.get(middle - 1)? + upper) / 2.0 })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_median_of_two_lies_between_them() {
        let mut samples = Samples::default();
        assert_eq!(samples.median(Case::Piton, "/x"), None);
        samples.add(Case::Piton, json!({"x": 4}));
        samples.add(Case::Piton, json!({"x": 2.0}));
        assert_eq!(samples.median(Case::Piton, "/x"), Some(3.0));
        samples.add(Case::Piton, json!({"x": 100}));
        assert_eq!(samples.median(Case::Piton, "/x"), Some(4.0));
    }
}
