//! The retry rules that a stage ends up with, and where each of them comes from. Pure.

use std::time::Duration;

use super::retry_rules::{ClassRules, RetryRules};
use crate::model::failure::FailureClass;
use crate::model::retry::{ClassPolicy, RetryPolicy};

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    Workflow,
    Stage,
}

impl Origin {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Origin::Default => "default",
            Origin::Workflow => "workflow",
            Origin::Stage => "stage",
        }
    }
}

/// A part of a policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Part<T> {
    pub(crate) value: T,
    pub(crate) from: Origin,
}

/// A policy, part by part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Effective {
    pub(crate) max_retries: Part<u32>,
    pub(crate) deadline: Part<Option<Duration>>,
    /// Those that rules can be made for.
    pub(crate) classes: Vec<EffectiveClass>,
}

/// The policy for one class, part by part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EffectiveClass {
    pub(crate) class: FailureClass,
    pub(crate) max_retries: Part<u32>,
    pub(crate) base: Part<Duration>,
    pub(crate) cap: Part<Duration>,
    pub(crate) jitter: Part<f64>,
    pub(crate) retry_after: Part<bool>,
}

/// A workflow's rules, a stage's, and the policies that come of the defaults, the workflow's and both.
struct Layers<'r> {
    rules: [&'r RetryRules; 2],
    policies: [RetryPolicy; 3],
}

impl Effective {
    /// What holds for a stage with these rules. A wait that only follows from another (a cap that is raised to a longer
    /// base) comes from whoever said that one.
    pub(crate) fn of(workflow: &RetryRules, stage: &RetryRules) -> Effective {
        let none = RetryRules::default();
        let policies =
            [RetryPolicy::default(), RetryRules::policy(workflow, &none), RetryRules::policy(workflow, stage)];
        let layers = Layers { rules: [workflow, stage], policies };
        Effective {
            max_retries: layers.part(|policy| policy.max_retries, |rules| rules.max_retries.is_some()),
            deadline: layers.part(|policy| policy.deadline, |rules| rules.deadline.is_some()),
            classes: super::keys::ruled_classes().map(|class| layers.class(class)).collect(),
        }
    }
}

impl Layers<'_> {
    fn part<T: PartialEq>(&self, value: impl Fn(&RetryPolicy) -> T, says: impl Fn(&RetryRules) -> bool) -> Part<T> {
        let [default, workflow, stage] = self.policies.each_ref().map(value);
        let [workflow_says, stage_says] = self.rules.map(says);
        let from = if stage_says || stage != workflow {
            Origin::Stage
        } else if workflow_says || workflow != default {
            Origin::Workflow
        } else {
            Origin::Default
        };
        Part { value: stage, from }
    }

    fn class(&self, class: FailureClass) -> EffectiveClass {
        fn part<T: PartialEq>(
            layers: &Layers<'_>,
            class: FailureClass,
            value: fn(ClassPolicy) -> T,
            says: fn(&ClassRules) -> bool,
        ) -> Part<T> {
            layers.part(|policy| value(policy.class(class)), |rules| rules.classes.get(&class).is_some_and(says))
        }
        EffectiveClass {
            class,
            max_retries: part(self, class, |policy| policy.max_retries, |rules| rules.max_retries.is_some()),
            base: part(self, class, |policy| policy.base, |rules| rules.base.is_some()),
            cap: part(self, class, |policy| policy.cap, |rules| rules.cap.is_some()),
            jitter: part(self, class, |policy| policy.jitter, |rules| rules.jitter.is_some()),
            retry_after: part(self, class, |policy| policy.retry_after, |rules| rules.retry_after.is_some()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::keys::tests::parse;

    #[test]
    fn every_part_says_where_it_comes_from() {
        let text = "name = 'a'
            [retry]
            max_retries = 10
            rate_limited = { max_retries = 9, jitter = 0.0 }
            [stages.a]
            rust = 'a'
            retry = { deadline = '1h', rate_limited = { max_retries = 9, base = '10m' } }";
        let workflow = parse(text).expect("a workflow");
        let effective = Effective::of(&workflow.retry, &workflow.stages[0].retry);
        assert_eq!(effective.max_retries, Part { value: 10, from: Origin::Workflow }, "said, though it is the default");
        assert_eq!(effective.deadline.from, Origin::Stage);
        let of = |class: FailureClass| effective.classes.iter().find(|c| c.class == class).expect("a class");
        let limited = of(FailureClass::RateLimited);
        assert_eq!(limited.max_retries, Part { value: 9, from: Origin::Stage });
        assert_eq!(limited.jitter, Part { value: 0.0, from: Origin::Workflow });
        let ten_minutes = Part { value: Duration::from_secs(600), from: Origin::Stage };
        assert_eq!((limited.base, limited.cap), (ten_minutes, ten_minutes), "the cap follows the base");
        assert_eq!(limited.retry_after.from, Origin::Default);
        assert_eq!(of(FailureClass::Unknown).base.from, Origin::Default);
        assert_eq!(effective.classes.len(), 9);
    }
}
