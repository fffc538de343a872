//! A condition on a run's input: `input.customer.plan=pro`. Pure.

use std::fmt;
use std::str::FromStr;

use super::json;

/// Characters of a condition.
const LONGEST: usize = 2000;
/// Conditions of one question.
pub(crate) const MOST: usize = 20;

/// Where in a run's input: `input.items[0].name`; a key that holds other characters is written `input["a.b"]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputPath {
    keys: Vec<String>,
}

/// A place in the input and what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) path: InputPath,
    /// As text; of a string without its quotes.
    pub(crate) value: String,
}

/// What is wrong with one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoCondition {
    #[error("write it as input.PATH=VALUE, such as input.tenant=acme or input.items[0].id=17")]
    NoValue,
    #[error("a path begins with `input`, such as input.tenant or input.items[0].id")]
    NoInput,
    #[error(
        "the path cannot be read from character {0} on; write it as input.a.b[0], and a key with other characters as \
         input[\"a.b\"]"
    )]
    Unread(usize),
    #[error("a condition has at most {LONGEST} characters")]
    TooLong,
    #[error("a condition must not hold a NUL character")]
    Nul,
}

impl InputPath {
    /// As Postgres reads an array of texts.
    pub(crate) fn array(&self) -> String {
        let quoted = |key: &String| format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
        format!("{{{}}}", self.keys.iter().map(quoted).collect::<Vec<_>>().join(","))
    }

    pub(crate) fn keys(&self) -> &[String] {
        &self.keys
    }
}

impl fmt::Display for InputPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("input")?;
        for key in &self.keys {
            if !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit()) {
                write!(f, "[{key}]")?;
            } else if key.is_empty() || key.contains(['.', '[', ']', '=', '"']) || key.contains(char::is_control) {
                write!(f, "[{}]", json::string(key))?;
            } else {
                write!(f, ".{key}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for InputPath {
    type Err = NoCondition;

    fn from_str(text: &str) -> Result<InputPath, NoCondition> {
        check(text)?;
        match read_path(text)? {
            (path, "") => Ok(path),
            (_, rest) => Err(unread(text, rest)),
        }
    }
}

impl FromStr for Condition {
    type Err = NoCondition;

    fn from_str(text: &str) -> Result<Condition, NoCondition> {
        check(text)?;
        let (path, rest) = read_path(text)?;
        match rest.strip_prefix('=') {
            Some(value) => Ok(Condition { path, value: value.to_owned() }),
            None if rest.is_empty() => Err(NoCondition::NoValue),
            None => Err(unread(text, rest)),
        }
    }
}

fn check(text: &str) -> Result<(), NoCondition> {
    if text.contains('\0') {
        return Err(NoCondition::Nul);
    }
    if text.chars().nth(LONGEST).is_some() { Err(NoCondition::TooLong) } else { Ok(()) }
}

/// The path that the text begins with, and what comes after it.
fn read_path(text: &str) -> Result<(InputPath, &str), NoCondition> {
    let mut rest = text.strip_prefix("input").ok_or(NoCondition::NoInput)?;
    if !(rest.is_empty() || rest.starts_with(['.', '[', '='])) {
        return Err(NoCondition::NoInput);
    }
    let mut keys = Vec::new();
    while let Some(first) = rest.chars().next().filter(|c| matches!(c, '.' | '[')) {
        let (key, behind) =
            if first == '.' { plain(rest) } else { bracketed(rest) }.ok_or_else(|| unread(text, rest))?;
        keys.push(key);
        rest = behind;
    }
    Ok((InputPath { keys }, rest))
}

fn unread(text: &str, rest: &str) -> NoCondition {
    NoCondition::Unread(text.chars().count() - rest.chars().count() + 1)
}

/// `.key`
fn plain(text: &str) -> Option<(String, &str)> {
    let key = &text[1..];
    let end = key.find(['.', '[', ']', '=', '"']).unwrap_or(key.len());
    (end > 0).then(|| (key[..end].to_owned(), &key[end..]))
}

/// `[0]` or `["key"]`, with the escapes of JSON.
fn bracketed(text: &str) -> Option<(String, &str)> {
    let inner = &text[1..];
    if !inner.starts_with('"') {
        let (number, behind) = inner.split_once(']')?;
        let is_number = !number.is_empty() && number.len() <= 9 && number.bytes().all(|b| b.is_ascii_digit());
        return is_number.then(|| (number.to_owned(), behind));
    }
    let mut read = serde_json::Deserializer::from_str(inner).into_iter::<String>();
    let key = read.next()?.ok().filter(|key| !key.contains('\0'))?;
    let behind = inner.get(read.byte_offset()..)?.strip_prefix(']')?;
    Some((key, behind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<(String, String), NoCondition> {
        text.parse::<Condition>().map(|condition| (condition.path.array(), condition.value))
    }

    fn wrong(text: &str) -> String {
        read(text).map_or_else(|error| error.to_string(), |read| format!("{read:?}"))
    }

    #[test]
    fn a_condition_is_a_path_and_a_value() {
        let of = |path: &str, value: &str| Ok((path.to_owned(), value.to_owned()));
        assert_eq!(read("input.tenant=acme"), of(r#"{"tenant"}"#, "acme"));
        assert_eq!(read("input.a.b[0].c=x=y"), of(r#"{"a","b","0","c"}"#, "x=y"));
        assert_eq!(read(r#"input["a.b"]["say \"hi\""]=5"#), of(r#"{"a.b","say \"hi\""}"#, "5"));
        assert_eq!(read("input=acme"), of("{}", "acme"));
        assert_eq!(read("input.ü="), of(r#"{"ü"}"#, ""));
    }

    #[test]
    fn what_is_wrong_with_one_is_said_with_its_cure() {
        insta::assert_snapshot!(wrong("input.tenant"), @"write it as input.PATH=VALUE, such as input.tenant=acme or input.items[0].id=17");
        insta::assert_snapshot!(wrong("tenant=acme"), @"a path begins with `input`, such as input.tenant or input.items[0].id");
        insta::assert_snapshot!(wrong("inputs.tenant=acme"), @"a path begins with `input`, such as input.tenant or input.items[0].id");
        insta::assert_snapshot!(wrong("input.a..b=1"), @r#"the path cannot be read from character 8 on; write it as input.a.b[0], and a key with other characters as input["a.b"]"#);
        insta::assert_snapshot!(wrong("input.a[x]=1"), @r#"the path cannot be read from character 8 on; write it as input.a.b[0], and a key with other characters as input["a.b"]"#);
        insta::assert_snapshot!(wrong("input.a=\0"), @"a condition must not hold a NUL character");
        insta::assert_snapshot!(wrong(&format!("input.a={}", "x".repeat(5000))), @"a condition has at most 2000 characters");
    }

    proptest! {
        #[test]
        fn any_key_can_be_written(key in "[^\0]{1,20}", value in "[^\0]{0,20}") {
            let text = format!("input[{}]={value}", json::string(&key));
            let condition: Condition = text.parse().expect("a condition");
            prop_assert_eq!((condition.path.keys(), &condition.value), (&[key][..], &value));
            let again: InputPath = condition.path.to_string().parse().expect("the path as it is shown");
            prop_assert!(again == condition.path || condition.path.keys()[0].len() > 9, "{}", condition.path);
        }

        #[test]
        fn nothing_that_is_written_breaks_it(text in any::<String>()) {
            _ = text.parse::<Condition>();
            _ = format!("input{text}").parse::<Condition>();
        }
    }
}
