//! `piton workflows`: what one can do with files. Needs no database.

mod check;
mod new;
mod show;

use anyhow::bail;

use super::args::{Global, GraphFormat, WorkflowsArgs};
use super::exit::Exit;
use super::files;
use crate::app::App;
use crate::config;
use crate::workflow::definition::Workflow;
use crate::workflow::schema;

pub(crate) fn workflows(app: &App, global: &Global, action: WorkflowsArgs) -> anyhow::Result<Exit> {
    match action {
        WorkflowsArgs::New(args) => new::new(app, global, &args),
        WorkflowsArgs::Check { files } => check::check(app, global, &files),
        WorkflowsArgs::List => list(app, global),
        WorkflowsArgs::Show { workflow, effective } => {
            show::show(&find(app, global, &workflow)?, effective, global.json)
        }
        WorkflowsArgs::Graph { workflow, format } => graph(&find(app, global, &workflow)?, format, global.json),
        WorkflowsArgs::Schema => {
            print!("{}", schema::text());
            Ok(Exit::Done)
        }
    }
}

fn find(app: &App, global: &Global, name: &str) -> anyhow::Result<Workflow> {
    let mut workflows = files::load(app, global)?;
    match workflows.iter().position(|workflow| workflow.name.as_str() == name) {
        Some(at) => Ok(workflows.swap_remove(at)),
        None => {
            let names: Vec<&str> = workflows.iter().map(|workflow| workflow.name.as_str()).collect();
            bail!("{}", files::no_such_workflow(name, &names))
        }
    }
}

fn graph(workflow: &Workflow, format: GraphFormat, json: bool) -> anyhow::Result<Exit> {
    if json {
        println!("{}", workflow.to_json());
        return Ok(Exit::Done);
    }
    let drawn = match format {
        GraphFormat::Text => workflow.graph_text(),
        GraphFormat::Mermaid => workflow.graph_mermaid(),
        GraphFormat::Dot => workflow.graph_dot(),
    };
    print!("{drawn}");
    Ok(Exit::Done)
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
        println!("No workflows. Begin one with:  {} workflows new NAME", config::program());
    }
    for workflow in &workflows {
        let about = workflow.description.as_deref().unwrap_or_default();
        let line = format!("{:<20}  {:>3} stages  {about}", workflow.name.as_str(), workflow.stages.len());
        println!("{}", line.trim_end());
        let lacking = files::lacking(workflow, &app.handlers);
        if !lacking.is_empty() {
            println!("{:<20}  lacking here: {}", "", lacking.join(", "));
        }
    }
    Ok(Exit::Done)
}
