//! `piton workflows`: checking, listing and drawing files. Needs no database.

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::bail;

use super::args::{Global, WorkflowsArgs};
use super::exit::Exit;
use super::files::{self, File};
use crate::app::App;
use crate::workflow::schema;

pub(crate) fn workflows(app: &App, global: &Global, action: WorkflowsArgs) -> anyhow::Result<Exit> {
    match action {
        WorkflowsArgs::Check { files } => check(app, global, &files),
        WorkflowsArgs::List => list(app, global),
        WorkflowsArgs::Graph { workflow } => graph(app, global, &workflow),
        WorkflowsArgs::Schema => {
            print!("{}", schema::text());
            Ok(Exit::Done)
        }
    }
}

/// Says every mistake of every file; fails when there is one.
fn check(app: &App, global: &Global, paths: &[PathBuf]) -> anyhow::Result<Exit> {
    let files: Vec<File> = match paths {
        [] => files::read(app, global)?,
        some => some.iter().map(|path| files::read_one(path)).collect::<Result<_, _>>()?,
    };
    if files.is_empty() {
        bail!("there is no workflow file to check; name some, or a folder with --workflows");
    }
    let bad = files.iter().any(|f| f.parsed.is_err());
    for file in &files {
        match &file.parsed {
            Ok(workflow) if !global.json => {
                println!(
                    "{}: workflow `{}`, {} stages, no mistakes",
                    file.source,
                    workflow.name,
                    workflow.stages.len()
                );
            }
            Err(mistakes) if !global.json => eprint!("{}", mistakes.render(std::io::stderr().is_terminal())),
            Ok(_) | Err(_) => {}
        }
    }
    if global.json {
        let reports = files.iter().map(|file| match &file.parsed {
            Ok(workflow) => serde_json::json!({"file": file.source, "workflow": workflow.name, "mistakes": []}),
            Err(mistakes) => serde_json::json!({"file": file.source, "workflow": null, "mistakes": mistakes.to_json()}),
        });
        println!("{}", serde_json::Value::from_iter(reports));
    }
    Ok(if bad { Exit::Failed } else { Exit::Done })
}

fn list(app: &App, global: &Global) -> anyhow::Result<Exit> {
    let workflows = files::load(app, global)?;
    if global.json {
        let rows = workflows.iter().map(|w| {
            let lacking = files::lacking(w, &app.handlers);
            serde_json::json!({"workflow": w.name, "description": w.description, "stages": w.stages.len(),
                               "lacking": lacking})
        });
        println!("{}", serde_json::Value::from_iter(rows));
        return Ok(Exit::Done);
    }
    if workflows.is_empty() {
        println!("No workflows. Put files into the folder `workflows`, or name another with --workflows.");
    }
    for workflow in &workflows {
        let about = workflow.description.as_deref().unwrap_or_default();
        println!("{:<20}  {:>3} stages  {about}", workflow.name.as_str(), workflow.stages.len());
        let lacking = files::lacking(workflow, &app.handlers);
        if !lacking.is_empty() {
            println!("{:<20}  lacking here: {}", "", lacking.join(", "));
        }
    }
    Ok(Exit::Done)
}

fn graph(app: &App, global: &Global, name: &str) -> anyhow::Result<Exit> {
    let workflows = files::load(app, global)?;
    let Some(workflow) = workflows.iter().find(|w| w.name.as_str() == name) else {
        let names: Vec<&str> = workflows.iter().map(|w| w.name.as_str()).collect();
        bail!("{}", files::no_such_workflow(name, &names));
    };
    if global.json {
        println!("{}", workflow.to_json());
    } else {
        print!("{}", workflow.graph_text());
    }
    Ok(Exit::Done)
}
