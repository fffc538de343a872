//! Counts of what services say that call back, and of polls.

use super::catalog::{CALLBACKS, POLLS};

/// What became of a request to the callbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callback {
    Completed,
    Failed,
    Heartbeat,
    /// Its wait was answered before.
    Late,
    /// Its token opens nothing.
    Unknown,
    Invalid,
    /// Its client had too many tokens that open nothing.
    Limited,
    /// The database did not answer, or refused.
    Unanswered,
}

impl Callback {
    const ALL: [Callback; 8] = [
        Callback::Completed,
        Callback::Failed,
        Callback::Heartbeat,
        Callback::Late,
        Callback::Unknown,
        Callback::Invalid,
        Callback::Limited,
        Callback::Unanswered,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Callback::Completed => "completed",
            Callback::Failed => "failed",
            Callback::Heartbeat => "heartbeat",
            Callback::Late => "late",
            Callback::Unknown => "unknown",
            Callback::Invalid => "invalid",
            Callback::Limited => "limited",
            Callback::Unanswered => "unanswered",
        }
    }

    /// Every outcome shows from the start on, so that the first of its kind is seen as a change.
    pub(crate) fn begin_at_zero() {
        Callback::ALL.into_iter().for_each(|outcome| CALLBACKS.counter(&[outcome.as_str()]).increment(0));
    }

    pub(crate) fn count(self) {
        CALLBACKS.counter(&[self.as_str()]).increment(1);
    }
}

/// What became of a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poll {
    Working,
    Done,
    Failed,
    /// It had no answer that could be read.
    Missed,
}

impl Poll {
    const ALL: [Poll; 4] = [Poll::Working, Poll::Done, Poll::Failed, Poll::Missed];

    fn as_str(self) -> &'static str {
        match self {
            Poll::Working => "working",
            Poll::Done => "done",
            Poll::Failed => "failed",
            Poll::Missed => "missed",
        }
    }

    pub(crate) fn count(self, workflow: &str, stage: &str) {
        for outcome in Poll::ALL {
            POLLS.counter(&[workflow, stage, outcome.as_str()]).increment(u64::from(outcome == self));
        }
    }
}
