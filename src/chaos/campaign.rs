//! A campaign, from its first run to its verdict.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::process::Signal;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

pub(crate) use super::fleet::Start;
use super::fleet::{Member, NAME_TAKEN, Post};
use super::inject::{Event, Injector, is_aborted};
use super::judge::{self, Case, Sent, Wrong};
use super::offer::Offer;
use super::plan::{self, Fault, Kind, Scope};
use super::proxy::Proxy;
use super::report::{Report, Spread};
use super::servers::{DATABASE, Servers};
use super::{ChaosError, cause, leftovers, workload};
use crate::embedded::Cluster;
use crate::store::backoff::Backoff;
use crate::store::chaos::{Broken, Inspector, Loss, RunEnd};

/// When nothing goes wrong any more, and for that long no run came to rest, what is left is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(120);
/// Between two looks at the fleet.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Between two questions about all runs, which cost the more the more there are.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Runs that are judged at once.
const PAGE: i64 = 500;

/// Where it takes place, and what it is about.
pub(crate) struct Campaign {
    pub(crate) scope: Scope,
    pub(crate) offer: Arc<Offer>,
    pub(crate) servers: Arc<Servers>,
    pub(crate) inspector: Inspector,
    pub(crate) start: Start,
    /// Where the workers' logs go, and their files.
    pub(crate) logs: PathBuf,
    /// The runs are of the campaign's own workflow, and each job's fate is known.
    pub(crate) fates_are_known: bool,
    /// What its processes are known by.
    pub(crate) mark: String,
}

/// What happened.
#[derive(Default)]
struct Chronicle {
    events: Vec<Event>,
    /// Workers that ended though nobody made them.
    aborted: usize,
    wrong: Vec<Wrong>,
    /// What showed at once of what a fault cost.
    costs: Vec<(Kind, f64)>,
}

impl Campaign {
    /// Runs it. `tell` is told how far it is.
    pub(crate) async fn run(&self, tell: fn(&str)) -> Result<Report, ChaosError> {
        if self.scope.kinds.contains(&Kind::Rewind) {
            self.servers.follow().await?;
        }
        let fleet = Arc::new(self.fleet().await?);
        let faults = plan::draw(&self.scope);
        tell(&format!("{} faults in {} s", faults.len(), self.scope.length.as_secs()));
        let mut chronicle = Chronicle::default();
        let offer = self.offer.clone();
        let offering = AbortOnDropHandle::new(tokio::spawn(async move { offer.make().await }));
        let offer = self.offer.clone();
        let serving = self.fates_are_known.then(|| tokio::spawn(async move { offer.answers.serve().await }));
        let _serving = serving.map(AbortOnDropHandle::new);
        self.inject_all(&fleet, faults, &mut chronicle, tell).await?;
        offering.await??;
        self.stop_schedule().await?;
        tell("nothing goes wrong any more, the runs come to rest");
        self.settle(&fleet, &mut chronicle, tell).await?;
        chronicle.wrong.extend(self.offer.answers.finish().await);
        self.stop(&fleet, &mut chronicle).await?;
        self.verdict(chronicle).await
    }

    async fn fleet(&self) -> Result<Vec<Post>, ChaosError> {
        let mut fleet = Vec::with_capacity(self.scope.workers);
        for number in 0..self.scope.workers {
            let proxy = Proxy::to(self.servers.socket(), self.scope.silence).await.map_err(ChaosError::Proxy)?;
            let url = Cluster::url_through(proxy.port(), DATABASE);
            let mut member = Member::new(number, url, self.logs.join(format!("w{number}.log")), self.start.clone());
            member.start()?;
            fleet.push(Post { member: Arc::new(Mutex::new(member)), proxy });
        }
        Ok(fleet)
    }

    async fn inject_all(
        &self,
        fleet: &Arc<Vec<Post>>,
        faults: Vec<Fault>,
        chronicle: &mut Chronicle,
        tell: fn(&str),
    ) -> Result<(), ChaosError> {
        let injector = Injector {
            fleet: fleet.clone(),
            servers: self.servers.clone(),
            inspector: self.inspector.clone(),
            offer: self.offer.clone(),
            silence: self.scope.silence,
        };
        let begun = Instant::now();
        let (mut asked, mut told) = (begun, begun);
        let mut under_way = JoinSet::new();
        let mut faults = faults.into_iter().peekable();
        while faults.peek().is_some() || !under_way.is_empty() || begun.elapsed() < self.scope.length {
            while let Some(fault) = faults.next_if(|fault| begun.elapsed() >= fault.at) {
                let injector = injector.clone();
                under_way.spawn(async move { injector.inject(fault).await });
            }
            while let Some(done) = under_way.try_join_next() {
                let done = done??;
                chronicle.costs.extend(done.event.kind.zip(done.cost.map(|cost| cost.as_secs_f64())));
                chronicle.wrong.extend(done.wrong);
                chronicle.events.push(done.event);
            }
            watch(fleet, chronicle).await?;
            if asked.elapsed() >= ASK_EVERY {
                asked = Instant::now();
                let found = self.inspector.unexplained().await?;
                chronicle.wrong.extend(found.map(|row| ("looks that found something unexplained", row)));
            }
            if told.elapsed() >= Duration::from_secs(10) {
                told = Instant::now();
                tell(&format!("{} s, {} faults so far", begun.elapsed().as_secs(), chronicle.events.len()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Until every run is over or blocked.
    async fn settle(
        &self,
        fleet: &Arc<Vec<Post>>,
        chronicle: &mut Chronicle,
        tell: fn(&str),
    ) -> Result<(), ChaosError> {
        let (mut told, mut moved, mut least) = (Instant::now(), Instant::now(), i64::MAX);
        loop {
            watch(fleet, chronicle).await?;
            let left = self.inspector.unsettled().await?.unwrap_or(least);
            if left < least {
                (least, moved) = (left, Instant::now());
            }
            // What is stuck is found by the verdict.
            if left == 0 || moved.elapsed() > STUCK_AFTER {
                return Ok(());
            }
            if told.elapsed() >= Duration::from_secs(10) {
                told = Instant::now();
                tell(&format!("runs that are left: {left}"));
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// It would start runs without end.
    async fn stop_schedule(&self) -> Result<(), ChaosError> {
        let mut backoff = Backoff::default();
        while self.fates_are_known && !self.inspector.pause_schedule(workload::NAME, workload::SCHEDULE).await? {
            backoff.wait().await;
        }
        Ok(())
    }

    /// As a deploy does.
    async fn stop(&self, fleet: &Arc<Vec<Post>>, chronicle: &mut Chronicle) -> Result<(), ChaosError> {
        for post in fleet.iter() {
            post.member.lock().await.signal(Signal::TERM);
        }
        for post in fleet.iter() {
            let mut member = post.member.lock().await;
            if member.end().await?.is_none_or(|status| !status.success()) {
                chronicle.wrong.push(("workers that did not shut down in order", member.name()));
            }
        }
        Ok(())
    }

    async fn verdict(&self, mut chronicle: Chronicle) -> Result<Report, ChaosError> {
        let left: Vec<Wrong> =
            leftovers::find(&self.mark).into_iter().map(|process| ("processes that live on", process)).collect();
        chronicle.wrong.extend(left);
        chronicle.wrong.extend(leftovers::folders(&self.logs));
        let losses = self.inspector.losses().await?;
        chronicle.wrong.extend(strange(&losses, &chronicle.events));
        let runs = self.offer.acknowledged.count();
        self.judge(&mut chronicle.wrong).await?;
        let (lost, gone) = self.offer.acknowledged.missing();
        chronicle.wrong.extend(gone);
        let costs = self.costs(&chronicle).await?;
        let mut broken = self.inspector.broken().await?;
        broken.extend(gathered(chronicle.wrong));
        let mut faults = BTreeMap::new();
        for kind in chronicle.events.iter().filter_map(|event| event.kind) {
            *faults.entry(kind).or_default() += 1;
        }
        Ok(Report {
            seed: self.scope.seed,
            seconds: self.scope.length.as_secs(),
            workers: self.scope.workers,
            faults,
            aborted: chronicle.aborted,
            runs,
            lost,
            counted: self.inspector.counted().await?,
            costs,
            broken,
        })
    }

    /// Every run against what was started, and where they are known against the fates of its jobs.
    async fn judge(&self, wrong: &mut Vec<Wrong>) -> Result<(), ChaosError> {
        let mut behind = 0;
        let loses_commits = self.scope.kinds.contains(&Kind::Rewind);
        loop {
            let runs = self.inspector.runs_behind(behind, PAGE).await?;
            let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Ok(()) };
            behind = last.id;
            let acknowledged = &self.offer.acknowledged;
            let is_its_own =
                |run: &&RunEnd| !self.fates_are_known || run.parent.is_none() && !workload::is_of_a_tick(&run.input);
            let started = runs.iter().filter(is_its_own);
            wrong.extend(started.filter_map(|run| acknowledged.found(run)));
            if !self.fates_are_known {
                continue;
            }
            let attempts = self.inspector.attempts_of(first.id, last.id).await?;
            let deaths = self.inspector.deaths_of(first.id, last.id).await?;
            let kept = self.inspector.artifacts_of(first.id, last.id).await?;
            for run in &runs {
                let attempts = attempts.iter().filter(|a| a.run_id == run.id).collect();
                let deaths = deaths.iter().filter(|d| d.run_id == run.id).collect();
                let kept = kept.iter().filter(|k| k.run_id == run.id).collect();
                if run.parent.is_some() {
                    let is_over = run.state == "done";
                    wrong.extend((!is_over).then(|| ("children that did not end well", run.uuid.to_string())));
                    continue;
                }
                let (signals, callbacks) = (self.sent(run, "approval"), self.sent(run, "ask"));
                wrong.extend(judge::judge(&Case { run, attempts, deaths, kept, signals, callbacks, loses_commits }));
            }
        }
    }

    /// What that stage of the run was answered.
    fn sent(&self, run: &RunEnd, stage: &'static str) -> Sent {
        let answers = self.offer.answers.to(run.uuid, stage);
        let is_lost = |sent_at, at| self.offer.acknowledged.may_be_lost(sent_at, at);
        let taken = answers.iter().filter(|a| a.taken_at.is_some_and(|at| !is_lost(a.sent_at, at)));
        Sent { all: answers.iter().map(|a| a.by).collect(), taken: taken.map(|a| a.by).collect() }
    }

    async fn costs(&self, chronicle: &Chronicle) -> Result<BTreeMap<Kind, Spread>, ChaosError> {
        let mut seconds: BTreeMap<Kind, Vec<f64>> = BTreeMap::new();
        for (kind, cost) in &chronicle.costs {
            seconds.entry(*kind).or_default().push(*cost);
        }
        for event in &chronicle.events {
            let (Some(kind), from) = (event.kind, event.at) else { continue };
            let (from, to) = match (kind, event.process) {
                (Kind::Kill | Kind::GroupKill, Some(process)) => {
                    (from, self.inspector.claimed_again(process, from).await?)
                }
                (Kind::TermThenKill, Some(process)) => {
                    let Some(announced) = event.announced else { continue };
                    let killed_at = from + announced;
                    (killed_at, self.inspector.claimed_again(process, killed_at).await?)
                }
                (Kind::Rewind, _) => {
                    let Some(served_at) = event.served_at else { continue };
                    (served_at, self.inspector.first_result_since(served_at).await?)
                }
                _ => continue,
            };
            seconds.entry(kind).or_default().extend(to.map(|to| elapsed_s(from, to)));
        }
        Ok(seconds.into_iter().map(|(kind, seconds)| (kind, Spread::of(seconds))).collect())
    }
}

/// Attempts that were taken from their workers, or held against their jobs, for nothing.
fn strange(losses: &[Loss], events: &[Event]) -> Vec<Wrong> {
    let place = |loss: &Loss| format!("{} on {} ({})", loss.place, loss.worker, loss.message);
    let unknown = losses.iter().filter(|loss| !cause::is_known(loss, events));
    let unknown = unknown.map(|loss| ("attempts that were lost though nothing befell their worker", place(loss)));
    let stopped = losses.iter().filter(|loss| cause::is_suspected_for_a_stop(loss, events));
    let stopped =
        stopped.map(|loss| ("jobs that were suspected though their worker had been told to shut down", place(loss)));
    unknown.chain(stopped).collect()
}

fn elapsed_s(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).as_seconds_f64()
}

/// Starts workers again that ended by themselves, as a supervisor would. One that was aborted met a job that does that, and
/// one whose name was another's by then had to go; nothing else may end a worker.
async fn watch(fleet: &Arc<Vec<Post>>, chronicle: &mut Chronicle) -> Result<(), ChaosError> {
    for (place, post) in fleet.iter().enumerate() {
        // Something is being done to it.
        let Ok(mut member) = post.member.try_lock() else { continue };
        let (process, at) = (member.process(), member.seen_at());
        let Some(status) = member.ended()? else { continue };
        let (worker, until) = (Some(place), Utc::now());
        chronicle.events.push(Event { kind: None, at, until, worker, process, announced: None, served_at: None });
        if is_aborted(status) {
            chronicle.aborted += 1;
        } else if !(member.had_twin() && status.code() == Some(NAME_TAKEN)) {
            chronicle.wrong.push(("workers that ended by themselves", format!("{} with {status}", member.name())));
        }
        member.start()?;
    }
    Ok(())
}

/// The same things together, each with how often it is there and one example.
fn gathered(wrong: Vec<Wrong>) -> Vec<Broken> {
    let mut kinds: BTreeMap<&str, (i64, String)> = BTreeMap::new();
    for (what, example) in wrong {
        kinds.entry(what).or_insert((0, example)).0 += 1;
    }
    kinds.into_iter().map(|(what, (times, example))| Broken { what: what.to_owned(), times, example }).collect()
}
