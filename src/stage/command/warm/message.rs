//! The messages between a worker and a warm program (docs/warm-programs.md). Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::super::verdict;
use crate::model::artifact::Artifact;

/// The version of the protocol.
const PROTOCOL: u32 = 1;
pub(super) const STOP: &str = r#"{"type":"stop"}"#;

/// What a program says.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    Ready,
    Log(Log),
    /// Of the job of that id.
    Of(String, About),
}

/// What a program says of a job.
#[derive(Debug, PartialEq)]
pub(super) enum About {
    Answer(Answer),
    Progress { done: u64, of: u64, note: String },
    Log(Log),
    Question(Question),
}

/// The end of a job.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// With the output as it was written, if it said one.
    Done(Option<String>),
    Failed(Failed),
}

/// Why a job failed, as far as its program says.
#[derive(Debug, PartialEq)]
pub(super) struct Failed {
    pub(super) class: Option<String>,
    pub(super) message: Option<String>,
    pub(super) retry_after: Option<Duration>,
    pub(super) detail: Option<serde_json::Value>,
}

/// A line for the log.
#[derive(Debug, PartialEq)]
pub(super) struct Log {
    pub(super) level: tracing::Level,
    pub(super) message: String,
}

/// What a program asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Question {
    File {
        path: String,
        name: Option<String>,
        artifact_type: Option<String>,
        content_type: Option<String>,
    },
    Step {
        name: String,
    },
    /// With the value as it was written.
    Record {
        name: String,
        value: String,
    },
}

/// A message before it is known what it means.
#[derive(Deserialize)]
struct Line<'l> {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    protocol: Option<u32>,
    #[serde(borrow, default, deserialize_with = "written")]
    output: Option<&'l RawValue>,
    class: Option<String>,
    #[serde(borrow)]
    message: Option<&'l RawValue>,
    #[serde(borrow)]
    retry_after: Option<&'l RawValue>,
    #[serde(borrow)]
    detail: Option<&'l RawValue>,
    done: Option<u64>,
    of: Option<u64>,
    note: Option<String>,
    level: Option<String>,
    path: Option<String>,
    name: Option<String>,
    artifact_type: Option<String>,
    content_type: Option<String>,
    #[serde(borrow, default, deserialize_with = "written")]
    value: Option<&'l RawValue>,
}

/// What stands there, also where it is null.
fn written<'de: 'l, 'l, D: Deserializer<'de>>(from: D) -> Result<Option<&'l RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// Reads a line; the error says what it is instead of a message.
pub(super) fn read(line: &[u8]) -> Result<Said, String> {
    let text = std::str::from_utf8(line).map_err(|_| "a line that is not UTF-8".to_owned())?;
    let line: Line<'_> = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => format!("a message that it does not know: {error}"),
        _ => format!("a line that is not JSON: {error}"),
    })?;
    let about = match line.kind.as_str() {
        "ready" if line.protocol == Some(PROTOCOL) => return Ok(Said::Ready),
        "ready" => {
            return Err(format!("a `ready` without \"protocol\": {PROTOCOL}, the only version that this Piton speaks"));
        }
        "log" => match (line.log()?, line.id) {
            (log, None) => return Ok(Said::Log(log)),
            (log, Some(id)) => return Ok(Said::Of(id, About::Log(log))),
        },
        "result" => About::Answer(Answer::Done(line.output.map(|output| output.get().to_owned()))),
        "failure" => About::Answer(Answer::Failed(Failed {
            class: line.class.clone(),
            message: line.message.map(verdict::text),
            retry_after: line.retry_after.and_then(verdict::wait),
            detail: line.detail.and_then(|detail| serde_json::from_str(detail.get()).ok()),
        })),
        "progress" => About::Progress {
            done: needed(line.done, "progress", "done")?,
            of: needed(line.of, "progress", "of")?,
            note: line.note.clone().unwrap_or_default(),
        },
        "file" => About::Question(Question::File {
            path: needed(line.path.clone(), "file", "path")?,
            name: line.name.clone(),
            artifact_type: line.artifact_type.clone(),
            content_type: line.content_type.clone(),
        }),
        "step" => About::Question(Question::Step { name: needed(line.name.clone(), "step", "name")? }),
        "record" => About::Question(Question::Record {
            name: needed(line.name.clone(), "record", "name")?,
            value: needed(line.value, "record", "value")?.get().to_owned(),
        }),
        other => {
            return Err(format!(
                "a message of the type `{}`, which it does not know",
                crate::stage::answer::quoted(other)
            ));
        }
    };
    Ok(Said::Of(needed(line.id, &line.kind, "id")?, about))
}

fn needed<T>(value: Option<T>, kind: &str, key: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("a `{kind}` without \"{key}\""))
}

impl Line<'_> {
    fn log(&self) -> Result<Log, String> {
        let level = match self.level.as_deref().unwrap_or("info") {
            "debug" => tracing::Level::DEBUG,
            "info" => tracing::Level::INFO,
            "warn" | "warning" => tracing::Level::WARN,
            "error" => tracing::Level::ERROR,
            _ => return Err("a `log` whose level is none of debug, info, warn and error".to_owned()),
        };
        Ok(Log { level, message: needed(self.message, "log", "message").map(verdict::text)? })
    }
}

/// What a job begins with.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "start")]
pub(super) struct Start<'s> {
    pub(super) id: &'s str,
    pub(super) input: &'s RawValue,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) env: BTreeMap<&'s str, String>,
    pub(super) artifacts: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inputs: Option<&'s str>,
    pub(super) timeout: f64,
    pub(super) deadline: String,
    pub(super) run: String,
    pub(super) workflow: &'s str,
    pub(super) stage: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item: Option<u32>,
    pub(super) attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) round: Option<u32>,
    pub(super) worker: &'s str,
    pub(super) idempotency_key: String,
    pub(super) traceparent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tracestate: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<&'s str>,
}

/// What the worker says of a job that runs.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Reply<'r> {
    Cancel {
        id: &'r str,
    },
    File {
        id: &'r str,
        name: &'r str,
        file: &'r Artifact,
    },
    Step {
        id: &'r str,
        name: &'r str,
        found: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<&'r RawValue>,
    },
    Recorded {
        id: &'r str,
        name: &'r str,
    },
    Refused {
        id: &'r str,
        class: &'r str,
        message: &'r str,
    },
}

/// A message as a line. What was written as it is may hold line ends, which in JSON are no more than spaces.
pub(super) fn line(message: &impl Serialize) -> String {
    // Texts, numbers and JSON cannot fail to become JSON; a program takes an empty line for no message and its job times out.
    let line = serde_json::to_string(message).unwrap_or_default();
    if line.contains(['\n', '\r']) { line.replace(['\n', '\r'], " ") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(line: &str) -> Result<Said, String> {
        read(line.as_bytes())
    }

    fn of(line: &str) -> About {
        match read_text(line) {
            Ok(Said::Of(id, about)) if id == "7" => about,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_message_of_the_page_is_read() {
        assert_eq!(read_text(r#"{"type":"ready","protocol":1,"new":2}"#), Ok(Said::Ready));
        assert_eq!(
            of(r#"{"type":"result","id":"7","output":{"n": 1.10}}"#),
            About::Answer(Answer::Done(Some(r#"{"n": 1.10}"#.to_owned())))
        );
        assert_eq!(
            of(r#"{"type":"result","id":"7","output":null}"#),
            About::Answer(Answer::Done(Some("null".to_owned())))
        );
        assert_eq!(of(r#"{"type":"result","id":"7"}"#), About::Answer(Answer::Done(None)));
        let failed = |class: &str, wait| {
            About::Answer(Answer::Failed(Failed {
                class: Some(class.to_owned()),
                message: Some("no".to_owned()),
                retry_after: wait,
                detail: Some(serde_json::json!([1])),
            }))
        };
        let line =
            r#"{"type":"failure","id":"7","class":"rate_limited","message":"no","retry_after":"30s","detail":[1]}"#;
        assert_eq!(of(line), failed("rate_limited", Some(Duration::from_secs(30))));
        assert_eq!(of(&line.replace("\"30s\"", "1.5")), failed("rate_limited", Some(Duration::from_millis(1500))));
        assert_eq!(
            of(&line.replace("\"30s\"", "[]")),
            failed("rate_limited", None),
            "what is wrong with one value takes nothing from the others"
        );
        assert_eq!(
            of(r#"{"type":"progress","id":"7","done":1,"of":3}"#),
            About::Progress { done: 1, of: 3, note: String::new() }
        );
        let log = || Log { level: tracing::Level::WARN, message: "hot".to_owned() };
        assert_eq!(of(r#"{"type":"log","id":"7","level":"warn","message":"hot"}"#), About::Log(log()));
        assert_eq!(read_text(r#"{"type":"log","level":"warning","message":"hot"}"#), Ok(Said::Log(log())));
        assert_eq!(
            of(r#"{"type":"step","id":"7","name":"a"}"#),
            About::Question(Question::Step { name: "a".to_owned() })
        );
        assert_eq!(
            of(r#"{"type":"record","id":"7","name":"a","value":null}"#),
            About::Question(Question::Record { name: "a".to_owned(), value: "null".to_owned() })
        );
        let file = Question::File {
            path: "/a".to_owned(),
            name: None,
            artifact_type: Some("preview".to_owned()),
            content_type: None,
        };
        assert_eq!(of(r#"{"type":"file","id":"7","path":"/a","artifact_type":"preview"}"#), About::Question(file));
    }

    #[test]
    fn what_is_no_message_is_described() {
        let wrong = |line: &str| read_text(line).unwrap_err();
        insta::assert_snapshot!(wrong("loading model…"), @"a line that is not JSON: expected value at line 1 column 1");
        insta::assert_snapshot!(wrong(""), @"a line that is not JSON: EOF while parsing a value at line 1 column 0");
        insta::assert_snapshot!(wrong("[1]"), @"a message that it does not know: invalid type: integer `1`, expected a string at line 1 column 2");
        insta::assert_snapshot!(wrong(r#"{"type":"done"}"#), @"a message of the type `done`, which it does not know");
        insta::assert_snapshot!(wrong(r#"{"type":"result","output":1}"#), @r#"a `result` without "id""#);
        insta::assert_snapshot!(wrong(r#"{"type":"ready"}"#), @r#"a `ready` without "protocol": 1, the only version that this Piton speaks"#);
        insta::assert_snapshot!(wrong(r#"{"type":"record","id":"7","name":"a"}"#), @r#"a `record` without "value""#);
        assert_eq!(read(b"\xff"), Err("a line that is not UTF-8".to_owned()));
    }

    #[test]
    fn a_message_is_one_line_whatever_the_input_looks_like() {
        let input: Box<RawValue> = serde_json::from_str("{\"a\":\n \"x\\n\", \"n\": 1.10}").expect("JSON");
        let value = Reply::Step { id: "7", name: "a\nb", found: true, value: Some(&input) };
        assert_eq!(
            line(&value),
            r#"{"type":"step","id":"7","name":"a\nb","found":true,"value":{"a":  "x\n", "n": 1.10}}"#
        );
    }
}
