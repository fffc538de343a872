//! The critic: no scene is painted before a telling of the story is found that hooks, moves and leads back.
//! Too weak is a failure, and the next attempt reads the next draft.

use piton::{Failure, Input, StageContext};
use serde::{Deserialize, Serialize};

use crate::check::Checked;
use crate::measure;
use crate::request::Request;
use crate::scene::{Draft, Scene, total_ms};
use crate::simulate;
use crate::text;

/// The least that each of hook and loop must score.
const LEAST_EACH: f64 = 5.0;
/// The least that the three must score on average.
const LEAST_MEAN: f64 = 6.0;

#[derive(Debug, Deserialize)]
pub(crate) struct Given {
    input: Request,
    check: Checked,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scores {
    pub(crate) hook: f64,
    pub(crate) pacing: f64,
    #[serde(rename = "loop")]
    pub(crate) looping: f64,
    pub(crate) mean: f64,
}

/// The story that is made.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Approved {
    pub(crate) title: String,
    pub(crate) angle: String,
    /// Which draft was taken, from 1.
    pub(crate) draft: usize,
    pub(crate) scores: Scores,
    pub(crate) total_ms: u64,
    pub(crate) scenes: Vec<Scene>,
}

pub(crate) async fn critic(Input(given): Input<Given>, ctx: StageContext) -> Result<Approved, Failure> {
    simulate::pass(&given.input.simulate, &ctx).await?;
    judge(given.check, ctx.attempt())
}

/// Attempt n reads draft n; past the last draft it begins again with the first.
fn judge(checked: Checked, attempt: u32) -> Result<Approved, Failure> {
    let count = checked.drafts.len().max(1);
    let at = (attempt.max(1) - 1) as usize % count;
    let Some(draft) = checked.drafts.into_iter().nth(at) else {
        return Err(Failure::invalid_input("the check handed on no draft; start the run again"));
    };
    let scores = score(&draft.scenes);
    if let Some(reason) = too_weak(&scores) {
        let detail = serde_json::json!({"draft": at + 1, "angle": draft.angle, "scores": scores});
        let message = format!("draft {} of {count} ({}) rejected: {reason}", at + 1, draft.angle);
        return Err(Failure::unknown(message).detail(detail));
    }
    Ok(approved(checked.title, at + 1, draft, scores))
}

fn approved(title: String, number: usize, draft: Draft, scores: Scores) -> Approved {
    Approved {
        title,
        angle: draft.angle,
        draft: number,
        scores,
        total_ms: total_ms(&draft.scenes),
        scenes: draft.scenes,
    }
}

fn score(scenes: &[Scene]) -> Scores {
    let opening = scenes.first().map(|scene| text::sentences(&scene.narration)).unwrap_or_default();
    let hook = measure::hook(opening.first().map_or("", String::as_str));
    let (pacing, looping) = (measure::pacing(scenes), measure::looping(scenes));
    let tenths = |score: f64| (score * 10.0).round() / 10.0;
    Scores {
        hook: tenths(hook),
        pacing: tenths(pacing),
        looping: tenths(looping),
        mean: tenths((hook + pacing + looping) / 3.0),
    }
}

fn too_weak(scores: &Scores) -> Option<String> {
    let Scores { hook, pacing, looping, mean } = scores;
    if *hook < LEAST_EACH {
        Some(format!("the hook scores {hook} of 10, at least {LEAST_EACH} is asked"))
    } else if *looping < LEAST_EACH {
        Some(format!("the loop scores {looping} of 10, at least {LEAST_EACH} is asked"))
    } else if *mean < LEAST_MEAN {
        Some(format!(
            "hook {hook}, pacing {pacing} and loop {looping} make {mean} of 10, at least {LEAST_MEAN} is asked"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::check::Checked;
    use crate::scene::Draft;
    use crate::{compose, manuscript, mend};

    /// The attempt on which the critic is content.
    fn attempts(drafts: &[Draft]) -> Option<u32> {
        (1..=4).find(|attempt| {
            let drafts = drafts
                .iter()
                .cloned()
                .map(|draft| Draft { scenes: mend::mend(draft.scenes, &mut Vec::new()), ..draft });
            let checked = Checked { title: "x".into(), drafts: drafts.collect(), mended: vec![] };
            judge(checked, *attempt).is_ok()
        })
    }

    #[test]
    fn the_plain_telling_of_the_shipped_topic_is_rejected_and_the_next_is_taken() {
        assert_eq!(attempts(&compose::drafts("the last lighthouse keepers")), Some(2));
    }

    #[test]
    fn the_shipped_manuscript_passes_at_once() {
        let shipped: serde_json::Value = serde_json::from_str(include_str!("manuscript.json")).unwrap();
        assert_eq!(attempts(&manuscript::drafts(shipped["manuscript"].as_str().unwrap())), Some(1));
    }

    #[test]
    fn every_ordinary_story_passes_within_four_attempts() {
        let longest = "wonderful ".repeat(12);
        for topic in ["black holes", "bees", "Why octopuses dream", "منارة البحر", "🐙", "physics", longest.trim()]
        {
            assert!(attempts(&compose::drafts(topic)).is_some(), "{topic}");
        }
        let plain = "There are boats in the harbour of the town, and they are counted by a clerk with a book. ";
        for times in [2, 5, 8, 15] {
            assert!(attempts(&manuscript::drafts(&plain.repeat(times))).is_some(), "{times}");
        }
    }
}
