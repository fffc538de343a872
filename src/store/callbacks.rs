//! Callbacks of services: opened before a service is asked, answered by whoever has the token.

use std::time::Duration;

use sqlx::postgres::types::PgInterval;

use super::commit::{OPEN_CALLBACK, SERVICE_FAILED};
use super::fence::fence;
use super::{Store, StoreError, through_a_face};
use crate::model::actor::Actor;
use crate::model::claim::Claim;
use crate::model::failure::FailureClass;
use crate::model::id::RunId;
use crate::model::payload::Payload;
use crate::model::wait::SaidFailure;

/// What became of the opening.
#[derive(Debug)]
pub(crate) enum Opened {
    /// This is the token, now and for later attempts.
    Token(String),
    /// An answer is just coming: ask again in a moment.
    Busy,
    /// The claim no longer holds.
    Fenced,
}

/// A service's word that it has failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServiceFailure<'a> {
    pub(crate) class: FailureClass,
    pub(crate) message: Option<&'a str>,
    pub(crate) retry_after: Option<Duration>,
}

impl Store {
    /// Lets a service answer the claim's job. May be sent again.
    pub(crate) async fn open_callback(&self, claim: &Claim) -> Result<Opened, StoreError> {
        let token: Result<Option<String>, _> =
            sqlx::query_scalar_with(OPEN_CALLBACK, fence(claim)?).fetch_one(&self.pool).await.map_err(StoreError::from);
        match token {
            Ok(token) => Ok(token.map_or(Opened::Fenced, Opened::Token)),
            // lock_not_available
            Err(error) if error.code().as_deref() == Some("55P03") => Ok(Opened::Busy),
            Err(error) => Err(error),
        }
    }

    /// The token of a stage's wait, for whoever answers in the place of its service.
    pub(crate) async fn callback_token(
        &self,
        run: RunId,
        stage: &str,
        item: Option<i32>,
    ) -> Result<String, StoreError> {
        let asked = sqlx::query_scalar("select piton.callback_token_of($1, $2, $3)").bind(run.0).bind(stage).bind(item);
        Ok(asked.fetch_one(&self.pool).await?)
    }

    /// Ends a wait with its output, or is refused with the reason.
    pub(crate) async fn complete(&self, token: &str, output: &Payload, actor: Actor<'_>) -> Result<(), StoreError> {
        let sql = through_a_face!("piton.complete($2, $3::json, $4)");
        let asked = sqlx::query(sql).bind(actor.face.as_str()).bind(token).bind(output.as_str()).bind(actor.name);
        asked.execute(&self.pool).await?;
        Ok(())
    }

    /// Ends a wait with a failure, or is refused with the reason.
    pub(crate) async fn fail(
        &self,
        token: &str,
        failure: ServiceFailure<'_>,
        actor: Actor<'_>,
    ) -> Result<(), StoreError> {
        let sql = through_a_face!("piton.fail($2, $3, $4, $5, $6)");
        let retry_after = failure.retry_after.map(|wait| PgInterval {
            months: 0,
            days: 0,
            microseconds: i64::try_from(wait.as_micros()).unwrap_or(i64::MAX),
        });
        let asked = sqlx::query(sql).bind(actor.face.as_str()).bind(token).bind(failure.class.as_str());
        asked.bind(failure.message).bind(retry_after).bind(actor.name).execute(&self.pool).await?;
        Ok(())
    }

    /// Says that a service is still at work, or is refused with the reason.
    pub(crate) async fn heartbeat(&self, token: &str, progress: Option<&str>) -> Result<(), StoreError> {
        let asked = sqlx::query("select piton.heartbeat($1, $2::json)").bind(token).bind(progress);
        asked.execute(&self.pool).await?;
        Ok(())
    }

    /// Puts on record that a service which was asked again has failed, while the claim holds: a later attempt asks it anew. May be sent
    /// again; `false` when the claim no longer holds.
    pub(crate) async fn record_service_failure(&self, claim: &Claim, said: &SaidFailure) -> Result<bool, StoreError> {
        let said = serde_json::to_string(said).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let done = sqlx::query_with(SERVICE_FAILED, fence(claim)?).bind(said).execute(&self.pool).await?;
        Ok(done.rows_affected() > 0)
    }
}
