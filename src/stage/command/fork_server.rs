//! The process from which a worker's guards come: this same program, started once, with one thread. A fork of it costs little,
//! where the program itself would be started for every attempt.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use rustix::stdio::{dup2_stderr, dup2_stdin};

use super::children::{Children, State, adopt_orphans};
use super::guard::{self, Ends};
use super::report::Report;
use super::requests::Requests;
use crate::system::fork::{Forked, SingleThread};

/// Descriptors that come with each order: the guard's socket, the program's standard output and its standard error.
pub(super) const DESCRIPTORS: usize = 3;

/// Returns in the server at its end, and in every guard, and every program that could not start, at its own.
pub(super) fn main() -> ExitCode {
    let process = SingleThread::of_this_process();
    let requests = Requests::survive();
    adopt_orphans();
    let served = orders().and_then(|orders| {
        let (guards, children) = (HashSet::new(), Children::watch()?);
        let mut server = Server { orders: Some(orders), guards, children, has_children: false };
        server.serve(process.as_ref())
    });
    match (served, process) {
        (Ok(Some(ends)), Some(process)) => guard::watch_over(&process, &requests, ends),
        (Ok(_), _) => ExitCode::SUCCESS,
        (Err(error), _) => {
            writeln!(io::stderr(), "piton: the process that starts commands has failed: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

/// The socket, in a place that no program inherits.
fn orders() -> io::Result<UnixStream> {
    let orders = io::stdin().as_fd().try_clone_to_owned()?;
    dup2_stdin(File::open("/dev/null")?)?;
    Ok(orders.into())
}

struct Server {
    /// `None` once the worker is gone.
    orders: Option<UnixStream>,
    /// Its children, but for those that a killed one has left.
    guards: HashSet<Pid>,
    children: Children,
    has_children: bool,
}

impl Server {
    /// Until the worker and all children are gone; or, in a guard, with its ends.
    fn serve(&mut self, process: Option<&SingleThread>) -> io::Result<Option<Ends>> {
        while self.orders.is_some() || self.has_children {
            let (rings, asks) = self.wait()?;
            if rings {
                self.reap();
            }
            let Some(orders) = self.orders.as_ref().filter(|_| asks) else { continue };
            let Some(descriptors) = received(orders)? else {
                self.orders = None;
                // Whoever reads what the worker says need not wait for the last guard.
                dup2_stderr(File::open("/dev/null")?)?;
                continue;
            };
            // Else the system did not pass them on, and the order comes to nothing, which the worker sees.
            let Ok([control, stdout, stderr]) = <[OwnedFd; DESCRIPTORS]>::try_from(descriptors) else { continue };
            let ends = Ends { control: control.into(), stdout, stderr };
            let Some(process) = process else {
                ends.report(Report::HasThreads);
                continue;
            };
            match process.fork() {
                Ok(Forked::Child) => return Ok(Some(ends)),
                Ok(Forked::Parent(guard)) => {
                    self.guards.insert(guard);
                    self.has_children = true;
                }
                Err(error) => ends.report(Report::Refused(error.raw_os_error().unwrap_or_default())),
            }
        }
        Ok(None)
    }

    /// Whether a child has ended, and whether the worker has sent something or is gone.
    fn wait(&self) -> io::Result<(bool, bool)> {
        let mut ready = vec![PollFd::new(&self.children, PollFlags::IN)];
        ready.extend(self.orders.as_ref().map(|orders| PollFd::new(orders, PollFlags::IN)));
        match poll(&mut ready, None) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok((false, false)),
            Err(error) => return Err(error.into()),
        }
        let happened = |at: usize| ready.get(at).is_some_and(|fd: &PollFd<'_>| !fd.revents().is_empty());
        Ok((happened(0), happened(1)))
    }

    /// What a guard that was killed has left comes to this process, and is killed: nobody else knows of it.
    fn reap(&mut self) {
        self.children.hush();
        let mut leaves_some = false;
        self.has_children = loop {
            match self.children.look() {
                State::Ended(pid, status) => {
                    leaves_some |= !self.guards.remove(&pid) || status.terminating_signal().is_some();
                }
                State::Run => break true,
                State::AllEnded => break false,
            }
        };
        if leaves_some {
            for orphan in Children::list().into_iter().filter(|child| !self.guards.contains(child)) {
                // Each end comes here, with what that one leaves.
                kill_process_group(orphan, Signal::KILL).ok();
                kill_process(orphan, Signal::KILL).ok();
            }
        }
    }
}

/// What came with the next order; `None` once the worker is gone.
fn received(orders: &UnixStream) -> io::Result<Option<Vec<OwnedFd>>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut buffer = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(orders, &mut [IoSliceMut::new(&mut [0])], &mut buffer, RecvFlags::empty()) {
            Err(Errno::INTR) => {}
            received => break received?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let rights = buffer.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors: Vec<OwnedFd> = rights.flatten().collect();
    // No other thread starts a process in between.
    descriptors.iter().try_for_each(|descriptor| fcntl_setfd(descriptor, FdFlags::CLOEXEC))?;
    Ok(Some(descriptors))
}
