//! Rust's text as tokens, as far as imports need it: without comments, numbers, characters and lifetimes.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    /// What a string holds, as it is written.
    Text(String),
    Mark(char),
}

pub(super) fn tokens(text: &str) -> Vec<Token> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '/' if rest.starts_with("//") => (None, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (None, rest.find("*/").unwrap_or(rest.len() - 2) + 2),
            '"' => string(rest, 0),
            'b' | 'c' if rest[1..].starts_with('"') => string(rest, 1),
            'b' if rest[1..].starts_with('\'') => (None, 1 + character(&rest[1..])),
            'r' | 'b' | 'c' if raw(rest).is_some() => raw(rest).unwrap(),
            '\'' => (None, character(rest)),
            'r' if rest.starts_with("r#") => (None, 2),
            c if c.is_alphanumeric() || c == '_' => {
                let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                (Some(rest[..length].to_owned()).filter(|_| !c.is_numeric()).map(Token::Word), length)
            }
            c if c.is_whitespace() => (None, c.len_utf8()),
            c => (Some(Token::Mark(c)), c.len_utf8()),
        };
        found.extend(token);
        rest = &rest[length..];
    }
    found
}

/// A string whose quote stands at `at`, and its length.
fn string(text: &str, at: usize) -> (Option<Token>, usize) {
    let mut escaped = false;
    let end = text[at + 1..].find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    let end = at + 1 + end.unwrap();
    (Some(Token::Text(text[at + 1..end].to_owned())), end + 1)
}

/// A raw string, where one stands here.
fn raw(text: &str) -> Option<(Option<Token>, usize)> {
    let inside = text.trim_start_matches(['b', 'c']).strip_prefix('r')?;
    let fences = inside.len() - inside.trim_start_matches('#').len();
    let inside = inside[fences..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(fences));
    let length = inside.find(&end).unwrap();
    Some((Some(Token::Text(inside[..length].to_owned())), text.len() - inside.len() + length + end.len()))
}

/// The length of a character or of a lifetime.
fn character(text: &str) -> usize {
    let mut inside = text[1..].chars();
    match (inside.next(), inside.next()) {
        (Some('\\'), Some(escaped)) => {
            let from = 2 + escaped.len_utf8();
            from + text[from..].find('\'').unwrap() + 1
        }
        (Some(c), Some('\'')) => c.len_utf8() + 2,
        _ => 1 + text[1..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len() - 1),
    }
}

/// Where what opens here is closed; here, where nothing opens.
pub(super) fn end_of(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (end, token) in tokens.iter().enumerate().skip(at) {
        depth += match token {
            Token::Mark('(' | '[' | '{') => 1,
            Token::Mark(')' | ']' | '}') => -1,
            _ => 0,
        };
        if depth == 0 {
            return end;
        }
    }
    tokens.len()
}

/// Behind the item, or the field, that begins here.
pub(super) fn pass(tokens: &[Token], at: usize) -> usize {
    let mut at = at;
    while let Some(token) = tokens.get(at) {
        at = end_of(tokens, at) + 1;
        if matches!(token, Token::Mark('{' | ';' | ',')) {
            break;
        }
    }
    at
}

/// What commas part.
pub(super) fn parts(tokens: &[Token]) -> Vec<&[Token]> {
    let (mut parts, mut from, mut at) = (Vec::new(), 0, 0);
    while at < tokens.len() {
        if tokens[at] == Token::Mark(',') {
            parts.push(&tokens[from..at]);
            from = at + 1;
        }
        at = end_of(tokens, at) + 1;
    }
    parts.push(&tokens[from..]);
    parts
}
