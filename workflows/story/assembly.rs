//! The cutting room: pictures and captions become one page and one caption file.

use std::fs;
use std::path::{Path, PathBuf};

use piton::{Failure, Input, StageContext};
use serde::{Deserialize, Serialize};

use crate::critic::Approved;
use crate::narration::Narrated;
use crate::page::{self, Panel};
use crate::picture::Picture;
use crate::request::Request;
use crate::{simulate, srt};

#[derive(Debug, Deserialize)]
pub(crate) struct Given {
    input: Request,
    critic: Approved,
    narration: Vec<Narrated>,
    picture: Vec<Picture>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Assembled {
    title: String,
    storyboard: PathBuf,
    captions: PathBuf,
    scenes: usize,
    duration_s: f64,
}

pub(crate) async fn assembly(Input(given): Input<Given>, ctx: StageContext) -> Result<Assembled, Failure> {
    simulate::pass(&given.input.simulate, &ctx).await?;
    let panels = panels(&given)?;
    let html = page::page(&given.critic, &panels);
    let captions = srt::srt(given.narration.iter().flat_map(|narrated| &narrated.captions));

    let folder = out_folder()?.join(ctx.run().to_string());
    fs::create_dir_all(&folder)?;
    Ok(Assembled {
        storyboard: put(&folder, "storyboard.html", &html, ctx.attempt())?,
        captions: put(&folder, "captions.srt", &captions, ctx.attempt())?,
        title: given.critic.title,
        scenes: given.critic.scenes.len(),
        duration_s: given.critic.total_ms as f64 / 1000.0,
    })
}

/// Scene, picture and captions side by side; they were made apart and must be of one story.
fn panels(given: &Given) -> Result<Vec<Panel<'_>>, Failure> {
    let scenes = &given.critic.scenes;
    let parts = given.narration.iter().zip(&given.picture);
    let panels: Vec<Panel<'_>> = scenes
        .iter()
        .zip(parts)
        .filter(|(scene, (narrated, picture))| narrated.scene == scene.id && picture.scene == scene.id)
        .map(|(scene, (narrated, picture))| Panel { scene, captions: &narrated.captions, svg: &picture.svg })
        .collect();
    if panels.len() == scenes.len() {
        Ok(panels)
    } else {
        Err(Failure::invalid_input(format!(
            "{} scenes came with {} narrations and {} pictures that do not belong together; start the run again",
            scenes.len(),
            given.narration.len(),
            given.picture.len()
        )))
    }
}

fn out_folder() -> Result<PathBuf, Failure> {
    let named = std::env::var_os("STORY_OUT").filter(|path| !path.is_empty());
    Ok(std::path::absolute(named.map_or_else(|| PathBuf::from("story-out"), PathBuf::from))?)
}

/// Written beside and renamed, so that a reader never sees half a file. The handler may run twice, even at the same
/// time on two workers: the temporary name holds the process and the attempt, and the last rename wins with the same content.
fn put(folder: &Path, name: &str, content: &str, attempt: u32) -> Result<PathBuf, Failure> {
    let path = folder.join(name);
    let beside = folder.join(format!(".{name}.{}.{attempt}", std::process::id()));
    fs::write(&beside, content)?;
    fs::rename(&beside, &path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::put;

    #[test]
    fn a_file_written_twice_is_there_once() {
        let folder = std::env::temp_dir().join(format!("story-put-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (attempt, content) in [(1, "first"), (2, "second")] {
            put(&folder, "page", content, attempt).unwrap();
        }
        assert_eq!(std::fs::read_to_string(folder.join("page")).unwrap(), "second");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
