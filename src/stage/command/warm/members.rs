//! Which processes a stage has, who waits for one, and who gets which.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::lease::Lease;
use super::life::{Order, Place};
use super::origin::Origin;
use crate::model::failure::Failure;
use crate::model::state::states;
use crate::workflow::definition::CommandStage;

/// An attempt of another version of the workflow waits no longer than that for jobs of this one that came after it.
const PATIENCE: Duration = Duration::from_secs(10);

states! {
    /// Where a process is.
    pub(crate) enum State {
        Starting = "starting",
        Idle = "idle",
        /// It was given to an attempt.
        Busy = "busy",
        /// It takes no job any more.
        Stopping = "stopping",
    }
}

/// A process.
pub(super) struct Member {
    number: u64,
    origin: Arc<Origin>,
    state: State,
    orders: mpsc::UnboundedSender<Order>,
    /// Since it is ready.
    place: Option<Arc<Place>>,
}

impl Member {
    pub(super) fn starting(origin: Arc<Origin>, orders: mpsc::UnboundedSender<Order>) -> Member {
        Member { number: 0, origin, state: State::Starting, orders, place: None }
    }
}

/// An attempt that waits for a process.
pub(super) struct Waiter {
    pub(super) origin: Arc<Origin>,
    pub(super) since: Instant,
    pub(super) give: oneshot::Sender<Result<Lease, Failure>>,
}

/// The processes of one stage on one worker.
#[derive(Default)]
pub(super) struct Members {
    /// Those that have worked last are behind.
    all: Vec<Member>,
    waiting: VecDeque<Waiter>,
    started: u64,
}

impl Members {
    /// The definition of the stage, if there is a process or an attempt of it.
    pub(super) fn origin_of(&self, stage: &CommandStage) -> Option<Arc<Origin>> {
        let all = self.all.iter().rev().map(|member| &member.origin);
        all.chain(self.waiting.iter().map(|waiter| &waiter.origin)).find(|origin| origin.command == *stage).cloned()
    }

    pub(super) fn wait(&mut self, waiter: Waiter) {
        self.waiting.push_back(waiter);
    }

    /// Gives idle processes to those that wait, in the order in which they came; where nothing fits, an idle process of another
    /// version makes room.
    pub(super) fn serve(&mut self, now: Instant) {
        // Those whose attempt is over wait no more.
        while self.waiting.front().is_some_and(|waiter| waiter.give.is_closed()) {
            self.waiting.pop_front();
        }
        let mut passed_over = VecDeque::new();
        while let Some(waiter) = self.waiting.pop_front() {
            let first: &Waiter = passed_over.front().unwrap_or(&waiter);
            let is_held_back = !is_same(first, &waiter.origin) && now.duration_since(first.since) > PATIENCE;
            let idle = self
                .all
                .iter_mut()
                .rev()
                .find(|member| member.state == State::Idle && Arc::ptr_eq(&member.origin, &waiter.origin));
            match idle {
                Some(member) if !is_held_back => give(member, waiter),
                _ => passed_over.push_back(waiter),
            }
            if !self.all.iter().any(|member| member.state == State::Idle) {
                break;
            }
        }
        passed_over.append(&mut self.waiting);
        self.waiting = passed_over;
        self.make_room();
    }

    /// Whoever waits first and has no process of its version may need the place of one of another version.
    fn make_room(&mut self) {
        let Some(first) = self.waiting.front() else { return };
        let is_full = self.all.len() >= places(&first.origin);
        let comes = self.all.iter().any(|member| {
            member.state == State::Stopping
                || member.state == State::Starting && Arc::ptr_eq(&member.origin, &first.origin)
        });
        if !is_full || comes {
            return;
        }
        let origin = first.origin.clone();
        let other = |member: &&mut Member| member.state == State::Idle && !Arc::ptr_eq(&member.origin, &origin);
        if let Some(member) = self.all.iter_mut().find(other) {
            member.state = State::Stopping;
            // One that has just ended needs no order.
            member.orders.send(Order::Replace).ok();
        }
    }

    /// Of what another process is to be started now.
    pub(super) fn to_start(&self) -> Option<Arc<Origin>> {
        let mut seen: Vec<(&Arc<Origin>, usize)> = Vec::new();
        for waiter in self.waiting.iter().filter(|waiter| !waiter.give.is_closed()) {
            let waiting = match seen.iter_mut().find(|(origin, _)| Arc::ptr_eq(origin, &waiter.origin)) {
                Some((_, waiting)) => waiting,
                None => {
                    let starting = self.all.iter().filter(|member| {
                        member.state == State::Starting && Arc::ptr_eq(&member.origin, &waiter.origin)
                    });
                    seen.push((&waiter.origin, starting.count()));
                    let Some((_, waiting)) = seen.last_mut() else { continue };
                    waiting
                }
            };
            if self.all.len() >= places(&waiter.origin) {
                return None;
            }
            match *waiting {
                // Nobody starts for this one yet.
                0 => return Some(waiter.origin.clone()),
                _ => *waiting -= 1,
            }
        }
        None
    }

    pub(super) fn add(&mut self, member: Member) -> u64 {
        self.started += 1;
        self.all.push(Member { number: self.started, ..member });
        self.started
    }

    pub(super) fn is_ready(&mut self, number: u64, place: Arc<Place>) -> Option<Arc<Origin>> {
        let member = self.all.iter_mut().find(|member| member.number == number)?;
        member.place = Some(place);
        member.state = State::Idle;
        Some(member.origin.clone())
    }

    pub(super) fn set(&mut self, number: u64, state: State) {
        let Some(at) = self.all.iter().position(|member| member.number == number) else { return };
        let mut member = self.all.remove(at);
        // An order to make room is on its way to it.
        if member.state != State::Stopping {
            member.state = state;
        }
        self.all.push(member);
    }

    /// Whether a process that has nothing to do was given to nobody.
    pub(super) fn may_end(&mut self, number: u64) -> bool {
        let idle = self.all.iter_mut().find(|member| member.number == number && member.state == State::Idle);
        idle.map(|member| member.state = State::Stopping).is_some()
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Arc<Origin>> {
        let at = self.all.iter().position(|member| member.number == number)?;
        Some(self.all.remove(at).origin)
    }

    /// The program of that version did not start: the first that waits for it hears why, and the others that it is not their
    /// turn.
    pub(super) fn refuse(&mut self, origin: &Arc<Origin>, why: Failure, others: fn() -> Failure) {
        let mut why = Some(why);
        for waiter in std::mem::take(&mut self.waiting) {
            if !Arc::ptr_eq(&waiter.origin, origin) {
                self.waiting.push_back(waiter);
            } else if !waiter.give.is_closed() {
                // An attempt that is over hears nothing.
                waiter.give.send(Err(why.take().unwrap_or_else(others))).ok();
            }
        }
    }

    pub(super) fn in_state(&self, state: State) -> usize {
        self.all.iter().filter(|member| member.state == state).count()
    }

    pub(super) fn are_none(&self) -> bool {
        self.all.is_empty()
    }
}

/// Gives it, unless the attempt is over.
fn give(member: &mut Member, waiter: Waiter) {
    let Some(place) = member.place.clone() else { return };
    member.state = State::Busy;
    if let Err(Ok(lease)) = waiter.give.send(Ok(Lease::of(place, member.orders.clone()))) {
        lease.forget();
        member.state = State::Idle;
    }
}

fn is_same(waiter: &Waiter, origin: &Arc<Origin>) -> bool {
    Arc::ptr_eq(&waiter.origin, origin)
}

fn places(origin: &Origin) -> usize {
    usize::try_from(origin.warm.processes).unwrap_or(usize::MAX)
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all.iter().map(|member| (member.number, member.state))).finish()
    }
}

#[cfg(test)]
mod tests;
