//! Boots that are gone: how that shows, and how they are ended.

use chrono::{DateTime, Utc};
use sqlx::types::Uuid;

use super::freed::EndedBoot;
use super::moment::Moment;
use super::{Store, StoreError};
use crate::model::actor::Actor;
use crate::model::id::WorkerId;
use crate::model::process::Process;
use crate::model::suspect::Evidence;

/// A boot that seems to be gone.
#[derive(Debug, Clone)]
pub(crate) struct SuspectedBoot {
    pub(crate) worker: WorkerId,
    pub(crate) name: String,
    pub(crate) process: Process,
    /// It was asked to stop before.
    pub(crate) stopping: bool,
    /// A worker started it to run suspects.
    pub(crate) has_parent: bool,
    /// Its last heartbeat, as it was seen.
    pub(crate) last_seen: DateTime<Utc>,
    pub(crate) sign: Sign,
    /// What its end is evidence of, where whoever ended it has said so.
    pub(crate) on_record: Evidence,
    /// How its process ended, where its parent saw it.
    pub(crate) exit: Option<String>,
    /// Every session ended a moment ago, because the database was started.
    pub(crate) database_is_young: bool,
}

/// Why a boot seems to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It has ended, and jobs of it may be left to free.
    Ended,
    /// A new boot has taken its name.
    Superseded,
    /// It shut down in order, and could not hand everything back.
    Drained,
    /// Its heartbeat is older than the lease.
    LeaseOver,
    /// The same, and its session lives: its process is frozen, or cut off.
    Frozen,
    /// Its session lock is free.
    LockFree,
}

impl Sign {
    /// As people and attempts are told.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Sign::Ended => "its worker had ended",
            Sign::Superseded => "a new boot took the worker's name",
            Sign::Drained => "its worker shut down before it was handed back",
            Sign::LeaseOver => "its worker's heartbeat stopped",
            Sign::Frozen => "its worker's heartbeat stopped, while its process lived",
            Sign::LockFree => "its worker's process or database session ended",
        }
    }
}

impl SuspectedBoot {
    /// Why it counts as gone, as people and attempts are told.
    pub(crate) fn cause(&self) -> &'static str {
        if self.stopping { Sign::Drained.words() } else { self.sign.words() }
    }

    /// What the end of it says of the jobs it held: a process died, so that one of them may be to blame.
    pub(crate) fn evidence(&self) -> Evidence {
        match self.sign {
            Sign::Ended => self.on_record,
            Sign::Drained | Sign::Frozen => Evidence::None,
            // What was announced was no accident.
            Sign::Superseded | Sign::LeaseOver | Sign::LockFree if self.stopping => Evidence::None,
            // The worker that started it would have seen it die.
            Sign::Superseded | Sign::LeaseOver | Sign::LockFree if self.has_parent => Evidence::Group,
            Sign::Superseded | Sign::LeaseOver | Sign::LockFree => Evidence::Process,
        }
    }

    /// As one that has ended.
    pub(crate) fn ended(&self) -> EndedBoot<'_> {
        let SuspectedBoot { worker, name, exit, .. } = self;
        let (exit, evidence) = (exit.as_deref(), self.evidence());
        EndedBoot { worker: *worker, name, cause: self.cause(), exit, evidence }
    }
}

/// Who recovers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By<'a> {
    /// A worker, by itself.
    Worker(WorkerId),
    /// A person, by hand: that is for `piton.audit`.
    Person(Actor<'a>),
}

/// Who has ended a boot that seemed gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndedBy {
    /// Whoever asks, now; with its boot id.
    Us(Uuid),
    /// It had ended before. Jobs of it may be left.
    Others,
    /// It was heard of again.
    Nobody,
}

/// A process as its parent knows it.
#[derive(Debug, Clone)]
pub(crate) struct EndedProcess<'p> {
    pub(crate) name: &'p str,
    pub(crate) host: &'p str,
    pub(crate) pid: i32,
    /// How it ended, in words.
    pub(crate) exit: &'p str,
    /// Its parent goes on; one that shuts down may have ended it.
    pub(crate) is_evidence: bool,
}

/// What became of the boot of a process that has ended.
#[derive(Debug)]
pub(crate) enum Aftermath<'p> {
    /// It was ended now. Its jobs are to be freed.
    Ended { boot: Uuid, ended: EndedBoot<'p> },
    /// It had ended in order, or somebody else had ended it.
    HadEnded,
    /// It never was one: its process ended before it had registered.
    NeverBegan,
}

impl Store {
    /// Ends a boot that is gone. Its jobs are freed next: in that order, so that it can claim nothing in between. Whoever
    /// dies halfway leaves a row that the next look finds.
    pub(crate) async fn end_worker(&self, suspect: &SuspectedBoot, by: By<'_>) -> Result<EndedBy, StoreError> {
        let had_ended = matches!(suspect.sign, Sign::Ended | Sign::Drained);
        let (worker, person) = match by {
            By::Worker(worker) => (Some(worker.0), None),
            By::Person(actor) => (None, Some(actor)),
        };
        let ended: Option<Uuid> = sqlx::query_scalar(
            "with ended as (
                 update piton.workers set stopped_at = now(), stop_reason = 'lost', ended_by = $3, death = $8
                 where id = $1 and stopped_at is null and last_seen = $2
                 returning boot_id),
             held as (select count(*) as jobs from piton.jobs where worker_id = $1 and state = 'running'),
             told as (
                 insert into piton.audit (actor, face, verb, subject_kind, subject, detail)
                 select $4, $5, 'recover', 'worker', w.boot_id,
                        jsonb_build_object('worker', w.name, 'sign', $6::text, 'jobs', held.jobs)
                 from piton.workers w cross join held
                 where w.id = $1 and $4 is not null and (exists (select from ended) or $7 and held.jobs > 0))
             select boot_id from ended",
        )
        .bind(suspect.worker.0)
        .bind(Moment(suspect.last_seen))
        .bind(worker)
        .bind(person.map(|person| person.name))
        .bind(person.map(|person| person.face.as_str()))
        .bind(suspect.cause())
        .bind(had_ended)
        .bind(suspect.evidence().word())
        .fetch_optional(&self.pool)
        .await?;
        Ok(match ended {
            Some(boot) => EndedBy::Us(boot),
            None if had_ended => EndedBy::Others,
            None => EndedBy::Nobody,
        })
    }

    /// Ends the boot whose process its parent saw end. A boot that drained, or that others have ended already, is left as
    /// it is: then there is nothing to tell. May be sent again.
    pub(crate) async fn process_ended<'p>(
        &self,
        process: &EndedProcess<'p>,
        by: WorkerId,
    ) -> Result<Aftermath<'p>, StoreError> {
        let boot: Option<(i64, Uuid, Option<String>)> = sqlx::query_as(
            "update piton.workers set stopped_at = now(), stop_reason = 'lost', ended_by = $5, exit = $4,
                                      death = case when $6 and stopping_at is null then $7 end
             where name = $1 and host = $2 and pid = $3 and stopped_at is null
             returning id, boot_id, death",
        )
        .bind(process.name)
        .bind(process.host)
        .bind(process.pid)
        .bind(process.exit)
        .bind(by.0)
        .bind(process.is_evidence)
        .bind(Evidence::Process.word())
        .fetch_optional(&self.pool)
        .await?;
        let Some((id, boot, death)) = boot else { return self.has_begun(process.name).await };
        let ended = EndedBoot {
            worker: WorkerId(id),
            name: process.name,
            cause: Sign::Ended.words(),
            exit: Some(process.exit),
            evidence: Evidence::of_word(death.as_deref()),
        };
        Ok(Aftermath::Ended { boot, ended })
    }

    async fn has_begun(&self, name: &str) -> Result<Aftermath<'static>, StoreError> {
        let sql = "select exists (select from piton.workers where name = $1)";
        let has_begun: bool = sqlx::query_scalar(sql).bind(name).fetch_one(&self.pool).await?;
        Ok(if has_begun { Aftermath::HadEnded } else { Aftermath::NeverBegan })
    }

    /// Nothing of a boot that has ended is left to free. A row that was locked just now was skipped: then the next look
    /// finds the boot again. Never in the statement that ends it: a claim that was under way would not be seen.
    pub(crate) async fn clear(&self, worker: WorkerId) -> Result<(), StoreError> {
        sqlx::query(
            "update piton.workers w set cleared = true
             where id = $1 and stopped_at is not null
               and not exists (select from piton.jobs j where j.worker_id = w.id and j.state = 'running')",
        )
        .bind(worker.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How many jobs a boot holds.
    pub(crate) async fn held_count(&self, worker: WorkerId) -> Result<i64, StoreError> {
        let sql = "select count(*) from piton.jobs where worker_id = $1 and state = 'running'";
        Ok(sqlx::query_scalar(sql).bind(worker.0).fetch_one(&self.pool).await?)
    }
}
