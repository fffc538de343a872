//! The rules of a short, held against every draft: what can be mended is mended and listed, the rest is refused.

use piton::{Failure, Input, StageContext};
use serde::{Deserialize, Serialize};

use crate::measure::HOOK_MS;
use crate::mend;
use crate::request::Request;
use crate::scene::{Draft, MAX_SCENE_CHARS, MAX_SCENE_MS, MAX_TOTAL_MS, MIN_SCENE_MS, Scene, total_ms};
use crate::script::Script;
use crate::simulate;
use crate::text;

/// Below this nothing can be told, and nothing can be mended.
const MIN_TOTAL_MS: u64 = 2 * MIN_SCENE_MS;

#[derive(Debug, Deserialize)]
pub(crate) struct Given {
    input: Request,
    script: Script,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Checked {
    pub(crate) title: String,
    pub(crate) drafts: Vec<Draft>,
    /// What was repaired, in plain words.
    pub(crate) mended: Vec<String>,
}

pub(crate) async fn check(Input(given): Input<Given>, ctx: StageContext) -> Result<Checked, Failure> {
    simulate::pass(&given.input.simulate, &ctx).await?;
    let checked = mended(given.script);
    match checked.drafts.iter().flat_map(|draft| broken_rules(&draft.scenes)).next() {
        None => Ok(checked),
        Some(rule) => Err(Failure::invalid_input(rule)),
    }
}

fn mended(script: Script) -> Checked {
    let mut mended = Vec::new();
    let mend_one = |draft: Draft| {
        let mut notes = Vec::new();
        let scenes = mend::mend(draft.scenes, &mut notes);
        mended.extend(notes.into_iter().map(|note| format!("{}: {note}", draft.angle)));
        Draft { angle: draft.angle, scenes }
    };
    Checked { title: script.title, drafts: script.drafts.into_iter().map(mend_one).collect(), mended }
}

/// Every rule that the scenes break, with the cure.
fn broken_rules(scenes: &[Scene]) -> Vec<String> {
    let mut broken = Vec::new();
    let total = total_ms(scenes);
    let seconds = |ms: u64| ms as f64 / 1000.0;
    if total < MIN_TOTAL_MS {
        broken.push(format!(
            "the text takes {:.1} s to say, at least {} s are a story; write some 20 words or more",
            seconds(total),
            MIN_TOTAL_MS / 1000
        ));
    }
    if total > MAX_TOTAL_MS {
        broken.push(format!(
            "the text takes {:.0} s to say, and no more than two thirds of a story are cut to fit {} s; shorten it to about 150 words",
            seconds(total),
            MAX_TOTAL_MS / 1000
        ));
    }
    let opening = scenes.first().and_then(|scene| text::sentences(&scene.narration).into_iter().next());
    if opening.is_some_and(|opening| text::speech_ms(&opening) > HOOK_MS) {
        broken.push("the first sentence takes more than 3 s to say; begin with a short one".to_owned());
    }
    for scene in scenes {
        let fits = (MIN_SCENE_MS..=MAX_SCENE_MS).contains(&scene.duration_ms);
        if !fits || scene.narration.is_empty() || scene.narration.chars().count() > MAX_SCENE_CHARS {
            broken.push(format!(
                "scene {} (\"{}\") does not fit one picture of 3 to 12 s and {MAX_SCENE_CHARS} characters; use shorter sentences",
                scene.id, scene.title
            ));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::{broken_rules, mended};
    use crate::script::Script;
    use crate::{compose, manuscript};

    fn rules(title: &str, drafts: Vec<crate::scene::Draft>) -> Vec<String> {
        let checked = mended(Script { title: title.into(), drafts });
        checked.drafts.iter().flat_map(|draft| broken_rules(&draft.scenes)).collect()
    }

    #[test]
    fn every_topic_can_be_mended() {
        let longest = "wonderful ".repeat(12);
        for topic in ["black holes", "Why octopuses dream", "منارة البحر", "深海の光", "🐙", "<script>", &longest]
        {
            assert_eq!(rules(topic, compose::drafts(topic)), [""; 0], "{topic}");
        }
    }

    #[test]
    fn manuscripts_of_an_ordinary_length_can_be_mended() {
        let sentence = "The keeper walked along the wall and counted the boats until night. She said nothing. ";
        for times in [2, 5, 10, 20] {
            assert_eq!(rules("x", manuscript::drafts(&sentence.repeat(times))), [""; 0], "{times}");
        }
        let unmarked = "word ".repeat(300);
        assert_eq!(rules("x", manuscript::drafts(&unmarked)), [""; 0]);
        let signs = "灯台は光る。海は暗い。".repeat(12);
        assert_eq!(rules("x", manuscript::drafts(&signs)), [""; 0]);
    }

    #[test]
    fn what_cannot_be_mended_is_refused_with_the_cure() {
        assert!(rules("x", manuscript::drafts("Hello there."))[0].contains("write some 20 words"));
        let endless = "The keeper walked along the wall and counted boats. ".repeat(200);
        assert!(rules("x", manuscript::drafts(&endless))[0].contains("about 150 words"));
    }
}
