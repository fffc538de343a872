//! The critic's three measures, each from 0 to 10: does it hook, does it move, does the end lead back to the start.

use std::collections::BTreeSet;

use crate::salience;
use crate::scene::Scene;
use crate::text;

/// A viewer decides within this time whether to stay.
pub(crate) const HOOK_MS: u64 = 3_000;

const ADDRESS: [&str; 5] = ["you", "your", "you've", "yours", "imagine"];
const TENSION: [&str; 32] = [
    "never",
    "nobody",
    "nothing",
    "no",
    "not",
    "last",
    "lost",
    "secret",
    "wrong",
    "dark",
    "storm",
    "dead",
    "died",
    "die",
    "lie",
    "lying",
    "without",
    "vanished",
    "gone",
    "missing",
    "danger",
    "forbidden",
    "broken",
    "alone",
    "stopped",
    "fire",
    "killed",
    "stolen",
    "impossible",
    "too",
    "against",
    "but",
];
const FILLERS: [&str; 10] = [
    "this is",
    "here is",
    "here are",
    "there is",
    "there are",
    "there was",
    "welcome",
    "in this",
    "today we",
    "once upon",
];
const RETURNS: [&str; 6] = ["again", "back", "more", "still", "once", "return"];

/// How well a sentence opens: short, asking, addressing, in tension; an announcement is none of it.
pub(crate) fn hook(sentence: &str) -> f64 {
    let lower = sentence.to_lowercase();
    let words: Vec<String> = sentence.split_whitespace().map(text::bare).collect();
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let mut score: f64 = 2.5;
    score += match words.len() {
        0..=8 => 2.0,
        9..=12 => 1.0,
        _ => 0.0,
    };
    score += if text::speech_ms(sentence) <= HOOK_MS { 1.0 } else { 0.0 };
    score += if lower.contains(['?', '？', '؟']) { 2.0 } else { 0.0 };
    score += if has(&ADDRESS) { 1.5 } else { 0.0 };
    score += if has(&TENSION) { 2.0 } else { 0.0 };
    score += if sentence.chars().any(char::is_numeric) { 1.0 } else { 0.0 };
    score -= if FILLERS.iter().any(|filler| lower.starts_with(filler)) { 4.0 } else { 0.0 };
    score.clamp(0.0, 10.0)
}

/// How well it moves: scenes of watchable length, not all alike, in sentences one can follow.
pub(crate) fn pacing(scenes: &[Scene]) -> f64 {
    let lengths: Vec<f64> = scenes.iter().map(|scene| scene.duration_ms as f64 / 1000.0).collect();
    let count = lengths.len().max(1) as f64;
    let mean = lengths.iter().sum::<f64>() / count;
    let spread = (lengths.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / count).sqrt() / mean.max(0.1);
    let sentences: Vec<usize> = scenes
        .iter()
        .flat_map(|scene| text::sentences(&scene.narration))
        .map(|sentence| sentence.split_whitespace().count())
        .collect();
    let mean_words = sentences.iter().sum::<usize>() as f64 / sentences.len().max(1) as f64;
    let mut score: f64 = 1.5;
    score += if (4.0..=9.5).contains(&mean) { 3.0 } else { 1.0 };
    score += if (0.08..=0.6).contains(&spread) { 2.0 } else { 0.5 };
    score += if mean_words <= 14.0 { 2.0 } else { 0.0 };
    score += if sentences.iter().all(|words| *words <= 24) { 1.0 } else { 0.0 };
    score
}

/// How well the end leads back: the words of the opening return in it, it says so, it is short or still asks.
pub(crate) fn looping(scenes: &[Scene]) -> f64 {
    let (Some(first), Some(last)) = (scenes.first(), scenes.last()) else {
        return 0.0;
    };
    let opening = text::sentences(&first.narration).into_iter().next().unwrap_or_default();
    let ending = text::sentences(&last.narration).pop().unwrap_or_default();
    let (start, end) = comparable(&opening, &last.narration);
    let shared = start.intersection(&end).count() as f64 / start.len().max(1) as f64;
    let says_so = last.narration.split_whitespace().any(|word| RETURNS.contains(&text::bare(word).as_str()));
    let mut score: f64 = 0.5 + 5.0 * shared;
    score += if ending.split_whitespace().count() <= 12 { 2.0 } else { 0.0 };
    score += if says_so || ending.contains(['?', '？', '؟']) { 2.0 } else { 0.0 };
    score.clamp(0.0, 10.0)
}

/// The words of two texts that can be recognised when they return; all of them, where the first has only common ones.
fn comparable(first: &str, second: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let words = |text: &str| text.split_whitespace().map(text::bare).collect::<BTreeSet<String>>();
    let (first, second) = (words(first), words(second));
    let rare: BTreeSet<String> = first.iter().filter(|word| !salience::is_common(word)).cloned().collect();
    (if rare.is_empty() { first } else { rare }, second)
}

#[cfg(test)]
mod tests {
    use super::{hook, looping, pacing};
    use crate::scene::sample;

    #[test]
    fn an_announcement_hooks_less_than_a_question() {
        assert!(hook("This is the story of the last lighthouse keepers.") < 5.0);
        assert!(hook("Who still needs the last lighthouse keepers?") > 7.0);
        assert!(hook("The clock tower was lying.") > 6.0);
    }

    #[test]
    fn an_ending_that_repeats_the_opening_loops() {
        let back = sample(&["The tower was lying. It rang.", "Years passed.", "Once more, the tower was lying."]);
        let away = sample(&[
            "The tower was lying. It rang.",
            "Years passed.",
            "Here are some further remarks on the wider context of it all, at length.",
        ]);
        assert!(looping(&back) > 8.0 && looping(&away) < 5.0);
    }

    #[test]
    fn every_measure_stays_within_its_scale() {
        for words in [&[""][..], &["a"], &["x y z. ?", "1 2 3!"], &[]] {
            let scenes = sample(words);
            for score in [hook(words.first().unwrap_or(&"")), pacing(&scenes), looping(&scenes)] {
                assert!((0.0..=10.0).contains(&score), "{words:?} {score}");
            }
        }
    }
}
