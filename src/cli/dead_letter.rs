//! `piton dead-letter`: jobs that were given up, and what to do about them.

pub(super) mod args;
mod causes;
mod preview;
mod say;

use anyhow::{anyhow, bail};
use chrono::Local;
use sqlx::types::Uuid;

use self::args::{AgainArgs, DeadLetterArgs, FilterArgs};
use super::args::Global;
use super::database::Database;
use super::exit::Exit;
use super::files;
use super::refusal::{actor, name, refused};
use super::start;
use crate::cli::output::errln;
use crate::config;
use crate::decide::{self, Again, Chosen, NotChosen};
use crate::model::actor::Actor;
use crate::model::fingerprint;
use crate::model::payload::{Payload, PayloadLimits};
use crate::store::Store;
use crate::store::dead_letters::{Filter, Origin};
use crate::view::letter::Story;

pub(crate) async fn dead_letter(global: Global, action: DeadLetterArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let done = act(&database.store, &global, action).await;
    database.close().await;
    done
}

async fn act(store: &Store, global: &Global, action: DeadLetterArgs) -> anyhow::Result<Exit> {
    match action {
        DeadLetterArgs::List { filter, resolution, limit } => {
            let filter = Filter { resolution: Some(resolution), ..of_args(store, filter).await? };
            let letters = store.dead_letters(&filter, None, i64::from(limit)).await?;
            say::list(global, &letters)?;
        }
        DeadLetterArgs::Stats { filter, by, limit, resolution } => {
            let filter = Filter { resolution: Some(resolution), ..of_args(store, filter).await? };
            let (groups, totals) = store.causes(&filter, &by, i64::from(limit)).await?;
            causes::say(global, &by, &groups, totals)?;
        }
        DeadLetterArgs::Show { id } => return show(store, global, id).await,
        DeadLetterArgs::Retry { id, filter, all, again, dry_run: true, .. } => {
            let chosen = chosen(id, of_args(store, filter).await?, all)?;
            let input = input(&chosen, &again)?;
            let rows = decide::preview(store, &chosen, origin(&again), input.as_ref()).await.map_err(refused)?;
            preview::say(global, &rows, input.is_some())?;
        }
        DeadLetterArgs::Retry { id, filter, all, again, by, note, dry_run: false } => {
            let (chosen, name) = (chosen(id, of_args(store, filter).await?, all)?, name(by));
            return retry(store, global, chosen, &again, note.as_deref(), actor(&name)).await;
        }
        DeadLetterArgs::Force { run, stage, item, reason, by } => {
            let name = name(by);
            let id = decide::force(store, run, (&stage, item), &reason, actor(&name)).await.map_err(refused)?;
            say::forced(global, id);
        }
        DeadLetterArgs::Dismiss { id, filter, all, reason, by } => {
            let (chosen, name) = (chosen(id, of_args(store, filter).await?, all)?, name(by));
            return dismiss(store, global, chosen, &reason, actor(&name)).await;
        }
    }
    Ok(Exit::Done)
}

fn chosen(id: Option<Uuid>, filter: Filter, all: bool) -> anyhow::Result<Chosen> {
    Chosen::of(id, filter, all).map_err(|why| match why {
        NotChosen::OneAndMany => anyhow!("name one dead letter, or choose many by a filter or --all; not both"),
        NotChosen::Nothing => anyhow!(
            "name a dead letter, a filter such as --workflow, --stage, --class, --fingerprint, --since or --where, or --all for every \
             one that is pending. See them with:  {} dead-letter list",
            config::program()
        ),
    })
}

/// What is said in relation to now is so by the database's clock.
async fn of_args(store: &Store, args: FilterArgs) -> anyhow::Result<Filter> {
    let FilterArgs { workflow, stage, class, run, fingerprint, since, input } = args;
    files::refuse_unknown(store, workflow.as_deref()).await?;
    let class = class.map(|class| class.as_str().to_owned());
    if fingerprint.as_ref().is_some_and(|name| fingerprint::is_of_an_older_piton(name)) {
        errln!(
            "note: a fingerprint of 16 digits is of an older Piton, which took several causes for one; those of now:  {} \
             dead-letter stats",
            config::program()
        );
    }
    let since = match since {
        Some(when) => Some(when.last(store.now().await?, &Local)),
        None => None,
    };
    Ok(Filter { resolution: None, workflow, stage, class, run, fingerprint, since, conditions: input.conditions })
}

async fn show(store: &Store, global: &Global, id: Uuid) -> anyhow::Result<Exit> {
    let Some(story) = Story::read(store, id).await? else {
        bail!("there is no dead letter {id}; `{} dead-letter list` lists those there are", config::program());
    };
    story.say(global)?;
    Ok(Exit::Done)
}

fn origin(again: &AgainArgs) -> Origin<'_> {
    match (&again.from, again.from_beginning) {
        (Some(stage), _) => Origin::Stage(stage),
        (None, true) => Origin::Beginning,
        (None, false) => Origin::LastCheckpoint,
    }
}

/// The input that the run gets instead of its own.
fn input(chosen: &Chosen, again: &AgainArgs) -> anyhow::Result<Option<Payload>> {
    match (chosen, &again.input) {
        (_, None) => Ok(None),
        (Chosen::One(_), Some(file)) => start::read_file(file, PayloadLimits::default().payload_bytes).map(Some),
        (Chosen::Those(_), Some(_)) => {
            bail!("--input corrects the input of one run: name the dead letter instead of choosing many")
        }
    }
}

async fn retry(
    store: &Store,
    global: &Global,
    chosen: Chosen,
    again: &AgainArgs,
    note: Option<&str>,
    by: Actor<'_>,
) -> anyhow::Result<Exit> {
    let from = origin(again);
    let what = match from {
        Origin::Stage(_) => "They begin again from that stage when a worker is free.",
        Origin::Beginning => "Their runs begin again from the start when a worker is free.",
        Origin::LastCheckpoint => "Their jobs go on from the last checkpoints when a worker is free.",
    };
    let (how, input) = (Again { from, note }, input(&chosen, again)?);
    let retried = match chosen {
        Chosen::One(id) => {
            decide::retry_one(store, id, how, input.as_ref(), by).await.map_err(refused)?;
            1
        }
        Chosen::Those(filter) => decide::retry_those(store, &filter, how, by).await.map_err(refused)?,
    };
    say::count(global, "retried", retried, what);
    Ok(Exit::Done)
}

async fn dismiss(store: &Store, global: &Global, chosen: Chosen, reason: &str, by: Actor<'_>) -> anyhow::Result<Exit> {
    let dismissed = match chosen {
        Chosen::One(id) => {
            decide::dismiss_one(store, id, reason, by).await.map_err(refused)?;
            1
        }
        Chosen::Those(filter) => decide::dismiss_those(store, &filter, reason, by).await?,
    };
    say::count(global, "dismissed", dismissed, "Their runs have failed.");
    Ok(Exit::Done)
}
