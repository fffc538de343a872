//! Values that must not be kept: where one appears in a text that leaves an attempt, its name takes its place.

use std::ops::Range;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::variables;

/// Shorter values are ordinary words, and hiding them would only garble messages.
const SHORTEST: usize = 6;

/// What stays as it is in a part of a URL that was encoded as a whole.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same where slashes stay, as in a path.
const PATH: &AsciiSet = &COMPONENT.remove(b'/');
/// As browsers' `encodeURIComponent` has it.
const BROWSER: &AsciiSet = &COMPONENT.remove(b'!').remove(b'*').remove(b'\'').remove(b'(').remove(b')');
/// As forms are sent.
const FORM: &AsciiSet = &COMPONENT.add(b'~').remove(b'*');
/// Every way to encode a value.
const URLS: [&AsciiSet; 6] = [COMPONENT, PATH, BROWSER, FORM, QUERY, NON_ALPHANUMERIC];
/// What a query cannot hold, and a client encodes by itself.
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\'');

/// Names and values of variables, longest value first.
#[derive(Default, Clone)]
pub(crate) struct Secrets(Vec<(String, String)>);

/// A piece of a text that is not kept, and what stands for it.
struct Hidden<'s> {
    range: Range<usize>,
    /// `None` for what may only be a piece of a value.
    name: Option<&'s str>,
}

/// Where a text was cut before anybody looked for secrets in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Nowhere,
    AtItsEnd,
    AtItsBeginning,
}

impl Secrets {
    /// The values of these variables of this process' environment, and one that is known otherwise.
    pub(crate) fn with<'n>(names: impl IntoIterator<Item = &'n str>, own: Option<(String, String)>) -> Secrets {
        // What is no UTF-8 turns up in texts as it is read here.
        let value = |name: &str| Some(variables::value(name)?.to_string_lossy().into_owned());
        Secrets::known(names.into_iter().filter_map(|name| Some((name.to_owned(), value(name)?))).chain(own))
    }

    fn known(values: impl Iterator<Item = (String, String)>) -> Secrets {
        let named = |(name, value): (String, String)| forms(&value).into_iter().map(move |form| (name.clone(), form));
        let mut known: Vec<(String, String)> = values.flat_map(named).collect();
        known.sort_by(|(_, a), (_, b)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        known.dedup_by(|(_, a), (_, b)| a == b);
        Secrets(known)
    }

    /// Bytes of the longest.
    pub(crate) fn longest(&self) -> usize {
        self.0.first().map_or(0, |(_, value)| value.len())
    }

    /// The text without them.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.without(text, Cut::Nowhere)
    }

    /// At most that many bytes of the text without them. Unless it is whole, one of them may have begun at its end: that
    /// piece is left out too.
    pub(crate) fn hide_in_beginning(&self, text: &str, whole: bool, most: usize) -> String {
        // Half a character was read as this one.
        let text = if whole { text } else { text.trim_end_matches(char::REPLACEMENT_CHARACTER) };
        let mut hidden = self.without(text, if whole { Cut::Nowhere } else { Cut::AtItsEnd });
        let end = (0..=most.min(hidden.len())).rev().find(|at| hidden.is_char_boundary(*at));
        hidden.truncate(end.unwrap_or(0));
        hidden
    }

    /// The same of the last bytes of a text.
    pub(crate) fn hide_in_end(&self, text: &str, whole: bool, most: usize) -> String {
        let text = if whole { text } else { text.trim_start_matches(char::REPLACEMENT_CHARACTER) };
        let mut hidden = self.without(text, if whole { Cut::Nowhere } else { Cut::AtItsBeginning });
        let start = (hidden.len().saturating_sub(most)..hidden.len()).find(|at| hidden.is_char_boundary(*at));
        hidden.split_off(start.unwrap_or(hidden.len()))
    }

    /// How much of the beginning of a text can be shown, whatever comes behind it: what is behind that may be the beginning of one.
    pub(crate) fn settled(&self, text: &str) -> usize {
        if self.piece_at_the_cut(text, Cut::AtItsEnd).is_none() {
            return text.len();
        }
        self.hidden(text, Cut::AtItsEnd).last().map_or(text.len(), |hidden| hidden.range.start)
    }

    fn without(&self, text: &str, cut: Cut) -> String {
        let (mut kept, mut at) = (String::with_capacity(text.len()), 0);
        for Hidden { range, name } in self.hidden(text, cut) {
            kept.push_str(&text[at..range.start]);
            if let Some(name) = name {
                kept.push_str("${");
                kept.push_str(name);
                kept.push('}');
            }
            at = range.end;
        }
        kept.push_str(&text[at..]);
        kept
    }

    /// All that belongs to one, in order, and none beside another that it overlaps.
    fn hidden(&self, text: &str, cut: Cut) -> Vec<Hidden<'_>> {
        let mut found: Vec<Hidden<'_>> =
            self.0.iter().flat_map(|(name, value)| occurrences(text, name, value)).collect();
        found.extend(self.piece_at_the_cut(text, cut).map(|range| Hidden { range, name: None }));
        found.sort_by_key(|hidden| hidden.range.start);
        let mut apart: Vec<Hidden<'_>> = Vec::new();
        for hidden in found {
            match apart.last_mut() {
                Some(last) if hidden.range.start < last.range.end => last.take_in(hidden),
                _ => apart.push(hidden),
            }
        }
        apart
    }

    /// The longest piece of a value that the text was cut in.
    fn piece_at_the_cut(&self, text: &str, cut: Cut) -> Option<Range<usize>> {
        let inside = |value: &str| value.char_indices().map(|(at, _)| at).skip(1).collect::<Vec<_>>();
        let begun = |value: &str| inside(value).into_iter().rev().find(|at| text.ends_with(&value[..*at]));
        let ended = |value: &str| {
            inside(value).into_iter().find(|at| text.starts_with(&value[*at..])).map(|at| value.len() - at)
        };
        let values = self.0.iter().map(|(_, value)| value.as_str());
        match cut {
            Cut::Nowhere => None,
            Cut::AtItsEnd => values.filter_map(begun).max().map(|bytes| text.len() - bytes..text.len()),
            Cut::AtItsBeginning => values.filter_map(ended).max().map(|bytes| 0..bytes),
        }
    }
}

impl Hidden<'_> {
    /// Both are one; it has the name of the longer.
    fn take_in(&mut self, other: Self) {
        if other.name.is_some() && (self.name.is_none() || other.range.len() > self.range.len()) {
            self.name = other.name;
        }
        self.range.end = self.range.end.max(other.range.end);
    }
}

/// Also those that overlap: of two, one would be left in part.
fn occurrences<'s>(text: &str, name: &'s str, value: &str) -> Vec<Hidden<'s>> {
    let (mut found, mut from) = (Vec::<Hidden<'s>>::new(), 0);
    let step = value.chars().next().map_or(1, char::len_utf8);
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(value)) {
        let range = from + at..from + at + value.len();
        from = range.start + step;
        match found.last_mut() {
            Some(last) if range.start < last.range.end => last.range.end = range.end,
            _ => found.push(Hidden { range, name: Some(name) }),
        }
    }
    found
}

/// A value as it turns up: whole, or line by line where it has several, and each of these as it stands in JSON, whoever wrote that,
/// and in a URL.
fn forms(value: &str) -> Vec<String> {
    let plain = [value, value.trim()].into_iter().chain(value.lines().map(str::trim));
    let in_url = |text: &str, set| utf8_percent_encode(text, set).to_string();
    let forms = plain.filter(|text| text.len() >= SHORTEST).flat_map(|text| {
        let json = in_json(text);
        let jsons = jsons(&json).into_iter().chain(jsons(&in_json(&json)));
        let urls = URLS.iter().flat_map(|set| urls(&in_url(text, set)));
        [text.to_owned()].into_iter().chain(jsons).chain(urls).collect::<Vec<_>>()
    });
    forms.collect()
}

/// A JSON string as different programs write it.
fn jsons(json: &str) -> Vec<String> {
    let ascii = in_ascii(json, |c| !c.is_ascii());
    let html = in_ascii(json, |c| matches!(c, '<' | '>' | '&' | '\'' | '+'));
    let both = in_ascii(json, |c| !c.is_ascii() || matches!(c, '<' | '>' | '&' | '\'' | '+'));
    let some = in_ascii(json, |c| matches!(c, '<' | '>' | '&'));
    let slashes = [json, &ascii].map(|json| json.replace('/', "\\/"));
    let written: Vec<String> = [json.to_owned(), ascii, html, both, some].into_iter().chain(slashes).collect();
    written.iter().cloned().chain(written.iter().map(|json| hex_in(json, "\\u", 4, char::to_ascii_uppercase))).collect()
}

/// What is encoded for a URL, as different programs write it.
fn urls(url: &str) -> Vec<String> {
    let forms = [url.to_owned(), url.replace("%20", "+")];
    forms.iter().cloned().chain(forms.iter().map(|url| hex_in(url, "%", 2, char::to_ascii_lowercase))).collect()
}

/// The text with the digits behind each of these marks in the other case.
fn hex_in(text: &str, mark: &str, digits: usize, other: fn(&char) -> char) -> String {
    let mut parts = text.split(mark);
    let mut changed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        changed.push_str(mark);
        changed.extend(part.chars().take(digits).map(|digit| other(&digit)));
        changed.extend(part.chars().skip(digits));
    }
    changed
}

/// The text as it stands in a JSON string.
fn in_json(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// These characters as JSON's escapes.
fn in_ascii(json: &str, is_escaped: fn(char) -> bool) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_escaped(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(values: &[(&str, &str)]) -> Secrets {
        Secrets::known(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    fn secrets() -> Secrets {
        known(&[("PART", "s3\"cret"), ("KEY", "s3\"cret-and-more")])
    }

    fn boundary(text: &str, near: usize) -> usize {
        (0..=near.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    }

    #[test]
    fn a_value_that_turns_up_is_hidden_behind_its_name() {
        let secrets = secrets();
        assert_eq!(secrets.hide("401 for s3\"cret-and-more, s3\"cret"), "401 for ${KEY}, ${PART}");
        assert_eq!(secrets.hide(r#"{"key": "s3\"cret-and-more"}"#), r#"{"key": "${KEY}"}"#);
        assert_eq!(secrets.hide("GET /?key=s3%22cret-and-more&s3%22cret%2Dand%2Dmore"), "GET /?key=${KEY}&${KEY}");
    }

    #[test]
    fn a_value_is_hidden_in_the_json_of_other_programs() {
        let secrets = known(&[("KEY", "é/<\"&🗝")]);
        for json in [r#"é/<\"&🗝"#, r#"\u00e9/<\"&\ud83d\udddd"#, r#"é\/<\"&🗝"#, r#"é/\u003c\"\u0026🗝"#] {
            assert_eq!(secrets.hide(&format!("-{json}-")), "-${KEY}-");
        }
    }

    #[test]
    fn a_value_of_several_lines_is_hidden_line_by_line() {
        let secrets = known(&[("PEM", "-----BEGIN-----\nMIIEvQIBADANBg\r\n  kqhkiG9w0BAQ\n}\n")]);
        assert_eq!(secrets.hide("kqhkiG9w0BAQ, MIIEvQIBADANBg }"), "${PEM}, ${PEM} }");
        assert_eq!(secrets.hide("x-----BEGIN-----\nMIIEvQIBADANBg\r\n  kqhkiG9w0BAQ\n}\ny"), "x${PEM}y");
        assert_eq!(known(&[("KEY", "s3cret-line\n")]).hide("no s3cret-line here"), "no ${KEY} here");
    }

    #[test]
    fn of_values_that_overlap_nothing_is_left() {
        let secrets = known(&[("A", "abcabcab"), ("B", "cabcabxx")]);
        assert_eq!(secrets.hide("-abcabcabcab-"), "-${A}-");
        assert_eq!(secrets.hide("-abcabcabxx-"), "-${A}-");
        assert_eq!(secrets.hide("-abcabcababcabcab-"), "-${A}${A}-");
    }

    #[test]
    fn a_value_is_hidden_in_urls_and_json_as_whatever_program_writes_them() {
        let secrets = known(&[("KEY", "abCD/efGH+ijKL=="), ("WORD", "P@ss!word*1 and(more)")]);
        for key in
            ["abCD/efGH%2BijKL%3D%3D", "abCD%2fefGH%2bijKL%3d%3d", "abCD%2FefGH%2BijKL%3D%3D", r"abCD/efGH\u002BijKL=="]
        {
            assert_eq!(secrets.hide(&format!("-{key}-")), "-${KEY}-", "{key}");
        }
        for word in ["P%40ss%21word%2A1+and%28more%29", "P%40ss!word*1%20and(more)", "P%40ss%21word*1+and%28more%29"] {
            assert_eq!(secrets.hide(&format!("-{word}-")), "-${WORD}-", "{word}");
        }
        let lines = known(&[("PEM", "first line\nwith \"quotes\" and\ttabs\n")]);
        assert_eq!(
            lines.hide(r#"{"said": "{\"it\": \"with \\\"quotes\\\" and\\ttabs\"}"}"#),
            r#"{"said": "{\"it\": \"${PEM}\"}"}"#
        );
    }

    #[test]
    fn short_values_are_words() {
        assert_eq!(known(&[("LANG", "en")]).hide("an end"), "an end");
    }

    proptest! {
        #[test]
        fn no_piece_of_a_value_is_in_a_text_that_was_cut(
            before in "[a-z\"é]{0,30}", cut in 0usize..60, most in 0usize..60
        ) {
            let text = format!("{before}s3\"cret-and-more s3\\\"cret-and-more");
            let cut = boundary(&text, cut);
            let hidden = secrets().hide_in_beginning(&text[..cut], false, most);
            prop_assert!(!hidden.contains("s3") && hidden.len() <= most, "{}", hidden);
        }

        #[test]
        fn no_piece_of_a_value_is_in_the_end_of_a_text(
            after in "[a-d\"é]{0,30}", cut in 0usize..60, most in 0usize..60
        ) {
            let text = format!("s3\"cret-and-more s3\\\"cret-and-more{after}");
            let cut = boundary(&text, cut);
            let hidden = secrets().hide_in_end(&text[cut..], cut == 0, most);
            prop_assert!(!hidden.contains("ore") && !hidden.contains("and") && hidden.len() <= most, "{}", hidden);
        }

        #[test]
        fn a_text_without_values_is_only_cut(text in "[a-r\"é]{0,30}", most in 0usize..40) {
            let kept = secrets().hide_in_beginning(&text, true, most);
            prop_assert!(text.starts_with(&kept) && kept.len() <= most && (text.len() <= most || kept.len() + 2 > most));
            let kept = secrets().hide_in_end(&text, true, most);
            prop_assert!(text.ends_with(&kept) && kept.len() <= most && (text.len() <= most || kept.len() + 2 > most));
        }
    }
}
