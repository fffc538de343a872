//! How times are spread over many measurements.

use serde::{Deserialize, Serialize};

/// Percentiles in milliseconds; each is one that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Half of them took no longer.
    pub p50: f64,
    /// All but a hundredth of them took no longer.
    pub p99: f64,
}

impl Spread {
    /// `None` of nothing.
    #[must_use]
    pub fn of(mut measured: Vec<f64>) -> Option<Spread> {
        measured.sort_by(f64::total_cmp);
        let at = |share: f64| measured.get(((share * measured.len() as f64).ceil() as usize).max(1) - 1).copied();
        Some(Spread { p50: at(0.5)?, p99: at(0.99)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_smallest_value_that_so_many_do_not_exceed() {
        let hundred = (1..=100).rev().map(f64::from).collect();
        assert_eq!(Spread::of(hundred), Some(Spread { p50: 50.0, p99: 99.0 }));
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
