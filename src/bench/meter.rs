//! What workers and the server have used up.

use super::{BenchError, machine};
use crate::store::bench::Observer;

/// What has been used up so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meter {
    pub(super) workers_s: Option<f64>,
    pub(super) postgres_s: Option<f64>,
    /// What of the server's time its sessions that only observe have used.
    pub(super) observer_s: Option<f64>,
    pub(super) wal_bytes: i64,
}

impl Meter {
    pub(super) async fn read(observer: &Observer) -> Result<Meter, BenchError> {
        let (session, database) = observer.session().await?;
        Ok(Meter {
            workers_s: machine::children_cpu(),
            postgres_s: machine::postmaster(session, &database).and_then(machine::server_cpu),
            observer_s: observer_cpu(&observer.sessions().await?, &database),
            wal_bytes: observer.wal_bytes().await?,
        })
    }

    pub(super) fn since(&self, before: &Meter) -> Meter {
        let difference = |now: Option<f64>, then: Option<f64>| Some(now? - then?);
        Meter {
            workers_s: difference(self.workers_s, before.workers_s),
            postgres_s: difference(self.postgres_s, before.postgres_s),
            observer_s: difference(self.observer_s, before.observer_s),
            wal_bytes: self.wal_bytes - before.wal_bytes,
        }
    }
}

/// Of sessions of this database, if the server is on this machine.
fn observer_cpu(sessions: &[i32], database: &str) -> Option<f64> {
    sessions.iter().map(|session| machine::session_cpu(*session, database)).sum()
}
