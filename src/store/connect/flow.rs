//! Whether a server owes an answer, and since when nothing has come.

use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// How long an idle connection may take to show that it is alive.
const PING: Duration = Duration::from_secs(3);

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
    /// It owes one to us, who asked whether it is there.
    pinged: Option<Instant>,
    /// What it has sent is on its way to whoever asked, who may take their time.
    handing_over: bool,
    is_in: bool,
    asked: Instant,
    heard: Instant,
    /// Another connection to the same server died.
    is_distrusted: bool,
    has_suspected: bool,
}

impl State {
    /// Since when it owes what.
    fn last(&self) -> Instant {
        self.asked.max(self.heard)
    }
}

/// One connection, as both of its directions see it.
#[derive(Debug)]
pub(super) struct Flow {
    state: Mutex<State>,
    silence: Silence,
    /// It is to be asked whether it lives.
    pub(super) ping: Notify,
    /// Something changed that `is_silent` should know.
    distrusted: Notify,
}

impl Flow {
    pub(super) fn new(silence: Silence) -> Flow {
        let now = Instant::now();
        let state = State {
            owes: true,
            pinged: None,
            handing_over: false,
            is_in: false,
            asked: now,
            heard: now,
            is_distrusted: false,
            has_suspected: false,
        };
        Flow { state: Mutex::new(state), silence, ping: Notify::new(), distrusted: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is sent to the server.
    pub(super) fn asks(&self) {
        let mut state = self.state();
        if !state.owes {
            state.has_suspected = false;
        }
        (state.owes, state.asked) = (true, Instant::now());
    }

    /// Whether it may be asked now if it lives: it is idle, and was not asked yet.
    pub(super) fn may_ping(&self) -> bool {
        let mut state = self.state();
        let may = state.is_in && !state.owes && !state.handing_over && state.pinged.is_none();
        if may {
            state.pinged = Some(Instant::now());
            self.distrusted.notify_one();
        }
        may
    }

    /// Whether the next "ready" is the answer to that.
    pub(super) fn is_pinged(&self) -> bool {
        self.state().pinged.is_some()
    }

    /// The answer to that has come.
    pub(super) fn ponged(&self) {
        let mut state = self.state();
        (state.pinged, state.heard) = (None, Instant::now());
    }

    /// Something came; `ready` says that it was all. Said before it is handed over: the next question may be quicker.
    pub(super) fn hears(&self, ready: bool) {
        let mut state = self.state();
        state.is_in |= ready;
        state.owes &= !ready;
        state.handing_over = true;
        state.heard = Instant::now();
    }

    pub(super) fn has_handed_over(&self) {
        let mut state = self.state();
        (state.handing_over, state.heard) = (false, Instant::now());
    }

    /// Another connection was asked something at that moment, and never answered. A swift one that has been silent since
    /// then is no better.
    fn distrust(&self, since: Instant) {
        let mut state = self.state();
        if state.owes && state.heard < since && self.silence.later.is_some() {
            state.is_distrusted = true;
            self.distrusted.notify_one();
        }
    }

    /// When the patience ends, and for how long an answer was owed then; `None` for one that only we asked for.
    fn end(&self) -> Option<(Instant, Option<Duration>)> {
        let state = self.state();
        if let Some(at) = state.pinged {
            return Some((at + PING, None));
        }
        let limit = if state.is_in { self.silence.later } else { self.silence.at_first }?;
        if state.is_distrusted {
            return Some((state.last(), Some(state.asked.elapsed())));
        }
        (state.owes && !state.handing_over).then(|| (state.last() + limit, Some(limit)))
    }

    /// When the others are to be asked whether they live: halfway.
    fn suspicion(&self) -> Option<Instant> {
        let (state, limit) = (self.state(), self.silence.later?);
        (state.is_in && state.owes && !state.handing_over && !state.has_suspected).then(|| state.last() + limit / 2)
    }

    /// Returns when the server has been silent for too long, with how long it owed an answer; `None` where it was only
    /// asked whether it is there.
    pub(super) async fn is_silent(&self, all: &Flows) -> Option<Duration> {
        loop {
            let now = Instant::now();
            if self.suspicion().is_some_and(|at| at <= now) {
                self.state().has_suspected = true;
                all.ping();
            }
            let wake = match self.end() {
                Some((end, limit)) if end <= now => {
                    // The lock is not held while the others are told: this one is among them.
                    let asked = self.state().asked;
                    all.distrust(asked);
                    return limit;
                }
                Some((end, _)) => self.suspicion().map_or(end, |at| at.min(end)),
                // A question that begins now is noticed before its patience is half over.
                None => now + self.silence.later.unwrap_or(Duration::from_secs(60)) / 4,
            };
            tokio::select! {
                () = sleep_until(wake) => {}
                () = self.distrusted.notified() => {}
            }
            // Not without end, whatever the clock does.
            sleep(Duration::from_millis(1)).await;
        }
    }
}

/// All connections to a database.
#[derive(Debug, Default)]
pub(super) struct Flows(Mutex<Vec<Weak<Flow>>>);

impl Flows {
    pub(super) fn add(&self, flow: Weak<Flow>) {
        let mut flows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flows.retain(|flow| flow.strong_count() > 0);
        flows.push(flow);
    }

    fn each(&self, act: impl Fn(&Flow)) {
        let flows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flows.iter().filter_map(Weak::upgrade).for_each(|flow| act(&flow));
    }

    /// Those that are idle are asked whether they live: whoever gets the next one should not wait for a dead one too.
    fn ping(&self) {
        self.each(|flow| flow.ping.notify_one());
    }

    fn distrust(&self, since: Instant) {
        self.each(|flow| flow.distrust(since));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(400);

    fn in_use(later: Option<Duration>) -> Arc<Flow> {
        let flow = Flow::new(Silence { at_first: Some(LIMIT), later });
        flow.hears(true);
        flow.has_handed_over();
        Arc::new(flow)
    }

    async fn is_patient(flow: &Flow, why: &str) {
        tokio::time::timeout(LIMIT * 2, flow.is_silent(&Flows::default())).await.expect_err(why);
    }

    #[tokio::test]
    async fn only_a_server_that_owes_an_answer_is_silent() {
        let flow = in_use(Some(LIMIT));
        is_patient(&flow, "nothing was asked").await;
        flow.asks();
        flow.hears(false);
        is_patient(&flow, "whoever asked takes their time").await;
        flow.has_handed_over();
        let began = Instant::now();
        assert_eq!(flow.is_silent(&Flows::default()).await, Some(LIMIT));
        assert!(began.elapsed() >= LIMIT);
    }

    #[tokio::test]
    async fn a_patient_connection_waits_for_a_statement_but_not_to_be_let_in() {
        let new = Flow::new(Silence { at_first: Some(LIMIT), later: None });
        assert_eq!(new.is_silent(&Flows::default()).await, Some(LIMIT));
        let flow = in_use(None);
        flow.asks();
        is_patient(&flow, "it is patient").await;
    }

    #[tokio::test]
    async fn whoever_is_suspected_has_the_idle_ones_asked_and_takes_the_silent_ones_along() {
        let flows = Flows::default();
        let (asked_first, asked_later, idle) = (in_use(Some(LIMIT)), in_use(Some(LIMIT)), in_use(None));
        for flow in [&asked_first, &asked_later, &idle] {
            flows.add(Arc::downgrade(flow));
        }
        asked_first.asks();
        let began = Instant::now();
        let first = asked_first.is_silent(&flows);
        let pinged = async {
            idle.ping.notified().await;
            let at = began.elapsed();
            asked_later.asks();
            at
        };
        let (_, at) = tokio::join!(first, pinged);
        assert!(at < LIMIT, "the idle one is asked halfway");
        assert!(idle.may_ping() && !idle.may_ping(), "once");
        asked_later.is_silent(&flows).await;
        assert!(began.elapsed() < LIMIT + LIMIT / 4, "it had no patience of its own any more");
    }
}
