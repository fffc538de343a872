//! The messages between a client of Postgres and its server, as far as commits show in them.

use std::collections::HashSet;

use crate::store::commit::ends_work;

/// The first message of a connection has no type.
const UNTYPED_HEADER: usize = 4;
const HEADER: usize = 5;
/// Codes of the protocol that ask for an encrypted connection.
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// What a client has sent, message by message.
#[derive(Debug, Default)]
pub(super) struct FromClient {
    buffer: Vec<u8>,
    has_begun: bool,
    /// Names of prepared statements that end work.
    commits: HashSet<Vec<u8>>,
    /// Answers that were asked for: each ends in a "ready for query".
    asked: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Message(Vec<u8>),
    /// With the number of its answer.
    Commit(Vec<u8>, u64),
    /// For an encrypted connection, which is to be refused.
    Encryption,
}

impl FromClient {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend(bytes);
    }

    /// The next one that is whole.
    pub(super) fn next(&mut self) -> Option<Sent> {
        let header = if self.has_begun { HEADER } else { UNTYPED_HEADER };
        let length = self.buffer.get(header - 4..header)?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize + header - 4;
        if self.buffer.len() < length.max(header) {
            return None;
        }
        let rest = self.buffer.split_off(length.max(header));
        let message = std::mem::replace(&mut self.buffer, rest);
        Some(if self.has_begun { self.read(message) } else { self.begin(message) })
    }

    fn begin(&mut self, message: Vec<u8>) -> Sent {
        let code = message.get(4..8).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes);
        if matches!(code, Some(SSL_REQUEST | GSS_REQUEST)) {
            return Sent::Encryption;
        }
        (self.has_begun, self.asked) = (true, 1);
        Sent::Message(message)
    }

    fn read(&mut self, message: Vec<u8>) -> Sent {
        let body = message.get(HEADER..).unwrap_or_default();
        let mut texts = body.split(|byte| *byte == 0);
        let mut text = || texts.next().unwrap_or_default();
        let is_commit = match message.first() {
            Some(b'P') => {
                let name = text().to_vec();
                match is_end(text()) {
                    true => self.commits.insert(name),
                    false => self.commits.remove(&name),
                };
                false
            }
            // The portal, then the statement.
            Some(b'B') => {
                text();
                self.commits.contains(text())
            }
            Some(b'Q') => {
                self.asked += 1;
                let is_commit = is_end(text());
                return if is_commit { Sent::Commit(message, self.asked) } else { Sent::Message(message) };
            }
            Some(b'S') => {
                self.asked += 1;
                false
            }
            Some(_) | None => false,
        };
        // The sync that follows asks for the answer.
        if is_commit { Sent::Commit(message, self.asked + 1) } else { Sent::Message(message) }
    }
}

fn is_end(sql: &[u8]) -> bool {
    std::str::from_utf8(sql).is_ok_and(ends_work)
}

/// What a server has answered, as far as its ends show.
#[derive(Debug, Default)]
pub(super) struct FromServer {
    header: Vec<u8>,
    /// Bytes of the body that are still to come.
    rest: usize,
    /// Answers that have ended.
    pub(super) answered: u64,
}

impl FromServer {
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.header.len() < HEADER {
                let take = bytes.len().min(HEADER - self.header.len());
                self.header.extend(&bytes[..take]);
                bytes = &bytes[take..];
                let Ok([_, a, b, c, d]) = <[u8; HEADER]>::try_from(self.header.as_slice()) else { return };
                // The length counts itself.
                self.rest = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(4);
            }
            let take = bytes.len().min(self.rest);
            bytes = &bytes[take..];
            self.rest -= take;
            if self.rest == 0 {
                self.answered += u64::from(self.header.first() == Some(&b'Z'));
                self.header.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind], &length[..], body].concat()
    }

    fn untyped(body: &[u8]) -> Vec<u8> {
        message(0, body)[1..].to_vec()
    }

    #[test]
    fn commits_are_told_from_other_statements_however_they_come() {
        let sent = [
            untyped(&SSL_REQUEST.to_be_bytes()),
            untyped(b"\0\x03\0\0user\0x\0\0"),
            message(b'P', b"one\0select 1\0\0\0"),
            message(b'P', b"two\0Commit \0\0\0"),
            message(b'S', b""),
            message(b'B', b"\0one\0\0\0"),
            message(b'S', b""),
            message(b'B', b"\0two\0\0\0"),
            message(b'S', b""),
            message(b'Q', b"COMMIT\0"),
            message(b'Q', b"BEGIN\0"),
        ];
        for size in [1, 2, 3, 7, 1000] {
            let mut client = FromClient::default();
            let mut read = Vec::new();
            for piece in sent.concat().chunks(size) {
                client.push(piece);
                read.extend(std::iter::from_fn(|| client.next()));
            }
            let commits: Vec<(usize, u64)> = (0..)
                .zip(&read)
                .filter_map(|(at, sent)| if let Sent::Commit(_, answer) = sent { Some((at, *answer)) } else { None })
                .collect();
            assert_eq!(commits, [(7, 4), (9, 5)], "in pieces of {size}");
            assert_eq!((&read[0], read.len()), (&Sent::Encryption, sent.len()), "in pieces of {size}");
            let bytes = |sent: &Sent| match sent {
                Sent::Message(bytes) | Sent::Commit(bytes, _) => bytes.clone(),
                Sent::Encryption => untyped(&SSL_REQUEST.to_be_bytes()),
            };
            assert_eq!(read.iter().flat_map(bytes).collect::<Vec<_>>(), sent.concat());
        }
    }

    #[test]
    fn answers_are_counted_by_their_ends() {
        let answers =
            [message(b'R', &[0; 4]), message(b'Z', b"I"), message(b'D', b"ZZZ"), message(b'Z', b"I")].concat();
        for size in [1, 3, 100] {
            let mut server = FromServer::default();
            answers.chunks(size).for_each(|piece| server.pass(piece));
            assert_eq!(server.answered, 2);
        }
    }
}
