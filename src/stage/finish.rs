//! A program that ends its attempt itself, with `piton.finish` in a transaction of its own: its rows and the output of its stage are
//! committed together, or neither is. The worker makes a checkpoint of that output, now or in a later attempt, and never starts the
//! program again.

use std::fmt;

use sha2::{Digest, Sha256};

use super::context::StageContext;
use super::own_rows::StageTransaction;
use super::steps::wait;
use crate::meters::finishes::Finish;
use crate::model::artifact::in_a_line;
use crate::model::claim::Claim;
use crate::model::digest;
use crate::model::failure::{Failure, FailureClass};
use crate::model::payload::Payload;
use crate::store::Store;
use crate::store::backoff::Backoff;
use crate::store::finishes::{Opened, StoredFinish, is_recorded};

/// Variable that a program finds its token in.
pub(crate) const VARIABLE: &str = "PITON_ATTEMPT_TOKEN";

/// What is said of a program that ended well and has returned nothing, one way or the other.
pub(super) const NOTHING: &str = "the command ended without an output: neither did it call piton.finish and commit, nor did it print one; \
                                  see that its transaction is committed";

/// What is said where the commit of a program was lost behind it.
const LOST: &str = "what the program committed with piton.finish is gone: a failover of the database has lost it, with the program's rows";

/// The right to finish one attempt; a secret, which turns up in no log.
#[derive(Clone)]
pub(crate) struct AttemptToken {
    text: String,
    digest: [u8; 32],
}

impl AttemptToken {
    /// With 128 random bits. In front of them is where `piton.finish` finds the attempt.
    fn draw(claim: &Claim) -> AttemptToken {
        let secret = digest::hex(&rand::random::<[u8; 16]>());
        let text = format!("{}.{}.{}.{secret}", claim.key.run.0, claim.key.stage, claim.key.item);
        AttemptToken { text, digest: Sha256::digest(secret).into() }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for AttemptToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttemptToken(…)")
    }
}

/// One attempt of a program that may finish it.
#[derive(Debug)]
pub(crate) struct Finishing {
    store: Store,
    claim: Claim,
    context: StageContext,
    most_bytes: usize,
}

impl Finishing {
    pub(crate) fn new(store: Store, claim: Claim, context: StageContext, most_bytes: usize) -> Finishing {
        Finishing { store, claim, context, most_bytes }
    }

    /// Runs the program, unless an earlier attempt has finished; how it ends counts only where it did not finish.
    pub(crate) async fn around<Fut>(self, program: impl FnOnce(AttemptToken) -> Fut) -> Result<Payload, Failure>
    where
        Fut: Future<Output = Result<Payload, Failure>>,
    {
        let token = AttemptToken::draw(&self.claim);
        match self.open(&token).await? {
            Opened::Open => {}
            Opened::FinishedBefore(finish) => {
                tracing::info!(
                    "an earlier attempt has called piton.finish: its output is taken, and the program is not started"
                );
                return self.taken(&finish, Finish::TakenOver).await;
            }
            Opened::Fenced => {
                self.count(Finish::Over);
                return Err(Failure::unknown("this attempt no longer holds the job"));
            }
        }
        let ended = program(token.clone()).await;
        // Here nothing of the program runs any more. What it has sent before is waited for; what comes later is refused.
        let Some(finish) = self.close(&token).await? else {
            self.count(if ended.is_ok() { Finish::Returned } else { Finish::Failed });
            return ended;
        };
        let how = if has_failed(&ended) { Finish::FinishedThenFailed } else { Finish::Finished };
        let output = self.taken(&finish, how).await?;
        tell(&ended, &output);
        Ok(output)
    }

    /// Makes the checkpoint of it, in a transaction that finds it recorded: a database that has failed over since may have lost it,
    /// and the program's rows with it.
    async fn taken(&self, finish: &StoredFinish, how: Finish) -> Result<Payload, Failure> {
        let output = read_back(finish);
        self.count(if output.is_ok() { how } else { Finish::Corrupt });
        let output = output?;
        let find = |mut transaction: StageTransaction| async move {
            match is_recorded(&mut transaction, &self.claim, finish).await? {
                true => Ok(()),
                false => Err(Failure::unknown(LOST)),
            }
        };
        let committed =
            self.context.own_rows.commit_as(&self.context.cancellation, find, |()| Ok(output.clone())).await;
        committed.map(|_| output)
    }

    fn count(&self, how: Finish) {
        how.count(self.context.workflow(), self.context.stage());
    }

    /// A database that is away is waited for, as long as the stage may run.
    async fn open(&self, token: &AttemptToken) -> Result<Opened, Failure> {
        let mut backoff = Backoff::default();
        loop {
            match self.store.open_finish(&self.claim, &token.digest, self.most_bytes).await {
                Ok(opened) => return Ok(opened),
                Err(error) => wait(&mut backoff, error, "a command with finish = true").await?,
            }
        }
    }

    async fn close(&self, token: &AttemptToken) -> Result<Option<StoredFinish>, Failure> {
        let mut backoff = Backoff::default();
        loop {
            match self.store.close_finish(&self.claim, &token.digest).await {
                Ok(finish) => return Ok(finish),
                Err(error) => wait(&mut backoff, error, "the end of a command with finish = true").await?,
            }
        }
    }
}

/// To have printed nothing is no failure of a program that has finished.
fn has_failed(ended: &Result<Payload, Failure>) -> bool {
    ended.as_ref().is_err_and(|failure| failure.message() != NOTHING)
}

/// What happened otherwise, and counts for nothing.
fn tell(ended: &Result<Payload, Failure>, output: &Payload) {
    match ended {
        Ok(other) if other == output => {}
        Ok(_) => tracing::warn!("the program called piton.finish and returned another output, which is ignored"),
        Err(failure) if failure.message() == NOTHING => {}
        Err(failure) => {
            let failure = in_a_line(&failure.to_string());
            tracing::warn!("the program called piton.finish and failed afterwards, which changes nothing: {failure}")
        }
    }
}

/// What was recorded is what is read back, or a failure (promise 8).
fn read_back(finish: &StoredFinish) -> Result<Payload, Failure> {
    let found = digest::of(&finish.output);
    if found.as_slice() != finish.digest.as_slice() {
        let failure =
            Failure::found(FailureClass::CorruptCheckpoint, "what the program finished with is not what was recorded");
        return Err(failure.detail(serde_json::json!({
            "expected_sha256": digest::hex(&finish.digest), "found_sha256": digest::hex(&found),
        })));
    }
    // Its size was checked by the limit of the worker that ran the program.
    Payload::parse(&finish.output, usize::MAX).map_err(super::own_rows::refused)
}
