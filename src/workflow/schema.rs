//! The JSON Schema of workflow files, made from the table of keys, for editors to complete and check with. Pure.
//!
//! It refuses nothing that the reader takes. What it cannot say is left to the reader: how stages fit together, what is
//! inside of a template, and sizes. Two habits of Taplo, the language server for TOML, give it its form: beside `$ref`
//! and `allOf` a description is not shown, so there is no `allOf`, and a `$ref` stands only where the key says it all.

use serde_json::{Map, Value, json};

use super::condition;
use super::duration;
use super::keys::{self, Key, Shape};
use super::limits::Limits;
use super::name;
use super::rate;
use crate::model::failure::FailureClass;
use crate::model::retry::RetryPolicy;

/// One key from the outside in, and what may stand there.
const PLACE: &str = r#"^[^\s{}\[\]*"'.]+(\.[^\s{}\[\]*"'.]+)*$"#;
/// A file that a stage has kept, or that the input refers to.
const STORED: &str = r#"^file:[^{}"']+$"#;
/// The same for `for_each`, where no key holds a `/`.
const PLAIN_ARRAY: &str = r#"^[^\s\[\]*"'/.]+(\.[^\s\[\]*"'/.]+){0,32}$"#;
/// Perhaps of arrays in an array.
const ARRAY: &str = r#"^[^\s\[\]*"'/.]+(\.[^\s\[\]*"'/.]+){0,32}(\[\*\](\.[^\s\[\]*"'/.]+){0,32})?$"#;
/// Scheme and server, or a variable that holds them.
const URL: &str = r"^(https?://[^\s/?#@{]|\$\{[A-Za-z_][A-Za-z0-9_]*\})";
const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]*$";
const HEADER: &str = "^[-!#$%&'*+.^_`|~0-9A-Za-z]+$";
const SIZE: &str = r"^[0-9]+(\.[0-9]+)?\s*([KkMmGgTtPpEe][Ii]?)?[Bb]$";
/// An exit code or a status. Which of them a stage may name is known to the reader alone.
const CODE: &str = "^[1-9][0-9]{0,2}$";
/// Something that can be seen.
const SEEN: &str = r"\S";

/// The schema as it is shipped.
pub(crate) fn text() -> String {
    format!("{:#}\n", schema())
}

fn schema() -> Value {
    let mut schema = table(keys::FILE);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("Piton workflow");
    schema["description"] = json!("A workflow: stages, what they need, and how they run.");
    schema["required"] = json!([keys::NAME.name, keys::STAGES.name]);
    schema["definitions"] = json!({"stage": stage(), "retry": retry()});
    schema
}

/// A table of these keys and no other.
pub(super) fn table<'k>(keys: impl IntoIterator<Item = &'k Key>) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let (mut property, name) = (property(*key), key.name);
        // A key that means something of its own to each kind.
        if let Some(other) = properties.get(name).filter(|other| **other != property) {
            let [other, own] = [other, &property].map(|p| p["description"].as_str().unwrap_or_default());
            property["description"] = json!(format!("{other}\n\n{own}"));
        }
        properties.insert(name.to_owned(), property);
    }
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// What a key holds, what it is for, and what holds without it.
fn property(key: Key) -> Value {
    let mut property = shape(key.shape);
    if key.shape == Shape::Retry {
        return property;
    }
    property["description"] = json!(description(key));
    if let Ok(default) = serde_json::from_str::<Value>(key.default) {
        property["default"] = default;
    }
    property
}

fn description(key: Key) -> String {
    match key.shape {
        Shape::Stages => key.about.to_owned(),
        _ => format!("{}\n\nExample: `{}`", key.about, key.example),
    }
}

fn shape(shape: Shape) -> Value {
    match shape {
        Shape::Name => string(&name::pattern()),
        Shape::Text | Shape::Line => string(SEEN),
        Shape::Url => string(URL),
        Shape::Place => {
            let product = json!({"type": "array", "items": string(PLAIN_ARRAY), "minItems": 2, "maxItems": 4});
            json!({"anyOf": [string(ARRAY), product]})
        }
        Shape::Duration => json!({"type": "string", "pattern": duration::pattern(), "not": {"pattern": "^[0a-z]*$"}}),
        Shape::Size => string(SIZE),
        Shape::Count { most } => json!({"type": "integer", "minimum": 0, "maximum": most}),
        Shape::Number { most } => json!({"type": "integer", "minimum": 1, "maximum": most}),
        Shape::Rate => string(&rate::pattern()),
        Shape::Share => json!({"type": "number", "minimum": 0, "maximum": 1}),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Portion => json!({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 1_000_000_000},
                                           {"type": "number", "exclusiveMinimum": 0, "maximum": 1}]}),
        Shape::Word(words) => json!({"type": "string", "enum": words}),
        Shape::Program => {
            json!({"type": "array", "minItems": 1, "items": [string(SEEN)], "additionalItems": {"type": "string"}})
        }
        Shape::Condition => json!({"type": "string", "pattern": SEEN, "maxLength": condition::LONGEST}),
        Shape::StageNames => json!({"type": "array", "items": string(&need()), "uniqueItems": true,
                                    "maxItems": Limits::default().max_needs}),
        Shape::Requirements => json!({"type": "array", "items": string(SEEN)}),
        Shape::VariableNames => json!({"type": "array", "items": variable()}),
        Shape::Variables => named(variable(), json!({"type": "string"})),
        Shape::Headers => named(header(), json!({"type": "string"})),
        Shape::Files => {
            named(json!({"minLength": 1, "not": {"const": "input"}}), json!({"anyOf": [string(PLACE), string(STORED)]}))
        }
        Shape::Classes => named(json!({"pattern": CODE}), json!({"enum": class_names()})),
        Shape::Input => input(),
        Shape::Schedules => schedules(),
        Shape::Cron | Shape::Zone => string(SEEN),
        Shape::Object => json!({"type": "object"}),
        Shape::Warm => table(keys::WARM_KEYS),
        Shape::Wait => wait(),
        Shape::Repeat => {
            let mut repeat = table(keys::REPEAT_KEYS);
            repeat["required"] = json!([keys::GOOD.name, keys::AT_MOST.name]);
            repeat
        }
        Shape::Any | Shape::Tables => json!({}),
        Shape::Stages => stages(),
        Shape::Retry => json!({"$ref": "#/definitions/retry"}),
        Shape::Class(class) => of_class(class),
    }
}

/// The name of a stage, perhaps with the mark that accepts its skip.
fn need() -> String {
    name::pattern().trim_end_matches('$').to_owned() + r"\??$"
}

fn string(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

pub(super) fn class_names() -> Vec<&'static str> {
    keys::classes().map(FailureClass::as_str).collect()
}

pub(super) fn end_class_names() -> Vec<&'static str> {
    keys::classes_of_ends().map(FailureClass::as_str).collect()
}

/// A table of names and values.
pub(super) fn named(names: Value, values: Value) -> Value {
    json!({"type": "object", "propertyNames": names, "additionalProperties": values})
}

pub(super) fn variable() -> Value {
    json!({"type": "string", "pattern": VARIABLE, "not": {"pattern": "^PITON_"}})
}

fn header() -> Value {
    let either = |c: char| match c.is_ascii_alphabetic() {
        true => format!("[{}{c}]", c.to_ascii_uppercase()),
        false => c.to_string(),
    };
    let own = keys::OWN_HEADERS.map(|name| name.chars().map(either).collect::<String>());
    json!({"pattern": HEADER, "not": {"pattern": format!("^({})$", own.join("|"))}})
}

/// Keys with their types, or with a table of more.
fn input() -> Value {
    let mut described = table(keys::INPUT_KEYS);
    described["required"] = json!([keys::TYPE.name]);
    described["not"] = json!({"properties": {keys::REQUIRED.name: {"const": true}},
                              "required": [keys::REQUIRED.name, keys::DEFAULT.name]});
    named(json!({"minLength": 1}), json!({"anyOf": [shape(keys::TYPE.shape), described]}))
}

/// A schedule goes by the calendar, in a zone, or by the time that passes.
fn schedules() -> Value {
    let mut schedule = table(keys::SCHEDULE);
    schedule["oneOf"] = requires([keys::CRON.name, keys::EVERY.name].into_iter());
    schedule["dependencies"] = json!({keys::ZONE.name: [keys::CRON.name]});
    named(json!({"pattern": name::pattern()}), schedule)
}

/// What is waited for decides about the other keys.
fn wait() -> Value {
    let doors = [
        ("signal", keys::WAIT_KEYS, &[keys::SIGNAL][..]),
        ("callback", keys::CALLBACK_KEYS, &[]),
        ("poll", keys::POLL_KEYS, &[keys::POLL_URL, keys::POLL_EVERY, keys::DONE]),
    ];
    let of_door = |(door, known, needed): &(&str, &[Key], &[Key])| {
        let needed: Vec<&str> = needed.iter().map(|key| key.name).collect();
        let known: Vec<&str> = known.iter().map(|key| key.name).collect();
        json!({"properties": {keys::FOR.name: {"const": door}}, "required": needed, "propertyNames": {"enum": known}})
    };
    let mut wait = table(doors.iter().flat_map(|(_, known, _)| known.iter()));
    wait["required"] = json!([keys::FOR.name, keys::SIGNAL_TIMEOUT.name]);
    wait["anyOf"] = doors.iter().map(of_door).collect();
    wait
}

fn stages() -> Value {
    let mut stages = named(
        json!({"pattern": name::pattern(), "not": {"enum": name::RESERVED}}),
        json!({"$ref": "#/definitions/stage"}),
    );
    stages["minProperties"] = json!(1);
    stages["maxProperties"] = json!(Limits::default().max_stages);
    stages
}

/// A stage runs in one way, and has no key of another.
fn stage() -> Value {
    let of_kinds = keys::KINDS.iter().flat_map(|kind| keys::of_kind(kind.name));
    let mut stage = table(keys::KINDS.iter().chain(keys::EVERY_STAGE).chain(of_kinds.clone()));
    stage["description"] = json!(
        "A stage, and the one way it runs: `rust`, `command`, `http` or `sql`; or what it waits for: `sleep`, `until`, `wait` or, with `workflow`, another run."
    );
    // Beside what asks a service, `wait` says that it is waited for.
    let asks = || keys::ASKING.into_iter();
    let ways = keys::KINDS.iter().map(|kind| match kind.name {
        "wait" => {
            json!({"required": ["wait"], "not": {"anyOf": requires(asks())}, "properties": waits_for(&["signal"])})
        }
        name => json!({"required": [name]}),
    });
    stage["oneOf"] = ways.collect();
    let mut dependencies: Map<String, Value> =
        of_kinds.map(|key| (key.name.to_owned(), json!({"anyOf": requires(kinds_with(key.name))}))).collect();
    // What only waits has no limits.
    let not_of_waits =
        keys::EVERY_STAGE.iter().filter(|key| !keys::EVERY_SIGNAL.iter().any(|other| other.name == key.name));
    dependencies
        .extend(not_of_waits.map(|key| (key.name.to_owned(), json!({"anyOf": requires(kinds_with(key.name))}))));
    // The one key that two kinds have with different words: a program has neither status nor headers.
    for kind in asks() {
        let mut asking = waits_for(&["callback", "poll"]);
        if kind == keys::COMMAND.name {
            asking[keys::OUTPUT.name] = shape(keys::OUTPUT.shape);
        }
        dependencies.insert(kind.to_owned(), json!({"properties": asking}));
    }
    dependencies.insert(keys::SQL.name.to_owned(), json!([keys::ROLE.name]));
    stage["dependencies"] = Value::Object(dependencies);
    stage["if"] = json!({"properties": {"method": {"const": "GET"}}, "required": [keys::METHOD.name]});
    stage["then"] = json!({"properties": {"files": false}});
    stage
}

/// The table `wait`, for one of these.
fn waits_for(doors: &[&str]) -> Value {
    json!({keys::WAIT.name: {"properties": {keys::FOR.name: {"enum": doors}}}})
}

fn kinds_with(key: &str) -> impl Iterator<Item = &'static str> {
    let names = keys::KINDS.iter().map(|kind| kind.name);
    names.filter(move |kind| keys::of_kind(kind).iter().chain(keys::of_every(kind)).any(|of_kind| of_kind.name == key))
}

pub(super) fn requires(names: impl Iterator<Item = &'static str>) -> Value {
    names.map(|name| json!({"required": [name]})).collect()
}

fn retry() -> Value {
    let classes: Vec<Key> = keys::ruled_classes().map(keys::class).collect();
    let mut retry = table(keys::RETRY_RULES.iter().chain(&classes));
    retry["description"] = json!(description(keys::RETRY));
    retry
}

/// The rules of a class, with the defaults that it has by itself.
fn of_class(class: FailureClass) -> Value {
    let policy = RetryPolicy::default().class(class);
    let mut rules = table(keys::CLASS_RULES);
    rules["properties"][keys::CLASS_RETRIES.name]["default"] = json!(policy.max_retries);
    rules["properties"][keys::BASE.name]["default"] = json!(duration::format(policy.base));
    rules["properties"][keys::CAP.name]["default"] = json!(duration::format(policy.cap));
    rules
}

#[cfg(test)]
pub(super) mod tests;
