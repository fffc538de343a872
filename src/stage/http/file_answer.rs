//! An answer of any size, kept as a file.

use reqwest::Response;
use reqwest::header::CONTENT_TYPE;

use super::opened::Opened;
use crate::model::artifact::{self, ArtifactName, ArtifactType};
use crate::model::failure::Failure;
use crate::model::payload::Payload;
use crate::stage::artifacts::{AttemptArtifacts, Kept};
use crate::stage::kept_files;
use crate::workflow::definition::HttpStage;
use crate::workflow::named_file::FileName;

/// What the file is called where the stage does not say it.
const NAME: &str = "answer";

/// Streams the body into the artifact store; the output refers to it.
pub(super) async fn keep(
    stage: &HttpStage,
    response: Response,
    artifacts: &AttemptArtifacts,
    most: usize,
) -> Result<Payload, Failure> {
    let name = stage.file.as_ref().map_or(NAME, FileName::as_str);
    let name = ArtifactName::of_path(&name.split('/').map(str::to_owned).collect::<Vec<_>>())?;
    let opened = Opened::of(response).await?;
    let said = opened.headers.get(CONTENT_TYPE).and_then(|said| said.to_str().ok());
    let content_type = said.and_then(|said| artifact::content_type(said).ok());
    let kept = Kept { name, declared: ArtifactType::output(), content_type, bytes: opened.length };
    let file = artifacts.put(kept, opened.body).await?;
    let output = Payload::parse("{}", most).map_err(|error| Failure::invalid_input(error.to_string()))?;
    Ok(kept_files::listed(output, &[file], most))
}
