//! Why a campaign reached no verdict.

use std::io;

use crate::embedded::EmbeddedError;
use crate::store::StoreError;
use crate::store::schema::SchemaError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ChaosError {
    /// The private Postgres does not start.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a worker could not be {0}: {1}")]
    Process(&'static str, io::Error),
    #[error("no port for a worker's connections: {0}")]
    Proxy(io::Error),
    #[error("the standby does not catch up with the server that it follows")]
    Standby,
    #[error("the file {0} cannot be written: {1}")]
    File(String, io::Error),
    /// A part of it panicked.
    #[error("a part of the campaign broke off: {0}")]
    Part(#[from] tokio::task::JoinError),
    #[error("a run's input cannot be put together: {0}")]
    Workload(String),
}
