//! Why an attempt failed: one of eleven classes, a message for people, and the wait that a retry should honour.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::quoted::quoted;
use super::resource::{Resource, out_of_descriptors};
use super::state::states;
use super::texts;

states! {
    /// The class of a failure decides whether and when the job is tried again.
    #[derive(PartialOrd, Ord, serde::Deserialize)]
    #[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
    #[non_exhaustive]
    pub enum FailureClass {
        /// A service did not answer in time, or the stage ran out of its own time.
        NetworkTimeout = "network_timeout",
        /// A service asked to be called less often.
        RateLimited = "rate_limited",
        /// A service is down, or something the stage needs is not there just now.
        ResourceUnavailable = "resource_unavailable",
        /// The stage ran out of memory.
        OutOfMemory = "out_of_memory",
        /// Anything else; also a panic.
        Unknown = "unknown",
        /// The input can never work; not retried.
        InvalidInput = "invalid_input",
        /// Credentials are missing or refused; not retried.
        AuthFailure = "auth_failure",
        /// The worker's process died under the job. Handlers cannot return it.
        Crashed = "crashed",
        /// A stored output is not what was committed. Handlers cannot return it.
        CorruptCheckpoint = "corrupt_checkpoint",
        /// Nobody answered before the deadline of a wait; not retried. Handlers cannot return it.
        WaitTimeout = "wait_timeout",
        /// The run that a stage has started failed, or was cancelled; not retried. Handlers cannot return it.
        ChildFailed = "child_failed",
        /// The last of the rounds that there may be was not good enough; not retried. Handlers cannot return it.
        NotGoodEnough = "not_good_enough",
    }
}

/// The word is no failure class.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is no failure class; the classes a stage can fail with are {list}", quoted(.0), list = returnable())]
pub struct UnknownClass(String);

fn returnable() -> String {
    let words: Vec<&str> = FailureClass::ALL.iter().filter(|c| c.is_returned_by_stages()).map(|c| c.as_str()).collect();
    words.join(", ")
}

impl FailureClass {
    /// A stage cannot know that a process died, that a checkpoint is damaged, that a wait is over, or that no round is left.
    pub(crate) fn is_returned_by_stages(self) -> bool {
        !matches!(
            self,
            FailureClass::Crashed
                | FailureClass::CorruptCheckpoint
                | FailureClass::WaitTimeout
                | FailureClass::ChildFailed
                | FailureClass::NotGoodEnough
        )
    }

    /// Whether files may say how it is retried. To retry a wait is to wait once more, to retry a run to start another one.
    pub(crate) fn has_rules(self) -> bool {
        self.is_returned_by_stages() || matches!(self, FailureClass::WaitTimeout | FailureClass::ChildFailed)
    }
}

impl FromStr for FailureClass {
    type Err = UnknownClass;

    fn from_str(word: &str) -> Result<Self, UnknownClass> {
        FailureClass::from_word(word).ok_or_else(|| UnknownClass(word.to_owned()))
    }
}

/// What a stage returns when it could not finish.
///
/// It survives a crash as a row of `piton.attempts`. Message and detail are stored, so put no secret in them.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    class: FailureClass,
    message: String,
    detail: Option<serde_json::Value>,
    retry_after: Option<Duration>,
    /// What the worker lacked: then it is no failure of the job.
    lacks: Option<Resource>,
}

/// Longest message that is kept, in bytes; what is longer is cut at a character.
const MESSAGE_LIMIT: usize = 8 * 1024;
/// Behind a message that was cut.
const CUT: &str = "…";
/// Stands for a message that the database did not take.
const REFUSED: &str = "the database refused the text of this failure; the log of its worker has it";
/// Longest detail that is kept, in bytes of JSON; what is longer is replaced by a note.
const DETAIL_LIMIT: usize = 512 * 1024;

impl Failure {
    /// A failure of that class. Those that a stage cannot know of, `crashed`, `corrupt_checkpoint`, `wait_timeout`,
    /// `child_failed` and `not_good_enough`, become `unknown`.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        let class = if class.is_returned_by_stages() { class } else { FailureClass::Unknown };
        Failure::found(class, message)
    }

    /// A failure that Piton itself found, of any class.
    pub(crate) fn found(class: FailureClass, message: impl Into<String>) -> Self {
        Failure {
            class,
            message: storable(message.into(), MESSAGE_LIMIT),
            detail: None,
            retry_after: None,
            lacks: None,
        }
    }

    /// A service did not answer in time. Retried.
    pub fn network_timeout(message: impl Into<String>) -> Self {
        Failure::new(FailureClass::NetworkTimeout, message)
    }

    /// A service asked to be called less often. Retried; see [`Failure::retry_after`].
    pub fn rate_limited(message: impl Into<String>) -> Self {
        Failure::new(FailureClass::RateLimited, message)
    }

    /// A service is down, or something is not there just now. Retried.
    pub fn resource_unavailable(message: impl Into<String>) -> Self {
        Failure::new(FailureClass::ResourceUnavailable, message)
    }

    /// The stage ran out of memory. Retried once.
    pub fn out_of_memory(message: impl Into<String>) -> Self {
        Failure::new(FailureClass::OutOfMemory, message)
    }

    /// Nothing more is known. Retried a few times.
    pub fn unknown(message: impl Into<String>) -> Self {
        Failure::new(FailureClass::Unknown, message)
    }

    /// The input can never work. Not retried.
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Failure::new(FailureClass::InvalidInput, message)
    }

    /// Credentials are missing or refused. Not retried.
    pub fn auth_failure(message: impl Into<String>) -> Self {
        Failure::new(FailureClass::AuthFailure, message)
    }

    /// Not before that long: wins over the policy's delay when it is longer. More than 7 days is not believed.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// More about it, kept as JSON with the attempt.
    #[must_use]
    pub fn detail(mut self, detail: serde_json::Value) -> Self {
        self.detail = Some(detail);
        self
    }

    /// One more thing about it, beside what the detail says already.
    pub(crate) fn note(mut self, key: &str, text: &str) -> Self {
        let detail = self.detail.take().unwrap_or_else(|| serde_json::json!({}));
        self.detail = Some(match detail {
            serde_json::Value::Object(mut detail) => {
                detail.insert(key.to_owned(), text.into());
                detail.into()
            }
            detail => serde_json::json!({"detail": detail, key: text}),
        });
        self
    }

    /// It is the worker that lacked something, where that is known.
    pub(crate) fn for_lack_of(self, lacks: impl Into<Option<Resource>>) -> Failure {
        Failure { lacks: lacks.into(), ..self }
    }

    /// What the worker lacked, where that is why.
    pub(crate) fn lacks(&self) -> Option<Resource> {
        self.lacks
    }

    /// Its class.
    pub fn class(&self) -> FailureClass {
        self.class
    }

    /// Its message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// With another message.
    pub(crate) fn map_message(self, change: impl FnOnce(&str) -> String) -> Failure {
        Failure { message: storable(change(&self.message), MESSAGE_LIMIT), ..self }
    }

    /// With every text of it as `hide` gives it back, which is told whether the text is whole.
    pub(crate) fn redacted(self, hide: impl Fn(&str, bool) -> String) -> Failure {
        let was_cut = self.message.strip_suffix(CUT).filter(|_| self.message.len() >= MESSAGE_LIMIT);
        let message = match was_cut {
            Some(beginning) => hide(beginning, false) + CUT,
            None => hide(&self.message, true),
        };
        let detail = self.detail.map(|detail| texts::changed(detail, &|text: &str| hide(text, true)));
        Failure { message: storable(message, MESSAGE_LIMIT), detail, ..self }
    }

    /// The same failure in words that every database takes, where it has others.
    pub(crate) fn without_its_text(&self) -> Option<Failure> {
        let has_another = self.message != REFUSED || self.detail.is_some();
        has_another.then(|| Failure { message: REFUSED.to_owned(), detail: None, ..self.clone() })
    }

    pub(crate) fn wait(&self) -> Option<Duration> {
        self.retry_after
    }

    /// About as many bytes as it has where it is kept.
    pub(crate) fn bytes(&self) -> usize {
        self.message.len() + self.detail.as_ref().map_or(0, weight)
    }

    /// The detail as Postgres can keep it.
    pub(crate) fn detail_json(&self) -> Option<String> {
        let text = self.detail.as_ref()?.to_string();
        if text.len() > DETAIL_LIMIT {
            return Some(format!("{{\"left_out\":\"{} bytes of detail\"}}", text.len()));
        }
        Some(text.replace("\\u0000", "\\ufffd"))
    }
}

/// The texts in it, which are what may be long.
fn weight(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(values) => values.iter().map(weight).sum(),
        serde_json::Value::Object(values) => values.iter().map(|(key, value)| key.len() + weight(value)).sum(),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => 8,
    }
}

/// Postgres keeps no NUL in text, and a row is no place for a megabyte of message.
fn storable(mut text: String, limit: usize) -> String {
    if text.contains('\0') {
        text = text.replace('\0', "\u{fffd}");
    }
    if text.len() > limit {
        let cut = (0..=limit).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(cut);
        text.push_str(CUT);
    }
    text
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

impl std::error::Error for Failure {}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        // What a reader of Piton's own wraps.
        if let Some(failure) = error.get_ref().and_then(|inner| inner.downcast_ref::<Failure>()) {
            return failure.clone();
        }
        let class = match error.kind() {
            K::TimedOut => FailureClass::NetworkTimeout,
            _ if out_of_descriptors(&error).is_some() => FailureClass::ResourceUnavailable,
            K::ConnectionRefused | K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => {
                FailureClass::ResourceUnavailable
            }
            // Another worker may have more room.
            K::StorageFull | K::QuotaExceeded | K::FileTooLarge => FailureClass::ResourceUnavailable,
            K::PermissionDenied => FailureClass::AuthFailure,
            K::OutOfMemory => FailureClass::OutOfMemory,
            K::InvalidInput | K::InvalidData => FailureClass::InvalidInput,
            _ => FailureClass::Unknown,
        };
        Failure { lacks: out_of_descriptors(&error), ..Failure::new(class, error.to_string()) }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Failure::invalid_input(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_at_a_character_and_carries_no_nul() {
        let failure = Failure::unknown(format!("a\0{}", "é".repeat(MESSAGE_LIMIT)));
        assert!(failure.message().starts_with("a\u{fffd}é"));
        assert!(failure.message().len() <= MESSAGE_LIMIT + '…'.len_utf8());
    }

    #[test]
    fn every_text_of_a_failure_is_redacted_and_one_that_was_cut_is_said_to_be() {
        let hide = |text: &str, whole: bool| if whole { text.replace("secret", "-") } else { text.replace("sec", "+") };
        let detail = serde_json::json!({"secret": ["a secret", 1, {"x": "secret"}], "y": null});
        let failure = Failure::unknown("a secret").detail(detail).redacted(hide);
        assert_eq!(failure.message(), "a -");
        assert_eq!(failure.detail_json().as_deref(), Some(r#"{"-":["a -",1,{"x":"-"}],"y":null}"#));
        let cut = Failure::unknown("x".repeat(MESSAGE_LIMIT - 3) + "secret").redacted(hide);
        assert!(cut.message().ends_with("x+…"), "{}", &cut.message()[MESSAGE_LIMIT - 9..]);
    }

    #[test]
    fn a_text_that_was_refused_is_replaced_once_and_the_rest_stays() {
        let failure = Failure::rate_limited("x").detail(serde_json::json!(1)).retry_after(Duration::from_secs(1));
        let other = failure.without_its_text().expect("another text");
        assert_eq!((other.class(), other.wait()), (failure.class(), failure.wait()));
        assert_eq!((other.message(), other.detail_json()), (REFUSED, None));
        assert_eq!(other.without_its_text(), None);
    }

    #[test]
    fn a_handler_cannot_return_the_classes_that_are_piton_s_own() {
        let class_of = |class| Failure::new(class, "x").class();
        assert_eq!(class_of(FailureClass::Crashed), FailureClass::Unknown);
        assert_eq!(class_of(FailureClass::CorruptCheckpoint), FailureClass::Unknown);
        assert_eq!(class_of(FailureClass::WaitTimeout), FailureClass::Unknown);
        assert_eq!(class_of(FailureClass::ChildFailed), FailureClass::Unknown);
        assert_eq!(class_of(FailureClass::AuthFailure), FailureClass::AuthFailure);
    }

    #[test]
    fn every_class_is_read_back_from_its_word() {
        for class in FailureClass::ALL {
            assert_eq!(class.as_str().parse::<FailureClass>().ok(), Some(*class));
        }
        let error = "rate_limit".parse::<FailureClass>().unwrap_err().to_string();
        assert!(error.starts_with("`rate_limit` is no failure class") && error.contains("rate_limited"));
    }
}
