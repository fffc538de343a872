//! Messages as lines of text over a socket, both ways at once.

use std::io;

use tokio::io::Interest;
use tokio::net::UnixStream;

/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;

/// Why no more messages come.
#[derive(Debug)]
pub(super) enum Silence {
    /// The other side has hung up.
    Closed,
    /// A line is longer than any message may be.
    TooLong,
    Broken(io::Error),
}

/// One end of the socket. Its futures may be dropped at any time: what was read or written by then stays.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    received: Vec<u8>,
    /// Bytes of `received` that hold no end of a line.
    looked_at: usize,
    to_send: Vec<u8>,
    chunk: Box<[u8]>,
    /// Bytes of the longest line.
    most: usize,
}

impl Connection {
    pub(super) fn new(stream: UnixStream, most: usize) -> Connection {
        let chunk = vec![0; CHUNK].into_boxed_slice();
        Connection { stream, received: Vec::new(), looked_at: 0, to_send: Vec::new(), chunk, most }
    }

    /// Sends a line, as far as the other side takes it now; the rest goes out while [`Connection::next`] waits.
    pub(super) fn say(&mut self, line: &str) {
        self.to_send.extend_from_slice(line.as_bytes());
        self.to_send.push(b'\n');
        self.send_some();
    }

    /// The next line, without its end.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, Silence> {
        loop {
            if let Some(line) = self.received_line() {
                return if line.len() > self.most { Err(Silence::TooLong) } else { Ok(line) };
            }
            if self.received.len() > self.most {
                return Err(Silence::TooLong);
            }
            let sends =
                if self.to_send.is_empty() { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
            let ready = self.stream.ready(sends).await.map_err(Silence::Broken)?;
            if ready.is_writable() {
                self.send_some();
            }
            if ready.is_readable() {
                self.read_some()?;
            }
        }
    }

    /// A line that has come and that nobody has asked for.
    pub(super) fn received_line(&mut self) -> Option<Vec<u8>> {
        let end = self.received[self.looked_at..].iter().position(|byte| *byte == b'\n');
        let Some(end) = end.map(|end| self.looked_at + end) else {
            self.looked_at = self.received.len();
            return None;
        };
        let rest = self.received.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.received, rest);
        line.truncate(end);
        self.looked_at = 0;
        Some(line)
    }

    fn read_some(&mut self) -> Result<(), Silence> {
        match self.stream.try_read(&mut self.chunk) {
            Ok(0) => Err(Silence::Closed),
            Ok(count) => {
                self.received.extend_from_slice(&self.chunk[..count]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            // It ended with something of ours unread.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(Silence::Closed),
            Err(error) => Err(Silence::Broken(error)),
        }
    }

    fn send_some(&mut self) {
        while !self.to_send.is_empty() {
            match self.stream.try_write(&self.to_send) {
                Ok(count) => drop(self.to_send.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Nobody reads it any more; what was written before may still be read here.
                Err(_) => self.to_send.clear(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn lines_come_whole_however_they_were_cut_and_long_ones_are_refused() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut connection = Connection::new(ours, 10);
        theirs.write_all(b"ab").await.unwrap();
        let early = tokio::time::timeout(std::time::Duration::from_millis(20), connection.next()).await;
        assert!(early.is_err(), "half a line is none");
        theirs.write_all(b"c\n\n12345678901").await.unwrap();
        assert_eq!(connection.next().await.unwrap(), b"abc");
        assert_eq!(connection.next().await.unwrap(), b"");
        assert!(matches!(connection.next().await, Err(Silence::TooLong)));
    }

    #[tokio::test]
    async fn a_side_that_does_not_read_holds_up_nothing_that_is_read_from_it() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut connection = Connection::new(ours, 100);
        let long = "x".repeat(4 << 20);
        connection.say(&long);
        theirs.write_all(b"busy\n").await.unwrap();
        assert_eq!(connection.next().await.unwrap(), b"busy");
        let reading = tokio::spawn(async move {
            let mut all = vec![0; (4 << 20) + 1];
            theirs.read_exact(&mut all).await.unwrap();
            all
        });
        assert!(matches!(connection.next().await, Err(Silence::Closed)), "it has hung up when it had all");
        assert_eq!(reading.await.unwrap().last(), Some(&b'\n'));
    }
}
