//! `piton workflows new`: a file to start from, which runs as it is, and its tests.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::json;

use super::kind::{self, Starter};
use crate::app::App;
use crate::cli::args::{Global, NewArgs, NewKind};
use crate::cli::exit::Exit;
use crate::cli::files::{self, DEFAULT_FOLDER};
use crate::cli::output::outln;
use crate::config;
use crate::workflow::cases::ENDING;
use crate::workflow::name::{self, WorkflowName};

/// Writes the file, unless there is one, or a workflow of that name elsewhere, and says what to type next.
pub(super) fn new(app: &App, global: &Global, args: &NewArgs) -> anyhow::Result<Exit> {
    let name: WorkflowName = args.workflow.parse().map_err(|error| bad_name(&args.workflow, &error))?;
    let folder = global.workflows.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FOLDER));
    let path = args.to.clone().unwrap_or_else(|| folder.join(format!("{name}.toml")));
    if path.extension().is_none_or(|extension| extension != "toml") {
        bail!("a workflow file ends in .toml: write --to {}", path.with_extension("toml").display());
    }
    if files::is_test(&path) {
        let name = path.to_string_lossy();
        let workflow = name.trim_end_matches(ENDING);
        bail!("tests of a workflow are in {name}, and not the workflow: write --to {workflow}.toml");
    }
    if let Some(source) = other(app, global, &name) {
        bail!("there is a workflow `{name}` in {source} already; choose another name");
    }
    let tests = path.with_extension(&ENDING[1..]);
    let (kind, was_chosen) = match args.kind {
        Some(kind) => (kind, true),
        None if global.json => (NewKind::Words, false),
        None => kind::ask()?.map_or((NewKind::Words, false), |kind| (kind, true)),
    };
    // They stand in strings of TOML.
    if path.to_string_lossy().contains(['"', '\\']) {
        bail!("no quote and no backslash may be in the name of the file; choose another one with --to");
    }
    let Some(Starter { files, about }) = kind::starter(kind, &name, &path, &tests) else {
        bail!("there is no such kind of workflow");
    };
    // Before anything is written.
    if let Some((taken, _)) = files.iter().find(|(file, _)| file.symlink_metadata().is_ok()) {
        bail!(
            "{} is there already, and stays as it is; choose another name, or another file with --to",
            taken.display()
        );
    }
    files.iter().try_for_each(|(file, text)| write(file, text))?;
    let next = next(app, global, &name, kind, &path);
    if global.json {
        let all: Vec<&Path> = files.iter().map(|(file, _)| file.as_path()).collect();
        outln!("{}", json!({"file": path, "tests": tests, "files": all, "workflow": name, "next": next}));
        return Ok(Exit::Done);
    }
    outln!("Wrote {}: {about}, and their tests in {}. Next:\n", path.display(), tests.display());
    next.iter().for_each(|command| outln!("  {command}"));
    if !was_chosen {
        outln!("\nOther kinds, with --kind: {}", kind::others());
    }
    Ok(Exit::Done)
}

fn bad_name(text: &str, error: &name::NameError) -> anyhow::Error {
    let program = config::program();
    let near = name::nearest(text).map_or_else(String::new, |near| format!("; try `{program} workflows new {near}`"));
    anyhow::anyhow!("`{}` is no name for a workflow: {error}{near}", crate::model::quoted::quoted(text))
}

/// The file of a workflow that has the name; a folder that is not there yet has none.
fn other(app: &App, global: &Global, name: &WorkflowName) -> Option<String> {
    let files = files::read(app, global).unwrap_or_default();
    files.into_iter().find(|file| file.parsed.as_ref().is_ok_and(|w| w.name == *name)).map(|file| file.source)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    match std::fs::File::create_new(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display())),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
            "{} is there already, and stays as it is; choose another name, or another file with --to",
            path.display()
        ),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}

/// What to type next; the folder is named where it would not be looked into.
fn next(app: &App, global: &Global, name: &WorkflowName, kind: NewKind, path: &Path) -> Vec<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_default = |folder: &Path| folder == Path::new(DEFAULT_FOLDER);
    let looked_into = global.workflows.is_none()
        && app.files.is_empty()
        && (is_default(folder) || folder.parent().is_some_and(is_default));
    let program = config::program();
    let at = if looked_into { String::new() } else { format!(" --workflows {}", quoted(folder)) };
    let script = quoted(&path.with_extension("py"));
    let path = quoted(path);
    let mut next = vec![format!("{program} workflows check {path}"), format!("{program} workflows test {path}")];
    match kind {
        NewKind::Words | NewKind::Media | NewKind::Python => next.push(format!("{program} run {name}{at}")),
        NewKind::Http => next.extend([format!("python3 {script} &"), format!("{program} run {name}{at}")]),
        NewKind::Rust => next.push(format!("cargo run --manifest-path {name}/Cargo.toml -- run {name}{at}")),
    }
    next
}

/// As a shell takes it for one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        assert_eq!(quoted(Path::new("workflows/a.toml")), "workflows/a.toml");
        assert_eq!(quoted(Path::new("it's here/a.toml")), r"'it'\''s here/a.toml'");
    }
}
