//! The files that a stage names.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::named::Named;
use crate::workflow::definition::AnswerFormat;
use crate::workflow::form_file::FormFile;
use crate::workflow::keys::{self, Key};
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::named_file::FileName;
use crate::workflow::template::Template;
use crate::workflow::value::{self, Value, Word};

/// Notes the files that a text names, and tells of those that cannot stand there.
pub(super) fn note(key: Key, word: &Word, template: &Template, named: &mut Named, found: &mut Vec<Mistake>) {
    let (is_argument, is_variable) = (key.name == keys::COMMAND.name, key.name == keys::ENV.name);
    let mut wrong = |title: String, help: &str| found.push(Mistake::new(word.span.clone(), title, "", help));
    let mut seen = HashSet::new();
    for file in template.files().filter(|file| seen.insert(*file)) {
        if !is_argument && !is_variable {
            let help = "files are for programs (`command`, `env`); a request sends them in a form: \
                        files = { audio = \"file:narrate/voice.wav\" }";
            wrong(format!("`{{{{file:{file}}}}}` cannot stand in `{}`", key.name), help);
        } else if file.is_pattern() && is_variable {
            let help = "name one; a program finds all that its arguments name below $PITON_INPUTS";
            wrong(format!("`{{{{file:{file}}}}}` may be several files, and a variable holds one"), help);
        } else if file.is_pattern() && template.parts().len() > 1 {
            let help = "let it stand alone in its quotes: it becomes one argument for each file";
            wrong(format!("`{{{{file:{file}}}}}` may be several files"), help);
        } else {
            named.files.push((Arc::new(word.clone()), file.clone()));
        }
    }
    if let Some(name) = template.outs().next() {
        named.makes_files = true;
        if !is_argument && !is_variable {
            let title = format!("`{{{{out:{name}}}}}` cannot stand in `{}`", key.name);
            wrong(title, "remove it; only programs make files (`command`, `env`)");
        }
    }
}

/// Tells of a program that is itself a file of a stage.
pub(super) fn program(word: &Word, template: &Template, found: &mut Vec<Mistake>) {
    if template.files().next().is_some() || template.outs().next().is_some() {
        let title = format!("{} cannot be the program: files that stages make are not executable", shown(&word.text));
        let help = "name a program that reads it, such as command = [\"sh\", \"{{file:build/run.sh}}\"]";
        found.push(Mistake::new(word.span.clone(), title, "", help));
    }
}

/// The name of the file that an answer becomes.
pub(super) fn name(value: &Value<'_>, key: Key, output: AnswerFormat, found: &mut Vec<Mistake>) -> Option<FileName> {
    let word = value::text(value, key, false, found)?;
    let (title, help) = match FileName::parse(&word.text).filter(|name| name.exact().is_some()) {
        Some(name) if output == AnswerFormat::File => return Some(name),
        Some(_) => ("the answer of this stage becomes no file".to_owned(), "add output = \"file\", or remove the line"),
        None => (format!("{} is no name of a file", shown(&word.text)), "write one such as file = \"voice.wav\""),
    };
    found.push(Mistake::new(word.span, title, "", help));
    None
}

/// The files of a form, by field; `None` where something about them is wrong.
pub(super) fn form(
    value: &Value<'_>,
    method: &str,
    named: &mut Named,
    found: &mut Vec<Mistake>,
) -> Option<BTreeMap<String, FormFile>> {
    let table = value::table(value, keys::FILES, found)?;
    let (mut files, mut all_right) = (BTreeMap::new(), true);
    if method == "GET" {
        let title = "a request with the method GET sends no files".to_owned();
        all_right = false;
        value::wrong::<()>(value, title, "", "remove `files`, or the line `method`", found);
    }
    for (name, value) in value::entries(table) {
        let file = value::text(value, keys::FILES, false, found).and_then(|word| field(&name, word, named, found));
        match file {
            Some(file) => _ = files.insert(name.text, file),
            None => all_right = false,
        }
    }
    all_right.then_some(files)
}

fn field(name: &Word, word: Word, named: &mut Named, found: &mut Vec<Mistake>) -> Option<FormFile> {
    let (title, span, help) = match FormFile::parse(&word.text) {
        Some(_) if name.text == "input" || name.text.is_empty() => {
            let title = format!("{} is no name for a form field with a file", shown(&name.text));
            (title, name.span.clone(), "choose another; `input` is the stage's input")
        }
        Some(file) => {
            match &file {
                FormFile::OnDisk(place) => named.places.push((Arc::new(word), place.clone())),
                FormFile::Stored(file) => named.files.push((Arc::new(word), file.clone())),
            }
            return Some(file);
        }
        None if word.text.starts_with("file:") => {
            let title = format!("{} names no file", shown(&word.text));
            (
                title,
                word.span,
                "write a stage and a name, such as \"file:narrate/voice.wav\", or a place, such as \"file:item\"",
            )
        }
        None => {
            let title = format!("{} is no place of a file name", shown(&word.text));
            (
                title,
                word.span,
                "write where in the input the name stands, such as \"item.path\", or \"file:STAGE/NAME\"",
            )
        }
    };
    found.push(Mistake::new(span, title, "", help));
    None
}
