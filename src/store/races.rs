//! Stages that race: another one begins when the first of them are done. In a transaction that holds their run, so that whoever was first
//! is decided once.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;

use super::counts::{By, CountedBatch, Race, Settled, Stopped};
use super::endings::Ending;
use super::{Store, StoreError};
use crate::model::claim::Claim;
use crate::model::id::RunKey;
use crate::workflow::quorum::is_within_reach;

/// How a race stands.
struct Standing {
    /// How many are still to be done; `None` where it is decided.
    missing: Option<u32>,
    /// Skipped, or given up.
    lost: u32,
}

/// Which of them become something else, with their positions: others were first, or there are not enough others.
pub(super) async fn decided_otherwise(
    connection: &mut PgConnection,
    batch: CountedBatch<'_>,
) -> Result<Vec<(usize, Ending)>, StoreError> {
    let racers = || {
        let all = batch.ends.iter().zip(batch.counted).enumerate();
        all.filter_map(|(at, ((claim, ending), counted))| match &counted.by {
            By::Race(race) => Some((at, claim.key.run, ending, race, &counted.otherwise)),
            By::Quorum(_) => None,
        })
    };
    let mut standings: HashMap<(RunKey, i16), Standing> = HashMap::new();
    let mut decided = Vec::new();
    for (at, run, ending, race, otherwise) in racers() {
        let standing = match standings.entry((run, race.stage)) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(unknown) => {
                unknown.insert(standing(connection, run, race).await?)
            }
        };
        let is_otherwise = match (ending, standing.missing.as_mut()) {
            (Ending::Done { .. }, Some(missing)) if *missing > 0 => {
                *missing -= 1;
                false
            }
            (Ending::Done { .. }, _) => true,
            (_, Some(missing)) if *missing > 0 => {
                standing.lost = standing.lost.saturating_add(1);
                let all = u32::try_from(race.needs.len()).unwrap_or(u32::MAX);
                !is_within_reach(all, standing.lost, race.first)
            }
            // Whoever loses it is not missed any more.
            (_, _) => false,
        };
        if let Some(otherwise) = otherwise.as_ref().filter(|_| is_otherwise) {
            decided.push((at, otherwise.clone()));
        }
    }
    Ok(decided)
}

async fn standing(connection: &mut PgConnection, run: RunKey, race: &Race) -> Result<Standing, StoreError> {
    let (missing, lost): (Option<i32>, i64) = sqlx::query_as(
        "select (select j.missing from piton.joins j where j.run_id = $1 and j.stage = $2),
                (select count(*) from unnest($3::int2[]) as n (stage)
                 where exists (select from piton.checkpoints k
                               where k.run_id = $1 and k.stage = n.stage and k.item = -1 and k.skipped is not null)
                    or exists (select from piton.dead_letters d
                               where d.run_id = $1 and d.stage = n.stage and d.resolution = 'pending'))",
    )
    .bind(run.0)
    .bind(race.stage)
    .bind(&race.needs)
    .fetch_one(connection)
    .await?;
    let missing = missing.map(i32::unsigned_abs);
    Ok(Standing { missing, lost: u32::try_from(lost).unwrap_or(u32::MAX) })
}

/// Stops the others if the race is decided, or cannot be won any more.
pub(super) async fn settle(
    connection: &mut PgConnection,
    claim: &Claim,
    race: &Race,
    settled: &mut Settled,
) -> Result<(), StoreError> {
    let (woke, stopped, jobs): (bool, Vec<i16>, Vec<i64>) =
        sqlx::query_as("select woke, stopped, jobs from piton.settle_race($1, $2, $3, $4, $5)")
            .bind(claim.key.run.0)
            .bind(race.stage)
            .bind(i32::try_from(race.first).unwrap_or(i32::MAX))
            .bind(&race.needs)
            .bind(claim.worker.0)
            .fetch_one(connection)
            .await?;
    let run = claim.key.run;
    let stopped = stopped.into_iter().zip(jobs);
    settled.stopped.extend(stopped.map(|(stage, jobs)| Stopped { run, stage, jobs: jobs.unsigned_abs() }));
    settled.landed.woke |= woke;
    Ok(())
}

impl Store {
    /// Those of these races that are decided: their stages have begun, or will not begin any more.
    pub(crate) async fn decided_races(
        &self,
        races: &BTreeSet<(RunKey, i16)>,
    ) -> Result<Vec<(RunKey, i16)>, StoreError> {
        let (runs, stages): (Vec<i64>, Vec<i16>) = races.iter().map(|(run, stage)| (run.0, *stage)).unzip();
        let rows: Vec<(i64, i16)> = sqlx::query_as(
            "select r.run_id, r.stage from unnest($1::int8[], $2::int2[]) as r (run_id, stage)
             where not exists (select from piton.joins j where j.run_id = any(array[r.run_id]) and j.stage = r.stage)",
        )
        .bind(runs)
        .bind(stages)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|(run, stage)| (RunKey(run), stage)).collect())
    }
}
