//! One turn of a test that kills its worker at every commit, and all of them together.

use std::fmt;

use serde_json::Value;
use sqlx::PgPool;

use super::crash_point::CrashSide;
use crate::model::id::RunId;

/// One turn: a run, and at most one crash. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CrashTurn {
    pub(super) pool: PgPool,
    pub(super) run: RunId,
    pub(super) at: Option<(u64, CrashSide)>,
}

/// What was gone through.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CrashReport {
    /// Commits of the turn in which nothing was killed.
    pub commits: u64,
    /// How often the worker was killed.
    pub kills: u64,
    /// What the run came to, each time; null where it was given up.
    pub output: Value,
}

impl CrashTurn {
    /// Connections to its database.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Its run, which is over, or blocked.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// At which commit, from 1, and on which side of it the worker was killed; `None` where it was not.
    pub fn crash(&self) -> Option<(u64, CrashSide)> {
        self.at
    }
}

impl fmt::Display for CrashTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((number, side)) => write!(f, "{side} commit {number}"),
            None => f.write_str("nowhere"),
        }
    }
}
