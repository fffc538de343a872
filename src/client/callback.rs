//! Answers for services that stages wait for.

use serde::Serialize;

use super::actor::{actor, name};
use super::error::WaitError;
use super::piton::Piton;
use crate::model::failure::Failure;
use crate::model::payload::{Payload, PayloadLimits};
use crate::store::callbacks::ServiceFailure;

impl Piton {
    /// Ends the wait that a token opens (see [`Callback`](crate::Callback)) with the output of its stage. The first answer counts, also one that comes
    /// before the stage waits; a later one is [`WaitError::Over`]. A token that opens nothing is [`WaitError::NotFound`].
    ///
    /// ```no_run
    /// # async fn rendered(piton: &piton::Piton, token: &str) -> Result<(), piton::WaitError> {
    /// piton.complete(token, &serde_json::json!({"url": "s3://films/1"})).await
    /// # }
    /// ```
    pub async fn complete(&self, token: &str, output: &impl Serialize) -> Result<(), WaitError> {
        let (by, output) = (name(), payload(output, "the output")?);
        self.shared.store.complete(token, &output, actor(&by)).await.map_err(WaitError::of)
    }

    /// Says for a service that it has failed. The job is retried by the class of the failure: then the service is asked anew, under the same
    /// idempotency key and with another token.
    pub async fn fail(&self, token: &str, failure: &Failure) -> Result<(), WaitError> {
        let by = name();
        let failure =
            ServiceFailure { class: failure.class(), message: Some(failure.message()), retry_after: failure.wait() };
        self.shared.store.fail(token, failure, actor(&by)).await.map_err(WaitError::of)
    }

    /// Says for a service that it is still at work, and how far it is, in 2,000 bytes of JSON at most. [`WaitError::NotFound`] once nobody
    /// waits any more: then the work is of no use.
    pub async fn heartbeat(&self, token: &str, progress: &impl Serialize) -> Result<(), WaitError> {
        let progress = payload(progress, "the progress")?;
        self.shared.store.heartbeat(token, Some(progress.as_str())).await.map_err(WaitError::of)
    }
}

fn payload(value: &impl Serialize, what: &str) -> Result<Payload, WaitError> {
    let most = PayloadLimits::default().payload_bytes;
    Payload::of(value, most).map_err(|error| WaitError::Invalid(format!("{what}: {error}")))
}
