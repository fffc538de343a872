//! A file in the store, as a listing of the store finds it.

use chrono::{DateTime, Utc};

/// A file in the store.
#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    pub(crate) address: String,
    pub(crate) bytes: u64,
    pub(crate) modified: DateTime<Utc>,
}
