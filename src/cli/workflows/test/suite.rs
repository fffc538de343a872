//! A test file with the workflow that it tests.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use super::said::full_name;
use crate::app::App;
use crate::bounded;
use crate::cli::args::Global;
use crate::cli::files::{self, DEFAULT_FOLDER};
use crate::model::json;
use crate::model::payload::{Payload, PayloadLimits};
use crate::model::quoted::quoted;
use crate::workflow::cases::{ENDING, TestFile};
use crate::workflow::definition::Workflow;
use crate::workflow::limits::Limits;
use crate::workflow::mistake::Mistakes;
use crate::workflow::similar::similar;

/// Both are right by themselves, and fit each other.
pub(super) struct Suite {
    pub(super) path: PathBuf,
    pub(super) workflow: Workflow,
    pub(super) file: TestFile,
}

impl Suite {
    /// Reads a test file and its workflow; or says every mistake.
    pub(super) fn read(app: &App, global: &Global, path: &Path) -> Result<Suite, String> {
        let told = |mistakes: Mistakes| mistakes.render(std::io::stderr().is_terminal());
        let source = path.display().to_string();
        let bytes = std::fs::File::open(path)
            .and_then(|file| bounded::beginning(file, Limits::default().max_file_bytes + 1))
            .map_err(|error| told(Mistakes::unreadable(&source, &error)))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let file = TestFile::parse(&source, &bytes, &|name| json_file(&folder.join(name))).map_err(told)?;
        let workflow = workflow(app, global, path, &file)?;
        file.check(&workflow).map_err(told)?;
        Ok(Suite { path: path.to_owned(), workflow, file })
    }

    /// The names of its cases, as `--filter` sees them.
    pub(super) fn names(&self) -> Vec<String> {
        let workflow = self.workflow.name.to_string();
        self.file.cases.iter().map(|case| full_name(&workflow, &case.name.text)).collect()
    }
}

/// The JSON in a file, without white space around it.
fn json_file(path: &Path) -> Result<String, String> {
    let most = PayloadLimits::default().payload_bytes;
    let text = bounded::text(path, most).map_err(|error| error.to_string())?;
    let payload = Payload::parse(&text, most).map_err(|error| error.to_string())?;
    Ok(json::compact(payload.as_str()))
}

/// The one that the file names, or the one beside it.
fn workflow(app: &App, global: &Global, path: &Path, file: &TestFile) -> Result<Workflow, String> {
    if let Some(name) = &file.workflow {
        let found = files::one(app, global, &name.text);
        return found.map_err(|error| file.mistake(error.to_string(), "name a workflow of this program").render(false));
    }
    let beside = beside(path);
    if !beside.is_file() {
        let title = format!("there is no workflow file {} to test", beside.display());
        let help = "give the test file the name of its workflow's file, or write workflow = \"NAME\"";
        return Err(file.mistake(title, help).render(std::io::stderr().is_terminal()));
    }
    let mut read = files::read_those(&[beside]).map_err(|error| error.to_string())?;
    let Some(only) = read.pop() else { return Err("the workflow file has gone".to_owned()) };
    only.parsed.map_err(|mistakes| mistakes.render(std::io::stderr().is_terminal()))
}

/// The workflow file beside a test file.
fn beside(test: &Path) -> PathBuf {
    let name = test.file_name().unwrap_or_default().to_string_lossy();
    test.with_file_name(format!("{}.toml", name.strip_suffix(ENDING).unwrap_or(&name)))
}

/// The test files that are meant.
pub(super) fn test_files(global: &Global, named: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let default = global.workflows.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FOLDER));
    let named = if named.is_empty() { vec![default.clone()] } else { named.to_vec() };
    let mut found = Vec::new();
    for path in named {
        if path.is_dir() {
            let inside = files::tests_in_folder(&path)?;
            if inside.is_empty() {
                anyhow::bail!(
                    "there is no test file in {}: begin one with the name of its workflow's file, such as story{ENDING} beside \
                     story.toml",
                    path.display()
                );
            }
            found.extend(inside);
        } else if files::is_test(&path) && path.exists() {
            found.push(path);
        } else if path.is_file() {
            let test = path.with_extension(&ENDING[1..]);
            if !test.is_file() {
                anyhow::bail!("{} has no tests: write some into {}", path.display(), test.display());
            }
            found.push(test);
        } else {
            anyhow::bail!("{}", no_such(&path, &default));
        }
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|path| seen.insert(path.clone()));
    Ok(found)
}

/// For a name that leads to no test file: those that there are.
fn no_such(path: &Path, folder: &Path) -> String {
    let tests = files::tests_in_folder(folder).unwrap_or_default();
    let tests: Vec<String> = tests.iter().map(|test| test.display().to_string()).collect();
    let named = quoted(&path.display().to_string()).to_string();
    if tests.is_empty() {
        return format!(
            "there is no `{named}`; name test files (NAME{ENDING}), workflow files that have one beside them, or folders"
        );
    }
    // A workflow's name, or that of a file without its folder.
    let stem = |path: &str| path.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or(path).to_owned();
    let meant = tests.iter().find(|test| stem(test) == stem(&named)).map(String::as_str);
    let hint = match meant.or_else(|| similar(&named, tests.iter().map(String::as_str))) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None => ".".to_owned(),
    };
    format!("there is no `{named}`{hint} There are: {}", tests.join(", "))
}
