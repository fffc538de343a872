//! What a run of the story workflow is asked for: one topic or one manuscript, and the switches of a simulation.

use piton::Failure;
use serde::Deserialize;

use crate::simulate::Simulate;
use crate::text;

/// A topic is a title, not a text; longer ones are manuscripts.
const TOPIC_CHARS: usize = 120;
/// More than ten times what fits into a short; beyond this nobody would recognise what is left.
const MANUSCRIPT_CHARS: usize = 12_000;

/// The run's input as it was sent. Every stage sees it under `input`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Request {
    pub(crate) topic: Option<String>,
    pub(crate) manuscript: Option<String>,
    #[serde(default)]
    pub(crate) simulate: Simulate,
}

/// The run's input once it is known to make sense.
#[derive(Debug, PartialEq)]
pub(crate) enum Subject {
    Topic(String),
    Manuscript(String),
}

impl Request {
    /// Exactly one of topic and manuscript, cleaned and of a sane length.
    pub(crate) fn subject(&self) -> Result<Subject, Failure> {
        match (&self.topic, &self.manuscript) {
            (Some(topic), None) => topic_of(topic),
            (None, Some(manuscript)) => manuscript_of(manuscript),
            (None, None) => Err(Failure::invalid_input(
                "the input has neither `topic` nor `manuscript`; send one, as in {\"topic\": \"the last lighthouse keepers\"}",
            )),
            (Some(_), Some(_)) => Err(Failure::invalid_input(
                "the input has both `topic` and `manuscript`; send one of them and leave the other out",
            )),
        }
    }
}

fn topic_of(topic: &str) -> Result<Subject, Failure> {
    let topic = text::one_line(topic);
    let topic = topic.trim_end_matches(['.', '!', '?', ' ', '…']);
    let chars = topic.chars().count();
    if !topic.chars().any(char::is_alphanumeric) {
        return Err(Failure::invalid_input("`topic` has no words; say in a few of them what the story is about"));
    }
    if chars > TOPIC_CHARS {
        return Err(Failure::invalid_input(format!(
            "`topic` has {chars} characters, at most {TOPIC_CHARS} are a topic; send a longer text as `manuscript`"
        )));
    }
    Ok(Subject::Topic(topic.to_owned()))
}

fn manuscript_of(manuscript: &str) -> Result<Subject, Failure> {
    let manuscript = text::clean(manuscript);
    let chars = manuscript.chars().count();
    if !manuscript.chars().any(char::is_alphanumeric) {
        return Err(Failure::invalid_input(
            "`manuscript` has no words; send the text to be filmed, about 150 words of it",
        ));
    }
    if chars > MANUSCRIPT_CHARS {
        return Err(Failure::invalid_input(format!(
            "`manuscript` has {chars} characters, at most {MANUSCRIPT_CHARS} are read; a short holds about 900"
        )));
    }
    Ok(Subject::Manuscript(manuscript))
}

#[cfg(test)]
mod tests {
    use super::{Request, Subject};

    fn topic(topic: &str) -> Request {
        Request { topic: Some(topic.into()), ..Request::default() }
    }

    #[test]
    fn one_subject_and_only_one_is_accepted() {
        assert_eq!(topic(" black\n holes? ").subject().unwrap(), Subject::Topic("black holes".into()));
        assert!(Request::default().subject().is_err());
        let mut both = topic("x");
        both.manuscript = Some("y".into());
        assert!(both.subject().is_err());
    }

    #[test]
    fn a_topic_without_words_or_without_end_is_refused() {
        for bad in ["", "  \n", "?!…", &"word ".repeat(2_000)] {
            assert!(topic(bad).subject().is_err(), "{bad:.20}");
        }
    }

    #[test]
    fn other_scripts_are_topics_too() {
        for good in ["منارة البحر", "深海の光", "🐙 octopuses"] {
            assert!(topic(good).subject().is_ok(), "{good}");
        }
    }
}
