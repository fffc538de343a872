//! The life of one process of a warm stage: it becomes ready, does one job after another, and ends.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

use super::super::environment;
use super::super::verdict::End;
use super::connection::{Connection, Silence};
use super::job::{Event, Gone, Job};
use super::log;
use super::message::{self, About, Answer, Reply, Said};
use super::origin::Origin;
use super::output::Output;
use super::program::Program;
use super::start::start;
use super::why::Why;
use crate::model::failure::Failure;
use crate::workflow::duration;

/// How long a program may take to answer a job that is cancelled.
const CANCEL_WAIT: Duration = Duration::from_secs(2);
/// What ends so soon after it got a job was about to end before.
const AT_ONCE: Duration = Duration::from_millis(50);
/// Between two looks at the memory of a program that works.
const MEMORY_EVERY: Duration = Duration::from_millis(500);
/// A program that has hung up may take that long to end by itself, so that it is known how.
const HUNG_UP_WAIT: Duration = Duration::from_secs(1);

/// What a process is told.
pub(super) enum Order {
    Job(Job),
    /// It was given to an attempt that has nothing for it after all.
    Back,
    /// Another version of its stage needs its place.
    Replace,
}

/// What a process tells whoever keeps the list of them.
pub(super) enum Report {
    Ready(Arc<Place>),
    NotStarted(Failure),
    /// It may have another job.
    Idle,
    /// Whether it may end: the answer is no where it was just given to an attempt.
    WantsToEnd,
    /// It ends, and takes no job.
    Ending,
    Gone,
}

pub(super) type Tell = Box<dyn Fn(Report) -> bool + Send + Sync>;

/// What an attempt needs to know of a process.
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) output: Arc<Output>,
    pub(super) took: Duration,
}

/// From its start to its end.
pub(super) async fn live(
    origin: Arc<Origin>,
    orders: mpsc::UnboundedReceiver<Order>,
    stop: CancellationToken,
    tell: Tell,
) {
    let secrets = environment::secrets(&origin.command, None, None);
    let begun = Instant::now();
    let started = tokio::select! {
        started = start(&origin, &secrets) => started,
        // Its guard ends it.
        () = stop.cancelled() => {
            tell(Report::Gone);
            return;
        }
    };
    let (program, connection) = match started {
        Ok(started) => started,
        Err(failure) => {
            let hide = |text: &str, whole| secrets.hide_in_beginning(text, whole, usize::MAX);
            tell(Report::NotStarted(failure.redacted(hide)));
            return;
        }
    };
    let place = Place { folder: program.folder().to_owned(), output: program.output().clone(), took: begun.elapsed() };
    tell(Report::Ready(Arc::new(place)));
    let mut life = Life { origin, program, connection, orders, stop, tell, jobs: 0 };
    let why = life.until_it_ends().await;
    (life.tell)(Report::Ending);
    let is_gentle = why.is_told(&life.origin, life.jobs, &secrets);
    let Life { program, connection, tell, .. } = life;
    program.end(is_gentle.then_some(connection)).await;
    tell(Report::Gone);
}

struct Life {
    origin: Arc<Origin>,
    program: Program,
    connection: Connection,
    orders: mpsc::UnboundedReceiver<Order>,
    stop: CancellationToken,
    tell: Tell,
    jobs: u32,
}

impl Life {
    async fn until_it_ends(&mut self) -> Why {
        let idle = self.origin.warm.idle;
        let mut idle_since = tokio::time::Instant::now();
        loop {
            let order = tokio::select! {
                biased;
                line = self.connection.next() => match self.heard_between_jobs(line).await {
                    Some(why) => return why,
                    None => continue,
                },
                status = self.program.ended() => return self.died(status).await,
                order = self.orders.recv() => order,
                () = self.stop.cancelled() => return Why::Stopping,
                () = tokio::time::sleep_until(idle_since + idle) => {
                    if (self.tell)(Report::WantsToEnd) {
                        return Why::Idle(duration::words(idle));
                    }
                    // An attempt has it, and prepares its job.
                    idle_since = tokio::time::Instant::now();
                    continue;
                }
            };
            let ended = match order {
                None => return Why::Stopping,
                Some(Order::Replace) => return Why::Replaced,
                Some(Order::Back) => None,
                Some(Order::Job(job)) => self.job(job).await,
            };
            if let Some(why) = ended {
                return why;
            }
            idle_since = tokio::time::Instant::now();
            (self.tell)(Report::Idle);
        }
    }

    /// Does a job, and says why no other one may come after it, where that is so.
    async fn job(&mut self, mut job: Job) -> Option<Why> {
        // An answer that nobody has asked for belongs to the job before, and not to this one.
        while let Some(line) = self.connection.received_line() {
            if let Some(why) = self.heard_between_jobs(Ok(line)).await {
                // The job has not begun: its attempt finds itself another process.
                return Some(why);
            }
        }
        self.jobs += 1;
        self.connection.say(&job.start);
        match self.worked(&mut job).await {
            Ok(None) => self.cancelled(&job.id).await.err(),
            Ok(Some(answer)) => {
                let left = self.program.left_running().await;
                let Some(left) = left else {
                    job.tell(Event::Answered(answer));
                    return self.worn_out();
                };
                let said = format!(
                    "left processes running when its job was done ({left}), which were stopped; make it wait for them"
                );
                job.tell(Event::Gone(Gone::Broken(said.clone())));
                Some(Why::Broken(said))
            }
            Err(gone) => {
                let why = match &gone {
                    Gone::AtItsEnd(end) => Why::Died(end.clone()),
                    Gone::Died(end) => Why::Broken(format!("it died while it worked: {}", end.in_words())),
                    Gone::Broken(said) => Why::Broken(said.clone()),
                    Gone::TooLarge(_) => {
                        Why::Broken("it sent a message of more bytes than an output may have".to_owned())
                    }
                    Gone::OutOfMemory(said) => Why::Broken(said.clone()),
                };
                job.tell(Event::Gone(gone));
                Some(why)
            }
        }
    }

    /// The answer; none where nobody waits for it any more.
    async fn worked(&mut self, job: &mut Job) -> Result<Option<Answer>, Gone> {
        let mut memory = interval(MEMORY_EVERY);
        let sent = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = job.events.closed() => return Ok(None),
                line = self.connection.next(), if job.has_room() => match line {
                    Ok(line) => {
                        if let Some(answer) = heard(&line, job)? {
                            return Ok(Some(answer));
                        }
                    }
                    Err(Silence::Closed) => {
                        let is_at_its_end = self.is_at_its_end(sent, job);
                        return Err(self.hung_up().await.at_its_end(is_at_its_end));
                    }
                    Err(Silence::TooLong) => return Err(Gone::TooLarge(self.origin.most)),
                    Err(Silence::Broken(error)) => return Err(Gone::Broken(format!("could not be read from: {error}"))),
                },
                _ = job.events.reserve_many(2), if !job.has_room() => {}
                Some(reply) = job.replies.recv() => self.connection.say(&reply),
                status = self.program.ended() => {
                    let is_at_its_end = self.is_at_its_end(sent, job);
                    return self.last_words(status, job).await.map_err(|gone| gone.at_its_end(is_at_its_end));
                }
                _ = memory.tick(), if self.origin.warm.max_memory_bytes.is_some() => {
                    if let Some(said) = self.is_too_big() {
                        return Err(Gone::OutOfMemory(said));
                    }
                }
            }
        }
    }

    /// It ended at once, and has done other jobs before: the end was that of the job before, and only seen now. A job that is too much
    /// for every program ends a new one, too.
    fn is_at_its_end(&self, sent: Instant, job: &Job) -> bool {
        self.jobs > 1 && sent.elapsed() < AT_ONCE && !job.has_said_something()
    }

    /// It ended; what it had said by then counts.
    async fn last_words(&mut self, status: std::io::Result<ExitStatus>, job: &Job) -> Result<Option<Answer>, Gone> {
        while job.has_room()
            && let Ok(Ok(line)) = timeout(Duration::from_millis(50), self.connection.next()).await
        {
            if let Some(answer) = heard(&line, job)? {
                return Ok(Some(answer));
            }
        }
        Err(Gone::Died(self.how_it_ended(status).await))
    }

    /// Its connection is closed, and its job has no answer.
    async fn hung_up(&mut self) -> Gone {
        match timeout(HUNG_UP_WAIT, self.program.ended()).await {
            Ok(status) => Gone::Died(self.how_it_ended(status).await),
            Err(_) => Gone::Broken("closed its connection in the middle of a job".to_owned()),
        }
    }

    async fn how_it_ended(&mut self, status: std::io::Result<ExitStatus>) -> End {
        self.program.buried(status).await.unwrap_or_else(|lacking| End::Broken(format!("it lacked {lacking}")))
    }

    /// Nobody waits for the answer to that job any more: it is awaited for a moment, so that the next job finds the program as it
    /// should be.
    async fn cancelled(&mut self, id: &str) -> Result<(), Why> {
        self.connection.say(&message::line(&Reply::Cancel { id }));
        let answered = async {
            loop {
                let line = match self.connection.next().await {
                    Ok(line) => line,
                    Err(_) => return Err(Why::Broken("it hung up when its job was cancelled".to_owned())),
                };
                match message::read(&line) {
                    Ok(Said::Of(of, About::Answer(_))) if of == id => return Ok(()),
                    Ok(Said::Of(of, _)) if of == id => {}
                    Ok(Said::Log(_)) => {}
                    Ok(Said::Ready | Said::Of(..)) | Err(_) => {
                        return Err(Why::Broken("it sent nonsense when its job was cancelled".to_owned()));
                    }
                }
            }
        };
        let limit = duration::words(CANCEL_WAIT);
        let answered = timeout(CANCEL_WAIT, answered).await;
        answered.unwrap_or_else(|_| {
            Err(Why::Broken(format!("it did not answer within {limit} when its job was cancelled")))
        })?;
        self.worn_out().map_or(Ok(()), Err)
    }

    /// Whether it has done all that one process may do.
    fn worn_out(&self) -> Option<Why> {
        if self.origin.warm.max_jobs.is_some_and(|most| self.jobs >= most) {
            return Some(Why::HasDone(self.jobs));
        }
        self.is_too_big().map(Why::Broken)
    }

    fn is_too_big(&self) -> Option<String> {
        let most = self.origin.warm.max_memory_bytes?;
        let used = self.program.resident_bytes();
        let mib = |bytes: u64| bytes >> 20;
        (used > most)
            .then(|| format!("used {} MiB of memory, more than its max_memory of {} MiB", mib(used), mib(most)))
    }

    /// Nothing but lines for the log is expected then.
    async fn heard_between_jobs(&mut self, line: Result<Vec<u8>, Silence>) -> Option<Why> {
        let line = match line {
            Ok(line) => line,
            Err(Silence::Closed) => {
                return Some(match timeout(HUNG_UP_WAIT, self.program.ended()).await {
                    Ok(status) => self.died(status).await,
                    Err(_) => Why::Broken("it closed its connection between two jobs".to_owned()),
                });
            }
            Err(Silence::TooLong | Silence::Broken(_)) => {
                return Some(Why::Broken("it could not be read from".to_owned()));
            }
        };
        let what = match message::read(&line) {
            Ok(Said::Log(log)) => {
                log::between_jobs(&self.origin, &log, &environment::secrets(&self.origin.command, None, None));
                return None;
            }
            // A job may end before its last words are read, such as those of a thread of its own.
            Ok(Said::Of(_, About::Log(_) | About::Progress { .. })) => return None,
            Ok(Said::Of(_, About::Answer(_))) => "it answered without being asked: one job has one answer".to_owned(),
            Ok(Said::Of(_, About::Question(_))) => "it asked something of a job that is over".to_owned(),
            Ok(Said::Ready) => "it said twice that it is ready".to_owned(),
            Err(what) => format!("it sent {what}"),
        };
        Some(Why::Broken(what))
    }

    async fn died(&mut self, status: std::io::Result<ExitStatus>) -> Why {
        Why::Died(self.how_it_ended(status).await)
    }
}

/// What a program says while it works; the answer, if it is that.
fn heard(line: &[u8], job: &Job) -> Result<Option<Answer>, Gone> {
    let about = match message::read(line) {
        Ok(Said::Of(id, about)) if id == job.id => about,
        Ok(Said::Log(log)) => About::Log(log),
        Ok(Said::Of(_, About::Log(_) | About::Progress { .. })) => return Ok(None),
        Ok(Said::Of(..)) => {
            let said =
                "sent a message about another job than the one it has: each job has one answer, under its own id";
            return Err(Gone::Broken(said.to_owned()));
        }
        Ok(Said::Ready) => return Err(Gone::Broken("said in the middle of a job that it is ready".to_owned())),
        Err(what) => return Err(Gone::Broken(format!("sent {what}"))),
    };
    match about {
        About::Answer(answer) => return Ok(Some(answer)),
        About::Progress { done, of, note } => job.tell(Event::Progress { done, of, note }),
        About::Log(log) => job.tell(Event::Log(log)),
        About::Question(question) => job.tell(Event::Asked(question)),
    }
    Ok(None)
}
