//! Fits texts to a width, measured as a terminal draws them.

use ratatui::style::Style;
use ratatui::text::Span;

/// What stands for what was left out.
const CUT: &str = "…";

/// On one line; what else moves a cursor is left out where text is drawn.
pub(super) fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// Columns that it takes.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The whole text where it fits, else its beginning and its end: names differ in either.
pub(super) fn middle(text: &str, room: usize) -> String {
    let text = plain(text);
    if width(&text) <= room {
        return text;
    }
    let Some(left) = room.checked_sub(1) else { return String::new() };
    let letters = letters(&text);
    let head = taken(letters.iter(), left.div_ceil(2));
    let tail = taken(letters.iter().rev(), left / 2);
    [&letters[..head], &[CUT.to_owned()], &letters[letters.len() - tail..]].concat().concat()
}

/// The whole text where it fits, else its beginning.
pub(super) fn start(text: &str, room: usize) -> String {
    let text = plain(text);
    if width(&text) <= room {
        return text;
    }
    let Some(left) = room.checked_sub(1) else { return String::new() };
    let letters = letters(&text);
    letters[..taken(letters.iter(), left)].concat() + CUT
}

/// Lines of the text that are no wider than that. Only a word that is wider by itself is broken.
pub(super) fn wrapped(text: &str, room: usize) -> Vec<String> {
    let (text, mut lines, mut line) = (plain(text), Vec::new(), String::new());
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let gap = usize::from(!line.is_empty());
        if !line.is_empty() && width(&line) + gap + width(word) > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for letter in letters(word) {
            if !line.is_empty() && width(&line) + width(&letter) > room {
                lines.push(std::mem::take(&mut line));
            }
            line.push_str(&letter);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// What is drawn as one sign each.
fn letters(text: &str) -> Vec<String> {
    Span::raw(text).styled_graphemes(Style::new()).map(|letter| letter.symbol.to_owned()).collect()
}

/// How many of them have room.
fn taken<'l>(letters: impl Iterator<Item = &'l String>, room: usize) -> usize {
    let mut used = 0;
    let fits = |letter: &&String| {
        used += width(letter);
        used <= room
    };
    letters.take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_that_does_not_fit_keeps_its_beginning_and_its_end() {
        assert_eq!(middle("render_pictures_in_4k", 12), "render…in_4k");
        assert_eq!(middle("render", 6), "render");
        assert_eq!(middle("render", 1), "…");
        assert_eq!(middle("render", 0), "");
        assert_eq!(start("no such card", 8), "no such…");
        assert_eq!(middle("日本語の名前", 7), "日…前", "a wide sign is not halved");
    }

    #[test]
    fn a_command_is_broken_between_its_words() {
        let command = "piton resume story --stage render";
        assert_eq!(wrapped(command, 20), ["piton resume story", "--stage render"]);
        assert_eq!(wrapped("0123456789", 4), ["0123", "4567", "89"]);
        assert_eq!(wrapped("", 4), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_its_room_and_nothing_is_lost_by_wrapping(text in "[a-z日é\u{301} \n]{0,60}", room in 2usize..30) {
            prop_assert!(width(&middle(&text, room)) <= room && width(&start(&text, room)) <= room);
            let lines = wrapped(&text, room);
            prop_assert!(lines.iter().all(|line| width(line) <= room), "{lines:?}");
            let bare = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(bare(&lines.concat()), bare(&text));
        }
    }
}
