//! A crash campaign: real worker processes on a real Postgres, and things that go wrong with them by a seed.
//!
//! Afterwards every promise is checked with statements of its own, written apart from the engine's. It has a private
//! Postgres of its own, which it crashes; nobody's runs are touched.

pub(crate) mod acknowledged;
pub(crate) mod answers;
pub(crate) mod asking;
pub(crate) mod campaign;
mod cause;
mod error;
mod fate;
mod fleet;
mod inject;
mod judge;
mod leftovers;
pub(crate) mod load;
pub(crate) mod offer;
pub(crate) mod plan;
mod process_tree;
mod proxy;
pub(crate) mod report;
pub(crate) mod servers;
pub(crate) mod warm;
pub(crate) mod workload;

pub(crate) use error::ChaosError;
