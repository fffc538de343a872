//! Connections that no longer fit: their prepared statements, after a migration changed a result type or a pooler lost them,
//! their settings, if they began while the database was read-only by default, or the runtime that they were opened in, once it
//! has ended: they fail then, while a pool outlives its runtimes.
//!
//! Postgres refuses such a statement for as long as its connection lives ("cached plan must not change result type"), and
//! the driver never prepares it anew. So the statement is sent again, and every connection that is older than the refusal
//! is closed when it would be used next.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgDatabaseError;
use tokio::runtime::{Handle, Id};

/// When what was open last ceased to fit, in nanoseconds since the first time; 0 before it.
static NOTED_AT: AtomicU64 = AtomicU64::new(0);
static FIRST: OnceLock<Instant> = OnceLock::new();
/// Runtimes in which connections were opened.
static RUNTIMES: LazyLock<Mutex<HashSet<Id>>> = LazyLock::new(Mutex::default);

/// The error is about a statement that was prepared, and not about what it does.
pub(super) fn is_refusal(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(said) = error else { return false };
    match said.code().as_deref() {
        Some("26000" | "42P05") => true,
        // The code alone says "not supported"; messages are translated, names of routines are not.
        Some("0A000") => {
            said.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::routine)
                == Some("RevalidateCachedQuery")
        }
        _ => false,
    }
}

/// The session may write nothing. It keeps the default that it began with, though the database has another one by now, or
/// its server is a standby, and another host is not.
fn is_read_only(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|said| said.code()).as_deref() == Some("25006")
}

/// A connection that is opened now may be given another answer.
pub(super) fn is_of_its_connection(error: &sqlx::Error) -> bool {
    is_refusal(error) || is_read_only(error)
}

/// What is open now no longer fits.
pub(super) fn note() {
    let first = FIRST.get_or_init(Instant::now);
    let since = u64::try_from(first.elapsed().as_nanos()).unwrap_or(u64::MAX);
    NOTED_AT.fetch_max(since.max(1), Ordering::Relaxed);
}

/// A connection was opened in this runtime, and ends with it.
pub(super) fn opened_here() {
    let runtime = Handle::current().id();
    if runtimes().insert(runtime) {
        let ends = RuntimeEnds(runtime);
        // A runtime that ends drops its tasks.
        tokio::spawn(async move {
            let _ends = ends;
            std::future::pending::<()>().await;
        });
    }
}

struct RuntimeEnds(Id);

impl Drop for RuntimeEnds {
    fn drop(&mut self) {
        note();
        runtimes().remove(&self.0);
    }
}

fn runtimes() -> MutexGuard<'static, HashSet<Id>> {
    RUNTIMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection of that age fits as far as is known.
pub(super) fn is_fresh(age: Duration) -> bool {
    let noted_at = NOTED_AT.load(Ordering::Relaxed);
    let Some(first) = FIRST.get().filter(|_| noted_at > 0) else { return true };
    age < first.elapsed().saturating_sub(Duration::from_nanos(noted_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_opened_before_a_refusal_is_closed_and_nothing_else() {
        assert!(is_fresh(Duration::from_secs(3600)));
        note();
        assert!(!is_fresh(Duration::from_secs(3600)));
        std::thread::sleep(Duration::from_millis(5));
        assert!(is_fresh(Duration::from_millis(1)));
    }
}
