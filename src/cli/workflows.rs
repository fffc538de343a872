//! `piton workflows`: workflow files, and which versions of them a database has.
//!
//! Files alone need no database. Where one is named, `list` and `show` say as well what is current there.

mod check;
mod current;
mod deploy;
mod kind;
mod new;
mod show;
#[cfg(feature = "testing")]
pub(in crate::cli) mod test;

use self::current::Current;
use super::args::{Global, GraphFormat, WorkflowsArgs};
use super::exit::Exit;
use super::files;
use crate::app::App;
use crate::cli::output::{out, outln};
use crate::config;
use crate::workflow::cases;
use crate::workflow::definition::Workflow;
use crate::workflow::schema;

pub(crate) async fn workflows(app: App, global: Global, action: WorkflowsArgs) -> anyhow::Result<Exit> {
    match action {
        WorkflowsArgs::New(args) => new::new(&app, &global, &args),
        WorkflowsArgs::Check { files } => check::check(&app, &global, &files),
        #[cfg(feature = "testing")]
        WorkflowsArgs::Test(args) => test::test(app, global, args).await,
        WorkflowsArgs::List => list(&app, &global, &Current::of(&global).await),
        WorkflowsArgs::Show { workflow, effective } => {
            let workflow = files::one(&app, &global, &workflow)?;
            show::show(&workflow, &Current::of(&global).await, effective, global.json)
        }
        WorkflowsArgs::Versions { workflow } => deploy::versions(&global, &workflow).await,
        WorkflowsArgs::Deploy(args) => deploy::deploy(app, &global, args).await,
        WorkflowsArgs::Rollback(args) => deploy::roll_back(&global, args).await,
        WorkflowsArgs::Graph { workflow, format } => graph(&files::one(&app, &global, &workflow)?, format, global.json),
        WorkflowsArgs::Schema { tests } => {
            out!("{}", if tests { cases::schema::text() } else { schema::text() });
            Ok(Exit::Done)
        }
    }
}

fn graph(workflow: &Workflow, format: GraphFormat, json: bool) -> anyhow::Result<Exit> {
    if json {
        outln!("{}", workflow.to_json());
        return Ok(Exit::Done);
    }
    let drawn = match format {
        GraphFormat::Text => workflow.graph_text(),
        GraphFormat::Mermaid => workflow.graph_mermaid(),
        GraphFormat::Dot => workflow.graph_dot(),
    };
    out!("{drawn}");
    Ok(Exit::Done)
}

fn list(app: &App, global: &Global, current: &Current) -> anyhow::Result<Exit> {
    let workflows = files::load(app, global)?;
    if global.json {
        let rows = workflows.iter().map(|w| {
            let lacking = files::lacking(w, &app.handlers);
            let mut row = serde_json::json!({"workflow": w.name, "description": w.description, "stages": w.stages.len(),
                                             "lacking": lacking});
            current.add_to(&mut row, w);
            row
        });
        outln!("{}", serde_json::Value::from_iter(rows));
        return Ok(Exit::Done);
    }
    if workflows.is_empty() {
        outln!("No workflows. Begin one with:  {} workflows new NAME", config::program());
    }
    for workflow in &workflows {
        let about = workflow.description.as_deref().unwrap_or_default();
        let line = format!("{:<20}  {:>3} stages  {about}", workflow.name.as_str(), workflow.stages.len());
        outln!("{}", line.trim_end());
        if let Some(said) = current.said(workflow) {
            outln!("{:<20}  {said}", "");
        }
        let lacking = files::lacking(workflow, &app.handlers);
        if !lacking.is_empty() {
            outln!("{:<20}  lacking here: {}", "", lacking.join(", "));
        }
    }
    Ok(Exit::Done)
}
