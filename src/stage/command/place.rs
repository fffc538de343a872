//! Where the files of an attempt are, and what its program writes.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::{files, inputs};
use crate::model::failure::Failure;
use crate::model::resource::{Resource, out_of_descriptors};

/// File that the program may write its output into, in the folder of its attempt.
pub(super) const OUTPUT: &str = "output";

/// File that it may report its progress in.
pub(super) const PROGRESS: &str = "progress";

/// Makes the places for the files that the program makes, and for those that it reads. Blocks.
pub(super) fn make_folders(place: &Path) -> io::Result<()> {
    let make = |folder| DirBuilder::new().mode(0o700).create(place.join(folder));
    [files::FOLDER, inputs::FOLDER].into_iter().try_for_each(make)
}

/// The stage has nothing to do with it.
pub(crate) fn no_folder(error: &io::Error) -> Failure {
    let place = std::env::temp_dir();
    let failure = Failure::resource_unavailable(format!(
        "no folder for the attempt can be made in {}: {error}; let TMPDIR name a folder that can be written to",
        place.display()
    ));
    failure.for_lack_of(out_of_descriptors(error).unwrap_or(Resource::TemporaryFolder))
}
