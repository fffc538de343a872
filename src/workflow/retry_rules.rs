//! A workflow file's retry rules. What it leaves out comes from above: from the workflow, then from the defaults.

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

    /// The most retries that it gives a class.
    fn most_of_a_class(&self) -> u32 {
        self.classes.values().filter_map(|rules| rules.max_retries).max().unwrap_or_default()
    }

    /// Retries of a class that the job never gets to, since its own are fewer: the class, its retries, and the job's.
    pub(crate) fn out_of_reach(&self) -> impl Iterator<Item = (FailureClass, u32, u32)> {
        let job = self.max_retries.unwrap_or(u32::MAX);
        let of_class = move |(class, rules): (&FailureClass, &ClassRules)| Some((*class, rules.max_retries?, job));
        self.classes.iter().filter_map(of_class).filter(|(_, of_class, job)| of_class > job)
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
            // Whoever gives a class more retries than the job has, and says nothing of the job, means both.
            if rules.max_retries.is_none() {
                policy.max_retries = policy.max_retries.max(rules.most_of_a_class());
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
    fn a_class_raises_the_job_s_retries_where_its_rules_say_nothing_of_them() {
        let class = FailureClass::RateLimited;
        let twenty = || rules(class, ClassRules { max_retries: Some(20), ..ClassRules::default() });
        let job = |workflow: &RetryRules, stage: &RetryRules| RetryRules::policy(workflow, stage).max_retries;
        let (none, of_job) = (RetryRules::default(), |most| RetryRules { max_retries: Some(most), ..twenty() });
        assert_eq!((job(&twenty(), &none), job(&none, &twenty())), (20, 20));
        let five = RetryRules { max_retries: Some(5), ..RetryRules::default() };
        assert_eq!(job(&five, &twenty()), 20, "the stage goes before its workflow");
        assert_eq!(job(&twenty(), &five), 5);
        assert_eq!(job(&none, &of_job(12)), 12, "its own rules say so");
        let three = rules(class, ClassRules { max_retries: Some(3), ..ClassRules::default() });
        assert_eq!(job(&none, &three), RetryPolicy::default().max_retries, "fewer take nothing away");
        assert_eq!(of_job(12).out_of_reach().collect::<Vec<_>>(), [(class, 20, 12)]);
        assert_eq!((of_job(20).out_of_reach().count(), twenty().out_of_reach().count()), (0, 0));
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
