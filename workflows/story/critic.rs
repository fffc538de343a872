//! The critic: no scene is painted before a telling of the story is found that hooks, moves and leads back.
//! One that is too weak is rejected, and the next round reads the next draft.

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

/// The story that is made, unless it is rejected.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Approved {
    pub(crate) title: String,
    pub(crate) angle: String,
    /// Which draft was taken, from 1.
    pub(crate) draft: usize,
    pub(crate) scores: Scores,
    pub(crate) total_ms: u64,
    pub(crate) scenes: Vec<Scene>,
    /// Why another draft is to be read, where this one is too weak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rejected: Option<String>,
}

pub(crate) async fn critic(Input(given): Input<Given>, ctx: StageContext) -> Result<Approved, Failure> {
    simulate::pass(&given.input.simulate, &ctx).await?;
    judge(given.check, ctx.round().unwrap_or(1))
}

/// Round n reads draft n; past the last draft it begins again with the first.
fn judge(checked: Checked, round: u32) -> Result<Approved, Failure> {
    let count = checked.drafts.len().max(1);
    let at = (round.max(1) - 1) as usize % count;
    let Some(draft) = checked.drafts.into_iter().nth(at) else {
        return Err(Failure::invalid_input("the check handed on no draft; start the run again"));
    };
    let scores = score(&draft.scenes);
    let rejected = too_weak(&scores).map(|reason| format!("draft {} of {count} ({}): {reason}", at + 1, draft.angle));
    Ok(judged(checked.title, at + 1, draft, (scores, rejected)))
}

fn judged(title: String, number: usize, draft: Draft, (scores, rejected): (Scores, Option<String>)) -> Approved {
    Approved {
        title,
        rejected,
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

    /// The round in which the critic is content.
    fn rounds(drafts: &[Draft]) -> Option<u32> {
        (1..=4).find(|round| {
            let drafts = drafts
                .iter()
                .cloned()
                .map(|draft| Draft { scenes: mend::mend(draft.scenes, &mut Vec::new()), ..draft });
            let checked = Checked { title: "x".into(), drafts: drafts.collect(), mended: vec![] };
            judge(checked, *round).unwrap().rejected.is_none()
        })
    }

    #[test]
    fn the_plain_telling_of_the_shipped_topic_is_rejected_and_the_next_is_taken() {
        assert_eq!(rounds(&compose::drafts("the last lighthouse keepers")), Some(2));
    }

    #[test]
    fn the_shipped_manuscript_passes_at_once() {
        let shipped: serde_json::Value = serde_json::from_str(include_str!("manuscript.json")).unwrap();
        assert_eq!(rounds(&manuscript::drafts(shipped["manuscript"].as_str().unwrap())), Some(1));
    }

    #[test]
    fn every_ordinary_story_passes_within_four_rounds() {
        let longest = "wonderful ".repeat(12);
        for topic in ["black holes", "bees", "Why octopuses dream", "منارة البحر", "🐙", "physics", longest.trim()]
        {
            assert!(rounds(&compose::drafts(topic)).is_some(), "{topic}");
        }
        let plain = "There are boats in the harbour of the town, and they are counted by a clerk with a book. ";
        for times in [2, 5, 8, 15] {
            assert!(rounds(&manuscript::drafts(&plain.repeat(times))).is_some(), "{times}");
        }
    }
}
