//! The end of a program's standard error.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::cut::Cut;
use crate::stage::secrets::Secrets;

/// Bytes that are kept with the attempt.
const KEPT: usize = 64 * 1024;

/// Keeps the last bytes, however many there are.
pub(super) struct Tail {
    bytes: Vec<u8>,
    /// More than is kept with the attempt: secrets are looked for before that is cut.
    most: usize,
    whole: bool,
}

/// What a program said, with its secrets.
pub(super) struct Words {
    pub(super) text: String,
    whole: bool,
}

impl Tail {
    pub(super) fn new(secrets: &Secrets) -> Tail {
        Tail { bytes: Vec::new(), most: KEPT + secrets.longest(), whole: true }
    }

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

    pub(super) fn push(&mut self, bytes: &[u8]) {
        // Twice as much before it is cut: each byte is moved once.
        if self.bytes.len() + bytes.len() > 2 * self.most {
            self.cut();
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn cut(&mut self) {
        let over = self.bytes.len().saturating_sub(self.most);
        self.whole &= over == 0;
        self.bytes.drain(..over);
    }

    /// As text; what is no UTF-8, such as a character cut in two, is replaced.
    pub(super) fn words(&mut self) -> Words {
        self.cut();
        Words { text: String::from_utf8_lossy(&self.bytes).into_owned(), whole: self.whole }
    }
}

impl Words {
    /// What may be kept of it.
    pub(super) fn without(&self, secrets: &Secrets) -> String {
        secrets.hide_in_end(&self.text, self.whole, KEPT)
    }
}

#[cfg(test)]
impl From<&str> for Words {
    fn from(text: &str) -> Words {
        Words { text: text.to_owned(), whole: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_are_kept() {
        let mut tail = Tail::new(&Secrets::default());
        tail.push(&[b'a'; KEPT]);
        tail.push("é".as_bytes());
        assert!(tail.words().text.ends_with("aé"));
        assert_eq!(tail.bytes.len(), KEPT);
        for _ in 0..100 {
            tail.push(&[b'b'; 8 * 1024]);
            assert!(tail.bytes.len() <= 2 * KEPT);
        }
        assert_eq!(tail.words().without(&Secrets::default()), "b".repeat(KEPT));
    }
}
