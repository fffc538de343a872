//! Connections for the statements that a worker sends all the time. A pool asks each connection that comes back whether it still
//! answers, which takes a round trip, as the statement itself does. So a few stay out of the pool between two statements, and the one
//! used last is used next: what its server process needs is still in the caches.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool};

use super::stale;

/// After so long a connection goes back all the same, so that the pool can close one that is too old.
const LONGEST: Duration = Duration::from_secs(10);

/// The connections of one pool that are kept out of it.
pub(super) struct Reserve {
    pool: PgPool,
    /// At most so many: the others are for whoever asks the pool.
    most: usize,
    kept: Mutex<Vec<Taken>>,
}

struct Taken {
    connection: PoolConnection<Postgres>,
    since: Instant,
}

/// A connection for one statement. Dropped before [`InUse::keep`], after an error or in mid-statement, it goes back to the pool.
pub(super) struct InUse<'r> {
    reserve: &'r Reserve,
    taken: Taken,
}

impl Reserve {
    /// Less than half of the pool's connections are kept out of it.
    pub(super) fn of(pool: &PgPool) -> Arc<Reserve> {
        Reserve::keeping(pool, pool.options().get_max_connections() as usize / 2)
    }

    /// Where statements are rare: every connection goes back.
    pub(super) fn none(pool: &PgPool) -> Arc<Reserve> {
        Reserve::keeping(pool, 0)
    }

    fn keeping(pool: &PgPool, most: usize) -> Arc<Reserve> {
        Arc::new(Reserve { pool: pool.clone(), most, kept: Mutex::default() })
    }

    pub(super) async fn connection(&self) -> sqlx::Result<InUse<'_>> {
        // One that has to go back first is none that a statement waits for.
        let kept = self.kept().pop().filter(Taken::may_stay);
        let taken = match kept {
            Some(taken) => taken,
            None => Taken { connection: self.pool.acquire().await?, since: Instant::now() },
        };
        Ok(InUse { reserve: self, taken })
    }

    /// How many of them are idle now.
    pub(super) fn idle(&self) -> usize {
        self.kept().len()
    }

    /// Ends the pool, which waits for all of its connections.
    pub(super) async fn close(&self) {
        // It counts as closed from here on, and nothing is kept any more.
        let closed = self.pool.close();
        self.kept().clear();
        closed.await;
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Taken>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        // To give them back would take a runtime, which may be gone by now.
        for taken in self.kept().drain(..) {
            drop(taken.connection.leak());
        }
    }
}

impl fmt::Debug for Reserve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserve").field("most", &self.most).field("idle", &self.idle()).finish_non_exhaustive()
    }
}

impl Taken {
    fn may_stay(&self) -> bool {
        let out = self.since.elapsed();
        out < LONGEST && stale::is_fresh(out)
    }
}

impl InUse<'_> {
    /// The statement has had its answer.
    pub(super) fn keep(self) {
        let mut kept = self.reserve.kept();
        if kept.len() < self.reserve.most && self.taken.may_stay() && !self.reserve.pool.is_closed() {
            kept.push(self.taken);
        }
    }
}

impl Deref for InUse<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.taken.connection
    }
}

impl DerefMut for InUse<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.taken.connection
    }
}
