//! Handlers: async functions of the user's binary, taken as they are.
//!
//! A handler takes up to three arguments that can be drawn from the attempt ([`Input`], [`StageContext`]) and returns
//! `Result<impl Serialize, E>` with `E: Into<Failure>`.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context::StageContext;
use crate::model::failure::Failure;
use crate::model::payload::{Payload, PayloadLimits};

/// The stage's input, typed: one object with the run's input under `input`, the output of each needed stage under its
/// name, and under `item` the element that this job of a fanned-out stage is for.
///
/// Input that does not fit the type is an `invalid_input` failure that names the field.
#[derive(Debug, Clone)]
pub struct Input<T>(pub T);

/// What an attempt offers its handler.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    /// JSON text of the stage's input.
    pub(crate) input: String,
    pub(crate) context: StageContext,
    pub(crate) limits: PayloadLimits,
}

/// Something a handler can ask for as an argument.
pub trait FromAttempt: Sized + Send {
    #[doc(hidden)]
    fn from_attempt(attempt: &AttemptParts) -> Result<Self, Failure>;
}

/// What arguments are drawn from; opaque, so that it can grow.
#[derive(Debug)]
pub struct AttemptParts(pub(crate) Offer);

impl<T: DeserializeOwned + Send> FromAttempt for Input<T> {
    fn from_attempt(attempt: &AttemptParts) -> Result<Self, Failure> {
        serde_json::from_str(&attempt.0.input)
            .map(Input)
            .map_err(|error| Failure::invalid_input(format!("the stage's input does not fit its handler: {error}")))
    }
}

impl FromAttempt for StageContext {
    fn from_attempt(attempt: &AttemptParts) -> Result<Self, Failure> {
        Ok(attempt.0.context.clone())
    }
}

/// An async function that can run a stage. Implemented for functions of up to three arguments that are [`FromAttempt`].
#[diagnostic::on_unimplemented(
    message = "this function cannot run a stage",
    note = "a handler is `async fn(..) -> Result<T, Failure>` where T: Serialize and each argument is `Input<T>` or `StageContext`"
)]
pub trait Handler<Arguments>: Clone + Send + Sync + 'static {
    #[doc(hidden)]
    fn call(self, attempt: AttemptParts) -> impl Future<Output = Result<Payload, Failure>> + Send;
}

macro_rules! handler {
    ($($argument:ident),*) => {
        impl<F, Fut, Out, Err, $($argument),*> Handler<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = Result<Out, Err>> + Send,
            Out: Serialize + Send,
            Err: Into<Failure> + Send,
            $($argument: FromAttempt,)*
        {
            #[allow(non_snake_case, reason = "the arguments are named for their types")]
            async fn call(self, attempt: AttemptParts) -> Result<Payload, Failure> {
                let limit = attempt.0.limits.payload_bytes;
                $(let $argument = $argument::from_attempt(&attempt)?;)*
                drop(attempt);
                let output = self($($argument),*).await.map_err(|error| error.into().returned_by_a_handler())?;
                Payload::of(&output, limit)
                    .map_err(|error| Failure::invalid_input(format!("the stage's output was refused: {error}")))
            }
        }
    };
}
handler!();
handler!(A);
handler!(A, B);
handler!(A, B, C);

type Erased = Arc<dyn Fn(Offer) -> BoxFuture<'static, Result<Payload, Failure>> + Send + Sync>;

/// The handlers of a binary, by name.
#[derive(Clone, Default)]
pub(crate) struct Handlers(BTreeMap<String, Erased>);

impl Handlers {
    /// `false` when the name is taken.
    pub(crate) fn add<A>(&mut self, name: &str, handler: impl Handler<A>) -> bool {
        let erased: Erased = Arc::new(move |offer| {
            let handler = handler.clone();
            Box::pin(async move { handler.call(AttemptParts(offer)).await })
        });
        self.0.insert(name.to_owned(), erased).is_none()
    }

    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The work of one attempt, if a handler of that name is registered.
    pub(crate) fn start(&self, name: &str, offer: Offer) -> Option<BoxFuture<'static, Result<Payload, Failure>>> {
        self.0.get(name).map(|handler| handler(offer))
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
