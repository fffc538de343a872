//! The result of a campaign.

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
    pub(crate) runs: usize,
    /// Runs that a failover lost.
    pub(crate) lost: usize,
    pub(crate) counted: Vec<Counted>,
    /// Seconds from the end of a fault, by its kind, to what [`cost`] says.
    pub(crate) costs: BTreeMap<Kind, Spread>,
    /// Promises that were broken; none, if all is well.
    pub(crate) broken: Vec<Broken>,
}

/// How long something took, each time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) times: usize,
    pub(crate) median_s: f64,
    pub(crate) longest_s: f64,
}

impl Spread {
    pub(crate) fn of(mut seconds: Vec<f64>) -> Spread {
        seconds.sort_by(f64::total_cmp);
        let at = |share: f64| seconds.get((seconds.len() as f64 * share) as usize).copied().unwrap_or_default();
        Spread { times: seconds.len(), median_s: at(0.5), longest_s: seconds.last().copied().unwrap_or_default() }
    }
}

/// What is measured of a fault of that kind, if anything is.
pub(crate) fn cost(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Kill | Kind::GroupKill | Kind::TermThenKill => Some("the next claim of one of its jobs"),
        Kind::Blackhole => Some("the worker's first word over a new connection"),
        Kind::Rewind => Some("the next result"),
        Kind::Freeze | Kind::Deploy | Kind::Cut | Kind::Silence | Kind::Delay | Kind::Twin => None,
        Kind::Terminate | Kind::Crash | Kind::Outage => None,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { seed, seconds, workers, faults, aborted, runs, lost, counted, costs, broken } = self;
        let kinds: Vec<String> = faults.iter().map(|(kind, times)| format!("{} {times}", kind.name())).collect();
        writeln!(f, "seed {seed}, {seconds} s, {workers} workers")?;
        writeln!(f, "  {} faults: {}", faults.values().sum::<usize>(), kinds.join(", "))?;
        writeln!(f, "  {aborted} workers were aborted by a job, and started again")?;
        writeln!(f, "  {runs} runs were started, {lost} of them lost by failovers; at the end there are:")?;
        for Counted { what, count } in counted {
            writeln!(f, "    {count:>8} {what}")?;
        }
        for (kind, Spread { times, median_s, longest_s }) in costs {
            let (kind, what) = (kind.name(), cost(*kind).unwrap_or_default());
            writeln!(f, "  from a {kind} to {what}: {times} times, median {median_s:.1} s, longest {longest_s:.1} s")?;
        }
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
        assert_eq!(Spread::of(Vec::new()).times, 0);
        let spread = Spread::of(vec![3.0, 1.0, 2.0]);
        assert_eq!((spread.times, spread.median_s, spread.longest_s), (3, 2.0, 3.0));
    }
}
