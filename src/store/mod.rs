//! All SQL: one file per noun, one statement per change of state. The only home of sqlx queries.

pub(crate) mod advance;
pub(crate) mod artifacts;
pub(crate) mod attempts;
pub(crate) mod backoff;
pub(crate) mod batches;
#[cfg(feature = "lab")]
pub(crate) mod bench;
mod blockers;
pub(crate) mod boots;
pub(crate) mod by_hand;
pub(crate) mod callbacks;
pub(crate) mod causes;
pub(crate) mod changes;
#[cfg(feature = "lab")]
pub(crate) mod chaos;
#[cfg(feature = "lab")]
pub(crate) mod chaos_rows;
pub(crate) mod checkpoints;
pub(crate) mod children;
pub(crate) mod cleanup;
pub(crate) mod commit;
mod commit_one;
mod conditions;
pub(crate) mod connect;
pub(crate) mod counted;
pub(crate) mod counts;
pub(crate) mod dead_letters;
pub(crate) mod doubt;
pub(crate) mod endings;
pub(crate) mod failures;
pub(crate) mod family;
mod fence;
mod fingerprints;
pub(crate) mod finishes;
mod fitness;
pub(crate) mod freed;
mod functions;
pub(crate) mod gone;
pub(crate) mod health;
pub(crate) mod jobs;
pub(crate) mod migrate;
pub(crate) mod migrator;
pub(crate) mod moment;
pub(crate) mod overview;
pub(crate) mod own_rows;
pub(crate) mod pauses;
pub(crate) mod queues;
mod quorums;
pub(crate) mod races;
mod reserve;
pub(crate) mod retry_preview;
pub(crate) mod rounds;
pub(crate) mod run_files;
pub(crate) mod runs;
pub(crate) mod schedules;
pub(crate) mod schema;
pub(crate) mod shortages;
pub(crate) mod snapshot;
mod stale;
pub(crate) mod starts;
pub(crate) mod statement;
pub(crate) mod steps;
pub(crate) mod test_databases;
pub(crate) mod throughput;
#[cfg(feature = "top")]
pub(crate) mod top;
pub(crate) mod verify;
pub(crate) mod versions;
pub(crate) mod waits;
pub(crate) mod wakes;
pub(crate) mod warm;
pub(crate) mod why;
pub(crate) mod workers;
pub(crate) mod workflows;

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, Postgres, Transaction};
use tokio::time::timeout;

use self::connect::{Pooling, Server, in_words, message};
pub(crate) use self::connect::{is_away, is_wrong_address};
use self::reserve::Reserve;

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
    #[error("{}: {}", if connect::is_out_of_reach(.0) { "the database did not answer" } else { "the database cannot do it now" }, in_words(.0))]
    Away(#[source] sqlx::Error),
    /// Postgres refused it; the same statement will be refused again.
    #[error("the database refused: {}", in_words(.0))]
    Refused(#[source] sqlx::Error),
    /// A row holds what no Piton wrote.
    #[error("the database holds {0}")]
    Damaged(String),
}

impl StoreError {
    /// A value that was given makes no sense to it.
    pub(crate) fn is_about_a_value(&self) -> bool {
        matches!(self, StoreError::Refused(error)
            if error.as_database_error().and_then(|said| said.code()).is_some_and(|code| code.starts_with("22")))
    }

    /// Waiting may help: the database is away, and the pool was not closed.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, StoreError::Away(error) if !matches!(error, sqlx::Error::PoolClosed))
    }

    /// The SQLSTATE of a refusal.
    pub(crate) fn code(&self) -> Option<String> {
        match self {
            StoreError::Away(error) | StoreError::Refused(error) => {
                Some(error.as_database_error()?.code()?.into_owned())
            }
            StoreError::Damaged(_) => None,
        }
    }

    /// The hint of a refusal, which is for those who ask in SQL.
    pub(crate) fn hint(&self) -> Option<String> {
        let StoreError::Refused(sqlx::Error::Database(said)) = self else { return None };
        said.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::hint).map(str::to_owned)
    }

    /// What Postgres said against it, without words around it and without its hint.
    pub(crate) fn refusal(&self) -> Option<String> {
        let StoreError::Refused(error) = self else { return None };
        words_of_postgres(error)
    }

    /// The same, of a statement that waiting does not help.
    pub(crate) fn for_good(self) -> StoreError {
        match self {
            StoreError::Away(error) => StoreError::Refused(error),
            refused => refused,
        }
    }

    /// The database cannot be asked anything now.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        matches!(self, StoreError::Away(error) if connect::is_out_of_reach(error))
    }
}

/// What Postgres said, with its detail, and without the place in its own source that the driver adds.
pub(crate) fn words_of_postgres(error: &sqlx::Error) -> Option<String> {
    let said = error.as_database_error()?;
    let detail = said.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::detail);
    let detail = detail.map_or_else(String::new, |detail| format!(". {}", detail.trim_end_matches('.')));
    Some(format!("{}{detail}", message(said)))
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if stale::is_of_its_connection(&error) {
            stale::note();
        }
        if is_away(&error) { StoreError::Away(error) } else { StoreError::Refused(error) }
    }
}

/// Pools of connections. Every attempt has some: cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) pool: PgPool,
    /// For statements that may take long. The same pool, where a silent server is no matter.
    patient: PgPool,
    /// Connections of `pool` for the engine's most frequent statements.
    reserve: Arc<Reserve>,
    user: User,
    pooling: Pooling,
    // What stands in between stays as long as a pool does.
    server: Arc<Server>,
}

/// Who uses a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum User {
    /// Claims, commits and looks: its plans must not change under it.
    Engine,
    /// People who ask and decide: the planner does as it thinks best, as for everybody who asks in SQL.
    People,
}

/// What the connections of a pool are doing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connections {
    pub(crate) idle: usize,
    pub(crate) in_use: usize,
    /// How many it may open.
    pub(crate) max: usize,
}

impl Connections {
    fn are_all_in_use(self) -> bool {
        self.in_use >= self.max
    }

    /// Those of both.
    pub(crate) fn and(self, other: Connections) -> Connections {
        Connections { idle: self.idle + other.idle, in_use: self.in_use + other.in_use, max: self.max + other.max }
    }

    fn of(pool: &PgPool) -> Connections {
        Connections::of_those(pool, pool.num_idle())
    }

    fn of_those(pool: &PgPool, idle: usize) -> Connections {
        let size = pool.size() as usize;
        Connections { idle, in_use: size.saturating_sub(idle), max: pool.options().get_max_connections() as usize }
    }
}

/// Of a worker's connections, those that may wait for long: cleanup, snapshots and batches take turns.
const PATIENT: u32 = 2;
/// Transactions of stages that write at the same time.
const FOR_STAGES: u32 = 4;
/// A connection that was handed back has that long to answer.
const HANDED_BACK: Duration = Duration::from_secs(5);

impl Store {
    /// What the connections of its pools are doing.
    pub(crate) fn connections(&self) -> Connections {
        let swift = Connections::of_those(&self.pool, self.pool.num_idle() + self.reserve.idle());
        // One pool may be both.
        if std::ptr::eq(self.pool.options(), self.patient.options()) {
            return swift;
        }
        swift.and(Connections::of(&self.patient))
    }

    /// Descriptors of connections that a worker may still open, with the one of its session and those of its stages' own
    /// transactions. What is reached through the forwarder takes three: the two ends of its socket, and the server's.
    pub(crate) fn descriptors_to_come(&self) -> u64 {
        let Connections { idle, in_use, max } = self.connections();
        let each = if self.server.is_remote() { 3 } else { 1 };
        each * (max.saturating_sub(idle + in_use) as u64 + 1 + u64::from(FOR_STAGES))
    }

    /// For those who ask and decide: a statement takes as long as it takes. Opens no connection yet; the first statement does.
    pub(crate) fn open(server: Server, pooling: Pooling, max_connections: u32) -> Store {
        Store::one_pool(User::People, server, pooling, max_connections)
    }

    fn one_pool(user: User, server: Server, pooling: Pooling, max_connections: u32) -> Store {
        let pool = pool(user, server.patient(), &server, pooling, max_connections);
        let reserve = if user == User::Engine { Reserve::of(&pool) } else { Reserve::none(&pool) };
        Store { patient: pool.clone(), pool, reserve, user, pooling, server: Arc::new(server) }
    }

    /// For those who ask and decide, on a pool of their own, which knows nothing of the engine's settings.
    pub(crate) fn on(pool: PgPool, server: Server, pooling: Pooling) -> Store {
        let reserve = Reserve::none(&pool);
        Store { patient: pool.clone(), pool, reserve, user: User::People, pooling, server: Arc::new(server) }
    }

    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        Ok(self.pool.begin().await?)
    }

    /// One of its connections.
    pub(crate) async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        Ok(self.pool.acquire().await?)
    }

    /// For those who work: a connection on which an answer is overdue is given up, but for statements that may take long,
    /// which have a few connections of their own.
    pub(crate) fn for_work(server: Server, pooling: Pooling, max_connections: u32) -> Store {
        if !server.is_remote() {
            return Store::one_pool(User::Engine, server, pooling, max_connections);
        }
        let swift = max_connections.saturating_sub(PATIENT).max(1);
        let swift = pool(User::Engine, server.swift(), &server, pooling, swift);
        Store {
            reserve: Reserve::of(&swift),
            pool: swift,
            patient: pool(User::Engine, server.patient(), &server, pooling, PATIENT),
            user: User::Engine,
            pooling,
            server: Arc::new(server),
        }
    }

    /// The same database, for statements that may take long.
    pub(crate) fn patient(&self) -> Store {
        Store { pool: self.patient.clone(), ..self.clone() }
    }

    /// One more connection to the same database, beside the pools: whoever has it waits for nobody who has one of those.
    pub(crate) fn beside(&self) -> Store {
        let pool = pool(self.user, self.server.swift(), &self.server, self.pooling, 1);
        Store { patient: pool.clone(), reserve: Reserve::none(&pool), pool, ..self.clone() }
    }

    /// The same database, for transactions of stages: a few connections, opened when they are asked for, that have their
    /// database's settings and are waited for by nobody else.
    pub(crate) fn for_stages(&self) -> Store {
        let (is_ours, is_remote) = (self.pooling == Pooling::Session, self.server.is_remote());
        let connecting = pool_options(FOR_STAGES).after_connect(move |connection, _| {
            Box::pin(async move {
                stale::opened_here();
                if is_ours && is_remote {
                    connection.execute(include_str!("sql/notice_the_dead.sql")).await.ok();
                }
                Ok(())
            })
        });
        // Nothing that a stage did to its session is there for the next one. One that was given up may have nobody at its other
        // end, and would be waited for for ever.
        let connecting = connecting.after_release(move |connection, _| {
            Box::pin(async move {
                let answer = timeout(HANDED_BACK, async {
                    if !is_ours {
                        return connection.ping().await;
                    }
                    connection.execute(include_str!("sql/as_new.sql")).await?;
                    if is_remote {
                        connection.execute(include_str!("sql/notice_the_dead.sql")).await.ok();
                    }
                    Ok(())
                });
                Ok(answer.await.is_ok_and(|answer| answer.is_ok()))
            })
        });
        let pool = connecting.connect_lazy_with(self.server.patient().clone().disable_statement_logging());
        Store { patient: pool.clone(), reserve: Reserve::none(&pool), pool, ..self.clone() }
    }

    /// Whether a session is ours for one transaction only: then nobody listens, and no lock is held between two.
    pub(crate) fn is_pooled(&self) -> bool {
        self.pooling == Pooling::Transaction
    }

    /// Ends its connections.
    pub(crate) async fn close(&self) {
        tokio::join!(self.reserve.close(), self.patient.close());
    }
}

fn pool(user: User, options: &PgConnectOptions, server: &Server, pooling: Pooling, max_connections: u32) -> PgPool {
    let (is_ours, is_remote) = (pooling == Pooling::Session, server.is_remote());
    pool_options(max_connections)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                stale::opened_here();
                // What is set behind a pooler in transaction mode is set for strangers.
                // By itself: the time that a role or a database gives its statements is counted for all that is sent at once.
                if is_ours {
                    connection.execute("set statement_timeout = 0").await?;
                    connection.execute(include_str!("sql/session.sql")).await?;
                }
                if is_ours && user == User::Engine {
                    connection.execute(include_str!("sql/plans.sql")).await?;
                }
                if is_ours && is_remote {
                    // Not every server knows all of them; without them it only notices later that we are gone.
                    connection.execute(include_str!("sql/notice_the_dead.sql")).await.ok();
                }
                Ok(())
            })
        })
        .connect_lazy_with(options.clone().disable_statement_logging())
}

fn pool_options(max_connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(max_connections)
        // While connections are refused, the pool waits up to a fifth of this between two attempts by itself. A worker
        // that is back later than `recovery` waits for it is taken for dead.
        .acquire_timeout(Duration::from_secs(3))
        // A ping before every statement would double the round trips; a dead connection shows itself.
        .test_before_acquire(false)
        .before_acquire(|_, connection| Box::pin(async move { Ok(stale::is_fresh(connection.age)) }))
}
