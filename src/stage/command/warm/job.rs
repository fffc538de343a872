//! A job on its way through a warm program.

use tokio::sync::mpsc;

use super::super::verdict::End;
use super::message::{Answer, Log, Question};

/// Messages of a program that wait for its attempt. While there is no more room, the program is not listened to.
pub(super) const ROOM: usize = 16;

/// What a process gets of an attempt.
pub(super) struct Job {
    pub(super) id: String,
    /// The line that begins it.
    pub(super) start: String,
    /// Closed when the attempt is over.
    pub(super) events: mpsc::Sender<Event>,
    /// Lines that answer the program's questions.
    pub(super) replies: mpsc::UnboundedReceiver<String>,
}

/// What an attempt hears of its job. The last one is an answer or an end.
#[derive(Debug)]
pub(super) enum Event {
    Progress { done: u64, of: u64, note: String },
    Log(Log),
    Asked(Question),
    Answered(Answer),
    Gone(Gone),
}

/// Why a job has no answer.
#[derive(Debug)]
pub(super) enum Gone {
    /// The program has ended.
    Died(End),
    /// It was at its end when it got the job: another process gets it, and nothing has failed.
    AtItsEnd(End),
    /// It had to be ended for what it did; goes on from its name.
    Broken(String),
    /// A message has more bytes than that.
    TooLarge(usize),
    /// It had to be ended for the memory it used; goes on from its name.
    OutOfMemory(String),
}

impl Gone {
    /// The same, where it is no end of this job's.
    pub(super) fn at_its_end(self, is: bool) -> Gone {
        match self {
            Gone::Died(end) if is => Gone::AtItsEnd(end),
            other => other,
        }
    }
}

impl Job {
    /// Messages of it wait for its attempt.
    pub(super) fn has_said_something(&self) -> bool {
        self.events.capacity() < self.events.max_capacity()
    }

    /// Whether there is room for another message and for the last one.
    pub(super) fn has_room(&self) -> bool {
        self.events.capacity() > 1
    }

    /// There is room; and an attempt that is over hears nothing.
    pub(super) fn tell(&self, event: Event) {
        self.events.try_send(event).ok();
    }
}
