//! `piton workflows deploy`, `rollback` and `versions`: which version of a workflow runs are started on.

use std::path::Path;

use anyhow::bail;
use serde_json::json;

use crate::app::App;
use crate::cli::args::{DeployArgs, Global, RollbackArgs};
use crate::cli::database::Database;
use crate::cli::exit::Exit;
use crate::cli::files::{self, Deploys, short, since};
use crate::cli::output::outln;
use crate::cli::refusal::{actor, name, refused};
use crate::config;
use crate::decide;
use crate::model::digest::hex;
use crate::model::quoted::quoted;
use crate::queue::catalog::Catalog;
use crate::view::when;
use crate::workflow::definition::Workflow;

/// Registers the file, and makes it current outright.
pub(super) async fn deploy(app: App, global: &Global, args: DeployArgs) -> anyhow::Result<Exit> {
    let DeployArgs { workflow, digest, reason, by } = args;
    let file = match digest {
        Some(_) => None,
        None => Some(file(&app, global, &workflow)?),
    };
    let by = name(by);
    let database = Database::open(global).await?;
    let (workflow, digest) = match (file, digest) {
        (Some(file), _) => {
            let catalog = Catalog::new(app.handlers);
            let (workflow, digest) = (file.name.to_string(), hex(&file.digest()));
            files::register(&catalog, &[file], &database.store, Deploys::None, actor(&by)).await?;
            (workflow, digest)
        }
        (None, digest) => (workflow, digest.unwrap_or_default()),
    };
    let version = decide::deploy(&database.store, &workflow, &digest, reason.as_deref(), actor(&by)).await;
    database.close().await;
    said(global, &workflow, &version.map_err(refused)?);
    Ok(Exit::Done)
}

/// Goes back to the version before, or to the one that is named.
pub(super) async fn roll_back(global: &Global, args: RollbackArgs) -> anyhow::Result<Exit> {
    let RollbackArgs { workflow, to, reason, by } = args;
    let by = name(by);
    let database = Database::open(global).await?;
    let store = &database.store;
    let version = decide::roll_back(store, &workflow, to.as_deref(), reason.as_deref(), actor(&by)).await;
    database.close().await;
    said(global, &workflow, &version.map_err(refused)?);
    Ok(Exit::Done)
}

fn said(global: &Global, workflow: &str, version: &str) {
    if global.json {
        outln!("{}", json!({"workflow": workflow, "version": version}));
    } else {
        outln!("The current version of {workflow} is {}.", short(version));
    }
}

/// What is given is a file, or the name of a workflow among those this program has.
fn file(app: &App, global: &Global, given: &str) -> anyhow::Result<Workflow> {
    let path = Path::new(given);
    if !given.ends_with(".toml") && !path.is_file() {
        return files::one(app, global, given);
    }
    let mut read = files::read_those(&[path.to_path_buf()])?;
    match read.pop().map(|file| file.parsed) {
        Some(Ok(workflow)) if read.is_empty() => Ok(workflow),
        Some(Err(mistakes)) => bail!("the workflow file has mistakes\n\n{}", mistakes.render(false)),
        Some(Ok(_)) | None => bail!("`{}` is not one workflow file", quoted(given)),
    }
}

/// Every version that the database has of a workflow.
pub(super) async fn versions(global: &Global, workflow: &str) -> anyhow::Result<Exit> {
    let database = Database::open(global).await?;
    let versions = database.store.versions(workflow).await;
    database.close().await;
    let versions = versions?;
    if global.json {
        outln!("{}", serde_json::to_string(&versions)?);
        return Ok(Exit::Done);
    }
    if versions.is_empty() {
        bail!(
            "no version of a workflow `{}` is registered; a worker registers its files, and so does:  {} workflows \
             deploy {}",
            quoted(workflow),
            config::program(),
            quoted(workflow)
        );
    }
    for version in &versions {
        let registered = when::clock(version.registered_at);
        let what = match (version.current, version.deployed_at) {
            (true, _) => format!("current{}", since(version)),
            (false, Some(at)) => {
                let by = version.deployed_by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
                format!("was current, deployed {}{by}", when::clock(at))
            }
            (false, None) => "never deployed".to_owned(),
        };
        let replaced = version.replaced.as_ref().map_or_else(String::new, |other| format!(", in the place of {other}"));
        outln!("{}  registered {registered}  {what}{replaced}", version.version);
    }
    Ok(Exit::Done)
}
