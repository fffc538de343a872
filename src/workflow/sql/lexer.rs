//! Reads a statement as far as is needed to know where a parameter can stand, where the statement ends, and whether it returns
//! rows: literals, quoted names, comments and dollar quotes, as Postgres reads them with `standard_conforming_strings`.

use super::error::StatementError;
use super::piece::Piece;
use crate::workflow::fallback;
use crate::workflow::template::{Part, Template};

/// What a statement may begin with. Others can hold no parameter, end the transaction, or leave something to the session.
const BEGINNINGS: [&str; 10] =
    ["insert", "update", "delete", "merge", "select", "values", "table", "with", "call", "refresh"];
/// What a statement does behind its `with`.
const MAIN: [&str; 7] = ["insert", "update", "delete", "merge", "select", "values", "table"];

pub(super) struct Read {
    pub(super) pieces: Vec<Piece>,
    pub(super) parameters: Vec<Template>,
    pub(super) returns_rows: bool,
}

/// Reads the whole text.
pub(super) fn read(text: &str) -> Result<Read, StatementError> {
    let mut lexer = Lexer { rest: text, ..Lexer::default() };
    while !lexer.rest.is_empty() {
        lexer.token()?;
    }
    lexer.finish()
}

#[derive(Default)]
struct Lexer<'t> {
    rest: &'t str,
    /// Text since the last piece.
    plain: String,
    pieces: Vec<Piece>,
    parameters: Vec<Template>,
    depth: u32,
    first: Option<String>,
    /// What it does.
    main: Option<String>,
    has_returning: bool,
    /// A `;` has ended it.
    has_ended: bool,
}

impl<'t> Lexer<'t> {
    fn token(&mut self) -> Result<(), StatementError> {
        let rest = self.rest;
        let first = rest.chars().next().unwrap_or_default();
        if rest.starts_with("--") {
            return self.region(rest.find('\n').unwrap_or(rest.len()), "a comment");
        }
        if rest.starts_with("/*") {
            return self.region(comment(rest)?, "a comment");
        }
        if first.is_whitespace() {
            self.take(first.len_utf8());
            return Ok(());
        }
        if first == ';' {
            self.has_ended = true;
            self.rest = &rest[1..];
            return Ok(());
        }
        if self.has_ended {
            return Err(StatementError::Second);
        }
        match first {
            '\'' => self.region(quoted(rest, '\'', false)?, "a literal"),
            '"' => self.region(quoted(rest, '"', false)?, "a quoted name"),
            '$' => self.dollar(),
            '{' if rest.starts_with("{{") => self.place(),
            '(' => {
                self.begins("(");
                self.depth += 1;
                self.take(1);
                Ok(())
            }
            ')' => {
                self.depth = self.depth.checked_sub(1).ok_or(StatementError::Unbalanced)?;
                self.take(1);
                Ok(())
            }
            c if is_letter(c) => self.word(),
            // A number, which may hold letters.
            c if c.is_ascii_digit() => {
                self.take(length(rest, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')));
                Ok(())
            }
            c => {
                self.take(c.len_utf8());
                Ok(())
            }
        }
    }

    fn take(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        // Behind its end nothing counts.
        if !self.has_ended {
            self.plain.push_str(taken);
        }
        self.rest = rest;
    }

    /// Text in which nothing is filled in.
    fn region(&mut self, bytes: usize, what: &'static str) -> Result<(), StatementError> {
        match misplaced(&self.rest[..bytes]) {
            Some(place) => Err(StatementError::Inside(place, what)),
            None => {
                self.take(bytes);
                Ok(())
            }
        }
    }

    fn word(&mut self) -> Result<(), StatementError> {
        let bytes = length(self.rest, |c| is_letter(c) || c.is_ascii_digit() || c == '$');
        let word = self.rest[..bytes].to_lowercase();
        if word == "e" && self.rest[bytes..].starts_with('\'') {
            return self.region(bytes + quoted(&self.rest[bytes..], '\'', true)?, "a literal");
        }
        self.begins(&word);
        if self.depth == 0 {
            let is_main = self.main.is_none() && MAIN.contains(&word.as_str());
            if is_main {
                self.flush();
                self.pieces.push(Piece::Main { behind_with: self.first.as_deref() == Some("with") });
                self.main = Some(word.clone());
            }
            self.has_returning |= word == "returning";
        }
        self.take(bytes);
        Ok(())
    }

    fn begins(&mut self, word: &str) {
        self.first.get_or_insert_with(|| word.to_owned());
    }

    /// A dollar quote, or something that Postgres will refuse.
    fn dollar(&mut self) -> Result<(), StatementError> {
        let rest = self.rest;
        let digits = length(&rest[1..], |c| c.is_ascii_digit());
        if digits > 0 {
            return Err(StatementError::Numbered(rest[..=digits].to_owned()));
        }
        let tag = 1 + length(&rest[1..], |c| is_letter(c) || c.is_ascii_digit());
        if !rest[tag..].starts_with('$') {
            self.take(1);
            return Ok(());
        }
        let mark = &rest[..=tag];
        let end = rest[mark.len()..].find(mark).ok_or(StatementError::Open("a text between `$` signs"))?;
        self.region(2 * mark.len() + end, "a text between `$` signs")
    }

    fn place(&mut self) -> Result<(), StatementError> {
        let end = fallback::close(&self.rest[2..]).map_or(self.rest.len(), |at| at + 4);
        let (written, rest) = self.rest.split_at(end);
        let template = Template::parse(written)?;
        if !matches!(template.parts(), [Part::Place(_) | Part::Own(_)]) {
            return Err(StatementError::NoPlace(written.to_owned()));
        }
        let known = self.parameters.iter().position(|known| *known == template);
        let number = known.unwrap_or_else(|| {
            self.parameters.push(template);
            self.parameters.len() - 1
        });
        self.flush();
        self.pieces.push(Piece::Parameter(number));
        self.rest = rest;
        Ok(())
    }

    fn flush(&mut self) {
        if !self.plain.is_empty() {
            self.pieces.push(Piece::Text(std::mem::take(&mut self.plain)));
        }
    }

    fn finish(mut self) -> Result<Read, StatementError> {
        self.flush();
        let first = self.first.ok_or(StatementError::Empty)?;
        if !BEGINNINGS.contains(&first.as_str()) {
            return Err(StatementError::Kind(first));
        }
        if self.depth > 0 {
            return Err(StatementError::Open("a `(`"));
        }
        let selects = matches!(self.main.as_deref(), Some("select" | "values" | "table"));
        Ok(Read { pieces: self.pieces, parameters: self.parameters, returns_rows: selects || self.has_returning })
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii() && !c.is_whitespace()
}

/// Bytes at the beginning that are such characters.
fn length(text: &str, is_such: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_such(c)).unwrap_or(text.len())
}

/// Bytes of the text in quotes at the beginning.
fn quoted(text: &str, quote: char, escapes: bool) -> Result<usize, StatementError> {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = letters.next() {
        if escapes && c == '\\' {
            letters.next();
        } else if c == quote && letters.next_if(|(_, next)| *next == quote).is_none() {
            return Ok(at + 1);
        }
    }
    Err(StatementError::Open(if quote == '"' { "a quoted name" } else { "a literal" }))
}

/// Bytes of the comment at the beginning; comments may hold others.
fn comment(text: &str) -> Result<usize, StatementError> {
    let (mut depth, mut at) = (0_u32, 0);
    while at < text.len() {
        let here = &text[at..];
        if here.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return Ok(at);
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    Err(StatementError::Open("a comment"))
}

/// Something in a text that would be a place outside of it; braces of other meanings are none.
fn misplaced(text: &str) -> Option<String> {
    text.match_indices("{{").find_map(|(at, _)| {
        let inner = &text[at + 2..];
        let end = fallback::close(inner).or_else(|| inner.find("}}"))?;
        let written = &text[at..at + end + 4];
        let template = Template::parse(written).ok()?;
        let is_one = matches!(template.parts(), [Part::Place(_) | Part::Own(_) | Part::File(_) | Part::Out(_)]);
        is_one.then(|| written.to_owned())
    })
}
