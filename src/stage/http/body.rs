//! The body of an answer, read as far as it is needed.

use std::time::Duration;

use reqwest::Response;

/// How long the body of a failure is waited for: the status has said enough, and must not get lost to a time limit.
const PATIENCE: Duration = Duration::from_millis(500);

/// The beginning of a body, or all of it.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) whole: bool,
}

impl Body {
    /// The first `most` bytes.
    pub(super) async fn up_to(most: usize, response: Response) -> Result<Body, reqwest::Error> {
        let mut body = Body::default();
        body.fill(most, response).await?;
        Ok(body)
    }

    /// What comes of the first `most` bytes in a short time, before the connection breaks.
    pub(super) async fn in_short(most: usize, response: Response) -> Body {
        let mut body = Body::default();
        // However it ended: what has come is there.
        tokio::time::timeout(PATIENCE, body.fill(most, response)).await.ok();
        body
    }

    async fn fill(&mut self, most: usize, mut response: Response) -> Result<(), reqwest::Error> {
        while let Some(chunk) = response.chunk().await? {
            let room = most - self.bytes.len();
            self.bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                return Ok(());
            }
        }
        self.whole = true;
        Ok(())
    }
}
