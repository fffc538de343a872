//! Compares checkpoints with what was committed, a page at a time.

use std::fmt;

use serde::Serialize;
use sqlx::types::Uuid;

use crate::definitions::{Definition, Definitions};
use crate::model::digest::{self, hex};
use crate::model::id::{NO_ITEM, RunKey};
use crate::store::rounds::DamagedRound;
use crate::store::verify::{Lacking, Page, Recorded};
use crate::store::{Store, StoreError};
use crate::workflow::definition::Stage;

/// Checkpoints of one page, and the bytes after which it is full.
const PAGE: Page = Page { rows: 100, bytes: 32 << 20 };

/// Something that is not as it was committed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct Mismatch {
    pub(crate) run: Uuid,
    pub(crate) stage: String,
    pub(crate) item: Option<i32>,
    pub(crate) what: String,
}

/// What was looked at, and what was found.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct Verified {
    pub(crate) checkpoints: u64,
    pub(crate) mismatches: Vec<Mismatch>,
}

/// Of one run, or of all.
pub(crate) async fn verify(
    store: &Store,
    definitions: &Definitions,
    run: Option<RunKey>,
) -> Result<Verified, StoreError> {
    let mut verified = Verified::default();
    let mut after = (i64::MIN, i16::MIN, i32::MIN);
    loop {
        let page = store.recorded(run, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = (last.run_id, last.stage, last.item);
        for recorded in &page {
            let definition = definitions.get(store, recorded.version()).await?;
            verified.mismatches.extend(mismatch(recorded, &definition));
        }
        verified.checkpoints += page.len() as u64;
    }
    let (looked_at, damaged) = store.damaged_rounds(run).await?;
    verified.checkpoints += looked_at;
    verified.mismatches.extend(damaged.into_iter().map(of_a_round));
    verified.mismatches.extend(store.lacking(run).await?.into_iter().map(lacks));
    Ok(verified)
}

/// What the round behind it would be given.
fn of_a_round(damaged: DamagedRound) -> Mismatch {
    let DamagedRound { run, stage, item, round } = damaged;
    let what = format!("its output in round {round} is not what was committed");
    Mismatch { run, stage, item: (item != NO_ITEM).then_some(item), what }
}

/// The first thing that is wrong with a checkpoint.
fn mismatch(recorded: &Recorded, definition: &Definition) -> Option<Mismatch> {
    let reason = recorded.skipped.as_deref();
    let found = reason.map_or_else(|| digest::of(&recorded.output), digest::of_skip);
    let bytes = usize::try_from(recorded.bytes).unwrap_or_default();
    let stage = definition.stage(recorded.stage);
    let what = if stage.is_none() {
        "its stage is not in the workflow version".to_owned()
    } else if recorded.item != NO_ITEM && stage.is_some_and(|stage| stage.for_each.is_none()) {
        "it is of an item, and its stage is not fanned out".to_owned()
    } else if found.as_slice() != recorded.digest.as_slice() {
        let what = if reason.is_some() { "its reason to be skipped" } else { "its output" };
        format!("{what} has the digest {}, and {} was committed", hex(&found), hex(&recorded.digest))
    } else if reason.is_some() && !matches!(&*recorded.output, "null" | "0") && !is_placeholder(recorded, stage) {
        "it was skipped, and has an output all the same".to_owned()
    } else if recorded.output.len() != bytes {
        format!("its output has {} bytes, and {bytes} were committed", recorded.output.len())
    } else if recorded.finished_at < recorded.run_started_at {
        format!("it is of {}, before its run was started", recorded.finished_at)
    } else {
        return None;
    };
    let item = Some(recorded.item).filter(|item| *item != NO_ITEM);
    Some(Mismatch { run: recorded.run, stage: definition.stage_name(recorded.stage).to_string(), item, what })
}

/// What the file puts in place of an item that was not done.
fn is_placeholder(recorded: &Recorded, stage: Option<&Stage>) -> bool {
    let quorum = stage.and_then(|stage| stage.quorum.as_ref()).filter(|_| recorded.item != NO_ITEM);
    quorum.is_some_and(|quorum| quorum.can_stand_for_an_output(&recorded.output))
}

fn lacks(lacking: Lacking) -> Mismatch {
    let Lacking { run, stage, items, found } = lacking;
    let what = match items {
        None => "its run is done, and it has no checkpoint".to_owned(),
        Some(items) => format!("its run is done, and {found} of its {items} items have checkpoints"),
    };
    Mismatch { run, stage, item: None, what }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let item = self.item.map_or_else(String::new, |item| format!("[{item}]"));
        write!(f, "{}  {}{item}: {}", self.run, self.stage, self.what)
    }
}
