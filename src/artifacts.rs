//! The artifact store: where files of stages are kept.

use std::path::PathBuf;

use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

/// A folder of artifacts. Several workers may share one, over a network too.
#[derive(Debug, Clone)]
pub(crate) struct Artifacts {
    folder: PathBuf,
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArtifactError {
    #[error("{folder} cannot be made: {source}")]
    Folder { folder: String, source: std::io::Error },
    #[error(transparent)]
    Store(#[from] object_store::Error),
    #[error("what was written was read back changed")]
    Changed,
}

impl Artifacts {
    pub(crate) fn in_folder(folder: PathBuf) -> Artifacts {
        Artifacts { folder }
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// Writes, reads and deletes a small file of that name, out of the way of all others.
    pub(crate) async fn probe(&self, name: &str) -> Result<(), ArtifactError> {
        let store = self.open().await?;
        let (place, written) = (Path::from(".probes").join(name), name.to_owned().into_bytes());
        store.put(&place, PutPayload::from(written.clone())).await?;
        let read = store.get(&place).await?.bytes().await?;
        store.delete(&place).await?;
        if *read == *written { Ok(()) } else { Err(ArtifactError::Changed) }
    }

    async fn open(&self) -> Result<LocalFileSystem, ArtifactError> {
        let made = tokio::fs::create_dir_all(&self.folder).await;
        made.map_err(|source| ArtifactError::Folder { folder: self.folder.display().to_string(), source })?;
        Ok(LocalFileSystem::new_with_prefix(&self.folder)?.with_fsync(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_probe_leaves_nothing_and_tells_what_is_wrong() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("artifacts");
        let artifacts = Artifacts::in_folder(folder.clone());
        artifacts.probe("w1").await.unwrap();
        assert_eq!(std::fs::read_dir(folder.join(".probes")).unwrap().count(), 0);
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::write(&folder, "").unwrap();
        assert!(artifacts.probe("w1").await.is_err());
    }
}
