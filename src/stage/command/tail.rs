//! The last of what a program says on its standard error.

use std::collections::VecDeque;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::Cut;

/// Bytes that are kept with the attempt.
const KEPT: usize = 64 * 1024;

/// Keeps the last bytes, however many there are.
#[derive(Default)]
pub(super) struct Tail(VecDeque<u8>);

impl Tail {
    /// Reads to the end.
    pub(super) async fn fill(&mut self, from: &mut (impl AsyncRead + Unpin)) -> Result<(), Cut> {
        let mut chunk = vec![0; 8 * 1024];
        loop {
            match from.read(&mut chunk).await? {
                0 => return Ok(()),
                count => self.push(&chunk[..count]),
            }
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        self.0.drain(..self.0.len().saturating_sub(KEPT));
    }

    /// As text; what is no UTF-8, such as a character cut in two, is replaced.
    pub(super) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.0.make_contiguous()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_are_kept() {
        let mut tail = Tail::default();
        tail.push(&[b'a'; KEPT]);
        tail.push("é".as_bytes());
        assert_eq!(tail.0.len(), KEPT);
        assert!(tail.text().ends_with("aé"));
        tail.push(&vec![b'b'; 3 * KEPT]);
        assert_eq!(tail.text(), "b".repeat(KEPT));
    }
}
