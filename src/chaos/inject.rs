//! Injects one fault, and ends it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::process::Signal;
use tokio::sync::MutexGuard;
use tokio::time::Instant;

use super::ChaosError;
use super::fleet::{Member, NAME_TAKEN, Post};
use super::judge::Wrong;
use super::offer::Offer;
use super::plan::{Fault, Kind};
use super::proxy::Link;
use super::servers::Servers;
use crate::store::chaos::Inspector;

/// Something that befell a worker, or all of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// None where it ended by itself.
    pub(crate) kind: Option<Kind>,
    pub(crate) at: DateTime<Utc>,
    pub(crate) until: DateTime<Utc>,
    /// Its place in the fleet; none for all.
    pub(crate) worker: Option<usize>,
    /// The process it befell.
    pub(crate) process: Option<i32>,
    /// How long it had known that it was to shut down when it was killed.
    pub(crate) announced: Option<Duration>,
    /// When another server began to serve.
    pub(crate) served_at: Option<DateTime<Utc>>,
}

/// What came of a fault.
pub(super) struct Injected {
    pub(super) event: Event,
    pub(super) wrong: Vec<Wrong>,
    /// What it cost, where that shows at once.
    pub(super) cost: Option<Duration>,
}

/// What faults are made with.
#[derive(Clone)]
pub(super) struct Injector {
    pub(super) fleet: Arc<Vec<Post>>,
    pub(super) servers: Arc<Servers>,
    pub(super) inspector: Inspector,
    pub(super) offer: Arc<Offer>,
    /// For that long a worker bears silence.
    pub(super) silence: Duration,
}

/// Once new connections work, a worker has given up the old ones after its silence limit, and is at work after this.
const AT_WORK_AGAIN: Duration = Duration::from_secs(10);

impl Injector {
    /// Comes back when everything is right again.
    pub(super) async fn inject(&self, fault: Fault) -> Result<Injected, ChaosError> {
        let (mut wrong, mut cost) = (Vec::new(), None);
        let mut event = Event {
            kind: Some(fault.kind),
            at: Utc::now(),
            until: Utc::now(),
            worker: fault.worker,
            process: None,
            announced: None,
            served_at: None,
        };
        match fault.worker.and_then(|worker| self.fleet.get(worker)) {
            Some(post) => {
                let mut member = post.member.lock().await;
                (event.at, event.process) = (Utc::now(), member.process());
                match fault.kind {
                    Kind::Twin => wrong.extend(twin(&mut member, fault.lasts).await?),
                    Kind::TermThenKill => event.announced = term_then_kill(&mut member, fault.lasts).await?,
                    Kind::Blackhole => (cost, wrong) = self.blackhole(post, &mut member, fault.lasts).await?,
                    Kind::Cut => impede(post, Link::Cut, fault.lasts).await,
                    Kind::Silence => impede(post, Link::Silent, fault.lasts).await,
                    Kind::Delay => impede(post, Link::Late, fault.lasts).await,
                    Kind::Freeze => freeze(&member, fault.lasts).await,
                    Kind::Kill | Kind::GroupKill | Kind::Deploy => end(&mut member, fault).await?,
                    // Of no worker.
                    Kind::Terminate | Kind::Crash | Kind::Outage | Kind::Rewind => {}
                }
            }
            None => event.served_at = self.of_all(fault).await?,
        }
        event.until = Utc::now();
        if fault.kind == Kind::Rewind {
            // It is over; the next one needs another.
            self.servers.follow().await?;
        }
        Ok(Injected { event, wrong, cost })
    }

    /// Says when another server served, if one did.
    async fn of_all(&self, fault: Fault) -> Result<Option<DateTime<Utc>>, ChaosError> {
        match fault.kind {
            Kind::Terminate => self.inspector.end_sessions().await?,
            Kind::Crash => self.servers.crash(fault.lasts, &self.inspector).await?,
            Kind::Rewind => return self.offer.across_a_rewind(&self.servers, fault.lasts).await.map(Some),
            Kind::Outage => {
                self.fleet.iter().for_each(|post| post.proxy.set_outage(true));
                tokio::time::sleep(fault.lasts).await;
                self.fleet.iter().for_each(|post| post.proxy.set_outage(false));
            }
            // Of one worker.
            Kind::Kill | Kind::Freeze | Kind::Deploy | Kind::Cut | Kind::Silence | Kind::Delay => {}
            Kind::Twin | Kind::GroupKill | Kind::TermThenKill | Kind::Blackhole => {}
        }
        Ok(None)
    }

    /// Says how long it took from the moment when new connections worked until the worker was heard of.
    async fn blackhole(
        &self,
        post: &Post,
        member: &mut MutexGuard<'_, Member>,
        lasts: Duration,
    ) -> Result<(Option<Duration>, Vec<Wrong>), ChaosError> {
        post.proxy.set(Link::Dropped);
        tokio::time::sleep(lasts).await;
        post.proxy.set(Link::Open);
        let (since, mut begun) = (Utc::now(), Instant::now());
        loop {
            // A job took it along: it is started again as any other.
            if member.has_ended()? {
                return Ok((None, Vec::new()));
            }
            match self.inspector.has_heard_of(&member.name(), since).await? {
                Some(true) => return Ok((Some(begun.elapsed()), Vec::new())),
                // It is kept from it by something else.
                _ if self.servers.are_in_trouble() || !post.proxy.is_open() => begun = Instant::now(),
                _ if begun.elapsed() > self.silence + AT_WORK_AGAIN => {
                    let what = "workers that did not work again after their packets had been dropped";
                    return Ok((None, vec![(what, format!("{} after {:?}", member.name(), begun.elapsed()))]));
                }
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn freeze(member: &Member, lasts: Duration) {
    member.signal(Signal::STOP);
    tokio::time::sleep(lasts).await;
    member.signal(Signal::CONT);
}

/// Ends its process one way or another, and starts it again.
async fn end(member: &mut Member, fault: Fault) -> Result<(), ChaosError> {
    match fault.kind {
        Kind::GroupKill => member.kill_with_family(),
        Kind::Deploy => member.signal(Signal::TERM),
        _ => member.signal(Signal::KILL),
    }
    member.end().await?;
    tokio::time::sleep(fault.lasts).await;
    if fault.kind == Kind::Kill && fault.renamed {
        member.rename();
    }
    member.start()
}

async fn impede(post: &Post, link: Link, lasts: Duration) {
    post.proxy.set(link);
    tokio::time::sleep(lasts).await;
    post.proxy.set(Link::Open);
}

/// The newcomer waits, and ends in order; or it took over from one that a job took along, and may meet the same job.
async fn twin(member: &mut Member, lasts: Duration) -> Result<Option<Wrong>, ChaosError> {
    let mut twin = member.start_twin()?;
    tokio::time::sleep(lasts).await;
    twin.signal(Signal::TERM);
    let status = twin.end().await.map_err(|error| ChaosError::Process("stopped", error))?;
    let is_fine = status.success() || status.code() == Some(NAME_TAKEN) || is_aborted(status);
    Ok((!is_fine).then(|| {
        ("second processes of a name that did not end as they should", format!("{} with {status}", member.name()))
    }))
}

/// Whether it ended as one does that met a job that aborts its process.
pub(super) fn is_aborted(status: std::process::ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(Signal::ABORT.as_raw())
}

/// Says how long it had known, if it had not ended by itself.
async fn term_then_kill(member: &mut Member, lasts: Duration) -> Result<Option<Duration>, ChaosError> {
    let begun = Instant::now();
    member.signal(Signal::TERM);
    while begun.elapsed() < lasts && !member.has_ended()? {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let announced = (!member.has_ended()?).then(|| begun.elapsed());
    member.signal(Signal::KILL);
    member.end().await?;
    member.start()?;
    Ok(announced)
}
