//! The table `wait` of a stage that asks a service.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::kind::header_name;
use super::named::Named;
use super::url::bad_url;
use crate::model::failure::FailureClass;
use crate::workflow::class::class;
use crate::workflow::condition::Condition;
use crate::workflow::definition::{AnswerFormat, StageKind};
use crate::workflow::json::json;
use crate::workflow::keys::{self, Key, Shape};
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::place::Place;
use crate::workflow::service::{CallbackDoor, Door, PollDoor, ServiceWait};
use crate::workflow::suggestion::suggestion;
use crate::workflow::template::Template;
use crate::workflow::value::{self, Value, Word};

/// Reads it; `None` where something in it is wrong. What its texts name goes into `named`.
pub(super) fn wait(value: &Value<'_>, named: &mut Named, found: &mut Vec<Mistake>) -> Option<ServiceWait> {
    let before = found.len();
    let table = value::table(value, keys::WAIT, found)?;
    let Some(at) = table.get(keys::FOR.name) else {
        found.push(Mistake::new(value.span(), "`wait` does not say what for", "", "add for = \"callback\""));
        return None;
    };
    let Shape::Word(words) = keys::FOR.shape else { return None };
    let door = value::one_of(at, keys::FOR, words, found)?;
    if door == "signal" {
        let help =
            "give the signal a stage of its own, which needs this one; a service that answers is for = \"callback\"";
        found.push(Mistake::new(at.span(), "a stage that waits for a signal runs nothing", "", help));
        return None;
    }
    let mut reader = Reader { table, named, found };
    let (timeout, on_timeout) = (reader.read(keys::WAIT_TIMEOUT, value::duration), reader.read(keys::ON_TIMEOUT, json));
    let (known, door) = match door {
        "callback" => (keys::CALLBACK_KEYS, Some(reader.callback())),
        _ => (keys::POLL_KEYS, reader.poll().map(Door::Poll)),
    };
    reader.refuse_others(known);
    if !table.contains_key(keys::WAIT_TIMEOUT.name) {
        let help = format!("add {}", keys::WAIT_TIMEOUT.example);
        found.push(Mistake::new(value.span(), "`wait` has no timeout, and would wait for ever", "", help));
    }
    let wait = ServiceWait { door: door?, timeout: timeout?, on_timeout };
    (found.len() == before).then_some(wait)
}

struct Reader<'r, 'i> {
    table: &'r DeTable<'i>,
    named: &'r mut Named,
    found: &'r mut Vec<Mistake>,
}

impl Reader<'_, '_> {
    fn read<T>(&mut self, key: Key, read: impl Fn(&Value<'_>, Key, &mut Vec<Mistake>) -> Option<T>) -> Option<T> {
        read(self.table.get(key.name)?, key, self.found)
    }

    fn callback(&mut self) -> Door {
        Door::Callback(CallbackDoor { heartbeat: self.read(keys::HEARTBEAT, value::duration) })
    }

    fn poll(&mut self) -> Option<PollDoor> {
        let (url, headers) = (self.url(), self.headers());
        let (done, failed) = (self.condition(keys::DONE), self.condition(keys::FAILED));
        let (every, output) = (self.read(keys::POLL_EVERY, value::duration), self.read(keys::POLL_OUTPUT, place));
        let class = self.read(keys::POLL_CLASS, class).unwrap_or(FailureClass::InvalidInput);
        for (key, why) in [
            (keys::POLL_URL, "does not say where to ask"),
            (keys::POLL_EVERY, "does not say how often to ask"),
            (keys::DONE, "does not say when the service is done"),
        ] {
            if !self.table.contains_key(key.name) {
                let (title, help) = (format!("`wait` {why}"), format!("add {}", key.example));
                self.found.push(Mistake::new(self.span(), title, "", help));
            }
        }
        Some(PollDoor {
            url: url?,
            headers,
            every: every?,
            done: done?,
            failed,
            output: output.unwrap_or_default(),
            class,
        })
    }

    fn span(&self) -> std::ops::Range<usize> {
        self.table.get(keys::FOR.name).map_or(0..0, |value| value.span())
    }

    fn condition(&mut self, key: Key) -> Option<Condition> {
        self.read(key, value::condition).map(|(_, condition)| condition)
    }

    fn url(&mut self) -> Option<Template> {
        let value = self.table.get(keys::POLL_URL.name)?;
        let template = self.template(value, keys::POLL_URL)?;
        let Some(mistake) = bad_url(&template) else { return Some(template) };
        let title = format!("{} is no URL that can be called", shown(template.as_str()));
        value::wrong(value, title, "", mistake, self.found)
    }

    fn headers(&mut self) -> BTreeMap<String, Template> {
        let Some(value) = self.table.get(keys::POLL_HEADERS.name) else { return BTreeMap::new() };
        let Some(table) = value::table(value, keys::POLL_HEADERS, self.found) else { return BTreeMap::new() };
        let mut headers = BTreeMap::new();
        for (name, value) in value::entries(table) {
            if let Some(help) = header_name(&name.text) {
                let title = format!("{} is no name that `headers` can set", shown(&name.text));
                self.found.push(Mistake::new(name.span, title, "", help));
            } else if let Some(template) = self.template(value, keys::POLL_HEADERS) {
                headers.insert(name.text, template);
            }
        }
        headers
    }

    fn template(&mut self, value: &Value<'_>, key: Key) -> Option<Template> {
        let (word, template) = value::template(value, key, self.found)?;
        if template.files().next().is_some() || template.outs().next().is_some() {
            let title = format!("`{}` names a file, and a service that is asked again gets none", key.name);
            return value::wrong(value, title, "", "send it with the first request", self.found);
        }
        self.named.note(&word, &template);
        Some(template)
    }

    fn refuse_others(&mut self, known: &[Key]) {
        for (key, _) in value::entries(self.table) {
            if !known.iter().any(|known| known.name == key.text) {
                let meant = suggestion(&key.text, known, self.found.len());
                value::unknown_key(&key, "`wait`", known, meant, None, self.found);
            }
        }
    }
}

/// What a stage says that asks a service and cannot wait for it.
pub(super) fn misfit(kind: &StageKind, at: &Word, stage: &Word) -> Option<Mistake> {
    let name = shown(&stage.text);
    let (title, help) = match kind {
        StageKind::Command(command) if command.finish => (
            format!("stage {name} ends its attempt itself (`finish`), and cannot wait for a service"),
            "let one stage ask, and another one write the rows",
        ),
        StageKind::Http(http) if http.output == AnswerFormat::File => (
            format!("stage {name} waits for a service, and its first answer becomes a file"),
            "remove output = \"file\"; fetch what the service has made in a stage behind this one",
        ),
        _ => return None,
    };
    Some(Mistake::new(at.span.clone(), title, "", help))
}

/// Keys of an answer, from the outside in.
fn place(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<Vec<String>> {
    let word = value::text(value, key, false, found)?;
    match Place::parse(&word.text) {
        Some(Place { head, path, .. }) => Some([head].into_iter().chain(path).collect()),
        None => {
            let title = format!("{} is no place in an answer", shown(&word.text));
            value::wrong(value, title, "", "write keys with dots between them, such as \"result.url\"", found)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::workflow::keys::tests::parse;

    #[test]
    fn what_is_wrong_with_a_wait_for_a_service_is_told_with_its_cure() {
        let said = |kind: &str, wait: &str| {
            let file =
                format!("name = 'a'\n[stages.b]\nrust = 'b'\n[stages.a]\nneeds = ['b']\n{kind}\nwait = {{ {wait} }}");
            parse(&file).expect_err("wrong").to_string()
        };
        let http = "http = 'https://farm.example/jobs'";
        let poll = "for = 'poll', url = 'https://farm.example/jobs/{{answer.id}}', every = '10s', timeout = '2h'";
        let cases = [
            (http, "for = 'callback'".to_owned(), "`wait` has no timeout, and would wait for ever"),
            (http, "timeout = '1h'".to_owned(), "add for = \"callback\""),
            (http, "for = 'signal', name = 'x', timeout = '1h'".to_owned(), "runs nothing"),
            (http, "for = 'callback', timeout = '1h', every = '1s'".to_owned(), "there is no key `every` in `wait`"),
            (http, "for = 'poll', timeout = '1h'".to_owned(), "add done = \"status == 'succeeded'\""),
            (http, format!("{poll}, done = '1 +'"), "`done` is no condition"),
            (http, format!("{poll}, done = 'a == 1', class = 'crashed'"), "`crashed` is no class of failures"),
            (http, format!("{poll}, done = 'a == 1', output = 'a..b'"), "is no place in an answer"),
            (
                http,
                "for = 'poll', url = 'https://farm.example/{{c.id}}', every = '1s', done = 'a == 1', timeout = '1h'"
                    .to_owned(),
                "`c.id` is in no input of stage `a`",
            ),
            ("sql = 'select 1'\nrole = 'r'", "for = 'callback', timeout = '1h'".to_owned(), "says twice how it runs"),
            ("", "for = 'callback', timeout = '1h'".to_owned(), "asks nobody"),
            (
                "command = ['a']\nfinish = true",
                "for = 'callback', timeout = '1h'".to_owned(),
                "ends its attempt itself (`finish`), and cannot wait",
            ),
            (
                "http = 'https://a.example/'\noutput = 'file'",
                "for = 'callback', timeout = '1h'".to_owned(),
                "its first answer becomes a file",
            ),
        ];
        for (kind, wait, expected) in cases {
            let said = said(kind, &wait);
            assert!(said.contains(expected), "{kind}, {wait}\n{said}");
        }
    }

    #[test]
    fn a_poll_reads_the_input_the_first_answer_and_the_run() {
        let file = "name = 'a'\n[stages.a]\nhttp = 'https://farm.example/jobs'\nheaders = { authorization = '${KEY}' }\n\
                    wait = { for = 'poll', url = 'https://farm.example/{{input.farm}}/{{answer.id}}/{{run.id}}', every = '10s', \
                    done = \"status == 'done'\", failed = \"status == 'failed'\", output = 'result.url', timeout = '2h', \
                    headers = { x-job = '{{answer.id}}' }, on_timeout = { late = true }, class = 'unknown' }";
        let workflow = parse(file).expect("a workflow");
        assert!(workflow.to_json().contains("\"wait\":{\"for\":{\"poll\":"));
        assert_eq!(crate::workflow::definition::Workflow::from_json(&workflow.to_json()).as_ref(), Ok(&workflow));
    }
}
