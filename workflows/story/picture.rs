//! The painters' room: one scene's words in, one portrait picture out.

use piton::{Failure, Input, StageContext};
use serde::{Deserialize, Serialize};

use crate::canvas::Canvas;
use crate::casting::{Backdrop, Extra, backdrop_of, extras_of};
use crate::easel::Easel;
use crate::lettering;
use crate::palette::Palette;
use crate::request::Request;
use crate::scene::Scene;
use crate::seed::Seed;
use crate::{simulate, text};

#[derive(Debug, Deserialize)]
pub(crate) struct Given {
    input: Request,
    item: Scene,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Picture {
    pub(crate) scene: u32,
    /// What is to be seen, for those who cannot.
    pub(crate) alt: String,
    pub(crate) svg: String,
}

pub(crate) async fn picture(Input(given): Input<Given>, ctx: StageContext) -> Result<Picture, Failure> {
    simulate::pass(&given.input.simulate, &ctx).await?;
    Ok(paint(&given.item))
}

fn paint(scene: &Scene) -> Picture {
    let words: Vec<String> =
        scene.narration.split_whitespace().chain(scene.title.split_whitespace()).map(text::bare).collect();
    let mut seed = Seed::of(&[&scene.title, &scene.narration]);
    let backdrop = backdrop_of(&words);
    let turn = scene.id + seed.below(2) as u32;
    let mut easel =
        Easel { canvas: Canvas::new(&format!("s{}", scene.id)), palette: Palette::of(scene.mood, turn), seed, words };
    (backdrop.paint)(&mut easel);
    let extras = extras_of(&easel, backdrop);
    for extra in &extras {
        (extra.paint)(&mut easel);
    }
    easel.vignette();
    lettering::letter(&mut easel, scene.id, &scene.title, backdrop.title);
    let alt = described(scene, backdrop, &extras);
    Picture { scene: scene.id, svg: easel.canvas.finish(&text::escape(&alt)), alt }
}

fn described(scene: &Scene, backdrop: &Backdrop, extras: &[&Extra]) -> String {
    let with = match extras {
        [] => String::new(),
        extras => format!(" with {}", extras.iter().map(|extra| extra.name).collect::<Vec<_>>().join(", ")),
    };
    format!("Scene {}, \"{}\": {}{with}", scene.id, scene.title, backdrop.name)
}

#[cfg(test)]
mod tests {
    use super::paint;
    use crate::casting::BACKDROPS;
    use crate::scene::{Mood, sample};

    /// Open and close tags in balance, attributes quoted, no stray angle.
    fn is_well_formed(svg: &str) -> bool {
        let mut open: Vec<String> = Vec::new();
        for tag in svg.split('<').skip(1) {
            let Some((inside, after)) = tag.split_once('>') else {
                return false;
            };
            if after.contains('>') || inside.matches('"').count() % 2 == 1 {
                return false;
            }
            let name: String = inside.trim_start_matches('/').chars().take_while(|c| c.is_alphanumeric()).collect();
            match (inside.starts_with('/'), inside.ends_with('/')) {
                (true, _) if open.pop().as_deref() != Some(name.as_str()) => return false,
                (false, false) => open.push(name),
                _ => {}
            }
        }
        open.is_empty()
    }

    #[test]
    fn every_painter_gives_a_well_formed_picture_of_modest_size_in_every_mood() {
        for backdrop in &BACKDROPS {
            for mood in [Mood::Calm, Mood::Warm, Mood::Tense, Mood::Wonder, Mood::Wistful, Mood::Bright] {
                let mut scene = sample(&[&format!("{} fire storm snow window keeper", backdrop.words)]).remove(0);
                scene.mood = mood;
                let svg = paint(&scene).svg;
                assert!(is_well_formed(&svg), "{}", backdrop.name);
                assert!(svg.len() < 60_000, "{} {}", backdrop.name, svg.len());
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", backdrop.name);
            }
        }
    }

    #[test]
    fn the_same_scene_gives_the_same_picture_and_ids_are_its_own() {
        let scenes = sample(&["The storm climbs the cliff.", "Stars above the water."]);
        assert_eq!(paint(&scenes[0]).svg, paint(&scenes[0]).svg);
        assert!(paint(&scenes[0]).svg.contains("id=\"s1g1\"") && paint(&scenes[1]).svg.contains("id=\"s2g1\""));
    }

    #[test]
    fn markup_in_a_title_is_text() {
        let mut scene = sample(&["<script>alert(1)</script> & \"quotes\""]).remove(0);
        scene.title = "<script>\"x\" onload='y'".into();
        let svg = paint(&scene).svg;
        assert!(!svg.contains("<script") && is_well_formed(&svg));
    }
}
