//! The file that the server, `initdb` and the supervisor write to.

use super::error::EmbeddedError;
use super::folder::Folder;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

/// Past this, the log starts again from nothing.
const MAX_BYTES: u64 = 10 * 1024 * 1024;

/// How much of the log an error may show.
const TAIL_BYTES: u64 = 4096;
const TAIL_LINES: usize = 12;

/// Opens the log for appending. It is the owner's alone: a failed statement in it may hold data.
pub(crate) fn open(folder: &Folder) -> Result<File, EmbeddedError> {
    let path = folder.log();
    let file = File::options().create(true).append(true).mode(0o600).open(&path);
    file.map_err(EmbeddedError::file("open", &path))
}

/// Empties the log if it has grown too long. Its writers go on at the new end, since all append.
pub(crate) fn trim(folder: &Folder) -> Result<(), EmbeddedError> {
    let path = folder.log();
    match fs::metadata(&path) {
        Ok(metadata) if metadata.len() > MAX_BYTES => {
            open(folder)?.set_len(0).map_err(EmbeddedError::file("empty", &path))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The log's last lines, for an error; empty if it cannot be read.
pub(crate) fn tail(folder: &Folder) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(folder.log())?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
