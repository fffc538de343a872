//! Files that a workflow file names: those of a stage, `render/video.mp4`, or the one that a place of the input refers to,
//! `item.picture`. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::place::Place;

/// What stands before the name, in texts and in `files`.
pub(crate) const FILE: &str = "file:";
/// What stands before the name of a file that a program makes.
pub(crate) const OUT: &str = "out:";

/// One file, or several.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum NamedFile {
    /// Files that a stage has kept, or `input`: those that the run was started on.
    Of { head: String, name: FileName },
    /// Files that are referred to at a place of the input: an artifact, or an array of them.
    At(Place),
}

/// The name of a file, or what several have in common: `*` and `?` stand for what has no `/` in it, `**` for anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct FileName(String);

impl NamedFile {
    /// Reads what stands behind `file:`.
    pub(crate) fn parse(text: &str) -> Option<NamedFile> {
        let text = text.trim();
        match text.split_once('/') {
            None => Place::parse(text).map(NamedFile::At),
            Some((head, name)) => {
                let head = Place::parse(head).filter(|place| place.path.is_empty())?.head;
                Some(NamedFile::Of { head, name: FileName::parse(name)? })
            }
        }
    }

    /// Whether it may be several by what is written.
    pub(crate) fn is_pattern(&self) -> bool {
        matches!(self, NamedFile::Of { name, .. } if name.exact().is_none())
    }
}

impl FileName {
    pub(crate) fn parse(text: &str) -> Option<FileName> {
        let odd = |c: char| c.is_control() || matches!(c, '{' | '}' | '"' | '\'');
        let whole = text.split('/').all(|part| !matches!(part, "" | "." | "..")) && !text.contains(odd);
        whole.then(|| FileName(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, where it is that of one file.
    pub(crate) fn exact(&self) -> Option<&str> {
        (!self.0.contains(['*', '?'])).then_some(&self.0)
    }

    /// Whether a file of that name is meant.
    pub(crate) fn fits(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        // Which beginnings of the name the pattern fits so far, by their length.
        let mut fit = vec![false; name.len() + 1];
        fit[0] = true;
        let mut pattern = self.0.chars().peekable();
        while let Some(c) = pattern.next() {
            let mut longer = vec![false; name.len() + 1];
            if c == '*' {
                let deep = pattern.next_if_eq(&'*').is_some();
                let mut on = false;
                for at in 0..fit.len() {
                    on = fit[at] || (on && at.checked_sub(1).is_some_and(|last| deep || name[last] != '/'));
                    longer[at] = on;
                }
            } else {
                for (at, letter) in name.iter().enumerate() {
                    longer[at + 1] = fit[at] && if c == '?' { *letter != '/' } else { *letter == c };
                }
            }
            fit = longer;
        }
        fit[name.len()]
    }
}

impl fmt::Display for NamedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NamedFile::Of { head, name } => write!(f, "{head}/{}", name.0),
            NamedFile::At(place) => place.fmt(f),
        }
    }
}

impl TryFrom<String> for NamedFile {
    type Error = String;

    fn try_from(text: String) -> Result<NamedFile, String> {
        NamedFile::parse(&text).ok_or_else(|| format!("`{text}` names no file"))
    }
}

impl TryFrom<String> for FileName {
    type Error = String;

    fn try_from(text: String) -> Result<FileName, String> {
        FileName::parse(&text).ok_or_else(|| format!("`{text}` is no name of a file"))
    }
}

impl From<FileName> for String {
    fn from(name: FileName) -> String {
        name.0
    }
}

impl From<NamedFile> for String {
    fn from(file: NamedFile) -> String {
        file.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slash_tells_the_files_of_a_stage_from_a_place() {
        let of = |text: &str| match NamedFile::parse(text) {
            Some(NamedFile::Of { head, name }) => Some((head, name.0)),
            Some(NamedFile::At(_)) | None => None,
        };
        assert_eq!(of(" render/a b/v.mp4 "), Some(("render".to_owned(), "a b/v.mp4".to_owned())));
        assert!(matches!(NamedFile::parse("item.picture"), Some(NamedFile::At(place)) if place.path == ["picture"]));
        for wrong in
            ["", "/a", "render/", "render//a", "render/../a", "render/.", "ren der/a", "a.b/c", "a/\"b\"", "a*"]
        {
            assert_eq!(NamedFile::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_pattern_stays_within_a_folder_unless_it_says_otherwise() {
        let fits = |pattern: &str, name: &str| FileName::parse(pattern).expect("a name").fits(name);
        for (pattern, name) in [
            ("*", "a.png"),
            ("*.png", "a.png"),
            ("pages/?.png", "pages/1.png"),
            ("**", "a/b/c"),
            ("a**z", "a/b/z"),
            ("*a*a*", "banana"),
            ("a", "a"),
            ("ü*", "über"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("*", "a/b"), ("*.png", "a.jpg"), ("pages/?.png", "pages/10.png"), ("a?c", "a/c"), ("a", "ab")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_fits_itself_and_what_stands_for_it(name in "[a-zä]{1,8}(/[a-zä.]{1,8}x){0,3}") {
            let pattern = |text: &str| FileName::parse(text).expect("a name");
            prop_assert!(pattern(&name).fits(&name));
            prop_assert!(pattern("**").fits(&name));
            prop_assert_eq!(pattern("*").fits(&name), !name.contains('/'));
            let longer = format!("{name}!");
            prop_assert!(!pattern(&name).fits(&longer));
        }
    }
}
