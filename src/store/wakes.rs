//! Asking for notifications, the worker's side of `piton.wake_workers`. It needs a session of its own: both locks are the session's.

use sqlx::postgres::PgListener;

use super::StoreError;

/// First key of both locks; the second is 1 (work is being made) or 2 (notifications are asked for). The value is "pitn".
const SPACE: i32 = 0x7069_746e;

/// The payload where others were making work at the same time, so that their commits may have waited for each other.
pub(crate) const CONTENDED: &str = "contended";

/// What a session learns when it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// From now on, whoever makes work notifies.
    pub(crate) is_heard: bool,
    /// Nobody is under way who may not have seen that it asks.
    pub(crate) is_calm: bool,
}

/// Asks for notifications. If work is being made at this moment, that holds only if `anyway`.
pub(crate) async fn ask(session: &mut PgListener, anyway: bool) -> Result<Asked, StoreError> {
    // In this order: first seen by those who come, then seeing those who were there.
    let sql = "select case when not pg_try_advisory_lock_shared($1, 2) then 'unheard'
                           when case when pg_try_advisory_lock($1, 1) then pg_advisory_unlock($1, 1) else false end then 'calm'
                           when $2 then 'heard'
                           when pg_advisory_unlock_shared($1, 2) then 'unheard'
                           else 'unheard' end";
    let said: String = sqlx::query_scalar(sql).bind(SPACE).bind(anyway).fetch_one(session).await?;
    let is_calm = said == "calm";
    Ok(Asked { is_heard: is_calm || said == "heard", is_calm })
}

/// Whether all who were making work when it asked have ended.
pub(crate) async fn is_calm(session: &mut PgListener) -> Result<bool, StoreError> {
    let sql = "select case when pg_try_advisory_lock($1, 1) then pg_advisory_unlock($1, 1) else false end";
    Ok(sqlx::query_scalar(sql).bind(SPACE).fetch_one(session).await?)
}

/// Asks for none any more.
pub(crate) async fn withdraw(session: &mut PgListener) -> Result<(), StoreError> {
    sqlx::query("select pg_advisory_unlock_shared($1, 2)").bind(SPACE).execute(session).await?;
    Ok(())
}
