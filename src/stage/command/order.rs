//! What a guard is to start: the worker writes it, the guard reads it.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::environment::Filled;
use super::limits::Limits;

/// A program with all that it gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// The folder of its attempt.
    pub(super) folder: PathBuf,
    /// Where it starts, unless that is where its worker did.
    pub(super) dir: Option<PathBuf>,
    pub(super) limits: Limits,
    pub(super) argv: Vec<OsString>,
    pub(super) env: Vec<(OsString, OsString)>,
    /// For its standard input.
    pub(super) input: Vec<u8>,
}

/// The order without its input, which comes behind it: two lengths, and words that end with a zero byte.
pub(super) fn written(filled: &Filled, folder: &Path, limits: Limits, input: usize) -> io::Result<Vec<u8>> {
    let mut words = Words(Vec::new());
    words.push(folder.as_os_str())?;
    // As many words as there are folders: none or one.
    words.push(OsStr::new(if filled.dir.is_some() { "1" } else { "0" }))?;
    filled.dir.iter().try_for_each(|dir| words.push(dir.as_os_str()))?;
    words.push(OsStr::new(&limits.to_string()))?;
    words.push(OsStr::new(&filled.argv.len().to_string()))?;
    for argument in &filled.argv {
        words.push(OsStr::new(argument))?;
    }
    for (name, value) in &filled.env {
        words.push(name)?;
        words.push(value)?;
    }
    let lengths = [words.0.len() as u64, input as u64].map(u64::to_le_bytes).concat();
    Ok([lengths, words.0].concat())
}

struct Words(Vec<u8>);

impl Words {
    fn push(&mut self, word: &OsStr) -> io::Result<()> {
        if word.as_bytes().contains(&0) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "nul byte found in provided data"));
        }
        self.0.extend_from_slice(word.as_bytes());
        self.0.push(0);
        Ok(())
    }
}

impl Order {
    /// An error when the worker is gone before it has sent all of it.
    pub(super) fn read(mut from: impl Read) -> io::Result<Order> {
        let mut length = || {
            let mut bytes = [0; 8];
            from.read_exact(&mut bytes).map(|()| u64::from_le_bytes(bytes))
        };
        let (words, input) = (length()?, length()?);
        let mut read = |length: u64| {
            let mut bytes = Vec::new();
            from.by_ref().take(length).read_to_end(&mut bytes)?;
            if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof)) }
        };
        let (words, input) = (read(words)?, read(input)?);
        Order::of(&words, input).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn of(words: &[u8], input: Vec<u8>) -> Option<Order> {
        let mut words =
            words.strip_suffix(&[0])?.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec()));
        let folder = words.next()?.into();
        let dir = if words.next()? == "1" { Some(words.next()?.into()) } else { None };
        let limits = Limits::read(&words.next()?)?;
        let count = words.next()?.to_str()?.parse().ok()?;
        let argv = words.by_ref().take(count).collect();
        let mut env = Vec::new();
        while let Some(name) = words.next() {
            env.push((name, words.next()?));
        }
        Some(Order { folder, dir, limits, argv, env, input })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Filled {
        let not_text = OsString::from_vec(vec![b'x', 0xff]);
        Filled {
            program: "sh".to_owned(),
            argv: ["sh", "", "a\nb"].map(str::to_owned).to_vec(),
            env: [("A".into(), "".into()), ("B".into(), not_text)].into(),
            dir: None,
        }
    }

    #[test]
    fn an_order_is_read_as_it_was_written() {
        let limits = Limits { memory: Some(7), descriptors: None };
        for dir in [None, Some("".into()), Some(PathBuf::from("/tmp/there"))] {
            let filled = Filled { dir: dir.clone(), ..filled() };
            let mut bytes = written(&filled, Path::new("/tmp/attempt"), limits, 3).unwrap();
            bytes.extend(b"1\0 and what comes behind it");
            let order = Order::read(&bytes[..]).unwrap();
            let env = filled.env.into_iter().collect();
            let argv = filled.argv.into_iter().map(OsString::from).collect();
            let folder = PathBuf::from("/tmp/attempt");
            assert_eq!(order, Order { folder, dir, limits, argv, env, input: b"1\0 ".to_vec() });
        }
    }

    #[test]
    fn half_an_order_is_none() {
        let limits = Limits { memory: None, descriptors: None };
        let mut bytes = written(&filled(), Path::new("/tmp"), limits, 3).unwrap();
        bytes.extend(b"12");
        for length in 0..bytes.len() {
            assert_eq!(Order::read(&bytes[..length]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "{length}");
        }
        let env = [("A".into(), "\0".into())].into();
        let refused = written(&Filled { env, ..filled() }, Path::new("/tmp"), limits, 0).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    }
}
