//! Boots of workers: registered, kept alive, and signed off. One row each.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgListener;
use sqlx::postgres::types::PgInterval;
use sqlx::types::Uuid;

use super::freed::{EndedBoot, FreedJob, free};
use super::gone::{Sign, SuspectedBoot};
use super::moment::Moment;
use super::{Store, StoreError};
use crate::model::id::WorkerId;
use crate::model::process::Process;
use crate::model::suspect::Evidence;

/// First key of the session locks of older versions; the second is the boot's number, which counted up then. Two ints share
/// no key with one bigint. The value is "pitn".
pub(super) const OLD_LOCK_SPACE: i32 = 0x7069_746e;

/// What a boot says about itself.
#[derive(Debug, Clone)]
pub(crate) struct Boot {
    /// Random: a number that counts up comes again where the database is set back. Also the key of its session lock.
    pub(crate) id: WorkerId,
    pub(crate) boot_id: Uuid,
    pub(crate) name: String,
    pub(crate) process: Process,
    /// The boot that started it to run suspects.
    pub(crate) parent: Option<WorkerId>,
    /// Attempts that it runs side by side.
    pub(crate) slots: usize,
    /// Silent for longer, it is gone.
    pub(crate) lease: Duration,
    /// Which Piton it is.
    pub(crate) build: String,
}

impl Boot {
    /// The same worker as another boot, whose numbers nobody has ever had.
    pub(crate) fn renewed(&self) -> Boot {
        Boot { id: WorkerId::random(), boot_id: Uuid::now_v7(), ..self.clone() }
    }
}

/// How the database sees a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Alive,
    /// The others have ended it.
    Ended,
    /// There is no such boot, though it had registered: the database was set back to an earlier state.
    Unknown,
}

impl Standing {
    pub(super) fn of(alive: Option<bool>) -> Standing {
        match alive {
            Some(true) => Standing::Alive,
            Some(false) => Standing::Ended,
            None => Standing::Unknown,
        }
    }
}

/// The boot that has a name now.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    /// As it would be taken for gone. Its sign is the one below, where there is one.
    pub(crate) seen: SuspectedBoot,
    /// Why it seems gone; `None` where nothing says so.
    pub(crate) sign: Option<Sign>,
}

/// A boot whose name is taken from it, because its process is no more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Superseded<'h> {
    pub(crate) boot: &'h SuspectedBoot,
    pub(crate) evidence: Evidence,
}

/// What came of registering a boot.
#[derive(Debug)]
pub(crate) enum Registering<'b> {
    /// It has the name, taken from another where there was one.
    Done(Option<Predecessor<'b>>),
    /// Somebody else has the name, or the one that had it was heard of again. Nothing was changed.
    Refused,
}

/// A boot that was ended by the one that took its name.
#[derive(Debug)]
pub(crate) struct Predecessor<'b> {
    pub(crate) boot: Uuid,
    pub(crate) ended: EndedBoot<'b>,
    pub(crate) freed: Vec<FreedJob>,
}

/// A boot that shut down in order.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct StoppedBoot {
    pub(crate) name: String,
    #[sqlx(rename = "boot_id")]
    pub(crate) boot: Uuid,
}

#[derive(sqlx::FromRow)]
struct HolderRow {
    id: i64,
    host: String,
    pid: i32,
    machine: Option<String>,
    process_start: Option<i64>,
    has_parent: bool,
    stopping: bool,
    #[sqlx(try_from = "Moment")]
    last_seen: DateTime<Utc>,
    lease_over: bool,
    locked: Option<bool>,
    database_is_young: bool,
}

impl HolderRow {
    fn holder(self, name: &str) -> Holder {
        let HolderRow { host, machine, pid, process_start: started, .. } = self;
        let sign = match (self.lease_over, self.locked) {
            (true, Some(true)) => Some(Sign::Frozen),
            (true, Some(false) | None) => Some(Sign::LeaseOver),
            (false, Some(false)) => Some(Sign::LockFree),
            (false, Some(true) | None) => None,
        };
        let seen = SuspectedBoot {
            worker: WorkerId(self.id),
            name: name.to_owned(),
            process: Process { host, machine, pid, started },
            stopping: self.stopping,
            has_parent: self.has_parent,
            last_seen: self.last_seen,
            sign: sign.unwrap_or(Sign::Superseded),
            on_record: Evidence::None,
            exit: None,
            database_is_young: self.database_is_young,
        };
        Holder { seen, sign }
    }
}

/// What a boot says with a heartbeat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beat {
    pub(crate) me: WorkerId,
    /// Its session, the one that this is said in, holds its lock.
    pub(crate) locked: bool,
    /// It was asked to stop.
    pub(crate) stopping: bool,
}

impl Store {
    /// Who has that name now. `lease` is for those who did not say theirs.
    pub(crate) async fn holder(&self, name: &str, lease: Duration) -> Result<Option<Holder>, StoreError> {
        let sql = "select w.id, w.host, w.pid, w.machine, w.process_start, w.parent is not null as has_parent,
                          w.stopping_at is not null as stopping, w.last_seen,
                          w.last_seen < now() - coalesce(w.lease, $2) as lease_over,
                          case when w.session_lock is not null then not pg_try_advisory_xact_lock_shared(w.session_lock)
                               when w.lock_held then not pg_try_advisory_xact_lock_shared($3, w.id::int4) end as locked,
                          pg_postmaster_start_time() > now() - interval '10 seconds' as database_is_young
                   from piton.workers w where w.name = $1 and w.stopped_at is null";
        let asked = sqlx::query_as(sql).bind(name).bind(interval(lease)).bind(OLD_LOCK_SPACE);
        let row: Option<HolderRow> = asked.fetch_optional(&self.pool).await?;
        Ok(row.map(|row| row.holder(name)))
    }

    /// Registers a boot under its name, taken from the one that had it, whose jobs are claimable at once.
    pub(crate) async fn register_worker<'b>(
        &self,
        boot: &'b Boot,
        superseded: Option<Superseded<'_>>,
    ) -> Result<Registering<'b>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let mut predecessor = None;
        if let Some(Superseded { boot: before, evidence }) = superseded {
            let ended = "update piton.workers
                         set stopped_at = now(), stop_reason = 'superseded', ended_by = $3, death = $4
                         where id = $1 and stopped_at is null and last_seen = $2 returning boot_id";
            let ended = sqlx::query_scalar(ended).bind(before.worker.0).bind(Moment(before.last_seen));
            let old = ended.bind(boot.id.0).bind(evidence.word()).fetch_optional(&mut *transaction).await?;
            let Some(old) = old else { return Ok(Registering::Refused) };
            let (worker, name) = (before.worker, boot.name.as_str());
            let cause = if before.stopping { Sign::Drained.words() } else { Sign::Superseded.words() };
            let ended = EndedBoot { worker, name, cause, exit: None, evidence };
            let freed = free(&mut *transaction, &ended, i64::from(i32::MAX)).await?;
            predecessor = Some(Predecessor { boot: old, ended, freed });
        }
        let registered = sqlx::query(
            "insert into piton.workers (id, boot_id, name, host, pid, machine, process_start, parent, slots, lease, build,
                                        only_listens)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, false)
             on conflict (name) where stopped_at is null do nothing",
        )
        .bind(boot.id.0)
        .bind(boot.boot_id)
        .bind(&boot.name)
        .bind(&boot.process.host)
        .bind(boot.process.pid)
        .bind(&boot.process.machine)
        .bind(boot.process.started)
        .bind(boot.parent.map(|parent| parent.0))
        .bind(i32::try_from(boot.slots).unwrap_or(i32::MAX))
        .bind(interval(boot.lease))
        .bind(&boot.build)
        .execute(&mut *transaction)
        .await?;
        if registered.rows_affected() == 0 {
            return Ok(Registering::Refused);
        }
        transaction.commit().await?;
        Ok(Registering::Done(predecessor))
    }

    /// The boot shut down in order and holds nothing any more. `None` where the others had ended it.
    pub(crate) async fn stop_worker(&self, worker: WorkerId) -> Result<Option<StoppedBoot>, StoreError> {
        let stopped = sqlx::query_as(
            "update piton.workers set stopped_at = now(), stop_reason = 'drained', ended_by = id
             where id = $1 and stopped_at is null
             returning name, boot_id",
        )
        .bind(worker.0)
        .fetch_optional(&self.pool)
        .await?;
        Ok(stopped)
    }
}

/// Says over a boot's own session that it is alive, and whether the others may go by the session's lock.
pub(crate) async fn beat(session: &mut PgListener, beat: Beat) -> Result<Standing, StoreError> {
    let alive: Option<bool> = sqlx::query_scalar(
        "with beat as (
             update piton.workers
             set last_seen = now(), session_lock = case when $2 then id end,
                 stopping_at = case when $3 then coalesce(stopping_at, now()) end
             where id = $1 and stopped_at is null)
         select (select w.stopped_at is null from piton.workers w where w.id = $1)",
    )
    .bind(beat.me.0)
    .bind(beat.locked)
    .bind(beat.stopping)
    .fetch_one(session)
    .await?;
    Ok(Standing::of(alive))
}

/// Takes the session lock that ends with the boot's process; `false` when another session still holds it.
pub(crate) async fn take_session_lock(session: &mut PgListener, worker: WorkerId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("select pg_try_advisory_lock($1)").bind(worker.0).fetch_one(session).await?)
}

fn interval(lease: Duration) -> PgInterval {
    // Longer than anything Postgres can add to a time is for ever.
    const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);
    let microseconds = i64::try_from(lease.min(LONGEST).as_micros()).unwrap_or(i64::MAX);
    PgInterval { months: 0, days: 0, microseconds }
}
