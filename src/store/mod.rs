//! All SQL: one file per noun, one statement per change of state. The only home of sqlx queries.

pub(crate) mod artifacts;
pub(crate) mod attempts;
pub(crate) mod backoff;
pub(crate) mod batches;
pub(crate) mod bench;
pub(crate) mod boots;
pub(crate) mod chaos;
pub(crate) mod checkpoints;
pub(crate) mod cleanup;
pub(crate) mod commit;
pub(crate) mod dead_letters;
pub(crate) mod endings;
pub(crate) mod failures;
pub(crate) mod freed;
mod functions;
pub(crate) mod gone;
pub(crate) mod health;
pub(crate) mod jobs;
pub(crate) mod migrate;
pub(crate) mod overview;
pub(crate) mod pauses;
pub(crate) mod queues;
pub(crate) mod runs;
pub(crate) mod snapshot;
pub(crate) mod steps;
pub(crate) mod top;
pub(crate) mod verify;
pub(crate) mod why;
pub(crate) mod workers;
pub(crate) mod workflows;

use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgPool, PgPoolOptions, PgSeverity};
use sqlx::{ConnectOptions, Executor};

/// A verb of the schema, called in the name of the face that is the first parameter: `piton.audit` is told it. The setting
/// ends with the statement, so that a pooler hands it to nobody else.
macro_rules! through_a_face {
    ($call:literal) => {
        concat!("with face as materialized (select set_config('piton.face', $1, true)) select ", $call, " from face")
    };
}
pub(crate) use through_a_face;

/// Why a statement gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Postgres is away or busy; the same statement may work later.
    #[error("the database did not answer: {0}")]
    Away(#[source] sqlx::Error),
    /// Postgres refused it; the same statement will be refused again.
    #[error("the database refused: {0}")]
    Refused(#[source] sqlx::Error),
    /// A row holds what no Piton wrote.
    #[error("the database holds {0}")]
    Damaged(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if is_away(&error) { StoreError::Away(error) } else { StoreError::Refused(error) }
    }
}

/// Errors that say something about the moment and not about the statement. Better to wait for too many than to drop
/// a finished result for one too few.
pub(crate) fn is_away(error: &sqlx::Error) -> bool {
    match error {
        // There was no session, or it was ended: that is not about the statement. A password that was changed, a database
        // that is being restored, a transaction that was idle for too long.
        sqlx::Error::Database(db) if ended_the_session(db.as_ref()) => true,
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

/// What waiting will not mend for who has not begun yet: the password, the role or the database is not there.
pub(crate) fn is_wrong_address(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| code.starts_with("28") || code == "3D000")
}

fn ended_the_session(error: &dyn DatabaseError) -> bool {
    let severity = error.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::severity);
    matches!(severity, Some(PgSeverity::Fatal | PgSeverity::Panic))
}

/// A pool of connections, with plans that do not change under the engine.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) pool: PgPool,
}

/// What the connections of a pool are doing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connections {
    pub(crate) idle: usize,
    pub(crate) in_use: usize,
    /// So many it may open.
    pub(crate) max: usize,
}

impl Store {
    /// One more connection to the same database, beside the pool: whoever has it waits for nobody who has one of those.
    pub(crate) fn beside(&self) -> Store {
        Store::open(self.pool.connect_options().as_ref().clone(), 1)
    }

    /// What the pool's connections are doing.
    pub(crate) fn connections(&self) -> Connections {
        let (size, idle) = (self.pool.size() as usize, self.pool.num_idle());
        Connections { idle, in_use: size.saturating_sub(idle), max: self.pool.options().get_max_connections() as usize }
    }

    /// Opens no connection yet; the first statement does.
    pub(crate) fn open(options: PgConnectOptions, max_connections: u32) -> Store {
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            // While connections are refused, the pool waits up to a fifth of this between two attempts by itself. Who is
            // back later than `recovery` waits for it is taken for dead.
            .acquire_timeout(Duration::from_secs(3))
            // A ping before every statement would double the round trips; a dead connection shows itself.
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(include_str!("sql/session.sql")).await?;
                    Ok(())
                })
            })
            // PgBouncer refuses that setting, and nothing here needs more digits than a server gives by itself.
            .connect_lazy_with(options.extra_float_digits(None).disable_statement_logging());
        Store { pool }
    }
}
