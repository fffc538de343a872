//! TOML syntax errors, in Piton's words, without those that only follow from others.

use std::collections::HashSet;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::lines::Lines;
use super::mistake::{Mistake, SHOWN};

/// What the TOML parser found.
pub(crate) struct Syntax {
    pub(crate) mistakes: Vec<Mistake>,
    /// The tree is not what the author meant; only what is plainly wrong by itself can be told from it.
    pub(crate) damaged: bool,
    arrays: Vec<Range<usize>>,
    lines: Lines,
    on: HashSet<usize>,
}

impl Syntax {
    /// Reads the file as far as it can be read.
    pub(crate) fn read(text: &str) -> (DeTable<'_>, Syntax) {
        let (tree, errors) = DeTable::parse_recoverable(text);
        let tree = tree.into_inner();
        let mut syntax = Syntax {
            mistakes: Vec::new(),
            damaged: false,
            arrays: if errors.is_empty() { Vec::new() } else { arrays(&tree) },
            lines: Lines::of(text),
            on: HashSet::new(),
        };
        syntax.tell(text, &errors);
        (tree, syntax)
    }

    /// A mistake at that place may only follow from one that is told here.
    pub(crate) fn covers(&self, span: &Range<usize>) -> bool {
        span.is_empty()
            || self.on.contains(&self.lines.at(span.start))
            || self.array_at(span.start).is_some_and(|array| self.has_mistake_in(&array))
    }

    /// The array that a byte is in, or just behind.
    fn array_at(&self, byte: usize) -> Option<Range<usize>> {
        let before = self.arrays.partition_point(|array| array.start <= byte);
        self.arrays.get(before.checked_sub(1)?).filter(|array| byte <= array.end).cloned()
    }

    fn has_mistake_in(&self, span: &Range<usize>) -> bool {
        self.mistakes.iter().take(SHOWN).any(|m| span.start <= m.span.start && m.span.start <= span.end)
    }

    fn tell(&mut self, text: &str, errors: &[toml::de::Error]) {
        let mut errors: Vec<Raw<'_>> = errors.iter().map(|error| Raw::of(text, error)).collect();
        errors.sort_by_key(|error| error.span.start);
        let open: HashSet<usize> = errors
            .iter()
            .filter(|e| e.leaves_open())
            .filter_map(|e| Some(self.array_at(e.span.start)?.start))
            .collect();
        let (mut table_ends, mut array_ends) = (0, 0);
        for error in &errors {
            self.damaged |= !error.is_duplicate();
            let line = self.lines.at(error.span.start);
            let array = self.array_at(error.span.start).filter(|_| !error.is_duplicate());
            // Below the second header of a table, every key that both have is double too.
            let follows = (error.is_duplicate() && error.span.start < table_ends)
                || (array.is_some() && error.span.start <= array_ends)
                || !self.on.insert(line);
            if follows {
                continue;
            }
            let mistake = match array {
                Some(array) if open.contains(&array.start) => {
                    array_ends = array.end;
                    let bracket = array.start..array.start + 1;
                    self.on.insert(self.lines.at(bracket.start));
                    Mistake::new(bracket, "this array is not closed", "", "write `]` after its last element")
                }
                Some(array) => {
                    array_ends = array.end;
                    error.told(text)
                }
                None if error.is_duplicate() => {
                    if self.header(text, line) {
                        table_ends = self.next_header(text, error.span.end);
                    }
                    self.double(text, error, line)
                }
                None => error.told(text),
            };
            self.mistakes.push(mistake);
        }
    }

    fn header(&self, text: &str, line: usize) -> bool {
        text[self.lines.range(text, line)].trim_start().starts_with('[')
    }

    fn next_header(&self, text: &str, after: usize) -> usize {
        let mut at = after;
        while let Some(end) = text[at..].find('\n') {
            at += end + 1;
            if text[at..].trim_start_matches([' ', '\t']).starts_with('[') {
                return at;
            }
        }
        text.len()
    }

    fn double(&self, text: &str, error: &Raw<'_>, line: usize) -> Mistake {
        let key = text.get(error.span.clone()).unwrap_or_default();
        let shown = super::mistake::shown(key);
        let own = text[self.lines.range(text, line)].trim();
        let is_header = own.starts_with('[');
        let same = |other: &str| match is_header {
            true => other.starts_with(own.split(']').next().unwrap_or(own)),
            false => other.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('=')),
        };
        // Nobody reads the place of the first one past the mistakes that are shown.
        let begin = || if is_header { 0 } else { (0..line).rfind(|l| self.header(text, *l)).unwrap_or(0) };
        let first = || (begin()..line).find(|l| same(text[self.lines.range(text, *l)].trim_start()));
        let first = if self.mistakes.len() < SHOWN { first() } else { None };
        let label = first.map_or(String::new(), |line| format!("the first one is on line {}", line + 1));
        let (title, help) = match is_header {
            true if own.starts_with("[stages.") => {
                (format!("there are two stages {shown}"), "rename one of them, or make one of the two")
            }
            true => (format!("there are two tables {shown}"), "make one of the two"),
            false => (format!("the key {shown} is set twice"), "remove one of the two"),
        };
        Mistake::new(error.span.clone(), title, label, help)
    }
}

/// An error of the TOML parser.
struct Raw<'a> {
    span: Range<usize>,
    /// What is wrong, and what was expected.
    title: &'a str,
    expected: &'a str,
}

impl<'a> Raw<'a> {
    fn of(text: &str, error: &'a toml::de::Error) -> Raw<'a> {
        let (title, expected) = error.message().split_once(", expected ").unwrap_or((error.message(), ""));
        // The one error without a place is about a key with too many dots.
        let deep = || text.lines().find(|line| line.matches('.').count() >= 80).map_or(0, |line| offset(text, line));
        let span = error.span().unwrap_or_else(|| deep()..deep());
        Raw { span, title, expected }
    }

    fn is_duplicate(&self) -> bool {
        self.title == "duplicate key"
    }

    fn leaves_open(&self) -> bool {
        matches!(self.title, "unexpected `=` in array" | "unclosed array")
    }

    /// The mistake with its cure. What is not listed here says itself what it expected.
    fn told(&self, text: &str) -> Mistake {
        let told = |title: &str, help: &str| Mistake::new(self.span.clone(), title, "", help);
        let quoted = text.get(self.span.clone()).unwrap_or_default();
        match (self.title, self.expected) {
            ("string values must be quoted", _) if quoted.trim().is_empty() => {
                told("a value is missing", "write one after the `=`, such as \"story\"")
            }
            ("string values must be quoted", _) => told(
                "a string must be in quotes",
                &format!("write {}", super::mistake::shown(&format!("\"{quoted}\"")).trim_matches('`')),
            ),
            ("invalid unquoted key", _) if quoted.starts_with(':') => {
                told("a key without a value", "write key = value; TOML has `=`, not `:`")
            }
            ("key with no value", _) => told("a key without a value", "write key = value; TOML has `=`, not `:`"),
            ("invalid basic string" | "invalid literal string", quote @ ("`\"`" | "`'`")) => {
                told("this string is not closed", &format!("write {quote} at its end, on the same line"))
            }
            ("invalid multi-line basic string" | "invalid multi-line literal string", "`\"`" | "`'`") => {
                told("a string of several lines is not closed", "write its three quotes once more at its end")
            }
            (title, _) if title.starts_with("invalid") && title.ends_with("string") => {
                told("a string holds a character that cannot be seen", "remove it")
            }
            ("missing escaped value", _) => {
                told("there is no such escape", "write `\\\\` for a backslash, or put the string in single quotes")
            }
            ("unclosed table" | "unclosed array table", _) => told("a header is not closed", "write `]` at its end"),
            ("recursion limit" | "cannot recurse further; max recursion depth met", _) => told(
                "keys or values are nested too deep",
                "a workflow file needs no more than [stages.<name>] and its keys",
            ),
            (title, "") => told(title, "mend this line; it is not TOML"),
            (title, expected) => told(title, &format!("expected {expected}")),
        }
    }
}

fn offset(text: &str, line: &str) -> usize {
    line.as_ptr() as usize - text.as_ptr() as usize
}

/// The outermost arrays of the keys of the file and of its stages, in the order of the file.
fn arrays(tree: &DeTable<'_>) -> Vec<Range<usize>> {
    let mut arrays = Vec::new();
    let mut tables = vec![(tree, 0)];
    while let Some((table, depth)) = tables.pop() {
        for (_, value) in table {
            match value.get_ref() {
                DeValue::Array(_) => arrays.push(value.span()),
                DeValue::Table(below) if depth < 3 => tables.push((below, depth + 1)),
                _ => {}
            }
        }
    }
    arrays.sort_by_key(|span| span.start);
    arrays
}
