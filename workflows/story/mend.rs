//! Repairs on a draft. Each takes the scenes, returns them mended, and notes what it did.

use crate::measure::HOOK_MS;
use crate::salience::{self, Weights};
use crate::scene::{MAX_SCENE_CHARS, MAX_SCENE_MS, MAX_TOTAL_MS, MIN_SCENE_MS, Scene, retime, total_ms};
use crate::text;

/// No more is cut from a story than two thirds of it; what is longer is another story.
const MAX_CUTTABLE_MS: u64 = 3 * MAX_TOTAL_MS;

/// All repairs in their order; the last one puts the scenes on the clock.
pub(crate) fn mend(scenes: Vec<Scene>, notes: &mut Vec<String>) -> Vec<Scene> {
    let scenes = drop_empty(scenes, notes);
    let scenes = shorten_hook(scenes, notes);
    let scenes = split_long(scenes, notes);
    let scenes = fit_total(scenes, notes);
    let mut scenes = merge_short(scenes, notes);
    retime(&mut scenes);
    scenes
}

fn drop_empty(scenes: Vec<Scene>, notes: &mut Vec<String>) -> Vec<Scene> {
    let (spoken, empty): (Vec<Scene>, Vec<Scene>) =
        scenes.into_iter().partition(|scene| text::spoken_words(&scene.narration) > 0.0);
    for scene in empty {
        notes.push(format!("scene {} had no narration and was left out", scene.id));
    }
    spoken
}

/// The first sentence must be out within three seconds; a longer one is broken where a speaker would breathe.
fn shorten_hook(mut scenes: Vec<Scene>, notes: &mut Vec<String>) -> Vec<Scene> {
    if let Some(first) = scenes.first_mut() {
        let mut sentences = text::sentences(&first.narration);
        if sentences.first().is_some_and(|hook| text::speech_ms(hook) > HOOK_MS) {
            let hook = sentences.remove(0);
            let (head, tail) = broken(&hook, HOOK_MS);
            let mut told = vec![closed(&head), text::capitalised(&tail)];
            told.extend(sentences);
            first.narration = told.join(" ").trim().to_owned();
            notes.push("the first sentence was too long for a hook and was broken in two".to_owned());
        }
    }
    scenes
}

/// Scenes that are too long, or carry too much text, become two, and again if need be.
fn split_long(scenes: Vec<Scene>, notes: &mut Vec<String>) -> Vec<Scene> {
    let (mut out, mut todo) = (Vec::new(), scenes);
    todo.reverse();
    while let Some(scene) = todo.pop() {
        let parts = if fits(&scene.narration) { None } else { halves(&scene.narration) };
        let Some((head, tail)) = parts else {
            out.push(scene);
            continue;
        };
        notes.push(format!("\"{}\" was too long for one picture and was split", scene.title));
        todo.push(part(&scene, tail));
        todo.push(part(&scene, head));
    }
    out
}

fn fits(narration: &str) -> bool {
    text::speech_ms(narration) <= MAX_SCENE_MS && narration.chars().count() <= MAX_SCENE_CHARS
}

/// At the sentence end nearest to the middle, or inside the only sentence.
fn halves(narration: &str) -> Option<(String, String)> {
    let sentences = text::sentences(narration);
    let whole = text::speech_ms(narration);
    if sentences.len() > 1 {
        let upto = |cut: usize| text::speech_ms(&sentences[..cut].join(" "));
        let cut = (1..sentences.len()).min_by_key(|cut| upto(*cut).abs_diff(whole / 2))?;
        return Some((sentences[..cut].join(" "), sentences[cut..].join(" ")));
    }
    let (head, tail) = broken(narration, (whole / 2).min(MAX_SCENE_MS));
    (!head.is_empty() && !tail.is_empty()).then(|| (closed(&head), text::capitalised(&tail)))
}

/// Breaks a sentence so that its head takes at most `head_ms`: after a mark if there is one, before a joint, or anywhere.
fn broken(sentence: &str, head_ms: u64) -> (String, String) {
    let words: Vec<&str> = sentence.split_whitespace().collect();
    let fits = |cut: &usize| *cut == 1 || text::speech_ms(&words[..*cut].join(" ")) <= head_ms;
    let cut = (1..words.len())
        .take_while(fits)
        .max_by_key(|cut| (text::breath_between(words[cut - 1], words[*cut]).min(u32::from(*cut > 2) * 2), *cut));
    match cut {
        Some(cut) => (words[..cut].join(" "), words[cut..].join(" ")),
        None => by_signs(sentence),
    }
}

/// One single word, or a script without spaces: half of the signs each.
fn by_signs(word: &str) -> (String, String) {
    let half = word.chars().count() / 2;
    (word.chars().take(half).collect(), word.chars().skip(half).collect())
}

/// A head that now stands alone, with the mark of a sentence at its end.
fn closed(head: &str) -> String {
    let bare = head.trim_end_matches([',', ';', ':', '—', '–', '-', ' ']);
    if bare.ends_with(['.', '!', '?', '…']) || bare.is_empty() { bare.to_owned() } else { format!("{bare}.") }
}

fn part(scene: &Scene, narration: String) -> Scene {
    Scene {
        title: Weights::of(&narration).title(&narration),
        keywords: salience::keywords(&narration),
        narration,
        ..scene.clone()
    }
}

/// Leaves out the sentences that tell least, never from the first or the last scene, until a minute holds the rest.
fn fit_total(mut scenes: Vec<Scene>, notes: &mut Vec<String>) -> Vec<Scene> {
    retime(&mut scenes);
    if total_ms(&scenes) > MAX_CUTTABLE_MS {
        return scenes;
    }
    let all = scenes.iter().map(|scene| scene.narration.as_str()).collect::<Vec<_>>().join(" ");
    let weights = Weights::of(&all);
    while total_ms(&scenes) > MAX_TOTAL_MS {
        let Some((at, line)) = least_telling(&scenes, &weights) else {
            break;
        };
        let mut sentences = text::sentences(&scenes[at].narration);
        let dropped = sentences.remove(line);
        notes.push(format!("left out to fit 60 s: \"{}\"", dropped.chars().take(80).collect::<String>()));
        scenes[at].narration = sentences.join(" ");
        scenes[at].keywords = salience::keywords(&scenes[at].narration);
        if sentences.is_empty() {
            scenes.remove(at);
        }
        retime(&mut scenes);
    }
    scenes
}

/// The scene and the sentence with the least weight per word, outside the first and the last scene.
fn least_telling(scenes: &[Scene], weights: &Weights) -> Option<(usize, usize)> {
    let inner = scenes.iter().enumerate().take(scenes.len().saturating_sub(1)).skip(1);
    let lines = inner.flat_map(|(at, scene)| {
        text::sentences(&scene.narration).into_iter().enumerate().map(move |(line, sentence)| (at, line, sentence))
    });
    let worth = |sentence: &str| {
        let words = sentence.split_whitespace().count().max(1) as f64;
        sentence.split_whitespace().map(|word| weights.of_word(word)).sum::<f64>() / words
    };
    lines.min_by(|a, b| worth(&a.2).total_cmp(&worth(&b.2))).map(|(at, line, _)| (at, line))
}

/// A scene that is over before it is seen joins the one after it, or before it, where both fit one picture.
fn merge_short(scenes: Vec<Scene>, notes: &mut Vec<String>) -> Vec<Scene> {
    let mut out: Vec<Scene> = Vec::new();
    for scene in scenes {
        let joined = out.last().map(|before| format!("{} {}", before.narration, scene.narration));
        let short = |narration: &str| text::speech_ms(narration) < MIN_SCENE_MS;
        match (out.last_mut(), joined) {
            (Some(before), Some(joined)) if (short(&before.narration) || short(&scene.narration)) && fits(&joined) => {
                notes.push(format!("\"{}\" was too short for a picture and joined the scene before it", scene.title));
                if short(&before.narration) {
                    before.title = scene.title;
                    before.mood = scene.mood;
                }
                before.keywords = salience::keywords(&joined);
                before.narration = joined;
            }
            _ => out.push(scene),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{fits, mend};
    use crate::measure::HOOK_MS;
    use crate::scene::{MAX_TOTAL_MS, sample, total_ms};
    use crate::text;

    #[test]
    fn a_long_story_is_cut_to_a_minute_and_says_what_was_left_out() {
        let line =
            "The keeper walked along the wall and counted the boats, one after the other, until the night took them.";
        let mut notes = Vec::new();
        let scenes = mend(sample(&[line; 12]), &mut notes);
        assert!(total_ms(&scenes) <= MAX_TOTAL_MS, "{}", total_ms(&scenes));
        assert!(scenes.iter().all(|scene| fits(&scene.narration)));
        assert!(text::speech_ms(&text::sentences(&scenes[0].narration)[0]) <= HOOK_MS);
        assert!(notes.iter().any(|note| note.starts_with("left out")));
    }

    #[test]
    fn a_text_without_any_mark_still_becomes_scenes() {
        let mut notes = Vec::new();
        let scenes = mend(sample(&["word ".repeat(90).trim()]), &mut notes);
        assert!(scenes.len() >= 3 && scenes.iter().all(|scene| fits(&scene.narration)));
        let signs = "深い海の底で光る小さな灯を誰が見るのか".repeat(8);
        assert!(mend(sample(&[&signs]), &mut notes).iter().all(|scene| fits(&scene.narration)));
    }

    #[test]
    fn what_is_in_order_is_left_alone() {
        let scenes =
            sample(&["The tower was lying. Everybody in the town knew it.", "One day a repairer came over the pass."]);
        let mut notes = Vec::new();
        assert_eq!(mend(scenes.clone(), &mut notes), scenes);
        assert!(notes.is_empty());
    }
}
