//! A definition, written with the keys of its file. Pure.

use serde_json::{Map, Value, json};

use super::definition::{
    CommandStage, ForEach, HttpStage, Repeat, RunStage, SignalStage, SleepStage, SqlStage, Stage, StageKind, Workflow,
};
use super::duration;
use super::input::{DeclaredInput, InputKey};
use super::input_template::InputTemplate;
use super::keys::{self, Key};
use super::quorum::Quorum;
use super::rate::Rate;
use super::retry_rules::{ClassRules, RetryRules};
use super::service::{Door, ServiceWait};
use super::warm::Warm;

/// Keys with their values, in the order in which people write them.
pub(crate) type Entries = Vec<(&'static str, Value)>;

/// Whether what is the default anyway is told too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defaults {
    Shown,
    LeftOut,
}

impl Workflow {
    /// What the file says of a stage. Texts that are filled in stand as they were written, so no secret is in them.
    pub(crate) fn entries_of(&self, stage: &Stage, defaults: Defaults) -> Entries {
        let mut entries = Vec::new();
        match &stage.kind {
            StageKind::Rust { handler } => entries.push((keys::RUST, json!(handler))),
            StageKind::Command(command) => entries_of_command(command, &mut entries),
            StageKind::Http(http) => entries_of_request(http, &mut entries),
            StageKind::Sql(SqlStage { statement, role }) => {
                entries.extend([(keys::SQL, json!(statement)), (keys::ROLE, json!(role))]);
            }
            StageKind::Signal(signal) => entries.push((keys::WAIT, entries_of_signal(signal))),
            StageKind::Run(RunStage { workflow, input, detached }) => entries.extend([
                (keys::WORKFLOW, json!(workflow)),
                (keys::CHILD_INPUT, json!(input.as_ref().map(InputTemplate::written))),
                (keys::DETACHED, json!(detached)),
            ]),
            StageKind::Sleep(SleepStage { length, until, jitter }) => entries.extend([
                (keys::SLEEP, json!(length.map(duration::format))),
                (keys::UNTIL, json!(until)),
                (keys::SPREAD, json!(jitter.map(duration::format))),
            ]),
        }
        let needs: Vec<String> = stage.needs_output_of().map(|need| self.needed(stage, need)).collect();
        // Of a stage that needs none there is nothing to tell; only programs and handlers have inputs in files.
        let comes_in = !needs.is_empty() && matches!(stage.kind, StageKind::Rust { .. } | StageKind::Command(_));
        entries.push((keys::NEEDS, json!(needs)));
        entries.push((keys::FIRST, json!(stage.first)));
        entries.push((keys::WHEN, json!(stage.when)));
        entries.push((keys::OPTIONAL, json!(stage.optional)));
        let failing = stage.on_failure_of.map(|of| self.named(of));
        entries.push((keys::ON_FAILURE_OF, json!(failing)));
        entries.push((keys::REPEAT, json!(stage.repeat.as_ref().map(|repeat| self.entries_of_repeat(repeat)))));
        entries.push((keys::INPUTS, json!(comes_in.then_some(stage.inputs))));
        entries.push((keys::FOR_EACH, self.entry_of(stage.for_each.as_ref())));
        if let Some(Quorum { at_least, missing, rest }) = &stage.quorum {
            let missing = missing.as_ref().and_then(|text| serde_json::from_str::<Value>(text).ok());
            entries.push((keys::AT_LEAST, at_least.to_value()));
            entries.push((keys::MISSING, json!(missing)));
            entries.push((keys::REST, json!(rest)));
        }
        let timeout = (!stage.kind.only_waits()).then(|| duration::format(stage.timeout));
        entries.push((keys::TIMEOUT, json!(timeout)));
        entries.push((keys::STALL, json!(stage.stall.map(duration::format))));
        entries.push((keys::CONCURRENCY, json!(stage.concurrency)));
        entries.push((keys::PER_WORKER, json!(stage.per_worker)));
        entries.push((keys::RATE, json!(stage.rate.map(Rate::format))));
        entries.push((keys::REQUIRES, json!(stage.requires)));
        entries.push((keys::WAIT, json!(stage.wait.as_ref().map(entries_of_wait))));
        entries.push((keys::RETRY, entries_of_rules(&stage.retry)));
        entries.retain(|(key, value)| !is_nothing(value) && (defaults == Defaults::Shown || !is_default(*key, value)));
        entries.into_iter().map(|(key, value)| (key.name, value)).collect()
    }
}

impl Workflow {
    fn entries_of_repeat(&self, repeat: &Repeat) -> Value {
        let Repeat { from, until, at_most, then } = repeat;
        let from = self.stage(*from).map(|stage| stage.name.as_str());
        json!({keys::FROM.name: from, keys::GOOD.name: until, keys::AT_MOST.name: at_most, keys::THEN.name: then})
    }

    /// A place, or the list of those of a product.
    fn entry_of(&self, for_each: Option<&ForEach>) -> Value {
        let places = for_each.map(|for_each| self.places_of(for_each)).unwrap_or_default();
        match places.as_slice() {
            [] => Value::Null,
            [place] => json!(place),
            places => json!(places),
        }
    }
}

fn entries_of_command(command: &CommandStage, entries: &mut Vec<(Key, Value)>) {
    let CommandStage { argv, env, pass_env, dir, stdin, memory_bytes, finish, warm, output, classes } = command;
    entries.extend([
        (keys::COMMAND, json!(argv)),
        (keys::ENV, json!(env)),
        (keys::PASS_ENV, json!(pass_env)),
        (keys::DIR, json!(dir)),
        (keys::STDIN, json!(stdin)),
        (keys::MEMORY, json!(memory_bytes.map(size))),
        (keys::FINISH, json!(finish)),
        (keys::WARM, json!(warm.as_ref().map(entries_of_warm))),
        (keys::OUTPUT, json!(output)),
        (keys::EXIT_CLASSES, json!(classes)),
    ]);
}

/// What the table `warm` says, with its defaults: a table that says nothing would not be told.
fn entries_of_warm(warm: &Warm) -> Value {
    let Warm { processes, start_timeout, idle, max_jobs, max_memory_bytes } = warm;
    Value::Object(object([
        (keys::PROCESSES, json!(processes)),
        (keys::START_TIMEOUT, json!(duration::format(*start_timeout))),
        (keys::IDLE, json!(duration::format(*idle))),
        (keys::MAX_JOBS, json!(max_jobs)),
        (keys::MAX_MEMORY, json!(max_memory_bytes.map(size))),
    ]))
}

fn entries_of_signal(signal: &SignalStage) -> Value {
    let SignalStage { name, timeout, on_timeout, payload, not_starter } = signal;
    let on_timeout = on_timeout.as_ref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    Value::Object(object([
        (keys::FOR, json!("signal")),
        (keys::SIGNAL, json!(name.as_str())),
        (keys::SIGNAL_TIMEOUT, json!(duration::format(*timeout))),
        (keys::ON_TIMEOUT, json!(on_timeout)),
        (keys::PAYLOAD, json!(payload.as_ref().map(entries_of_input))),
        (keys::NOT_STARTER, json!(not_starter.then_some(true))),
    ]))
}

fn entries_of_wait(wait: &ServiceWait) -> Value {
    let on_timeout = wait.on_timeout.as_ref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let mut entries =
        object([(keys::WAIT_TIMEOUT, json!(duration::format(wait.timeout))), (keys::ON_TIMEOUT, json!(on_timeout))]);
    entries.extend(match &wait.door {
        Door::Callback(callback) => {
            object([(keys::FOR, json!("callback")), (keys::HEARTBEAT, json!(callback.heartbeat.map(duration::format)))])
        }
        Door::Poll(poll) => object([
            (keys::FOR, json!("poll")),
            (keys::POLL_URL, json!(poll.url)),
            (keys::POLL_HEADERS, json!((!poll.headers.is_empty()).then_some(&poll.headers))),
            (keys::POLL_EVERY, json!(duration::format(poll.every))),
            (keys::DONE, json!(poll.done)),
            (keys::FAILED, json!(poll.failed)),
            (keys::POLL_OUTPUT, json!((!poll.output.is_empty()).then(|| poll.output.join(".")))),
            (keys::POLL_CLASS, json!(poll.class.as_str())),
        ]),
    });
    Value::Object(entries)
}

fn entries_of_request(request: &HttpStage, entries: &mut Vec<(Key, Value)>) {
    let HttpStage { url, method, headers, connect_timeout, redirects, files, dir, output, file, classes } = request;
    entries.extend([
        (keys::HTTP, json!(url)),
        (keys::METHOD, json!(method)),
        (keys::HEADERS, json!(headers)),
        (keys::CONNECT_TIMEOUT, json!(duration::format(*connect_timeout))),
        (keys::REDIRECTS, json!(redirects)),
        (keys::FILES, json!(files)),
        (keys::DIR, json!(dir)),
        (keys::ANSWER, json!(output)),
        (keys::FILE_NAME, json!(file)),
        (keys::STATUS_CLASSES, json!(classes)),
    ]);
}

/// What the file says of its runs' input, by key.
pub(crate) fn entries_of_input(input: &DeclaredInput) -> Value {
    let entries = input.0.iter().map(|InputKey { key, kind, optional, default, description }| {
        // It is JSON since its file was read.
        let default = default.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let more = object([
            (keys::REQUIRED, json!(optional.then_some(false))),
            (keys::DEFAULT, json!(default)),
            (keys::INPUT_DESCRIPTION, json!(description)),
        ]);
        let mut all = object([(keys::TYPE, json!(kind))]);
        all.extend(more.clone());
        (key.clone(), if more.is_empty() { json!(kind) } else { Value::Object(all) })
    });
    Value::Object(entries.collect())
}

/// The schedules of the file, each with its keys.
pub(crate) fn entries_of_schedules(workflow: &Workflow) -> Map<String, Value> {
    let schedules = workflow.schedules.iter();
    // Texts and numbers cannot fail to become JSON.
    schedules.map(|(name, schedule)| (name.to_string(), serde_json::to_value(schedule).unwrap_or_default())).collect()
}

/// What a table of rules for retries says; an empty object where it says nothing.
pub(crate) fn entries_of_rules(rules: &RetryRules) -> Value {
    let RetryRules { max_retries, deadline, classes } = rules;
    let mut entries =
        object([(keys::MAX_RETRIES, json!(max_retries)), (keys::DEADLINE, json!(deadline.map(duration::format)))]);
    entries.extend(classes.iter().map(|(class, rules)| (class.as_str().to_owned(), entries_of_class(rules))));
    Value::Object(entries)
}

fn entries_of_class(rules: &ClassRules) -> Value {
    let ClassRules { max_retries, base, cap, jitter, retry_after } = rules;
    Value::Object(object([
        (keys::CLASS_RETRIES, json!(max_retries)),
        (keys::BASE, json!(base.map(duration::format))),
        (keys::CAP, json!(cap.map(duration::format))),
        (keys::JITTER, json!(jitter)),
        (keys::RETRY_AFTER, json!(retry_after)),
    ]))
}

fn object<const N: usize>(entries: [(Key, Value); N]) -> Map<String, Value> {
    entries.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.name.to_owned(), value)).collect()
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn is_default(key: Key, value: &Value) -> bool {
    serde_json::from_str::<Value>(key.default).is_ok_and(|default| default == *value)
}

/// In the largest unit that says it exactly.
fn size(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("GB", 1_000_000_000), ("MiB", 1 << 20), ("MB", 1_000_000), ("KiB", 1 << 10)];
    match units.iter().find(|(_, unit)| bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

/// A value as TOML writes it on one line.
pub(crate) fn toml(value: &Value) -> String {
    match value {
        Value::Array(elements) => format!("[{}]", elements.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Object(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{} = {}", bare(key), toml(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        // A string of JSON is one of TOML.
        other => other.to_string(),
    }
}

fn bare(key: &str) -> String {
    let is_bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if is_bare { key.to_owned() } else { json!(key).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::keys::tests::{At, everywhere, file, parse};

    /// The file that says the same.
    fn written(workflow: &Workflow, defaults: Defaults) -> String {
        let mut text = format!("name = \"{}\"\n", workflow.name);
        if let Some(description) = &workflow.description {
            text += &format!("description = {}\n", json!(description));
        }
        text += &format!("retry = {}\n", toml(&entries_of_rules(&workflow.retry)));
        if let Some(input) = &workflow.input {
            text += &format!("input = {}\n", toml(&entries_of_input(input)));
        }
        text += &format!("schedules = {}\n", toml(&Value::Object(entries_of_schedules(workflow))));
        for stage in &workflow.stages {
            text += &format!("[stages.{}]\n", stage.name);
            let entries = workflow.entries_of(stage, defaults);
            text.extend(entries.iter().map(|(key, value)| format!("{key} = {}\n", toml(value))));
        }
        text
    }

    #[test]
    fn what_is_said_is_what_the_file_says() {
        let mut all: Vec<String> = everywhere().into_iter().map(|(at, key)| file(at, key.example)).collect();
        all.push(file(At::Stage(Some(keys::COMMAND)), "memory = '1000001B'\nenv = { A = \"\\\"x\\\\\\n\\u0001\" }"));
        all.push(file(At::Stage(Some(keys::HTTP)), "files = { 'a b' = 'item.0' }\nheaders = { 'x.y' = '${KEY}' }"));
        for text in all {
            let workflow = parse(&text).expect("a workflow");
            for defaults in [Defaults::Shown, Defaults::LeftOut] {
                let again = written(&workflow, defaults);
                assert_eq!(parse(&again).as_ref(), Ok(&workflow), "{text}\n{again}");
            }
        }
    }

    #[test]
    fn what_is_the_default_is_told_when_asked_for() {
        let workflow = parse("name = 'a'\n[stages.a]\nhttp = 'https://a.b/'").expect("a workflow");
        let entries = |defaults| {
            let entries = workflow.entries_of(&workflow.stages[0], defaults);
            entries.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect::<Vec<_>>().join(", ")
        };
        insta::assert_snapshot!(entries(Defaults::LeftOut), @r#"http = "https://a.b/""#);
        insta::assert_snapshot!(entries(Defaults::Shown), @r#"http = "https://a.b/", method = "POST", connect_timeout = "10s", redirects = 0, output = "json", optional = false, timeout = "5m""#);
    }

    #[test]
    fn an_amount_is_told_in_the_largest_unit_that_is_exact() {
        assert_eq!([512 << 20, 1_500_000_000, 1_000_001].map(size), ["512MiB", "1500MB", "1000001B"]);
    }
}
