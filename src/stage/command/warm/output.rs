//! What a warm program prints while it works on a job.

use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};

use super::super::tail::{Tail, Words};
use crate::model::failure::Failure;
use crate::stage::secrets::Secrets;

/// Bytes that are read at once.
const CHUNK: usize = 4 * 1024;

/// The ends of both streams since its last job began.
pub(super) struct Output {
    stdout: Mutex<Tail>,
    stderr: Mutex<Tail>,
}

impl Output {
    pub(super) fn new(secrets: &Secrets) -> Output {
        Output { stdout: Mutex::new(Tail::new(secrets)), stderr: Mutex::new(Tail::new(secrets)) }
    }

    /// A job begins: what was printed before is another's.
    pub(super) fn begin(&self, secrets: &Secrets) {
        for tail in [&self.stdout, &self.stderr] {
            *tail.lock().unwrap_or_else(PoisonError::into_inner) = Tail::new(secrets);
        }
    }

    pub(super) fn stderr(&self) -> Words {
        words(&self.stderr)
    }

    /// The failure, with what was printed in its detail.
    pub(super) fn add_to(&self, failure: Failure, secrets: &Secrets) -> Failure {
        self.add_stdout_to(failure.note("stderr", &self.stderr().without(secrets)), secrets)
    }

    /// The same where it has the standard error.
    pub(super) fn add_stdout_to(&self, failure: Failure, secrets: &Secrets) -> Failure {
        match words(&self.stdout).without(secrets) {
            nothing if nothing.is_empty() => failure,
            printed => failure.note("stdout", &printed),
        }
    }

    /// Reads both to their ends.
    pub(super) async fn fill(&self, stdout: impl AsyncRead + Unpin, stderr: impl AsyncRead + Unpin) {
        tokio::join!(fill(&self.stdout, stdout), fill(&self.stderr, stderr));
    }
}

fn words(tail: &Mutex<Tail>) -> Words {
    tail.lock().unwrap_or_else(PoisonError::into_inner).words()
}

async fn fill(tail: &Mutex<Tail>, mut from: impl AsyncRead + Unpin) {
    let mut chunk = vec![0; CHUNK];
    // A pipe that cannot be read has come to its end.
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        tail.lock().unwrap_or_else(PoisonError::into_inner).push(&chunk[..count]);
    }
}
