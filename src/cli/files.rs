//! The workflow files of this process: built in, or from a folder.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use super::args::Global;
use crate::app::App;
use crate::config;
use crate::queue::catalog::{Catalog, Version};
use crate::stage::handler::Handlers;
use crate::stage::missing::Missing;
use crate::store::{Store, StoreError};
use crate::workflow::definition::{Stage, Workflow};
use crate::workflow::limits::Limits;
use crate::workflow::mistake::Mistakes;
use crate::workflow::name::WorkflowName;

/// Folder that is read when none is given and none are built in.
pub(crate) const DEFAULT_FOLDER: &str = "workflows";

/// A workflow and the file it came from.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) source: String,
    bytes: Vec<u8>,
    pub(crate) parsed: Result<Workflow, Mistakes>,
}

/// Reads every workflow file of this process; none is used when one has a mistake.
pub(crate) fn load(app: &App, global: &Global) -> anyhow::Result<Vec<Workflow>> {
    let (mut workflows, mut said) = (Vec::new(), Vec::new());
    for file in read(app, global)? {
        match file.parsed {
            Ok(workflow) => workflows.push(workflow),
            Err(mistakes) => said.push(mistakes.render(std::io::stderr().is_terminal())),
        }
    }
    if !said.is_empty() {
        bail!("workflow files have mistakes\n\n{}", said.join("\n\n"));
    }
    Ok(workflows)
}

/// Parses every workflow file of this process.
pub(crate) fn read(app: &App, global: &Global) -> anyhow::Result<Vec<File>> {
    let built_in = app.files.iter().map(|(source, text)| parse(source.clone(), text.clone().into_bytes()));
    let mut files: Vec<File> = built_in.collect();
    let folder = match &global.workflows {
        Some(folder) => Some(folder.clone()),
        None => Some(PathBuf::from(DEFAULT_FOLDER)).filter(|f| app.files.is_empty() && f.is_dir()),
    };
    let paths = folder.map(|folder| in_folder(&folder)).transpose()?.unwrap_or_default();
    files.extend(paths.iter().map(|path| read_one(path)));
    Ok(tell_of_doubles(files))
}

/// Parses these files, and those in these folders.
pub(crate) fn read_those(paths: &[PathBuf]) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(in_folder(path)?.iter().map(|path| read_one(path)));
        } else {
            files.push(read_one(path));
        }
    }
    Ok(tell_of_doubles(files))
}

/// Parses one file. That it cannot be read is its mistake.
fn read_one(path: &Path) -> File {
    let source = path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => parse(source, bytes),
        Err(error) => File { parsed: Err(Mistakes::unreadable(&source, &error)), bytes: Vec::new(), source },
    }
}

fn parse(source: String, bytes: Vec<u8>) -> File {
    let parsed = Workflow::parse(&source, &bytes, &Limits::default());
    File { source, bytes, parsed }
}

/// A name is that of one workflow: the second file that says it has a mistake.
fn tell_of_doubles(mut files: Vec<File>) -> Vec<File> {
    let mut sources: HashMap<WorkflowName, String> = HashMap::new();
    for file in &mut files {
        let Ok(workflow) = &file.parsed else { continue };
        match sources.get(&workflow.name) {
            None => {
                sources.insert(workflow.name.clone(), file.source.clone());
            }
            Some(other) if *other == file.source => {}
            Some(other) => file.parsed = Err(Mistakes::same_name(&file.source, &file.bytes, &workflow.name, other)),
        }
    }
    files
}

/// `*.toml` in the folder and in the folders in it, by name.
fn in_folder(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in list(folder)? {
        if entry.is_dir() {
            found.extend(list(&entry)?.into_iter().filter(|p| is_workflow(p)));
        } else if is_workflow(&entry) {
            found.push(entry);
        }
    }
    Ok(found)
}

fn list(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut paths = entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}

fn is_workflow(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "toml") && path.is_file()
}

/// Stages of the workflow that lack something here, as `stage (what)`.
pub(crate) fn lacking(workflow: &Workflow, handlers: &Handlers) -> Vec<String> {
    let lacks = |stage: &Stage| Some(format!("{} ({})", stage.name, Missing::of(&stage.kind, handlers)?));
    workflow.stages.iter().filter_map(lacks).collect()
}

/// Registers this process' workflows in the database.
pub(crate) async fn register(
    app: App,
    global: &Global,
    store: &Store,
) -> anyhow::Result<(Arc<Catalog>, Vec<Arc<Version>>)> {
    let workflows = load(&app, global)?;
    let catalog = Arc::new(Catalog::new(app.handlers));
    let versions = register_all(&catalog, &workflows, store).await?;
    Ok((catalog, versions))
}

/// May be repeated: what is registered already gets the same ids.
pub(crate) async fn register_all(
    catalog: &Catalog,
    workflows: &[Workflow],
    store: &Store,
) -> anyhow::Result<Vec<Arc<Version>>> {
    let mut versions = Vec::with_capacity(workflows.len());
    for workflow in workflows {
        versions.push(catalog.register(store, workflow.clone()).await?);
    }
    Ok(versions)
}

/// As [`register_all`], for a worker: a workflow whose stored definition was changed is left out, and the others are not.
pub(super) async fn register_usable(
    catalog: &Catalog,
    workflows: &[Workflow],
    store: &Store,
) -> anyhow::Result<Vec<Arc<Version>>> {
    let mut versions = Vec::with_capacity(workflows.len());
    for workflow in workflows {
        match catalog.register(store, workflow.clone()).await {
            Err(StoreError::Damaged(said)) => {
                tracing::error!(workflow = %workflow.name, "this worker takes no jobs of it: the database holds {said}");
            }
            version => versions.push(version?),
        }
    }
    Ok(versions)
}

/// The version of that name, or an error that names those there are.
pub(crate) fn find<'v>(versions: &'v [Arc<Version>], name: &str) -> anyhow::Result<&'v Arc<Version>> {
    if let Some(found) = versions.iter().find(|v| v.workflow.name.as_str() == name) {
        return Ok(found);
    }
    let names: Vec<&str> = versions.iter().map(|v| v.workflow.name.as_str()).collect();
    bail!("{}", no_such_workflow(name, &names))
}

/// What to say when there is no workflow of that name.
pub(crate) fn no_such_workflow(name: &str, names: &[&str]) -> String {
    if names.is_empty() {
        return format!(
            "there is no workflow `{name}`: this program has none. Put workflow files into the folder \
             `{DEFAULT_FOLDER}`, or name another folder with --workflows; `{} workflows new {name}` begins one",
            config::program()
        );
    }
    let near = names.iter().copied().filter(|n| strsim::damerau_levenshtein(n, name) <= 2).min();
    let hint = near.map_or_else(|| ".".to_owned(), |n| format!("; did you mean `{n}`?"));
    format!("there is no workflow `{name}`{hint} There are: {}", names.join(", "))
}
