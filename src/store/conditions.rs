//! Conditions on runs' inputs, as the arrays that `piton.input_fits` takes.

use crate::model::condition::Condition;

/// Paths and values; none where nothing is asked, so that no input is looked at.
#[derive(Debug, Default)]
pub(super) struct ConditionColumns {
    pub(super) paths: Option<Vec<String>>,
    pub(super) values: Option<Vec<String>>,
    /// What the text of an input holds that fits, if it holds no escapes: to look for it costs much less than to read the input.
    pub(super) needle: Option<String>,
}

impl ConditionColumns {
    pub(super) fn of(conditions: &[Condition]) -> ConditionColumns {
        if conditions.is_empty() {
            return ConditionColumns::default();
        }
        ConditionColumns {
            paths: Some(conditions.iter().map(|condition| condition.path.array()).collect()),
            values: Some(conditions.iter().map(|condition| condition.value.clone()).collect()),
            needle: needle(conditions),
        }
    }
}

/// The longest value that can only be written as it is: numbers can be written in several ways.
fn needle(conditions: &[Condition]) -> Option<String> {
    let is_number = |value: &str| value.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    // A value with structure has white space of its own.
    let is_plain = |value: &str| !is_number(value) && !value.starts_with(['{', '[']);
    let values = conditions.iter().map(|condition| condition.value.as_str()).filter(|value| is_plain(value));
    values.max_by_key(|value| value.len()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needle_of(conditions: &[&str]) -> Option<String> {
        let read = |text: &&str| text.parse().expect("a condition");
        ConditionColumns::of(&conditions.iter().map(read).collect::<Vec<_>>()).needle
    }

    #[test]
    fn only_what_is_written_in_one_way_is_looked_for() {
        assert_eq!(needle_of(&["input.a=acme", "input.b=5"]), Some("acme".to_owned()));
        assert_eq!(needle_of(&["input.a=5"]), None, "also 5.0, and 5e0");
        assert_eq!(needle_of(&["input.a=[1]"]), None, "also [ 1 ]");
        assert_eq!(needle_of(&[]), None);
    }
}
