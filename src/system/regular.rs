//! Opens regular files, and nothing else that may be in their place: opening a FIFO would wait for a writer, for ever.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// The file itself, to be read. What a link names may be anywhere, so that a link is no file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    opened(path, OFlags::NOFOLLOW, Path::symlink_metadata)
}

/// The file itself, or the one that a link leads to.
pub(crate) fn follow(path: &Path) -> io::Result<File> {
    opened(path, OFlags::empty(), Path::metadata)
}

fn opened(path: &Path, flags: OFlags, about: fn(&Path) -> io::Result<Metadata>) -> io::Result<File> {
    let flags = (flags | OFlags::NONBLOCK).bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    // What cannot be opened may be a link or a socket, which the system says in other words.
    let kind = match &opened {
        Ok(file) => file.metadata(),
        Err(_) => about(path),
    };
    match kind {
        Ok(kind) if !kind.is_file() => Err(is_no_file(kind.file_type())),
        Ok(_) | Err(_) => opened,
    }
}

fn is_no_file(kind: FileType) -> io::Error {
    let what = if kind.is_symlink() {
        "a link"
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what} and no regular file"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_regular_files_are_opened_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "text").unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        symlink(path("file"), path("link")).unwrap();
        symlink(path("fifo"), path("link-to-fifo")).unwrap();
        let _socket = UnixListener::bind(path("socket")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap();
        assert!(made.success());
        assert_eq!(io::read_to_string(open(&path("file")).unwrap()).unwrap(), "text");
        assert!(follow(&path("link")).is_ok());
        let said = |refused: io::Result<File>| refused.unwrap_err().to_string();
        for (name, what) in [("folder", "a folder"), ("link", "a link"), ("fifo", "a FIFO"), ("socket", "a socket")] {
            assert_eq!(said(open(&path(name))), format!("it is {what} and no regular file"));
        }
        assert_eq!(said(open(Path::new("/dev/null"))), "it is a device and no regular file");
        assert_eq!(said(follow(&path("link-to-fifo"))), "it is a FIFO and no regular file");
        assert_eq!(open(&path("nothing")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
