//! Folders with everything in them, however deeply a program has nested them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Deletes a folder that nobody else may write into. Folders in it are moved up before they are emptied: one by one, so that depth
/// costs neither stack nor descriptors.
pub(crate) fn delete(folder: &Path) -> io::Result<()> {
    // No file of a program has such a name.
    let prefix = format!(".piton-{:016x}-", rand::random::<u64>());
    let (mut number, mut left) = (0u64, empty(folder, Ok)?);
    while let Some(inner) = left.pop() {
        let below = empty(&inner, |deeper| {
            let up = folder.join(format!("{prefix}{number}"));
            number += 1;
            fs::rename(&deeper, &up).map(|()| up)
        })?;
        left.extend(below);
        fs::remove_dir(&inner)?;
    }
    fs::remove_dir(folder)
}

/// Deletes its files. Says which folders were in it, after `each` had them.
fn empty(folder: &Path, mut each: impl FnMut(PathBuf) -> io::Result<PathBuf>) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Of a link, its own kind: what it leads to stays.
        if entry.file_type()?.is_dir() {
            folders.push(each(entry.path())?);
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_deleted_however_deep_it_is() {
        let root = tempfile::tempdir().unwrap();
        let outside = root.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "").unwrap();
        let folder = root.path().join("folder");
        // Each is made by itself and moved into the next: no path is that long.
        fs::create_dir(&folder).unwrap();
        for _ in 0..20_000 {
            let next = root.path().join("next");
            fs::create_dir(&next).unwrap();
            fs::write(next.join("file"), "").unwrap();
            fs::rename(&folder, next.join("d")).unwrap();
            fs::rename(&next, &folder).unwrap();
        }
        std::os::unix::fs::symlink(&outside, folder.join("link")).unwrap();
        delete(&folder).unwrap();
        assert!(!folder.exists() && outside.join("file").exists());
        assert!(delete(&folder).is_err());
    }
}
