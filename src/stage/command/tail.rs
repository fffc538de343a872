//! The last of what a program says on its standard error.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::Cut;

/// Bytes that are kept with the attempt.
const KEPT: usize = 64 * 1024;

/// Keeps the last bytes, however many there are.
#[derive(Default)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    /// Reads to the end.
    pub(super) async fn fill(&mut self, from: &mut (impl AsyncRead + Unpin)) -> Result<(), Cut> {
        let mut chunk = vec![0; 16 * 1024];
        loop {
            match from.read(&mut chunk).await? {
                0 => return Ok(()),
                count => self.push(&chunk[..count]),
            }
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        // Twice as much before it is cut: each byte is moved once.
        if self.0.len() + bytes.len() > 2 * KEPT {
            self.cut();
        }
        self.0.extend_from_slice(bytes);
    }

    fn cut(&mut self) {
        self.0.drain(..self.0.len().saturating_sub(KEPT));
    }

    /// As text; what is no UTF-8, such as a character cut in two, is replaced.
    pub(super) fn text(&mut self) -> String {
        self.cut();
        String::from_utf8_lossy(&self.0).into_owned()
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
        assert!(tail.text().ends_with("aé"));
        assert_eq!(tail.0.len(), KEPT);
        for _ in 0..100 {
            tail.push(&[b'b'; 8 * 1024]);
            assert!(tail.0.len() <= 2 * KEPT);
        }
        assert_eq!(tail.text(), "b".repeat(KEPT));
    }
}
