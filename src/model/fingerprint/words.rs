//! A line as words, without what differs between failures: numbers, ids, times, addresses. Pure.

use std::borrow::Cow;

use super::known::{BEFORE_CODES, CALENDAR, CODES, DATA, NAMES, PERSONAL, UNITS};

/// Stands for what was left out.
const BLANK: &str = "#";

/// The words in small letters, runs of what was left out as one.
pub(super) fn of(line: &str) -> Vec<String> {
    let mut words = Words { kept: Vec::new(), is_behind_colon: false };
    line.split_whitespace().for_each(|chunk| words.chunk(chunk));
    settled(words.kept)
}

struct Words {
    kept: Vec<String>,
    is_behind_colon: bool,
}

impl Words {
    /// What stands between two white spaces.
    fn chunk(&mut self, chunk: &str) {
        if let Some(at) = chunk.find("://") {
            let start =
                chunk[..at].rfind(|c: char| !c.is_ascii_alphanumeric() && c != '+').map_or(0, |c| next(chunk, c));
            let ends = |c: char| matches!(c, '"' | '\'' | '`' | '<' | '>' | ')' | ']' | '}' | ',' | ';' | '\\');
            let end = chunk[at..].find(ends).map_or(chunk.len(), |length| at + length);
            self.chunk(&chunk[..start]);
            self.url(&chunk[start..at], &chunk[at + 3..end]);
            return self.chunk(&chunk[end..]);
        }
        let quoted = |c: char| "{}[]()<>\"'`,;=|!?*^&$#\\".contains(c);
        for piece in chunk.split(quoted).filter(|piece| !piece.is_empty()) {
            if is_colon_address(piece) {
                self.kept.push(BLANK.to_owned());
            } else {
                for (at, token) in piece.split(':').enumerate() {
                    self.is_behind_colon |= at > 0;
                    self.token(token);
                }
            }
        }
        self.is_behind_colon = chunk.ends_with(':');
    }

    /// Where it leads, without user, port and query.
    fn url(&mut self, scheme: &str, rest: &str) {
        let rest = rest.split(['?', '#']).next().unwrap_or_default().trim_end_matches(['.', ':', '/']);
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = place.rsplit('@').next().unwrap_or_default().split(':').next().unwrap_or_default();
        let path = if path.is_empty() { String::new() } else { "/".to_owned() + &without_parts(path) };
        self.kept.push(format!("{}://{}{path}", scheme.to_lowercase(), pieces(host)));
    }

    fn token(&mut self, token: &str) {
        let token = &without_uuids(token);
        let token = token.trim_matches(['.', '-', '_', '+', '~', '%', '…']);
        if token.is_empty() || !token.contains(char::is_alphanumeric) {
            return;
        }
        let lower = token.to_lowercase();
        let before = self.kept.last().map_or("", String::as_str);
        // "error 17" is a code, "error: 17 of 20" is not.
        let is_announced = is_before_code(before) && !(self.is_behind_colon && matches!(before, "error" | "err"));
        let is_code = || is_announced && is_short_code(&lower);
        self.kept.push(if NAMES.contains(&lower.as_str()) || is_known_code(&lower) || is_code() {
            lower
        } else if is_mail(token) || is_random(token) {
            BLANK.to_owned()
        } else if token.contains('/') {
            without_parts(token)
        } else {
            file(token)
        });
    }
}

fn next(text: &str, at: usize) -> usize {
    at + text[at..].chars().next().map_or(0, char::len_utf8)
}

/// A time of day, or an address of version 6 or of a card.
fn is_colon_address(piece: &str) -> bool {
    piece.matches(':').count() >= 2
        && piece.contains(|c: char| c.is_ascii_digit())
        && piece.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.' | '%'))
}

fn is_before_code(word: &str) -> bool {
    BEFORE_CODES.contains(&word) || word.starts_with("http/")
}

/// As a status, an errno, an exit code or an SQLSTATE is.
fn is_short_code(lower: &str) -> bool {
    let all = |is: fn(&u8) -> bool| lower.as_bytes().iter().all(is);
    lower.len() <= 4 && all(u8::is_ascii_digit)
        || lower.len() == 5 && all(u8::is_ascii_alphanumeric) && has_digit(lower)
}

fn is_known_code(lower: &str) -> bool {
    let digits = |rest: &str| (3..=7).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_digit());
    CODES.iter().any(|code| lower.strip_prefix(code).is_some_and(digits))
}

/// Each as a plain number: groups of a UUID may hold no digit.
fn without_uuids(token: &str) -> Cow<'_, str> {
    const LENGTH: usize = 36;
    let is_uuid = |part: &str| {
        let fits = |(at, byte): (usize, u8)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        part.bytes().enumerate().all(fits)
    };
    let places = || 0..=token.len().saturating_sub(LENGTH);
    match places().find(|at| token.get(*at..at + LENGTH).is_some_and(is_uuid)) {
        Some(at) => format!("{}0{}", &token[..at], without_uuids(&token[at + LENGTH..])).into(),
        None => token.into(),
    }
}

fn is_mail(token: &str) -> bool {
    token.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !token.contains('/'))
}

fn has_digit(text: &str) -> bool {
    text.contains(char::is_numeric)
}

/// Made by chance: letters of a digest, or kinds of characters that change as no word's do.
fn is_random(token: &str) -> bool {
    if token.len() >= 8 && token.bytes().all(|b| b.is_ascii_hexdigit()) {
        return true;
    }
    let is_of_key = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'_' | b'-');
    let shortest = if token.contains('/') {
        20
    } else if has_digit(token) {
        10
    } else {
        12
    };
    if token.len() < shortest || !token.bytes().all(is_of_key) {
        return false;
    }
    let kind = |b: u8| (b.is_ascii_lowercase(), b.is_ascii_uppercase(), b.is_ascii_digit());
    let bytes: Vec<u8> = token.bytes().filter(u8::is_ascii_alphanumeric).collect();
    let changes = bytes.windows(2).filter(|pair| kind(pair[0]) != kind(pair[1])).count();
    let share = if has_digit(token) { (3, 10) } else { (5, 10) };
    token.bytes().any(|b| b.is_ascii_uppercase()) && changes * share.1 >= bytes.len() * share.0
}

/// A path without the parts of it that differ.
fn without_parts(path: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut is_personal = false;
    for part in path.split('/') {
        let kept = if is_personal && !part.is_empty() { blank_of(part) } else { file(part) };
        is_personal =
            PERSONAL.contains(&part.to_lowercase().as_str()) || is_personal && parts.contains(&"tmp".to_owned());
        if !(kept == BLANK && parts.last().is_some_and(|last| last == BLANK)) {
            parts.push(kept);
        }
    }
    parts.join("/")
}

/// The ending is all that stays of a name that means nothing.
fn blank_of(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((_, end)) if (1..=5).contains(&end.len()) && !has_digit(end) => format!("{BLANK}.{}", end.to_lowercase()),
        _ => BLANK.to_owned(),
    }
}

fn file(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((_, end)) if DATA.contains(&end.to_lowercase().as_str()) => format!("{BLANK}.{}", end.to_lowercase()),
        _ if is_random(name) => BLANK.to_owned(),
        _ => pieces(name),
    }
}

/// What a name is put together of, without numbers and ids.
fn pieces(name: &str) -> String {
    let lower = name.to_lowercase();
    if !has_digit(name) {
        return lower;
    }
    let mut kept = String::new();
    let mut was_blank = false;
    for piece in lower.split_inclusive(['.', '-', '_', '+', '%', '~', '@']) {
        let word = piece.trim_end_matches(['.', '-', '_', '+', '%', '~', '@']);
        // The end of a pod's name is five letters without vowels, and mostly digits.
        let is_of_pod = was_blank && word.len() == 5 && !word.contains(['a', 'e', 'i', 'o', 'u']);
        let is_blank = !NAMES.contains(&word) && (has_digit(word) || is_of_pod || is_random(word));
        if !is_blank {
            kept += piece;
        } else if !was_blank {
            kept += BLANK;
            kept += &piece[word.len()..];
        }
        was_blank = is_blank;
    }
    let kept = kept.trim_end_matches(['.', '-', '_', '+', '%', '~', '@']);
    if kept.contains(char::is_alphabetic) { kept.to_owned() } else { BLANK.to_owned() }
}

/// Dates become one blank, units go with their numbers, and one of a thing is called as many of it are.
fn settled(words: Vec<String>) -> Vec<String> {
    let is_blank = |word: Option<&String>| word.is_some_and(|word| word == BLANK);
    let mut kept: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let is_behind = is_blank(kept.last());
        let is_date = CALENDAR.contains(&word.as_str()) && (is_behind || is_date_before(&words[at + 1..]));
        if is_date || word == BLANK {
            if !is_behind {
                kept.push(BLANK.to_owned());
            }
        } else if !(is_behind && UNITS.contains(&word.as_str())) {
            let one = word.strip_suffix('s').filter(|one| is_behind && one.len() > 2).unwrap_or(word);
            kept.push(one.to_owned());
        }
    }
    kept
}

/// `Sat Nov 28`: a number comes, or a word of the calendar and then a number.
fn is_date_before(rest: &[String]) -> bool {
    match rest {
        [number, ..] if number == BLANK => true,
        [name, number, ..] => CALENDAR.contains(&name.as_str()) && number == BLANK,
        _ => false,
    }
}
