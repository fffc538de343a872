//! Who blocks a process that waits for a lock.

use std::fmt;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Store, StoreError};

/// A session that holds what another one waits for. What it runs is not said: it may hold secrets.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(super) struct Blocker {
    pid: i32,
    what: String,
    role: Option<String>,
    state: Option<String>,
    seconds: Option<i64>,
    statement_seconds: Option<i64>,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Blocker { pid, what, role, state, seconds, statement_seconds } = self;
        write!(f, "process {pid} ({what}")?;
        if let Some(role) = role {
            write!(f, ", user {role}")?;
        }
        if let Some(state) = state {
            write!(f, ", {state}")?;
        }
        if let Some(seconds) = seconds {
            write!(f, ", in its transaction for {seconds} s")?;
        }
        if let Some(seconds) = statement_seconds {
            write!(f, ", its last statement began {seconds} s ago")?;
        }
        write!(f, ")")
    }
}

const SEEN: &str =
    "a.pid, coalesce(nullif(a.application_name, ''), a.backend_type, 'unknown') as what, a.usename::text as role,
    a.state, extract(epoch from clock_timestamp() - a.xact_start)::int8 as seconds,
    extract(epoch from clock_timestamp() - a.query_start)::int8 as statement_seconds";

/// The backend that waits, while there is one, and who was seen in its way last.
#[derive(Debug, Default)]
pub(super) struct Watch {
    waiting: AtomicI32,
    seen: Mutex<Option<Blocker>>,
}

/// How often it is looked who is in the way.
const LOOK: Duration = Duration::from_millis(500);

impl Watch {
    /// From now on it is that backend which may wait.
    pub(super) fn over(&self, pid: i32) {
        self.waiting.store(pid, Ordering::Relaxed);
    }

    /// Who was in the way last, in words.
    pub(super) fn last(&self) -> String {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.as_ref().map_or_else(|| "a process that was not seen".to_owned(), Blocker::to_string)
    }

    /// Looks, and tells the log of everyone who is in the way, once. Never ends.
    pub(super) async fn keep(&self, store: &Store) {
        let mut told = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let pid = self.waiting.load(Ordering::Relaxed);
            if pid == 0 {
                continue;
            }
            match store.blocker(pid).await {
                Ok(Some(blocker)) => {
                    if told != Some(blocker.pid) {
                        tracing::warn!("migrating waits for a lock that is held by {blocker}");
                        told = Some(blocker.pid);
                    }
                    *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(blocker);
                }
                Ok(None) => {}
                Err(error) => tracing::debug!("nobody can be seen in the way: {error}"),
            }
        }
    }
}

impl Store {
    /// The session that has been in the way of that backend for longest.
    async fn blocker(&self, pid: i32) -> Result<Option<Blocker>, StoreError> {
        let sql = seen_by(
            "from pg_stat_activity a where a.pid = any (pg_blocking_pids($1)) order by a.xact_start nulls last limit 1",
        );
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(pid).fetch_optional(&self.pool).await?)
    }

    /// The session that holds an advisory lock of this database.
    pub(super) async fn lock_holder(&self, key: i64) -> Result<Option<Blocker>, StoreError> {
        let sql = seen_by(
            "from pg_locks l join pg_stat_activity a on a.pid = l.pid
             where l.locktype = 'advisory' and l.granted and l.objsubid = 1
               and l.database = (select d.oid from pg_database d where d.datname = current_database())
               and l.classid::int8 = $1 >> 32 and l.objid::int8 = $1 & 4294967295 limit 1",
        );
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(key).fetch_optional(&self.pool).await?)
    }
}

fn seen_by(from: &str) -> String {
    format!("select {SEEN} {from}")
}
