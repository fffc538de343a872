//! An artifact that a handler is about to store: its name, its type, and its bytes.

use std::path::Path;

use tokio::io::AsyncRead;

use super::artifacts::{AttemptArtifacts, Kept};
use super::blocking::blocking;
use crate::model::artifact::{self, Artifact, ArtifactName, ArtifactType};
use crate::model::failure::Failure;
use crate::system::regular;

/// An artifact before it is kept, from [`StageContext::artifact`](crate::StageContext::artifact).
///
/// Names, types and content types are checked when it is put: what cannot be is a failure of class `invalid_input`.
#[derive(Debug, Clone)]
#[must_use = "nothing is kept before a put"]
pub struct NewArtifact {
    artifacts: AttemptArtifacts,
    name: String,
    declared: Option<String>,
    content_type: Option<String>,
}

impl NewArtifact {
    pub(super) fn new(artifacts: AttemptArtifacts, name: &str) -> NewArtifact {
        NewArtifact { artifacts, name: name.to_owned(), declared: None, content_type: None }
    }

    /// What it is: `output` (where this is not called), `preview`, `temp`, or a word of your own of up to 63 small letters,
    /// digits and `_`. `pending`, `failed`, `orphan` and `dead_letter` are given by Piton.
    pub fn of_type(mut self, word: &str) -> NewArtifact {
        self.declared = Some(word.to_owned());
        self
    }

    /// Its media type, such as `text/plain`; at most 255 bytes. It is kept and shown, and means nothing to Piton.
    pub fn content_type(mut self, media_type: &str) -> NewArtifact {
        self.content_type = Some(media_type.to_owned());
        self
    }

    /// Keeps a file's bytes as they are now. The file stays where it is. See [`StageContext::put_file`] for what may happen.
    ///
    /// [`StageContext::put_file`]: crate::StageContext::put_file
    pub async fn put_file(self, path: impl AsRef<Path>) -> Result<Artifact, Failure> {
        let kept = self.checked()?;
        let path = path.as_ref();
        let file = blocking({
            let path = path.to_owned();
            move || regular::follow(&path)
        });
        let file = file.await.map_err(|error| {
            Failure::from(error).map_message(|said| format!("`{}` cannot be kept: {said}", path.display()))
        })?;
        let bytes = file.metadata().ok().map(|about| about.len());
        self.artifacts.put(Kept { bytes, ..kept }, tokio::fs::File::from_std(file)).await
    }

    /// Keeps these bytes.
    pub async fn put_bytes(self, bytes: impl AsRef<[u8]>) -> Result<Artifact, Failure> {
        let kept = Kept { bytes: Some(bytes.as_ref().len() as u64), ..self.checked()? };
        self.artifacts.put(kept, bytes.as_ref()).await
    }

    /// Keeps what is read, to its end, such as an answer that is still coming in. What cannot be read to its end is not
    /// kept, and is a failure of the class that the error stands for.
    pub async fn put(self, from: impl AsyncRead + Unpin) -> Result<Artifact, Failure> {
        let kept = self.checked()?;
        self.artifacts.put(kept, from).await
    }

    fn checked(&self) -> Result<Kept, Failure> {
        let declared = self.declared.as_deref().map_or_else(|| Ok(ArtifactType::output()), ArtifactType::parse)?;
        let content_type = self.content_type.as_deref().map(artifact::content_type).transpose()?;
        Ok(Kept { name: ArtifactName::parse(&self.name)?, declared, content_type, bytes: None })
    }
}
