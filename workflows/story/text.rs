//! Words on a page and in the air: cleaning, sentences, speaking time, places to breathe, escaping.

/// An unhurried narrator.
const WORDS_PER_SECOND: f64 = 2.6;
const STOPS: [char; 10] = ['.', '!', '?', '…', '。', '！', '？', '؟', '۔', '।'];
const CLOSERS: [char; 7] = ['"', '\'', '”', '’', '»', ')', '」'];
const SHORTENED: [&str; 12] = ["mr.", "mrs.", "ms.", "dr.", "st.", "prof.", "e.g.", "i.e.", "vs.", "no.", "ca.", "jr."];
/// Words before which a speaker may breathe.
const JOINTS: [&str; 34] = [
    "and", "but", "or", "because", "when", "while", "who", "which", "that", "where", "until", "before", "after", "so",
    "as", "with", "without", "of", "in", "on", "at", "from", "for", "to", "by", "through", "over", "under", "between",
    "like", "than", "into", "if", "against",
];

/// Text without control characters and without the marks that turn the direction of what follows.
pub(crate) fn clean(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .filter(
            |c| !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'),
        )
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect()
}

pub(crate) fn one_line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The paragraphs, each on one line; a blank line parts them.
pub(crate) fn paragraphs(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines
        .split(|line| line.is_empty())
        .map(|lines| one_line(&lines.join(" ")))
        .filter(|paragraph| !paragraph.is_empty())
        .collect()
}

/// The sentences of one paragraph, each with its closing mark.
pub(crate) fn sentences(paragraph: &str) -> Vec<String> {
    let chars: Vec<char> = one_line(paragraph).chars().collect();
    let (mut out, mut current) = (Vec::new(), String::new());
    for (at, c) in chars.iter().enumerate() {
        current.push(*c);
        let next = chars.get(at + 1);
        let ends = STOPS.contains(c) || (CLOSERS.contains(c) && at > 0 && STOPS.contains(&chars[at - 1]));
        let parted = match next {
            None => true,
            Some(next) if CLOSERS.contains(next) || STOPS.contains(next) => false,
            Some(next) => next.is_whitespace() || matches!(c, '。' | '！' | '？'),
        };
        if ends && parted && !is_shortened(&current) {
            push_words(&mut out, &mut current);
        }
    }
    push_words(&mut out, &mut current);
    out
}

/// Keeps a sentence, but hangs one without any word (a lone dash, a mark) onto the one before.
fn push_words(out: &mut Vec<String>, current: &mut String) {
    let sentence = std::mem::take(current).trim().to_owned();
    if sentence.chars().any(|c| c.is_alphanumeric() || c as u32 > 0x2fff) {
        out.push(sentence);
    } else if let (Some(last), false) = (out.last_mut(), sentence.is_empty()) {
        last.push(' ');
        last.push_str(&sentence);
    }
}

/// "Dr." and a lone initial do not end a sentence.
fn is_shortened(current: &str) -> bool {
    let last = current.split_whitespace().next_back().unwrap_or_default();
    let initial = last.chars().count() == 2 && last.chars().next().is_some_and(char::is_uppercase) && last != "I.";
    SHORTENED.contains(&last.to_lowercase().as_str()) || (initial && last.ends_with('.'))
}

/// Words as a listener counts them: long words weigh more, scripts without spaces are counted by sign.
pub(crate) fn spoken_words(text: &str) -> f64 {
    text.split_whitespace()
        .map(|word| {
            let dense = word.chars().filter(|c| is_dense(*c)).count() as f64;
            let rest = word.chars().filter(|c| c.is_alphanumeric() && !is_dense(*c)).count() as f64;
            dense * 0.6 + if rest > 0.0 { (rest / 12.0).max(1.0) } else { 0.0 }
        })
        .sum()
}

fn is_dense(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}')
}

/// How long the text takes to say, in whole hundredths of a second.
pub(crate) fn speech_ms(text: &str) -> u64 {
    (spoken_words(text) / WORDS_PER_SECOND * 100.0).ceil() as u64 * 10
}

/// A word without the marks around it, in lower case.
pub(crate) fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

/// How good a place to breathe lies between two words: 2 after a mark, 1 before a joint, 0 elsewhere.
pub(crate) fn breath_between(before: &str, after: &str) -> u32 {
    if before.ends_with([',', ';', ':', '—', '–', '.', '!', '?', '…', '،', '、']) {
        2
    } else {
        u32::from(JOINTS.contains(&bare(after).as_str()))
    }
}

pub(crate) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Safe inside HTML and SVG, in text and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{clean, escape, paragraphs, sentences, speech_ms};

    #[test]
    fn sentences_keep_their_marks_and_lose_no_word() {
        let text = "Dr. Lind lied. \"Why?\" she asked. J. Smith… left! 3.5 km on";
        let parts = sentences(text);
        assert_eq!(parts, ["Dr. Lind lied.", "\"Why?\"", "she asked.", "J. Smith…", "left!", "3.5 km on"]);
        assert_eq!(parts.join(" "), text);
        assert_eq!(sentences("灯台は光る。海は暗い。").len(), 2);
    }

    #[test]
    fn paragraphs_are_parted_by_blank_lines_only() {
        assert_eq!(paragraphs("a\nb\n\n\n c \n"), ["a b", "c"]);
        assert!(paragraphs(" \n ").is_empty());
    }

    #[test]
    fn speaking_takes_longer_the_more_is_said() {
        assert_eq!(speech_ms(""), 0);
        assert_eq!(speech_ms(&"word ".repeat(26)), 10_000);
        assert!(speech_ms("深い海の底で光る小さな灯") > 2_000);
    }

    #[test]
    fn markup_and_control_characters_do_not_survive() {
        assert_eq!(escape("<script>\"&'"), "&lt;script&gt;&quot;&amp;&#39;");
        assert_eq!(clean("a\u{0}b\u{202e}c"), "a bc");
    }
}
