//! What all handlers of a program share, such as clients and configuration.

use std::any::type_name;
use std::ops::Deref;
use std::sync::Arc;

use super::handler::{AttemptParts, FromAttempt};
use super::states::States;
use crate::model::failure::Failure;

/// A value that [`crate::App::state`] shares with every handler that asks for it.
#[derive(Debug)]
pub struct State<T>(pub Arc<T>);

impl<T> Clone for State<T> {
    fn clone(&self) -> State<T> {
        State(self.0.clone())
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send + Sync + 'static> FromAttempt for State<T> {
    fn from_attempt(attempt: &AttemptParts) -> Result<Self, Failure> {
        let missing =
            || Failure::unknown(format!("no state of the type {} was given to the program", type_name::<T>()));
        attempt.states.get().map(State).ok_or_else(missing)
    }

    fn missing(states: &States) -> Option<&'static str> {
        states.get::<T>().is_none().then(type_name::<T>)
    }
}
