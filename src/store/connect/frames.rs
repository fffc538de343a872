//! Where one message ends and the next begins in the server's stream.

/// Type and length.
const HEADER: usize = 5;
/// A key with which a statement can be cancelled is no longer than that in version 3.0 of the protocol.
const KEY: usize = 8;
const READY: u8 = b'Z';

/// Follows the messages of a server from its first answer on.
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: [u8; HEADER],
    have: usize,
    /// Bytes of the body that are still to come.
    rest: usize,
    /// Of the last whole message that was passed on.
    last: u8,
    /// Process id and secret, once the server has said them.
    key: Vec<u8>,
    /// The message that comes now is not passed on.
    is_kept: bool,
}

impl Frames {
    /// Passes on what has come, headers as a whole. Where `ours` says that we have asked for one, the next "ready for query"
    /// is kept; then it says no more.
    pub(super) fn pass(&mut self, mut bytes: &[u8], ours: &mut bool, on: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.have < HEADER {
                let take = bytes.len().min(HEADER - self.have);
                self.header[self.have..self.have + take].copy_from_slice(&bytes[..take]);
                self.have += take;
                bytes = &bytes[take..];
                if self.have < HEADER {
                    return;
                }
                self.begin(ours, on);
            }
            let take = bytes.len().min(self.rest);
            if self.header[0] == b'K' && self.key.len() < KEY {
                self.key.extend(&bytes[..take]);
            }
            if !self.is_kept {
                on.extend(&bytes[..take]);
            }
            self.rest -= take;
            bytes = &bytes[take..];
            if self.rest == 0 {
                if !self.is_kept {
                    self.last = self.header[0];
                }
                self.have = 0;
            }
        }
    }

    fn begin(&mut self, ours: &mut bool, on: &mut Vec<u8>) {
        let [kind, length @ ..] = self.header;
        // The length counts itself.
        self.rest = (u32::from_be_bytes(length) as usize).saturating_sub(4);
        self.is_kept = kind == READY && std::mem::take(ours);
        if !self.is_kept {
            on.extend(self.header);
        }
        if kind == b'K' {
            self.key.clear();
        }
    }

    /// A message of ours can stand here.
    pub(super) fn is_between(&self) -> bool {
        self.have < HEADER
    }

    /// The server waits for us: "ready for query".
    pub(super) fn is_ready(&self) -> bool {
        self.have == 0 && self.last == READY
    }

    /// What cancels the statement that runs.
    pub(super) fn key(&self) -> Option<[u8; KEY]> {
        self.key.as_slice().try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Vec<u8> {
        [b"R\0\0\0\x08\0\0\0\0".as_slice(), b"K\0\0\0\x0c\0\0\0\x01\0\0\0\x02", b"1\0\0\0\x04", b"Z\0\0\0\x05I"]
            .concat()
    }

    #[test]
    fn messages_are_told_apart_however_they_come() {
        for size in 1..=stream().len() {
            let (mut frames, mut on) = (Frames::default(), Vec::new());
            for piece in stream().chunks(size) {
                assert!(!frames.is_ready(), "pieces of {size}");
                frames.pass(piece, &mut false, &mut on);
            }
            assert!(frames.is_ready() && on == stream(), "pieces of {size}");
            assert_eq!(frames.key(), Some([0, 0, 0, 1, 0, 0, 0, 2]));
        }
        let mut frames = Frames::default();
        frames.pass(&stream()[..7], &mut false, &mut Vec::new());
        assert!(!frames.is_between());
    }

    #[test]
    fn only_the_answer_that_we_asked_for_is_kept() {
        let notice = b"A\0\0\0\x06ab".as_slice();
        let ready = b"Z\0\0\0\x05I".as_slice();
        let came = [notice, ready, ready].concat();
        for size in 1..=came.len() {
            let (mut frames, mut on, mut ours) = (Frames::default(), Vec::new(), true);
            came.chunks(size).for_each(|piece| frames.pass(piece, &mut ours, &mut on));
            assert_eq!(on, [notice, ready].concat(), "pieces of {size}");
            assert!(!ours);
        }
    }
}
