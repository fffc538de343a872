//! A folder for the artifacts of a test.

use std::path::{Path, PathBuf};

use uuid::Uuid;

/// The artifact store makes it with the first artifact; it goes with the test.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Default for Folder {
    fn default() -> Folder {
        Folder(std::env::temp_dir().join(format!("piton-artifacts-{}", Uuid::now_v7().simple())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Mostly there is none.
        std::fs::remove_dir_all(&self.0).ok();
    }
}
