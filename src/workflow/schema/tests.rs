//! The schema and the reader agree.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};

use super::*;
use crate::workflow::keys::tests::{At, everywhere, file, parse};

struct Schema(Schemas, SchemaIndex);

impl Schema {
    fn compiled() -> Schema {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("workflow.json", schema()).expect("a resource");
        let index = compiler.compile("workflow.json", &mut schemas).expect("a schema");
        Schema(schemas, index)
    }

    /// Why the schema refuses the file.
    fn refuses(&self, text: &str) -> Option<String> {
        self.0.validate(&as_json(text), self.1).err().map(|error| error.to_string())
    }
}

pub(in crate::workflow) fn as_json(text: &str) -> Value {
    use toml::de::{DeTable, DeValue};
    fn value(from: &DeValue<'_>) -> Value {
        match from {
            DeValue::String(text) => json!(text),
            DeValue::Integer(number) => json!(i64::from_str_radix(number.as_str(), number.radix()).expect("a number")),
            DeValue::Float(number) => json!(number.as_str().parse::<f64>().expect("a number")),
            DeValue::Boolean(flag) => json!(flag),
            DeValue::Datetime(time) => json!(time.to_string()),
            DeValue::Array(elements) => elements.iter().map(|element| value(element.get_ref())).collect(),
            DeValue::Table(table) => entries(table),
        }
    }
    fn entries(table: &DeTable<'_>) -> Value {
        let entries = table.iter().map(|(key, of_key)| (key.get_ref().to_string(), value(of_key.get_ref())));
        Value::Object(entries.collect())
    }
    entries(DeTable::parse(text).expect("TOML").get_ref())
}

/// Both take the file, or both refuse it.
fn agree(schema: &Schema, text: &str, taken: bool) {
    let (refusal, read) = (schema.refuses(text), parse(text));
    let mistakes = read.err().map(|mistakes| mistakes.to_string());
    assert_eq!((mistakes.is_none(), refusal.is_none()), (taken, taken), "{text}\n{mistakes:?}\n{refusal:?}");
}

#[test]
fn the_shipped_schema_is_the_one_that_is_made() {
    let shipped = include_str!("../../../workflows/schema.json");
    assert!(
        shipped == text(),
        "workflows/schema.json is out of date; write it anew with: cargo run -- workflows schema > workflows/schema.json"
    );
}

#[test]
fn the_shipped_files_are_right_by_the_schema() {
    let schema = Schema::compiled();
    let text = include_str!("../../../workflows/story/story.toml");
    agree(&schema, text, true);
    let reference = text.lines().next().and_then(|line| line.strip_prefix("#:schema ")).expect("a first line");
    let path = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/workflows/story")).join(reference);
    assert!(path.is_file(), "{} names the schema", path.display());
}

#[test]
fn every_key_is_in_the_schema_as_the_reader_takes_it() {
    let schema = Schema::compiled();
    for (at, key) in everywhere() {
        agree(&schema, &file(at, key.example), true);
    }
}

#[test]
fn a_value_of_another_type_is_refused_by_both() {
    let schema = Schema::compiled();
    for (at, key) in everywhere() {
        let others = ["\"\"", "-1", "0.5", "true", "[1]", "{ x = 1 }"];
        for other in others {
            let takes = match key.shape {
                Shape::Share | Shape::Portion => other == "0.5",
                Shape::Flag => other == "true",
                Shape::Any => true,
                Shape::Object => other == "{ x = 1 }",
                _ => false,
            };
            let line = format!("{} = {other}", key.name);
            agree(&schema, &file(at, &line), takes);
        }
    }
}

#[test]
fn a_key_that_there_is_not_is_refused_by_both() {
    let schema = Schema::compiled();
    for at in [At::File, At::Retry, At::Class, At::Input]
        .into_iter()
        .chain(keys::KINDS.iter().map(|kind| At::Stage(Some(*kind))))
    {
        agree(&schema, &file(at, ""), true);
        agree(&schema, &file(at, "retries = 3"), false);
    }
}

#[test]
fn a_key_of_another_kind_and_a_second_kind_are_refused_by_both() {
    let schema = Schema::compiled();
    for kind in keys::KINDS {
        let others = keys::KINDS.iter().filter(|other| other.name != kind.name);
        for other in others {
            agree(&schema, &file(At::Stage(Some(*kind)), other.example), false);
            let own = keys::of_kind(kind.name);
            for key in keys::of_kind(other.name).iter().filter(|key| !own.iter().any(|own| own.name == key.name)) {
                agree(&schema, &file(At::Stage(Some(*kind)), key.example), false);
            }
        }
    }
    agree(&schema, "name = 'a'\n[stages.a]\nneeds = []", false);
    agree(&schema, "name = 'a'\n[stages.a]\ndir = 'x'", false);
}

/// Values at the edge of what a key takes.
#[test]
fn both_take_what_is_just_right() {
    let schema = Schema::compiled();
    let stage = |kind: Key, line: &str| file(At::Stage(Some(kind)), line);
    let taken = [
        file(At::Retry, "max_retries = 0"),
        file(At::File, "input = {}"),
        file(
            At::File,
            "[input]\n'a b' = 'any'\nc = { type = 'integer', default = 7 }\nd = { type = 'object', required = false }",
        ),
        file(At::Input, "required = false\ndefault = 1"),
        file(At::Class, "jitter = 0\nbase = '1d2h3m4s5ms'\ncap = '30d'"),
        stage(keys::COMMAND, "memory = '1.5 GiB'"),
        stage(keys::COMMAND, "pass_env = ['_A1']\nenv = {}"),
        stage(keys::COMMAND, "dir = '/srv/{{item.folder}}/${PLACE}'"),
        stage(keys::HTTP, "method = 'PUT'\nfiles = { a = 'item.0.path', 'b c' = 'input' }"),
        stage(keys::COMMAND, "stdin = 'input'\nclasses = { 1 = 'unknown', 255 = 'auth_failure' }"),
        stage(keys::HTTP, "classes = { 200 = 'unknown', 999 = 'invalid_input' }"),
        stage(keys::HTTP, "headers = { 'X-Piton' = '{{item}}' }\nredirects = 20"),
        stage(keys::RUST, "timeout = '30d'"),
        stage(keys::RUST, "concurrency = 1\nper_worker = 1\nrate = ' 60 / m'"),
        stage(keys::HTTP, "rate = '5000/1d12h'"),
        stage(keys::RUST, "requires = []"),
        stage(keys::HTTP, "requires = ['jq', './here', '/srv/${PLACE}']"),
        file(At::Stage(None), "command = ['{{item}}', '']"),
        file(At::Stage(None), "http = '${API}/items/{{item.id}}'"),
        file(At::Stage(None), "http = 'http://${HOST}:80'"),
    ];
    taken.iter().for_each(|text| agree(&schema, text, true));
}

/// Values just beyond it.
#[test]
fn both_refuse_what_is_just_wrong() {
    let schema = Schema::compiled();
    let stage = |kind: Key, line: &str| file(At::Stage(Some(kind)), line);
    let refused = [
        file(At::File, "name = 'Story'"),
        file(At::File, &format!("name = '{}'", "a".repeat(64))),
        file(At::Retry, "max_retries = 10001"),
        file(At::File, "input = 'object'"),
        file(At::File, "input = { topic = 'text' }"),
        file(At::File, "input = { topic = { required = true } }"),
        file(At::File, "input = { topic = { type = 'string', one_of = ['a'] } }"),
        file(At::File, "input = { '' = 'string' }"),
        file(At::Input, "required = true\ndefault = 1"),
        file(At::Retry, "crashed = {}"),
        file(At::Retry, "deadline = '0h0s'"),
        file(At::Class, "jitter = 1.1"),
        file(At::Class, "base = '30m1h'"),
        file(At::Class, "base = '1.5h'"),
        stage(keys::COMMAND, "memory = '512'"),
        stage(keys::COMMAND, "pass_env = ['A-B']"),
        stage(keys::COMMAND, "env = { PITON_RUN = 'x' }"),
        stage(keys::COMMAND, "output = 'xml'"),
        stage(keys::COMMAND, "output = 'response'"),
        stage(keys::HTTP, "output = 'xml'"),
        stage(keys::COMMAND, "stdin = 'null'"),
        stage(keys::COMMAND, "classes = { 0 = 'unknown' }"),
        stage(keys::HTTP, "classes = { 0403 = 'unknown' }"),
        stage(keys::HTTP, "classes = { 403 = 'crashed' }"),
        stage(keys::HTTP, "method = 'GET'\nfiles = { a = 'item.path' }"),
        stage(keys::HTTP, "method = 'post'"),
        stage(keys::HTTP, "files = { input = 'item.path' }"),
        stage(keys::HTTP, "files = { a = 'item path' }"),
        stage(keys::HTTP, "headers = { Host = 'x' }"),
        stage(keys::HTTP, "headers = { 'a b' = 'x' }"),
        stage(keys::HTTP, "redirects = 21"),
        stage(keys::RUST, "timeout = ''"),
        stage(keys::RUST, "concurrency = 0"),
        stage(keys::RUST, "per_worker = 0"),
        stage(keys::RUST, "concurrency = '4'"),
        stage(keys::RUST, "rate = '0/1m'"),
        stage(keys::RUST, "rate = '60/1m/1s'"),
        stage(keys::RUST, "rate = 60"),
        stage(keys::RUST, "requires = 'jq'"),
        stage(keys::RUST, "requires = ['']"),
        stage(keys::RUST, "requires = [7]"),
        stage(keys::RUST, "needs = ['check', 'check']"),
        stage(keys::RUST, "for_each = 'check..scenes'"),
        stage(keys::RUST, "for_each = 'check[0]'"),
        file(At::Stage(None), "command = []"),
        file(At::Stage(None), "command = ['']"),
        file(At::Stage(None), "command = ['a', 1]"),
        file(At::Stage(None), "http = 'example.com'"),
        file(At::Stage(None), "http = 'ftp://example.com'"),
        file(At::Stage(None), "http = 'https://{{item.host}}/x'"),
        "name = 'a'".to_owned(),
        "[stages.a]\nrust = 'a'".to_owned(),
        "name = 'a'\n[stages]".to_owned(),
        "name = 'a'\n[stages.input]\nrust = 'a'".to_owned(),
        "name = 'a'\n[stages.'My stage']\nrust = 'a'".to_owned(),
        "name = 'a'\nstages = 3".to_owned(),
    ];
    refused.iter().for_each(|text| agree(&schema, text, false));
}
