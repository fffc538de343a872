//! Whether a server owes an answer, and since when nothing has come.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

/// How long a server may be silent while it owes an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Silence {
    /// Until it has let us in.
    pub(super) at_first: Option<Duration>,
    /// `None` waits for a statement for as long as it takes.
    pub(super) later: Option<Duration>,
}

#[derive(Debug)]
struct State {
    /// It owes an answer.
    owes: bool,
    /// What it has sent is on its way to whoever asked, who may take their time.
    handing_over: bool,
    is_in: bool,
    last: Instant,
}

/// One connection, as both of its directions see it.
#[derive(Debug)]
pub(super) struct Flow {
    state: Mutex<State>,
    silence: Silence,
}

impl Flow {
    pub(super) fn new(silence: Silence) -> Flow {
        let state = State { owes: true, handing_over: false, is_in: false, last: Instant::now() };
        Flow { state: Mutex::new(state), silence }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is sent to the server.
    pub(super) fn asks(&self) {
        let mut state = self.state();
        (state.owes, state.last) = (true, Instant::now());
    }

    /// Something came; `ready` says that it was all. Said before it is handed over: the next question may be quicker.
    pub(super) fn hears(&self, ready: bool) {
        let mut state = self.state();
        state.is_in |= ready;
        state.owes &= !ready;
        state.handing_over = true;
    }

    pub(super) fn has_handed_over(&self) {
        let mut state = self.state();
        (state.handing_over, state.last) = (false, Instant::now());
    }

    fn limit(&self) -> Option<Duration> {
        if self.state().is_in { self.silence.later } else { self.silence.at_first }
    }

    /// When the patience ends, as things stand.
    fn end(&self) -> Option<Instant> {
        let limit = self.limit()?;
        let state = self.state();
        (state.owes && !state.handing_over).then(|| state.last + limit)
    }

    /// Returns when the server has been silent for too long, with how long that is.
    pub(super) async fn is_silent(&self) -> Duration {
        loop {
            match (self.end(), self.limit()) {
                (Some(end), Some(limit)) if end <= Instant::now() => return limit,
                (Some(end), _) => sleep_until(end).await,
                // A question that begins now is over before its patience is.
                (None, limit) => {
                    sleep(limit.unwrap_or(Duration::from_secs(3600)).min(Duration::from_secs(5)) / 2).await
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn only_a_server_that_owes_an_answer_is_silent() {
        let flow = Flow::new(Silence { at_first: Some(LIMIT), later: Some(LIMIT) });
        flow.hears(true);
        flow.has_handed_over();
        tokio::time::timeout(LIMIT * 3, flow.is_silent()).await.expect_err("nothing was asked");
        flow.asks();
        flow.hears(false);
        tokio::time::timeout(LIMIT * 3, flow.is_silent()).await.expect_err("whoever asked takes their time");
        flow.has_handed_over();
        let began = Instant::now();
        assert_eq!(flow.is_silent().await, LIMIT);
        assert!(began.elapsed() >= LIMIT);
    }

    #[tokio::test]
    async fn a_patient_connection_waits_for_a_statement_but_not_to_be_let_in() {
        let flow = Flow::new(Silence { at_first: Some(LIMIT), later: None });
        assert_eq!(flow.is_silent().await, LIMIT);
        flow.hears(true);
        flow.has_handed_over();
        flow.asks();
        tokio::time::timeout(LIMIT * 3, flow.is_silent()).await.expect_err("it is patient");
    }
}
