//! What follows from a finished job: the graph, turned round once so that a commit needs no look at it. Pure.

use super::definition::{StageIndex, Workflow};

/// The join that a run's end is, where more than one branch leads to it.
pub(crate) const END: i16 = -1;

/// A workflow's graph as the committer needs it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    stages: Vec<Onward>,
    /// Stages that need nothing: the jobs a run starts with.
    pub(crate) start: Vec<i16>,
    /// Joins a run starts with: the stage (or [`END`]), and the arrivals it waits for.
    pub(crate) joins: Vec<(i16, i32)>,
}

/// Where the branches of one stage lead.
#[derive(Debug, Clone, Default, PartialEq)]
struct Onward {
    /// Stages that wait for this one alone.
    direct: Vec<i16>,
    /// Joins that wait for this one and others.
    joins: Vec<i16>,
    /// The run ends with this stage, and with no other.
    ends_run: bool,
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
    /// Stages that can start now. The job's own row moves to the first; the others get rows.
    pub(crate) stages: Vec<i16>,
    /// Items that can start now.
    pub(crate) items: u32,
    /// Joins it arrives at, with the change to what they wait for.
    pub(crate) arrivals: Vec<(i16, i32)>,
    /// The run is done.
    pub(crate) ends_run: bool,
}

impl Plan {
    pub(crate) fn of(workflow: &Workflow) -> Plan {
        let count = workflow.stages.len();
        let mut plan = Plan { stages: vec![Onward::default(); count], start: Vec::new(), joins: Vec::new() };
        let fanned = |i: StageIndex| workflow.stages[usize::from(i.0)].for_each.is_some();
        for (index, stage) in workflow.stages.iter().enumerate() {
            match stage.needs.as_slice() {
                [] => plan.start.push(number(index)),
                [only] if !fanned(*only) => plan.stages[usize::from(only.0)].direct.push(number(index)),
                needs => {
                    plan.joins.push((number(index), needs.len() as i32));
                    for need in needs {
                        plan.stages[usize::from(need.0)].joins.push(number(index));
                    }
                }
            }
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

    /// What follows when a job of `stage` finished.
    pub(crate) fn after(&self, stage: i16, finished: Finished) -> Next {
        let Some(onward) = usize::try_from(stage).ok().and_then(|i| self.stages.get(i)) else {
            return Next::default();
        };
        let arrive = |change: i32| -> Vec<(i16, i32)> {
            if change == 0 { Vec::new() } else { onward.joins.iter().map(|join| (*join, change)).collect() }
        };
        match finished {
            Finished::Stage => {
                Next { stages: onward.direct.clone(), items: 0, arrivals: arrive(-1), ends_run: onward.ends_run }
            }
            Finished::Item => Next { arrivals: arrive(-1), ..Next::default() },
            // A join counted the unsplit stage as one arrival; no items at all is that arrival.
            Finished::Split(items) => {
                Next { items, arrivals: arrive(i32::try_from(items).unwrap_or(i32::MAX) - 1), ..Next::default() }
            }
        }
    }
}

/// Stage numbers fit: a file has at most a few hundred stages.
fn number(index: usize) -> i16 {
    i16::try_from(index).unwrap_or(i16::MAX)
}
