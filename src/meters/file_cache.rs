//! Whether the files of the artifact store that attempts read were at hand.

use super::catalog::{FILE_CACHE_EVICTED, FILE_CACHE_FETCHED_BYTES, FILE_CACHE_REQUESTS};

/// How a file was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Hit,
    Miss,
}

impl Request {
    fn as_str(self) -> &'static str {
        match self {
            Request::Hit => "hit",
            Request::Miss => "miss",
        }
    }

    pub(crate) fn count(self) {
        FILE_CACHE_REQUESTS.counter(&[self.as_str()]).increment(1);
    }
}

pub(crate) fn fetched(bytes: u64) {
    FILE_CACHE_FETCHED_BYTES.counter(&[]).increment(bytes);
}

pub(crate) fn evicted() {
    FILE_CACHE_EVICTED.counter(&[]).increment(1);
}

/// Shows them from the start: the first of them is seen as a change only where there was a 0 before.
pub(crate) fn begin_at_zero() {
    for request in [Request::Hit, Request::Miss] {
        FILE_CACHE_REQUESTS.counter(&[request.as_str()]).increment(0);
    }
    FILE_CACHE_FETCHED_BYTES.counter(&[]).increment(0);
    FILE_CACHE_EVICTED.counter(&[]).increment(0);
}
