//! From claims to attempts: inputs are read in portions, and an attempt begins when there is room for its own.

use std::collections::HashMap;
use std::sync::Arc;

use super::Claimer;
use crate::meters::part::Part;
use crate::model::claim::Claim;
use crate::queue::catalog::Version;
use crate::queue::inputs::{self, Portion};
use crate::queue::known::Prepared;
use crate::queue::room::{Full, Room};
use crate::queue::slots::Hold;
use crate::store::StoreError;
use crate::store::backoff::Backoff;
use crate::store::doubt::Doubt;

impl Claimer {
    /// Lets the attempts of claims begin, as there is room for their inputs; what cannot run here goes back.
    pub(super) async fn start(&self, claims: Vec<Claim>) {
        let mut holds: HashMap<_, _> = claims.iter().map(|claim| (claim.key, self.slots.take(*claim))).collect();
        let known = self.with_versions(claims).await;
        if known.is_empty() {
            return;
        }
        for portion in self.portions(known).await {
            let mut prepared = self.prepare(portion).await;
            // What has to wait for room waits behind what has not.
            prepared.sort_by_key(|prepared| Room::counts(prepared.bytes()));
            for prepared in prepared {
                if let Some(hold) = holds.remove(&prepared.claim.key) {
                    self.start_one(prepared, hold).await;
                }
            }
        }
    }

    /// Starts an attempt once there is room for its input. Meanwhile this worker claims nothing more.
    async fn start_one(&self, mut prepared: Prepared, hold: Hold) {
        let (claim, bytes) = (prepared.claim, prepared.bytes());
        let taken = match self.starter.room.take_now(bytes) {
            Ok(taken) => taken,
            Err(Full) => {
                tracing::debug!(bytes, "an input waits in its slot until there is room for it (--input-memory)");
                tokio::select! {
                    taken = self.starter.room.take(bytes) => taken,
                    () = self.stop.cancelled() => return self.put_back(claim),
                }
            }
        };
        prepared.known.taken = taken;
        if let Err(claim) = self.starter.start(prepared, hold) {
            self.put_back(claim);
        }
    }

    /// Claims whose inputs are read at once; one by one, where that cannot be said.
    async fn portions(&self, known: Vec<(Claim, Arc<Version>)>) -> Vec<Portion> {
        let Some(sizes_of) = inputs::sizes_to_ask_for(&self.limits, &known) else { return vec![Portion::of(known)] };
        match self.patiently(&known, async || self.store.output_bytes(&sizes_of).await).await {
            Ok(Some(sizes)) => inputs::portions(&self.limits, known, &sizes),
            Ok(None) => Vec::new(),
            Err(_) => Portion::of(known).apart().collect(),
        }
    }

    /// Inputs of claims; what the database refuses to give is a failure of that claim alone.
    async fn prepare(&self, portion: Portion) -> Vec<Prepared> {
        match self.read_inputs(&portion).await {
            Ok(prepared) => prepared,
            Err(refused) if portion.claims.len() == 1 => {
                portion.claims.into_iter().map(|one| inputs::unreadable(one, &refused)).collect()
            }
            // Something about one of them: the others must not suffer.
            Err(_) => {
                let mut prepared = Vec::with_capacity(portion.claims.len());
                for one in portion.apart() {
                    match self.read_inputs(&one).await {
                        Ok(alone) => prepared.extend(alone),
                        Err(refused) => {
                            prepared.extend(one.claims.into_iter().map(|one| inputs::unreadable(one, &refused)));
                        }
                    }
                }
                prepared
            }
        }
    }

    async fn read_inputs(&self, portion: &Portion) -> Result<Vec<Prepared>, StoreError> {
        let read = async || inputs::prepare(&self.store, &self.limits, portion).await;
        Ok(self.patiently(&portion.claims, read).await?.unwrap_or_default())
    }

    /// Only what the database refuses is an error; while it is away this waits, and gives the claims back when told to
    /// stop: `None`.
    async fn patiently<T>(
        &self,
        known: &[(Claim, Arc<Version>)],
        mut read: impl AsyncFnMut() -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let (mut backoff, mut doubt) = (Backoff::default(), Doubt::default());
        loop {
            match read().await {
                Err(StoreError::Away(_)) if self.stop.is_cancelled() => {
                    known.iter().for_each(|(claim, _)| self.put_back(*claim));
                    return Ok(None);
                }
                Err(error @ StoreError::Away(_)) if !doubt.is_over(&error, known.len(), &self.store).await => {
                    Part::Inputs.had_no_answer();
                    if backoff.is_first() {
                        tracing::warn!("reading inputs waits: {error}");
                    }
                    backoff.wait().await;
                }
                answered => return answered.map(Some),
            }
        }
    }
}
