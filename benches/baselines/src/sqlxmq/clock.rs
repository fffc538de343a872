//! When each run was started and each of its handlers began. Shared by the starter and the handlers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use baselines::spread::Spread;
use baselines::workload::Workload;
use tokio::sync::Notify;

/// Nanoseconds since it was made; 0 where nothing has happened.
#[derive(Debug, Clone)]
pub(crate) struct Clock(Arc<Times>);

#[derive(Debug)]
struct Times {
    made: Instant,
    stages: usize,
    asked: Vec<AtomicU64>,
    answered: Vec<AtomicU64>,
    began: Vec<AtomicU64>,
    first_began: OnceLock<Instant>,
    missing: AtomicU64,
    ended: OnceLock<Instant>,
    all_ended: Notify,
}

impl Clock {
    pub(crate) fn of(work: &Workload) -> Clock {
        let zeros = |count: u64| (0..count).map(|_| AtomicU64::new(0)).collect();
        Clock(Arc::new(Times {
            made: Instant::now(),
            stages: work.stages.into(),
            asked: zeros(work.runs.into()),
            answered: zeros(work.runs.into()),
            began: zeros(work.all_stages()),
            first_began: OnceLock::new(),
            missing: AtomicU64::new(work.all_stages()),
            ended: OnceLock::new(),
            all_ended: Notify::new(),
        }))
    }

    pub(crate) fn asked(&self, run: u32) {
        self.mark(self.0.asked.get(run as usize));
    }

    pub(crate) fn answered(&self, run: u32) {
        self.mark(self.0.answered.get(run as usize));
    }

    pub(crate) fn began(&self, run: u32, stage: u16) {
        self.0.first_began.get_or_init(Instant::now);
        self.mark(self.0.began.get(run as usize * self.0.stages + usize::from(stage)));
    }

    fn mark(&self, place: Option<&AtomicU64>) {
        if let Some(place) = place {
            place.store(self.0.made.elapsed().as_nanos() as u64, Ordering::Relaxed);
        }
    }

    /// A stage is committed.
    pub(crate) fn committed(&self) {
        if self.0.missing.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.ended.get_or_init(Instant::now);
            self.0.all_ended.notify_one();
        }
    }

    pub(crate) fn missing(&self) -> u64 {
        self.0.missing.load(Ordering::Relaxed)
    }

    /// Comes back when all stages are committed.
    pub(crate) async fn all_committed(&self) {
        self.0.all_ended.notified().await;
    }

    /// From the first handler to the last commit.
    pub(crate) fn time(&self) -> Option<Duration> {
        Some(*self.0.ended.get()? - *self.0.first_began.get()?)
    }

    /// From asking for each run's start to the handler of a stage.
    pub(crate) fn since_asked_ms(&self, stage: u16) -> Option<Spread> {
        self.since(&self.0.asked, stage)
    }

    /// From the answer to each run's start to the handler of a stage; one that began before did not wait.
    pub(crate) fn since_answer_ms(&self, stage: u16) -> Option<Spread> {
        self.since(&self.0.answered, stage)
    }

    fn since(&self, moments: &[AtomicU64], stage: u16) -> Option<Spread> {
        let load = |place: &AtomicU64| place.load(Ordering::Relaxed);
        let began = self.0.began.iter().skip(stage.into()).step_by(self.0.stages).map(load);
        let moments = moments.iter().map(load);
        Spread::of(moments.zip(began).map(|(moment, begin)| begin.saturating_sub(moment) as f64 / 1e6).collect())
    }
}
