//! Whether a failure now would be the last one of its job.

use super::own_rows::AttemptEnd;
use super::steps::{Steps, wait};
use crate::model::failure::{Failure, FailureClass};
use crate::model::retry::Verdict;
use crate::store::backoff::Backoff;

/// With no class given, that of the job's last failure counts, and `unknown` where there was none.
pub(super) async fn is_last(steps: &Steps, end: &dyn AttemptEnd, class: Option<FailureClass>) -> Result<bool, Failure> {
    let (store, claim) = steps.job();
    let mut backoff = Backoff::default();
    let (class, history) = loop {
        let asked = async {
            let class = match class {
                Some(class) => class,
                None => store.last_failure(claim).await?.unwrap_or(FailureClass::Unknown),
            };
            Ok((class, store.histories(&[(*claim, class)]).await?))
        };
        match asked.await {
            Ok((class, history)) => break (class, history.first().copied().unwrap_or_default()),
            Err(error) => wait(&mut backoff, error, "the history of a job").await?,
        }
    };
    // The shortest wait that its policy may choose: what is beyond the deadline even so is certain.
    Ok(end.policy().decide(class, history, None, 1.0) == Verdict::GiveUp)
}
