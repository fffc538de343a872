//! What a workflow file says about retries. What it leaves out comes from above: from the workflow, then from the
//! defaults.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration::optional_millis;
use crate::model::failure::FailureClass;
use crate::model::retry::{ClassPolicy, RetryPolicy};

/// The table `[retry]` of a workflow or of a stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryRules {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_retries: Option<u32>,
    #[serde(rename = "deadline_ms", default, skip_serializing_if = "Option::is_none", with = "optional_millis")]
    pub(crate) deadline: Option<Duration>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) classes: BTreeMap<FailureClass, ClassRules>,
}

/// The table of one class in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClassRules {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_retries: Option<u32>,
    #[serde(rename = "base_ms", default, skip_serializing_if = "Option::is_none", with = "optional_millis")]
    pub(crate) base: Option<Duration>,
    #[serde(rename = "cap_ms", default, skip_serializing_if = "Option::is_none", with = "optional_millis")]
    pub(crate) cap: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) jitter: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<bool>,
}

impl RetryRules {
    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        *self == RetryRules::default()
    }

    /// What holds for a stage with these rules.
    pub(crate) fn policy(workflow: &RetryRules, stage: &RetryRules) -> RetryPolicy {
        let mut policy = RetryPolicy::default();
        for rules in [workflow, stage] {
            policy.max_retries = rules.max_retries.unwrap_or(policy.max_retries);
            policy.deadline = rules.deadline.or(policy.deadline);
            for (class, changed) in &rules.classes {
                changed.change(policy.class_mut(*class));
            }
        }
        policy
    }
}

impl ClassRules {
    fn change(&self, policy: &mut ClassPolicy) {
        policy.max_retries = self.max_retries.unwrap_or(policy.max_retries);
        policy.jitter = self.jitter.unwrap_or(policy.jitter);
        policy.retry_after = self.retry_after.unwrap_or(policy.retry_after);
        policy.base = self.base.unwrap_or(policy.base);
        policy.cap = self.cap.unwrap_or(policy.cap);
        // Whoever raises the base alone means longer waits, and whoever lowers the cap alone shorter ones.
        match (self.base, self.cap) {
            (Some(base), None) => policy.cap = policy.cap.max(base),
            (None, Some(cap)) => policy.base = policy.base.min(cap),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(class: FailureClass, rules: ClassRules) -> RetryRules {
        RetryRules { classes: BTreeMap::from([(class, rules)]), ..RetryRules::default() }
    }

    #[test]
    fn a_stage_goes_before_its_workflow_and_the_workflow_before_the_defaults() {
        let class = FailureClass::RateLimited;
        let workflow = rules(class, ClassRules { max_retries: Some(9), jitter: Some(0.0), ..ClassRules::default() });
        let stage = RetryRules {
            max_retries: Some(4),
            ..rules(class, ClassRules { max_retries: Some(2), ..ClassRules::default() })
        };
        let policy = RetryRules::policy(&workflow, &stage);
        let of_class = policy.class(class);
        assert_eq!((policy.max_retries, of_class.max_retries, of_class.jitter), (4, 2, 0.0));
        assert_eq!(of_class.base, RetryPolicy::default().class(class).base);
    }

    #[test]
    fn base_and_cap_stay_in_order() {
        let class = FailureClass::NetworkTimeout;
        let minute = Some(Duration::from_secs(120));
        let longer = rules(class, ClassRules { base: minute, ..ClassRules::default() });
        assert_eq!(Some(RetryRules::policy(&longer, &RetryRules::default()).class(class).cap), minute);
        let shorter = rules(class, ClassRules { cap: Some(Duration::from_millis(5)), ..ClassRules::default() });
        assert_eq!(RetryRules::policy(&shorter, &RetryRules::default()).class(class).base, Duration::from_millis(5));
    }
}
