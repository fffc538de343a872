//! Whether a template makes a valid URL.

use crate::workflow::template::{Part, Template};

/// What would make a URL of it. What comes from the input must not choose the server.
pub(super) fn bad_url(url: &Template) -> Option<&'static str> {
    let mut before = String::new();
    for part in url.parts() {
        match part {
            Part::Text(text) => before.push_str(text),
            // It may hold scheme and host.
            Part::Variable(_) if before.is_empty() => before.push_str("http://variable"),
            Part::Variable(_) => before.push('v'),
            Part::Place(_) | Part::Own(_) | Part::File(_) | Part::Out(_) => break,
        }
    }
    let Some((scheme, rest)) = before.split_once("://") else {
        return Some("begin it with https:// or http://, or with a variable such as ${API_URL}");
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if !matches!(scheme, "http" | "https") {
        Some("begin it with https:// or http://")
    } else if host.is_empty() || host.contains(char::is_whitespace) {
        Some("name the server, such as https://example.com/v1/script")
    } else if host.contains('@') {
        Some("write user and password as a header: headers = { authorization = \"Basic ${CREDENTIALS}\" }")
    } else if url.parts().iter().any(|part| matches!(part, Part::Place(_) | Part::Own(_))) && host.len() == rest.len() {
        Some("let {{…}} stand behind the server and a `/`; the input must not choose the server")
    } else {
        None
    }
}
