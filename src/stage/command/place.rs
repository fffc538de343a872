//! Where the files of an attempt are, and what its program writes.

use std::io;
use std::path::{Path, PathBuf};

use super::{files, inputs};
use crate::model::failure::Failure;
use crate::model::resource::{Resource, out_of_descriptors};
use crate::workflow::definition::CommandStage;

/// File that the program may write its output into, in the folder of its attempt.
pub(super) const OUTPUT: &str = "output";

/// Makes the folders of what the program reads and of what it makes; the latter's path.
pub(super) async fn make_folders(place: &Path, stage: &CommandStage) -> Result<PathBuf, Failure> {
    let files = place.join(files::FOLDER);
    for made in [&files, &place.join(inputs::FOLDER)] {
        tokio::fs::DirBuilder::new().mode(0o700).create(made).await.map_err(|error| no_folder(&error))?;
    }
    inputs::make_ways_out(stage, &files).map_err(|error| no_folder(&error))?;
    Ok(files)
}

/// The program has nothing to do with it.
pub(super) fn no_folder(error: &io::Error) -> Failure {
    let place = std::env::temp_dir();
    let failure = Failure::resource_unavailable(format!(
        "no folder for the command can be made in {}: {error}; let TMPDIR name a folder that can be written to",
        place.display()
    ));
    failure.for_lack_of(out_of_descriptors(error).unwrap_or(Resource::TemporaryFolder))
}
