//! From the store into a file, verified while it is written.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio_util::sync::CancellationToken;

use super::error::ArtifactError;
use super::reader::Expected;
use super::{Artifacts, place};
use crate::model::failure::Failure;
use crate::system::regular;

/// What is read and digested at once.
const PIECE: usize = 1 << 20;
/// Pieces that are read and not yet written.
const AHEAD: usize = 4;

/// Why a file was not fetched.
#[derive(Debug)]
pub(crate) enum FetchError {
    Store(ArtifactError),
    /// The store broke off, or what is there is not what was committed.
    Content(Failure),
    /// It could not be written.
    Written(io::Error),
}

impl Artifacts {
    /// Writes what is at the address into a file, piece by piece, held against what is expected there. What was written counts
    /// only when this has returned without an error.
    pub(crate) async fn fetch(&self, address: &str, expected: Expected, mut into: File) -> Result<(), FetchError> {
        let Some(folder) = self.folder() else {
            let mut reader = self.get(address, expected).await.map_err(FetchError::Store)?;
            let mut into = tokio::fs::File::from_std(into);
            into.set_max_buf_size(PIECE);
            let mut pieces = BufReader::with_capacity(PIECE, &mut reader);
            tokio::io::copy_buf(&mut pieces, &mut into).await.map_err(|error| {
                match error.get_ref().is_some_and(|inner| inner.is::<Failure>()) {
                    true => FetchError::Content(error.into()),
                    false => FetchError::Written(error),
                }
            })?;
            return into.flush().await.map_err(FetchError::Written);
        };
        let file = folder.join(
            object_store::path::Path::parse(address)
                .map_err(|e| FetchError::Store(object_store::Error::from(e).into()))?
                .as_ref(),
        );
        place::refuse_what_is_no_file(&file).await.map_err(FetchError::Store)?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        // Whoever no longer waits for it ends it.
        let _guard = stop.drop_guard();
        let copied = tokio::task::spawn_blocking(move || {
            let from = regular::follow(&file).map_err(|source| {
                FetchError::Store(ArtifactError::Unread { file: file.display().to_string(), source })
            })?;
            copy(from, &mut into, &expected, &stopped)
        });
        copied.await.unwrap_or_else(|error| Err(FetchError::Written(error.into())))
    }
}

/// A thread writes while this one reads and digests: neither waits for the other.
fn copy(mut from: File, into: &mut File, expected: &Expected, stopped: &CancellationToken) -> Result<(), FetchError> {
    let (pieces, written) = sync_channel::<Arc<Vec<u8>>>(AHEAD);
    let (hash, bytes) = std::thread::scope(|scope| {
        let writer = scope.spawn(move || write(&written, into));
        let read = read(&mut from, pieces, stopped);
        let wrote = writer.join().unwrap_or_else(|_| Err(io::Error::other("the writer panicked")));
        wrote.map_err(FetchError::Written)?;
        read.map_err(|error| {
            FetchError::Content(Failure::resource_unavailable(format!("the artifact store broke off: {error}")))
        })
    })?;
    let found = hash.finalize();
    if found.as_slice() == expected.digest { Ok(()) } else { Err(FetchError::Content(expected.corrupt(&found, bytes))) }
}

fn read(from: &mut File, pieces: SyncSender<Arc<Vec<u8>>>, stopped: &CancellationToken) -> io::Result<(Sha256, u64)> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    loop {
        if stopped.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let mut piece = Vec::with_capacity(PIECE);
        from.take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            return Ok((hash, bytes));
        }
        let piece = Arc::new(piece);
        // Where the writer is gone, its error says why.
        if pieces.send(piece.clone()).is_err() {
            return Ok((hash, bytes));
        }
        hash.update(&*piece);
        bytes += piece.len() as u64;
    }
}

fn write(pieces: &Receiver<Arc<Vec<u8>>>, into: &mut File) -> io::Result<()> {
    while let Ok(piece) = pieces.recv() {
        into.write_all(&piece)?;
    }
    Ok(())
}
