//! Which errors go away by waiting.

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::store::stale;

/// Errors that say something about the moment and not about the statement. Better to wait for too many than to drop
/// a finished result for one too few.
pub(crate) fn is_away(error: &sqlx::Error) -> bool {
    match error {
        // There was no session, or it was ended: that is not about the statement. A password that was changed, a database
        // that is being restored, a transaction that was idle for too long.
        sqlx::Error::Database(db) if ended_the_session(db.as_ref()) => true,
        _ if stale::is_refusal(error) => true,
        sqlx::Error::Database(db) => db.code().is_some_and(|code| {
            let class = code.get(..2).unwrap_or_default();
            // connection, transaction rollback (deadlock, serialization), resources, operator intervention, system;
            // 25006 read-only after a failover; 55P03 lock not available; 42P01 and 3F000 while a database is restored.
            matches!(class, "08" | "40" | "53" | "57" | "58" | "XX")
                || matches!(code.as_ref(), "25006" | "55P03" | "42P01" | "3F000")
        }),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

/// What an error that is waited for may be about, beside the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suspicion {
    None,
    /// A damaged row, a bug: the server answered, and lives.
    Statement,
    /// More than the server's memory had for it.
    Memory,
}

/// Whether the statement itself may be to blame.
pub(crate) fn suspicion(error: &sqlx::Error) -> Suspicion {
    let sqlx::Error::Database(db) = error else { return Suspicion::None };
    let code = db.code().unwrap_or_default();
    match code.as_ref() {
        // A pooler says so of every statement while it has no server.
        _ if ended_the_session(db.as_ref()) => Suspicion::None,
        "53200" => Suspicion::Memory,
        code if code.starts_with("XX") => Suspicion::Statement,
        _ => Suspicion::None,
    }
}

/// What waiting will not mend for a process that has not begun yet: the password, the role or the database is not there.
pub(crate) fn is_wrong_address(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| code.starts_with("28") || code == "3D000")
}

/// Nobody is there to be asked: the connection was lost, or cannot be had.
pub(crate) fn is_out_of_reach(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(db) => {
            db.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57P"))
                || ended_the_session(db.as_ref())
        }
        other => is_away(other),
    }
}

fn ended_the_session(error: &dyn DatabaseError) -> bool {
    let severity = error.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::severity);
    matches!(severity, Some(PgSeverity::Fatal | PgSeverity::Panic))
}
