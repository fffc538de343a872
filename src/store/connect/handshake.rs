//! The first exchange with a database: whether it lets us in, and whether a pooler is in between.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Row};
use tokio::time::timeout;

use super::conclusion::conclude;
use super::error::OpenError;
use super::server::Server;

/// Enough that a busy pooler does not give the same connections each time by accident.
const ROUNDS: usize = 3;

/// What a pooler in between does with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// A session is ours until we end it: there is no pooler, or one in session mode.
    Session,
    /// Each transaction may be on another connection of the server's: nothing that outlives it is ours.
    Transaction,
}

/// Connects, and leaves nothing behind.
pub(crate) async fn handshake(server: &Server) -> Result<Pooling, OpenError> {
    if server.is_private() {
        return Ok(Pooling::Session);
    }
    let late = |_: tokio::time::error::Elapsed| {
        let reason = std::io::Error::from(std::io::ErrorKind::TimedOut);
        conclude(&sqlx::Error::Io(reason), server)
    };
    let mut first = timeout(server.patience(), PgConnection::connect_with(server.patient()))
        .await
        .map_err(late)?
        .map_err(|error| conclude(&error, server))?;
    let found = timeout(server.patience(), pooling(&mut first, server.patient())).await.map_err(late)?;
    let pooling = found.map_err(|error| conclude(&error, server))?;
    let carries = async { pooling != Pooling::Transaction || carries_prepared_statements(&mut first).await };
    if !timeout(server.patience(), carries).await.map_err(late)? {
        return Err(OpenError { sentence: no_prepared_statements(server), waits: false });
    }
    close(first).await;
    Ok(pooling)
}

fn no_prepared_statements(server: &Server) -> String {
    format!(
        "{}: the pooler is in transaction mode and does not carry prepared statements, which Piton needs; set pool_mode = \
         session for this database, or use PgBouncer 1.21 or later with max_prepared_statements = 200",
        server.name()
    )
}

async fn close(connection: PgConnection) {
    // It has served its purpose, however it ends.
    timeout(Duration::from_secs(1), connection.close()).await.ok();
}

/// Two clients in session mode keep a process of the server's each; in transaction mode they share them.
async fn pooling(first: &mut PgConnection, options: &PgConnectOptions) -> Result<Pooling, sqlx::Error> {
    let one = process(first).await?;
    // Where there is room for one connection only, the first one alone has to tell.
    let Ok(mut second) = PgConnection::connect_with(options).await else {
        return Ok(if process(first).await? == one { Pooling::Session } else { Pooling::Transaction });
    };
    let two = process(&mut second).await?;
    let mut shared = one == two && is_one_process(first, &mut second).await;
    for _ in 0..ROUNDS {
        if shared {
            break;
        }
        // Twice in a row, for a pooler may take turns.
        let (again, once_more) = (process(first).await?, process(first).await?);
        shared = again != one || once_more != one || process(&mut second).await? != two;
    }
    close(second).await;
    Ok(if shared { Pooling::Transaction } else { Pooling::Session })
}

/// Behind a balancer, processes of two servers may have one number. One that is shared cannot serve both while the first is
/// in a transaction: the second gets another one, or none.
async fn is_one_process(first: &mut PgConnection, second: &mut PgConnection) -> bool {
    let told_apart = async {
        sqlx::raw_sql("begin").execute(&mut *first).await?;
        let one = process(first).await?;
        let two = timeout(Duration::from_secs(2), process(second)).await;
        sqlx::raw_sql("rollback").execute(&mut *first).await?;
        Ok::<bool, sqlx::Error>(!matches!(two, Ok(Ok(two)) if two == one))
    };
    // A pooler that refuses transactions shares for statements even.
    told_apart.await.unwrap_or(true)
}

/// In the simple protocol, which every pooler carries.
async fn process(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::raw_sql("select pg_backend_pid()").fetch_one(connection).await?.try_get(0)
}

/// A pooler that carries them gives them names of its own. Asked within one transaction, on one connection of the server's,
/// so that the statement is gone again before somebody else gets it.
async fn carries_prepared_statements(connection: &mut PgConnection) -> bool {
    let asked = async {
        sqlx::raw_sql("begin").execute(&mut *connection).await?;
        sqlx::query("select $1::int4").bind(1).persistent(true).execute(&mut *connection).await?;
        let ours = "select count(*)::int4 from pg_prepared_statements where name like 'sqlx\\_s\\_%' and not from_sql";
        let ours: i32 = sqlx::raw_sql(ours).fetch_one(&mut *connection).await?.try_get(0)?;
        connection.clear_cached_statements().await?;
        sqlx::raw_sql("rollback").execute(&mut *connection).await?;
        Ok::<bool, sqlx::Error>(ours == 0)
    };
    asked.await.unwrap_or(false)
}
