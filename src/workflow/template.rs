//! Texts of a workflow file that are filled in when a stage starts: `${NAME}` from the worker's environment, which is never
//! stored, `{{place}}` from the stage's input, and `{{run.id}}` and the like from the attempt itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::fallback;
use super::named_file::{FILE, FileName, NamedFile, OUT};
use super::own::{self, Own};
pub(crate) use super::place::Place;

/// A text in parts. It is stored and shown as it was written, so a value of the environment is never in it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Template {
    written: String,
    parts: Vec<Part>,
}

/// A stretch of a template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    Text(String),
    /// A variable of the worker's environment.
    Variable(String),
    /// A place in the stage's input.
    Place(Place),
    /// What the attempt knows of itself.
    Own(Own),
    /// Where a file is, for as long as the attempt lasts.
    File(NamedFile),
    /// Where a program writes a file that is kept as an artifact.
    Out(FileName),
}

/// Why a text is no template; says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("`${{` is not closed; write ${{NAME}}, or $${{ for the characters themselves")]
    OpenVariable,
    #[error("`{0}` is no name of a variable; write one such as ${{API_KEY}}, or $${{ for the characters themselves")]
    Variable(String),
    #[error("`{{{{` is not closed; write {{{{item}}}}, or {{{{{{{{ for the characters themselves")]
    OpenPlace,
    #[error("`{0}` is no place; write one such as {{{{item.name}}}}, or {{{{{{{{ for the characters themselves")]
    Place(String),
    #[error("`{0}` is nothing that a stage knows of its run; it knows {1}")]
    Own(String, String),
    #[error("`{0}` has a default that cannot be read; write {{{{input.lang | \"en\"}}}}, or {{{{input.lang | 'en'}}}}")]
    Fallback(String),
    #[error("`{0}` always has a value, and takes no default")]
    Needless(String),
    #[error(
        "`{0}` names no file; write {{{{file:STAGE/NAME}}}} such as {{{{file:render/video.mp4}}}}, or {{{{file:item.picture}}}} for what the input refers to"
    )]
    File(String),
    #[error("`{0}` is no name for a file that is made; write one such as {{{{out:final.mp4}}}}")]
    Out(String),
    #[error("it holds a NUL character")]
    Nul,
}

impl Template {
    /// Reads a text.
    pub(crate) fn parse(text: &str) -> Result<Template, TemplateError> {
        if text.contains('\0') {
            return Err(TemplateError::Nul);
        }
        let mut parts = Vec::new();
        let (mut plain, mut rest) = (String::new(), text);
        while let Some(at) = rest.find(['$', '{']) {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            let (literal, part, after) = stretch(rest)?;
            plain.push_str(literal);
            if let Some(part) = part {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(part);
            }
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Template { written: text.to_owned(), parts })
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// As it stands in the file.
    pub(crate) fn as_str(&self) -> &str {
        &self.written
    }

    /// The text itself, where nothing in it is filled in.
    pub(crate) fn as_plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Variables of the environment that it names.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(name.as_str()),
            Part::Text(_) | Part::Place(_) | Part::Own(_) | Part::File(_) | Part::Out(_) => None,
        })
    }

    /// Places of the input that it names.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.parts.iter().filter_map(|part| match part {
            Part::Place(place) => Some(place),
            Part::Text(_) | Part::Variable(_) | Part::Own(_) | Part::File(_) | Part::Out(_) => None,
        })
    }

    /// What it names of the attempt itself.
    pub(crate) fn owns(&self) -> impl Iterator<Item = Own> {
        self.parts.iter().filter_map(|part| match part {
            Part::Own(own) => Some(*own),
            Part::Text(_) | Part::Variable(_) | Part::Place(_) | Part::File(_) | Part::Out(_) => None,
        })
    }

    /// Files that it names.
    pub(crate) fn files(&self) -> impl Iterator<Item = &NamedFile> {
        self.parts.iter().filter_map(|part| match part {
            Part::File(file) => Some(file),
            Part::Text(_) | Part::Variable(_) | Part::Place(_) | Part::Own(_) | Part::Out(_) => None,
        })
    }

    /// Whether the text is the same for every job.
    pub(crate) fn is_known_before_a_job(&self) -> bool {
        self.parts.iter().all(|part| match part {
            Part::Text(_) | Part::Variable(_) => true,
            Part::Place(_) | Part::Own(_) | Part::File(_) | Part::Out(_) => false,
        })
    }

    /// Files that are to be made, by their names.
    pub(crate) fn outs(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Out(name) => Some(name.as_str()),
            Part::Text(_) | Part::Variable(_) | Part::Place(_) | Part::Own(_) | Part::File(_) => None,
        })
    }
}

/// What a text that begins with `$` or `{` begins with: characters or a part, and what comes after.
fn stretch(text: &str) -> Result<(&str, Option<Part>, &str), TemplateError> {
    if let Some(after) = text.strip_prefix("$${") {
        return Ok(("${", None, after));
    }
    if let Some(after) = text.strip_prefix("{{{{") {
        return Ok(("{{", None, after));
    }
    if let Some(inner) = text.strip_prefix("${") {
        let (name, after) = inner.split_once('}').ok_or(TemplateError::OpenVariable)?;
        if !is_variable(name) {
            return Err(TemplateError::Variable(shortened(name)));
        }
        return Ok(("", Some(Part::Variable(name.to_owned())), after));
    }
    if let Some(inner) = text.strip_prefix("{{") {
        let (inner, after) = inner.split_at(fallback::close(inner).ok_or(TemplateError::OpenPlace)?);
        return Ok(("", Some(between_braces(inner)?), &after[2..]));
    }
    let (first, after) = text.split_at(1);
    Ok((first, None, after))
}

/// What stands between two pairs of braces.
fn between_braces(inner: &str) -> Result<Part, TemplateError> {
    if let Some(name) = inner.trim().strip_prefix(FILE) {
        return NamedFile::parse(name).map(Part::File).ok_or_else(|| TemplateError::File(shortened(inner.trim())));
    }
    if let Some(name) = inner.trim().strip_prefix(OUT) {
        let name = FileName::parse(name.trim()).filter(|name| name.exact().is_some());
        return name.map(Part::Out).ok_or_else(|| TemplateError::Out(shortened(inner.trim())));
    }
    let (text, fallback) = fallback::split(inner).map_err(|()| TemplateError::Fallback(shortened(inner.trim())))?;
    let place = Place::parse(text).ok_or_else(|| TemplateError::Place(shortened(inner)))?;
    if place.head != own::HEAD {
        return Ok(Part::Place(Place { fallback, ..place }));
    }
    match (Own::of_key(&place.path.join(".")), fallback) {
        (Ok(own), None) => Ok(Part::Own(own)),
        (Ok(own), Some(_)) => Err(TemplateError::Needless(own.place())),
        (Err(known), _) => Err(TemplateError::Own(shortened(text), known)),
    }
}

/// Whether a process can have a variable of that name.
pub(crate) fn is_variable(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Template, TemplateError> {
        Template::parse(&text)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> String {
        template.written
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Part {
        Part::Text(text.to_owned())
    }

    #[test]
    fn variables_and_places_are_told_from_text() {
        let template = Template::parse("Bearer ${API_KEY} for {{item.user.id}}!").expect("a template");
        let place = Place { head: "item".into(), path: vec!["user".into(), "id".into()], fallback: None };
        let parts = [text("Bearer "), Part::Variable("API_KEY".into()), text(" for "), Part::Place(place), text("!")];
        assert_eq!(template.parts(), parts);
        assert_eq!(template.variables().collect::<Vec<_>>(), ["API_KEY"]);
    }

    #[test]
    fn a_place_may_say_what_stands_where_nothing_is() {
        let template = Template::parse(r#"--lang={{ input.lang | "en }}" }} of {{input.a|b}}"#).expect("a template");
        let fallbacks: Vec<_> = template.places().map(|place| (place.to_string(), place.fallback.as_deref())).collect();
        assert_eq!(fallbacks, [("input.lang".to_owned(), Some("en }}")), ("input.a|b".to_owned(), None)]);
    }

    #[test]
    fn what_an_attempt_knows_of_itself_is_no_place_of_its_input() {
        let template = Template::parse("{{run.id}}-{{ run.attempt }}").expect("a template");
        assert_eq!(template.parts(), [Part::Own(Own::Id), text("-"), Part::Own(Own::Attempt)]);
        assert_eq!(template.places().count(), 0);
    }

    #[test]
    fn characters_that_mean_something_can_be_written() {
        let parts = |written| Template::parse(written).map(|t| t.parts);
        assert_eq!(parts("$${HOME} costs $5 {x} {{{{item}}"), Ok(vec![text("${HOME} costs $5 {x} {{item}}")]));
        assert_eq!(parts("awk '{print $1}'"), Ok(vec![text("awk '{print $1}'")]));
        assert_eq!(parts(""), Ok(vec![]));
    }

    #[test]
    fn what_is_no_template_says_what_would_be() {
        let said = |written: &str| Template::parse(written).expect_err("no template").to_string();
        assert_eq!(said("${HOME"), "`${` is not closed; write ${NAME}, or $${ for the characters themselves");
        assert_eq!(
            said("${}"),
            "`` is no name of a variable; write one such as ${API_KEY}, or $${ for the characters themselves"
        );
        assert_eq!(said("{{item"), "`{{` is not closed; write {{item}}, or {{{{ for the characters themselves");
        assert_eq!(
            said("{{a b}}"),
            "`a b` is no place; write one such as {{item.name}}, or {{{{ for the characters themselves"
        );
        assert_eq!(
            said("{{input.lang | en \"}}\"}}"),
            "`input.lang | en \"}}\"` has a default that cannot be read; write {{input.lang | \"en\"}}, or \
             {{input.lang | 'en'}}"
        );
        assert_eq!(
            said("{{run.uuid}}"),
            "`run.uuid` is nothing that a stage knows of its run; it knows run.id, run.workflow, run.stage, run.item, \
             run.attempt, run.round, run.worker, run.idempotency_key, run.output, run.progress, run.artifacts, \
             run.inputs"
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            if let Ok(template) = Template::parse(&text) {
                prop_assert_eq!(template.as_str(), text);
            }
        }

        #[test]
        fn a_text_without_marks_is_itself(written in "[^${\0]{1,40}") {
            let template = Template::parse(&written).expect("plain");
            prop_assert_eq!(template.parts(), &[text(&written)]);
        }
    }
}

#[cfg(test)]
mod fuzz;
