//! The scene: one picture and the words spoken over it, with its place on the clock.

use serde::{Deserialize, Serialize};

use crate::text;

pub(crate) const MIN_SCENE_MS: u64 = 3_000;
pub(crate) const MAX_SCENE_MS: u64 = 12_000;
/// What a viewer can follow over one picture.
pub(crate) const MAX_SCENE_CHARS: usize = 220;
pub(crate) const MAX_TOTAL_MS: u64 = 60_000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scene {
    /// From 1, in order.
    pub(crate) id: u32,
    pub(crate) title: String,
    pub(crate) narration: String,
    pub(crate) keywords: Vec<String>,
    pub(crate) mood: Mood,
    pub(crate) start_ms: u64,
    pub(crate) duration_ms: u64,
}

impl Scene {
    /// How long the words take to say, or the shortest a picture may stand.
    pub(crate) fn spoken_ms(&self) -> u64 {
        text::speech_ms(&self.narration).max(MIN_SCENE_MS)
    }

    pub(crate) fn end_ms(&self) -> u64 {
        self.start_ms + self.duration_ms
    }
}

/// One telling of the story: the same events, with an opening and an ending of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Draft {
    /// How this telling opens, in a few words.
    pub(crate) angle: String,
    pub(crate) scenes: Vec<Scene>,
}

/// How a scene feels; the palette follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mood {
    Calm,
    Warm,
    Tense,
    Wonder,
    Wistful,
    Bright,
}

/// Puts the scenes on the clock one after the other, numbered from 1, each as long as its words take.
pub(crate) fn retime(scenes: &mut [Scene]) {
    let mut clock = 0;
    for (id, scene) in (1u32..).zip(scenes.iter_mut()) {
        scene.id = id;
        scene.start_ms = clock;
        scene.duration_ms = scene.spoken_ms();
        clock = scene.end_ms();
    }
}

pub(crate) fn total_ms(scenes: &[Scene]) -> u64 {
    scenes.last().map_or(0, Scene::end_ms)
}

#[cfg(test)]
pub(crate) fn sample(narrations: &[&str]) -> Vec<Scene> {
    let mut scenes: Vec<Scene> = narrations
        .iter()
        .map(|narration| Scene {
            id: 0,
            title: "Sample".into(),
            narration: (*narration).into(),
            keywords: Vec::new(),
            mood: Mood::Calm,
            start_ms: 0,
            duration_ms: 0,
        })
        .collect();
    retime(&mut scenes);
    scenes
}

#[cfg(test)]
mod tests {
    use super::{MIN_SCENE_MS, sample, total_ms};

    #[test]
    fn timings_are_contiguous_from_zero() {
        let scenes = sample(&["One.", "A longer line that takes its time to be spoken aloud.", "End."]);
        assert_eq!(scenes[0].start_ms, 0);
        assert!(scenes.windows(2).all(|pair| pair[0].end_ms() == pair[1].start_ms));
        assert!(scenes.iter().all(|scene| scene.duration_ms >= MIN_SCENE_MS));
        assert_eq!(total_ms(&scenes), scenes.iter().map(|scene| scene.duration_ms).sum::<u64>());
    }
}
