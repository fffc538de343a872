//! The folder of a stage that is tried: it is named, and stays.

use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;

use crate::artifacts::Artifacts;
use crate::model::digest::hex;
use crate::stage::records::Memory;

/// What an attempt keeps, until it is over.
const KEPT: &str = "kept";
/// Where files of an attempt are, also those that a program leaves there itself.
const ARTIFACTS: &str = "artifacts";

/// A file that the attempt would have kept.
#[derive(Debug, Serialize)]
pub(super) struct KeptFile {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) digest: String,
    pub(super) path: PathBuf,
}

#[derive(Debug)]
pub(super) struct TryFolder(PathBuf);

impl TryFolder {
    /// A new folder, or an empty one; what is in it is nobody else's on this machine.
    pub(super) fn make(named: Option<&Path>) -> anyhow::Result<TryFolder> {
        let Some(named) = named else {
            let private = Permissions::from_mode(0o700);
            let made = tempfile::Builder::new().prefix("piton-try-").permissions(private).tempdir();
            let place = || format!("no folder can be made in {}; name one with --keep", std::env::temp_dir().display());
            return Ok(TryFolder(made.with_context(place)?.keep()));
        };
        let folder = std::path::absolute(named)?;
        let shown = folder.display();
        match fs::read_dir(&folder).map(|mut entries| entries.next().is_some()) {
            Ok(true) => {
                bail!("{shown} is not empty, and nothing in it is written over; name another folder with --keep")
            }
            Ok(false) => fs::set_permissions(&folder, Permissions::from_mode(0o700)).with_context(|| {
                format!("{shown} cannot be made yours alone, and it is to hold what the run holds; name another folder with --keep")
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let made = fs::DirBuilder::new().mode(0o700).recursive(true).create(&folder);
                made.with_context(|| format!("cannot make the folder {shown}"))?;
            }
            Err(error) => return Err(error).with_context(|| format!("{shown} is no folder to keep files in")),
        }
        Ok(TryFolder(folder))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Where outputs that come in files are.
    pub(super) fn needs(&self) -> anyhow::Result<PathBuf> {
        let folder = self.0.join("needs");
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(folder)
    }

    /// Writes the input as a program gets it, and says where.
    pub(super) fn write_input(&self, input: &str) -> anyhow::Result<PathBuf> {
        // Mostly no output comes in a file.
        fs::remove_dir(self.0.join("needs")).ok();
        let file = self.0.join("input.json");
        fs::write(&file, input).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    /// A store for what the attempt keeps.
    pub(super) fn kept(&self) -> Artifacts {
        Artifacts::in_folder(self.0.join(KEPT))
    }

    /// The files that the attempt has kept, all in one folder under their names.
    pub(super) fn gather(&self, memory: &Memory) -> anyhow::Result<Vec<KeptFile>> {
        let mut files = Vec::new();
        for noted in memory.artifacts() {
            let Some((bytes, digest)) = noted.whole else { continue };
            let name = noted.announced.name.as_str().to_owned();
            let path = self.0.join(ARTIFACTS).join(&name);
            if !path.is_file() {
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                fs::rename(self.0.join(KEPT).join(&noted.address), &path)?;
            }
            files.push(KeptFile { name, bytes, digest: hex(&digest), path });
        }
        // Links and copies of what is in the other folder.
        fs::remove_dir_all(self.0.join(KEPT)).ok();
        Ok(files)
    }
}
