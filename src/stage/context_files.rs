//! What a handler reads of the files of other stages.

use std::path::Path;

use super::blocking::blocking;
use super::cached_file::GivenFile;
use super::command::Folder;
use super::context::StageContext;
use super::stage_files;
use crate::model::artifact::{Artifact, in_a_line};
use crate::model::failure::Failure;
use crate::store::artifacts::Whole;
use crate::workflow::named_file::{FileName, NamedFile};

impl StageContext {
    /// The file that a stage has kept under that name, as in `render/video.mp4`: [`StageContext::open`] streams it, and
    /// [`StageContext::fetch`] gives it as a file. It does not matter whether a handler, a program or a server made it.
    ///
    /// Name a stage that this one needs: of another one it may be that it is not done yet. Where this stage is fanned out over the
    /// outputs of that one, it is the file of the same item.
    ///
    /// Fails as `invalid_input` where the stage has kept no file of that name, or several items have.
    ///
    /// ```no_run
    /// # use piton::{Failure, StageContext};
    /// async fn length(context: StageContext) -> Result<u64, Failure> {
    ///     let video = context.file("render/video.mp4").await?;
    ///     let video = context.fetch(&video).await?;
    ///     Ok(std::fs::metadata(video.path())?.len())
    /// }
    /// ```
    pub async fn file(&self, name: &str) -> Result<Artifact, Failure> {
        let found = self.files(name).await?;
        match <[Artifact; 1]>::try_from(found) {
            Ok([one]) => Ok(one),
            Err(several) => Err(Failure::invalid_input(format!(
                "`{}` is {} files; take all of them with `files`",
                in_a_line(name),
                several.len()
            ))),
        }
    }

    /// The files that a stage has kept under such names, as in `pages/*.png`, by item and name: `*` and `?` stand for letters other
    /// than `/`, `**` for any.
    pub async fn files(&self, names: &str) -> Result<Vec<Artifact>, Failure> {
        let Some((stage, name)) = of_a_stage(names) else {
            return Err(Failure::invalid_input(format!(
                "`{}` names no file of a stage; write a stage, a / and a name, such as \"render/video.mp4\"",
                in_a_line(names)
            )));
        };
        let found = stage_files::of_stage(&self.artifacts, &stage, &name).await?;
        Ok(found.iter().map(reference).collect())
    }

    /// The artifact as a file of this machine, for programs and libraries that want one: it is verified, read-only, and there for as
    /// long as what this returns. A file that several attempts of a worker fetch is fetched once.
    pub async fn fetch(&self, artifact: &Artifact) -> Result<FetchedFile, Failure> {
        let found = self.artifacts.find(artifact).await?;
        let folder = blocking(Folder::make).await?;
        let last = found.name.rsplit('/').next().filter(|name| !matches!(*name, "" | "." | ".."));
        // The folder's own lock is beside it.
        let within = folder.path().join("file");
        tokio::fs::create_dir(&within).await?;
        let path = within.join(last.unwrap_or("file"));
        let file = self.artifacts.give(&found, &path).await?;
        Ok(FetchedFile { file, _folder: folder })
    }
}

/// A file that [`StageContext::fetch`] has fetched. It is gone when this is dropped.
#[derive(Debug)]
pub struct FetchedFile {
    // Goes before its folder.
    file: GivenFile,
    _folder: Folder,
}

impl FetchedFile {
    /// Where it is. Its name is that of the artifact, without the folders in it.
    pub fn path(&self) -> &Path {
        self.file.path()
    }
}

impl AsRef<Path> for FetchedFile {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}

fn of_a_stage(text: &str) -> Option<(String, FileName)> {
    match NamedFile::parse(text)? {
        NamedFile::Of { head, name } => Some((head, name)),
        NamedFile::At(_) => None,
    }
}

fn reference(file: &Whole) -> Artifact {
    Artifact {
        artifact: file.id,
        name: file.name.clone(),
        bytes: u64::try_from(file.bytes).unwrap_or_default(),
        digest: crate::model::digest::hex(&file.digest),
    }
}
