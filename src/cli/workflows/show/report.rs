//! Each stage, as `--json` writes it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::workflow::definition::Workflow;
use crate::workflow::duration;
use crate::workflow::effective::{Effective, EffectiveClass, Part};
use crate::workflow::entries::{Defaults, entries_of_input, entries_of_rules, entries_of_schedules};

/// Keys as in the file; with `policy` where what is effective is asked for.
pub(super) fn of(workflow: &Workflow, effective: bool) -> Value {
    let defaults = if effective { Defaults::Shown } else { Defaults::LeftOut };
    let stages = workflow.stages.iter().map(|stage| {
        let mut told = json!({"stage": stage.name});
        for (key, value) in workflow.entries_of(stage, defaults) {
            told[key] = value;
        }
        if effective {
            told["policy"] = policy_report(&Effective::of(&workflow.retry, &stage.retry));
        }
        told
    });
    let mut report = json!({
        "workflow": workflow.name,
        "description": workflow.description,
        "retry": entries_of_rules(&workflow.retry),
        "stages": stages.collect::<Value>(),
    });
    if let Some(input) = &workflow.input {
        report["input"] = entries_of_input(input);
    }
    if !workflow.schedules.is_empty() {
        report["schedules"] = Value::Object(entries_of_schedules(workflow));
    }
    report
}

fn policy_report(policy: &Effective) -> Value {
    let time = |part: Part<Duration>| part_report(part, duration::format);
    let class = |class: &EffectiveClass| {
        let rules = json!({
            "max_retries": part_report(class.max_retries, |count| count),
            "base": time(class.base),
            "cap": time(class.cap),
            "jitter": part_report(class.jitter, |share| share),
            "retry_after": part_report(class.retry_after, |honoured| honoured),
        });
        (class.class.to_string(), rules)
    };
    json!({
        "max_retries": part_report(policy.max_retries, |count| count),
        "deadline": part_report(policy.deadline, |deadline| deadline.map(duration::format)),
        "classes": policy.classes.iter().map(class).collect::<serde_json::Map<_, _>>(),
    })
}

fn part_report<T: Copy, V: serde::Serialize>(part: Part<T>, shown: impl Fn(T) -> V) -> Value {
    json!({"value": shown(part.value), "from": part.from.as_str()})
}

#[cfg(test)]
mod tests {
    use super::super::tests::workflow;
    use super::*;

    #[test]
    fn machines_get_the_keys_of_the_file() {
        insta::assert_snapshot!(format!("{:#}", of(&workflow(), false)), @r#"
        {
          "description": "Turns recordings into text.",
          "retry": {
            "max_retries": 6,
            "rate_limited": {
              "base": "10s",
              "retry_after": false
            }
          },
          "stages": [
            {
              "command": [
                "sh",
                "-c",
                "ls \"$1\"\n",
                "list",
                "{{input.folder}}"
              ],
              "env": {
                "TOKEN": "${SECRET_TOKEN}"
              },
              "memory": "512MiB",
              "output": "text",
              "stage": "list"
            },
            {
              "for_each": "input.files",
              "headers": {
                "authorization": "Bearer ${SPEECH_KEY}"
              },
              "http": "${SPEECH_URL}/v1/{{item.id}}",
              "needs": [
                "list"
              ],
              "retry": {
                "deadline": "2h",
                "network_timeout": {
                  "cap": "10m",
                  "jitter": 0.5,
                  "max_retries": 9
                }
              },
              "stage": "transcribe",
              "timeout": "2m"
            },
            {
              "needs": [
                "list",
                "transcribe"
              ],
              "rust": "index",
              "stage": "index"
            }
          ],
          "workflow": "media"
        }
        "#);
    }

    #[test]
    fn machines_get_who_says_what() {
        let report = of(&workflow(), true);
        let policy = &report["stages"][1]["policy"];
        insta::assert_snapshot!(policy["classes"]["network_timeout"], @r#"{"base":{"from":"default","value":"1s"},"cap":{"from":"stage","value":"10m"},"jitter":{"from":"stage","value":0.5},"max_retries":{"from":"stage","value":9},"retry_after":{"from":"default","value":true}}"#);
        insta::assert_snapshot!(json!([policy["max_retries"], policy["deadline"]]), @r#"[{"from":"stage","value":9},{"from":"stage","value":"2h"}]"#);
        insta::assert_snapshot!(report["stages"][2]["timeout"], @r#""5m""#);
    }
}
