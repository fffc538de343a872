//! What is wrong in a workflow file: every mistake at once, each with its place and its cure.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use super::lines::Lines;

/// Mistakes that are shown; the rest is counted.
pub(crate) const SHOWN: usize = 50;

/// One thing that is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mistake {
    /// Bytes of the file.
    pub(crate) span: Range<usize>,
    pub(crate) title: String,
    /// What stands at the place; may be empty.
    pub(crate) label: String,
    pub(crate) help: String,
}

impl Mistake {
    pub(crate) fn new(
        span: Range<usize>,
        title: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) -> Mistake {
        Mistake { span, title: title.into(), label: label.into(), help: help.into() }
    }
}

/// All that is wrong in one workflow file. Its `Display` shows each mistake with the line it is on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mistakes {
    file: String,
    source: String,
    lines: Lines,
    list: Vec<Mistake>,
}

/// A mistake as `--json` writes it.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    message: String,
    help: &'a str,
}

impl Mistakes {
    /// In the order of the file.
    pub(crate) fn new(file: &str, source: impl Into<String>, mut list: Vec<Mistake>) -> Mistakes {
        let source = source.into();
        list.sort_by_key(|mistake| mistake.span.start);
        list.dedup();
        Mistakes { file: file.to_owned(), lines: Lines::of(&source), source, list }
    }

    /// Every mistake (the first 50, and the number of the others) with an excerpt of the file, as a terminal shows it.
    pub(crate) fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
        let mut text = String::new();
        for mistake in self.list.iter().take(SHOWN) {
            text += &renderer.render(&[self.excerpt(mistake)]);
            text += "\n\n";
        }
        text += &match self.list.len() {
            1 => format!("1 mistake in {}", shown(&self.file)),
            count if count > SHOWN => {
                format!("and {} more: {count} mistakes in {}", count - SHOWN, shown(&self.file))
            }
            count => format!("{count} mistakes in {}", shown(&self.file)),
        };
        text
    }

    /// A JSON array of objects: file, line and column (from 1, in characters), message, help.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        // Characters are counted on from the mistake before: a hundred thousand of them may be on one long line.
        let (mut counted, mut column) = (0..0, 1);
        let lines = self.list.iter().map(|mistake| {
            let (line, range) = self.place(mistake);
            let start = self.lines.range(&self.source, line).start;
            if counted.start != start || counted.end > range.start {
                (counted, column) = (start..start, 1);
            }
            column += self.source[counted.end..range.start].chars().count();
            counted.end = range.start;
            let message = match mistake.label.as_str() {
                "" => mistake.title.clone(),
                label => format!("{}: {label}", mistake.title),
            };
            Line { file: &self.file, line: line + 1, column, message, help: &mistake.help }
        });
        // Text and numbers cannot fail to become JSON.
        serde_json::Value::Array(lines.map(|line| serde_json::to_value(line).unwrap_or_default()).collect())
    }

    /// The line of a mistake, and its bytes on that line: whole characters, whatever the span was.
    fn place(&self, mistake: &Mistake) -> (usize, Range<usize>) {
        let line = self.lines.at(mistake.span.start.min(self.source.len()));
        let Range { start, end } = self.lines.range(&self.source, line);
        let mut from = mistake.span.start.clamp(start, end);
        while !self.source.is_char_boundary(from) {
            from -= 1;
        }
        let mut to = mistake.span.end.clamp(from, end);
        while !self.source.is_char_boundary(to) {
            to += 1;
        }
        (line, from..to)
    }

    fn excerpt<'a>(&'a self, mistake: &'a Mistake) -> Group<'a> {
        let title = Level::ERROR.primary_title(mistake.title.as_str());
        let help = Level::HELP.message(mistake.help.as_str());
        if self.source.is_empty() {
            return title.element(Origin::path(self.file.as_str())).element(help);
        }
        let (line, range) = self.place(mistake);
        let whole = self.lines.range(&self.source, line);
        let mark = AnnotationKind::Primary.span(range.start - whole.start..range.end - whole.start);
        let mark = if mistake.label.is_empty() { mark } else { mark.label(mistake.label.as_str()) };
        let snippet = Snippet::source(harmless(&self.source[whole])).line_start(line + 1).path(self.file.as_str());
        title.element(snippet.annotation(mark)).element(help)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Mistakes {}

/// A line without the controls that take two bytes, which some terminals obey as they obey an escape; those of one byte are
/// left out where it is drawn. As many bytes as before: the mark stands where it stood.
fn harmless(line: &str) -> Cow<'_, str> {
    let is_control = |c: char| matches!(c, '\u{80}'..='\u{9f}');
    if line.contains(is_control) { line.replace(is_control, "·").into() } else { line.into() }
}

/// A word from a file as a message may show it: short, and without what would move a terminal's cursor.
pub(crate) fn shown(word: &str) -> String {
    const LONGEST: usize = 60;
    let more = if word.chars().count() > LONGEST { "…" } else { "" };
    let plain = |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    format!("`{}{more}`", word.chars().take(LONGEST).map(plain).collect::<String>())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn many(count: usize) -> Mistakes {
        let list = (0..count).map(|at| Mistake::new(at..at + 1, "it is wrong", "", "make it right")).collect();
        Mistakes::new("f.toml", "x".repeat(count), list)
    }

    #[test]
    fn many_mistakes_are_counted_and_not_all_shown() {
        let text = many(73).to_string();
        assert_eq!(text.matches("it is wrong").count(), SHOWN);
        assert!(text.ends_with("and 23 more: 73 mistakes in `f.toml`"), "{text}");
        assert!(many(1).to_string().ends_with("\n\n1 mistake in `f.toml`"));
    }

    #[test]
    fn colour_is_for_terminals_only() {
        assert!(many(1).render(true).contains("\u{1b}["));
        assert!(!many(1).render(false).contains('\u{1b}'));
    }

    #[test]
    fn machines_get_the_place_in_characters() {
        let list = vec![Mistake::new("a\né".len().."a\néx".len(), "wrong", "an x", "write y")];
        let json = Mistakes::new("f.toml", "a\néx\n", list).to_json();
        insta::assert_snapshot!(json, @r#"[{"column":2,"file":"f.toml","help":"write y","line":2,"message":"wrong: an x"}]"#);
    }

    proptest! {
        #[test]
        fn any_span_of_any_text_can_be_shown(text in any::<String>(), from in 0usize..40, len in 0usize..40) {
            let mistakes = Mistakes::new("f", text, vec![Mistake::new(from..from + len, "t", "l", "h")]);
            let escape = mistakes.to_string().contains('\u{1b}');
            prop_assert!(!escape);
            prop_assert_eq!(mistakes.to_json().as_array().map(Vec::len), Some(1));
        }
    }
}
