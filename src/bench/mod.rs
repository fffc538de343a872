//! How fast this machine is: runs of stages that do nothing, counted, timed and proved.
//!
//! Every measure has a database of its own, worked on by ordinary worker processes, and ends with a proof that no stage
//! was lost or recorded twice; without the proof there are no figures.

pub(crate) mod case;
pub(crate) mod compare;
mod drain;
mod error;
pub(crate) mod handlers;
mod hops;
pub(crate) mod machine;
pub(crate) mod measure;
mod meter;
pub(crate) mod numbers;
mod offer;
pub(crate) mod proof;
pub(crate) mod prove;
pub(crate) mod result;
mod spread;
mod start;
mod starts;
pub(crate) mod target;
mod workers;
mod xargs;

pub(crate) use error::BenchError;

/// Someone who is told how far a bench is.
pub(crate) trait Teller {
    /// A new part begins, with so much to do.
    fn begin(&self, what: &str, of: u64);
    /// So much of the part is done.
    fn at(&self, done: u64);
    /// The part is over.
    fn end(&self);
}
