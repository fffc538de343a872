//! A workflow of so many equal stages, one after the other.
//!
//! `and_then` makes a new type for every stage; here their number is an option.

use apalis_core::backend::{Backend, WireFormatBackend};
use apalis_core::error::BoxDynError;
use apalis_workflow::sequential::router::WorkflowRouter;
use apalis_workflow::sequential::workflow::RootStep;
use apalis_workflow::sequential::{AndThen, Layer, Step};

/// One stage, so many times.
pub(crate) struct Chain<Handler, Output> {
    stages: u16,
    stage: AndThen<Handler>,
    end: RootStep<Output>,
}

impl<Handler, Output> Chain<Handler, Output> {
    pub(crate) fn of(stages: u16, handler: Handler) -> Self {
        Chain { stages, stage: AndThen::new(handler), end: RootStep::default() }
    }
}

/// The chain in its place in a workflow.
pub(crate) struct ChainStep<Stage, Rest> {
    stages: u16,
    stage: Stage,
    rest: Rest,
}

impl<Handler, Output, Rest> Layer<Rest> for Chain<Handler, Output>
where
    AndThen<Handler>: Layer<RootStep<Output>>,
    RootStep<Output>: Clone,
{
    type Step = ChainStep<<AndThen<Handler> as Layer<RootStep<Output>>>::Step, Rest>;

    fn layer(&self, rest: Rest) -> Self::Step {
        ChainStep { stages: self.stages, stage: self.stage.layer(self.end.clone()), rest }
    }
}

impl<Input, B, Stage, Rest> Step<Input, B> for ChainStep<Stage, Rest>
where
    B: Backend + WireFormatBackend,
    Stage: Step<Input, B>,
    Rest: Step<Stage::Response, B>,
{
    type Response = Stage::Response;
    type Error = Stage::Error;

    fn register(&mut self, router: &mut WorkflowRouter<B>) -> Result<(), BoxDynError> {
        for _ in 0..self.stages {
            self.stage.register(router)?;
        }
        self.rest.register(router)
    }
}
