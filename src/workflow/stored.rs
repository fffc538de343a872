//! The definition as the database keeps it: canonical JSON under its digest.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::classes::{EXIT_CODES, STATUSES};
use super::condition::{self, Condition};
use super::definition::{AnswerFormat, ForEach, Source, Stage, StageIndex, StageKind, Workflow};
use super::input::DeclaredInput;
use super::input_template::InputTemplate;
use super::limits::MOST_STAGES;
use super::name::{ScheduleName, WorkflowName};
use super::retry_rules::RetryRules;
use super::schedule::Schedule;
use super::sql::odd_role;
use super::{duration, graph, own, rounds};

impl Workflow {
    /// The stored definition: compact JSON, the same text for the same definition.
    pub(crate) fn to_json(&self) -> String {
        // Strings, numbers and lists cannot fail to become JSON; a text that `from_json` refuses stands in for the error.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// SHA-256 of the stored definition, so that comments and white space in the file do not make a new version.
    pub(crate) fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.to_json().as_bytes()).into()
    }

    /// Reads what is stored under that digest. What was changed since is refused before anything is made of it: a stage may be
    /// any program, and a run follows the definition that it was started on, not what somebody has put in its place.
    pub(crate) fn from_stored(text: &str, digest: &[u8]) -> Result<Workflow, StoredError> {
        if Sha256::digest(text.as_bytes()).as_slice() != digest {
            return Err(StoredError::Altered);
        }
        Workflow::from_json(text)
    }

    /// Reads a definition. All that the file was held to is checked again: a damaged row is an error.
    pub(crate) fn from_json(text: &str) -> Result<Workflow, StoredError> {
        let stored: Stored = serde_json::from_str(text).map_err(|e| StoredError::NotReadable(e.to_string()))?;
        let Stored { name, description, retry, input, stages, schedules } = stored;
        let workflow = Workflow { name, description, retry, input, stages, schedules };
        check(&workflow)?;
        Ok(workflow)
    }
}

/// Why a stored text is no definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoredError {
    /// What stands there is not what was registered.
    #[error("it was changed after it was registered (its digest is another one), so nothing of it is run")]
    Altered,
    /// Damaged, or written by a newer Piton that knows more.
    #[error("it is not the JSON of a definition that this version knows: {0}")]
    NotReadable(String),
    #[error("it has {0} stages")]
    Count(usize),
    #[error("a key of its input has no name, or that of another one")]
    Input,
    #[error("two stages are named `{0}`")]
    SameName(String),
    #[error("stage `{0}` needs itself, one stage twice, or one that does not exist")]
    Needs(String),
    #[error(
        "the condition of stage `{0}` reads what the stage does not have, or it accepts the skip of a stage that it does not need"
    )]
    Condition(String),
    #[error("stage `{0}` runs after the failure of a stage that it does not need, or that is fanned out")]
    Failure(String),
    #[error("its rounds cannot be done again and again")]
    Rounds,
    #[error("stage `{0}` does not begin with some of its needs, or others need those too, or they are fanned out")]
    Race(String),
    #[error("stages need each other in a circle")]
    Circle,
    #[error("stage `{0}` fans out over something that it cannot have")]
    ForEach(String),
    #[error("what stage `{0}` is content with is out of bounds, or it is not fanned out")]
    Quorum(String),
    #[error("the handler of stage `{0}` has no name")]
    Handler(String),
    #[error("the command of stage `{0}` names no program")]
    Command(String),
    #[error("the classes of stage `{0}` are for codes that it cannot end with, or no classes of its failures")]
    Classes(String),
    #[error("the role of stage `{0}` is none that a statement may have")]
    Role(String),
    #[error("the limits of the warm processes of stage `{0}` are out of bounds, or its program depends on the job")]
    Warm(String),
    #[error("stage `{0}` does not say how long it sleeps, or says it twice")]
    Sleep(String),
    #[error("what stage `{0}` waits for is out of bounds, or has the name of another signal")]
    Signal(String),
    #[error("the run that stage `{0}` starts has no sound input, or is one of its own workflow")]
    Run(String),
    #[error("what stage `{0}` waits for is out of bounds, or none that a stage of its kind can wait for")]
    Service(String),
    #[error("the timeout of stage `{0}` is out of bounds")]
    Timeout(String),
    #[error("the limits of stage `{0}` are out of bounds")]
    Limits(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    name: WorkflowName,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    retry: RetryRules,
    #[serde(default)]
    input: Option<DeclaredInput>,
    stages: Vec<Stage>,
    #[serde(default)]
    schedules: BTreeMap<ScheduleName, Schedule>,
}

fn check(workflow: &Workflow) -> Result<(), StoredError> {
    let stages = &workflow.stages;
    if stages.is_empty() || stages.len() > MOST_STAGES {
        return Err(StoredError::Count(stages.len()));
    }
    if workflow.input.as_ref().is_some_and(|input| !input.has_distinct_keys()) {
        return Err(StoredError::Input);
    }
    let (mut names, mut signals) = (HashSet::new(), HashSet::new());
    for (at, stage) in stages.iter().enumerate() {
        if !names.insert(&stage.name) {
            return Err(StoredError::SameName(stage.name.to_string()));
        }
        check_place(workflow, at, stage)?;
        check_kind(workflow, stage, &mut signals)?;
        check_attempts(stage)?;
    }
    if !workflow.has_sound_rounds() {
        return Err(StoredError::Rounds);
    }
    let needs: Vec<&[StageIndex]> = stages.iter().map(|stage| stage.needs.as_slice()).collect();
    graph::order(&needs).map(|_| ()).ok_or(StoredError::Circle)
}

/// Where it stands in the graph, and when it runs.
fn check_place(workflow: &Workflow, at: usize, stage: &Stage) -> Result<(), StoredError> {
    let (stages, name) = (&workflow.stages, || stage.name.to_string());
    let mut seen = HashSet::new();
    if !stage.needs.iter().all(|need| need.at() < stages.len() && need.at() != at && seen.insert(*need)) {
        return Err(StoredError::Needs(name()));
    }
    if !stage.accepts_skipped.iter().all(|need| stage.needs.contains(need)) || !can_be_decided(workflow, stage) {
        return Err(StoredError::Condition(name()));
    }
    if stage.on_failure_of.is_some_and(|of| !can_run_after(workflow, stage, of)) {
        return Err(StoredError::Failure(name()));
    }
    if !can_fan_out(workflow, stage) {
        return Err(StoredError::ForEach(name()));
    }
    if stage.quorum.as_ref().is_some_and(|quorum| !quorum.is_sound() || stage.for_each.is_none()) {
        return Err(StoredError::Quorum(name()));
    }
    if !can_race(workflow, stage) {
        return Err(StoredError::Race(name()));
    }
    Ok(())
}

/// What its kind has. `signals` are those of the stages before it.
fn check_kind<'w>(workflow: &Workflow, stage: &'w Stage, signals: &mut HashSet<&'w str>) -> Result<(), StoredError> {
    let name = || stage.name.to_string();
    match &stage.kind {
        StageKind::Rust { handler } if handler.is_empty() => return Err(StoredError::Handler(name())),
        StageKind::Command(command) if command.argv.is_empty() => return Err(StoredError::Command(name())),
        StageKind::Command(command) if !command.classes.are_within(&EXIT_CODES) => {
            return Err(StoredError::Classes(name()));
        }
        StageKind::Command(command) if !command.is_rightly_warm() => return Err(StoredError::Warm(name())),
        StageKind::Http(request) if !request.classes.are_within(&STATUSES) => {
            return Err(StoredError::Classes(name()));
        }
        StageKind::Sql(sql) if sql.role.is_empty() || odd_role(&sql.role).is_some() => {
            return Err(StoredError::Role(name()));
        }
        StageKind::Sleep(sleep) if !sleep.is_sound() => return Err(StoredError::Sleep(name())),
        StageKind::Signal(signal)
            if !signal.is_sound() || stage.for_each.is_some() || !signals.insert(signal.name.as_str()) =>
        {
            return Err(StoredError::Signal(name()));
        }
        StageKind::Run(run)
            if !run.input.as_ref().is_none_or(InputTemplate::is_sound) || run.workflow == workflow.name =>
        {
            return Err(StoredError::Run(name()));
        }
        StageKind::Rust { .. }
        | StageKind::Command(_)
        | StageKind::Http(_)
        | StageKind::Sql(_)
        | StageKind::Sleep(_)
        | StageKind::Signal(_)
        | StageKind::Run(_) => {}
    }
    Ok(())
}

/// What it waits for, and the bounds of its attempts.
fn check_attempts(stage: &Stage) -> Result<(), StoredError> {
    let name = || stage.name.to_string();
    let can_wait = || match &stage.kind {
        StageKind::Rust { .. } => true,
        StageKind::Command(command) => !command.finish,
        StageKind::Http(request) => request.output != AnswerFormat::File,
        StageKind::Sql(_) | StageKind::Sleep(_) | StageKind::Signal(_) | StageKind::Run(_) => false,
    };
    if stage.wait.as_ref().is_some_and(|wait| !wait.is_sound() || !can_wait()) {
        return Err(StoredError::Service(name()));
    }
    duration::checked(stage.timeout).map_err(|_| StoredError::Timeout(name()))?;
    if stage.stall.is_some_and(|stall| duration::checked(stall).is_err() || stall >= stage.timeout) {
        return Err(StoredError::Timeout(name()));
    }
    let (all, each) = (stage.concurrency, stage.per_worker);
    if all == Some(0) || each == Some(0) || stage.rate.is_some_and(|rate| rate.checked().is_err()) {
        return Err(StoredError::Limits(name()));
    }
    Ok(())
}

/// Whether it has all that its condition reads.
fn can_be_decided(workflow: &Workflow, stage: &Stage) -> bool {
    let needs = stage.needs.iter().filter_map(|need| workflow.stage(*need)).map(|need| need.name.as_str());
    // Which stages have a round before them is known to the file's reader alone; to the others it is a name that nothing has.
    let items = stage.for_each.as_ref().map_or(&[][..], ForEach::names);
    let names = needs.chain(["input", rounds::PREVIOUS, own::FAILURE]).chain(items.iter().copied());
    let own = || names.clone().chain([stage.name.as_str()]);
    let when = stage.when.iter().flat_map(Condition::reads);
    let until = stage.repeat.iter().flat_map(|repeat| repeat.until.reads());
    when.map(|read| condition::meant(&read.head, names.clone())).all(|meant| meant.is_some())
        && until.map(|read| condition::meant(&read.head, own())).all(|meant| meant.is_some())
}

fn can_run_after(workflow: &Workflow, stage: &Stage, of: StageIndex) -> bool {
    stage.needs.contains(&of) && stage.accepts(of) && workflow.stage(of).is_some_and(|of| of.for_each.is_none())
}

/// Whether some of its needs may be stopped when the others are done, and nothing else misses them.
fn can_race(workflow: &Workflow, stage: &Stage) -> bool {
    let Some(first) = stage.first else { return true };
    let needed_by = |need: &StageIndex| workflow.stages.iter().filter(|other| other.needs.contains(need)).count();
    let races =
        |need: &StageIndex| needed_by(need) == 1 && workflow.stage(*need).is_some_and(|racer| racer.for_each.is_none());
    first > 0 && (first as usize) < stage.needs.len() && stage.needs.iter().all(races)
}

fn can_fan_out(workflow: &Workflow, stage: &Stage) -> bool {
    let Some(for_each) = &stage.for_each else { return true };
    let array = |source: Source, path: &[String]| {
        let source = match source {
            Source::Input => true,
            Source::Stage(index) => {
                let fanned = workflow.stage(index).is_some_and(|s| s.for_each.is_some());
                stage.needs.contains(&index) && (path.is_empty() || !fanned)
            }
        };
        source && path.iter().all(|key| !key.is_empty())
    };
    let ForEach { source, path, within, times } = for_each;
    array(*source, path)
        && times.iter().all(|factor| array(factor.source, &factor.path))
        && within.iter().flatten().all(|key| !key.is_empty())
        && (within.is_none() || times.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::limits::Limits;

    const FILE: &str =
        "name = 'story'\n[stages.a]\nrust = 'a'\n[stages.b]\nrust = 'b'\nneeds = ['a']\nfor_each = 'a.x'";

    fn stored() -> String {
        Workflow::parse("story.toml", FILE.as_bytes(), &Limits::default()).expect("a workflow").to_json()
    }

    #[test]
    fn the_stored_text_is_part_of_the_digest_and_so_never_changes() {
        insta::assert_snapshot!(stored(), @r#"{"name":"story","stages":[{"name":"a","needs":[],"kind":{"rust":{"handler":"a"}},"timeout_ms":300000},{"name":"b","needs":[0],"for_each":{"source":{"stage":0},"path":["x"]},"kind":{"rust":{"handler":"b"}},"timeout_ms":300000}]}"#);
    }

    #[test]
    fn a_piton_that_knows_less_of_texts_does_not_read_them_otherwise() {
        let stored = |text: &str| {
            let file = format!("name = 'a'\n[stages.a]\ncommand = ['echo', \"{text}\"]");
            Workflow::parse("f", file.as_bytes(), &Limits::default()).expect("valid").to_json()
        };
        assert!(stored("{{run.id}}").contains(r#""knows_run":true"#), "it would look for `run.id` in the input");
        assert!(!stored("{{input.run.id}}").contains("knows_run"));
        for text in ["{{file:input/a}}", "{{out:a}}"] {
            assert!(stored(text).contains(r#""knows_files":true"#), "it would look for `{text}` in the input");
        }
        assert!(!stored("{{input.file}}").contains("knows_files"));
    }

    #[test]
    fn comments_and_white_space_do_not_make_a_new_version() {
        let digest = |text: &str| Workflow::parse("f", text.as_bytes(), &Limits::default()).expect("valid").digest();
        let same = FILE.replace("\n[", " # why\n\n  [").replace('\'', "\"").replace(" = ", "=");
        assert_eq!(digest(FILE), digest(&same));
        assert_ne!(digest(FILE), digest(&FILE.replace("a.x", "a.y")));
    }

    #[test]
    fn a_definition_that_is_not_the_one_of_its_digest_is_refused() {
        let digest: [u8; 32] = Sha256::digest(stored().as_bytes()).into();
        assert!(Workflow::from_stored(&stored(), &digest).is_ok());
        let other = stored().replacen(r#"{"rust":{"handler":"a"}}"#, r#"{"rust":{"handler":"b"}}"#, 1);
        assert!(Workflow::from_json(&other).is_ok(), "it would be one by itself");
        assert_eq!(Workflow::from_stored(&other, &digest), Err(StoredError::Altered));
        assert_eq!(Workflow::from_stored(&stored(), b""), Err(StoredError::Altered));
    }

    #[test]
    fn a_damaged_definition_is_an_error_and_not_a_panic() {
        let error = |from: &str, to: &str| {
            let text = stored();
            assert!(text.contains(from), "{from} is not in {text}");
            Workflow::from_json(&text.replacen(from, to, 1)).expect_err("damaged").to_string()
        };
        assert!(Workflow::from_json(&stored()).is_ok());
        insta::assert_snapshot!(error(r#""name":"b""#, r#""name":"a""#), @"two stages are named `a`");
        insta::assert_snapshot!(error(r#""needs":[0]"#, r#""needs":[9]"#), @"stage `b` needs itself, one stage twice, or one that does not exist");
        insta::assert_snapshot!(error(r#""needs":[]"#, r#""needs":[1]"#), @"stages need each other in a circle");
        insta::assert_snapshot!(error(r#""stage":0"#, r#""stage":1"#), @"stage `b` fans out over something that it cannot have");
        insta::assert_snapshot!(error(r#""handler":"a""#, r#""handler":"""#), @"the handler of stage `a` has no name");
        insta::assert_snapshot!(error("300000", "0"), @"the timeout of stage `a` is out of bounds");
        insta::assert_snapshot!(error("story", "Story"), @"it is not the JSON of a definition that this version knows: a name begins with a small letter (a to z), not with `S` at line 1 column 15");
        insta::assert_snapshot!(error(r#"{"rust":"#, r#"{"magic":"#), @"it is not the JSON of a definition that this version knows: unknown variant `magic`, expected one of `rust`, `command`, `http`, `sql`, `sleep`, `signal`, `run` at line 1 column 64");
        insta::assert_snapshot!(error("}", ""), @"it is not the JSON of a definition that this version knows: expected value at line 1 column 79");
    }
}
