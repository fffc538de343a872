//! Steps that a handler wants recorded: each is a row of its own, and does not run again when the stage does.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::records::Records;
use crate::model::claim::Claim;
use crate::model::digest;
use crate::model::failure::{Failure, FailureClass};
use crate::model::payload::Payload;
use crate::store::StoreError;
use crate::store::backoff::Backoff;
use crate::store::steps::StoredStep;

/// Characters of a step's name.
const LONGEST_NAME: usize = 200;
/// Bytes of all outputs of a job's steps: the next attempt reads them at once.
const MOST_BYTES: usize = 64 << 20;

/// The steps of one attempt. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Steps(Arc<Inner>);

struct Inner {
    records: Records,
    claim: Claim,
    /// Bytes of one output.
    limit: usize,
    cancellation: Arc<CancellationToken>,
    /// What earlier attempts recorded; read when the first step asks.
    earlier: OnceCell<HashMap<String, StoredStep>>,
    /// Names that this attempt has used.
    used: Mutex<HashSet<String>>,
    /// Bytes of what was recorded, by this attempt and by earlier ones.
    bytes: AtomicUsize,
}

impl Steps {
    pub(crate) fn new(records: Records, claim: Claim, limit: usize, cancellation: Arc<CancellationToken>) -> Steps {
        let (earlier, used, bytes) = (OnceCell::new(), Mutex::default(), AtomicUsize::default());
        Steps(Arc::new(Inner { records, claim, limit, cancellation, earlier, used, bytes }))
    }

    /// The job, and where it is known.
    pub(super) fn job(&self) -> (&Records, &Claim) {
        (&self.0.records, &self.0.claim)
    }

    /// What the step of that name returned in an earlier attempt; else it runs now and is recorded.
    pub(crate) async fn step<T, E, Fut>(&self, name: &str, work: impl FnOnce() -> Fut) -> Result<T, Failure>
    where
        T: Serialize + DeserializeOwned,
        E: Into<Failure>,
        Fut: Future<Output = Result<T, E>>,
    {
        self.take_name(name)?;
        if let Some(stored) = self.earlier().await?.get(name) {
            return read_back(stored);
        }
        let output = work().await.map_err(Into::into)?;
        let payload = Payload::of(&output, self.0.limit)
            .map_err(|error| Failure::invalid_input(format!("the output of step `{name}` was refused: {error}")))?;
        let bytes = payload.as_str().len();
        refuse_too_many(name, self.0.bytes.fetch_add(bytes, Ordering::Relaxed), bytes)?;
        self.record(name, &payload).await?;
        Ok(output)
    }

    fn take_name(&self, name: &str) -> Result<(), Failure> {
        let length = name.chars().count();
        if length == 0 || length > LONGEST_NAME || name.contains('\0') {
            return Err(Failure::invalid_input(format!(
                "a step's name has 1 to {LONGEST_NAME} characters, and no NUL; this one has {length}"
            )));
        }
        if !self.0.used.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned()) {
            return Err(Failure::invalid_input(format!(
                "two steps of one attempt are named `{name}`; give each a name of its own, such as `{name}-2`"
            )));
        }
        Ok(())
    }

    async fn earlier(&self) -> Result<&HashMap<String, StoredStep>, Failure> {
        self.0.earlier.get_or_try_init(|| self.read_earlier()).await
    }

    async fn read_earlier(&self) -> Result<HashMap<String, StoredStep>, Failure> {
        let mut backoff = Backoff::default();
        loop {
            match self.0.records.steps(&self.0.claim).await {
                Ok(steps) => {
                    self.0.bytes.fetch_add(steps.iter().map(|step| step.output.len()).sum(), Ordering::Relaxed);
                    return Ok(steps.into_iter().map(|step| (step.name.clone(), step)).collect());
                }
                Err(error) => wait(&mut backoff, error, "a step").await?,
            }
        }
    }

    async fn record(&self, name: &str, output: &Payload) -> Result<(), Failure> {
        let mut backoff = Backoff::default();
        loop {
            match self.0.records.record_step(&self.0.claim, name, output).await {
                Ok(true) => return Ok(()),
                Ok(false) => break,
                Err(error) => wait(&mut backoff, error, "a step").await?,
            }
        }
        // Whatever the handler does next, its result will not be used.
        self.0.cancellation.cancel();
        Err(Failure::unknown(format!("step `{name}` was not recorded: this attempt no longer holds the job")))
    }
}

fn refuse_too_many(name: &str, before: usize, bytes: usize) -> Result<(), Failure> {
    if before.saturating_add(bytes) <= MOST_BYTES {
        return Ok(());
    }
    Err(Failure::invalid_input(format!(
        "with step `{name}` the steps of this job come to more than {} MiB; keep big things in files and remember their names",
        MOST_BYTES >> 20
    )))
}

/// Waits for a database that is away, for as long as the stage may run.
pub(crate) async fn wait(backoff: &mut Backoff, error: StoreError, what: &str) -> Result<(), Failure> {
    let StoreError::Away(_) = error else {
        return Err(Failure::unknown(format!("the database refused {what}: {error}")));
    };
    if backoff.is_first() {
        tracing::warn!("{what} waits: {error}");
    }
    backoff.wait().await;
    Ok(())
}

/// What was recorded is what is read back, or a failure (promise 8).
fn read_back<T: DeserializeOwned>(stored: &StoredStep) -> Result<T, Failure> {
    let StoredStep { name, digest: recorded, output } = stored;
    if digest::of(output).as_slice() != recorded.as_slice() {
        let message = format!("step `{name}` is not what was recorded");
        let failure = Failure::found(FailureClass::CorruptCheckpoint, message);
        // The step is named so that a retry does the job again from its start.
        return Err(failure.detail(serde_json::json!({
            "step": name, "expected_sha256": digest::hex(recorded), "found_sha256": digest::hex(&digest::of(output)),
        })));
    }
    serde_json::from_str(output).map_err(|error| {
        Failure::invalid_input(format!("what step `{name}` recorded does not fit what it returns now: {error}"))
    })
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").field("job", &self.0.claim.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_of_a_job_have_a_limit_together() {
        assert!(refuse_too_many("last", MOST_BYTES - 1, 1).is_ok());
        insta::assert_snapshot!(refuse_too_many("more", MOST_BYTES - 1, 2).unwrap_err(), @"invalid_input: with step `more` the steps of this job come to more than 64 MiB; keep big things in files and remember their names");
    }
}
