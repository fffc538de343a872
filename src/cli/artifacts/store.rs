//! Which artifact store a command uses.

use std::path::PathBuf;

use crate::artifacts::Artifacts;
use crate::cli::args::{ArtifactStoreArgs, Global};
use crate::config;

/// Where files of stages are: the store that is named, or the folder in the data folder.
pub(crate) fn store(global: &Global, args: &ArtifactStoreArgs) -> Option<Artifacts> {
    args.artifacts.clone().or_else(|| Some(Artifacts::in_folder(data_folder(global)?.join("artifacts"))))
}

/// A user without a home has no data folder either.
pub(crate) fn data_folder(global: &Global) -> Option<PathBuf> {
    global.data_dir.clone().or_else(config::data_folder)
}
