//! Turning somebody's own text into scenes, and finding in it the sentences that could open a film.

use crate::measure;
use crate::salience::{self, Weights};
use crate::scene::{Draft, MAX_SCENE_CHARS, MAX_SCENE_MS, Scene, retime};
use crate::text;

/// A scene is closed when it has run this long and a sentence ends.
const GOOD_SCENE_MS: u64 = 7_000;
/// The question that fits every story, for when no sentence of its own opens it well.
const LAST_RESORT: &str = "What would you have done?";

/// A heading on the first line, or the most telling words of all.
pub(crate) fn title(manuscript: &str) -> String {
    heading(manuscript).unwrap_or_else(|| Weights::of(manuscript).title(manuscript))
}

/// The author's own order first, then up to three cold openings that return at the end.
pub(crate) fn drafts(manuscript: &str) -> Vec<Draft> {
    let body = match heading(manuscript) {
        Some(_) => manuscript.trim_start().split_once('\n').map_or("", |(_, body)| body),
        None => manuscript,
    };
    let paragraphs: Vec<Vec<String>> = text::paragraphs(body).iter().map(|p| text::sentences(p)).collect();
    let strongest = strongest(&paragraphs);
    let mut drafts = vec![draft("the author's own order", &paragraphs)];
    for line in strongest.iter().take(2) {
        drafts.push(draft("cold open", &looped(line, &paragraphs)));
    }
    drafts.push(draft("open question", &looped(LAST_RESORT, &paragraphs)));
    drafts
}

/// The story between a line and its echo.
fn looped(line: &str, paragraphs: &[Vec<String>]) -> Vec<Vec<String>> {
    let mut told = vec![vec![line.to_owned()]];
    told.extend(paragraphs.iter().cloned());
    told.push(vec![line.to_owned()]);
    told
}

/// The sentences short enough to open with, by the critic's own measure of a hook, best first.
fn strongest(paragraphs: &[Vec<String>]) -> Vec<String> {
    let fits = |line: &&String| text::speech_ms(line) <= measure::HOOK_MS;
    let mut lines: Vec<&String> = paragraphs.iter().flatten().filter(fits).collect();
    lines.sort_by(|a, b| measure::hook(b).total_cmp(&measure::hook(a)));
    lines.into_iter().cloned().collect()
}

/// A short first line that does not end like a sentence and has a text below it.
fn heading(manuscript: &str) -> Option<String> {
    let (first, rest) = manuscript.trim_start().split_once('\n')?;
    let first = text::one_line(first.trim_start_matches('#'));
    let short = (1..=60).contains(&first.chars().count());
    let sentence = first.ends_with(['.', '!', '?', '…', '。', '؟', ',', ';', ':', '"', '”']);
    (short && !sentence && !rest.trim().is_empty() && rest.starts_with(['\n', '\r', ' '])).then_some(first)
}

fn draft(angle: &str, paragraphs: &[Vec<String>]) -> Draft {
    let all = paragraphs.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
    let weights = Weights::of(&all);
    let mut scenes: Vec<Scene> = grouped(paragraphs).iter().map(|narration| scene(narration, &weights)).collect();
    retime(&mut scenes);
    Draft { angle: angle.to_owned(), scenes }
}

/// Sentences in groups that can be spoken over one picture. Paragraphs stay whole where they fit, and close a scene
/// that is long enough.
fn grouped(paragraphs: &[Vec<String>]) -> Vec<String> {
    let (mut groups, mut open) = (Vec::new(), String::new());
    for paragraph in paragraphs {
        let whole = paragraph.join(" ");
        let units = if text::speech_ms(&whole) <= MAX_SCENE_MS { vec![whole] } else { paragraph.clone() };
        for unit in units {
            let longer = joined(&open, &unit);
            let full = text::speech_ms(&longer) > MAX_SCENE_MS || longer.chars().count() > MAX_SCENE_CHARS;
            if full || text::speech_ms(&open) >= GOOD_SCENE_MS {
                groups.push(std::mem::take(&mut open));
            }
            open = joined(&open, &unit);
        }
        if text::speech_ms(&open) >= GOOD_SCENE_MS / 2 {
            groups.push(std::mem::take(&mut open));
        }
    }
    groups.push(open);
    groups.retain(|group| !group.is_empty());
    groups
}

fn joined(open: &str, more: &str) -> String {
    if open.is_empty() { more.to_owned() } else { format!("{open} {more}") }
}

fn scene(narration: &str, weights: &Weights) -> Scene {
    Scene {
        id: 0,
        title: weights.title(narration),
        keywords: salience::keywords(narration),
        narration: narration.to_owned(),
        mood: salience::mood(narration),
        start_ms: 0,
        duration_ms: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{drafts, title};

    const TEXT: &str =
        "The tower was lying. Nobody knew.\n\nA repairer came over the pass with a bag of tools and a letter.";

    #[test]
    fn the_first_draft_loses_no_word() {
        let told: Vec<String> = drafts(TEXT)[0].scenes.iter().map(|scene| scene.narration.clone()).collect();
        assert_eq!(told.join(" "), TEXT.replace("\n\n", " "));
    }

    #[test]
    fn a_heading_becomes_the_title_and_is_not_spoken() {
        let text = format!("# The Tower\n\n{TEXT}");
        assert_eq!(title(&text), "The Tower");
        assert!(drafts(&text)[0].scenes[0].narration.starts_with("The tower was lying."));
    }

    #[test]
    fn any_text_gives_more_than_one_draft() {
        for text in ["word", "one two three. four?", "منارة البحر. ليل؟", "灯台は光る。海は暗い。", "<b>x</b>"]
        {
            assert!(drafts(text).len() >= 2, "{text}");
        }
    }
}
