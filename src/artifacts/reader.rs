//! Reads an artifact piece by piece, and checks its digest at the end (promise 8).

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::StreamExt;
use futures_util::stream::{BoxStream, Fuse};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::bytes::Bytes;

use super::streamed::Written;
use crate::model::artifact::in_a_line;
use crate::model::digest;
use crate::model::failure::{Failure, FailureClass};

/// What an artifact was when it was committed.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) digest: Vec<u8>,
    /// The stage and the item that made it, and that a retry makes it again with; an empty name where no stage of the run did.
    pub(crate) stage: String,
    pub(crate) item: i32,
}

impl Expected {
    /// Of a file that no stage made.
    pub(super) fn probe(name: &str, written: &Written) -> Expected {
        let (name, stage) = (name.to_owned(), String::new());
        Expected { name, bytes: written.bytes, digest: written.digest.to_vec(), stage, item: crate::model::id::NO_ITEM }
    }

    /// That it is not what was committed, with the evidence: a retry does the stage again that made it.
    pub(crate) fn corrupt(&self, found: &[u8], found_bytes: u64) -> Failure {
        let message = format!("artifact `{}` is not what was committed", in_a_line(&self.name));
        self.evidence(message, serde_json::json!({"found_sha256": digest::hex(found), "found_bytes": found_bytes}))
    }

    /// That nothing is where it was committed.
    pub(crate) fn gone(&self, why: &str) -> Failure {
        self.evidence(format!("artifact `{}` is gone: {why}", in_a_line(&self.name)), serde_json::json!({}))
    }

    fn evidence(&self, message: String, mut detail: serde_json::Value) -> Failure {
        detail["artifact"] = self.name.as_str().into();
        if !self.stage.is_empty() {
            detail["stage"] = self.stage.as_str().into();
            detail["item"] = self.item.into();
        }
        detail["expected_sha256"] = digest::hex(&self.digest).into();
        detail["expected_bytes"] = self.bytes.into();
        Failure::found(FailureClass::CorruptCheckpoint, message).detail(detail)
    }
}

/// The bytes of an artifact.
///
/// An [`AsyncRead`]: they come piece by piece, and never all of them at once into memory. The digest is known at the end
/// only: what was read is right when the end was reached without an error, and the last piece is not handed on before that. An
/// artifact that is not what was committed ends
/// in an error that `?` makes a failure of class `corrupt_checkpoint` of; a store that breaks off in one of class
/// `resource_unavailable`.
pub struct ArtifactReader {
    pieces: Fuse<BoxStream<'static, object_store::Result<Bytes>>>,
    piece: Bytes,
    /// Read, and not handed on before more is, or all is known to be right.
    held: Bytes,
    hash: Sha256,
    bytes: u64,
    expected: Expected,
}

impl ArtifactReader {
    pub(super) fn new(pieces: BoxStream<'static, object_store::Result<Bytes>>, expected: Expected) -> ArtifactReader {
        let (piece, held) = (Bytes::new(), Bytes::new());
        ArtifactReader { pieces: pieces.fuse(), piece, held, hash: Sha256::new(), bytes: 0, expected }
    }

    fn verified(&self) -> Result<(), Failure> {
        let found = self.hash.clone().finalize();
        if found.as_slice() == self.expected.digest { Ok(()) } else { Err(self.expected.corrupt(&found, self.bytes)) }
    }
}

impl AsyncRead for ArtifactReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.piece.is_empty() {
            match ready!(self.pieces.poll_next_unpin(cx)) {
                Some(Ok(piece)) if piece.is_empty() => {}
                Some(Ok(piece)) => {
                    self.hash.update(&piece);
                    self.bytes += piece.len() as u64;
                    self.piece = std::mem::replace(&mut self.held, piece);
                }
                Some(Err(error)) => {
                    let failure = Failure::resource_unavailable(format!("the artifact store broke off: {error}"));
                    return Poll::Ready(Err(io::Error::other(failure)));
                }
                None => {
                    self.verified().map_err(io::Error::other)?;
                    if self.held.is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                    self.piece = std::mem::take(&mut self.held);
                }
            }
        }
        let count = self.piece.len().min(into.remaining());
        into.put_slice(&self.piece.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for ArtifactReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArtifactReader").field("expected", &self.expected).finish_non_exhaustive()
    }
}
