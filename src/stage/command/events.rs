//! What a guard waits for. It has one thread, so it waits for everything together, and hands the program its input meanwhile.

use std::collections::VecDeque;
use std::io::{ErrorKind, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitStatus};

use super::children::{Children, State};

#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// A process that this one started or adopted is gone.
    Ended(Pid, WaitStatus),
    /// None is left.
    AllEnded,
    Stop,
    WorkerGone,
}

pub(super) struct Events {
    children: Children,
    control: UnixStream,
    worker_is_there: bool,
    input: Input,
    queue: VecDeque<Event>,
}

impl Events {
    /// `to` is the program's standard input.
    pub(super) fn new(children: Children, control: UnixStream, input: Vec<u8>, to: PipeWriter) -> Events {
        let mut input = Input { to: Some(to), bytes: input, done: 0 };
        input.go_on();
        Events { children, control, worker_is_there: true, input, queue: VecDeque::new() }
    }

    /// Where reports go.
    pub(super) fn control(&self) -> &UnixStream {
        &self.control
    }

    /// The next one, or `None` when there is none until then.
    pub(super) fn next(&mut self, until: Option<Instant>) -> Option<Event> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let timeout = left.and_then(|left| Timespec::try_from(left).ok());
            let is_late = left.is_some_and(|left| left.is_zero());
            if !self.wait(timeout.as_ref()) && is_late {
                return None;
            }
        }
    }

    /// Whether something has happened.
    fn wait(&mut self, timeout: Option<&Timespec>) -> bool {
        let mut ready = vec![PollFd::new(&self.children, PollFlags::IN)];
        if self.worker_is_there {
            ready.push(PollFd::new(&self.control, PollFlags::IN));
        }
        if let Some(to) = &self.input.to {
            ready.push(PollFd::from_borrowed_fd(to.as_fd(), PollFlags::OUT));
        }
        match poll(&mut ready, timeout) {
            Ok(1..) => {}
            // A signal is no event; and where the system has no memory for the list, it is asked again.
            Ok(0) | Err(_) => return false,
        }
        let rings = !ready.remove(0).revents().is_empty();
        let asks = self.worker_is_there && !ready.remove(0).revents().is_empty();
        let takes = ready.pop().is_some_and(|to| !to.revents().is_empty());
        if rings {
            self.reap();
        }
        if asks {
            self.listen();
        }
        if takes {
            self.input.go_on();
        }
        true
    }

    fn reap(&mut self) {
        self.children.hush();
        loop {
            match self.children.look() {
                State::Ended(pid, status) => self.queue.push_back(Event::Ended(pid, status)),
                State::Run => return,
                State::AllEnded => return self.queue.push_back(Event::AllEnded),
            }
        }
    }

    fn listen(&mut self) {
        match self.control.read(&mut [0]) {
            Ok(1..) => self.queue.push_back(Event::Stop),
            // A signal that interrupts the read is not its end.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The other end is gone only when this process is at its own.
            Ok(0) | Err(_) => {
                self.worker_is_there = false;
                self.queue.push_back(Event::WorkerGone);
            }
        }
    }
}

/// What the program has not read yet.
struct Input {
    to: Option<PipeWriter>,
    bytes: Vec<u8>,
    done: usize,
}

impl Input {
    /// As far as the pipe takes it; closes it at the end.
    fn go_on(&mut self) {
        while let Some(to) = &mut self.to {
            match self.bytes.get(self.done..).filter(|left| !left.is_empty()).map(|left| to.write(left)) {
                Some(Ok(count)) => self.done += count,
                Some(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => return,
                // At the end; or the program reads no more of it, which it need not.
                None | Some(Err(_)) => *self = Input { to: None, bytes: Vec::new(), done: 0 },
            }
        }
    }
}
