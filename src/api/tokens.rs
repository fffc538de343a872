//! The tokens of operators and readers; only their digests are kept.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::bounded;

/// Who is behind a token that has no name, or needs none.
const NOBODY: &str = "api";
/// What is shorter can be guessed.
const SHORTEST: usize = 16;
const LONGEST_NAME: usize = 64;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// To look.
    Reader,
    /// To look and to change.
    Operator,
}

/// Who asks, and what is allowed to them.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(super) name: Arc<str>,
    pub(super) scope: Scope,
}

impl Caller {
    /// Where no token is asked for.
    pub(super) fn anybody() -> Caller {
        Caller { name: NOBODY.into(), scope: Scope::Operator }
    }
}

/// Why a list of tokens is none. No token is in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("token {number} of {source_name}: {wrong}")]
    Entry { number: usize, source_name: String, wrong: Wrong },
    #[error("{0} holds no token")]
    Nothing(String),
    #[error("the tokens in {0} cannot be read: {1}")]
    File(String, std::io::Error),
}

/// What is wrong with one of them.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Wrong {
    #[error("it has less than {SHORTEST} characters; make one with: openssl rand -hex 32")]
    Short,
    #[error("it has characters other than letters, digits and -._~+/=")]
    Characters,
    #[error("its name, before the colon, is not valid: use up to {LONGEST_NAME} letters, digits and -._@")]
    Name,
    #[error("it was given before; each stands for one name and one scope")]
    Twice,
}

struct Token {
    digest: [u8; 32],
    caller: Caller,
}

/// All that are accepted.
#[derive(Default)]
pub(crate) struct Tokens(Vec<Token>);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

impl Tokens {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds those of a list with commas or lines between them, each `token` or `name:token`. `source` is for messages.
    pub(crate) fn add(&mut self, scope: Scope, list: &str, source: &str) -> Result<(), TokenError> {
        let entries: Vec<&str> = list.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty()).collect();
        if entries.is_empty() {
            return Err(TokenError::Nothing(source.to_owned()));
        }
        for (number, entry) in (1..).zip(entries) {
            let wrong = |wrong| TokenError::Entry { number, source_name: source.to_owned(), wrong };
            let (name, secret) = parts(entry).map_err(wrong)?;
            if self.caller(secret).is_some() {
                return Err(wrong(Wrong::Twice));
            }
            self.0.push(Token { digest: digest(secret), caller: Caller { name: name.into(), scope } });
        }
        Ok(())
    }

    /// Adds those in a file.
    pub(crate) fn add_file(&mut self, scope: Scope, file: &Path) -> Result<(), TokenError> {
        let source = file.display().to_string();
        let list = bounded::text(file, bounded::SETTINGS).map_err(|error| TokenError::File(source.clone(), error))?;
        self.add(scope, &list, &source)
    }

    /// Whose token that is. Takes the same time for every one that it is not: all are compared, as digests.
    pub(super) fn caller(&self, secret: &str) -> Option<&Caller> {
        let asked = digest(secret);
        let mut found = None;
        for token in &self.0 {
            if bool::from(token.digest.ct_eq(&asked)) {
                found = Some(&token.caller);
            }
        }
        found
    }
}

/// Name and token of an entry.
fn parts(entry: &str) -> Result<(&str, &str), Wrong> {
    let (name, secret) = entry.split_once(':').unwrap_or((NOBODY, entry));
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(|byte| is_word(byte) || byte == b'@') {
        return Err(Wrong::Name);
    }
    if secret.len() < SHORTEST {
        return Err(Wrong::Short);
    }
    let is_sound = secret.bytes().all(|byte| is_word(byte) || b"~+/=".contains(&byte));
    if is_sound { Ok((name, secret)) } else { Err(Wrong::Characters) }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn added(list: &str) -> Result<Tokens, TokenError> {
        let mut tokens = Tokens::default();
        tokens.add(Scope::Operator, list, "LIST")?;
        Ok(tokens)
    }

    #[test]
    fn a_token_is_known_by_its_whole_text_and_its_name_is_the_actor() {
        let tokens = added(&format!("anna:{SECRET}, {SECRET}2,\n")).unwrap();
        assert_eq!(&*tokens.caller(SECRET).unwrap().name, "anna");
        assert_eq!(&*tokens.caller(&format!("{SECRET}2")).unwrap().name, NOBODY);
        for other in ["", &SECRET[1..], &format!("anna:{SECRET}")] {
            assert!(tokens.caller(other).is_none(), "{other}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused_without_repeating_it() {
        for list in [
            "",
            " ,\n",
            "short",
            ":0123456789abcdef",
            "a b:0123456789abcdef",
            "0123456789abcdef!",
            "a:b:0123456789abcdef",
        ] {
            let said = added(list).unwrap_err().to_string();
            assert!(said.contains("LIST") && !said.contains("0123456789"), "{said}");
        }
        assert!(matches!(
            added(&format!("{SECRET},anna:{SECRET}")),
            Err(TokenError::Entry { number: 2, wrong: Wrong::Twice, .. })
        ));
    }

    #[test]
    fn no_token_is_told_by_its_list() {
        assert_eq!(format!("{:?}", added(SECRET).unwrap()), "1 tokens");
    }
}
