//! Percentiles. Pure.

use serde::{Deserialize, Serialize};

use super::numbers::rounded;

/// How a time is spread over many measurements; each percentile is one that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(mut measured: Vec<f64>) -> Option<Spread> {
        measured.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let rank = (share * measured.len() as f64).ceil() as usize;
            measured.get(rank.max(1) - 1).map(|value| rounded(*value, 3))
        };
        Some(Spread { p50: at(0.5)?, p95: at(0.95)?, p99: at(0.99)?, max: at(1.0)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_smallest_value_that_so_many_do_not_exceed() {
        let hundred = (1..=100).rev().map(f64::from).collect();
        assert_eq!(Spread::of(hundred), Some(Spread { p50: 50.0, p95: 95.0, p99: 99.0, max: 100.0 }));
        assert_eq!(Spread::of(vec![7.0]), Some(Spread { p50: 7.0, p95: 7.0, p99: 7.0, max: 7.0 }));
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
