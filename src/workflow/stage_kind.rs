//! How a stage runs: its kinds, and what each of them has.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::classes::Classes;
use super::form_file::FormFile;
use super::input::DeclaredInput;
use super::input_template::InputTemplate;
use super::name::{SignalName, WorkflowName};
use super::named_file::FileName;
use super::sql::Statement;
use super::template::Template;
use super::warm::Warm;

/// How a stage runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum StageKind {
    /// An async function, registered under this name in the worker's binary.
    Rust { handler: String },
    /// A program.
    Command(CommandStage),
    /// A request to a server.
    Http(HttpStage),
    /// A statement in the database where Piton is.
    Sql(SqlStage),
    /// Nothing, until a time.
    Sleep(SleepStage),
    /// Nothing, until somebody answers.
    Signal(SignalStage),
    /// A run of another workflow.
    Run(RunStage),
}

/// A program that is run without a shell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandStage {
    /// The program and its arguments; at least one.
    pub(crate) argv: Vec<Template>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) env: BTreeMap<String, Template>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pass_env: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dir: Option<Template>,
    #[serde(default, skip_serializing_if = "StandardInput::is_input")]
    pub(crate) stdin: StandardInput,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) memory_bytes: Option<u64>,
    /// It may end its attempt with `piton.finish`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) finish: bool,
    /// It is started once and does one job after another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) warm: Option<Warm>,
    #[serde(default, skip_serializing_if = "OutputFormat::is_json")]
    pub(crate) output: OutputFormat,
    /// Of exit codes that mean something else than usual.
    #[serde(default, skip_serializing_if = "Classes::is_empty")]
    pub(crate) classes: Classes,
}

impl CommandStage {
    /// A program that is started before there is a job knows nothing of one.
    pub(super) fn is_rightly_warm(&self) -> bool {
        self.warm.as_ref().is_none_or(|warm| {
            warm.is_within_bounds() && self.argv.iter().chain(&self.dir).all(Template::is_known_before_a_job)
        })
    }
}

/// A statement that is committed together with its checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SqlStage {
    pub(crate) statement: Statement,
    /// Whose rights it has.
    pub(crate) role: String,
}

/// A time that is waited for. It has either a length or an end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SleepStage {
    #[serde(
        rename = "for_ms",
        default,
        with = "super::duration::optional_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) length: Option<Duration>,
    /// RFC 3339, once it is filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Template>,
    /// A random share of this comes on top.
    #[serde(
        rename = "jitter_ms",
        default,
        with = "super::duration::optional_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) jitter: Option<Duration>,
}

impl SleepStage {
    /// Whether it says how long, in one way, and no longer than a file may.
    pub(super) fn is_sound(&self) -> bool {
        let lengths = [self.length, self.jitter];
        self.length.is_some() != self.until.is_some()
            && lengths.into_iter().flatten().all(|length| super::duration::checked(length).is_ok())
    }
}

/// A named answer that is waited for. `piton.signal` reads this, too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignalStage {
    /// Of one stage of the workflow only, so that an answer which comes early has its place.
    pub(crate) name: SignalName,
    /// How long it is waited for.
    #[serde(rename = "timeout_ms", with = "super::duration::millis")]
    pub(crate) timeout: Duration,
    /// JSON text of the output where nobody has answered by then; without it, the job fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on_timeout: Option<String>,
    /// What an answer holds, where the file says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<DeclaredInput>,
    /// Whoever started the run may not answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) not_starter: bool,
}

impl SignalStage {
    pub(super) fn is_sound(&self) -> bool {
        super::duration::checked(self.timeout).is_ok()
            && self.payload.as_ref().is_none_or(DeclaredInput::has_distinct_keys)
            && self.on_timeout.as_ref().is_none_or(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
    }
}

/// A run of another workflow, whose end is waited for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunStage {
    pub(crate) workflow: WorkflowName,
    /// Without it, the run gets what the stage gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<InputTemplate>,
    /// The stage is done once the run has started.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) detached: bool,
}

/// A request to a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpStage {
    /// Places of the input stand behind the host only, and are escaped.
    pub(crate) url: Template,
    pub(crate) method: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, Template>,
    #[serde(rename = "connect_timeout_ms", with = "super::duration::millis")]
    pub(crate) connect_timeout: Duration,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) redirects: u32,
    /// Form fields, and their files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) files: BTreeMap<String, FormFile>,
    /// Folder that the files are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dir: Option<Template>,
    #[serde(default, skip_serializing_if = "AnswerFormat::is_json")]
    pub(crate) output: AnswerFormat,
    /// What the file is called that the answer becomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<FileName>,
    /// Of statuses that mean something else than usual.
    #[serde(default, skip_serializing_if = "Classes::is_empty")]
    pub(crate) classes: Classes,
}

impl HttpStage {
    /// Whether its attempts use the artifact store: it sends files of it, or keeps its answer there.
    pub(crate) fn uses_store(&self) -> bool {
        self.output == AnswerFormat::File || self.sends_stored_files()
    }

    /// Whether it sends files that stages before it have made.
    pub(crate) fn sends_stored_files(&self) -> bool {
        self.files.values().any(|file| matches!(file, FormFile::Stored(_)))
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What a program answers with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OutputFormat {
    #[default]
    Json,
    /// One string.
    Text,
}

impl OutputFormat {
    fn is_json(&self) -> bool {
        *self == OutputFormat::Json
    }
}

/// What of a server's answer is the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AnswerFormat {
    /// The body, which is JSON.
    #[default]
    Json,
    /// The body as one string.
    Text,
    /// An object of `status`, `headers` and `body`.
    Response,
    /// The body becomes a file, which the output refers to.
    File,
}

impl AnswerFormat {
    fn is_json(&self) -> bool {
        *self == AnswerFormat::Json
    }
}

/// What a program reads from its standard input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StandardInput {
    /// The stage's input as JSON.
    #[default]
    #[serde(rename = "input")]
    Input,
    /// Its end.
    #[serde(rename = "none")]
    Nothing,
}

impl StandardInput {
    fn is_input(&self) -> bool {
        *self == StandardInput::Input
    }
}

impl StageKind {
    /// It does nothing but wait: its job may find that its wait is over.
    pub(crate) fn only_waits(&self) -> bool {
        match self {
            StageKind::Sleep(_) | StageKind::Signal(_) | StageKind::Run(_) => true,
            StageKind::Rust { .. } | StageKind::Command(_) | StageKind::Http(_) | StageKind::Sql(_) => false,
        }
    }

    pub(crate) fn is_command(&self) -> bool {
        matches!(self, StageKind::Command(_))
    }

    /// Processes that a worker keeps for a warm stage at most: so many of its attempts can work there at once.
    pub(crate) fn warm_processes(&self) -> Option<u32> {
        match self {
            StageKind::Command(command) => command.warm.as_ref().map(|warm| warm.processes),
            StageKind::Rust { .. }
            | StageKind::Http(_)
            | StageKind::Sql(_)
            | StageKind::Sleep(_)
            | StageKind::Signal(_)
            | StageKind::Run(_) => None,
        }
    }

    /// The templates in it, with their places in the input.
    pub(crate) fn templates(&self) -> Vec<&Template> {
        match self {
            StageKind::Rust { .. } | StageKind::Signal(_) => Vec::new(),
            StageKind::Command(command) => {
                command.argv.iter().chain(command.env.values()).chain(&command.dir).collect()
            }
            StageKind::Http(http) => [&http.url].into_iter().chain(http.headers.values()).chain(&http.dir).collect(),
            StageKind::Sql(sql) => sql.statement.parameters().iter().collect(),
            StageKind::Sleep(sleep) => sleep.until.iter().collect(),
            StageKind::Run(run) => run.input.iter().flat_map(InputTemplate::templates).collect(),
        }
    }
}
