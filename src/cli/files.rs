//! The workflow files of this process: built in, or from a folder.

use std::collections::{HashMap, HashSet};
use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use super::args::Global;
use crate::app::App;
use crate::bounded;
use crate::cli::output::Coloured;
use crate::config;
use crate::model::actor::Actor;
use crate::model::digest::hex;
use crate::model::quoted::quoted;
use crate::queue::catalog::Catalog;
use crate::queue::version::Version;
use crate::stage::handler::Handlers;
use crate::stage::missing::Missing;
use crate::store::versions::VersionRow;
use crate::store::{Store, StoreError};
use crate::view::when;
use crate::workflow::cases::ENDING;
use crate::workflow::children::{self, ChildMistake};
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
        return Err(Coloured(format!("workflow files have mistakes\n\n{}", said.join("\n\n"))).into());
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
    files.extend(each_once(paths).iter().map(|path| read_one(path)));
    Ok(tell_of_children(tell_of_doubles(files)))
}

/// Parses these files, and those in these folders.
pub(crate) fn read_those(paths: &[PathBuf]) -> anyhow::Result<Vec<File>> {
    let mut named = Vec::new();
    for path in paths {
        if path.is_dir() {
            named.extend(in_folder(path)?);
        } else {
            named.push(path.clone());
        }
    }
    Ok(tell_of_children(tell_of_doubles(each_once(named).iter().map(|path| read_one(path)).collect())))
}

/// Without further names of files that were named before: a link to a file is that file.
fn each_once(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    let is_new = |path: &PathBuf| {
        // What cannot be looked at is read, and told.
        std::fs::metadata(path).map_or(true, |about| !about.is_file() || seen.insert((about.dev(), about.ino())))
    };
    paths.into_iter().filter(is_new).collect()
}

/// Parses one file. That it cannot be read is its mistake.
fn read_one(path: &Path) -> File {
    let source = path.display().to_string();
    if is_test(path) {
        return File { parsed: Err(Mistakes::test_file(&source)), bytes: Vec::new(), source };
    }
    let limit = Limits::default().max_file_bytes;
    match std::fs::File::open(path).and_then(|file| bounded::beginning(file, limit + 1)) {
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

/// What starts runs of each other must fit: told in the file whose stages start them.
fn tell_of_children(mut files: Vec<File>) -> Vec<File> {
    let right: Vec<usize> =
        files.iter().enumerate().filter(|(_, file)| file.parsed.is_ok()).map(|(at, _)| at).collect();
    let workflows: Vec<&Workflow> = files.iter().filter_map(|file| file.parsed.as_ref().ok()).collect();
    let found = children::check(&workflows);
    for (number, at) in right.into_iter().enumerate() {
        let own: Vec<&ChildMistake> = found.iter().filter(|mistake| mistake.workflow == number).collect();
        if let (false, Some(file)) = (own.is_empty(), files.get_mut(at)) {
            file.parsed = Err(Mistakes::of_children(&file.source, &file.bytes, &own));
        }
    }
    files
}

/// `*.toml` in the folder and in the folders in it, by name. What begins with a dot is not for people: Kubernetes keeps what it
/// mounts in `..data`, and editors what is not saved. Nor are the copies that some of them keep as `#name` and `~name`.
fn in_folder(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    those_in_folder(folder, is_workflow)
}

/// The test files in the same places.
pub(crate) fn tests_in_folder(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    those_in_folder(folder, |path| is_test(path) && is_toml(path))
}

fn those_in_folder(folder: &Path, is_meant: fn(&Path) -> bool) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in list(folder)? {
        if entry.is_dir() {
            found.extend(list(&entry)?.into_iter().filter(|p| is_meant(p)));
        } else if is_meant(&entry) {
            found.push(entry);
        }
    }
    Ok(found)
}

fn list(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut paths = entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| !is_leftover(path));
    paths.sort();
    Ok(paths)
}

fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(b".") || name.starts_with(b"#") || name.starts_with(b"~")
}

/// Also a link that leads nowhere: that it cannot be read is its mistake.
fn is_workflow(path: &Path) -> bool {
    !is_test(path) && is_toml(path)
}

/// A test file, by its name.
pub(crate) fn is_test(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ENDING))
}

fn is_toml(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "toml") && (path.is_file() || path.is_symlink() && !path.exists())
}

/// Stages of the workflow that lack something here, as `stage (what)`.
pub(crate) fn lacking(workflow: &Workflow, handlers: &Handlers) -> Vec<String> {
    let lacks = |stage: &Stage| Some(format!("{} ({})", stage.name, Missing::of(stage, handlers)?));
    workflow.stages.iter().filter_map(lacks).collect()
}

/// The workflow of that name among this process' files, all of which are free of mistakes; or an error that names those there
/// are.
pub(crate) fn one(app: &App, global: &Global, name: &str) -> anyhow::Result<Workflow> {
    let mut workflows = load(app, global)?;
    match workflows.iter().position(|workflow| workflow.name.as_str() == name) {
        Some(at) => Ok(workflows.swap_remove(at)),
        None => {
            let names: Vec<&str> = workflows.iter().map(|workflow| workflow.name.as_str()).collect();
            bail!("{}", no_such_workflow(name, &names))
        }
    }
}

/// Which files become the current version of their workflow, where they never were.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deploys<'d> {
    /// Those of that workflow, and of what its runs start: what a person starts.
    One(&'d str),
    /// All of them: what a worker was given to work with.
    All,
    None,
}

/// Registers workflows in the database. May be repeated: what is registered already gets the same ids.
pub(crate) async fn register(
    catalog: &Catalog,
    workflows: &[Workflow],
    store: &Store,
    deploys: Deploys<'_>,
    by: Actor<'_>,
) -> Result<Vec<Arc<Version>>, StoreError> {
    let mut versions = Vec::with_capacity(workflows.len());
    let wanted = if let Deploys::One(name) = deploys { children::all_below(workflows, name) } else { Vec::new() };
    for workflow in workflows {
        let deploys = match deploys {
            Deploys::One(_) => wanted.contains(&workflow.name.as_str()),
            Deploys::All => true,
            Deploys::None => false,
        };
        versions.push(catalog.register(store, workflow.clone(), deploys.then_some(by)).await?);
    }
    Ok(versions)
}

/// As [`register`], for a worker: a workflow whose stored definition was changed is left out, and the others are not.
pub(super) async fn register_usable(
    catalog: &Catalog,
    workflows: &[Workflow],
    store: &Store,
    deploys: Deploys<'_>,
    by: Actor<'_>,
) -> Result<Vec<Arc<Version>>, StoreError> {
    let mut versions = Vec::with_capacity(workflows.len());
    for workflow in workflows {
        match register(catalog, std::slice::from_ref(workflow), store, deploys, by).await {
            Err(StoreError::Damaged(said)) => {
                tracing::error!(workflow = %workflow.name, "this worker takes no jobs of it: the database holds {said}");
            }
            registered => versions.extend(registered?),
        }
    }
    Ok(versions)
}

/// Of each workflow whose current version is another one than that of these files, a sentence.
pub(crate) async fn not_current(versions: &[Arc<Version>], store: &Store) -> Result<Vec<String>, StoreError> {
    let current = store.current_versions().await?;
    let said = versions.iter().filter_map(|version| {
        let (_, now) = current.iter().find(|(name, _)| *name == *version.name)?;
        let digest = hex(&version.workflow.digest());
        (now.digest != digest).then(|| {
            let (name, here, since) = (&version.name, short(&digest), since(now));
            format!("the current version of {name} is {}{since}, and not that of the file here, {here}", now.version)
        })
    });
    Ok(said.collect())
}

/// Since when a version is current, and by whom, as far as that is known.
pub(crate) fn since(version: &VersionRow) -> String {
    let at = version.current_since.map(|at| format!(" since {}", when::clock(at)));
    let by = version.current_by.as_ref().map(|by| format!(" by {by}"));
    at.unwrap_or_default() + &by.unwrap_or_default()
}

/// As much of a digest as people are shown.
pub(crate) fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// Where nothing was found of a workflow: a slip in its name is no workflow without any.
pub(crate) async fn refuse_unknown(store: &Store, name: Option<&str>) -> anyhow::Result<()> {
    let Some(name) = name else { return Ok(()) };
    let all = store.workflows(None).await?;
    let names: Vec<&str> = all.iter().map(|row| row.workflow.as_str()).collect();
    if !names.contains(&name) {
        bail!("{}", no_such_workflow(name, &names));
    }
    Ok(())
}

/// What to say when there is no workflow of that name.
pub(crate) fn no_such_workflow(name: &str, names: &[&str]) -> String {
    let shown = quoted(name);
    let begins = if name.parse::<WorkflowName>().is_ok() { name } else { "NAME" };
    if names.is_empty() {
        return format!(
            "there is no workflow `{shown}`: this program has none. Put workflow files into the folder \
             `{DEFAULT_FOLDER}`, or name another folder with --workflows; `{} workflows new {begins}` begins one",
            config::program()
        );
    }
    let near = names.iter().copied().filter(|n| strsim::damerau_levenshtein(n, name) <= 2).min();
    let hint = near.map_or_else(|| ".".to_owned(), |n| format!("; did you mean `{n}`?"));
    format!("there is no workflow `{shown}`{hint} There are: {}", names.join(", "))
}
