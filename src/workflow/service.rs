//! What a stage waits for when it has asked a service: the service calls back, or is asked again until it is done. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::duration;
use super::template::Template;
use crate::model::failure::FailureClass;

/// What a place begins with that the service's first answer is found at.
pub(crate) const ANSWER: &str = "answer";

/// The wait of a stage that asks a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceWait {
    #[serde(rename = "for")]
    pub(crate) door: Door,
    /// How long it is waited for.
    #[serde(rename = "timeout_ms", with = "super::duration::millis")]
    pub(crate) timeout: Duration,
    /// JSON text of the output where nothing has come by then; without it, the job fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on_timeout: Option<String>,
}

/// How the answer comes in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Door {
    /// The service calls back, with a token.
    Callback(CallbackDoor),
    /// The service is asked again.
    Poll(PollDoor),
}

/// A service that calls back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallbackDoor {
    /// How long it may say nothing.
    #[serde(
        rename = "heartbeat_ms",
        default,
        with = "super::duration::optional_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) heartbeat: Option<Duration>,
}

/// A service that is asked again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PollDoor {
    /// Places of the service's first answer stand behind the host, under `answer`.
    pub(crate) url: Template,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, Template>,
    #[serde(rename = "every_ms", with = "super::duration::millis")]
    pub(crate) every: Duration,
    /// Read the keys of what the service answers.
    pub(crate) done: Condition,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<Condition>,
    /// Where the output is in that; empty for all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) output: Vec<String>,
    /// What a failure of the service is.
    pub(crate) class: FailureClass,
}

impl ServiceWait {
    /// The texts that are filled in.
    pub(crate) fn templates(&self) -> impl Iterator<Item = &Template> {
        let poll = match &self.door {
            Door::Poll(poll) => Some(poll),
            Door::Callback(_) => None,
        };
        poll.into_iter().flat_map(|poll| [&poll.url].into_iter().chain(poll.headers.values()))
    }

    /// Whether it is within what a file may say.
    pub(super) fn is_sound(&self) -> bool {
        let spans = match &self.door {
            Door::Callback(callback) => callback.heartbeat,
            Door::Poll(poll) => Some(poll.every),
        };
        let is_json = |text: &String| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        let class_fits = match &self.door {
            Door::Callback(_) => true,
            Door::Poll(poll) => poll.class.is_returned_by_stages(),
        };
        [Some(self.timeout), spans].into_iter().flatten().all(|span| duration::checked(span).is_ok())
            && self.on_timeout.as_ref().is_none_or(is_json)
            && class_fits
    }
}
