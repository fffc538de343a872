//! Groups failures by cause: leaves out of the message what differs from run to run. Pure.

mod known;
mod words;

use super::failure::FailureClass;
use super::{digest, key_line};

/// Digits of a fingerprint. Those of the releases before, which left quoted words out, have 16.
const DIGITS: usize = 12;
/// Characters of the message that are read.
const READ: usize = 4000;
/// Words of it that count: what comes after is mostly data.
const COUNTED: usize = 40;

/// The cause of whatever was given up by hand, as `piton.force_dead_letter` writes it; and before.
const BY_HAND: &str = "87077ffcc999";
const BY_HAND_BEFORE: &str = "87077ffcc999bff3";

/// 12 hexadecimal digits, the same for failures of the same class whose messages differ in numbers, ids, times and
/// addresses only.
pub(crate) fn fingerprint(class: FailureClass, message: &str) -> String {
    digest::hex(&digest::of(&format!("{class}\n{}", normalised(message)))[..DIGITS / 2])
}

/// Pending dead letters have other ones by now, or soon.
pub(crate) fn is_of_an_older_piton(fingerprint: &str) -> bool {
    fingerprint.len() == 16 && fingerprint.bytes().all(|b| b.is_ascii_hexdigit())
}

/// What a release before called it, and what it is called now.
pub(crate) fn renewed(before: &str, class: FailureClass, message: &str) -> String {
    if before == BY_HAND_BEFORE { BY_HAND.to_owned() } else { fingerprint(class, message) }
}

/// The words of the line that says what went wrong.
fn normalised(message: &str) -> String {
    let plain = without_escapes(&message.chars().take(READ).collect::<String>());
    words::of(&telling_part(&plain)).into_iter().take(COUNTED).collect::<Vec<_>>().join(" ")
}

fn telling_part(message: &str) -> String {
    if let Some(title) = title(message) {
        return title;
    }
    let mut lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    // JSON over several lines says it anywhere, and so does what a line announces.
    let goes_on = first.ends_with(['{', '[', '(']) || first.ends_with(':') && key_line::marked(message).is_none();
    if goes_on { message.to_owned() } else { key_line::first(message).unwrap_or_default() }
}

/// What stands before a page of HTML, and the page's title: around it stands the same whatever went wrong.
fn title(message: &str) -> Option<String> {
    let lower = message.to_ascii_lowercase();
    let start = lower.find("<title>")?;
    let end = start + lower[start..].find("</title>")?;
    let before = message[..start].split('<').next().unwrap_or_default();
    Some(format!("{before} {}", &message[start + "<title>".len()..end]))
}

/// Without the colours of a terminal.
fn without_escapes(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain += part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').get(1..).unwrap_or_default();
    }
    plain
}

#[cfg(test)]
mod tests;
