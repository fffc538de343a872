//! Why the artifact store cannot be used.

use crate::model::resource::Resource;
use crate::system::descriptors;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArtifactError {
    #[error("{folder} cannot be made: {source}")]
    Folder { folder: String, source: std::io::Error },
    #[error("{file}: {source}")]
    Unread { file: String, source: std::io::Error },
    #[error(transparent)]
    Store(#[from] object_store::Error),
    #[error("{0} is no regular file")]
    NoFile(String),
    #[error("what was written was read back changed")]
    Changed,
    /// What was to be kept could not be read; the store is not to blame.
    #[error(transparent)]
    Source(std::io::Error),
}

impl ArtifactError {
    /// Whether nothing is at the address.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            ArtifactError::Store(object_store::Error::NotFound { .. }) => true,
            ArtifactError::Unread { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            ArtifactError::Folder { .. }
            | ArtifactError::Store(_)
            | ArtifactError::NoFile(_)
            | ArtifactError::Changed
            | ArtifactError::Source(_) => false,
        }
    }

    /// Which kind of descriptors this machine had none left of, where that is why.
    pub(crate) fn lacking_descriptors(&self) -> Option<Resource> {
        match self {
            ArtifactError::Folder { source, .. }
            | ArtifactError::Unread { source, .. }
            | ArtifactError::Source(source) => descriptors::lacking(source),
            ArtifactError::Store(error) => descriptors::lacking(error),
            ArtifactError::NoFile(_) | ArtifactError::Changed => None,
        }
    }
}
