//! `piton workflows show`: each stage, as its file has it or with all defaults.

mod report;

use serde_json::Value;

use super::current::Current;
use crate::cli::exit::Exit;
use crate::cli::output::{out, outln};
use crate::workflow::definition::{Stage, Workflow};
use crate::workflow::duration;
use crate::workflow::effective::{Effective, EffectiveClass, Origin, Part};
use crate::workflow::entries::{Defaults, entries_of_input, entries_of_rules, entries_of_schedules, toml};

pub(super) fn show(workflow: &Workflow, current: &Current, effective: bool, as_json: bool) -> anyhow::Result<Exit> {
    if as_json {
        let mut report = report::of(workflow, effective);
        current.add_to(&mut report, workflow);
        outln!("{report}");
        return Ok(Exit::Done);
    }
    out!("{}", text(workflow, effective));
    if let Some(said) = current.said(workflow) {
        outln!("\n{said}");
    }
    Ok(Exit::Done)
}

/// Widest key: `connect_timeout`.
const KEY: usize = 15;

fn text(workflow: &Workflow, effective: bool) -> String {
    let mut text = format!("{}\n", workflow.name);
    if let Some(description) = &workflow.description {
        text += &format!("{}\n", description.trim_end());
    }
    text += &rules("retry", &entries_of_rules(&workflow.retry));
    text += &workflow.input.as_ref().map_or_else(String::new, |input| rules("input", &entries_of_input(input)));
    for (name, keys) in entries_of_schedules(workflow) {
        text += &format!("\n[schedules.{name}]\n");
        text.extend(keys.as_object().into_iter().flatten().map(|(key, value)| line(key, &toml(value))));
    }
    let mut told: Vec<(&Stage, Effective)> = Vec::new();
    for stage in &workflow.stages {
        text += &format!("\n[{}]\n", stage.name);
        text += &keys_of(workflow, stage, effective);
        if effective {
            let policy = Effective::of(&workflow.retry, &stage.retry);
            match told.iter().find(|(_, other)| *other == policy) {
                Some((like, _)) => text += &line("retries", &format!("like {}", like.name)),
                None => {
                    text += &policy_text(&policy);
                    told.push((stage, policy));
                }
            }
        }
    }
    if effective {
        text += "\n(s) is said by the stage, (w) by the workflow; the rest are Piton's defaults.\n";
    }
    text
}

fn line(key: &str, value: &str) -> String {
    format!("  {key:<KEY$}  {value}\n")
}

fn keys_of(workflow: &Workflow, stage: &Stage, effective: bool) -> String {
    let defaults = if effective { Defaults::Shown } else { Defaults::LeftOut };
    let said = workflow.entries_of(stage, defaults);
    let lines = said.iter().map(|(key, value)| match (*key, value) {
        ("retry", _) if effective => String::new(),
        ("retry", value) => rules("retry", value),
        (key @ ("needs" | "pass_env" | "requires"), Value::Array(names)) => line(key, &listed(names)),
        (key, Value::String(text)) if !text.contains(char::is_control) => line(key, text),
        (key, other) => line(key, &toml(other)),
    });
    lines.collect()
}

fn listed(names: &[Value]) -> String {
    names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

/// Rules for retries, or keys of the input, as the file says them, one a line.
fn rules(of: &str, said: &Value) -> String {
    let lines = said.as_object().into_iter().flatten().enumerate().map(|(at, (rule, value))| {
        let key = if at == 0 { of } else { "" };
        line(key, &format!("{rule} = {}", toml(value)))
    });
    lines.collect()
}

fn policy_text(policy: &Effective) -> String {
    let deadline = match policy.deadline.value {
        Some(deadline) => format!("none later than {} after the first attempt", duration::format(deadline)),
        None => "no deadline".to_owned(),
    };
    let job = format!(
        "{}{} at most for one job{}, {deadline}{}",
        policy.max_retries.value,
        if policy.max_retries.value == 1 { " retry" } else { "" },
        mark(policy.max_retries.from),
        mark(policy.deadline.from)
    );
    let head = ["class", "retries", "base", "cap", "jitter", "Retry-After"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(policy.classes.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let table = rows.iter().map(|row| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        line("", cells.join("  ").trim_end()).trim_end().to_owned() + "\n"
    });
    line("retries", &job) + &table.collect::<String>()
}

/// What is not retried has no waits.
fn row(class: &EffectiveClass) -> [String; 6] {
    let name = class.class.to_string();
    let retries = cell(class.max_retries, |count| count.to_string());
    if class.max_retries.value == 0 {
        return [name, retries, String::new(), String::new(), String::new(), String::new()];
    }
    let honoured = |honoured| if honoured { "honoured" } else { "ignored" }.to_owned();
    [
        name,
        retries,
        cell(class.base, duration::format),
        cell(class.cap, duration::format),
        cell(class.jitter, |share| share.to_string()),
        cell(class.retry_after, honoured),
    ]
}

fn cell<T: Copy>(part: Part<T>, shown: impl Fn(T) -> String) -> String {
    shown(part.value) + mark(part.from)
}

fn mark(from: Origin) -> &'static str {
    match from {
        Origin::Default => "",
        Origin::Workflow => " (w)",
        Origin::Stage => " (s)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::limits::Limits;

    pub(super) fn workflow() -> Workflow {
        let text = r#"
            name = "media"
            description = "Turns recordings into text."
            [retry]
            max_retries = 6
            rate_limited = { base = "10s", retry_after = false }
            [stages.list]
            command = ["sh", "-c", "ls \"$1\"\n", "list", "{{input.folder}}"]
            env = { TOKEN = "${SECRET_TOKEN}" }
            memory = "512MiB"
            output = "text"
            [stages.transcribe]
            http = "${SPEECH_URL}/v1/{{item.id}}"
            needs = ["list"]
            for_each = "input.files"
            headers = { authorization = "Bearer ${SPEECH_KEY}" }
            timeout = "2m"
            retry = { deadline = "2h", network_timeout = { max_retries = 9, cap = "10m", jitter = 0.5 } }
            [stages.index]
            rust = "index"
            needs = ["list", "transcribe"]"#;
        Workflow::parse("media.toml", text.as_bytes(), &Limits::default()).expect("a workflow")
    }

    #[test]
    fn a_workflow_is_shown_as_its_file_says_it() {
        insta::assert_snapshot!(text(&workflow(), false), @r#"
        media
        Turns recordings into text.
          retry            max_retries = 6
                           rate_limited = { base = "10s", retry_after = false }

        [list]
          command          ["sh", "-c", "ls \"$1\"\n", "list", "{{input.folder}}"]
          env              { TOKEN = "${SECRET_TOKEN}" }
          memory           512MiB
          output           text

        [transcribe]
          http             ${SPEECH_URL}/v1/{{item.id}}
          headers          { authorization = "Bearer ${SPEECH_KEY}" }
          needs            list
          for_each         input.files
          timeout          2m
          retry            deadline = "2h"
                           network_timeout = { cap = "10m", jitter = 0.5, max_retries = 9 }

        [index]
          rust             index
          needs            list, transcribe
        "#);
    }

    #[test]
    fn a_workflow_is_shown_as_it_really_is() {
        let shown = text(&workflow(), true);
        assert!(shown.lines().all(|line| line.chars().count() <= 100));
        insta::assert_snapshot!(shown, @r#"
        media
        Turns recordings into text.
          retry            max_retries = 6
                           rate_limited = { base = "10s", retry_after = false }

        [list]
          command          ["sh", "-c", "ls \"$1\"\n", "list", "{{input.folder}}"]
          env              { TOKEN = "${SECRET_TOKEN}" }
          stdin            input
          memory           512MiB
          finish           false
          output           text
          optional         false
          timeout          5m
          retries          6 at most for one job (w), no deadline
                           class                 retries  base     cap  jitter  Retry-After
                           network_timeout       5        1s       1m   0.25    honoured
                           rate_limited          5        10s (w)  5m   0.25    ignored (w)
                           resource_unavailable  3        2s       30s  0.25    honoured
                           out_of_memory         1        5s       10s  0.25    honoured
                           unknown               3        2s       30s  0.25    honoured
                           invalid_input         0
                           auth_failure          0
                           wait_timeout          0
                           child_failed          0

        [transcribe]
          http             ${SPEECH_URL}/v1/{{item.id}}
          method           POST
          headers          { authorization = "Bearer ${SPEECH_KEY}" }
          connect_timeout  10s
          redirects        0
          output           json
          needs            list
          optional         false
          for_each         input.files
          timeout          2m
          retries          9 at most for one job (s), none later than 2h after the first attempt (s)
                           class                 retries  base     cap      jitter   Retry-After
                           network_timeout       9 (s)    1s       10m (s)  0.5 (s)  honoured
                           rate_limited          5        10s (w)  5m       0.25     ignored (w)
                           resource_unavailable  3        2s       30s      0.25     honoured
                           out_of_memory         1        5s       10s      0.25     honoured
                           unknown               3        2s       30s      0.25     honoured
                           invalid_input         0
                           auth_failure          0
                           wait_timeout          0
                           child_failed          0

        [index]
          rust             index
          needs            list, transcribe
          optional         false
          inputs           value
          timeout          5m
          retries          like list

        (s) is said by the stage, (w) by the workflow; the rest are Piton's defaults.
        "#);
    }
}
