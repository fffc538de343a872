//! What a file says that is no mistake, and hardly what was meant. Pure.

use super::definition::Workflow;
use super::retry_rules::RetryRules;

impl Workflow {
    /// A sentence for each, with its cure.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let mut said = of_rules("the workflow", &self.retry);
        said.extend(self.stages.iter().flat_map(|stage| of_rules(&format!("stage `{}`", stage.name), &stage.retry)));
        said
    }
}

fn of_rules(whose: &str, rules: &RetryRules) -> Vec<String> {
    let said = rules.out_of_reach().map(|(class, of_class, job)| {
        format!(
            "{whose}: the job's `max_retries = {job}` ends its retries before the {of_class} of {class} are used up; raise or \
             remove it, or lower those of {class}"
        )
    });
    said.collect()
}

#[cfg(test)]
mod tests {
    use crate::workflow::keys::tests::parse;

    #[test]
    fn retries_that_are_never_reached_are_remarked_upon() {
        let said = |text: &str| parse(text).expect("a workflow").remarks().join("\n");
        let file = |rules: &str| format!("name = 'a'\n[stages.a]\nrust = 'a'\nretry = {rules}");
        insta::assert_snapshot!(said(&file("{ max_retries = 10, rate_limited = { max_retries = 20 } }")), @"stage `a`: the job's `max_retries = 10` ends its retries before the 20 of rate_limited are used up; raise or remove it, or lower those of rate_limited");
        assert_eq!(said(&file("{ rate_limited = { max_retries = 20 } }")), "");
        assert_eq!(said(&file("{ max_retries = 20, rate_limited = { max_retries = 20 } }")), "");
        let of_workflow =
            "name = 'a'\nretry = { max_retries = 0, unknown = { max_retries = 1 } }\n[stages.a]\nrust = 'a'";
        assert!(said(of_workflow).starts_with("the workflow: the job's `max_retries = 0` ends"));
    }
}
