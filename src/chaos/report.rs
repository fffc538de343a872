//! What a campaign came to.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::plan::Kind;
use crate::store::chaos::{Broken, Counted};

/// The whole of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) seconds: u64,
    pub(crate) workers: usize,
    pub(crate) faults: BTreeMap<Kind, usize>,
    /// Workers that a job took along, and that were started again.
    pub(crate) aborted: usize,
    pub(crate) runs: u64,
    pub(crate) counted: Vec<Counted>,
    pub(crate) reclaims: Reclaims,
    /// Promises that were broken; none, if all is well.
    pub(crate) broken: Vec<Broken>,
}

/// From the death of a worker to the next claim of one of its jobs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Reclaims {
    pub(crate) deaths: usize,
    pub(crate) median_s: f64,
    pub(crate) longest_s: f64,
}

impl Reclaims {
    pub(crate) fn of(mut seconds: Vec<f64>) -> Reclaims {
        seconds.sort_by(f64::total_cmp);
        let at = |share: f64| seconds.get((seconds.len() as f64 * share) as usize).copied().unwrap_or_default();
        Reclaims { deaths: seconds.len(), median_s: at(0.5), longest_s: seconds.last().copied().unwrap_or_default() }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { seed, seconds, workers, faults, aborted, runs, counted, reclaims, broken } = self;
        let kinds: Vec<String> =
            faults.iter().map(|(kind, times)| format!("{} {times}", format!("{kind:?}").to_lowercase())).collect();
        writeln!(f, "seed {seed}, {seconds} s, {workers} workers")?;
        writeln!(f, "  {} faults: {}", faults.values().sum::<usize>(), kinds.join(", "))?;
        writeln!(f, "  {aborted} workers were aborted by a job, and started again")?;
        writeln!(f, "  {runs} runs were started; at the end there are:")?;
        for Counted { what, count } in counted {
            writeln!(f, "    {count:>8} {what}")?;
        }
        let Reclaims { deaths, median_s, longest_s } = reclaims;
        writeln!(
            f,
            "  from the kill of a worker to the next claim of one of its jobs: {deaths} times, median {median_s:.1} s, \
             longest {longest_s:.1} s"
        )?;
        if broken.is_empty() {
            return writeln!(f, "No promise was broken.");
        }
        writeln!(f, "BROKEN:")?;
        for Broken { what, times, example } in broken {
            writeln!(f, "  {times} {what}; for example {example}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let none = Reclaims::of(Vec::new());
        assert_eq!((none.deaths, none.median_s), (0, 0.0));
        let reclaims = Reclaims::of(vec![3.0, 1.0, 2.0]);
        assert_eq!((reclaims.deaths, reclaims.median_s, reclaims.longest_s), (3, 2.0, 3.0));
    }
}
