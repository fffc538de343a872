//! Files that are sent as a multipart form, and read while they are sent.

use std::path::{Component, Path, PathBuf};

use reqwest::multipart::{Form, Part};

use crate::model::failure::Failure;
use crate::model::resource::out_of_descriptors;
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
    // Said of a name before its file is looked for, so that it tells nothing of what is outside.
    let path = folder.join(name);
    if leads_out(&folder, &path) {
        return Err(outside(name));
    }
    let path = real(&path).await.map_err(|error| unreadable(name, &error))?;
    if !path.starts_with(&folder) {
        return Err(outside(name));
    }
    if !path.is_file() {
        return Err(Failure::invalid_input(format!("`{name}` is no file")));
    }
    Ok(path)
}

/// Whether a path is not below the folder, or leaves it on its way.
fn leads_out(folder: &Path, path: &Path) -> bool {
    let Ok(inside) = path.strip_prefix(folder) else { return true };
    let step = |depth: usize, part| match part {
        Component::Normal(_) => Some(depth + 1),
        Component::ParentDir => depth.checked_sub(1),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => Some(depth),
    };
    inside.components().try_fold(0, step).is_none()
}

fn outside(name: &str) -> Failure {
    Failure::invalid_input(format!("the file `{name}` is not below the stage's folder (`dir`)"))
}

/// A file that is not here may be there later, or on another worker.
fn unreadable(name: &str, error: &std::io::Error) -> Failure {
    Failure::resource_unavailable(format!("cannot read `{name}`: {error}")).for_lack_of(out_of_descriptors(error))
}
