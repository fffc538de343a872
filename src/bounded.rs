//! Reads files and streams only up to a limit: whoever names one may name an endless one.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes of a file with settings: more than any has.
pub(crate) const SETTINGS: usize = 16 << 20;

/// What it begins with: all of it, where it has no more than that many bytes.
pub(crate) fn beginning(from: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// All of it; an error where it has more.
pub(crate) fn whole(from: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let bytes = beginning(from, most.saturating_add(1))?;
    if bytes.len() > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

/// A whole file.
pub(crate) fn file(path: impl AsRef<Path>, most: usize) -> io::Result<Vec<u8>> {
    whole(File::open(path)?, most)
}

/// A whole file of UTF-8.
pub(crate) fn text(path: impl AsRef<Path>, most: usize) -> io::Result<String> {
    String::from_utf8(file(path, most)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_beyond_its_limit() {
        assert_eq!(whole(&b"four"[..], 4).unwrap(), b"four");
        let endless = || io::repeat(b'x');
        assert_eq!(beginning(endless(), 3).unwrap(), b"xxx");
        let refused = whole(endless(), 4).unwrap_err();
        assert_eq!(
            (refused.kind(), refused.to_string().as_str()),
            (io::ErrorKind::FileTooLarge, "it has more than 4 bytes")
        );
        assert!(text("/dev/zero", 1000).is_err());
    }
}
