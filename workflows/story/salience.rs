//! Which words of a text matter: its keywords, a title made of them, and the mood they carry.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::scene::Mood;
use crate::text;

const KEYWORDS: usize = 6;
const COMMON: &str = " a about above after again all almost along already also always am an and another any are around as \
    asked at away back be became because become been before behind being below between both but by came can come could \
    day did do does done down each else enough even ever every few first for found from get go goes going gone got had \
    half has have he her here him himself his how i if in into is it its itself just keep keeps kept know knows last left \
    less let like liked little long look looks made make makes many may me might more most much must my near never new \
    next no nobody nor not nothing now of off often on once one only onto or other our out over own packed put rather \
    really right said same say says see seen she should since so some somebody someone something still such take than \
    that the their them then there these they thing things this those three through time to today together too took two \
    under until up upon us use very was way we were what when where whether which while who whole whose why will with \
    without would yet you your heard opened wanted ring rang arrives carries rolls named made start starts starting stops ";

const MOODS: [(Mood, &str); 5] = [
    (
        Mood::Tense,
        " storm fire dark darkness danger war break broke breaks broken wrong lost fear flood alarm crash fight fails dies \
        death spark needle lying lie trap cold climbs red risk ",
    ),
    (
        Mood::Wonder,
        " star stars moon space galaxy planet planets universe deep ocean secret dream dreams light glow discover strange night \
        magic inside count whisper wheels machine ",
    ),
    (
        Mood::Warm,
        " bread home kitchen mother father child children love hands table lamp lit warm sun music song summer friend bakers \
        family tea care ",
    ),
    (
        Mood::Wistful,
        " old memory remember winter letter gone rain autumn farewell lonely silence quiet husband widow ruin forgotten ago \
        evening window ",
    ),
    (
        Mood::Bright,
        " morning dawn spring begin begins young future build grow seedlings bright open win today laugh garden hope market \
        mountain travel road ",
    ),
];

static COMMON_WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| COMMON.split_whitespace().collect());

pub(crate) fn is_common(word: &str) -> bool {
    word.is_ascii() && word.len() < 3 || COMMON_WORDS.contains(word)
}

fn listed(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|entry| entry == word)
}

/// The words that carry the text, in the order in which they are met.
pub(crate) fn keywords(text: &str) -> Vec<String> {
    let mut met: Vec<String> = Vec::new();
    for word in text.split_whitespace().map(text::bare) {
        if !word.is_empty() && !is_common(&word) && !met.contains(&word) {
            met.push(word.chars().take(40).collect());
        }
    }
    let mut ranked: Vec<usize> = (0..met.len()).collect();
    ranked.sort_by_key(|at| std::cmp::Reverse(met[*at].chars().count().min(9)));
    ranked.truncate(KEYWORDS);
    ranked.sort_unstable();
    ranked.into_iter().map(|at| met[at].clone()).collect()
}

/// The mood most words speak for; calm when none does.
pub(crate) fn mood(text: &str) -> Mood {
    let words: Vec<String> = text.split_whitespace().map(text::bare).collect();
    let votes = |list: &str| words.iter().filter(|word| listed(list, word)).count();
    let mut best = (Mood::Calm, 0);
    for (mood, list) in MOODS {
        let count = votes(list);
        if count > best.1 {
            best = (mood, count);
        }
    }
    best.0
}

/// How much each word tells in this text: rarer and longer tells more.
pub(crate) struct Weights(HashMap<String, usize>);

impl Weights {
    pub(crate) fn of(text: &str) -> Self {
        let mut counts = HashMap::new();
        for word in text.split_whitespace().map(text::bare) {
            *counts.entry(word).or_insert(0) += 1;
        }
        Self(counts)
    }

    pub(crate) fn of_word(&self, word: &str) -> f64 {
        let word = text::bare(word);
        if is_common(&word) {
            return 0.0;
        }
        let count = self.0.get(&word).copied().unwrap_or(1) as f64;
        (word.chars().count().min(9) as f64) / (0.5 + count)
    }

    /// A title for this part of the text: its most telling run of two to four words, or its longest word.
    pub(crate) fn title(&self, part: &str) -> String {
        let mut best: (f64, Vec<&str>) = (0.0, Vec::new());
        for phrase in part.split([',', '.', ';', ':', '!', '?', '—', '–', '…', '"', '(', ')', '”', '“', '。', '、'])
        {
            let words: Vec<&str> = phrase.split_whitespace().collect();
            for run in (2..=4).flat_map(|len| words.windows(len)) {
                let score = self.of_run(run);
                if score > best.0 {
                    best = (score, run.to_vec());
                }
            }
        }
        if best.1.is_empty() {
            best.1.extend(part.split_whitespace().max_by_key(|word| word.chars().count()));
        }
        let bare = best.1.join(" ");
        let bare = bare.trim_matches(|c: char| !c.is_alphanumeric());
        text::capitalised(&bare.chars().take(48).collect::<String>())
    }

    /// Runs that begin with an article read like things; runs that end in a filler word read like accidents.
    fn of_run(&self, run: &[&str]) -> f64 {
        let article =
            |word: &&str| matches!(text::bare(word).as_str(), "the" | "a" | "an" | "two" | "three" | "my" | "every");
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return 0.0;
        };
        if self.of_word(last) == 0.0 || (self.of_word(first) == 0.0 && !article(first)) {
            return 0.0;
        }
        let inner = run.get(1..).unwrap_or_default();
        let strays = |word: &&str| article(word) || listed(" was is were are she he they it i ", &text::bare(word));
        let doing = |word: &str| {
            let thing = listed(" string spring evening morning building ceiling bed red seed ", word);
            (word.ends_with("ed") || word.ends_with("ing")) && !thing
        };
        let accident = inner.iter().any(strays) || inner.iter().any(|word| doing(&text::bare(word)));
        let telling: f64 = run.iter().map(|word| self.of_word(word)).sum();
        let thing = if article(first) { 1.5 } else { 1.0 };
        let sense = if accident { 0.2 } else { 1.0 };
        telling * thing * sense / (run.len() as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::{Weights, keywords, mood};
    use crate::scene::Mood;

    #[test]
    fn keywords_leave_out_the_filler_and_keep_the_order() {
        assert_eq!(keywords("The storm climbs the cliff, and the storm stays."), ["storm", "climbs", "cliff", "stays"]);
        assert!(keywords("and the of it").is_empty());
    }

    #[test]
    fn a_mood_is_read_from_the_words() {
        assert_eq!(mood("The storm broke and the alarm was wrong."), Mood::Tense);
        assert_eq!(mood("Numbers."), Mood::Calm);
    }

    #[test]
    fn a_title_is_a_piece_of_the_text() {
        let text = "She found a violin string, tied with care.";
        assert_eq!(Weights::of(text).title(text), "A violin string");
        assert_eq!(Weights::of("منارة").title("منارة"), "منارة");
    }
}
