//! What the table says of a key is what the reader does with it.

use super::*;
use crate::model::retry::RetryPolicy;
use crate::workflow::definition::Workflow;
use crate::workflow::duration;
use crate::workflow::limits::Limits;
use crate::workflow::mistake::Mistakes;
use crate::workflow::retry_rules::RetryRules;

/// Where a key stands in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    File,
    /// A stage of that kind; without a kind, the key is one itself.
    Stage(Option<Key>),
    /// The rules for retries of the workflow.
    Retry,
    /// The rules of a class among them.
    Class,
    /// A key of the runs' input.
    Input,
    /// A key of `warm`.
    Warm,
    /// A key of a schedule.
    Schedule,
    /// A key of `wait`.
    Wait,
    /// A key of the `wait` of a stage that asks a service which calls back.
    Callback,
    /// The same, of one that is asked again.
    Poll,
    /// A key of `repeat`.
    Repeat,
}

/// Every key wherever it may stand, but for `stages`, which is no line of its own.
pub(crate) fn everywhere() -> Vec<(At, Key)> {
    let mut all = Vec::new();
    let mut add = |at: At, keys: &[Key]| all.extend(keys.iter().map(|key| (at, *key)));
    add(At::File, &[NAME, DESCRIPTION, RETRY, INPUT, SCHEDULES]);
    add(At::Stage(None), KINDS);
    for kind in KINDS {
        add(At::Stage(Some(*kind)), of_every(kind.name));
        add(At::Stage(Some(*kind)), of_kind(kind.name));
    }
    add(At::Retry, RETRY_RULES);
    add(At::Retry, &ruled_classes().map(class).collect::<Vec<_>>());
    add(At::Class, CLASS_RULES);
    add(At::Input, INPUT_KEYS);
    add(At::Warm, WARM_KEYS);
    add(At::Schedule, SCHEDULE);
    add(At::Wait, WAIT_KEYS);
    add(At::Callback, &CALLBACK_KEYS[1..]);
    add(At::Poll, &POLL_KEYS[1..]);
    add(At::Repeat, REPEAT_KEYS);
    all
}

/// A file with that line where it belongs; what it may name is there.
pub(crate) fn file(at: At, line: &str) -> String {
    let (mut file, mut kind, mut stage) = (String::new(), RUST.example, String::new());
    let fanned_out = "needs = [\"script\", \"check\"]\nfor_each = \"check.scenes\"";
    // Of the stages that examples name, those of this file.
    let line = line.replace("draft", "check").replace("critic.", "last.").replace("\"ship\"", "\"script\"");
    let line = line.as_str();
    match at {
        At::File => file = line.to_owned(),
        At::Retry => file = format!("[retry]\n{line}"),
        At::Class => file = format!("[retry.unknown]\n{line}"),
        At::Input if line.starts_with("type") => file = format!("[input.topic]\n{line}"),
        At::Input => file = format!("[input.topic]\ntype = \"any\"\n{line}"),
        At::Schedule if line.starts_with("cron") || line.starts_with("every") => {
            file = format!("[schedules.first]\n{line}")
        }
        At::Schedule => file = format!("[schedules.first]\n{line}\n{}", CRON.example),
        At::Warm => (kind, stage) = (COMMAND.example, format!("{fanned_out}\nwarm = {{ {line} }}")),
        At::Wait => {
            let others = [FOR, SIGNAL, SIGNAL_TIMEOUT].map(|key| key.example);
            let others = others.into_iter().filter(|other| other.split(' ').next() != line.split(' ').next());
            let all: Vec<&str> = others.chain([line]).filter(|line| !line.is_empty()).collect();
            (kind, stage) = ("", format!("wait = {{ {} }}", all.join(", ")));
        }
        At::Callback | At::Poll => {
            let door = if matches!(at, At::Callback) { "callback" } else { "poll" };
            let needed = [WAIT_TIMEOUT, POLL_URL, POLL_EVERY, DONE].map(|key| key.example);
            let needed = if door == "poll" { &needed[..] } else { &needed[..1] };
            let others = needed.iter().copied().filter(|other| other.split(' ').next() != line.split(' ').next());
            let all: Vec<&str> = others.chain([line]).filter(|line| !line.is_empty()).collect();
            (kind, stage) = (HTTP.example, format!("{fanned_out}\nwait = {{ for = \"{door}\", {} }}", all.join(", ")));
        }
        At::Repeat => {
            let others = [GOOD, AT_MOST].map(|key| key.example.replace("critic.", "last."));
            let others = others.iter().filter(|other| other.split(' ').next() != line.split(' ').next());
            let all: Vec<&str> = others.map(String::as_str).chain([line]).filter(|line| !line.is_empty()).collect();
            stage = format!("needs = [\"check\"]\nrepeat = {{ {} }}", all.join(", "));
        }
        // What a statement comes to is committed before anybody looks at it.
        At::Stage(Some(of_kind)) if line.starts_with("repeat") => {
            kind = if of_kind.name == "sql" { kind } else { of_kind.example };
            stage = format!("needs = [\"check\"]\n{line}");
        }
        At::Stage(Some(of_kind)) if line.starts_with("on_failure_of") => {
            (kind, stage) = (of_kind.example, format!("needs = [\"check\"]\n{line}"));
        }
        // A signal answers no item.
        At::Stage(None) if line.starts_with("wait") => (kind, stage) = (line, "needs = [\"check\"]".to_owned()),
        At::Stage(Some(of_kind)) if of_kind.name == "wait" => {
            let beside = match line {
                needs if needs.starts_with("needs") => "",
                first if first.starts_with("first") => "needs = [\"script\", \"check\"]",
                _ => "needs = [\"check\"]",
            };
            (kind, stage) = (of_kind.example, format!("{beside}\n{line}"));
        }
        At::Stage(None) => (kind, stage) = (line, fanned_out.to_owned()),
        At::Stage(Some(of_kind)) => {
            let beside = match line {
                // It says what becomes of items that are not done.
                quorum if quorum.starts_with("missing") || quorum.starts_with("rest") => {
                    "needs = [\"script\", \"check\"]\nfor_each = \"check.scenes\"\nat_least = 0.9"
                }
                for_each if for_each.starts_with("for_each") => "needs = [\"check\"]",
                needs if needs.starts_with("needs") => "",
                _ => fanned_out,
            };
            (kind, stage) = (of_kind.example, format!("{beside}\n{line}"));
        }
    }
    // A statement has a role, always.
    if kind.starts_with("sql") && !line.starts_with("role") {
        stage = format!("{stage}\n{}", ROLE.example);
    }
    let name = if matches!(at, At::File) && line.starts_with("name") { "" } else { NAME.example };
    format!(
        "{name}\n{file}\n[stages.script]\nrust = \"script\"\n[stages.check]\nrust = \"check\"\n\
         [stages.last]\n{kind}\n{stage}\n"
    )
}

pub(crate) fn parse(text: &str) -> Result<Workflow, Mistakes> {
    Workflow::parse("f.toml", text.as_bytes(), &Limits::default())
}

#[test]
fn the_example_of_every_key_is_right() {
    for (at, key) in everywhere() {
        let file = file(at, key.example);
        if let Err(mistakes) = parse(&file) {
            panic!("{at:?} {}:\n{file}\n{mistakes}", key.name);
        }
    }
}

#[test]
fn a_default_that_is_written_changes_nothing() {
    for (at, key) in everywhere().into_iter().filter(|(_, key)| !key.default.is_empty()) {
        let policy = |workflow: &Workflow| RetryRules::policy(&workflow.retry, &workflow.stages[2].retry);
        // It is said beside another one only.
        let beside = if key.name == REST.name { AT_LEAST.example } else { "" };
        let without = parse(&file(at, beside)).expect("a workflow");
        let with = parse(&file(at, &format!("{} = {}", key.name, key.default))).expect("a workflow");
        assert_eq!(policy(&with), policy(&without), "{}", key.name);
        assert_eq!(with.stages, without.stages, "{}", key.name);
    }
}

const PAGE: &str = include_str!("../../../docs/workflows.md");

/// The rows of all tables of the page that have this head.
fn rows(head: &str) -> Vec<&'static str> {
    let mut rows = Vec::new();
    let mut lines = PAGE.lines();
    while lines.any(|line| line == head) {
        rows.extend(lines.by_ref().skip(1).take_while(|line| line.starts_with('|')));
    }
    rows
}

fn held(found: &[&str], expected: &[String]) {
    let lacking: Vec<_> = expected.iter().filter(|row| !found.contains(&row.as_str())).cloned().collect();
    let strange: Vec<_> = found.iter().filter(|row| !expected.iter().any(|e| e == *row)).collect();
    assert!(
        lacking.is_empty() && strange.is_empty() && found.len() == expected.len(),
        "docs/workflows.md\nlacks these rows:\n{}\nhas these, which are not in the table of keys:\n{strange:#?}",
        lacking.join("\n")
    );
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

#[test]
fn the_page_has_a_row_for_every_key_and_no_other() {
    let stage = [KINDS, EVERY_STAGE].concat();
    let all = [
        FILE,
        SCHEDULE,
        INPUT_KEYS,
        &stage,
        COMMAND_STAGE,
        WARM_KEYS,
        HTTP_STAGE,
        SQL_STAGE,
        SLEEP_STAGE,
        CHILD_STAGE,
        WAIT_KEYS,
        &[WAIT_TIMEOUT, HEARTBEAT],
        &POLL_KEYS[3..],
        REPEAT_KEYS,
        RETRY_RULES,
        CLASS_RULES,
    ]
    .concat();
    let row = |key: &Key| {
        let example = if key.shape == Shape::Stages { "[stages.first]" } else { key.example };
        format!("| `{}` | {} | {} | {} | `{example}` |", key.name, key.what, code(key.default), key.about)
    };
    let expected: Vec<String> = all.iter().map(row).collect();
    held(&rows("| key | holds | default | meaning | a right line |"), &expected);
}

#[test]
fn the_page_has_the_defaults_of_every_class() {
    let row = |class: FailureClass| {
        let policy = RetryPolicy::default().class(class);
        let (key, [base, cap]) = (super::class(class), [policy.base, policy.cap].map(duration::format));
        format!("| `{class}` | {} | {base} | {cap} | `{}` |", policy.max_retries, key.example)
    };
    let expected: Vec<String> = ruled_classes().map(row).collect();
    held(&rows("| class | retries | base | cap | a right line |"), &expected);
}

#[test]
fn the_files_on_the_page_are_right() {
    let files: Vec<&str> = PAGE.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!files.is_empty());
    for file in files {
        if let Err(mistakes) = parse(file) {
            panic!("{mistakes}");
        }
    }
}
