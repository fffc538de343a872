//! What all handlers of a program share, such as clients and configuration.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::handler::{AttemptParts, FromAttempt};
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

/// The shared values, one of a type.
#[derive(Clone, Default)]
pub struct States(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl States {
    /// `false` when there was one of that type.
    pub(crate) fn add<T: Send + Sync + 'static>(&mut self, value: T) -> bool {
        self.0.insert(TypeId::of::<T>(), Arc::new(value)).is_none()
    }

    fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>())?.clone().downcast().ok()
    }
}

impl<T: Send + Sync + 'static> FromAttempt for State<T> {
    fn from_attempt(attempt: &AttemptParts) -> Result<Self, Failure> {
        let missing = || Failure::unknown(format!("no state of the type {} is shared", type_name::<T>()));
        attempt.states.get().map(State).ok_or_else(missing)
    }

    fn missing(states: &States) -> Option<&'static str> {
        (!states.0.contains_key(&TypeId::of::<T>())).then(type_name::<T>)
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("States").field("values", &self.0.len()).finish()
    }
}
