//! The caption: a line short enough to be read at a glance, and the moment at which it is spoken.

use serde::{Deserialize, Serialize};

use crate::scene::Scene;
use crate::text;

/// The usual line length of subtitles.
pub(crate) const LINE_CHARS: usize = 42;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Caption {
    pub(crate) text: String,
    /// Within the scene.
    pub(crate) start_ms: u64,
    pub(crate) end_ms: u64,
    /// Within the film.
    pub(crate) film_start_ms: u64,
    pub(crate) film_end_ms: u64,
}

/// The whole narration in lines, each as long on screen as it takes to say; no gap, and none past the scene's end.
pub(crate) fn captions(scene: &Scene) -> Vec<Caption> {
    let lines: Vec<String> = text::sentences(&scene.narration).iter().flat_map(|sentence| lines(sentence)).collect();
    let weights: Vec<f64> = lines.iter().map(|line| text::spoken_words(line).max(0.5)).collect();
    let whole: f64 = weights.iter().sum();
    let (mut said, mut start_ms) = (0.0, 0);
    let mut out = Vec::with_capacity(lines.len());
    for (text, weight) in lines.into_iter().zip(weights) {
        said += weight;
        let end_ms = (scene.duration_ms as f64 * (said / whole).min(1.0)).round() as u64;
        out.push(Caption {
            text,
            start_ms,
            end_ms,
            film_start_ms: scene.start_ms + start_ms,
            film_end_ms: scene.start_ms + end_ms,
        });
        start_ms = end_ms;
    }
    out
}

/// One sentence in lines of even length, broken where a speaker breathes: the cheapest of all ways to break it.
fn lines(sentence: &str) -> Vec<String> {
    let words: Vec<String> = sentence.split_whitespace().flat_map(pieces).collect();
    let widths: Vec<usize> = words.iter().map(|word| word.chars().count()).collect();
    let goal = even_width(&widths);
    // best[i]: the least cost of the first i words, and where their last line begins.
    let mut best: Vec<(f64, usize)> = vec![(0.0, 0)];
    for end in 1..=words.len() {
        let (mut width, mut choice) = (0, (f64::INFINITY, end - 1));
        for from in (0..end).rev() {
            width += widths[from] + usize::from(from + 1 < end);
            if width > LINE_CHARS {
                break;
            }
            let breath = if end < words.len() { text::breath_between(&words[end - 1], &words[end]) } else { 2 };
            let cost = best[from].0 + (goal - width as f64).powi(2) + 40.0 * f64::from(2 - breath);
            if cost < choice.0 {
                choice = (cost, from);
            }
        }
        best.push(choice);
    }
    let (mut out, mut end) = (Vec::new(), words.len());
    while end > 0 {
        let from = best[end].1;
        out.push(words[from..end].join(" "));
        end = from;
    }
    out.reverse();
    out
}

fn even_width(widths: &[usize]) -> f64 {
    let whole = (widths.iter().sum::<usize>() + widths.len().saturating_sub(1)) as f64;
    let lines = (whole / LINE_CHARS as f64).ceil().max(1.0);
    whole / lines
}

/// A word that is longer than a line, cut to lines.
fn pieces(word: &str) -> Vec<String> {
    let chars: Vec<char> = word.chars().collect();
    chars.chunks(LINE_CHARS).map(|piece| piece.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::{LINE_CHARS, captions};
    use crate::scene::sample;

    const TEXTS: [&str; 5] = [
        "You have never really seen the last lighthouse keepers. Out where the land runs out, a lighthouse blinks at an empty sea.",
        "Short.",
        "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen and 🐙🐙🐙 and <b>bold</b>",
        "منارة البحر تضيء كل ليلة، ولا أحد يعرف لماذا تضيء هذه المنارة القديمة حتى الآن.",
        "灯台は光る。海は暗い。",
    ];

    #[test]
    fn captions_cover_the_narration_and_stay_in_the_scene() {
        let scenes = sample(&TEXTS);
        for scene in &scenes {
            let captions = captions(scene);
            let squeezed = |text: &str| text.split_whitespace().collect::<String>();
            let said: String = captions.iter().map(|caption| squeezed(&caption.text)).collect();
            assert_eq!(said, squeezed(&scene.narration));
            assert!(captions.iter().all(|caption| caption.text.chars().count() <= LINE_CHARS));
            assert_eq!(captions[0].film_start_ms, scene.start_ms);
            assert_eq!(captions[captions.len() - 1].film_end_ms, scene.end_ms());
            assert!(captions.iter().all(|caption| caption.start_ms < caption.end_ms));
            assert!(captions.windows(2).all(|pair| pair[0].end_ms == pair[1].start_ms));
        }
    }

    #[test]
    fn lines_break_where_a_speaker_breathes() {
        let scenes = sample(&["Out where the land runs out, a lighthouse blinks at an empty sea."]);
        let lines: Vec<String> = captions(&scenes[0]).into_iter().map(|caption| caption.text).collect();
        assert_eq!(lines, ["Out where the land runs out,", "a lighthouse blinks at an empty sea."]);
    }
}
