//! From claims to attempts: reads inputs in portions, and starts an attempt when there is room for its input.

use std::collections::HashMap;
use std::sync::Arc;

use super::Claimer;
use crate::meters::part::Part;
use crate::model::claim::Claim;
use crate::queue::inputs::{self, Portion};
use crate::queue::known::Prepared;
use crate::queue::room::{Full, Room};
use crate::queue::slots::Hold;
use crate::queue::version::Version;
use crate::store::StoreError;
use crate::store::backoff::Backoff;
use crate::store::doubt::Doubt;

impl Claimer {
    /// Lets the attempts of claims begin, as there is room for their inputs; what cannot run here goes back.
    pub(super) async fn start(&self, claims: Vec<Claim>) {
        let mut holds: HashMap<_, _> = claims.iter().map(|claim| (claim.key, self.slots.take(*claim))).collect();
        self.slots.claimed();
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
            Err(Full) => tokio::select! {
                taken = self.starter.room.take(bytes) => taken,
                () = self.stop.cancelled() => return self.put_back(claim),
            },
        };
        prepared.known.taken = taken;
        if let Err(claim) = self.starter.start(prepared, hold) {
            self.put_back(claim);
        }
    }

    /// Claims whose inputs are read at once; one by one, where that cannot be said.
    async fn portions(&self, known: Vec<(Claim, Arc<Version>)>) -> Vec<Portion> {
        let Some(sizes_of) = inputs::sizes_to_ask_for(&self.limits, &known) else { return vec![Portion::of(known)] };
        let mut patience = Patience::default();
        loop {
            let error = match self.store.output_bytes(&sizes_of).await {
                Ok(sizes) => return inputs::portions(&self.limits, known, &sizes),
                Err(error) => error,
            };
            match self.waited(&known, &mut patience, error).await {
                Ok(true) => {}
                Ok(false) => return Vec::new(),
                Err(_) => return Portion::of(known).apart().collect(),
            }
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

    /// Only what the database refuses is an error.
    async fn read_inputs(&self, portion: &Portion) -> Result<Vec<Prepared>, StoreError> {
        let mut patience = Patience::default();
        loop {
            match inputs::prepare(&self.store, &self.limits, portion).await {
                Ok(prepared) => return Ok(prepared),
                Err(error) => {
                    if !self.waited(&portion.claims, &mut patience, error).await? {
                        return Ok(Vec::new());
                    }
                }
            }
        }
    }

    /// Waits a little for a database that is away, and says whether to ask again: where this worker is told to stop, the claims
    /// have been given back. What will be refused for ever is an error.
    async fn waited(
        &self,
        known: &[(Claim, Arc<Version>)],
        patience: &mut Patience,
        error: StoreError,
    ) -> Result<bool, StoreError> {
        if !matches!(error, StoreError::Away(_)) {
            return Err(error);
        }
        if self.stop.is_cancelled() {
            known.iter().for_each(|(claim, _)| self.put_back(*claim));
            return Ok(false);
        }
        if patience.doubt.is_over(&error, known.len(), &self.store).await {
            return Err(error.for_good());
        }
        Part::Inputs.had_no_answer();
        if patience.backoff.is_first() {
            tracing::warn!("reading inputs waits: {error}");
        }
        patience.backoff.wait().await;
        Ok(true)
    }
}

#[derive(Default)]
struct Patience {
    backoff: Backoff,
    doubt: Doubt,
}
