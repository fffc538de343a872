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
            "the retries of {whose} end after {job} (`max_retries = {job}`), before the {of_class} of {class}: raise the one, or \
             leave it out, or lower the other"
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
        insta::assert_snapshot!(said(&file("{ max_retries = 10, rate_limited = { max_retries = 20 } }")), @"the retries of stage `a` end after 10 (`max_retries = 10`), before the 20 of rate_limited: raise the one, or leave it out, or lower the other");
        assert_eq!(said(&file("{ rate_limited = { max_retries = 20 } }")), "");
        assert_eq!(said(&file("{ max_retries = 20, rate_limited = { max_retries = 20 } }")), "");
        let of_workflow =
            "name = 'a'\nretry = { max_retries = 0, unknown = { max_retries = 1 } }\n[stages.a]\nrust = 'a'";
        assert!(said(of_workflow).starts_with("the retries of the workflow end after 0"));
    }
}
