//! What a case expects.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::reader::Reader;
use super::{Ending, Expectation, ExpectedFailure, JobExpectation, StageExpectation, Wanted, keys};
use crate::workflow::class::class_of_end;
use crate::workflow::json::json;
use crate::workflow::keys::{Key, Shape};
use crate::workflow::mistake::Mistake;
use crate::workflow::value::{self, Value, Word};

/// Reads the table `expect`.
pub(super) fn expectation(reader: &mut Reader<'_>, value: &Value<'_>) -> Expectation {
    let mut expectation = Expectation::default();
    let Some(table) = value::table(value, keys::EXPECT, &mut reader.found) else { return expectation };
    expectation.output = wanted(reader, table);
    for (key, value) in value::entries(table) {
        match key.text.as_str() {
            "state" => expectation.state = state(reader, value).map(|state| (state, value.span())),
            "refused" => {
                let text = value::text(value, keys::REFUSED, true, &mut reader.found);
                expectation.refused = text.map(|word| word.text);
            }
            "stages" => expectation.stages = stages(reader, value),
            known if is_output(known) => {}
            _ => reader.unknown(&key, "what is expected", keys::EXPECTED),
        }
    }
    if let (Some(refused), Some((key, _))) =
        (table.get("refused"), value::entries(table).find(|(key, _)| key.text != "refused"))
    {
        let title = format!("a run that is refused has no {}", key.text);
        reader.found.push(Mistake::new(refused.span(), title, "", format!("remove `refused`, or `{}`", key.text)));
    }
    expectation
}

fn is_output(key: &str) -> bool {
    [keys::RUN_OUTPUT, keys::EXPECTED_FILE, keys::CONTAINS].iter().any(|known| known.name == key)
}

fn state(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Ending> {
    let Shape::Word(words) = keys::STATE.shape else { return None };
    match value::one_of(value, keys::STATE, words, &mut reader.found)? {
        "blocked" => Some(Ending::Blocked),
        _ => Some(Ending::Done),
    }
}

/// What is expected of the output, in one of three ways.
fn wanted(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Option<Wanted> {
    reader.either(table, keys::RUN_OUTPUT, keys::EXPECTED_FILE);
    reader.either(table, keys::RUN_OUTPUT, keys::CONTAINS);
    reader.either(table, keys::EXPECTED_FILE, keys::CONTAINS);
    if let Some(value) = table.get(keys::RUN_OUTPUT.name) {
        return json(value, keys::RUN_OUTPUT, &mut reader.found).map(Wanted::Equal);
    }
    if let Some(value) = table.get(keys::EXPECTED_FILE.name) {
        return reader.json_file(value, keys::EXPECTED_FILE).map(Wanted::Equal);
    }
    let value = table.get(keys::CONTAINS.name)?;
    json(value, keys::CONTAINS, &mut reader.found).map(Wanted::Containing)
}

fn stages(reader: &mut Reader<'_>, value: &Value<'_>) -> Vec<(Word, StageExpectation)> {
    let Some(table) = value::table(value, keys::STAGES, &mut reader.found) else { return Vec::new() };
    value::entries(table).map(|(name, value)| (name, stage(reader, value))).collect()
}

fn stage(reader: &mut Reader<'_>, value: &Value<'_>) -> StageExpectation {
    let one = Key { what: "a table", example: "stages.script = { attempts = 3 }", ..keys::STAGES };
    let Some(table) = value::table(value, one, &mut reader.found) else { return StageExpectation::default() };
    let known = [keys::JOB, keys::STAGE].concat();
    let job = job(reader, table, "what is expected of a stage", &known);
    let rounds = table.get(keys::EXPECTED_ROUNDS.name);
    let rounds = rounds.and_then(|value| value::number(value, keys::EXPECTED_ROUNDS, &mut reader.found));
    StageExpectation { job, rounds, items: table.get(keys::EXPECTED_ITEMS.name).and_then(|value| items(reader, value)) }
}

fn items(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<(Range<usize>, Vec<JobExpectation>)> {
    let DeValue::Array(elements) = value.get_ref() else {
        return value::wrong_type(value, keys::EXPECTED_ITEMS, &mut reader.found);
    };
    let item = |element: &Value<'_>| {
        let one = Key { name: "an item", what: "a table", example: "{ output = 1 }", ..keys::EXPECTED_ITEMS };
        let table = value::table(element, one, &mut reader.found)?;
        Some(job(reader, table, "what is expected of an item", keys::JOB))
    };
    let items: Vec<_> = elements.iter().map(item).collect();
    Some((value.span(), items.into_iter().collect::<Option<Vec<_>>>()?))
}

fn job(reader: &mut Reader<'_>, table: &DeTable<'_>, place: &str, known: &[Key]) -> JobExpectation {
    let mut expectation = JobExpectation { output: wanted(reader, table), ..JobExpectation::default() };
    for (key, value) in value::entries(table) {
        match key.text.as_str() {
            "attempts" => expectation.attempts = value::number(value, keys::COUNT, &mut reader.found),
            "input" => expectation.input = object(reader, value, keys::STAGE_INPUT),
            "texts" => expectation.texts = object(reader, value, keys::TEXTS),
            "skipped" => expectation.skipped = value::flag(value, keys::SKIPPED, &mut reader.found),
            "fail" => expectation.failure = failure(reader, table, value),
            "message" if table.get("fail").is_none() => {
                let help = format!("add {}", keys::EXPECTED_FAIL.example);
                reader.found.push(Mistake::new(
                    key.span,
                    "`message` is that of a failure, and none is expected",
                    "",
                    help,
                ));
            }
            "message" => {}
            read if is_output(read) => {}
            read if known.iter().any(|known| known.name == read) => {}
            _ => reader.unknown(&key, place, known),
        }
    }
    if let (Some(output), Some(_)) = (&expectation.output, &expectation.failure) {
        let key = if matches!(output, Wanted::Equal(_)) { keys::STAGE_OUTPUT.name } else { keys::CONTAINS.name };
        let span = table.get(key).or(table.get(keys::EXPECTED_FILE.name)).map(|value| value.span()).unwrap_or_default();
        let title = "what ends as a dead letter has no output";
        reader.found.push(Mistake::new(span, title, "", "remove it, or `fail`"));
    }
    expectation
}

fn object(reader: &mut Reader<'_>, value: &Value<'_>, key: Key) -> Option<Word> {
    value::table(value, key, &mut reader.found)?;
    Some(Word { text: json(value, key, &mut reader.found)?, span: value.span() })
}

fn failure(reader: &mut Reader<'_>, table: &DeTable<'_>, of_class: &Value<'_>) -> Option<ExpectedFailure> {
    let class = class_of_end(of_class, keys::EXPECTED_FAIL, &mut reader.found)?;
    let message = table.get(keys::EXPECTED_MESSAGE.name);
    let message = message.and_then(|value| value::text(value, keys::EXPECTED_MESSAGE, true, &mut reader.found));
    Some(ExpectedFailure { class, message: message.map(|word| word.text) })
}
