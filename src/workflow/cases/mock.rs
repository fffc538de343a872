//! The mocked stages of a case.

use toml::de::{DeTable, DeValue};

use super::reader::Reader;
use super::{Answer, keys};
use crate::workflow::class::class;
use crate::workflow::json::json;
use crate::workflow::keys::Key;
use crate::workflow::mistake::Mistake;
use crate::workflow::value::{self, Value, Word};

/// What a failure says where the file says nothing.
const MESSAGE: &str = "a mocked failure";

/// Reads the table `mocks`.
pub(super) fn mocks(reader: &mut Reader<'_>, value: &Value<'_>) -> Vec<(Word, Answer)> {
    let Some(table) = value::table(value, keys::MOCKS, &mut reader.found) else { return Vec::new() };
    value::entries(table).filter_map(|(stage, value)| Some((stage, answer(reader, value, Level::Stage)?))).collect()
}

/// What an answer is for: answers for items hold answers for attempts, and not the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Stage,
    Round,
    Item,
    Attempt,
}

fn answer(reader: &mut Reader<'_>, value: &Value<'_>, level: Level) -> Option<Answer> {
    let one = Key { name: "a mock", what: "a table", example: "{ output = 7 }", ..keys::MOCKS };
    let table = value::table(value, one, &mut reader.found)?;
    let before = reader.found.len();
    for (key, _) in value::entries(table) {
        let is_misplaced = match key.text.as_str() {
            "rounds" => level != Level::Stage,
            "items" => !matches!(level, Level::Stage | Level::Round),
            "attempts" => level == Level::Attempt,
            _ => false,
        };
        if is_misplaced {
            let title = format!("`{}` cannot stand inside of `{}`", key.text, inside(level));
            let help = "write answers for rounds, in each of them answers for items, and in each of those answers for attempts";
            reader.found.push(Mistake::new(key.span, title, "", help));
        } else if !keys::MOCK.iter().any(|known| known.name == key.text) {
            reader.unknown(&key, "a mock", keys::MOCK);
        }
    }
    // A key that is misspelt is told, and may have been the answer.
    let is_misspelt = reader.found.len() > before;
    let answer = one_of(reader, value, table, level, is_misspelt);
    answer.filter(|_| reader.found.len() == before)
}

fn inside(level: Level) -> &'static str {
    match level {
        Level::Stage | Level::Round => keys::ROUNDS.name,
        Level::Item => keys::ITEMS.name,
        Level::Attempt => keys::ATTEMPTS.name,
    }
}

/// The one answer that the table gives.
fn one_of(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
    table: &DeTable<'_>,
    level: Level,
    is_misspelt: bool,
) -> Option<Answer> {
    let mut given = keys::ANSWERS.iter().filter_map(|key| Some((*key, table.get(key.name)?)));
    let first = given.next();
    if let (Some((first, _)), Some((second, place))) = (first, given.next()) {
        let title = format!("a mock answers in one way, and this has `{}` and `{}`", first.name, second.name);
        reader.found.push(Mistake::new(place.span(), title, "", "keep one of the two"));
        return None;
    }
    let Some((key, of_key)) = first else {
        if is_misspelt {
            return None;
        }
        let names: Vec<String> = keys::ANSWERS.iter().map(|key| format!("`{}`", key.name)).collect();
        let title = "the mock says no answer";
        reader.found.push(Mistake::new(value.span(), title, "", format!("give it one of {}", names.join(", "))));
        return None;
    };
    if key.name != keys::FAIL.name {
        for key in [keys::MESSAGE, keys::RETRY_AFTER] {
            if let Some(stray) = table.get(key.name) {
                let title = format!("`{}` is for failures, and this is none", key.name);
                reader.found.push(Mistake::new(
                    stray.span(),
                    title,
                    "",
                    format!("remove it, or write {}", keys::FAIL.example),
                ));
            }
        }
    }
    let output = |json: Option<String>| json.map(|text| Answer::Output(Word { text, span: of_key.span() }));
    match key.name {
        "output" => output(json(of_key, keys::OUTPUT, &mut reader.found)),
        "output_file" => output(reader.json_file(of_key, keys::OUTPUT_FILE)),
        "fail" => failure(reader, table, of_key),
        "attempts" => Some(Answer::Attempts(list(reader, of_key, keys::ATTEMPTS, Level::Attempt)?)),
        "rounds" if level == Level::Stage => {
            let place = Word { text: String::new(), span: of_key.span() };
            Some(Answer::Rounds(place, list(reader, of_key, keys::ROUNDS, Level::Round)?))
        }
        _ if matches!(level, Level::Stage | Level::Round) => {
            let place = Word { text: String::new(), span: of_key.span() };
            Some(Answer::Items(place, list(reader, of_key, keys::ITEMS, Level::Item)?))
        }
        _ => None,
    }
}

fn failure(reader: &mut Reader<'_>, table: &DeTable<'_>, of_class: &Value<'_>) -> Option<Answer> {
    let found = &mut reader.found;
    let message = table.get(keys::MESSAGE.name).map(|value| value::text(value, keys::MESSAGE, true, found));
    let wait = table.get(keys::RETRY_AFTER.name).map(|value| value::duration(value, keys::RETRY_AFTER, found));
    let class = class(of_class, keys::FAIL, found)?;
    let message = message.flatten().map_or_else(|| MESSAGE.to_owned(), |word| word.text);
    Some(Answer::Fail { class, message, retry_after: wait.flatten() })
}

fn list(reader: &mut Reader<'_>, value: &Value<'_>, key: Key, level: Level) -> Option<Vec<Answer>> {
    let DeValue::Array(elements) = value.get_ref() else { return value::wrong_type(value, key, &mut reader.found) };
    if elements.is_empty() && matches!(level, Level::Attempt | Level::Round) {
        return value::wrong(
            value,
            format!("`{}` is empty", key.name),
            "",
            format!("write {}", key.example),
            &mut reader.found,
        );
    }
    let answers: Vec<_> = elements.iter().map(|element| answer(reader, element, level)).collect();
    answers.into_iter().collect()
}
