//! Whether a failure now would be the last one of its job.

use super::own_rows::AttemptEnd;
use super::steps::{Steps, wait};
use crate::model::failure::{Failure, FailureClass};
use crate::model::retry::Verdict;
use crate::store::backoff::Backoff;

/// With no class given, that of the job's last failure counts, and `unknown` where there was none.
pub(super) async fn is_last(steps: &Steps, end: &dyn AttemptEnd, class: Option<FailureClass>) -> Result<bool, Failure> {
    let (records, claim) = steps.job();
    let mut backoff = Backoff::default();
    let (class, history) = loop {
        match records.history(claim, class).await {
            Ok(known) => break known,
            Err(error) => wait(&mut backoff, error, "the history of a job").await?,
        }
    };
    // The shortest wait that its policy may choose: what is beyond the deadline even so is certain.
    Ok(end.policy().decide(class, history, None, 1.0) == Verdict::GiveUp)
}
