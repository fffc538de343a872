//! The life of one process of a warm stage: it becomes ready, does one job after another, and ends.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

use super::super::environment;
use super::super::verdict::{self, End};
use super::connection::{Connection, Silence};
use super::job::{Event, Gone, Job};
use super::log;
use super::message::{self, About, Answer, Reply, Said};
use super::origin::Origin;
use super::output::Output;
use super::program::Program;
use crate::events::program;
use crate::model::failure::Failure;
use crate::stage::secrets::Secrets;
use crate::workflow::duration;

/// Bytes of a message beside the output in it.
const AROUND_AN_OUTPUT: usize = 4 * 1024;
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

/// Why a process ends.
enum Why {
    /// It has had no job for so long, in words.
    Idle(String),
    HasDone(u32),
    Replaced,
    Stopping,
    /// By itself, between two jobs or with one.
    Died(End),
    /// For what it did.
    Broken(String),
}

/// From its start to its end.
pub(super) async fn live(
    origin: Arc<Origin>,
    orders: mpsc::UnboundedReceiver<Order>,
    stop: CancellationToken,
    tell: Tell,
) {
    let secrets = environment::secrets(&origin.command, None);
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
    let is_gentle = why.is_told(&life, &secrets);
    let Life { program, connection, tell, .. } = life;
    program.end(is_gentle.then_some(connection)).await;
    tell(Report::Gone);
}

/// Starts a program and waits until it is ready.
async fn start(origin: &Origin, secrets: &Secrets) -> Result<(Program, Connection), Failure> {
    let (mut program, listener) = Program::start(origin, secrets).await?;
    let limit = origin.warm.start_timeout;
    let greeted = tokio::select! {
        biased;
        greeted = timeout(limit, greeted(&listener, origin, secrets)) => {
            greeted.unwrap_or_else(|_| Err(format!("was not ready within its start_timeout of {}", duration::words(limit))))
        }
        status = program.ended() => {
            let ended = program.buried(status).await;
            let failure = match ended {
                Ok(end) => died_before_it_was_ready(origin, &program, end, secrets),
                Err(lacking) => {
                    let said = format!("cannot start `{}`: the system starts no process", origin.program());
                    Failure::resource_unavailable(said).for_lack_of(lacking)
                }
            };
            program.end(None).await;
            return Err(failure);
        }
    };
    match greeted {
        Ok(connection) => {
            program.find();
            Ok((program, connection))
        }
        Err(what) => {
            let failure = Failure::resource_unavailable(format!("`{}` {what}", origin.program()));
            let failure = program.output().add_to(failure.detail(serde_json::json!({"status": "stopped"})), secrets);
            program.end(None).await;
            Err(failure)
        }
    }
}

/// Waits for the program to connect and to say that it is ready. The error goes on from the program's name.
async fn greeted(listener: &UnixListener, origin: &Origin, secrets: &Secrets) -> Result<Connection, String> {
    let (stream, _) = listener.accept().await.map_err(|error| format!("could not be listened to: {error}"))?;
    let mut connection = Connection::new(stream, origin.most.saturating_add(AROUND_AN_OUTPUT));
    loop {
        let line = connection.next().await.map_err(|silence| match silence {
            Silence::Closed => "hung up before it was ready".to_owned(),
            Silence::TooLong => "sent a line that is too long before it was ready".to_owned(),
            Silence::Broken(error) => format!("could not be read from: {error}"),
        })?;
        match message::read(&line) {
            Ok(Said::Ready) => return Ok(connection),
            Ok(Said::Log(log)) => log::between_jobs(origin, &log, secrets),
            Ok(Said::Of(..)) => return Err("sent a message about a job before it was ready".to_owned()),
            Err(what) => return Err(format!("sent {what}, before it was ready")),
        }
    }
}

fn died_before_it_was_ready(origin: &Origin, program: &Program, end: End, secrets: &Secrets) -> Failure {
    let words = program.output().stderr();
    let failure = match verdict::of(origin.program(), end, &words, &origin.command.classes, secrets) {
        Err(failure) => failure.map_message(|said| format!("{said} (before it was ready)")),
        Ok(_) => Failure::resource_unavailable(format!("`{}` ended before it was ready", origin.program()))
            .detail(serde_json::json!({"status": 0, "stderr": words.without(secrets)})),
    };
    program.output().add_stdout_to(failure, secrets)
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
                    Gone::TooLarge(_) => Why::Broken("it answered with more than an output may be".to_owned()),
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
                    Ok(line) => match heard(&line, job)? {
                        Some(answer) => return Ok(Some(answer)),
                        None => {}
                    },
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
                log::between_jobs(&self.origin, &log, &environment::secrets(&self.origin.command, None));
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

impl Why {
    /// Writes it into the log. Whether the program may be asked to end.
    fn is_told(&self, life: &Life, secrets: &Secrets) -> bool {
        let Origin { workflow, stage, worker, .. } = &*life.origin;
        let jobs = u64::from(life.jobs);
        let (why, is_well) = match self {
            Why::Idle(time) => (format!("it had no job for {time}"), true),
            Why::HasDone(jobs) => (format!("it has done its {jobs} jobs"), true),
            Why::Replaced => ("another version of the workflow needs its place".to_owned(), true),
            Why::Stopping => ("its worker stops".to_owned(), true),
            Why::Died(End::Exited(0, _)) => ("it ended by itself between two jobs".to_owned(), true),
            Why::Died(end) => (format!("it died between two jobs: {}", end.in_words()), false),
            Why::Broken(why) => (why.clone(), false),
        };
        let why = secrets.hide_in_beginning(&why, true, usize::MAX);
        let tell = if is_well { program::ended } else { program::broken };
        tell(workflow, stage, worker, jobs, &why);
        is_well
    }
}
