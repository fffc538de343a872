//! Writes a file into the store: reads, digests and uploads it in parts, so that two of them are in memory and never all of it.

use futures_util::future::join;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::error::ArtifactError;

/// What is written at once: the least that S3 takes for a part.
const PART: u64 = 5 << 20;
/// Parts that S3 takes of a file.
const PARTS: u64 = 10_000;
/// After so many parts of a file whose size is not known they are twice as large: 10,000 of them have nearly 5 TiB.
const DOUBLED_AFTER: u64 = PARTS / 10;
/// What is read and digested at once, between two looks at what else there is to do.
const PIECE: usize = 256 << 10;

/// What was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    pub(crate) bytes: u64,
    pub(crate) digest: [u8; 32],
}

/// Writes what is read, to its end. `whole` is how many bytes there will be, if that is known. What could not be written to its
/// end is taken away again.
pub(super) async fn put(
    store: &dyn ObjectStore,
    place: &Path,
    from: impl AsyncRead + Unpin,
    whole: Option<u64>,
) -> Result<Written, ArtifactError> {
    let mut parts = Parts { from, whole, hash: Sha256::new(), bytes: 0, number: 0 };
    let first = parts.next().await?;
    if (first.len() as u64) < PART {
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

/// Size of a part, by its number from 0 and the bytes before it. Parts grow with the file: the library's own writers
/// (`WriteMultipart`, `BufWriter`) keep to one size, and 10,000 parts of 5 MiB end at 48.8 GiB. If the size of the file is known,
/// all of its parts are equal, as some stores demand.
fn part(number: u64, behind: u64, whole: Option<u64>) -> u64 {
    let even = whole.unwrap_or(0).div_ceil(PARTS).max(PART);
    if whole.is_some_and(|whole| behind < whole) {
        return even;
    }
    let doublings = (number / DOUBLED_AFTER).min(PARTS / DOUBLED_AFTER - 1);
    even.max(PART << doublings)
}

/// What is read, part by part.
struct Parts<R> {
    from: R,
    whole: Option<u64>,
    hash: Sha256,
    bytes: u64,
    number: u64,
}

impl<R: AsyncRead + Unpin> Parts<R> {
    async fn send(&mut self, first: Vec<u8>, upload: &mut dyn MultipartUpload) -> Result<(), ArtifactError> {
        let mut part = first;
        while !part.is_empty() {
            // The next one is read and digested while this one is written.
            let (written, next) = join(upload.put_part(PutPayload::from(part)), self.next()).await;
            written?;
            part = next?;
        }
        upload.complete().await?;
        Ok(())
    }

    /// Shorter than a part at the end only.
    async fn next(&mut self) -> Result<Vec<u8>, ArtifactError> {
        // Where addresses have 32 bits, such a part could not be held anyway.
        let size = usize::try_from(part(self.number, self.bytes, self.whole)).unwrap_or(usize::MAX);
        let mut part = Vec::new();
        while part.len() < size {
            let before = part.len();
            let mut piece = (&mut self.from).take(PIECE.min(size - before) as u64);
            part.reserve(PIECE.min(size - before));
            if piece.read_buf(&mut part).await.map_err(ArtifactError::Source)? == 0 {
                break;
            }
            self.hash.update(&part[before..]);
        }
        self.bytes += part.len() as u64;
        self.number += 1;
        Ok(part)
    }

    fn written(self) -> Written {
        Written { bytes: self.bytes, digest: self.hash.finalize().into() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIB: u64 = 1 << 40;
    /// What S3 takes of one part.
    const LARGEST: u64 = 5 << 30;

    /// Sizes of the parts of a file.
    fn parts(bytes: u64, whole: Option<u64>) -> Vec<u64> {
        let (mut sizes, mut behind) = (Vec::new(), 0);
        while behind < bytes {
            let size = part(sizes.len() as u64, behind, whole).min(bytes - behind);
            behind += size;
            sizes.push(size);
        }
        sizes
    }

    fn fits(sizes: &[u64]) -> bool {
        let all_but_the_last = &sizes[..sizes.len().saturating_sub(1)];
        sizes.len() as u64 <= PARTS
            && sizes.iter().all(|size| *size <= LARGEST)
            && all_but_the_last.iter().all(|size| *size >= PART)
    }

    proptest! {
        #[test]
        fn a_file_of_any_size_has_parts_that_a_bucket_takes(bytes in 0..5 * TIB) {
            let known = parts(bytes, Some(bytes));
            prop_assert!(fits(&known));
            prop_assert!(known.windows(3).all(|three| three[0] == three[1]), "some stores take only equal parts");
            let unknown = parts(bytes.min(4 * TIB), None);
            prop_assert!(fits(&unknown), "{} parts", unknown.len());
            let grown = parts(bytes.min(4 * TIB), Some(bytes / 1000));
            prop_assert!(fits(&grown), "{} parts of a file that grows while it is read", grown.len());
        }
    }

    #[test]
    fn an_ordinary_file_has_parts_of_5_mib() {
        assert_eq!(parts(12 << 20, None), [PART, PART, 2 << 20]);
        assert_eq!(parts(12 << 20, Some(12 << 20)), [PART, PART, 2 << 20]);
    }
}
