//! Files that are sent as a multipart form, and read while they are sent.

use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use reqwest::multipart::{Form, Part};

use crate::model::failure::Failure;
use crate::model::resource::out_of_descriptors;
use crate::stage::blocking::blocking;
use crate::stage::cached_file::GivenFile;
use crate::stage::command::{Folder, no_folder};
use crate::stage::fill::Filler;
use crate::stage::handler::Offer;
use crate::stage::stage_files;
use crate::workflow::definition::HttpStage;
use crate::workflow::form_file::FormFile;
use crate::workflow::named_file::NamedFile;

/// The input as the field `input`, and a field for each file.
pub(super) async fn form(
    stage: &HttpStage,
    filler: &Filler<'_>,
    offer: &Offer,
    stored: Option<&Stored>,
) -> Result<Form, Failure> {
    let folder = match &stage.dir {
        Some(dir) => PathBuf::from(filler.plain(dir)?),
        None => PathBuf::from("."),
    };
    let part = Part::text(offer.input.clone()).mime_str("application/json")?;
    let mut form = Form::new().part("input", part);
    for (at, (field, file)) in stage.files.iter().enumerate() {
        let (name, path) = match (file, stored) {
            (FormFile::OnDisk(place), _) => {
                let name = filler.place(place)?;
                let path = below(&folder, &name).await?;
                (name, path)
            }
            (FormFile::Stored(file), Some(stored)) => (file.to_string(), stored.give(at, file, offer).await?),
            (FormFile::Stored(file), None) => return Err(Failure::unknown(format!("there is no place for `{file}`"))),
        };
        let part = Part::file(&path).await.map_err(|error| unreadable(&name, &error))?;
        form = form.part(field.clone(), part);
    }
    Ok(form)
}

/// Files of the artifact store: verified before anything of them is sent. They are there for as long as this is.
#[derive(Debug)]
pub(super) struct Stored {
    // They go before their folder.
    given: Mutex<Vec<GivenFile>>,
    folder: Folder,
}

impl Stored {
    /// `None` where the stage sends none.
    pub(super) async fn of(stage: &HttpStage) -> Result<Option<Stored>, Failure> {
        if !stage.sends_stored_files() {
            return Ok(None);
        }
        let folder = blocking(Folder::make).await.map_err(|error| no_folder(&error))?;
        Ok(Some(Stored { given: Mutex::default(), folder }))
    }

    /// Whether what was sent is what the stages before this one made: a program of another attempt may have written into it.
    pub(super) async fn are_untouched(self) -> Result<(), Failure> {
        let are_untouched = blocking(move || {
            let given = self.given.into_inner().unwrap_or_else(PoisonError::into_inner);
            Ok(given.iter().all(GivenFile::is_untouched))
        });
        if are_untouched.await? {
            return Ok(());
        }
        Err(Failure::unknown(
            "a file was written into while it was sent, by a program of another stage; input files are read-only, let programs \
             write copies into $PITON_ARTIFACTS",
        ))
    }

    async fn give(&self, at: usize, file: &NamedFile, offer: &Offer) -> Result<PathBuf, Failure> {
        let found = stage_files::find(&offer.context.artifacts, &offer.input, file).await?;
        let [one] = found.as_slice() else {
            return Err(Failure::invalid_input(format!(
                "`file:{file}` is {} files, and a form field has one; name one of them",
                found.len()
            )));
        };
        // The name that the server sees is that of the file, without its folders.
        let name = one.name.rsplit('/').next().filter(|name| !matches!(*name, "" | "." | "..")).unwrap_or("file");
        let folder = self.folder.path().join(at.to_string());
        tokio::fs::create_dir(&folder).await?;
        let path = folder.join(name);
        let given = offer.context.artifacts.give(one, &path).await?;
        self.given.lock().unwrap_or_else(PoisonError::into_inner).push(given);
        Ok(path)
    }
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
