//! A file with an input on every line, read in pieces.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};

use anyhow::{Context, bail};

use crate::model::payload::Payload;
use crate::model::text::utf8;

/// Items of a piece, and bytes of it after which it is full.
const PIECE: usize = 5000;
const PIECE_BYTES: usize = 4 << 20;

/// The lines behind those that were read. Only one piece is in memory.
pub(super) struct Lines {
    file: Box<dyn BufRead>,
    /// As messages name it.
    place: String,
    /// Number of the last line that was read.
    read: i32,
    limit: usize,
}

impl Lines {
    /// Of a file; `-` is standard input.
    pub(super) fn open(file: &str, limit: usize) -> anyhow::Result<Lines> {
        if file == "-" {
            return Ok(Lines::of(Box::new(BufReader::new(stdin())), "standard input", limit));
        }
        let opened = File::open(file).with_context(|| format!("cannot read {file}"))?;
        Ok(Lines::of(Box::new(BufReader::new(opened)), file, limit))
    }

    fn of(file: Box<dyn BufRead>, place: &str, limit: usize) -> Lines {
        Lines { file, place: place.to_owned(), read: 0, limit }
    }

    /// The next piece; an empty one is the end.
    pub(super) fn piece(&mut self) -> anyhow::Result<Vec<Payload>> {
        let (mut piece, mut bytes) = (Vec::new(), 0);
        while piece.len() < PIECE && bytes < PIECE_BYTES {
            let Some(payload) = self.line()? else { break };
            bytes += payload.as_str().len();
            piece.push(payload);
        }
        Ok(piece)
    }

    /// No more of a line is read than an input may have.
    fn line(&mut self) -> anyhow::Result<Option<Payload>> {
        let mut bytes = Vec::new();
        // A line may begin with a byte order mark and end with \r\n; a byte more is over the limit.
        let most = self.limit as u64 + 6;
        let place = &self.place;
        self.file.by_ref().take(most).read_until(b'\n', &mut bytes).with_context(|| format!("cannot read {place}"))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.read = self.read.checked_add(1).context("a batch has no more than 2,147,483,647 items")?;
        let line = self.read;
        let text = match utf8(&bytes) {
            Ok(text) => text,
            Err(error) => bail!("line {line} of {place} is not UTF-8: {error}; nothing was started"),
        };
        if text.trim().is_empty() {
            bail!("line {line} of {place} is empty: remove it, or write {{}} for an empty input; nothing was started");
        }
        match Payload::parse(text, self.limit) {
            Ok(payload) => Ok(Some(payload)),
            Err(error) => bail!(
                "line {line} of {place}: {error}. Every line is the input of one run, as JSON; correct it, and start the \
                 batch again: nothing was started"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static [u8]) -> Lines {
        Lines::of(Box::new(text), "f", 20)
    }

    fn refusal(text: &'static [u8]) -> String {
        let mut lines = lines(text);
        loop {
            match lines.piece() {
                Ok(piece) => assert!(!piece.is_empty(), "nothing was refused"),
                Err(error) => return error.to_string(),
            }
        }
    }

    #[test]
    fn every_line_is_an_input_whatever_ends_it() {
        let mut lines = lines(b"\xef\xbb\xbf{\"n\":-0}\r\n[1.10]\n 1e999");
        let piece = lines.piece().unwrap();
        assert_eq!(piece.iter().map(Payload::as_str).collect::<Vec<_>>(), ["{\"n\":-0}", "[1.10]", "1e999"]);
        assert!(lines.piece().unwrap().is_empty());
    }

    #[test]
    fn what_is_no_input_is_refused_by_its_line() {
        assert!(refusal(b"1\n\n3\n").starts_with("line 2 of f is empty"));
        assert!(refusal(b"1\n2\n{\"a\": \n").starts_with("line 3 of f: it is not JSON"));
        assert!(refusal(b"\"\xff\"\n").starts_with("line 1 of f is not UTF-8: byte 2 is 0xFF"));
        assert!(refusal(b"\"0123456789012345678\"\n").starts_with("line 1 of f: it has 21 bytes"));
        assert!(refusal(b"1\n\"01234567890123456789 and much more, which is not read\"\n").contains("over the limit"));
    }

    #[test]
    fn the_largest_input_that_is_allowed_is_taken() {
        let mut lines = lines(b"\"012345678901234567\"\r\n1\n");
        assert_eq!(lines.piece().unwrap().len(), 2);
    }
}
