//! What is made under a name of its own and gets its real one by a rename, so that no half of it is ever used.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A new name in `dir` each time: whoever was at work under an old one may still be.
pub(super) fn path(dir: &Path, prefix: &str) -> PathBuf {
    dir.join(format!("{prefix}{}", uuid::Uuid::now_v7().simple()))
}

/// Removes what interrupted attempts left. Being untidy is no reason not to go on, so failures are only told.
pub(super) fn sweep(dir: &Path, prefix: &str) {
    let remove_all = || -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    };
    if let Err(error) = remove_all() {
        tracing::warn!(folder = %dir.display(), %error, "what an interrupted attempt left could not be removed");
    }
}
