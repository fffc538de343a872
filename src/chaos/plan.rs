//! Which faults, and when: drawn from a seed, so that a campaign can be repeated. Pure.

use std::time::Duration;

use clap::ValueEnum;
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
    /// A second process is started under the name of a worker that lives, and told to shut down later.
    Twin,
    /// A worker is killed with SIGKILL together with every process that it has started, and started again.
    GroupKill,
    /// A worker is told to shut down with SIGTERM, and killed with SIGKILL before its grace period is over; then it is
    /// started again.
    TermThenKill,
    /// Every packet of a worker's connections is dropped, for longer than it bears silence. Nobody is told, and the
    /// connections never carry anything again; only new ones do.
    Blackhole,
    /// Postgres fails over to a standby that lags: its last commits are lost.
    Rewind,
}

impl Kind {
    /// As people write it.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// It befalls one worker, and the others see it as gone when it lasts; or the database forgets what they did.
    pub(crate) fn may_lose_attempts(self) -> bool {
        match self {
            Kind::Kill | Kind::Freeze | Kind::Deploy | Kind::Cut | Kind::Silence => true,
            Kind::GroupKill | Kind::TermThenKill | Kind::Blackhole | Kind::Rewind => true,
            Kind::Delay | Kind::Twin | Kind::Terminate | Kind::Crash | Kind::Outage => false,
        }
    }

    /// Otherwise of the database.
    pub(crate) fn is_of_one_worker(self) -> bool {
        match self {
            Kind::Kill | Kind::Freeze | Kind::Deploy | Kind::Cut | Kind::Silence | Kind::Delay => true,
            Kind::Twin | Kind::GroupKill | Kind::TermThenKill | Kind::Blackhole => true,
            Kind::Terminate | Kind::Crash | Kind::Outage | Kind::Rewind => false,
        }
    }

    /// How often it is drawn.
    fn weight(self) -> u32 {
        match self {
            Kind::Kill => 30,
            Kind::Freeze => 16,
            Kind::Deploy | Kind::Cut => 9,
            Kind::GroupKill | Kind::TermThenKill => 8,
            Kind::Silence | Kind::Delay | Kind::Terminate | Kind::Twin => 6,
            Kind::Blackhole => 4,
            Kind::Crash | Kind::Outage | Kind::Rewind => 3,
        }
    }

    fn lasts(self, dice: &mut StdRng, scope: &Scope) -> Duration {
        let share = |dice: &mut StdRng, of: Duration, from: f64, to: f64| of.mul_f64(dice.random_range(from..to));
        let lease = scope.lease;
        match self {
            Kind::Kill | Kind::Deploy | Kind::GroupKill => share(dice, lease, 0.0, 0.8),
            // One in four is longer than the lease.
            Kind::Freeze | Kind::Cut | Kind::Silence => match share(dice, lease, 0.0, 1.0) {
                short if short < lease.mul_f64(0.75) => short.mul_f64(0.6),
                _ => share(dice, lease, 1.2, 2.2),
            },
            Kind::Delay => share(dice, lease, 0.3, 1.5),
            Kind::Twin => share(dice, lease, 0.3, 2.0),
            Kind::TermThenKill => share(dice, scope.grace, 0.05, 0.9),
            Kind::Blackhole => share(dice, scope.silence, 1.1, 1.6),
            Kind::Terminate => Duration::ZERO,
            // What Postgres takes to be up again is not ours to say.
            Kind::Crash => share(dice, lease, 0.6, 0.9),
            Kind::Outage => share(dice, lease, 0.2, 2.0),
            // For that long, what is committed is lost.
            Kind::Rewind => share(dice, lease, 0.3, 1.0),
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
    /// For that long a worker that is told to shut down may go on.
    pub(crate) grace: Duration,
    /// For that long a worker bears that a connection is silent.
    pub(crate) silence: Duration,
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
        let (lasts, renamed) = (kind.lasts(&mut dice, scope), dice.random_bool(0.3));
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
    use super::*;

    fn scope(seed: u64) -> Scope {
        let (length, lease, pause) = (Duration::from_secs(600), Duration::from_secs(3), Duration::from_millis(400));
        let (grace, silence) = (Duration::from_secs(2), Duration::from_secs(5));
        Scope { seed, length, workers: 3, lease, grace, silence, pause, kinds: Kind::value_variants().to_vec() }
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
        let killed_late = |fault: &&Fault| fault.kind == Kind::TermThenKill && fault.lasts >= Duration::from_secs(2);
        assert_eq!(faults.iter().filter(killed_late).count(), 0, "the grace period is not over");
        let long = |fault: &&Fault| fault.kind == Kind::Freeze && fault.lasts > Duration::from_secs(3);
        assert!(faults.iter().filter(long).count() > 3, "some workers are frozen past their lease");
    }
}
