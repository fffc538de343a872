//! Files that go with a request, as a multipart form. They are read while they are sent.

use std::path::{Path, PathBuf};

use reqwest::multipart::{Form, Part};

use crate::model::failure::Failure;
use crate::stage::fill::Filler;
use crate::workflow::definition::HttpStage;

/// The input as the field `input`, and a field for each file.
pub(super) async fn form(stage: &HttpStage, filler: &Filler<'_>, input: &str) -> Result<Form, Failure> {
    let folder = match &stage.dir {
        Some(dir) => PathBuf::from(filler.plain(dir)?),
        None => PathBuf::from("."),
    };
    let part = Part::text(input.to_owned()).mime_str("application/json")?;
    let mut form = Form::new().part("input", part);
    for (field, place) in &stage.files {
        let name = filler.place(place)?;
        let path = below(&folder, &name).await?;
        let part = Part::file(&path).await.map_err(|error| unreadable(&name, &error))?;
        form = form.part(field.clone(), part);
    }
    Ok(form)
}

/// The file of that name in the folder: what comes from the input must not lead out of it.
async fn below(folder: &Path, name: &str) -> Result<PathBuf, Failure> {
    let real = async |path: &Path| tokio::fs::canonicalize(path).await;
    let folder = real(folder).await.map_err(|error| unreadable(&folder.display().to_string(), &error))?;
    let path = real(&folder.join(name)).await.map_err(|error| unreadable(name, &error))?;
    if !path.starts_with(&folder) {
        return Err(Failure::invalid_input(format!("the file `{name}` is not below the stage's folder (`dir`)")));
    }
    if !path.is_file() {
        return Err(Failure::invalid_input(format!("`{name}` is no file")));
    }
    Ok(path)
}

/// A file that is not here may be there later, or on another worker.
fn unreadable(name: &str, error: &std::io::Error) -> Failure {
    Failure::resource_unavailable(format!("cannot read `{name}`: {error}"))
}
