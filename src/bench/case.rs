//! What to measure. Pure.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::model::payload::PayloadLimits;

/// What every run is, and what is measured of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shape {
    /// A chain of stages.
    Sequential,
    /// A list, a stage for each of its items, and a join.
    FanOut,
    /// One stage.
    OneStage,
    /// One stage; what is measured is how fast clients start them.
    Starts,
    /// One program that does nothing.
    Commands,
}

/// Stages of a fan-out: list, each, join.
pub(crate) const FAN_OUT_STAGES: u16 = 3;
/// Smallest output: the moment its handler began, and room for what cannot be compressed.
pub(crate) const SMALLEST_PAYLOAD: usize = 64;

/// One measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Case {
    pub(crate) shape: Shape,
    /// Runs that are measured.
    pub(crate) runs: u64,
    /// Stages of a run.
    pub(crate) stages: u16,
    /// Items of a fan-out; 0 for a chain.
    pub(crate) items: u32,
    /// Bytes of every output.
    pub(crate) payload_bytes: usize,
    pub(crate) workers: u32,
    pub(crate) slots: u32,
    /// Further runs that wait behind the measured ones.
    pub(crate) backlog: u64,
    /// A snapshot is held open all the time.
    pub(crate) hold_snapshot: bool,
    /// Runs come one by one, instead of being there ahead.
    pub(crate) offered: Option<Offered>,
    /// Who starts the runs of `Shape::Starts`; `None` for every other shape.
    pub(crate) starts: Option<Starts>,
}

/// Clients that start runs by SQL, each run in a transaction of its own, as applications do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Starts {
    pub(crate) clients: u32,
    /// Starts notify workers. Otherwise they have been made not to, in the bench's own database: what is left is the bound
    /// of any other way to wake workers.
    pub(crate) notify: bool,
}

/// Runs that come one by one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Offered {
    pub(crate) per_s: f64,
    pub(crate) seconds: u64,
}

impl Offered {
    pub(crate) fn runs(&self) -> u64 {
        (self.per_s * self.seconds as f64).round().max(1.0) as u64
    }
}

impl Case {
    /// Checkpoints that one run leaves; a fanned-out stage leaves one for its split, too.
    pub(crate) fn checkpoints_per_run(&self) -> u64 {
        u64::from(self.stages) + u64::from(self.items)
    }

    /// Checkpoints of all the runs that are measured.
    pub(crate) fn checkpoints(&self) -> u64 {
        self.runs * self.checkpoints_per_run()
    }

    /// Every run's input.
    pub(crate) fn input(&self) -> String {
        format!("{{\"items\":{}}}", self.items)
    }

    /// Why the engine would refuse it, if it would.
    pub(crate) fn over_limits(&self, limits: &PayloadLimits) -> Option<String> {
        let join = self.items as usize * (self.payload_bytes + 1);
        (join > limits.stage_input_bytes).then(|| {
            format!(
                "the join of {} items of {} bytes would have an input of {join} bytes, over the limit of {}; give fewer \
                 --items or a smaller --payload",
                self.items, self.payload_bytes, limits.stage_input_bytes
            )
        })
    }
}

/// The program of `Shape::Commands`.
pub(crate) const PROGRAM: &str = "true";

/// The workflow file of a shape.
pub(crate) fn workflow(shape: Shape, stages: u16) -> String {
    match shape {
        Shape::Sequential | Shape::OneStage | Shape::Starts => chain(stages),
        Shape::Commands => {
            format!("name = \"bench-commands\"\n[stages.program]\ncommand = [\"{PROGRAM}\"]\noutput = \"text\"\n")
        }
        Shape::FanOut => "name = \"bench-fan-out\"\n\
                          [stages.list]\nrust = \"bench-list\"\n\
                          [stages.each]\nrust = \"bench-step\"\nneeds = [\"list\"]\nfor_each = \"list\"\n\
                          [stages.join]\nrust = \"bench-step\"\nneeds = [\"each\"]\n"
            .to_owned(),
    }
}

fn chain(stages: u16) -> String {
    let mut text = "name = \"bench-sequential\"\n".to_owned();
    for number in 1..=stages {
        let needs = if number == 1 { String::new() } else { format!("needs = [\"stage-{}\"]\n", number - 1) };
        // Writing to a String cannot fail.
        write!(text, "[stages.stage-{number}]\nrust = \"bench-step\"\n{needs}").unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::definition::Workflow;
    use crate::workflow::limits::Limits;

    #[test]
    fn every_shape_is_a_workflow_without_mistakes() {
        let shapes = [
            (Shape::Sequential, 1),
            (Shape::Sequential, 500),
            (Shape::FanOut, FAN_OUT_STAGES),
            (Shape::OneStage, 1),
            (Shape::Starts, 1),
            (Shape::Commands, 1),
        ];
        for (shape, stages) in shapes {
            let text = workflow(shape, stages);
            let parsed = Workflow::parse("bench.toml", text.as_bytes(), &Limits::default()).expect("no mistakes");
            assert_eq!(parsed.stages.len(), usize::from(stages));
        }
    }
}
