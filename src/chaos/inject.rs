//! Makes one thing go wrong, and right again.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::process::Signal;

use super::ChaosError;
use super::fleet::Post;
use super::plan::{Fault, Kind};
use super::proxy::Link;
use crate::embedded::Cluster;
use crate::store::chaos::Witness;

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
}

/// What faults are made with.
#[derive(Clone)]
pub(super) struct Hands {
    pub(super) fleet: Arc<Vec<Post>>,
    pub(super) cluster: Arc<Cluster>,
    pub(super) witness: Witness,
}

/// Waits for a server that comes back after a crash; most of it is recovery.
const BACK_AGAIN: Duration = Duration::from_secs(60);

impl Hands {
    /// Comes back when everything is right again.
    pub(super) async fn inject(&self, fault: Fault) -> Result<Event, ChaosError> {
        match fault.worker.and_then(|worker| self.fleet.get(worker)) {
            Some(post) => of_one(post, fault).await,
            None => self.of_all(fault).await,
        }
    }

    async fn of_all(&self, fault: Fault) -> Result<Event, ChaosError> {
        let at = Utc::now();
        match fault.kind {
            Kind::Terminate => self.witness.end_sessions().await?,
            Kind::Crash => {
                self.cluster.crash();
                tokio::time::sleep(fault.lasts).await;
                self.witness.is_back(BACK_AGAIN).await?;
            }
            Kind::Outage => self.outage(fault.lasts).await,
            Kind::Kill | Kind::Freeze | Kind::Deploy | Kind::Cut | Kind::Silence | Kind::Delay => {}
        }
        Ok(Event { kind: Some(fault.kind), at, until: Utc::now(), worker: None, process: None })
    }

    async fn outage(&self, lasts: Duration) {
        self.fleet.iter().for_each(|post| post.proxy.set_outage(true));
        tokio::time::sleep(lasts).await;
        self.fleet.iter().for_each(|post| post.proxy.set_outage(false));
    }
}

async fn of_one(post: &Post, fault: Fault) -> Result<Event, ChaosError> {
    let mut member = post.member.lock().await;
    let (at, process) = (Utc::now(), member.process());
    match fault.kind {
        Kind::Kill => {
            member.signal(Signal::KILL);
            member.end().await?;
            tokio::time::sleep(fault.lasts).await;
            if fault.renamed {
                member.rename();
            }
            member.start()?;
        }
        Kind::Freeze => {
            member.signal(Signal::STOP);
            tokio::time::sleep(fault.lasts).await;
            member.signal(Signal::CONT);
        }
        Kind::Deploy => {
            member.signal(Signal::TERM);
            member.end().await?;
            tokio::time::sleep(fault.lasts).await;
            member.start()?;
        }
        Kind::Cut | Kind::Silence | Kind::Delay => {
            post.proxy.set(match fault.kind {
                Kind::Cut => Link::Cut,
                Kind::Silence => Link::Silent,
                _ => Link::Late,
            });
            tokio::time::sleep(fault.lasts).await;
            post.proxy.set(Link::Open);
        }
        Kind::Terminate | Kind::Crash | Kind::Outage => {}
    }
    Ok(Event { kind: Some(fault.kind), at, until: Utc::now(), worker: fault.worker, process })
}
