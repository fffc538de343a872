//! `piton dead-letter`: jobs that are not tried again by themselves, and what to do about them.

pub(super) mod args;
pub(super) mod log;
mod say;

use anyhow::bail;
use sqlx::types::Uuid;

use self::args::{AgainArgs, DeadLetterArgs, FilterArgs};
use super::args::Global;
use super::database::Database;
use super::decide::{actor, refused};
use super::exit::Exit;
use super::start;
use crate::config;
use crate::model::id::RunId;
use crate::model::payload::PayloadLimits;
use crate::model::state::Resolution;
use crate::store::dead_letters::{Filter, Origin};
use crate::store::{Store, StoreError};

pub(crate) async fn dead_letter(global: Global, action: DeadLetterArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let done = act(&database.store, &global, action).await;
    database.close().await;
    done
}

async fn act(store: &Store, global: &Global, action: DeadLetterArgs) -> anyhow::Result<Exit> {
    match action {
        DeadLetterArgs::List { filter, resolution, limit } => {
            let filter = Filter { resolution: Some(resolution), ..filter.into() };
            let letters = store.dead_letters(&filter, i64::from(limit)).await?;
            say::list(global, &letters)?;
        }
        DeadLetterArgs::Stats { filter, resolution } => {
            let groups = store.dead_letter_groups(&Filter { resolution: Some(resolution), ..filter.into() }).await?;
            say::stats(global, &groups)?;
        }
        DeadLetterArgs::Show { id } => return show(store, global, id).await,
        DeadLetterArgs::Retry { id, filter, all, again, by, note } => {
            let chosen = Chosen::of(id, filter, all)?;
            return retry(store, global, chosen, &again, (&actor(by), note.as_deref())).await;
        }
        DeadLetterArgs::Force { run, stage, item, reason, by } => {
            let by = actor(by);
            let id = store.force_dead_letter(run, &stage, item, (&reason, &by)).await.map_err(refused)?;
            log::forced(store, id, &by).await;
            say::forced(global, id);
        }
        DeadLetterArgs::Dismiss { id, filter, all, reason, by } => {
            return dismiss(store, global, Chosen::of(id, filter, all)?, &reason, &actor(by)).await;
        }
    }
    Ok(Exit::Done)
}

/// What a verb is about.
enum Chosen {
    One(Uuid),
    Those(Filter),
}

impl Chosen {
    /// Many are chosen by a filter or by an explicit `--all`, never by leaving something out.
    fn of(id: Option<Uuid>, filter: FilterArgs, all: bool) -> anyhow::Result<Chosen> {
        let filter = Filter { resolution: Some(Resolution::Pending), ..filter.into() };
        match id {
            Some(id) if filter.is_open() && !all => Ok(Chosen::One(id)),
            Some(_) => bail!("name one dead letter, or choose many by a filter or --all; not both"),
            None if filter.is_open() && !all => bail!(
                "name a dead letter, a filter such as --workflow, --stage, --class, --fingerprint or --since, or --all for every \
                 one that is pending. See them with:  {} dead-letter list",
                config::program()
            ),
            None => Ok(Chosen::Those(filter)),
        }
    }
}

impl From<FilterArgs> for Filter {
    fn from(args: FilterArgs) -> Filter {
        let FilterArgs { workflow, stage, class, run, fingerprint, since } = args;
        let class = class.map(|class| class.as_str().to_owned());
        Filter { resolution: None, workflow, stage, class, run, fingerprint, since }
    }
}

async fn show(store: &Store, global: &Global, id: Uuid) -> anyhow::Result<Exit> {
    let Some(letter) = store.dead_letter(id).await? else {
        bail!("there is no dead letter {id}; `{} dead-letter list` lists those there are", config::program());
    };
    let Some(run) = store.run(RunId(letter.run)).await? else { bail!("the run {} is gone", letter.run) };
    let story = say::Story::of(store, letter, &run).await?;
    story.say(global)?;
    Ok(Exit::Done)
}

async fn retry(
    store: &Store,
    global: &Global,
    chosen: Chosen,
    again: &AgainArgs,
    (actor, note): (&str, Option<&str>),
) -> anyhow::Result<Exit> {
    let (from, what) = match (&again.from, again.from_beginning) {
        (Some(stage), _) => (Origin::Stage(stage), "They begin again from that stage when a worker is free."),
        (None, true) => (Origin::Beginning, "Their runs begin again from the start when a worker is free."),
        (None, false) => (Origin::LastCheckpoint, "Their jobs go on from the last checkpoints when a worker is free."),
    };
    let retried = match chosen {
        Chosen::One(id) => {
            let limit = PayloadLimits::default().payload_bytes;
            let input = again.input.as_deref().map(|file| start::read_file(file, limit)).transpose()?;
            store.retry_dead_letter(id, actor, note, from, input.as_ref()).await.map_err(refused)?;
            log::decided(store, &[id], actor).await;
            1
        }
        Chosen::Those(_) if again.input.is_some() => {
            bail!("--input corrects the input of one run: name the dead letter instead of choosing many")
        }
        Chosen::Those(filter) => {
            let ids = store.dead_letter_ids(&filter).await?;
            let retried = store.retry_dead_letters(&ids, actor, note, from).await.map_err(refused)?;
            log::decided(store, &ids, actor).await;
            retried
        }
    };
    say::count(global, "retried", retried, what);
    Ok(Exit::Done)
}

async fn dismiss(store: &Store, global: &Global, chosen: Chosen, reason: &str, actor: &str) -> anyhow::Result<Exit> {
    let mut dismissed = 0;
    match chosen {
        Chosen::One(id) => {
            store.dismiss_dead_letter(id, reason, actor).await.map_err(refused)?;
            log::decided(store, &[id], actor).await;
            dismissed = 1;
        }
        Chosen::Those(filter) => {
            for id in store.dead_letter_ids(&filter).await? {
                match store.dismiss_dead_letter(id, reason, actor).await {
                    Ok(()) => {
                        log::decided(store, &[id], actor).await;
                        dismissed += 1;
                    }
                    // It went with another one of its run, or someone else has just decided.
                    Err(StoreError::Refused(error)) => tracing::debug!("{error}"),
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    say::count(global, "dismissed", dismissed, "Their runs have failed.");
    Ok(Exit::Done)
}
