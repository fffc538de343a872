//! The text that takes the place of a missing value: `{{input.lang | "en"}}`.

/// A place and what is behind it: a text in quotes, `"…"` as in JSON or `'…'` as it is. `None`: there is none, `Err`: it is
/// no text in quotes.
pub(super) fn split(inner: &str) -> Result<(&str, Option<String>), ()> {
    // A key may hold a `|`, but none holds a quote.
    let Some((place, text)) = inner.split_once('|').filter(|_| inner.contains(['"', '\''])) else {
        return Ok((inner.trim(), None));
    };
    let text = text.trim();
    let plain = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).filter(|text| !text.contains('\''));
    let read = match plain {
        Some(plain) => Some(plain.to_owned()),
        None => serde_json::from_str::<String>(text).ok(),
    };
    read.filter(|text| !text.contains('\0')).map(|text| (place.trim(), Some(text))).ok_or(())
}

/// Where the `}}` is that closes the braces: not within quotes.
pub(super) fn close(text: &str) -> Option<usize> {
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in text.char_indices() {
        match quote {
            Some('"') if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if text[at..].starts_with("}}") => return Some(at),
            None => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fallback_is_a_text_in_quotes() {
        let fallback = |inner| split(inner).map(|(place, text)| (place.to_owned(), text));
        let of = |place: &str, text: Option<&str>| Ok((place.to_owned(), text.map(str::to_owned)));
        assert_eq!(fallback(" input.lang "), of("input.lang", None));
        assert_eq!(fallback(r#"input.lang|"en""#), of("input.lang", Some("en")));
        assert_eq!(fallback(r#" input.lang | "a \"b\" | }} c" "#), of("input.lang", Some(r#"a "b" | }} c"#)));
        assert_eq!(fallback("input.lang | 'a\"b'"), of("input.lang", Some("a\"b")));
        assert_eq!(fallback("input.lang | ''"), of("input.lang", Some("")));
        assert_eq!(fallback("input.a|b"), of("input.a|b", None), "a key of its own");
        for wrong in ["input.lang | \"en", "input.lang | 'e'n'", "input.lang | \"a\" \"b\"", "input.lang | \"\\u0000\""]
        {
            assert_eq!(fallback(wrong), Err(()), "{wrong}");
        }
    }

    #[test]
    fn braces_are_closed_outside_of_quotes() {
        let rest = |text: &'static str| close(text).map(|at| &text[at..]);
        assert_eq!(rest("input.x}} and }}"), Some("}} and }}"));
        assert_eq!(rest(r#"input.x | "a}}\"b}}" }}!"#), Some("}}!"));
        assert_eq!(rest(r#"input.x | '}}\' }}"#), Some("}}"));
        assert_eq!(rest("input.x | \"}}"), None);
    }

    proptest! {
        #[test]
        fn what_json_writes_is_read_back(text in "[^\0]{0,20}") {
            let inner = format!("input.x | {}", serde_json::Value::from(text.as_str()));
            prop_assert_eq!(close(&format!("{inner}}}}}")), Some(inner.len()));
            prop_assert_eq!(split(&inner), Ok(("input.x", Some(text))));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            close(&text).map_or(Ok(("", None)), |at| split(&text[..at])).ok();
        }
    }
}
