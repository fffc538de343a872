//! Logs what was decided about dead letters. Asks the database nothing for it when nobody is listening.

use sqlx::types::Uuid;

use crate::events;
use crate::events::dead_letter::DeadLetter as Told;
use crate::model::state::Resolution;
use crate::store::dead_letters::DeadLetter;
use crate::store::{Store, StoreError};

/// These were retried or dismissed just now, and what went with them.
pub(super) async fn decided(store: &Store, ids: &[Uuid], by: &str) {
    if events::tell_decisions() {
        tell(store.decided_with(ids, by).await, by);
    }
}

/// A live job was made one just now.
pub(super) async fn forced(store: &Store, id: Uuid, by: &str) {
    if events::tell_decisions() {
        tell(store.dead_letter(id).await.map(Vec::from_iter), by);
    }
}

/// The decision stands, whether it can be told or not.
fn tell(letters: Result<Vec<DeadLetter>, StoreError>, by: &str) {
    match letters {
        Ok(letters) => letters.iter().for_each(|letter| one(letter, by)),
        Err(error) => tracing::warn!("what was decided is not in the log: {error}"),
    }
}

fn one(letter: &DeadLetter, by: &str) {
    let DeadLetter { id, run, workflow, stage, item, class, .. } = letter;
    let told = Told { dead_letter: id, run, workflow, stage, item: *item, class, by };
    match Resolution::from_word(&letter.resolution) {
        Some(Resolution::Retried) => told.retried(),
        Some(Resolution::Dismissed) => told.dismissed(),
        Some(Resolution::Pending | Resolution::Tolerated) | None => told.forced(),
    }
}
