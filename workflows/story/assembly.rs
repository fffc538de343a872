//! The cutting room: pictures and captions become one page and one caption file.

use piton::{Artifact, Failure, Input, StageContext};
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
    storyboard: Artifact,
    captions: Artifact,
    scenes: usize,
    duration_s: f64,
}

pub(crate) async fn assembly(Input(given): Input<Given>, ctx: StageContext) -> Result<Assembled, Failure> {
    simulate::pass(&given.input.simulate, &ctx).await?;
    let panels = panels(&given)?;
    let html = page::page(&given.critic, &panels);
    let captions = srt::srt(given.narration.iter().flat_map(|narrated| &narrated.captions));

    Ok(Assembled {
        storyboard: ctx.artifact("storyboard.html").content_type("text/html").put_bytes(html).await?,
        captions: ctx.artifact("captions.srt").content_type("application/x-subrip").put_bytes(captions).await?,
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
