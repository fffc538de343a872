//! How a stage runs: the keys of its kind.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;

use toml::de::{DeTable, DeValue};

use super::child;
use super::classes::classes;
use super::files;
use super::named::Named;
use super::sql;
use super::url::bad_url;
use super::wait;
use super::warm;
use crate::model::times;
use crate::workflow::classes::{Classes, EXIT_CODES, STATUSES};
use crate::workflow::definition::{
    AnswerFormat, CommandStage, DEFAULT_CONNECT_TIMEOUT, HttpStage, OutputFormat, RunStage, SleepStage, SqlStage,
    StageKind, StandardInput,
};
use crate::workflow::form_file::FormFile;
use crate::workflow::keys::{self, Key, Shape};
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::named_file::FileName;
use crate::workflow::own::Own;
use crate::workflow::template::{Template, is_variable};
use crate::workflow::value::{self, Field, Value, Word};

/// The kind that the stage names; tells of two.
pub(super) fn named(stage: &Word, table: &DeTable<'_>, found: &mut Vec<Mistake>) -> Option<&'static str> {
    let kinds = value::entries(table).filter_map(|(key, _)| {
        let kind = keys::KINDS.iter().find(|kind| kind.name == key.text)?;
        Some((key, kind.name))
    });
    let mut kinds: Vec<(Word, &'static str)> = kinds.collect();
    // A stage that asks a service waits for it, and that is no other kind.
    if kinds.iter().any(|(_, kind)| keys::ASKING.contains(kind)) {
        kinds.retain(|(_, kind)| *kind != keys::WAIT.name);
    }
    if let [(_, first), (second, _), ..] = kinds.as_slice() {
        let title = format!("stage {} says twice how it runs", shown(&stage.text));
        let label = format!("`{first}` was given already");
        found.push(Mistake::new(second.span.clone(), title, label, "keep one of the two; a stage runs in one way"));
    }
    kinds.first().map(|(_, kind)| *kind)
}

/// Reads the keys of that kind; the others are someone else's.
pub(super) fn read(kind: &str, table: &DeTable<'_>, named: &mut Named, found: &mut Vec<Mistake>) -> Field<StageKind> {
    let mut keys = Keys { table, named, found, wrong: false };
    let read = match kind {
        "rust" => keys.text(keys::RUST).map(|handler| StageKind::Rust { handler }),
        "command" => keys.command().map(StageKind::Command),
        "sql" => keys.sql().map(StageKind::Sql),
        "wait" => keys.read(keys::WAIT, wait::signal).map(StageKind::Signal),
        "sleep" | "until" => Some(StageKind::Sleep(keys.sleep())),
        "workflow" => keys.child().map(StageKind::Run),
        _ => keys.http().map(StageKind::Http),
    };
    Field::of(read.filter(|_| !keys.wrong))
}

/// One stage's table on its way into a kind.
struct Keys<'k, 'i> {
    table: &'k DeTable<'i>,
    named: &'k mut Named,
    found: &'k mut Vec<Mistake>,
    /// A value was wrong, and its mistake is told.
    wrong: bool,
}

impl<'i> Keys<'_, 'i> {
    fn command(&mut self) -> Option<CommandStage> {
        let argv = self.argv();
        let stage = CommandStage {
            argv: argv.clone().unwrap_or_default(),
            env: self.templates_by_name(keys::ENV, &env_name),
            pass_env: self.pass_env(),
            dir: self.template(keys::DIR),
            stdin: self.stdin(),
            memory_bytes: self.read(keys::MEMORY, value::size),
            finish: self.read(keys::FINISH, value::flag).unwrap_or_default(),
            warm: self.read(keys::WARM, warm::warm),
            output: self.output(),
            classes: self.classes(keys::EXIT_CLASSES, &EXIT_CODES),
        };
        if let Some(at) = self.table.get(keys::WARM.name) {
            warm::misfits(&stage, at, self.found);
        }
        argv.map(|_| stage)
    }

    fn http(&mut self) -> Option<HttpStage> {
        let url = self.url();
        let method = self.word(keys::METHOD).unwrap_or("POST").to_owned();
        let files = self.form(&method);
        let (headers, dir) = (self.templates_by_name(keys::HEADERS, &header_name), self.template(keys::DIR));
        let connect_timeout = self.read(keys::CONNECT_TIMEOUT, value::duration).unwrap_or(DEFAULT_CONNECT_TIMEOUT);
        let redirects = self.read(keys::REDIRECTS, value::number);
        let (redirects, output) = (redirects.unwrap_or_default(), self.answer());
        let (classes, file) = (self.classes(keys::STATUS_CLASSES, &STATUSES), self.file_name(output));
        url.map(|url| HttpStage { url, method, headers, connect_timeout, redirects, files, dir, output, file, classes })
    }

    fn sql(&mut self) -> Option<SqlStage> {
        let read = self.read(keys::SQL, sql::statement);
        if let Some((word, statement)) = &read {
            statement.parameters().iter().for_each(|template| self.note(keys::SQL, word, template));
        }
        if self.value(keys::ROLE).is_none() {
            self.found.extend(self.value(keys::SQL).map(sql::no_role));
        }
        let role = self.read(keys::ROLE, sql::role);
        read.zip(role).map(|((_, statement), role)| SqlStage { statement, role })
    }

    /// What is wrong with a time that is written out is known before any run.
    fn sleep(&mut self) -> SleepStage {
        let until = self.template(keys::UNTIL);
        if let (Some(text), Some(value)) = (until.as_ref().and_then(Template::as_plain), self.value(keys::UNTIL))
            && let Err(why) = times::parse(text)
        {
            let (span, title) = (value.span(), format!("{} is no time", shown(text)));
            self.found.push(Mistake::new(span, title, "", format!("{why}; write {}", keys::UNTIL.example)));
            self.wrong = true;
        }
        let (length, jitter) = (self.read(keys::SLEEP, value::duration), self.read(keys::SPREAD, value::duration));
        SleepStage { length, until, jitter }
    }

    fn child(&mut self) -> Option<RunStage> {
        let workflow = self.read(keys::WORKFLOW, child::workflow);
        let (input, detached) = (self.read(keys::CHILD_INPUT, child::input), self.read(keys::DETACHED, value::flag));
        for (word, template) in input.iter().flat_map(|(_, texts)| texts) {
            self.note(keys::CHILD_INPUT, word, template);
        }
        let (input, detached) = (input.map(|(input, _)| input), detached.unwrap_or_default());
        workflow.map(|workflow| RunStage { workflow, input, detached })
    }

    fn value(&self, key: Key) -> Option<&Value<'i>> {
        self.table.get(key.name)
    }

    fn form(&mut self, method: &str) -> BTreeMap<String, FormFile> {
        let Some(value) = self.value(keys::FILES).cloned() else { return BTreeMap::new() };
        let form = files::form(&value, method, self.named, self.found);
        self.wrong |= form.is_none();
        form.unwrap_or_default()
    }

    fn file_name(&mut self, output: AnswerFormat) -> Option<FileName> {
        self.named.makes_files |= output == AnswerFormat::File;
        self.read(keys::FILE_NAME, |value, key, found| files::name(value, key, output, found))
    }

    /// A value that may not be there.
    fn read<T>(&mut self, key: Key, read: impl Fn(&Value<'_>, Key, &mut Vec<Mistake>) -> Option<T>) -> Option<T> {
        let value = self.table.get(key.name)?;
        let read = read(value, key, self.found);
        self.wrong |= read.is_none();
        read
    }

    fn text(&mut self, key: Key) -> Option<String> {
        self.read(key, |value, key, found| value::text(value, key, false, found)).map(|word| word.text)
    }

    fn word(&mut self, key: Key) -> Option<&'static str> {
        let Shape::Word(words) = key.shape else { return None };
        self.read(key, |value, key, found| value::one_of(value, key, words, found))
    }

    fn output(&mut self) -> OutputFormat {
        match self.word(keys::OUTPUT) {
            Some("text") => OutputFormat::Text,
            Some(_) | None => OutputFormat::Json,
        }
    }

    fn answer(&mut self) -> AnswerFormat {
        match self.word(keys::ANSWER) {
            Some("text") => AnswerFormat::Text,
            Some("response") => AnswerFormat::Response,
            Some("file") => AnswerFormat::File,
            None if self.value(keys::FILE_NAME).is_some() => AnswerFormat::File,
            Some(_) | None => AnswerFormat::Json,
        }
    }

    fn stdin(&mut self) -> StandardInput {
        match self.word(keys::STDIN) {
            Some("none") => StandardInput::Nothing,
            Some(_) | None => StandardInput::Input,
        }
    }

    fn classes(&mut self, key: Key, codes: &RangeInclusive<u16>) -> Classes {
        self.read(key, |value, key, found| classes(value, key, codes, found)).unwrap_or_default()
    }

    /// A template that is not empty.
    fn template(&mut self, key: Key) -> Option<Template> {
        self.read(key, |value, key, found| value::text(value, key, true, found))?;
        let (word, template) = self.read(key, value::template)?;
        self.note(key, &word, &template);
        Some(template)
    }

    fn note(&mut self, key: Key, word: &Word, template: &Template) {
        files::note(key, word, template, self.named, self.found);
        self.named.note(word, template);
        let mut seen = HashSet::new();
        let variables = template.variables().filter(|name| seen.insert(*name));
        for (name, own) in variables.filter_map(|name| Some((name, Own::of_variable(name)?))) {
            let title = format!("`${{{name}}}` is no variable of the worker: Piton sets it for programs");
            let help = format!("write {{{{{}}}}}", own.place());
            self.found.push(Mistake::new(word.span.clone(), title, "", help));
        }
    }

    fn argv(&mut self) -> Option<Vec<Template>> {
        let value = self.value(keys::COMMAND)?.clone();
        let elements = match value.get_ref() {
            DeValue::Array(elements) => elements,
            DeValue::String(line) => {
                let words: Vec<String> = line.split_whitespace().map(|w| format!("\"{}\"", w.escape_debug())).collect();
                let help = if words.is_empty() || line.len() > 80 {
                    format!("write {}", keys::COMMAND.example)
                } else {
                    format!("write command = [{}]; there is no shell in between", words.join(", "))
                };
                let title = "`command` must be a program and its arguments, each in quotes of its own".to_owned();
                return value::wrong(&value, title, "found one string", help, self.found);
            }
            _ => return value::wrong_type(&value, keys::COMMAND, self.found),
        };
        let argv: Vec<(Word, Template)> =
            elements.iter().filter_map(|element| value::template(element, keys::COMMAND, self.found)).collect();
        let all = argv.len() == elements.len();
        match argv.first() {
            Some((program, template)) if !program.text.trim().is_empty() => {
                files::program(program, template, self.found);
            }
            _ if !all => {}
            _ => {
                let help = format!("write {}", keys::COMMAND.example);
                return value::wrong(&value, "`command` names no program".to_owned(), "", help, self.found);
            }
        }
        argv.iter().for_each(|(word, template)| self.note(keys::COMMAND, word, template));
        all.then(|| argv.into_iter().map(|(_, template)| template).collect())
    }

    fn url(&mut self) -> Option<Template> {
        let template = self.template(keys::HTTP)?;
        let Some(mistake) = bad_url(&template) else { return Some(template) };
        let span = self.value(keys::HTTP)?.span();
        let title = format!("{} is no URL that can be called", shown(template.as_str()));
        self.found.push(Mistake::new(span, title, "", mistake));
        None
    }

    /// A table of names and templates; `odd` says what is wrong with a name.
    fn templates_by_name(&mut self, key: Key, odd: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, Template> {
        let mut named = BTreeMap::new();
        let Some(value) = self.value(key).cloned() else { return named };
        let Some(table) = value::table(&value, key, self.found) else {
            self.wrong = true;
            return named;
        };
        for (name, value) in value::entries(table) {
            if let Some(help) = odd(&name.text) {
                let title = format!("{} is no name that `{}` can set", shown(&name.text), key.name);
                self.found.push(Mistake::new(name.span, title, "", help));
                self.wrong = true;
            } else if let Some((word, template)) = value::template(value, key, self.found) {
                self.note(key, &word, &template);
                named.insert(name.text, template);
            } else {
                self.wrong = true;
            }
        }
        named
    }

    fn pass_env(&mut self) -> Vec<String> {
        let Some(value) = self.value(keys::PASS_ENV).cloned() else { return Vec::new() };
        let words = value::texts(&value, keys::PASS_ENV, self.found);
        for word in &words {
            if let Some(help) = env_name(&word.text) {
                let title = format!("{} is no name of a variable", shown(&word.text));
                self.found.push(Mistake::new(word.span.clone(), title, "", help));
                self.wrong = true;
            }
        }
        words.into_iter().map(|word| word.text).collect()
    }
}

fn env_name(name: &str) -> Option<String> {
    if !is_variable(name) {
        Some("a variable is named with letters, digits and `_`, such as API_KEY".to_owned())
    } else if name.starts_with("PITON_") {
        Some("variables that begin with PITON_ are Piton's own".to_owned())
    } else {
        None
    }
}

pub(super) fn header_name(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        Some("a header is named with letters, digits and `-`, such as authorization".to_owned())
    } else if keys::OWN_HEADERS.contains(&lower.as_str()) {
        Some(format!("Piton sets `{lower}` itself; remove it"))
    } else {
        None
    }
}
