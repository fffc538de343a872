//! The artifact store, where the files of stages are kept.

mod cloud;
mod error;
mod fetch;
mod folder;
mod place;
mod reader;
mod stored_file;
mod streamed;

use std::fmt;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};
use tokio::io::{AsyncRead, AsyncReadExt};

pub(crate) use self::error::ArtifactError;
pub(crate) use self::fetch::FetchError;
use self::place::Place;
pub use self::reader::ArtifactReader;
pub(crate) use self::reader::Expected;
pub(crate) use self::stored_file::StoredFile;
pub(crate) use self::streamed::Written;
use crate::model::address;

/// A folder of artifacts, or a bucket. Several workers may share a folder too, over a network.
#[derive(Debug, Clone)]
pub(crate) struct Artifacts {
    place: Place,
}

impl Artifacts {
    /// The store of that name: a folder, or a URL of a bucket.
    ///
    /// # Errors
    ///
    /// In words, where the name makes no sense or the environment has not what the bucket needs.
    pub(crate) fn at(name: &str) -> Result<Artifacts, String> {
        Ok(Artifacts { place: Place::parse(name)? })
    }

    pub(crate) fn in_folder(folder: std::path::PathBuf) -> Artifacts {
        Artifacts { place: Place::Folder(folder) }
    }

    /// What it is called, wherever it is asked from.
    pub(crate) fn name(&self) -> std::ffi::OsString {
        match self.folder() {
            Some(folder) => std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()).into(),
            None => self.to_string().into(),
        }
    }

    /// The folder on this machine, where it is one.
    pub(crate) fn folder(&self) -> Option<&std::path::Path> {
        match &self.place {
            Place::Folder(folder) => Some(folder),
            Place::Bucket { .. } => None,
        }
    }

    /// Writes what is read, to its end, piece by piece. `bytes` is how many there will be, if that is known. Nothing is at the
    /// address before all of it is.
    pub(crate) async fn put(
        &self,
        address: &str,
        from: impl AsyncRead + Unpin,
        bytes: Option<u64>,
    ) -> Result<Written, ArtifactError> {
        let store = self.place.open().await?;
        let place = Path::parse(address).map_err(object_store::Error::from)?;
        self.in_folder_of(&place, folder::make_way).await;
        let written = streamed::put(&*store, &place, from, bytes).await?;
        self.in_folder_of(&place, folder::close).await;
        Ok(written)
    }

    /// Does some work on the way to a file, if the store is a folder.
    async fn in_folder_of(&self, place: &Path, work: fn(&std::path::Path, &std::path::Path)) {
        let Some(root) = self.folder().map(std::path::Path::to_owned) else { return };
        let file = root.join(place.as_ref());
        // It does not panic, and what is cancelled is no longer wanted.
        tokio::task::spawn_blocking(move || work(&root, &file)).await.ok();
    }

    /// What is at the address, to be read piece by piece, and held against what is expected there.
    pub(crate) async fn get(&self, address: &str, expected: Expected) -> Result<ArtifactReader, ArtifactError> {
        let place = Path::parse(address).map_err(object_store::Error::from)?;
        if let Some(folder) = self.folder() {
            place::refuse_what_is_no_file(&folder.join(place.as_ref())).await?;
        }
        let found = self.place.look()?.get(&place).await?;
        Ok(ArtifactReader::new(found.into_stream(), expected))
    }

    /// Whether a folder on this machine is the store that holds what is below that address; a bucket is the same one everywhere.
    pub(crate) fn is_known_to_hold(&self, below: &str) -> bool {
        self.folder().is_none_or(|folder| folder.join(below).is_dir())
    }

    /// Takes away what is at the address, also what a process that died there has left half done in a folder. Nothing is
    /// there afterwards, whatever was there before.
    pub(crate) async fn delete(&self, address: &str) -> Result<(), ArtifactError> {
        let place = Path::parse(address).map_err(object_store::Error::from)?;
        let store = self.place.open().await?;
        if let Some(folder) = self.folder() {
            place::delete_half_done(&folder.join(place.as_ref())).await;
        }
        match store.delete(&place).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            deleted => Ok(deleted?),
        }
    }

    /// Takes away a file that nobody knows of, unless a link leads to it by now.
    pub(crate) async fn delete_stray(&self, address: &str) -> Result<(), ArtifactError> {
        if self.folder().is_some_and(|root| folder::is_behind_a_link(root, &root.join(address))) {
            return Ok(());
        }
        self.delete(address).await
    }

    /// Every file of an artifact that is there, in no order. Links are not followed.
    pub(crate) async fn files(&self) -> Result<BoxStream<'static, Result<StoredFile, ArtifactError>>, ArtifactError> {
        let store = self.place.open().await?;
        if let Some(folder) = self.folder() {
            return Ok(folder::files(folder.to_owned()));
        }
        let files = store.list(Some(&Path::from(address::ROOT)));
        let file = |found: ObjectMeta| StoredFile {
            address: found.location.to_string(),
            bytes: found.size,
            modified: found.last_modified,
        };
        Ok(files.map(move |found| Ok(file(found?))).boxed())
    }

    /// Whether a file is at the address; what somebody put into its place is none. In a folder nothing is opened: a FIFO would
    /// wait for ever.
    pub(crate) async fn has(&self, address: &str) -> Result<bool, ArtifactError> {
        let place = Path::parse(address).map_err(object_store::Error::from)?;
        let store = self.place.open().await?;
        if let Some(folder) = self.folder() {
            return place::is_file(&folder.join(place.as_ref())).await;
        }
        match store.head(&place).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes, reads and deletes a small file of that name, out of the way of all others.
    pub(crate) async fn probe(&self, name: &str) -> Result<(), ArtifactError> {
        let address = Path::from(".probes").join(name);
        let written = self.put(address.as_ref(), name.as_bytes(), Some(name.len() as u64)).await?;
        let mut reader = self.get(address.as_ref(), Expected::probe(name, &written)).await?;
        let read = reader.read_to_end(&mut Vec::new()).await;
        self.delete(address.as_ref()).await?;
        read.map(|_| ()).map_err(|_| ArtifactError::Changed)
    }
}

impl fmt::Display for Artifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure::{Failure, FailureClass};

    fn files(folder: &std::path::Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn a_probe_leaves_nothing_and_tells_what_is_wrong() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("artifacts");
        let artifacts = Artifacts::in_folder(folder.clone());
        artifacts.probe("w1").await.unwrap();
        assert_eq!(files(&folder.join(".probes")), [""; 0]);
        std::fs::remove_dir_all(&folder).ok();
        std::fs::write(&folder, "").unwrap();
        assert!(artifacts.probe("w1").await.is_err());
    }

    #[tokio::test]
    async fn what_is_put_is_got_back_whatever_its_size_and_what_was_changed_is_told() {
        let root = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::in_folder(root.path().to_owned());
        for size in [0, 1, (5 << 20) - 1, 5 << 20, (11 << 20) + 7] {
            let bytes: Vec<u8> = (0..size).map(|n: u32| (n % 251) as u8).collect();
            let written = artifacts.put("runs/a/b.bin", &bytes[..], Some(u64::from(size))).await.unwrap();
            assert_eq!(written.bytes, u64::from(size));
            let mut read = Vec::new();
            let mut reader = artifacts.get("runs/a/b.bin", Expected::probe("b.bin", &written)).await.unwrap();
            reader.read_to_end(&mut read).await.unwrap();
            assert!(read == bytes, "of {size} bytes");
            std::fs::write(root.path().join("runs/a/b.bin"), [&bytes[..], b"x"].concat()).unwrap();
            let mut reader = artifacts.get("runs/a/b.bin", Expected::probe("b.bin", &written)).await.unwrap();
            let failure: Failure = reader.read_to_end(&mut read).await.unwrap_err().into();
            assert_eq!(failure.class(), FailureClass::CorruptCheckpoint, "of {size} bytes");
        }
        assert_eq!(files(&root.path().join("runs/a")), ["b.bin"]);
    }

    #[tokio::test]
    async fn only_a_regular_file_is_there_and_nothing_else_is_opened() {
        let root = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::in_folder(root.path().to_owned());
        artifacts.put("runs/a/b.bin", &b"x"[..], None).await.unwrap();
        let fifo = root.path().join("runs/a/fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        std::os::unix::fs::symlink(&fifo, root.path().join("runs/a/link")).unwrap();
        let has = async |address: &str| {
            let asked = tokio::time::timeout(std::time::Duration::from_secs(20), artifacts.has(address));
            asked.await.expect("an answer").unwrap()
        };
        assert!(has("runs/a/b.bin").await);
        for none in ["runs/a/fifo", "runs/a/link", "runs/a", "runs/a/nothing", "runs/a/b.bin/below"] {
            assert!(!has(none).await, "{none}");
        }
    }

    #[tokio::test]
    async fn deleting_leaves_nothing_also_of_what_was_half_done() {
        let root = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::in_folder(root.path().to_owned());
        artifacts.put("runs/a/b.bin", &b"x"[..], None).await.unwrap();
        std::fs::write(root.path().join("runs/a/b.bin#1"), "half").unwrap();
        artifacts.delete("runs/a/b.bin").await.unwrap();
        assert_eq!(files(root.path()), [""; 0], "nor of its folders");
        artifacts.delete("runs/a/b.bin").await.unwrap();
    }

    #[tokio::test]
    async fn what_cannot_be_read_to_its_end_is_not_there() {
        let root = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::in_folder(root.path().to_owned());

        let error = artifacts.put("runs/a/b.bin", breaks_off(), None).await.unwrap_err();
        assert!(matches!(error, ArtifactError::Source(_)), "{error}");
        assert!(artifacts.get("runs/a/b.bin", Expected::probe("b", &Written::default())).await.is_err());
    }

    /// Six mebibytes, and then an error.
    fn breaks_off() -> impl AsyncRead + Unpin {
        struct BreaksOff;
        impl AsyncRead for BreaksOff {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                _: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()))
            }
        }
        tokio::io::repeat(7).take(6 << 20).chain(BreaksOff)
    }
}
