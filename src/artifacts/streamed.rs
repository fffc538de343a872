//! A file on its way into the store: read, digested and written in parts, so that it is never in memory as a whole.

use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::ArtifactError;

/// What is written at once: the least that S3 takes for a part.
const PART: usize = 5 << 20;
/// What is read and digested at once, between two looks at what else there is to do.
const PIECE: usize = 256 << 10;

/// What was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    pub(crate) bytes: u64,
    pub(crate) digest: [u8; 32],
}

/// Writes what is read, to its end. What could not be written to its end is taken away again.
pub(super) async fn put(
    store: &dyn ObjectStore,
    place: &Path,
    from: impl AsyncRead + Unpin,
) -> Result<Written, ArtifactError> {
    let mut parts = Parts { from, hash: Sha256::new(), bytes: 0 };
    let first = parts.next().await?;
    if first.len() < PART {
        store.put(place, PutPayload::from(first)).await?;
        return Ok(parts.written());
    }
    let mut upload = store.put_multipart(place).await?;
    if let Err(error) = parts.send(first, upload.as_mut()).await {
        if let Err(error) = upload.abort().await {
            tracing::debug!("what was written of an artifact stays until it is cleaned up: {error}");
        }
        return Err(error);
    }
    Ok(parts.written())
}

/// What is read, part by part.
struct Parts<R> {
    from: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: AsyncRead + Unpin> Parts<R> {
    async fn send(&mut self, first: Vec<u8>, upload: &mut dyn MultipartUpload) -> Result<(), ArtifactError> {
        let mut part = first;
        while !part.is_empty() {
            upload.put_part(PutPayload::from(part)).await?;
            part = self.next().await?;
        }
        upload.complete().await?;
        Ok(())
    }

    /// Shorter than [`PART`] at the end only.
    async fn next(&mut self) -> Result<Vec<u8>, ArtifactError> {
        let mut part = Vec::new();
        while part.len() < PART {
            let before = part.len();
            let mut piece = (&mut self.from).take(PIECE.min(PART - before) as u64);
            part.reserve(PIECE.min(PART - before));
            if piece.read_buf(&mut part).await.map_err(ArtifactError::Source)? == 0 {
                break;
            }
            self.hash.update(&part[before..]);
        }
        self.bytes += part.len() as u64;
        Ok(part)
    }

    fn written(self) -> Written {
        Written { bytes: self.bytes, digest: self.hash.finalize().into() }
    }
}
