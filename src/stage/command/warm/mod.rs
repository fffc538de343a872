//! Warm stages: a program that is started once and does one job after another, over a socket (docs/warm-programs.md).
//!
//! An attempt ([`attempt`]) asks the [`pool`] of its stage for a process. The pool starts one, or gives it one that is idle;
//! each process has a task of its own ([`life`]) that listens to it from its start to its end. It is started through a guard, as
//! every command is.

mod attempt;
mod connection;
mod conversation;
mod failures;
mod filled;
mod job;
mod lease;
mod life;
mod log;
mod members;
mod message;
mod origin;
mod output;
mod places;
mod pool;
mod program;
mod rest;
mod start;
mod why;

pub(crate) use self::attempt::run;
pub(crate) use self::members::State;
pub(crate) use self::pool::{Count, Pools};
