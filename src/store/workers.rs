//! Workers: one row per boot. Register, heartbeat, find the dead, free what they held.

use sqlx::postgres::PgListener;
use sqlx::types::Uuid;

use super::{Store, StoreError};
use crate::model::id::WorkerId;

/// First key of the session locks that say "this boot is alive"; the second is the boot's number.
/// Two ints, so that it shares no key with the migration lock, which is one bigint. The value is "pitn".
const LOCK_SPACE: i32 = 0x7069_746e;
/// Jobs freed by one statement.
const FREE_AT_ONCE: i64 = 1000;

/// What a boot says about itself.
#[derive(Debug, Clone)]
pub(crate) struct Boot {
    pub(crate) boot_id: Uuid,
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) pid: i32,
}

/// A boot that seems to be gone.
#[derive(Debug, Clone)]
pub(crate) struct Suspect {
    pub(crate) worker: WorkerId,
    pub(crate) name: String,
    /// Its heartbeat is older than the lease. Otherwise its session lock is free.
    pub(crate) lease_over: bool,
    /// Every session ended a moment ago, because the database was started.
    pub(crate) database_is_young: bool,
}

impl Store {
    /// Registers a boot. An older boot of the same name is over from now on, and its jobs are claimable at once.
    pub(crate) async fn register_worker(&self, boot: &Boot) -> Result<WorkerId, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let old: Vec<i64> = sqlx::query_scalar(
            "update piton.workers set stopped_at = now(), stop_reason = 'superseded'
             where name = $1 and stopped_at is null returning id",
        )
        .bind(&boot.name)
        .fetch_all(&mut *transaction)
        .await?;
        for worker in old {
            sqlx::query(include_str!("sql/free.sql"))
                .bind(worker)
                .bind(i64::from(i32::MAX))
                .bind("a new boot took the worker's name")
                .execute(&mut *transaction)
                .await?;
        }
        let id: i64 = sqlx::query_scalar(
            "insert into piton.workers (boot_id, name, host, pid) values ($1, $2, $3, $4) returning id",
        )
        .bind(boot.boot_id)
        .bind(&boot.name)
        .bind(&boot.host)
        .bind(boot.pid)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(WorkerId(id))
    }

    /// Says that the boot is alive, and whether the others may go by its session lock if that has changed; `false` when
    /// they have given it up.
    pub(crate) async fn heartbeat(&self, worker: WorkerId, lock_held: Option<bool>) -> Result<bool, StoreError> {
        let alive = sqlx::query(
            "update piton.workers set last_seen = now(), lock_held = coalesce($2, lock_held) where id = $1 and stopped_at is null",
        )
        .bind(worker.0)
        .bind(lock_held)
        .execute(&self.pool)
        .await?;
        Ok(alive.rows_affected() == 1)
    }

    /// Boots other than `me` whose lock is free or whose lease is over. Takes no lock beyond the statement.
    pub(crate) async fn suspects(&self, me: WorkerId, lease_ms: i64) -> Result<Vec<Suspect>, StoreError> {
        let rows: Vec<(i64, String, bool, bool)> = sqlx::query_as(
            "select id, name, last_seen < now() - $2 * interval '1 millisecond',
                    pg_postmaster_start_time() > now() - interval '10 seconds'
             from piton.workers
             where stopped_at is null and id <> $1
               and (last_seen < now() - $2 * interval '1 millisecond'
                    or lock_held and pg_try_advisory_xact_lock_shared($3, id::int4))",
        )
        .bind(me.0)
        .bind(lease_ms)
        .bind(LOCK_SPACE)
        .fetch_all(&self.pool)
        .await?;
        let suspect = |(id, name, lease_over, database_is_young)| {
            let worker = WorkerId(id);
            Suspect { worker, name, lease_over, database_is_young }
        };
        Ok(rows.into_iter().map(suspect).collect())
    }

    /// Frees the jobs of a boot that is gone, then ends the boot: in that order, so that whoever dies between the two
    /// leaves a row that the next recovery finds. Tells how many jobs were freed.
    pub(crate) async fn recover_worker(&self, suspect: &Suspect, lease_ms: i64) -> Result<u64, StoreError> {
        let why = if suspect.lease_over {
            "its worker's heartbeat stopped"
        } else {
            "its worker's process or database session ended"
        };
        let mut freed = 0;
        loop {
            let (pass, _): (i64, i64) = sqlx::query_as(include_str!("sql/free.sql"))
                .bind(suspect.worker.0)
                .bind(FREE_AT_ONCE)
                .bind(why)
                .fetch_one(&self.pool)
                .await?;
            freed += pass.unsigned_abs();
            if pass < FREE_AT_ONCE {
                break;
            }
        }
        // A row that was locked just now was skipped: then the boot stays a suspect until the next pass.
        sqlx::query(
            "update piton.workers w set stopped_at = now(), stop_reason = 'lost'
             where id = $1 and stopped_at is null
               and (last_seen < now() - $2 * interval '1 millisecond'
                    or lock_held and pg_try_advisory_xact_lock_shared($3, id::int4))
               and not exists (select from piton.jobs j where j.worker_id = w.id and j.state = 'running')",
        )
        .bind(suspect.worker.0)
        .bind(lease_ms)
        .bind(LOCK_SPACE)
        .execute(&self.pool)
        .await?;
        Ok(freed)
    }

    /// The boot shut down in order and holds nothing any more.
    pub(crate) async fn stop_worker(&self, worker: WorkerId) -> Result<(), StoreError> {
        sqlx::query(
            "update piton.workers set stopped_at = now(), stop_reason = 'drained' where id = $1 and stopped_at is null",
        )
        .bind(worker.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// Takes the session lock that says this boot is alive, and tells the others to go by it; `false` when another session
/// still holds it.
pub(crate) async fn take_session_lock(session: &mut PgListener, worker: WorkerId) -> Result<bool, StoreError> {
    let number = i32::try_from(worker.0).map_err(|_| StoreError::Damaged(format!("worker number {worker}")))?;
    let taken: bool = sqlx::query_scalar("select pg_try_advisory_lock($1, $2)")
        .bind(LOCK_SPACE)
        .bind(number)
        .fetch_one(&mut *session)
        .await?;
    if taken {
        sqlx::query("update piton.workers set lock_held = true where id = $1")
            .bind(worker.0)
            .execute(&mut *session)
            .await?;
    }
    Ok(taken)
}
