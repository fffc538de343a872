//! What more than one face shows, and its JSON.

pub(crate) mod batch;
pub(crate) mod letter;
pub(crate) mod report;
pub(crate) mod snapshot;
pub(crate) mod throughput;
pub(crate) mod when;
