//! What follows from a finished job: the graph, inverted once so that a commit need not look at it. Pure.

use super::definition::{Source, StageIndex, Workflow};
use crate::model::lane::{self, Births, Spot};

/// The join that a run's end is, where more than one branch leads to it.
pub(crate) const END: i16 = -1;

/// A workflow's graph as the committer needs it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    stages: Vec<Successors>,
    /// Stages that need nothing: the jobs a run starts with.
    pub(crate) start: Vec<i16>,
    /// Joins a run starts with: the stage (or [`END`]), and the arrivals it waits for.
    pub(crate) joins: Vec<(i16, i32)>,
}

/// Where the branches of one stage lead.
#[derive(Debug, Clone, Default, PartialEq)]
struct Successors {
    /// Stages that wait for this one alone.
    direct: Vec<i16>,
    /// Joins that wait for this one and others.
    joins: Vec<i16>,
    /// The stage that it races for: that one begins with the first that are done.
    race: Option<i16>,
    /// The run ends with this stage, and with no other.
    ends_run: bool,
    /// Each item goes over an item of another stage, and has an input of its own to be read: no lanes.
    follows_items: bool,
}

/// What a job just did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finished {
    /// A whole stage.
    Stage,
    /// One item of a fanned-out stage.
    Item,
    /// A fanned-out stage was split into that many items.
    Split(u32),
}

/// What the commit of a finished job sets going.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Next {
    /// Where the branch itself goes: to the next stage or the next item. `None` where it ends.
    pub(crate) goes_on: Option<Spot>,
    /// Further branches that can start now.
    pub(crate) births: Vec<Births>,
    /// Joins it arrives at, with the change to what they wait for.
    pub(crate) arrivals: Vec<(i16, i32)>,
    /// The run is done.
    pub(crate) ends_run: bool,
}

impl Plan {
    pub(crate) fn of(workflow: &Workflow) -> Plan {
        let count = workflow.stages.len();
        let mut plan = Plan { stages: vec![Successors::default(); count], start: Vec::new(), joins: Vec::new() };
        let fanned = |i: StageIndex| workflow.stages[usize::from(i.0)].for_each.is_some();
        for (index, stage) in workflow.stages.iter().enumerate() {
            match stage.needs.as_slice() {
                [] => plan.start.push(number(index)),
                [only] if !fanned(*only) => plan.stages[usize::from(only.0)].direct.push(number(index)),
                needs => {
                    let first = stage.first.and_then(|first| i32::try_from(first).ok());
                    plan.joins.push((number(index), first.unwrap_or(needs.len() as i32)));
                    for need in needs {
                        let onward = &mut plan.stages[usize::from(need.0)];
                        onward.joins.push(number(index));
                        onward.race = onward.race.or(stage.first.map(|_| number(index)));
                    }
                }
            }
        }
        for (onward, stage) in plan.stages.iter_mut().zip(&workflow.stages) {
            onward.follows_items = stage.for_each.as_ref().filter(|f| f.is_plain()).is_some_and(|f| match f.source {
                Source::Input => false,
                Source::Stage(index) => fanned(index),
            });
        }
        plan.lead_to_the_end(workflow);
        plan
    }

    /// Stages that nothing needs end the run: one alone by itself, several through a join.
    fn lead_to_the_end(&mut self, workflow: &Workflow) {
        let last: Vec<usize> = (0..self.stages.len())
            .filter(|i| self.stages[*i].direct.is_empty() && self.stages[*i].joins.is_empty())
            .collect();
        match last.as_slice() {
            [only] if workflow.stages[*only].for_each.is_none() => self.stages[*only].ends_run = true,
            several => {
                self.joins.push((END, several.len() as i32));
                for index in several {
                    self.stages[*index].joins.push(END);
                }
            }
        }
    }

    /// The stage that this one races for.
    pub(crate) fn race_of(&self, stage: i16) -> Option<i16> {
        usize::try_from(stage).ok().and_then(|at| self.stages.get(at)?.race)
    }

    /// The same, of a job that was skipped: it is not among the first of those that race.
    pub(crate) fn after_a_skip(&self, spot: Spot, finished: Finished, slow: bool) -> Next {
        let mut next = self.after(spot, finished, slow);
        if self.race_of(spot.stage).is_some() {
            next.arrivals.clear();
        }
        next
    }

    /// What follows when a job at `spot` finished; `slow` when it took long.
    pub(crate) fn after(&self, spot: Spot, finished: Finished, slow: bool) -> Next {
        let Some(onward) = usize::try_from(spot.stage).ok().and_then(|i| self.stages.get(i)) else {
            return Next::default();
        };
        let arrive = |change: i32| -> Vec<(i16, i32)> {
            if change == 0 { Vec::new() } else { onward.joins.iter().map(|join| (*join, change)).collect() }
        };
        match finished {
            Finished::Stage => {
                let mut stages = onward.direct.iter().map(|stage| Spot::whole(*stage));
                let (goes_on, births) = (stages.next(), stages.map(Births::one).collect());
                Next { goes_on, births, arrivals: arrive(-1), ends_run: onward.ends_run }
            }
            Finished::Item => {
                let (goes_on, born) = lane::behind_a_done_item(spot, slow);
                Next { goes_on, births: born.into_iter().collect(), arrivals: arrive(-1), ends_run: false }
            }
            // A join counted the unsplit stage as one arrival; no items at all is that arrival.
            Finished::Split(items) => {
                let lanes = Births::lanes(spot.stage, items);
                let born = if onward.follows_items { lanes.map(Births::split_up) } else { lanes };
                let arrivals = arrive(i32::try_from(items).unwrap_or(i32::MAX) - 1);
                Next { births: born.into_iter().collect(), arrivals, ..Next::default() }
            }
        }
    }
}

/// Stage numbers fit: a file has at most a few hundred stages.
fn number(index: usize) -> i16 {
    i16::try_from(index).unwrap_or(i16::MAX)
}
