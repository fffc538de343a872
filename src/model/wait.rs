//! What a job waits for outside of Piton. A wait is a row that belongs to the job: it is written before anybody can answer, and whatever
//! attempt comes later finds it again.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use super::payload::Payload;
use super::state::states;

states! {
    /// What ends it.
    #[derive(serde::Deserialize)]
    #[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
    pub(crate) enum WaitKind {
        /// A time, or somebody who wakes it.
        Sleep = "sleep",
        /// A named answer to the run.
        Signal = "signal",
        /// The answer of a service that was asked.
        Callback = "callback",
        /// What a service says when it is asked again.
        Poll = "poll",
        /// The end of another run.
        Run = "run",
    }
}

states! {
    /// How it ended: once, by the first of these.
    pub(crate) enum WaitOutcome {
        /// There is an answer.
        Answered = "answered",
        /// The service says that it has failed; or the run that was waited for failed, or was cancelled.
        Failed = "failed",
        /// The service is to be asked again.
        Due = "due",
        /// Its deadline passed: of a sleep, its end has come.
        TimedOut = "timed_out",
        /// Somebody ended a sleep.
        Woken = "woken",
        /// Its job was cancelled, or given up by hand.
        Cancelled = "cancelled",
    }
}

/// A wait that an attempt begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewWait {
    pub(crate) kind: WaitKind,
    /// Of a signal; of a run, its workflow.
    pub(crate) name: Option<String>,
    /// By the database's clock.
    pub(crate) since: DateTime<Utc>,
    /// When it ends by itself.
    pub(crate) deadline: Option<DateTime<Utc>>,
    /// The run that is begun with it, whose end is waited for.
    pub(crate) child: Option<Box<NewChild>>,
    /// What else is known of a service that is waited for.
    pub(crate) service: Option<Box<AskedService>>,
}

/// A run that a stage starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewChild {
    pub(crate) workflow: String,
    pub(crate) input: Payload,
    /// Its end is not waited for.
    pub(crate) detached: bool,
}

/// A service that was asked, and is waited for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AskedService {
    /// JSON text of what it answered: its name for the work.
    pub(crate) handle: String,
    /// When the wait times out, whatever is heard of it.
    pub(crate) latest: DateTime<Utc>,
    /// How long it may say nothing.
    pub(crate) silence: Option<Duration>,
    /// How many polls in a row had no answer that could be read.
    pub(crate) misses: u32,
    /// What was wrong with the last one of them.
    pub(crate) trouble: Option<String>,
}

/// A wait that is over, as its job finds it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EndedWait {
    pub(crate) kind: WaitKind,
    pub(crate) outcome: WaitOutcome,
    /// `None` where the answer came before the job began to wait.
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) deadline: Option<DateTime<Utc>>,
    pub(crate) ended_at: DateTime<Utc>,
    /// The answer, with the digest that it was recorded under.
    pub(crate) answer: Option<(String, Vec<u8>)>,
    /// Of a wait for a service that had begun.
    pub(crate) service: Option<Box<AskedService>>,
}

/// What a service said of its failure.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct SaidFailure {
    pub(crate) class: String,
    pub(crate) message: String,
    /// In seconds.
    #[serde(default)]
    pub(crate) retry_after: Option<f64>,
}

/// A time as outputs have it.
pub(crate) fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
