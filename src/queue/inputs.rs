//! From claims to inputs: reads what the stages need, verifies it, and assembles each job's input.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::evidence::{corrupt, corrupt_at, count_of, miscounted, missing, too_much, verified};
use super::known::{Known, Lane, Prepared, RunInput, Work};
use super::portions::{self, Sizes};
use super::previous;
use super::round::Round;
use super::skips::{self, Needs, Skips};
use super::version::Version;
use super::wanted::{asks_after, fanned_source, number_of, source_name, wants};
use crate::model::claim::Claim;
use crate::model::failure::Failure;
use crate::model::id::{AttemptKey, NO_ITEM, RunKey};
use crate::model::payload::{Payload, PayloadLimits};
use crate::model::wait::{EndedWait, WaitOutcome};
use crate::stage::fan_out::{self, Split, SplitError};
use crate::stage::input::{StageInput, array};
use crate::store::checkpoints::{PREVIOUS, Stored, Wanted};
use crate::store::rounds::StoredRounds;
use crate::store::{Store, StoreError};
use crate::workflow::definition::{Factor, ForEach, Source, Stage, StageIndex};
use crate::workflow::own::FAILURE;
use crate::workflow::rounds::PREVIOUS as PREVIOUS_PART;

/// Claims whose inputs are read at once.
pub(crate) struct Portion {
    pub(crate) claims: Vec<(Claim, Arc<Version>)>,
    /// What is over the limit, with its bytes: nothing of it is read.
    too_large: HashMap<AttemptKey, u64>,
}

impl Portion {
    pub(crate) fn of(claims: Vec<(Claim, Arc<Version>)>) -> Portion {
        Portion { claims, too_large: HashMap::new() }
    }

    /// Each claim by itself.
    pub(crate) fn apart(self) -> impl Iterator<Item = Portion> {
        let Portion { claims, too_large } = self;
        claims.into_iter().map(move |one| Portion { claims: vec![one], too_large: too_large.clone() })
    }
}

/// Outputs whose sizes have to be known before anything is read for these claims; `None` where they cannot matter.
pub(crate) fn sizes_to_ask_for(limits: &PayloadLimits, claims: &[(Claim, Arc<Version>)]) -> Option<Vec<Wanted>> {
    portions::sizes_to_ask_for(claims.iter().flat_map(|(claim, version)| wants(claim, version)).collect(), limits)
}

/// Claims in portions of at most this many bytes, so that what is read at once is bounded, however many slots there are.
pub(crate) fn portions(limits: &PayloadLimits, mut claims: Vec<(Claim, Arc<Version>)>, sizes: &Sizes) -> Vec<Portion> {
    let mut wants: Vec<Vec<Wanted>> = claims.iter().map(|(claim, version)| wants(claim, version)).collect();
    let mut too_large = HashMap::new();
    for ((claim, _), wants) in claims.iter().zip(&mut wants) {
        let bytes: u64 = wants.iter().filter_map(|wanted| sizes.get(wanted)).sum();
        if bytes > limits.stage_input_bytes as u64 {
            too_large.insert(claim.key, bytes);
            wants.clear();
        }
    }
    let cut = |claims_of: usize| {
        let rest = claims.split_off(claims_of);
        Portion { claims: std::mem::replace(&mut claims, rest), too_large: too_large.clone() }
    };
    portions::portions(&wants, sizes, portions::AT_ONCE).into_iter().map(cut).collect()
}

/// Reads the inputs of a portion in a statement of its own: it sees everything that was committed before the claim.
pub(crate) async fn prepare(
    store: &Store,
    limits: &PayloadLimits,
    portion: &Portion,
) -> Result<Vec<Prepared>, StoreError> {
    let batch = Batch::read(store, limits, portion).await?;
    Ok(batch.all_prepared(portion))
}

/// The same, where the run of every claim is taken to have that input.
pub(crate) async fn prepare_on(
    store: &Store,
    limits: &PayloadLimits,
    portion: &Portion,
    input: &Arc<str>,
) -> Result<Vec<Prepared>, StoreError> {
    let mut batch = Batch::read(store, limits, portion).await?;
    batch.runs.values_mut().for_each(|run| run.input = Some(input.clone()));
    Ok(batch.all_prepared(portion))
}

/// What a stage has come to.
#[derive(Clone, Copy)]
pub(crate) enum Came<'o> {
    Output(&'o Payload),
    /// It was skipped, for that reason.
    Skip(&'o str),
}

/// The inputs of a branch's next stage, whose one need has just been committed by this worker: nothing is read.
pub(crate) fn prepare_next(
    limits: &PayloadLimits,
    claim: Claim,
    known: Known,
    (stage, need): (i16, Came<'_>),
) -> Prepared {
    let mut batch = Batch::empty(limits);
    batch.runs.insert(claim.key.run, known.run);
    match need {
        Came::Output(output) => _ = batch.joined.insert((claim.key.run, stage), Ok(output.text())),
        Came::Skip(reason) => batch.skips.insert((claim.key.run, stage), reason),
    }
    batch.prepared(claim, known.version)
}

/// A claim whose inputs the database refuses to give: a failure like another, retried and in the end given up.
pub(crate) fn unreadable((claim, version): (Claim, Arc<Version>), refused: &StoreError) -> Prepared {
    let failure = Failure::unknown(format!("the stage's inputs could not be read: {refused}"));
    let known = Known { version, run: RunInput::UNREAD, lane: None, round: None, taken: None };
    Prepared { claim, known, work: Err(failure) }
}

/// The input, unless it is too large for a stage.
pub(super) fn within_limit(input: StageInput, stage: &str, limits: &PayloadLimits) -> Result<StageInput, Failure> {
    if input.bytes() > limits.stage_input_bytes {
        return Err(too_much(stage, input.bytes() as u64, limits));
    }
    Ok(input)
}

/// Everything the claims of one batch need, read once and shared.
struct Batch {
    runs: HashMap<RunKey, RunInput>,
    /// Of those that may have waited.
    waits: HashMap<AttemptKey, EndedWait>,
    /// Outputs by run and stage, in item order; the record of a split comes first.
    outputs: HashMap<(RunKey, i16), Vec<Stored>>,
    too_large: HashMap<AttemptKey, u64>,
    /// Stages that were skipped.
    skips: Skips,
    /// Stages that no more race has to be won for.
    decided: HashSet<(RunKey, i16)>,
    /// Arrays that were split and arrays that were joined, so that a thousand items share one.
    splits: HashMap<(RunKey, i16), Result<Arc<Split>, Failure>>,
    joined: HashMap<(RunKey, i16), Result<Arc<str>, Failure>>,
    /// What stages were given up with that others run after; JSON.
    failures: HashMap<(RunKey, i16), Arc<str>>,
    /// Of stages that decide about rounds; and what is passed on of the last one.
    rounds: HashMap<(RunKey, i16), StoredRounds>,
    previous: HashMap<(RunKey, i16), Result<Arc<str>, Failure>>,
    limits: PayloadLimits,
}

impl Batch {
    async fn read(
        store: &Store,
        limits: &PayloadLimits,
        Portion { claims, too_large }: &Portion,
    ) -> Result<Batch, StoreError> {
        let read = claims.iter().filter(|(claim, _)| !too_large.contains_key(&claim.key));
        let wanted: BTreeSet<Wanted> = read.flat_map(|(claim, version)| wants(claim, version)).collect();
        let (previous, wanted): (Vec<Wanted>, Vec<Wanted>) =
            wanted.into_iter().partition(|wanted| wanted.item == Some(PREVIOUS));
        let keys: BTreeSet<RunKey> = claims.iter().map(|(claim, _)| claim.key.run).collect();
        let runs = store.run_inputs(&keys.into_iter().collect::<Vec<_>>()).await?;
        let mut outputs: HashMap<(RunKey, i16), Vec<Stored>> = HashMap::new();
        if !wanted.is_empty() {
            for stored in store.outputs(&wanted).await? {
                outputs.entry((stored.run, stored.stage)).or_default().push(stored);
            }
        }
        let asked: BTreeSet<(RunKey, i16)> = claims
            .iter()
            .flat_map(|(claim, version)| asks_after(claim, version).into_iter().map(|stage| (claim.key.run, stage)))
            .collect();
        if !asked.is_empty() {
            for stored in store.skips(&asked.into_iter().collect::<Vec<_>>()).await? {
                outputs.entry((stored.run, stored.stage)).or_default().push(stored);
            }
        }
        let races: BTreeSet<(RunKey, i16)> = claims
            .iter()
            .filter_map(|(claim, version)| Some((claim.key.run, version.plan.race_of(claim.key.stage)?)))
            .collect();
        let decided = match races.is_empty() {
            true => HashSet::new(),
            false => store.decided_races(&races).await?.into_iter().collect(),
        };
        let may_have_waited = claims.iter().filter(|(claim, version)| version.waits(claim.key.stage));
        let may_have_waited: Vec<AttemptKey> = may_have_waited.map(|(claim, _)| claim.key).collect();
        let waits = match may_have_waited.as_slice() {
            [] => HashMap::new(),
            keys => store.ended_waits(keys).await?,
        };
        let runs = runs.into_iter().map(|stored| (stored.run, stored.into())).collect();
        let failing = claims.iter().filter_map(|(claim, version)| {
            Some((claim.key.run, number_of(version.stage(claim.key.stage)?.on_failure_of?)))
        });
        let failing: BTreeSet<(RunKey, i16)> = failing.collect();
        let failures = match failing.is_empty() {
            true => HashMap::new(),
            false => store.given_up(&failing.into_iter().collect::<Vec<_>>()).await?,
        };
        let rounds = if previous.is_empty() { HashMap::new() } else { store.rounds(&previous).await? };
        Ok(Batch {
            runs,
            waits,
            decided,
            outputs,
            failures,
            rounds,
            too_large: too_large.clone(),
            ..Batch::empty(limits)
        })
    }

    fn empty(limits: &PayloadLimits) -> Batch {
        Batch {
            runs: HashMap::new(),
            waits: HashMap::new(),
            outputs: HashMap::new(),
            too_large: HashMap::new(),
            skips: Skips::default(),
            decided: HashSet::new(),
            splits: HashMap::new(),
            joined: HashMap::new(),
            failures: HashMap::new(),
            rounds: HashMap::new(),
            previous: HashMap::new(),
            limits: *limits,
        }
    }

    fn all_prepared(mut self, portion: &Portion) -> Vec<Prepared> {
        portion.claims.iter().map(|(claim, version)| self.prepared(*claim, version.clone())).collect()
    }

    fn prepared(&mut self, claim: Claim, version: Arc<Version>) -> Prepared {
        let run = self.runs.get(&claim.key.run).cloned().unwrap_or(RunInput::UNREAD);
        let work = match version.stage(claim.key.stage) {
            Some(stage) => self.work(&claim, stage, &version),
            None => Err(corrupt(format!("the workflow version has no stage number {}", claim.key.stage))),
        };
        let lane = work.as_ref().ok().and_then(|work| self.lane(&claim, &version, work));
        let round = self.round(&claim, &version);
        Prepared { claim, known: Known { version, run, lane, round, taken: None }, work }
    }

    /// Where more items come after this one in its branch, their inputs too: the array is read already.
    fn lane(&mut self, claim: &Claim, version: &Version, work: &Work) -> Option<Arc<Lane>> {
        let (Work::Handle(input), Some(_)) = (work, claim.spot().rest()) else { return None };
        let for_each = version.stage(claim.key.stage)?.for_each.as_ref()?;
        if fanned_source(for_each, version).is_some() {
            return None;
        }
        Lane::of(claim, input, &*self.split(claim, for_each, version).ok()?)
    }

    /// Which round the claim is in, where its stage is done in rounds.
    fn round(&mut self, claim: &Claim, version: &Version) -> Option<Round> {
        let group = version.group(claim.key.stage)?;
        let over = self.rounds.get(&(claim.key.run, number_of(group.last))).map_or(0, |rounds| rounds.over);
        let decides = version.stage(claim.key.stage).filter(|stage| stage.repeat.is_some());
        let input = decides.and_then(|stage| self.input(claim, stage, version).ok());
        Some(Round { number: over + 1, input })
    }

    /// What came of the round before.
    fn previous(&mut self, claim: &Claim, version: &Version) -> Result<Option<Arc<str>>, Failure> {
        let Some(group) = version.group(claim.key.stage) else { return Ok(None) };
        let key = (claim.key.run, number_of(group.last));
        let rounds = self.rounds.get(&key);
        let part = self.previous.entry(key).or_insert_with(|| previous::part(rounds, group, version));
        part.clone().map(Some)
    }

    fn work(&mut self, claim: &Claim, stage: &Stage, version: &Version) -> Result<Work, Failure> {
        if let Some(bytes) = self.too_large.get(&claim.key) {
            return Err(too_much(stage.name.as_str(), *bytes, &self.limits));
        }
        if let Some(reason) = self.skip(claim, stage, version)? {
            return Ok(Work::Skip(reason));
        }
        if let (Some(for_each), NO_ITEM) = (&stage.for_each, claim.key.item) {
            let items = self.item_count(claim, for_each, version)?;
            if items > self.limits.items {
                return Err(Failure::invalid_input(format!(
                    "stage `{}` would fan out to {items} items, over the limit of {}",
                    stage.name, self.limits.items
                )));
            }
            if let Some(needed) = stage.quorum.as_ref().map(|quorum| quorum.at_least.of(items))
                && needed > items
            {
                return Err(Failure::invalid_input(format!(
                    "stage `{}` needs at least {needed} of its items (at_least), and there are {items}",
                    stage.name
                )));
            }
            return Ok(Work::Split(items));
        }
        let wait = self.waits.remove(&claim.key);
        if let Some(wait) = wait.as_ref().filter(|wait| wait.outcome != WaitOutcome::Due) {
            return Ok(Work::Waited(wait.clone()));
        }
        let input = within_limit(self.input(claim, stage, version)?, stage.name.as_str(), &self.limits)?;
        Ok(match wait {
            Some(wait) => Work::Poll(input, wait),
            None => Work::Handle(input),
        })
    }

    /// Why there is nothing to do: what it needs was skipped. Once a stage is split, its items ask for the item they follow alone.
    fn skip(&mut self, claim: &Claim, stage: &Stage, version: &Version) -> Result<Option<Arc<str>>, Failure> {
        let run = claim.key.run;
        if claim.key.item != NO_ITEM {
            let followed = stage.for_each.as_ref().and_then(|for_each| fanned_source(for_each, version));
            let Some(upstream) = followed.filter(|upstream| !stage.accepts(StageIndex::of(*upstream as usize))) else {
                return Ok(None);
            };
            let item = self.stored(run, upstream).iter().find(|stored| stored.item == claim.key.item);
            return match item.filter(|item| item.skipped.is_some()) {
                Some(item) => {
                    verified(item, version)?;
                    Ok(skips::followed(&version.stage_name(upstream), claim.key.item, item.skipped.as_deref()))
                }
                None => Ok(None),
            };
        }
        if let Some(race) = version.plan.race_of(claim.key.stage)
            && self.decided.contains(&(run, race))
        {
            return Ok(Some(skips::ANOTHER_WAS_FIRST.into()));
        }
        let mut needs = Needs::of(stage.first);
        for need in &stage.needs {
            let number = need.0 as i16;
            if stage.on_failure_of == Some(*need) {
                let is_given_up = self.failures.contains_key(&(run, number));
                let reason = self.skipped(run, number, version)?;
                needs.add_failure(&version.stage_name(number), is_given_up, reason.as_deref());
                continue;
            }
            let reason = if version.may_be_skipped(number) { self.skipped(run, number, version)? } else { None };
            needs.add(&version.stage_name(number), reason.as_deref(), stage.accepts(*need));
        }
        Ok(needs.reason())
    }

    /// Why that stage was skipped as a whole; `None` where it was not.
    fn skipped(&self, run: RunKey, stage: i16, version: &Version) -> Result<Option<Arc<str>>, Failure> {
        if let Some(reason) = self.skips.get((run, stage)) {
            return Ok(Some(reason));
        }
        let record = self.stored(run, stage).iter().find(|stored| stored.item == NO_ITEM && stored.skipped.is_some());
        let Some(record) = record else { return Ok(None) };
        verified(record, version)?;
        Ok(record.skipped.as_deref().map(Arc::from))
    }

    fn input(&mut self, claim: &Claim, stage: &Stage, version: &Version) -> Result<StageInput, Failure> {
        let mut input = StageInput::default();
        let for_each = stage.for_each.as_ref();
        let is_source = |of: Source| for_each.is_some_and(|f| f.sources().any(|source| source == of));
        if !is_source(Source::Input) {
            input.push("input".into(), self.run_input(claim.key.run)?);
        }
        if let Some(of) = stage.on_failure_of {
            let failure = self.failures.get(&(claim.key.run, number_of(of)));
            let failure = failure.ok_or_else(|| missing(&version.stage_name(number_of(of)), NO_ITEM))?;
            input.push(FAILURE.into(), failure.clone());
        }
        for need in stage.needs_output_of() {
            let (number, need) = (number_of(need), &need);
            if stage.takes_as_file(*need) {
                input.push_file(version.stage_name(number), number);
            } else if !is_source(Source::Stage(*need)) {
                input.push(version.stage_name(number), self.output(claim.key.run, number, version)?);
            }
        }
        if let Some(previous) = self.previous(claim, version)? {
            input.push(PREVIOUS_PART.into(), previous);
        }
        if let Some(for_each) = &stage.for_each {
            self.push_item(&mut input, claim, for_each, version)?;
        }
        Ok(input)
    }

    /// The element under `item`, and what is left of the value it was taken from under that value's own name.
    fn push_item(
        &mut self,
        input: &mut StageInput,
        claim: &Claim,
        for_each: &ForEach,
        version: &Version,
    ) -> Result<(), Failure> {
        if let Some(upstream) = fanned_source(for_each, version) {
            let stored = self.stored(claim.key.run, upstream).iter().find(|s| s.item == claim.key.item);
            let stored = stored.ok_or_else(|| missing(&version.stage_name(upstream), claim.key.item))?;
            input.push("item".into(), verified(stored, version)?.into());
            return Ok(());
        }
        let split = self.split(claim, for_each, version)?;
        let item = claim.key.item().and_then(|i| split.item(i as usize)).ok_or_else(|| {
            let message = format!("item {} is not in the array any more, it has {}", claim.key.item, split.len());
            corrupt_at(&version.stage_name(claim.key.stage), NO_ITEM, message)
        })?;
        split.rest.iter().for_each(|(name, rest)| input.push(name.clone(), rest.clone()));
        input.push_item(item);
        Ok(())
    }

    fn item_count(&mut self, claim: &Claim, for_each: &ForEach, version: &Version) -> Result<u32, Failure> {
        // Of a need that is accepted without an output.
        for source in for_each.sources() {
            if let Source::Stage(index) = source
                && self.skipped(claim.key.run, index.0 as i16, version)?.is_some()
            {
                return Ok(0);
            }
        }
        if let Some(upstream) = fanned_source(for_each, version) {
            return self.split_record(claim.key.run, upstream, version);
        }
        let split = self.split(claim, for_each, version)?;
        Ok(u32::try_from(split.len()).unwrap_or(u32::MAX))
    }

    fn split(&mut self, claim: &Claim, for_each: &ForEach, version: &Version) -> Result<Arc<Split>, Failure> {
        let key = (claim.key.run, claim.key.stage);
        if let Some(known) = self.splits.get(&key) {
            return known.clone();
        }
        let split = self.split_anew(claim.key.run, for_each, version).map(Arc::new);
        self.splits.insert(key, split.clone());
        split
    }

    fn split_anew(&mut self, run: RunKey, for_each: &ForEach, version: &Version) -> Result<Split, Failure> {
        let cannot = |error: SplitError| Failure::invalid_input(format!("cannot fan out: {error}"));
        let ForEach { source, path, within, times } = for_each;
        let name = source_name(*source, version);
        let first = fan_out::take(&name, &self.source(run, *source, version)?, path).map_err(cannot)?;
        if let Some(within) = within {
            let place = [&[name.to_string()], path.as_slice()].concat().join(".");
            return Split::flat(name, first, &place, within).map_err(cannot);
        }
        if times.is_empty() {
            return Ok(Split::plain(name, first));
        }
        let called =
            |name: &Arc<str>, path: &[String]| path.last().map_or_else(|| name.clone(), |key| key.as_str().into());
        let mut arrays = vec![(called(&name, path), first.items)];
        // What is left of each value, for the next array that is taken out of it.
        let mut rests = vec![(name, first.rest)];
        for Factor { source, path } in times {
            let name = source_name(*source, version);
            let known = rests.iter().position(|(other, rest)| *other == name && rest.is_some());
            let json = match known.and_then(|at| rests.remove(at).1) {
                Some(rest) => rest,
                None => self.source(run, *source, version)?,
            };
            let taken = fan_out::take(&name, &json, path).map_err(cannot)?;
            arrays.push((called(&name, path), taken.items));
            rests.push((name, taken.rest));
        }
        let rests = rests.into_iter().filter_map(|(name, rest)| Some((name, rest?)));
        Ok(Split::product(arrays, rests.collect()))
    }

    fn source(&mut self, run: RunKey, source: Source, version: &Version) -> Result<Arc<str>, Failure> {
        match source {
            Source::Input => self.run_input(run),
            Source::Stage(index) => self.output(run, index.0 as i16, version),
        }
    }

    fn run_input(&self, run: RunKey) -> Result<Arc<str>, Failure> {
        let input = self.runs.get(&run).and_then(|run| run.input.clone());
        input.ok_or_else(|| corrupt("the run's row is gone".to_owned()))
    }

    fn stored(&self, run: RunKey, stage: i16) -> &[Stored] {
        self.outputs.get(&(run, stage)).map_or(&[], Vec::as_slice)
    }

    /// A whole stage's output; of a fanned-out stage the array of its items' outputs.
    fn output(&mut self, run: RunKey, stage: i16, version: &Version) -> Result<Arc<str>, Failure> {
        if let Some(known) = self.joined.get(&(run, stage)) {
            return known.clone();
        }
        let output = self.put_together(run, stage, version).map(Arc::from);
        self.joined.insert((run, stage), output.clone());
        output
    }

    fn put_together(&self, run: RunKey, stage: i16, version: &Version) -> Result<String, Failure> {
        let name = version.stage_name(stage);
        if self.skipped(run, stage, version)?.is_some() {
            return Ok("null".to_owned());
        }
        if version.stage(stage).is_none_or(|s| s.for_each.is_none()) {
            let stored = self.stored(run, stage).first().ok_or_else(|| missing(&name, NO_ITEM))?;
            return Ok(verified(stored, version)?.to_owned());
        }
        let count = self.split_record(run, stage, version)?;
        let items: Vec<&Stored> = self.stored(run, stage).iter().filter(|s| s.item != NO_ITEM).collect();
        if items.len() != count as usize {
            return Err(miscounted(&name, &items.iter().map(|s| s.item).collect::<Vec<_>>(), count));
        }
        let texts: Vec<&str> = items.into_iter().map(|s| verified(s, version)).collect::<Result<_, _>>()?;
        Ok(array(texts.into_iter()))
    }

    /// Into how many items a stage was split.
    fn split_record(&self, run: RunKey, stage: i16, version: &Version) -> Result<u32, Failure> {
        let record = self.stored(run, stage).iter().find(|s| s.item == NO_ITEM);
        let name = version.stage_name(stage);
        let record = record.ok_or_else(|| missing(&name, NO_ITEM))?;
        count_of(&name, verified(record, version)?)
    }
}
