//! Handlers: async functions of the user's binary, taken as they are.
//!
//! A handler takes up to four arguments that can be drawn from the attempt ([`Input`], [`StageContext`], [`State`]) and returns
//! `Result<impl Serialize, E>` with `E: Into<Failure>`.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context::StageContext;
use super::finish::AttemptToken;
use super::own_rows::refused;
use super::states::States;
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
    /// How long the attempt may go without progress.
    pub(crate) stall: Option<Duration>,
    /// Of a program that may finish its attempt.
    pub(crate) token: Option<AttemptToken>,
    /// The stage may begin to wait for a service that it asks.
    pub(crate) waits: bool,
}

/// Something a handler can ask for as an argument.
pub trait FromAttempt: Sized + Send {
    #[doc(hidden)]
    fn from_attempt(attempt: &AttemptParts) -> Result<Self, Failure>;

    /// The type of a state that it needs and that is not shared; asked when the program starts.
    #[doc(hidden)]
    fn missing(_: &States) -> Option<&'static str> {
        None
    }
}

/// What arguments are drawn from; opaque, so that it can grow.
#[derive(Debug)]
pub struct AttemptParts {
    pub(crate) offer: Offer,
    pub(crate) states: Arc<States>,
}

impl<T: DeserializeOwned + Send> FromAttempt for Input<T> {
    fn from_attempt(attempt: &AttemptParts) -> Result<Self, Failure> {
        serde_json::from_str(&attempt.offer.input)
            .map(Input)
            .map_err(|error| Failure::invalid_input(format!("the stage's input does not fit its handler: {error}")))
    }
}

impl FromAttempt for StageContext {
    fn from_attempt(attempt: &AttemptParts) -> Result<Self, Failure> {
        Ok(attempt.offer.context.clone())
    }
}

/// An async function that can run a stage. Implemented for functions of up to four arguments that are [`FromAttempt`].
#[diagnostic::on_unimplemented(
    message = "this function cannot run a stage",
    note = "a handler is `async fn(..) -> Result<T, Failure>` where T: Serialize and each argument is `Input<T>`, `StageContext` or `State<T>`"
)]
pub trait Handler<Arguments>: Clone + Send + Sync + 'static {
    #[doc(hidden)]
    fn call(self, attempt: AttemptParts) -> impl Future<Output = Result<Payload, Failure>> + Send;

    #[doc(hidden)]
    fn missing(states: &States) -> Option<&'static str>;
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
                let limit = attempt.offer.limits.payload_bytes;
                $(let $argument = $argument::from_attempt(&attempt)?;)*
                drop(attempt);
                let output = self($($argument),*).await.map_err(Into::into)?;
                Payload::of(&output, limit).map_err(refused)
            }

            fn missing(_states: &States) -> Option<&'static str> {
                None$(.or_else(|| $argument::missing(_states)))*
            }
        }
    };
}
handler!();
handler!(A);
handler!(A, B);
handler!(A, B, C);
handler!(A, B, C, D);

type Erased = Arc<dyn Fn(AttemptParts) -> BoxFuture<'static, Result<Payload, Failure>> + Send + Sync>;

/// A registered handler.
#[derive(Clone)]
struct Registered {
    call: Erased,
    /// A state that it needs and that is not shared.
    missing: fn(&States) -> Option<&'static str>,
}

/// The handlers of a binary, by name, and what they share.
#[derive(Clone, Default)]
pub(crate) struct Handlers {
    by_name: BTreeMap<String, Registered>,
    states: Arc<States>,
}

impl Handlers {
    /// `false` when the name is taken.
    pub(crate) fn add<A, H: Handler<A>>(&mut self, name: &str, handler: H) -> bool {
        let call: Erased = Arc::new(move |parts| {
            let handler = handler.clone();
            Box::pin(async move { handler.call(parts).await })
        });
        self.by_name.insert(name.to_owned(), Registered { call, missing: H::missing }).is_none()
    }

    /// Shares a value; `false` when there was one of its type.
    pub(crate) fn share<T: Send + Sync + 'static>(&mut self, value: T) -> bool {
        Arc::make_mut(&mut self.states).add(value)
    }

    /// Handlers with the type of a state that they need and that is not shared.
    pub(crate) fn without_state(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.by_name.iter().filter_map(|(name, handler)| Some((name.as_str(), (handler.missing)(&self.states)?)))
    }

    pub(crate) fn knows(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The work of one attempt, if a handler of that name is registered.
    pub(crate) fn start(&self, name: &str, offer: Offer) -> Option<BoxFuture<'static, Result<Payload, Failure>>> {
        let parts = AttemptParts { offer, states: self.states.clone() };
        self.by_name.get(name).map(|handler| (handler.call)(parts))
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}
