//! The database and workers that a bench runs on.

use crate::store::Store;
use crate::store::bench::Observer;

/// A migrated database that holds nothing else.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) store: Store,
    pub(crate) observer: Observer,
}
