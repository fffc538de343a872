//! The JSON Schema of test files: editors complete and check with it. Pure.
//!
//! As with that of workflow files, it refuses nothing that the reader takes; how cases fit their workflow is left to the reader.

use serde_json::{Value, json};

use super::keys::{self, ANSWERS};
use super::text_keys::TEXT_KEYS;
use crate::workflow::keys::Key;
use crate::workflow::schema::{class_names, end_class_names, named, requires, table};

/// The schema as it is shipped.
pub(crate) fn text() -> String {
    format!("{:#}\n", schema())
}

fn schema() -> Value {
    let mut schema = table(keys::FILE);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("Piton workflow tests");
    schema["description"] = json!("Cases that a workflow is tried on: input, mocked stages, and what is expected.");
    schema["required"] = json!([keys::CASES.name]);
    put(&mut schema, keys::CASES, by_name(json!({"$ref": "#/definitions/case"})));
    schema["definitions"] = json!({
        "case": case(), "stage-mock": mock(&[], "item-mock"), "round-mock": mock(&[keys::ROUNDS], "item-mock"),
        "item-mock": mock(&[keys::ROUNDS, keys::ITEMS], "item-mock"),
        "attempt-mock": mock(&[keys::ROUNDS, keys::ITEMS, keys::ATTEMPTS], ""), "stage": stage(), "item": job(keys::JOB),
    });
    schema
}

/// Gives a key what it holds, beside what is said of it.
fn put(table: &mut Value, key: Key, shape: Value) {
    let property = &mut table["properties"][key.name];
    if let (Some(property), Value::Object(shape)) = (property.as_object_mut(), shape) {
        property.extend(shape);
    }
}

fn by_name(values: Value) -> Value {
    named(json!({"minLength": 1}), values)
}

fn list(of: &str, least: usize) -> Value {
    json!({"type": "array", "items": {"$ref": format!("#/definitions/{of}")}, "minItems": least})
}

fn case() -> Value {
    let mut case = table(keys::CASE);
    put(&mut case, keys::MOCKS, by_name(json!({"$ref": "#/definitions/stage-mock"})));
    put(&mut case, keys::EXPECT, expected());
    case["not"] = json!({"required": [keys::INPUT.name, keys::INPUT_FILE.name]});
    case
}

fn mock(without: &[Key], item: &str) -> Value {
    let is_left_out = |key: &&Key| without.iter().any(|without| without.name == key.name);
    let mut mock = table(keys::MOCK.iter().filter(|key| !is_left_out(key)));
    put(&mut mock, keys::FAIL, json!({"type": "string", "enum": class_names()}));
    if !without.iter().any(|key| key.name == keys::ATTEMPTS.name) {
        put(&mut mock, keys::ATTEMPTS, list("attempt-mock", 1));
    }
    if without.is_empty() {
        put(&mut mock, keys::ROUNDS, list("round-mock", 1));
    }
    if without.len() < 2 {
        put(&mut mock, keys::ITEMS, list(item, 0));
    }
    mock["oneOf"] = requires(ANSWERS.iter().filter(|key| !is_left_out(key)).map(|key| key.name));
    mock["dependencies"] = json!({keys::MESSAGE.name: [keys::FAIL.name], keys::RETRY_AFTER.name: [keys::FAIL.name]});
    mock
}

fn expected() -> Value {
    let mut expected = table(keys::EXPECTED);
    put(&mut expected, keys::STAGES, by_name(json!({"$ref": "#/definitions/stage"})));
    expected["not"] = at_most_one_output();
    expected
}

fn at_most_one_output() -> Value {
    let keys = [keys::RUN_OUTPUT, keys::EXPECTED_FILE, keys::CONTAINS].map(|key| key.name);
    let [one, two, three] = keys;
    json!({"anyOf": [{"required": [one, two]}, {"required": [one, three]}, {"required": [two, three]}]})
}

fn stage() -> Value {
    let mut stage = job(keys::JOB.iter().chain(keys::STAGE));
    put(&mut stage, keys::EXPECTED_ITEMS, list("item", 0));
    stage
}

fn job<'k>(keys: impl IntoIterator<Item = &'k Key>) -> Value {
    let mut job = table(keys);
    put(&mut job, keys::EXPECTED_FAIL, json!({"type": "string", "enum": end_class_names()}));
    put(&mut job, keys::STAGE_INPUT, json!({"type": "object"}));
    put(&mut job, keys::TEXTS, json!({"type": "object", "propertyNames": {"enum": TEXT_KEYS}}));
    job["not"] = at_most_one_output();
    job["dependencies"] = json!({keys::EXPECTED_MESSAGE.name: [keys::EXPECTED_FAIL.name]});
    job
}
