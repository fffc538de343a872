//! An artifact that is being sent: verified on the way, and broken off if it is not what was committed.

use std::io::Cursor;
use std::ops::Range;

use futures_util::stream::{Stream, TryStreamExt, try_unfold};
use sqlx::types::Uuid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::bytes::{Bytes, BytesMut};

use crate::api::problem::Problem;
use crate::artifacts::ArtifactReader;
use crate::model::failure::{Failure, FailureClass};

/// What is read before the answer begins. Of an artifact that is no larger it is known by then whether it is right.
const AT_FIRST: u64 = 64 << 10;
/// What is read and sent at once.
const PIECE: usize = 64 << 10;

/// An artifact whose beginning was read.
pub(super) struct Begun {
    beginning: Vec<u8>,
    rest: ArtifactReader,
    id: Uuid,
}

pub(super) async fn begun(mut reader: ArtifactReader, id: Uuid) -> Result<Begun, Problem> {
    let mut beginning = Vec::new();
    match (&mut reader).take(AT_FIRST).read_to_end(&mut beginning).await {
        Ok(_) => Ok(Begun { beginning, rest: reader, id }),
        Err(error) => Err(refused(id, &Failure::from(error))),
    }
}

fn refused(id: Uuid, failure: &Failure) -> Problem {
    if failure.class() == FailureClass::CorruptCheckpoint {
        tracing::error!("artifact {id} is not sent: {}", failure.message());
        return Problem::changed(format!("artifact {id} is not what was committed"))
            .hint("Run the stage that made it again, or restore its file from a backup.");
    }
    tracing::warn!("artifact {id} is not sent: {}", failure.message());
    Problem::no_such_thing("the artifact store is away").hint("Ask again.")
}

impl Begun {
    /// Reads it to its end: whether it is what was committed.
    pub(super) async fn verified(mut self) -> Result<(), Problem> {
        let read = tokio::io::copy(&mut self.rest, &mut tokio::io::sink()).await;
        read.map(|_| ()).map_err(|error| refused(self.id, &Failure::from(error)))
    }

    /// These bytes of it. The last of them come when all of it was found to be right.
    pub(super) fn part(self, range: Range<u64>) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
        let id = self.id;
        let from = Cursor::new(self.beginning).chain(self.rest);
        let sent = try_unfold(Sent { from, at: 0, range, held: Bytes::new() }, Sent::next);
        sent.inspect_err(move |error| tracing::error!("artifact {id} is broken off: {error}"))
    }
}

struct Sent<R> {
    from: R,
    at: u64,
    range: Range<u64>,
    /// Read, and not sent before more is, or all is known to be right.
    held: Bytes,
}

impl<R: AsyncRead + Unpin> Sent<R> {
    async fn next(mut self) -> std::io::Result<Option<(Bytes, Sent<R>)>> {
        loop {
            let mut piece = BytesMut::with_capacity(PIECE);
            if self.from.read_buf(&mut piece).await? == 0 {
                let last = std::mem::take(&mut self.held);
                return Ok((!last.is_empty()).then_some((last, self)));
            }
            let wanted = self.wanted(piece.freeze());
            if wanted.is_empty() {
                continue;
            }
            let before = std::mem::replace(&mut self.held, wanted);
            if !before.is_empty() {
                return Ok(Some((before, self)));
            }
        }
    }

    /// What is in the range of the next piece.
    fn wanted(&mut self, piece: Bytes) -> Bytes {
        let begins = self.at;
        self.at += piece.len() as u64;
        // Within the piece, so that it fits.
        let within = |at: u64| (at.clamp(begins, self.at) - begins) as usize;
        piece.slice(within(self.range.start)..within(self.range.end))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use proptest::prelude::*;

    use super::*;

    /// How many bytes are read at once.
    fn sent(bytes: &'static [u8], at_once: usize, range: Range<u64>) -> Vec<Bytes> {
        let from =
            bytes.chunks(at_once).fold(Box::new(tokio::io::empty()) as Box<dyn AsyncRead + Unpin>, |before, chunk| {
                Box::new(before.chain(chunk))
            });
        let stream = try_unfold(Sent { from, at: 0, range, held: Bytes::new() }, Sent::next);
        futures_util::FutureExt::now_or_never(stream.map(|piece| piece.expect("a piece")).collect()).expect("all of it")
    }

    proptest! {
        #[test]
        fn a_range_is_what_is_there_in_the_file(at_once in 1_usize..12, start in 0_u64..10, bytes in 0_u64..10) {
            let range = start..(start + bytes).min(10);
            let pieces = sent(b"0123456789", at_once, range.clone());
            prop_assert_eq!(pieces.concat(), &b"0123456789"[range.start as usize..range.end as usize]);
        }
    }
}
