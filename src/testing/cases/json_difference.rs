//! Where two JSON values differ, in words. Pure.

use serde_json::Value;

/// How many differences of one value are told.
const TOLD: usize = 8;
/// Characters of a value that are shown.
const SHOWN: usize = 200;

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It is the same.
    Equal,
    /// It has everything that is expected: keys of objects, parts of strings.
    Containing,
}

/// Every place at which what was found is not what is expected; nothing where it is.
pub(super) fn differences(expected: &str, found: &str, how: How) -> Vec<String> {
    let [Ok(wanted), Ok(got)] = [expected, found].map(serde_json::from_str::<Value>) else {
        // Numbers that no program reckons with are compared as they are written.
        let same = expected == found;
        return if same { Vec::new() } else { vec![told("", expected, found)] };
    };
    let mut differences = Vec::new();
    walk(&wanted, &got, how, &mut String::new(), &mut differences);
    if differences.len() > TOLD {
        let more = differences.len() - TOLD;
        differences.truncate(TOLD);
        differences.push(format!("and {more} more"));
    }
    differences
}

fn walk(wanted: &Value, got: &Value, how: How, place: &mut String, differences: &mut Vec<String>) {
    let whole = place.len();
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            for (key, wanted) in wanted {
                place.push_str(&format!(".{key}"));
                match got.get(key) {
                    Some(got) => walk(wanted, got, how, place, differences),
                    None => {
                        differences.push(format!("{place}: expected {}, found nothing", shown(&wanted.to_string())))
                    }
                }
                place.truncate(whole);
            }
            for (key, got) in got.iter().filter(|(key, _)| how == How::Equal && !wanted.contains_key(*key)) {
                differences.push(format!("{place}.{key}: expected nothing, found {}", shown(&got.to_string())));
            }
        }
        (Value::Array(wanted), Value::Array(got)) => {
            if wanted.len() != got.len() {
                let (wanted, got) = (elements(wanted.len()), elements(got.len()));
                differences.push(at(place, &format!("expected {wanted}, found {got}")));
            }
            for (number, (wanted, got)) in wanted.iter().zip(got).enumerate() {
                place.push_str(&format!("[{number}]"));
                walk(wanted, got, how, place, differences);
                place.truncate(whole);
            }
        }
        (Value::String(wanted), Value::String(got)) if how == How::Containing && got.contains(wanted.as_str()) => {}
        (Value::Number(wanted), Value::Number(got)) if wanted.as_f64() == got.as_f64() && is_close(wanted, got) => {}
        (wanted, got) if wanted == got => {}
        (wanted, got) => differences.push(told(place, &wanted.to_string(), &got.to_string())),
    }
}

/// `1` and `1.0` are one number; whole numbers beyond what a float tells apart are not.
fn is_close(one: &serde_json::Number, other: &serde_json::Number) -> bool {
    one == other || one.is_f64() || other.is_f64()
}

fn elements(count: usize) -> String {
    if count == 1 { "1 element".to_owned() } else { format!("{count} elements") }
}

fn told(place: &str, wanted: &str, got: &str) -> String {
    at(place, &format!("expected {}, found {}", shown(wanted), shown(got)))
}

fn at(place: &str, what: &str) -> String {
    if place.is_empty() { what.to_owned() } else { format!("{place}: {what}") }
}

fn shown(json: &str) -> String {
    let more = if json.chars().count() > SHOWN { "…" } else { "" };
    format!("{}{more}", json.chars().take(SHOWN).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_that_differs_is_told() {
        let expected = r#"{"a": [1, {"b": "x"}], "c": null, "d": 1.0, "e": true}"#;
        let found = r#"{"a": [1, {"b": "y"}, 3], "d": 1, "e": 1, "f": 2}"#;
        assert_eq!(
            differences(expected, found, How::Equal),
            [
                ".a: expected 2 elements, found 3 elements",
                r#".a[1].b: expected "x", found "y""#,
                ".c: expected null, found nothing",
                ".e: expected true, found 1",
                ".f: expected nothing, found 2",
            ]
        );
        assert!(differences(expected, expected, How::Equal).is_empty());
    }

    #[test]
    fn what_contains_more_is_right_where_that_is_asked() {
        let found = r#"{"title": "All about owls", "pages": [{"n": 1, "text": "x"}], "more": 1}"#;
        let contains = |expected| differences(expected, found, How::Containing);
        assert!(contains(r#"{"title": "owls", "pages": [{"n": 1}]}"#).is_empty());
        assert_eq!(contains(r#"{"pages": []}"#), [".pages: expected 0 elements, found 1 element"]);
        assert_eq!(contains(r#"{"title": "bats"}"#), [r#".title: expected "bats", found "All about owls""#]);
    }

    #[test]
    fn large_numbers_are_told_apart_and_long_lists_are_cut() {
        assert_eq!(differences("9007199254740993", "9007199254740992", How::Equal).len(), 1);
        assert!(differences("1e999", "1e999", How::Equal).is_empty());
        let many = |n| serde_json::to_string(&vec![n; 100]).unwrap();
        let told = differences(&many(1), &many(2), How::Equal);
        assert_eq!((told.len(), told[TOLD].as_str()), (TOLD + 1, "and 92 more"));
    }
}
