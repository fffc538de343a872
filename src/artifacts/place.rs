//! Where artifacts are kept: a folder, or a bucket named by a URL.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreScheme};
use reqwest::Url;

use super::cloud;
use super::error::ArtifactError;
use super::folder;

#[derive(Clone)]
pub(super) enum Place {
    Folder(PathBuf),
    Bucket { url: Url, store: Arc<dyn ObjectStore> },
}

impl Place {
    pub(super) fn parse(name: &str) -> Result<Place, String> {
        if !name.contains("://") {
            return if name.is_empty() { Err(WANTED.to_owned()) } else { Ok(Place::Folder(PathBuf::from(name))) };
        }
        let url = Url::parse(name).map_err(|error| format!("{error}; {WANTED}"))?;
        if url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err("secrets and options come from the environment, not from the URL".to_owned());
        }
        let (scheme, prefix) = ObjectStoreScheme::parse(&url).map_err(|error| format!("{error}; {WANTED}"))?;
        let store = match scheme {
            ObjectStoreScheme::Local => {
                let folder =
                    url.to_file_path().map_err(|()| format!("it names no folder of this machine; {WANTED}"))?;
                return Ok(Place::Folder(folder));
            }
            ObjectStoreScheme::AmazonS3 => cloud::s3(name, prefix)?,
            ObjectStoreScheme::GoogleCloudStorage => cloud::gcs(name, prefix)?,
            ObjectStoreScheme::MicrosoftAzure => cloud::azure(name, prefix)?,
            _ => return Err(WANTED.to_owned()),
        };
        Ok(Place::Bucket { url, store })
    }

    /// To write into it: a folder that is not there is made.
    pub(super) async fn open(&self) -> Result<Arc<dyn ObjectStore>, ArtifactError> {
        if let Place::Folder(folder) = self {
            let root = folder.clone();
            let made = tokio::task::spawn_blocking(move || folder::make(&root))
                .await
                .unwrap_or_else(|error| Err(error.into()));
            made.map_err(|source| ArtifactError::Folder { folder: folder.display().to_string(), source })?;
        }
        self.look()
    }

    /// To read from it: a wrong folder shows itself, for none is made.
    pub(super) fn look(&self) -> Result<Arc<dyn ObjectStore>, ArtifactError> {
        Ok(match self {
            Place::Folder(folder) => {
                let store = LocalFileSystem::new_with_prefix(folder)?;
                Arc::new(store.with_fsync(true).with_automatic_cleanup(true))
            }
            Place::Bucket { store, .. } => Arc::clone(store),
        })
    }
}

const WANTED: &str = "name a folder, or a bucket: s3://bucket/path, gs://bucket/path or abfss://container@account.dfs.core.windows.net/path";

/// What somebody put into the place of a file: to open a FIFO would wait for ever. What is not there says so when it is opened.
pub(super) async fn refuse_what_is_no_file(path: &Path) -> Result<(), ArtifactError> {
    match tokio::fs::metadata(path).await {
        Ok(about) if !about.is_file() => Err(ArtifactError::NoFile(path.display().to_string())),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Whether a regular file is there, which is not opened.
pub(super) async fn is_file(path: &Path) -> Result<bool, ArtifactError> {
    match tokio::fs::metadata(path).await {
        Ok(about) => Ok(about.is_file()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(source) => Err(ArtifactError::Unread { file: path.display().to_string(), source }),
    }
}

/// A file is written beside its place, under its name, a `#` and a number. One that stays is no harm but for its size.
pub(super) async fn delete_half_done(file: &Path) {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name().and_then(|name| name.to_str())) else {
        return;
    };
    let Ok(mut entries) = tokio::fs::read_dir(folder).await else { return };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let found = entry.file_name();
        let number = found.to_str().and_then(|found| found.strip_prefix(name)?.strip_prefix('#'));
        if number.is_some_and(|number| number.parse::<u64>().is_ok()) {
            tokio::fs::remove_file(entry.path()).await.ok();
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Folder(folder) => folder.display().fmt(f),
            Place::Bucket { url, .. } => url.fmt(f),
        }
    }
}

/// By its name: a client knows secrets.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(name: &str) -> Result<String, String> {
        rustls::crypto::ring::default_provider().install_default().ok();
        Place::parse(name).map(|place| place.to_string())
    }

    #[test]
    fn a_folder_is_a_folder_and_a_url_is_a_bucket() {
        for name in ["artifacts", "/srv/artifacts"] {
            assert_eq!(parsed(name).as_deref(), Ok(name));
        }
        assert_eq!(parsed("file:///srv/artifacts").as_deref(), Ok("/srv/artifacts"));
    }

    #[test]
    fn a_bucket_of_a_cloud_that_was_left_out_is_refused_with_the_feature_that_it_needs() {
        for (name, feature, has_it) in [
            ("s3://media/videos", "aws", cfg!(feature = "aws")),
            ("gs://media", "gcp", cfg!(feature = "gcp")),
            ("abfss://media@films.dfs.core.windows.net/a", "azure", cfg!(feature = "azure")),
        ] {
            match parsed(name) {
                Ok(parsed) => assert!(has_it && parsed == name, "{parsed}"),
                Err(said) => assert!(!has_it && said.contains(&format!("needs Piton's feature `{feature}`")), "{said}"),
            }
        }
    }

    #[test]
    fn what_names_no_store_is_refused_with_what_would() {
        for name in ["", "s3://", "ftp://media", "https://example.com/media", "memory:///", "file://other/srv"] {
            let said = parsed(name).unwrap_err();
            assert!(said.contains("s3://bucket/path"), "{name}: {said}");
        }
        // Whose the container is, nobody told.
        let nobodys = cfg!(feature = "azure").then_some("az://media/a");
        for name in nobodys.into_iter().chain(["s3://key:secret@media", "s3://media?region=x", "s3://media#x"]) {
            let said = parsed(name).unwrap_err();
            assert!(said.contains("environment") && !said.contains("secret@"), "{name}: {said}");
        }
    }
}
