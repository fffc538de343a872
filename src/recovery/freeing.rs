//! Frees the jobs of a boot that has ended, and logs and counts what became of them.

use std::collections::HashMap;

use sqlx::types::Uuid;

use crate::events;
use crate::events::attempt::Attempt;
use crate::meters::recovered::Recovered;
use crate::model::failure::FailureClass;
use crate::model::id::NO_ITEM;
use crate::store::freed::{EndedBoot, Freed, FreedJob};
use crate::store::{Store, StoreError};

/// Jobs freed by one statement.
const AT_ONCE: u16 = 1000;

/// Frees what it holds, pass by pass, each of them reported once it is committed. `boot` is its boot id where it was ended
/// just now: whoever ended it reports its end.
pub(crate) async fn free_all(store: &Store, ended: &EndedBoot<'_>, boot: Option<Uuid>) -> Result<Freed, StoreError> {
    let mut freed = Freed::default();
    loop {
        let pass = store.free(ended, i64::from(AT_ONCE)).await?;
        report(ended, &pass);
        pass.iter().for_each(|job| freed += job.freed());
        if pass.len() < usize::from(AT_ONCE) {
            break;
        }
    }
    store.clear(ended.worker).await?;
    if let Some(boot) = boot {
        let Freed { resumed, restarted, dead_lettered } = freed;
        let lost = events::worker::Lost { worker: ended.name, boot: &boot, resumed, restarted, dead_lettered };
        lost.tell(ended.exit.unwrap_or(ended.cause));
    }
    Ok(freed)
}

/// Logs and counts jobs that were freed. To be called once that is committed.
pub(crate) fn report(ended: &EndedBoot<'_>, jobs: &[FreedJob]) {
    let (reason, conviction) = (ended.reason(), ended.conviction());
    let mut stages: HashMap<(&str, &str), Recovered<'_>> = HashMap::new();
    for job in jobs {
        tell(job, ended.name, &reason, &conviction);
        count(job, stages.entry((&job.workflow, &job.stage)).or_insert_with(|| none_of_its_stage(job)));
    }
    stages.into_values().for_each(Recovered::count);
}

fn tell(job: &FreedJob, worker: &str, reason: &str, conviction: &str) {
    let attempt = Attempt {
        run: &job.run,
        workflow: Some(&job.workflow),
        stage: &job.stage,
        item: (job.item != NO_ITEM).then_some(job.item.unsigned_abs()),
        attempt: job.attempt.unsigned_abs(),
        worker,
        trace: None,
    };
    if job.convicted {
        attempt.given_up(&FailureClass::Crashed, conviction);
    } else {
        attempt.lost(job.suspected, reason);
    }
}

fn none_of_its_stage(job: &FreedJob) -> Recovered<'_> {
    let (workflow, stage) = (&job.workflow, &job.stage);
    Recovered { workflow, stage, resumed: 0, restarted: 0, dead_lettered: 0, suspected: 0 }
}

fn count(job: &FreedJob, recovered: &mut Recovered<'_>) {
    let Freed { resumed, restarted, dead_lettered } = job.freed();
    recovered.resumed += resumed.unsigned_abs();
    recovered.restarted += restarted.unsigned_abs();
    recovered.dead_lettered += dead_lettered.unsigned_abs();
    recovered.suspected += u64::from(job.suspected && !job.convicted);
}
