//! `piton start`, and how a run's input is put together.

use std::fs::File;
use std::io::stdin;
use std::sync::Arc;

use anyhow::{Context, bail};
use chrono::Local;
use serde::de::IgnoredAny;

use super::args::{Global, InputArgs, StartArgs};
use super::database::Database;
use super::exit::Exit;
use super::refusal::{actor, name, refused};
use super::{artifacts, files, run_files, trace};
use crate::app::App;
use crate::bounded;
use crate::cli::output::{errln, outln};
use crate::config;
use crate::model::actor::Actor;
use crate::model::json;
use crate::model::payload::{Payload, PayloadError, PayloadLimits};
use crate::model::quoted::quoted;
use crate::model::text::utf8;
use crate::queue::catalog::Catalog;
use crate::queue::version::Version;
use crate::store::Store;
use crate::store::starts::{RunStart, StartedOnce};
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
        Some(key) => database.store.start_run_once(key, &args.workflow, version.id, &start).await.map_err(refused)?,
        None => {
            let (store, files) = (artifacts::store(&global, &args.store), &args.files.file);
            let most = PayloadLimits::default().payload_bytes;
            let id = run_files::start(&database.store, store, (version.id, start), files, most).await?;
            StartedOnce { run: id.0, is_new: true, is_other_input: false }
        }
    };
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
        outln!("{said}");
        return Ok(());
    }
    outln!("{run}");
    if is_other_input {
        errln!(
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
        errln!(
            "note: {said}, which is started here. Make it current with:  {} workflows deploy {}",
            config::program(),
            versions.first().map_or("WORKFLOW", |version| &version.name)
        );
    }
    Ok(())
}

/// The input from a file or standard input, with single values set over it.
pub(crate) fn read_input(args: &InputArgs, limit: usize) -> anyhow::Result<Payload> {
    read_json(args.input.as_deref(), &args.set, limit)
}

/// The same of whatever is given so.
pub(super) fn read_json(input: Option<&str>, settings: &[String], limit: usize) -> anyhow::Result<Payload> {
    let payload = match input {
        None => parse("--input", "{}", limit)?,
        Some(file) => read_file(file, limit)?,
    };
    if settings.is_empty() {
        return Ok(payload);
    }
    let set = |json: String, setting: &String| set(&json, setting);
    let text = settings.iter().try_fold(payload.as_str().to_owned(), set)?;
    Payload::parse(&text, limit).map_err(|error| anyhow::anyhow!("the run's input, with what is set: {error}"))
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
    let text = utf8(&bytes).map_err(|error| anyhow::anyhow!("the run's input ({place}) is not UTF-8: {error}"))?;
    parse(place, text, limit)
}

fn parse(place: &str, text: &str, limit: usize) -> anyhow::Result<Payload> {
    Payload::parse(text, limit).map_err(|error| anyhow::anyhow!("the run's input ({place}): {error}"))
}

/// Applies `path.to.key=value`; the value is JSON where it reads as JSON, as it is written, and a string otherwise.
fn set(json: &str, setting: &str) -> anyhow::Result<String> {
    let Some((path, text)) = setting.split_once('=') else {
        bail!("--set {}: write it as --set key=value, or --set outer.inner=value", quoted(setting));
    };
    let keys: Vec<&str> = path.split('.').collect();
    if keys.contains(&"") {
        bail!("--set {}: a key in `{}` is empty", quoted(setting), quoted(path));
    }
    let value = match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => text.trim().to_owned(),
        Err(_) => json::string(text),
    };
    json::with(json, &keys, &value).map_err(|error| anyhow::anyhow!("--set {}: {error}", quoted(setting)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(json: &str, settings: &[&str]) -> anyhow::Result<String> {
        settings.iter().try_fold(json.to_owned(), |json, setting| set(&json, setting))
    }

    #[test]
    fn values_are_set_over_the_input() {
        let input = r#"{"topic": "old", "keep": 12345678901234567890123, "a": -0}"#;
        let settings =
            ["topic=Deep sea", "simulate.rate=0.30", "simulate.stages=[\"picture\"]", "text=a=b", "n=1.10", "m=007"];
        let expected = r#"{"topic":"Deep sea","keep":12345678901234567890123,"a":-0,"simulate":{"rate":0.30,"stages":["picture"]},"text":"a=b","n":1.10,"m":"007"}"#;
        assert_eq!(all(input, &settings).expect("settings"), expected);
    }

    #[test]
    fn what_cannot_be_set_is_named() {
        let said = |setting| all(r#"{"a": 1}"#, &[setting]).expect_err("refused").to_string();
        assert!(said("a.b=2").contains("`b`"));
        assert!(said("novalue").contains("key=value"));
        assert!(said(".x=2").contains("empty"));
    }
}
