//! Writing a story about a topic, four times over: one middle, and four ways to open and to close it.

use crate::measure::HOOK_MS;
use crate::phrases::{BEATS, FRAMES, Frame};
use crate::realm::{REALMS, Realm};
use crate::salience;
use crate::scene::{Draft, MAX_TOTAL_MS, Mood, Scene, retime, total_ms};
use crate::seed::Seed;
use crate::text;

/// A topic longer than this is a mouthful; the openings then say "this" and leave the words to the title.
const SPOKEN_CHARS: usize = 44;
/// The beats that can do without their lead, the first to lose it first.
const BARE_FIRST: [usize; 4] = [5, 0, 2, 1];
const QUESTIONS: [&str; 6] = ["why", "how", "what", "when", "where", "who"];
const PREAMBLES: [&str; 5] = ["the history of ", "the story of ", "a story about ", "a film about ", "about "];
const PREPOSITIONS: [&str; 10] = ["of", "in", "on", "at", "from", "for", "with", "under", "and", "who"];

pub(crate) fn title(topic: &str) -> String {
    text::capitalised(topic)
}

/// Four drafts of six to eight scenes, decided by the words of the topic alone.
pub(crate) fn drafts(topic: &str) -> Vec<Draft> {
    let subject = Subject::of(topic);
    let realm = realm_of(topic);
    let mut seed = Seed::of(&[topic]);
    let choice = seed.below(3);
    let longest = FRAMES.iter().map(|frame| total_ms(&framed(frame, choice, realm, &subject, &[]))).max();
    let budget_ms = MAX_TOTAL_MS.saturating_sub(longest.unwrap_or(0));
    let middle = middle(&subject, realm, budget_ms, &mut seed);
    FRAMES
        .iter()
        .map(|frame| Draft { angle: frame.angle.to_owned(), scenes: framed(frame, choice, realm, &subject, &middle) })
        .collect()
}

fn framed(frame: &Frame, choice: usize, realm: &Realm, subject: &Subject, middle: &[Scene]) -> Vec<Scene> {
    let [(first_title, first_image), (last_title, last_image)] = realm.gate;
    let at = subject.best_of(&frame.openings, choice);
    let (opening, ending) = (frame.openings[at], frame.endings[at]);
    let name = if frame.in_full { &subject.full } else { subject.for_opening(opening) };
    let first = scene(first_title, name.fill(&format!("{opening} {first_image}")), Mood::Wonder);
    let last = scene(last_title, name.fill(&format!("{last_image} {ending}")), Mood::Warm);
    let mut scenes = vec![first];
    scenes.extend_from_slice(middle);
    scenes.push(last);
    retime(&mut scenes);
    scenes
}

/// Four to six beats; the turn and the quiet after it always stay. A detail stands without its lead where the
/// minute would not hold both.
fn middle(subject: &Subject, realm: &Realm, budget_ms: u64, seed: &mut Seed) -> Vec<Scene> {
    let dropped = [None, Some(0), Some(2)][seed.below(3)];
    let leads: Vec<&str> = BEATS.iter().map(|beat| *seed.pick(&beat.leads)).collect();
    let told = |bare: &[usize]| -> Vec<Scene> {
        let beats = BEATS.iter().zip(realm.beats).zip(&leads).enumerate();
        beats
            .filter(|(at, _)| Some(*at) != dropped)
            .map(|(at, ((beat, (title, detail)), lead))| {
                let narration = if bare.contains(&at) { detail.to_owned() } else { format!("{lead} {detail}") };
                scene(title, subject.longest().fill(&narration), beat.mood)
            })
            .collect()
    };
    let spoken = |scenes: &[Scene]| scenes.iter().map(Scene::spoken_ms).sum::<u64>();
    let bare = (0..BARE_FIRST.len()).find(|count| spoken(&told(&BARE_FIRST[..*count])) <= budget_ms);
    told(&BARE_FIRST[..bare.unwrap_or(BARE_FIRST.len())])
}

fn scene(title: &str, narration: String, mood: Mood) -> Scene {
    Scene {
        id: 0,
        title: title.to_owned(),
        keywords: salience::keywords(&narration),
        narration,
        mood,
        start_ms: 0,
        duration_ms: 0,
    }
}

/// The realm whose words the topic uses most; the last one takes what no other knows.
fn realm_of(topic: &str) -> &'static Realm {
    let words: Vec<String> = topic.split_whitespace().map(text::bare).collect();
    let known = |realm: &Realm| {
        let knows = |word: &String| realm.words.split(' ').any(|entry| entry == word || format!("{entry}s") == *word);
        words.iter().filter(|word| knows(word)).count()
    };
    let last = &REALMS[REALMS.len() - 1];
    let best = REALMS.iter().rev().max_by_key(|realm| known(realm));
    best.filter(|realm| known(realm) > 0).unwrap_or(last)
}

/// The topic as sentences can use it.
struct Subject {
    /// The whole of it, for the plain telling.
    full: Name,
    /// Names for it, longest first; the last one fits everywhere.
    names: Vec<Name>,
}

struct Name {
    words: String,
    plural: bool,
}

impl Subject {
    fn of(topic: &str) -> Self {
        let lower = topic.to_lowercase();
        let cut = PREAMBLES.iter().find(|preamble| lower.starts_with(**preamble));
        let rest = topic.get(cut.map_or(0, |cut| cut.len())..).unwrap_or(topic).trim();
        let first = text::bare(rest.split_whitespace().next().unwrap_or_default());
        let question = QUESTIONS.contains(&first.as_str());
        let article = ["the", "a", "an", "my", "our"].contains(&first.as_str());
        let full = if question || article { lower_first(rest) } else { rest.to_owned() };
        let mut names = Vec::new();
        if !question && full.chars().count() <= SPOKEN_CHARS {
            names.push(Name::of(&full));
            names.push(Name::of(&head(&full)));
        }
        names.push(Name::of("this story"));
        Self { full: Name::of(&full), names }
    }

    /// The longest name with which the opening is still said in time to hook.
    fn for_opening(&self, opening: &str) -> &Name {
        let in_time = |name: &&Name| text::speech_ms(&name.fill(opening)) <= HOOK_MS;
        self.names.iter().find(in_time).unwrap_or(&self.full)
    }

    /// The first opening, counted from the seed's choice, that holds the whole name in time; or the choice itself.
    fn best_of(&self, openings: &[&str; 3], choice: usize) -> usize {
        let in_time = |at: &usize| text::speech_ms(&self.longest().fill(openings[*at])) <= HOOK_MS;
        (choice..choice + 3).map(|at| at % 3).find(in_time).unwrap_or(choice % 3)
    }

    fn longest(&self) -> &Name {
        self.names.first().unwrap_or(&self.full)
    }
}

impl Name {
    fn of(words: &str) -> Self {
        Self { words: words.to_owned(), plural: is_plural(words) }
    }

    fn fill(&self, template: &str) -> String {
        let verb = if self.plural { "are" } else { "is" };
        let sentence = template.replace("{is}", verb).replace("{s}", &self.words);
        text::capitalised(&sentence)
    }
}

/// The words before "of", "in" and their like: what the topic is, without where and whose.
fn head(topic: &str) -> String {
    let inner = |word: &&str| !PREPOSITIONS.contains(&text::bare(word).as_str());
    topic.split_whitespace().take_while(inner).collect::<Vec<_>>().join(" ")
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// Judged by the last word before "of", "in" and their like.
fn is_plural(topic: &str) -> bool {
    let words: Vec<String> = topic.split_whitespace().map(text::bare).collect();
    let joined = words.iter().any(|word| word == "and");
    let head = head(topic);
    let head = text::bare(head.split_whitespace().next_back().unwrap_or_default());
    let head = head.as_str();
    let ends_like_one = ["ss", "us", "is", "ics"].iter().any(|end| head.ends_with(end));
    joined || (head.ends_with('s') && !ends_like_one) || ["people", "men", "women", "children", "fish"].contains(&head)
}

#[cfg(test)]
mod tests {
    use super::{Subject, drafts, is_plural};
    use crate::phrases::FRAMES;

    #[test]
    fn six_to_eight_scenes_in_every_draft_whatever_the_topic() {
        for topic in ["black holes", "x", "منارة البحر", "🐙", "{s} {S}", "<script>alert(1)</script>"] {
            let drafts = drafts(topic);
            assert_eq!(drafts.len(), FRAMES.len());
            assert!(drafts.iter().all(|draft| (6..=8).contains(&draft.scenes.len())), "{topic}");
        }
    }

    #[test]
    fn the_same_topic_is_told_the_same_way_and_another_differently() {
        assert_eq!(drafts("black holes"), drafts("black holes"));
        assert_ne!(drafts("black holes")[0], drafts("bees")[0]);
    }

    #[test]
    fn a_topic_fits_into_a_sentence() {
        let fill = |topic| Subject::of(topic).longest().fill("{s} {is} here.");
        assert_eq!(fill("The last lighthouse keepers"), "The last lighthouse keepers are here.");
        assert_eq!(fill("the history of sourdough"), "Sourdough is here.");
        assert_eq!(fill("Why octopuses dream"), "This story is here.");
        assert!(is_plural("salt and light") && is_plural("keepers of the flame") && !is_plural("physics"));
    }

    #[test]
    fn an_opening_is_said_in_time_whatever_the_topic() {
        let opening = |topic| Subject::of(topic).for_opening("Who still needs {s}?").fill("Who still needs {s}?");
        assert_eq!(opening("goats of the high and windy Alps"), "Who still needs goats?");
        assert_eq!(opening("Why octopuses dream"), "Who still needs this story?");
    }
}
