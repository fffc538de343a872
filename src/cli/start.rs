//! `piton start`, and how a run's input is put together.

use std::fs::File;
use std::io::stdin;
use std::sync::Arc;

use anyhow::{Context, bail};
use chrono::Local;
use serde_json::{Map, Value};

use super::args::{Global, InputArgs, StartArgs};
use super::database::Database;
use super::exit::Exit;
use super::refusal::{actor, name, refused};
use super::{files, trace};
use crate::app::App;
use crate::bounded;
use crate::config;
use crate::model::actor::Actor;
use crate::model::id::RunId;
use crate::model::payload::{Payload, PayloadError, PayloadLimits};
use crate::queue::catalog::{Catalog, Version};
use crate::store::Store;
use crate::store::runs::{RunStart, StartedOnce};
use crate::workflow::definition::Workflow;

/// Bytes of spaces and line ends that a file may have around its JSON.
const SPACE: usize = 64 << 10;

pub(crate) async fn start(app: App, global: Global, args: StartArgs) -> anyhow::Result<Exit> {
    let input = read_input(&args.input, PayloadLimits::default().payload_bytes)?;
    let trace = trace::given(&args.input.trace)?;
    // Mistakes in files are said before a database is touched.
    let workflow = files::one(&app, &global, &args.workflow)?;
    let database = Database::open(&global).await?;
    let version = registered(app, workflow, &database.store, actor(&name(None))).await?;
    // Spans are added by the clock that decides about them.
    let now = database.store.now().await?;
    let [run_at, deadline] = [args.at, args.deadline].map(|when| when.map(|when| when.next(now, &Local)));
    let priority = args.input.priority;
    let start = RunStart { input, priority, run_at, deadline, trace };
    let started = match &args.key {
        Some(key) => database.store.start_run_once(key, &args.workflow, version.id, &start).await,
        None => {
            let id = RunId::new();
            let new = StartedOnce { run: id.0, is_new: true, is_other_input: false };
            database.store.start_run(id, version.id, &start).await.map(|_| new)
        }
    }
    .map_err(refused)?;
    tell(&global, &args, started)?;
    database.close().await;
    Ok(Exit::Done)
}

fn tell(global: &Global, args: &StartArgs, started: StartedOnce) -> anyhow::Result<()> {
    let StartedOnce { run, is_new, is_other_input } = started;
    if is_other_input && args.same_input {
        bail!(
            "run {run} was started under that key before, on another input; nothing was started. Look at it with `{} show \
             {run}`, or start another one under another --key",
            config::program()
        );
    }
    if global.json {
        let workflow = &args.workflow;
        let said =
            serde_json::json!({"run": run, "workflow": workflow, "is_new": is_new, "is_other_input": is_other_input});
        println!("{said}");
        return Ok(());
    }
    println!("{run}");
    if is_other_input {
        eprintln!(
            "note: that run was started under the key before, on another input; nothing was started now. To have that refused, \
             add --same-input"
        );
    }
    Ok(())
}

/// The version of the file, for what a person starts: registered, and current where it never was. Where another one is
/// current, the file counts all the same, and that is said.
pub(crate) async fn registered(
    app: App,
    workflow: Workflow,
    store: &Store,
    by: Actor<'_>,
) -> anyhow::Result<Arc<Version>> {
    let catalog = Catalog::new(app.handlers);
    let version = catalog.register(store, workflow, Some(by)).await?;
    say_not_current(std::slice::from_ref(&version), store).await?;
    Ok(version)
}

/// What is started follows the file, and others start something else.
pub(crate) async fn say_not_current(versions: &[Arc<Version>], store: &Store) -> anyhow::Result<()> {
    for said in files::not_current(versions, store).await? {
        eprintln!(
            "note: {said}, which is started here. Make it current with:  {} workflows deploy {}",
            config::program(),
            versions.first().map_or("WORKFLOW", |version| &version.name)
        );
    }
    Ok(())
}

/// The input from a file or standard input, with single values set over it.
pub(crate) fn read_input(args: &InputArgs, limit: usize) -> anyhow::Result<Payload> {
    let payload = match args.input.as_deref() {
        None => parse("--input", "{}", limit)?,
        Some(file) => read_file(file, limit)?,
    };
    if args.set.is_empty() {
        return Ok(payload);
    }
    let mut value: Value = serde_json::from_str(payload.as_str())?;
    for setting in &args.set {
        set(&mut value, setting)?;
    }
    Payload::of(&value, limit).map_err(|error| anyhow::anyhow!("the run's input: {error}"))
}

/// A run's input from a file; `-` is standard input.
pub(crate) fn read_file(file: &str, limit: usize) -> anyhow::Result<Payload> {
    // What stands around the JSON does not count, and has an end too.
    let most = limit.saturating_add(SPACE);
    let (read, place) = match file {
        "-" => (bounded::beginning(stdin(), most + 1), "standard input"),
        file => (File::open(file).and_then(|opened| bounded::beginning(opened, most + 1)), file),
    };
    let bytes = read.with_context(|| format!("cannot read the run's input from {place}"))?;
    if bytes.len() > most {
        bail!("the run's input ({place}): {}", PayloadError::Longer { limit });
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let (at, byte) = (error.valid_up_to(), bytes.get(error.valid_up_to()).copied().unwrap_or_default());
        anyhow::anyhow!("the run's input ({place}) is not UTF-8: byte {at} is 0x{byte:02X}; save it as UTF-8")
    })?;
    parse(place, text, limit)
}

fn parse(place: &str, text: &str, limit: usize) -> anyhow::Result<Payload> {
    Payload::parse(text, limit).map_err(|error| anyhow::anyhow!("the run's input ({place}): {error}"))
}

/// Applies `path.to.key=value`; the value is JSON where it reads as JSON, and a string otherwise.
fn set(root: &mut Value, setting: &str) -> anyhow::Result<()> {
    let Some((path, text)) = setting.split_once('=') else {
        bail!("--set {setting}: write it as --set key=value, or --set outer.inner=value");
    };
    let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let mut at = root;
    for key in path.split('.') {
        if key.is_empty() {
            bail!("--set {setting}: a key in `{path}` is empty");
        }
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        let Value::Object(map) = at else {
            bail!("--set {setting}: there is no key `{key}` to set, for what holds it is no object");
        };
        at = map.entry(key).or_insert(Value::Null);
    }
    *at = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_set_over_the_input() {
        let mut value = json!({"topic": "old", "keep": 1});
        for setting in ["topic=Deep sea", "simulate.rate=0.3", "simulate.stages=[\"picture\"]", "text=a=b"] {
            set(&mut value, setting).expect(setting);
        }
        let expected =
            json!({"topic": "Deep sea", "keep": 1, "simulate": {"rate": 0.3, "stages": ["picture"]}, "text": "a=b"});
        assert_eq!(value, expected);
    }

    #[test]
    fn what_cannot_be_set_is_named() {
        let mut value = json!({"a": 1});
        assert!(set(&mut value, "a.b=2").is_err_and(|e| e.to_string().contains("`b`")));
        assert!(set(&mut value, "novalue").is_err_and(|e| e.to_string().contains("key=value")));
        assert!(set(&mut value, ".x=2").is_err_and(|e| e.to_string().contains("empty")));
    }
}
