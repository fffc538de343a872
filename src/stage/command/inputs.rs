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
use crate::stage::cached_file::GivenFile;
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
    /// Each file once, with its id.
    given: BTreeMap<PathBuf, (uuid::Uuid, GivenFile)>,
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
        let id = file.id;
        let mut path = folder.join(way(file, is_of_the_run(named), None)?);
        if self.given.get(&path).is_some_and(|(other, _)| *other != id) {
            path = folder.join(way(file, is_of_the_run(named), Some(id))?);
        }
        let Some(text) = path.to_str().map(str::to_owned) else {
            return Err(Failure::resource_unavailable("the worker's folder for temporary files has no name in UTF-8"));
        };
        if let Entry::Vacant(place) = self.given.entry(path) {
            make_way(place.key()).await?;
            let given = offer.context.artifacts.give(file, place.key()).await?;
            place.insert((id, given));
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
            let mut changed = self.given.into_values().filter(|(_, file)| !file.is_untouched());
            Ok(changed.next().map(|(_, file)| file.path().to_owned()))
        });
        match changed.await? {
            None => Ok(()),
            Some(path) => Err(Failure::unknown(format!(
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
    way.extend(parts.into_iter().map(short_enough));
    Ok(way)
}

/// A part of a name as a file system takes it: of one that is too long, its end. Names that were not text are longer than they were.
fn short_enough(part: String) -> String {
    const LONGEST: usize = 255;
    let mut from = part.len().saturating_sub(LONGEST);
    while !part.is_char_boundary(from) {
        from += 1;
    }
    if from == 0 { part } else { part.get(from..).unwrap_or_default().to_owned() }
}

async fn make_way(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(path).to_owned();
    Ok(blocking(move || folders_of(&folder)).await?)
}

fn folders_of(folder: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).recursive(true).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, item: i32) -> Whole {
        let (address, digest, stage) = (String::new(), Vec::new(), "s".to_owned());
        Whole { id: uuid::Uuid::nil(), run: 1, name: name.to_owned(), address, bytes: 0, digest, stage, item }
    }

    #[test]
    fn no_name_leads_out_of_the_folder_or_is_too_long_for_it() {
        let way = |name: &str| way(&file(name, 3), false, None);
        for wrong in ["", "/etc/passwd", "../x", "a/../../x", "a//b", ".", "a/", "a\0b"] {
            assert!(way(wrong).is_err(), "{wrong:?}");
        }
        for right in ["a\nb", "Ä b/c", "Ä", ".hidden", "...", "{{file:x}}", "-rf"] {
            assert_eq!(way(right).unwrap(), Path::new("s/3").join(right));
        }
        let long = way(&format!("d/{}.txt", "é".repeat(300))).unwrap();
        let name = long.file_name().unwrap().to_str().unwrap();
        assert!((254..=255).contains(&name.len()) && name.ends_with("é.txt"), "{name}");
    }
}
