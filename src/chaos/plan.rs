//! What goes wrong, and when: drawn from a seed, so that it can be played again. Pure.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A worker is killed with SIGKILL, and started again later, under its name or under a new one.
    Kill,
    /// A worker is stopped with SIGSTOP, for a moment or past its lease, and goes on.
    Freeze,
    /// A worker is told to shut down with SIGTERM, and started again.
    Deploy,
    /// A worker's connections are broken, and new ones refused.
    Cut,
    /// Nothing passes a worker's connections, and nobody is told.
    Silence,
    /// Everything on a worker's connections comes late.
    Delay,
    /// Postgres ends every session of the workers.
    Terminate,
    /// Postgres crashes, and recovers.
    Crash,
    /// No worker reaches Postgres, for a moment or past the lease.
    Outage,
}

impl Kind {
    /// It befalls one worker, and the others see it as gone when it lasts.
    pub(crate) fn may_lose_attempts(self) -> bool {
        match self {
            Kind::Kill | Kind::Freeze | Kind::Deploy | Kind::Cut | Kind::Silence => true,
            Kind::Delay | Kind::Terminate | Kind::Crash | Kind::Outage => false,
        }
    }

    fn is_of_one_worker(self) -> bool {
        self.may_lose_attempts() || self == Kind::Delay
    }

    /// How often it is drawn.
    fn weight(self) -> u32 {
        match self {
            Kind::Kill => 35,
            Kind::Freeze => 18,
            Kind::Deploy | Kind::Cut => 10,
            Kind::Silence | Kind::Delay | Kind::Terminate => 7,
            Kind::Crash | Kind::Outage => 3,
        }
    }

    fn lasts(self, dice: &mut StdRng, lease: Duration) -> Duration {
        let mut of_lease = |from: f64, to: f64| lease.mul_f64(dice.random_range(from..to));
        match self {
            Kind::Kill | Kind::Deploy => of_lease(0.0, 0.8),
            // One in four is longer than the lease.
            Kind::Freeze | Kind::Cut | Kind::Silence => match of_lease(0.0, 1.0) {
                short if short < lease.mul_f64(0.75) => short.mul_f64(0.6),
                _ => of_lease(1.2, 2.2),
            },
            Kind::Delay => of_lease(0.3, 1.5),
            Kind::Terminate => Duration::ZERO,
            // What Postgres takes to be up again is not ours to say.
            Kind::Crash => of_lease(0.6, 0.9),
            Kind::Outage => of_lease(0.2, 2.0),
        }
    }
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// From the begin of the campaign.
    pub(crate) at: Duration,
    /// Which worker; none where all of them are concerned.
    pub(crate) worker: Option<usize>,
    pub(crate) lasts: Duration,
    /// A killed worker comes back under another name.
    pub(crate) renamed: bool,
}

/// What is drawn from.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) seed: u64,
    pub(crate) length: Duration,
    pub(crate) workers: usize,
    pub(crate) lease: Duration,
    /// Between two faults, on average.
    pub(crate) pause: Duration,
    pub(crate) kinds: Vec<Kind>,
}

/// Between faults of one worker: time to work.
const BREATH: Duration = Duration::from_millis(500);
/// Between faults of the database: time for all of them to come back.
const LONG_BREATH: Duration = Duration::from_secs(3);
/// Runs and workers first get going.
const FIRST_AT: Duration = Duration::from_secs(2);

/// The faults of a campaign, in order. Those of one worker do not overlap, nor do those of the database.
pub(crate) fn draw(scope: &Scope) -> Vec<Fault> {
    let mut dice = StdRng::seed_from_u64(scope.seed);
    let mut workers_free_at = vec![Duration::ZERO; scope.workers];
    let mut database_free_at = Duration::ZERO;
    let mut faults = Vec::new();
    let mut at = FIRST_AT;
    while at < scope.length {
        // No kinds, no faults; the weights are fine.
        let Ok(kind) = scope.kinds.choose_weighted(&mut dice, |kind| kind.weight()).copied() else { break };
        let (lasts, renamed) = (kind.lasts(&mut dice, scope.lease), dice.random_bool(0.3));
        let worker = kind.is_of_one_worker().then(|| dice.random_range(0..scope.workers));
        let (free_at, breath) = match worker {
            Some(worker) => (&mut workers_free_at[worker], BREATH),
            None => (&mut database_free_at, LONG_BREATH),
        };
        if *free_at <= at {
            *free_at = at + lasts + breath;
            faults.push(Fault { kind, at, worker, lasts, renamed });
        }
        at += scope.pause.mul_f64(dice.random_range(0.2..1.8));
    }
    faults
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    fn scope(seed: u64) -> Scope {
        let (length, lease, pause) = (Duration::from_secs(600), Duration::from_secs(3), Duration::from_millis(400));
        Scope { seed, length, workers: 3, lease, pause, kinds: Kind::value_variants().to_vec() }
    }

    #[test]
    fn a_seed_always_draws_the_same_faults_and_another_draws_others() {
        assert_eq!(draw(&scope(7)), draw(&scope(7)));
        assert_ne!(draw(&scope(7)), draw(&scope(8)));
    }

    #[test]
    fn every_kind_is_drawn_and_those_of_one_worker_never_overlap() {
        let faults = draw(&scope(1));
        for kind in Kind::value_variants() {
            assert!(faults.iter().any(|fault| fault.kind == *kind), "{kind:?}");
        }
        for worker in [None, Some(0), Some(1), Some(2)] {
            let own: Vec<&Fault> = faults.iter().filter(|fault| fault.worker == worker).collect();
            assert!(own.windows(2).all(|pair| pair[0].at + pair[0].lasts < pair[1].at));
        }
        let long = |fault: &&Fault| fault.kind == Kind::Freeze && fault.lasts > Duration::from_secs(3);
        assert!(faults.iter().filter(long).count() > 3, "some workers are frozen past their lease");
    }
}
