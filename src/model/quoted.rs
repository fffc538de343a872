//! Text of people or services, quoted in a message: short, and on one line. Pure.

/// Characters of it that help to recognise it.
pub(crate) const LONGEST: usize = 200;

/// It turns the direction in which a text is shown, so that it can look like another one.
pub(crate) fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Its beginning, with whatever would not be seen, or would move the cursor, written out.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == LONGEST {
            shown.push('…');
            break;
        }
        match c {
            c if c.is_control() => shown.extend(c.escape_debug()),
            c if turns(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_short_is_quoted_as_it_is() {
        assert_eq!(quoted("Übersicht 12"), "Übersicht 12");
        assert_eq!(quoted("a\nb\u{1b}[2J\u{202e}c"), "a\\nb\\u{1b}[2J\\u{202e}c");
        assert_eq!(quoted(&"7".repeat(4000)), format!("{}…", "7".repeat(200)));
    }

    proptest! {
        #[test]
        fn nothing_is_quoted_at_length_or_moves_the_cursor(text in any::<String>()) {
            let shown = quoted(&text);
            prop_assert!(shown.chars().count() <= LONGEST * 10 + 1);
            prop_assert!(!shown.contains(char::is_control) && !shown.contains(turns));
        }
    }
}
