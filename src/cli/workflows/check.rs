//! `piton workflows check`: every mistake of every file. What a stage lacks on this machine is not one.

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::bail;
use serde_json::{Value, json};

use crate::app::App;
use crate::cli::args::Global;
use crate::cli::exit::Exit;
use crate::cli::files::{self, File};
use crate::cli::output::{self, Coloured, errln, outln};
use crate::config;

/// Ends as a failure when there is a mistake.
pub(super) fn check(app: &App, global: &Global, paths: &[PathBuf]) -> anyhow::Result<Exit> {
    let files = match paths {
        [] => files::read(app, global)?,
        some => files::read_those(some)?,
    };
    if files.is_empty() {
        bail!(
            "there is no workflow file to check; name some, or a folder with --workflows, or begin one with \
             `{} workflows new NAME`",
            config::program()
        );
    }
    if global.json {
        outln!("{}", files.iter().map(report).collect::<Value>());
    } else {
        files.iter().for_each(tell);
    }
    Ok(if files.iter().any(|file| file.parsed.is_err()) { Exit::Failed } else { Exit::Done })
}

fn tell(file: &File) {
    match &file.parsed {
        Ok(workflow) => {
            let stages = workflow.stages.len();
            let stages = if stages == 1 { "1 stage".to_owned() } else { format!("{stages} stages") };
            outln!("{}: workflow `{}`, {stages}, no mistakes", file.source, workflow.name);
            workflow.notes().iter().for_each(|note| errln!("note: {note}"));
        }
        Err(mistakes) => {
            output::coloured_line(&Coloured(format!("{}\n", mistakes.render(std::io::stderr().is_terminal()))));
        }
    }
}

fn report(file: &File) -> Value {
    match &file.parsed {
        Ok(workflow) => {
            json!({"file": file.source, "workflow": workflow.name, "mistakes": [], "notes": workflow.notes()})
        }
        Err(mistakes) => json!({"file": file.source, "workflow": null, "mistakes": mistakes.to_json(), "notes": []}),
    }
}
