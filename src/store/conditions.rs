//! Conditions on runs' inputs, as the arrays that `piton.input_fits` takes.

use crate::model::condition::Condition;

/// Paths and values; none where nothing is asked, so that no input is looked at.
#[derive(Debug, Default)]
pub(super) struct ConditionColumns {
    pub(super) paths: Option<Vec<String>>,
    pub(super) values: Option<Vec<String>>,
}

impl ConditionColumns {
    pub(super) fn of(conditions: &[Condition]) -> ConditionColumns {
        if conditions.is_empty() {
            return ConditionColumns::default();
        }
        ConditionColumns {
            paths: Some(conditions.iter().map(|condition| condition.path.array()).collect()),
            values: Some(conditions.iter().map(|condition| condition.value.clone()).collect()),
        }
    }
}
