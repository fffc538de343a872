//! The files that a program reads, in a folder of its attempt: `$PITON_INPUTS/STAGE/NAME`, and for the items of a fan-out
//! `$PITON_INPUTS/STAGE/ITEM/NAME`.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::artifact::{ArtifactName, in_a_line};
use crate::model::failure::Failure;
use crate::model::id::NO_ITEM;
use crate::stage::blocking::blocking;
use crate::stage::file_cache::is_untouched;
use crate::stage::fill::FilesByText;
use crate::stage::handler::Offer;
use crate::stage::stage_files;
use crate::store::artifacts::Whole;
use crate::workflow::definition::CommandStage;
use crate::workflow::duration;
use crate::workflow::named_file::NamedFile;
use crate::workflow::template::Template;

/// The folder's name in that of the attempt.
pub(super) const FOLDER: &str = "inputs";

/// The files of one attempt.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    /// Where each file is, by the text that names it.
    by_text: FilesByText,
    /// Each file once, with its size.
    given: BTreeMap<PathBuf, (uuid::Uuid, u64)>,
}

impl Inputs {
    /// Fetches what the stage names.
    pub(super) async fn fetch(stage: &CommandStage, offer: &Offer, folder: &Path) -> Result<Inputs, Failure> {
        let mut inputs = Inputs::default();
        let named: HashSet<&NamedFile> =
            stage.argv.iter().chain(stage.env.values()).flat_map(Template::files).collect();
        for file in named {
            let found = stage_files::find(&offer.context.artifacts, &offer.input, file).await?;
            let mut paths = Vec::with_capacity(found.len());
            for found in &found {
                paths.push(inputs.give(found, file, offer, folder).await?);
            }
            inputs.by_text.insert(file.clone(), paths);
        }
        Ok(inputs)
    }

    pub(super) fn by_text(&self) -> &FilesByText {
        &self.by_text
    }

    async fn give(&mut self, file: &Whole, named: &NamedFile, offer: &Offer, folder: &Path) -> Result<String, Failure> {
        let (id, bytes) = (file.id, u64::try_from(file.bytes).unwrap_or_default());
        let mut path = folder.join(way(file, is_of_the_run(named), None)?);
        if self.given.get(&path).is_some_and(|(other, _)| *other != id) {
            path = folder.join(way(file, is_of_the_run(named), Some(id))?);
        }
        let Some(text) = path.to_str().map(str::to_owned) else {
            return Err(Failure::resource_unavailable("the worker's folder for temporary files has no name in UTF-8"));
        };
        if let Entry::Vacant(place) = self.given.entry(path) {
            make_way(place.key()).await?;
            offer.context.artifacts.give(file, place.key()).await?;
            place.insert((id, bytes));
        }
        Ok(text)
    }

    /// Whether the program has read what the stages before it made: links share a file, and another program may have written into
    /// it meanwhile.
    pub(super) async fn are_untouched(self) -> Result<(), Failure> {
        if self.given.is_empty() {
            return Ok(());
        }
        let changed = blocking(move || {
            Ok(self
                .given
                .into_iter()
                .find(|(path, (_, bytes))| path.symlink_metadata().is_ok() && !is_untouched(path, *bytes)))
        });
        match changed.await? {
            None => Ok(()),
            Some((path, _)) => Err(Failure::unknown(format!(
                "an input file was written into while the command ran: {}; input files are read-only, let programs write copies \
                 into $PITON_ARTIFACTS",
                in_a_line(&path.file_name().unwrap_or_default().to_string_lossy())
            ))),
        }
    }
}

pub(super) fn took_too_long(limit: Duration) -> Failure {
    let limit = duration::words(limit);
    Failure::network_timeout(format!("its files were not fetched within the stage's timeout of {limit}"))
}

/// Makes the folders of files that are to be made.
pub(super) fn make_ways_out(stage: &CommandStage, artifacts: &Path) -> io::Result<()> {
    let outs = stage.argv.iter().chain(stage.env.values()).flat_map(Template::outs);
    let folders = outs.filter_map(|name| Path::new(name).parent()).filter(|folder| !folder.as_os_str().is_empty());
    folders.map(|folder| artifacts.join(folder)).try_for_each(|folder| folders_of(&folder))
}

fn is_of_the_run(named: &NamedFile) -> bool {
    match named {
        NamedFile::Of { head, .. } => head == "input",
        NamedFile::At(place) => place.head == "input",
    }
}

/// The way to a file from the folder of inputs.
fn way(file: &Whole, is_of_the_run: bool, apart: Option<uuid::Uuid>) -> Result<PathBuf, Failure> {
    // Written by Piton, and possibly changed since: no name may lead out of the folder.
    let parts: Vec<String> = file.name.split('/').map(str::to_owned).collect();
    ArtifactName::of_path(&parts)?;
    let mut way = PathBuf::from(if is_of_the_run { "input" } else { file.stage.as_str() });
    if file.item != NO_ITEM && !is_of_the_run {
        way.push(file.item.to_string());
    }
    way.extend(apart.map(|id| id.to_string()));
    way.extend(parts);
    Ok(way)
}

async fn make_way(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(path).to_owned();
    Ok(blocking(move || folders_of(&folder)).await?)
}

fn folders_of(folder: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).recursive(true).create(folder)
}
