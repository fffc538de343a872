//! Transactions of stages that write rows of their own: these rows and the end of the attempt land together, or neither does.

use std::io;
use std::sync::LazyLock;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{Postgres, Transaction};
use tokio::time::timeout;

use super::children;
use super::commit::commit_on;
use super::counted::commit_counted_on;
use super::counts::{Counted, CountedBatch, Settled};
use super::endings::Ending;
use super::fence::fence;
use super::{Store, StoreError};
use crate::model::claim::Claim;
use crate::model::id::RunKey;

/// The savepoint shows at the end whether the transaction is still the one that was begun: it is gone with a COMMIT or a
/// ROLLBACK that somebody has sent by hand.
const BEGIN: &str = "begin; savepoint piton";
/// Before the engine's own rows are locked: constraints that were put off are checked, so that nobody waits for them behind these
/// locks. A worker that stands still from here on keeps them for a few seconds only.
const LAST: &str = "release savepoint piton; set constraints all immediate; reset role;
    set local idle_in_transaction_session_timeout = '5s'; set local statement_timeout = 0; set local lock_timeout = 0;";
/// Then the engine's own settings hold for the rest of the transaction: the stage's statements have had those of its database.
static BEFORE_THE_END: LazyLock<String> = LazyLock::new(|| {
    let texts = [include_str!("sql/session.sql"), include_str!("sql/plans.sql")];
    let settings = texts.into_iter().flat_map(str::lines).filter_map(|line| line.strip_prefix("set "));
    settings.fold(LAST.to_owned(), |text, setting| format!("{text}\nset local {setting}"))
});

/// A transaction of a stage. Dropped, it is rolled back.
#[derive(Debug)]
pub(crate) struct RowsTransaction {
    transaction: Transaction<'static, Postgres>,
    /// How long the server may owe an answer to what the engine sends; the stage's own statements may take long.
    silence: Option<Duration>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum RowsEnd {
    Landed(Settled),
    /// The claim no longer holds: rolled back.
    Fenced,
    /// Rolled back for another reason.
    RolledBack(StoreError),
    /// The COMMIT was sent, and has no answer.
    InDoubt(StoreError),
}

impl Store {
    /// Begins a transaction for a stage.
    pub(crate) async fn begin_rows(&self) -> Result<RowsTransaction, StoreError> {
        loop {
            match self.pool.begin_with(BEGIN).await {
                Ok(transaction) => return Ok(RowsTransaction { transaction, silence: self.server.silence() }),
                // Others have them all: no word about the database.
                Err(sqlx::Error::PoolTimedOut) if self.connections().are_all_in_use() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether the claim holds; a transaction that may end it is waited for.
    pub(crate) async fn still_holds(&self, claim: &Claim) -> Result<bool, StoreError> {
        let row = sqlx::query_with(
            "select from piton.jobs where run_id = $1 and id = $2 and stage = $3 and item = $4 and attempt = $5
                 and worker_id = $6 and token = $7
             for no key update",
            fence(claim)?,
        );
        Ok(row.fetch_optional(&self.pool).await?.is_some())
    }
}

impl RowsTransaction {
    /// What the stage writes on.
    pub(crate) fn connection(&self) -> &PgConnection {
        &self.transaction
    }

    pub(crate) fn connection_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// Fails where the connection is lost.
    pub(crate) async fn roll_back(self) -> Result<(), StoreError> {
        Ok(self.transaction.rollback().await?)
    }

    /// The stage has written its rows: constraints that were put off are checked, and the rest of the transaction is the engine's.
    pub(crate) async fn take_over(&mut self) -> Result<(), StoreError> {
        sqlx::raw_sql(BEFORE_THE_END.as_str()).execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// Commits the rows alone, for an attempt that is in no database.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit().await?)
    }

    /// Commits the rows with the end of their attempt. On a connection that waits for long statements nobody else notices that the
    /// server is gone.
    pub(crate) async fn land(
        self,
        end: &[(Claim, Ending)],
        counted: &[Counted],
        artifacts: &[Option<i32>],
        parents: &[RunKey],
    ) -> RowsEnd {
        let Some(silence) = self.silence else { return self.end(end, counted, artifacts, parents).await };
        let silent = |_| RowsEnd::InDoubt(sqlx::Error::Io(io::ErrorKind::TimedOut.into()).into());
        timeout(silence, self.end(end, counted, artifacts, parents)).await.unwrap_or_else(silent)
    }

    async fn end(
        mut self,
        end: &[(Claim, Ending)],
        counted: &[Counted],
        artifacts: &[Option<i32>],
        parents: &[RunKey],
    ) -> RowsEnd {
        let settled = match self.settle(end, counted, artifacts, parents).await {
            Ok(settled) if settled.landed.positions.len() == end.len() => settled,
            Ok(_) => return RowsEnd::Fenced,
            Err(error) => return RowsEnd::RolledBack(error),
        };
        match self.transaction.commit().await.map_err(StoreError::from) {
            Ok(()) => RowsEnd::Landed(settled),
            Err(error) if error.is_out_of_reach() => RowsEnd::InDoubt(error),
            Err(error) => RowsEnd::RolledBack(error),
        }
    }

    /// An end that is counted with others holds its run, from before its job is locked.
    async fn settle(
        &mut self,
        end: &[(Claim, Ending)],
        counted: &[Counted],
        artifacts: &[Option<i32>],
        parents: &[RunKey],
    ) -> Result<Settled, StoreError> {
        let connection = &mut *self.transaction;
        if !counted.is_empty() {
            return commit_counted_on(connection, CountedBatch { ends: end, counted, artifacts, parents }).await;
        }
        children::lock_parents(connection, parents).await?;
        let mut landed = commit_on(&mut *connection, end, artifacts).await?;
        children::answer_parents(connection, parents, end, &mut landed).await?;
        Ok(landed.into())
    }
}
