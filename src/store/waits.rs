//! Waits: begun by the attempts of their jobs, found again when they are over.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;
use sqlx::{PgExecutor, Row};

use super::commit::BEGIN_WAIT;
use super::fence::fences;
use super::moment::{MaybeMoment, Moment};
use super::{Store, StoreError, through_a_face};
use crate::model::actor::Actor;
use crate::model::claim::Claim;
use crate::model::id::{AttemptKey, RunId};
use crate::model::payload::Payload;
use crate::model::wait::{AskedService, EndedWait, NewWait, WaitKind, WaitOutcome};

/// A wait that is open, for people.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct OpenWait {
    pub(crate) run: Uuid,
    pub(crate) workflow: String,
    pub(crate) stage: String,
    /// Of a fanned-out stage.
    pub(crate) item: Option<i32>,
    /// sleep, signal, callback, poll or run.
    pub(crate) kind: String,
    /// Of a signal.
    pub(crate) name: Option<String>,
    #[sqlx(try_from = "Moment")]
    pub(crate) since: DateTime<Utc>,
    /// When it ends by itself.
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) ends_at: Option<DateTime<Utc>>,
    pub(crate) why: String,
    /// What would end it: what to type, where that is up to people.
    pub(crate) moves: String,
}

/// Of which waits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WaitFilter<'a> {
    pub(crate) run: Option<RunId>,
    pub(crate) workflow: Option<&'a str>,
    pub(crate) kind: Option<WaitKind>,
}

/// Answers a signal of a run, also in a transaction of the caller's; or is refused with the reason.
pub(crate) async fn signal(
    executor: impl PgExecutor<'_>,
    run: RunId,
    (name, payload): (&str, &Payload),
    actor: Actor<'_>,
) -> Result<(), StoreError> {
    let sql = through_a_face!("piton.signal($2, $3, $4::json, $5)");
    let asked = sqlx::query(sql).bind(actor.face.as_str()).bind(run.0).bind(name).bind(payload.as_str());
    asked.bind(actor.name).execute(executor).await?;
    Ok(())
}

/// What became of waits that were to begin.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Begun {
    /// Positions in the batch that landed.
    pub(crate) positions: Vec<usize>,
    /// When the first of them ends by itself.
    pub(crate) ends_in: Option<Duration>,
    /// Jobs became ready.
    pub(crate) woke: bool,
}

/// The statement of [`Store::begin_waits`], also on a connection that is in a transaction.
pub(super) async fn begin_on(
    executor: impl PgExecutor<'_>,
    waits: &[(Claim, NewWait)],
) -> Result<Option<Begun>, StoreError> {
    let (claims, waits): (Vec<&Claim>, Vec<&NewWait>) = waits.iter().map(|(claim, wait)| (claim, wait)).unzip();
    let services: Vec<Option<&AskedService>> = waits.iter().map(|wait| wait.service.as_deref()).collect();
    let rows = sqlx::query_with(BEGIN_WAIT, fences(claims)?)
        .bind(waits.iter().map(|wait| wait.kind.as_str()).collect::<Vec<_>>())
        .bind(waits.iter().map(|wait| wait.name.as_deref()).collect::<Vec<_>>())
        .bind(waits.iter().map(|wait| Moment(wait.since)).collect::<Vec<_>>())
        .bind(waits.iter().map(|wait| wait.deadline.map(Moment)).collect::<Vec<_>>())
        .bind(services.iter().map(|service| service.map(|of| of.handle.as_str())).collect::<Vec<_>>())
        .bind(services.iter().map(|service| service.map(|of| Moment(of.latest))).collect::<Vec<_>>())
        .bind(services.iter().map(|service| service.and_then(|of| of.silence).map(millis)).collect::<Vec<_>>())
        .bind(services.iter().map(|service| service.map(|of| of.misses.cast_signed())).collect::<Vec<_>>())
        .bind(services.iter().map(|service| service.and_then(|of| of.trouble.as_deref())).collect::<Vec<_>>())
        .fetch_all(executor)
        .await
        .map_err(StoreError::from);
    let rows = match rows {
        Ok(rows) => rows,
        // lock_not_available
        Err(error) if error.code().as_deref() == Some("55P03") => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut begun = Begun::default();
    for row in rows {
        let ends_in_ms: Option<i64> = row.try_get("ends_in_ms")?;
        let is_over: bool = row.try_get("is_over")?;
        let ends_in = ends_in_ms.filter(|_| !is_over).map(|ms| Duration::from_millis(ms.max(0).unsigned_abs()));
        begun.ends_in = begun.ends_in.into_iter().chain(ends_in).min();
        begun.woke |= row.try_get::<bool, _>("woke")?;
        begun.positions.extend(usize::try_from(row.try_get::<i64, _>("ord")? - 1));
    }
    Ok(Some(begun))
}

impl Store {
    /// Waits that are open, the oldest first.
    pub(crate) async fn open_waits(&self, of: WaitFilter<'_>, most: i64) -> Result<Vec<OpenWait>, StoreError> {
        let sql = "select run, workflow, stage, item, kind, name, since, ends_at, why, moves from piton.waits_overview
                   where ($1::uuid is null or run = $1) and ($2::text is null or workflow = $2) and ($3::text is null or kind = $3)
                   order by since, run, stage_number, item_number limit $4";
        let asked = sqlx::query_as(sql).bind(of.run.map(|run| run.0)).bind(of.workflow);
        Ok(asked.bind(of.kind.map(WaitKind::as_str)).bind(most).fetch_all(&self.pool).await?)
    }

    /// Answers a signal of a run, or is refused with the reason.
    pub(crate) async fn signal(
        &self,
        run: RunId,
        answer: (&str, &Payload),
        actor: Actor<'_>,
    ) -> Result<(), StoreError> {
        signal(&self.pool, run, answer, actor).await
    }

    /// Ends the sleeps of a stage, or of one item of it, and says how many; or is refused with the reason.
    pub(crate) async fn wake(
        &self,
        run: RunId,
        (stage, item): (&str, Option<i32>),
        actor: Actor<'_>,
    ) -> Result<i64, StoreError> {
        let sql = through_a_face!("piton.wake($2, $3, $4, $5)");
        let asked =
            sqlx::query_scalar(sql).bind(actor.face.as_str()).bind(run.0).bind(stage).bind(item).bind(actor.name);
        Ok(asked.fetch_one(&self.pool).await?)
    }

    /// Begins these waits, and their jobs are no longer claimed. `None` where an answer to one of them is just coming: ask again in a
    /// moment. The same batch may be sent again after an error: what landed the first time is missing from the answer of the second,
    /// see [`Store::waits_begun`].
    pub(crate) async fn begin_waits(&self, waits: &[(Claim, NewWait)]) -> Result<Option<Begun>, StoreError> {
        begin_on(&self.pool, waits).await
    }

    /// Which of these attempts have begun their waits, by position: the answer to that was lost.
    pub(crate) async fn waits_begun(&self, claims: &[Claim]) -> Result<Vec<usize>, StoreError> {
        let rows: Vec<i64> = sqlx::query_scalar(
            "select c.ord
             from unnest($1::int8[], $2::int8[], $3::int2[], $4::int4[], $5::int4[]) with ordinality
                 as c (run_id, job_id, stage, item, attempt, ord)
             join piton.waits w on w.run_id = c.run_id and w.stage = c.stage and w.item = c.item
             where w.job_id = c.job_id and w.attempt = c.attempt",
        )
        .bind(claims.iter().map(|claim| claim.key.run.0).collect::<Vec<_>>())
        .bind(claims.iter().map(|claim| claim.key.job).collect::<Vec<_>>())
        .bind(claims.iter().map(|claim| claim.key.stage).collect::<Vec<_>>())
        .bind(claims.iter().map(|claim| claim.key.item).collect::<Vec<_>>())
        .bind(claims.iter().map(|claim| claim.key.attempt).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().filter_map(|ord| usize::try_from(ord - 1).ok()).collect())
    }

    /// Waits of these jobs that are over, and that no attempt has failed with yet.
    pub(crate) async fn ended_waits(&self, keys: &[AttemptKey]) -> Result<HashMap<AttemptKey, EndedWait>, StoreError> {
        let mut connection = self.reserve.connection().await?;
        let rows = sqlx::query(
            "select c.ord, w.kind, w.outcome, w.since, w.deadline, w.ended_at, w.payload::text as payload, w.digest,
                    w.handle::text as handle, w.latest, w.silence_ms, w.misses, w.trouble
             from unnest($1::int8[], $2::int2[], $3::int4[]) with ordinality as c (run_id, stage, item, ord)
             join piton.waits w on w.run_id = c.run_id and w.stage = c.stage and w.item = c.item
             where w.outcome is not null and not piton.wait_is_spent(w.run_id, w.stage, w.item, w.attempt, w.outcome)",
        )
        .bind(keys.iter().map(|key| key.run.0).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.stage).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.item).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
        connection.keep();
        let mut ended = HashMap::new();
        for row in rows {
            let ord: i64 = row.try_get("ord")?;
            let key = usize::try_from(ord - 1).ok().and_then(|at| keys.get(at));
            let (kind, outcome): (String, String) = (row.try_get("kind")?, row.try_get("outcome")?);
            let (Some(key), Some(kind), Some(outcome)) =
                (key, WaitKind::from_word(&kind), WaitOutcome::from_word(&outcome))
            else {
                return Err(StoreError::Damaged(format!("a wait of the kind {kind} that is {outcome}")));
            };
            let payload: Option<String> = row.try_get("payload")?;
            let wait = EndedWait {
                kind,
                outcome,
                since: row.try_get::<MaybeMoment, _>("since")?.into(),
                deadline: row.try_get::<MaybeMoment, _>("deadline")?.into(),
                ended_at: row.try_get::<Moment, _>("ended_at")?.into(),
                answer: payload.zip(row.try_get("digest")?),
                service: asked_service(&row)?.map(Box::new),
            };
            ended.insert(*key, wait);
        }
        Ok(ended)
    }
}

/// Of a wait that had begun.
fn asked_service(row: &PgRow) -> Result<Option<AskedService>, StoreError> {
    let handle: Option<String> = row.try_get("handle")?;
    let latest: Option<DateTime<Utc>> = row.try_get::<MaybeMoment, _>("latest")?.into();
    let silence: Option<i64> = row.try_get("silence_ms")?;
    let misses: Option<i32> = row.try_get("misses")?;
    let trouble: Option<String> = row.try_get("trouble")?;
    Ok(handle.zip(latest).map(|(handle, latest)| AskedService {
        handle,
        latest,
        silence: silence.map(|ms| Duration::from_millis(ms.unsigned_abs())),
        misses: misses.unwrap_or_default().unsigned_abs(),
        trouble,
    }))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
