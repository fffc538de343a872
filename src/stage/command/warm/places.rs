//! The folders of one job of a warm program.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::super::{files, inputs};
use crate::model::failure::Failure;
use crate::model::payload::Payload;
use crate::stage::blocking::blocking;
use crate::stage::handler::Offer;
use crate::stage::kept_files;
use crate::stage::secrets::Secrets;
use crate::system::tree;
use crate::workflow::definition::CommandStage;
use crate::workflow::duration;

/// The folders of one job, in that of its process.
pub(super) struct Places {
    pub(super) artifacts: PathBuf,
    /// Where the stage names files.
    pub(super) inputs: Option<PathBuf>,
    removed: bool,
}

impl Places {
    pub(super) async fn make(folder: &Path, stage: &CommandStage) -> io::Result<Places> {
        let number = rand::random::<u64>();
        let artifacts = folder.join(format!("job-{number:016x}"));
        let has_inputs = stage.env.values().any(|text| text.files().next().is_some());
        let inputs = has_inputs.then(|| folder.join(format!("in-{number:016x}")));
        let places = Places { artifacts, inputs, removed: false };
        let folders: Vec<PathBuf> = [places.artifacts.clone()].into_iter().chain(places.inputs.clone()).collect();
        blocking(move || {
            // Whoever tidies up old temporary folders may have taken that of the process.
            folders.iter().try_for_each(|folder| std::fs::DirBuilder::new().mode(0o700).recursive(true).create(folder))
        })
        .await?;
        inputs::make_ways_out(stage, &places.artifacts)?;
        Ok(places)
    }

    /// The end of an attempt, once the files that it left are kept.
    pub(super) async fn kept(
        mut self,
        ended: Result<Payload, Failure>,
        offer: &Offer,
        begun: Instant,
        limit: Duration,
        secrets: &Secrets,
    ) -> Result<Payload, Failure> {
        // Most jobs leave none.
        let artifacts = self.artifacts.clone();
        let is_empty = self.inputs.is_none() && blocking(move || std::fs::remove_dir(artifacts)).await.is_ok();
        if is_empty {
            self.removed = true;
            return ended;
        }
        let store = &offer.context.artifacts;
        let ended = match ended {
            Ok(payload) => {
                let kept = files::keep(&self.artifacts, store, secrets);
                match timeout_at(files::until_kept(begun, limit), kept).await {
                    Ok(kept) => kept.map(|kept| kept_files::listed(payload, &kept, offer.limits.payload_bytes)),
                    Err(_) => Err(Failure::network_timeout(format!(
                        "the program answered, but its files could not be kept within the stage's timeout of {}",
                        duration::words(limit)
                    ))),
                }
            }
            Err(failure) => {
                Err(files::keep_failed(&self.artifacts, store, secrets, files::until(begun, limit), failure).await)
            }
        };
        self.removed = true;
        let folders = [Some(self.artifacts.clone()), self.inputs.clone()];
        blocking(move || {
            remove(folders);
            Ok(())
        })
        .await?;
        ended
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        // The attempt was dropped in the middle: a slow disk is no matter of whoever drops it.
        if !self.removed
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let folders = [Some(std::mem::take(&mut self.artifacts)), self.inputs.take()];
            drop(runtime.spawn_blocking(move || remove(folders)));
        }
    }
}

/// What cannot be removed goes with the folder of the process.
fn remove(folders: [Option<PathBuf>; 2]) {
    folders.iter().flatten().for_each(|folder| drop(tree::delete(folder)));
}
