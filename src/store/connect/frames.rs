//! Where in the server's stream of messages one ends and the next begins.

/// Type and length.
const HEADER: usize = 5;
/// A key with which a statement can be cancelled is no longer than that in version 3.0 of the protocol.
const KEY: usize = 8;

/// Follows the messages of a server from its first answer on.
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: [u8; HEADER],
    have: usize,
    /// Bytes of the body that are still to come.
    rest: usize,
    /// Of the last whole message.
    last: u8,
    /// Process id and secret, once the server has said them.
    key: Vec<u8>,
}

impl Frames {
    /// Takes what has come.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.have < HEADER {
                let take = bytes.len().min(HEADER - self.have);
                self.header[self.have..self.have + take].copy_from_slice(&bytes[..take]);
                self.have += take;
                bytes = &bytes[take..];
                if self.have < HEADER {
                    return;
                }
                let [kind, length @ ..] = self.header;
                // The length counts itself.
                self.rest = (u32::from_be_bytes(length) as usize).saturating_sub(4);
                if kind == b'K' {
                    self.key.clear();
                }
            }
            let take = bytes.len().min(self.rest);
            if self.header[0] == b'K' && self.key.len() < KEY {
                self.key.extend(&bytes[..take]);
            }
            self.rest -= take;
            bytes = &bytes[take..];
            if self.rest == 0 {
                self.last = self.header[0];
                self.have = 0;
            }
        }
    }

    /// A message of ours can stand here.
    pub(super) fn is_between(&self) -> bool {
        self.have == 0
    }

    /// The server waits for us: "ready for query".
    pub(super) fn is_ready(&self) -> bool {
        self.is_between() && self.last == b'Z'
    }

    /// What cancels the statement that runs.
    pub(super) fn key(&self) -> Option<[u8; KEY]> {
        self.key.as_slice().try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart_however_they_come() {
        let stream =
            [b"R\0\0\0\x08\0\0\0\0".as_slice(), b"K\0\0\0\x0c\0\0\0\x01\0\0\0\x02", b"1\0\0\0\x04", b"Z\0\0\0\x05I"]
                .concat();
        for size in 1..=stream.len() {
            let mut frames = Frames::default();
            for (number, piece) in stream.chunks(size).enumerate() {
                assert!(!frames.is_ready(), "{number} of {size}");
                frames.feed(piece);
            }
            assert!(frames.is_ready(), "pieces of {size}");
            assert_eq!(frames.key(), Some([0, 0, 0, 1, 0, 0, 0, 2]));
        }
        let mut frames = Frames::default();
        frames.feed(&stream[..7]);
        assert!(!frames.is_between());
    }
}
