//! The array `requires` of a stage.

use toml::de::DeValue;

use crate::workflow::keys;
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::template::Template;
use crate::workflow::value::{self, Value, Word};

/// Reads it. Those that are wrong are told, and left out.
pub(super) fn requires(value: &Value<'_>, found: &mut Vec<Mistake>) -> Vec<Template> {
    let DeValue::Array(elements) = value.get_ref() else {
        // A string alone is told as such.
        value::texts(value, keys::REQUIRES, found);
        return Vec::new();
    };
    let read = elements.iter().filter_map(|element| {
        // What cannot be a name of anything is told by this one.
        let [word] = value::texts_of(std::slice::from_ref(element), keys::REQUIRES, found).try_into().ok()?;
        let (_, template) = value::template(element, keys::REQUIRES, found)?;
        match odd(&word, &template) {
            Some((title, help)) => {
                found.push(Mistake::new(word.span, title, "", help));
                None
            }
            None => Some(template),
        }
    });
    read.collect()
}

/// What is wrong with it, and what would be right.
fn odd(word: &Word, template: &Template) -> Option<(String, &'static str)> {
    if template.places().next().is_some() || template.owns().next().is_some() {
        let title = format!("{} depends on the run, and a worker looks for it before any", shown(&word.text));
        return Some((title, "write a tool's name, or a path; ${NAME} is taken from the worker's environment"));
    }
    if word.text.contains("://") {
        let title = format!("{} is no tool and no place of the worker's machine", shown(&word.text));
        return Some((
            title,
            "write a tool's name such as \"tesseract\", or a path such as \"${PDF_INBOX}\"; a server is not looked for",
        ));
    }
    None
}
