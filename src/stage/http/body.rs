//! The body of an answer, read as far as it is needed.

use std::io;
use std::time::Duration;

use reqwest::Response;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::opened::Opened;

/// How long the body of a failure is waited for: the status has said enough, and must not get lost to a time limit.
const PATIENCE: Duration = Duration::from_millis(500);

/// Bytes that are read at once.
const PIECE: usize = 16 * 1024;

/// The beginning of a body, or all of it.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) whole: bool,
}

impl Body {
    /// The first `most` bytes.
    pub(super) async fn up_to(most: usize, from: impl AsyncRead + Unpin) -> io::Result<Body> {
        let mut body = Body::default();
        body.fill(most, from).await?;
        Ok(body)
    }

    /// What comes of the first `most` bytes in a short time, before the connection breaks.
    pub(super) async fn in_short(most: usize, response: Response) -> Body {
        let mut body = Body::default();
        let filled = async {
            let Ok(opened) = Opened::of(response).await else { return };
            // However it ended: what has come is there.
            body.fill(most, opened.body).await.ok();
        };
        tokio::time::timeout(PATIENCE, filled).await.ok();
        body
    }

    async fn fill(&mut self, most: usize, mut from: impl AsyncRead + Unpin) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let read = from.read(&mut piece).await?;
            let room = most - self.bytes.len();
            self.bytes.extend_from_slice(&piece[..read.min(room)]);
            if read > room {
                return Ok(());
            }
            if read == 0 {
                self.whole = true;
                return Ok(());
            }
        }
    }
}
