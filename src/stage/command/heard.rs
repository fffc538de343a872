//! What a program says, for those who listen while it runs: where a stage is tried by hand.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::stage::secrets::Secrets;

/// Which of a program's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Output,
    Error,
}

/// What is done with it.
type Hear = dyn Fn(Stream, &str) + Send + Sync;

/// Hears what a program says as soon as it can be said: nothing of it is a secret that the stage was given.
#[derive(Clone)]
pub(crate) struct Listener(pub(crate) Arc<Hear>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// A stream of a program, to which somebody may listen.
#[derive(Debug)]
pub(super) struct Heard<R> {
    from: R,
    said: Option<Said>,
}

impl<R> Heard<R> {
    pub(super) fn new(from: R, stream: Stream, listener: Option<&Listener>, secrets: &Secrets) -> Heard<R> {
        let said = listener.map(|listener| Said {
            stream,
            listener: listener.clone(),
            secrets: secrets.clone(),
            pending: Vec::new(),
        });
        Heard { from, said }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Heard<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.from).poll_read(cx, into))?;
        if let Some(said) = &mut self.said {
            said.push(&into.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

struct Said {
    stream: Stream,
    listener: Listener,
    secrets: Secrets,
    /// What may be the beginning of a secret, or of a character.
    pending: Vec<u8>,
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Said").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Said {
    fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        // No bytes at all are the end.
        let whole = if bytes.is_empty() { self.pending.len() } else { whole_characters(&self.pending) };
        let text = String::from_utf8_lossy(&self.pending[..whole]).into_owned();
        let settled = if bytes.is_empty() { text.len() } else { self.secrets.settled(&text) };
        if settled > 0 {
            (self.listener.0)(self.stream, &self.secrets.hide(&text[..settled]));
        }
        let rest = self.pending.split_off(whole);
        self.pending = text.into_bytes().split_off(settled);
        self.pending.extend(rest);
    }
}

/// Without a character at the end of which bytes are still to come.
fn whole_characters(bytes: &[u8]) -> usize {
    match bytes.utf8_chunks().last() {
        // A character has four bytes at most; more of them are none.
        Some(last)
            if last.invalid().len() < 4
                && std::str::from_utf8(last.invalid()).is_err_and(|e| e.error_len().is_none()) =>
        {
            bytes.len() - last.invalid().len()
        }
        Some(_) | None => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// What is heard of these pieces, one by one.
    fn heard(secret: &str, pieces: &[&[u8]]) -> Vec<String> {
        let all = Arc::new(Mutex::new(Vec::new()));
        let into = all.clone();
        let listener = Listener(Arc::new(move |_, text: &str| into.lock().unwrap().push(text.to_owned())));
        let secrets = Secrets::with([], Some(("KEY".to_owned(), secret.to_owned())));
        let mut said = Said { stream: Stream::Output, listener, secrets, pending: Vec::new() };
        pieces.iter().for_each(|piece| said.push(piece));
        said.push(&[]);
        all.lock().unwrap().clone()
    }

    #[test]
    fn what_is_no_secret_is_heard_at_once_and_a_secret_never_however_it_is_cut() {
        assert_eq!(heard("hunter22", &[b"Name? ", b"ok\n"]), ["Name? ", "ok\n"]);
        assert_eq!(heard("hunter22", &[b"key hun", b"ter", b"22.\n"]), ["key ", "${KEY}.\n"]);
        assert_eq!(heard("hunter22", &[b"a hunt"]), ["a ", "hunt"], "the end of it all");
        assert_eq!(heard("hunter22", &[b"a hunt", b"ing\n"]), ["a ", "hunting\n"]);
        let every_byte: Vec<&[u8]> = b"<hunter22>".chunks(1).collect();
        assert_eq!(heard("hunter22", &every_byte).concat(), "<${KEY}>");
    }

    #[test]
    fn a_character_is_heard_whole_and_what_is_none_is_replaced() {
        assert_eq!(heard("hunter22", &[&[b'a', 0xc3], &[0xa9, b'b']]), ["a", "éb"]);
        assert_eq!(heard("hunter22", &[&[0xff, b'a']]), ["\u{fffd}a"]);
        assert_eq!(heard("hunter22", &[&[b'a', 0xc3]]), ["a", "\u{fffd}"]);
    }
}
