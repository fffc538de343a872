//! What is no mistake in a workflow, but may surprise its author. Pure.

use super::definition::{InputForm, Source, Stage, StageKind, Workflow};
use super::retry_rules::RetryRules;
use super::template::Template;

impl Workflow {
    /// A sentence for each.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut said = of_rules("the workflow", &self.retry);
        for stage in &self.stages {
            said.extend(of_rules(&format!("stage `{}`", stage.name), &stage.retry));
            said.extend(self.joins_of(stage));
            said.extend(odd_keys_of(stage));
        }
        said
    }

    /// All items are paid for before their outputs turn out to be too much for one value.
    fn joins_of<'w>(&'w self, stage: &'w Stage) -> impl Iterator<Item = String> + 'w {
        let follows = stage.for_each.as_ref().filter(|for_each| for_each.is_plain());
        let source = follows.map(|for_each| for_each.source);
        let as_values = stage
            .needs
            .iter()
            .filter(move |need| stage.inputs == InputForm::Value && source != Some(Source::Stage(**need)));
        let joined = as_values.filter_map(|need| self.stage(*need).filter(|need| need.for_each.is_some()));
        let cure = match stage.kind {
            StageKind::Http(_) | StageKind::Sql(_) | StageKind::Sleep(_) | StageKind::Signal(_) | StageKind::Run(_) => {
                "a command with inputs = \"file\" before it"
            }
            StageKind::Rust { .. } | StageKind::Command(_) => "inputs = \"file\"",
        };
        joined.map(move |need| {
            format!(
                "stage `{}` gets the outputs of all items of `{}` as one value, which fails above 64 MiB; {cure} has no such limit",
                stage.name, need.name
            )
        })
    }
}

/// A `|` that is no fallback belongs to a key, and hardly anybody has such keys.
fn odd_keys_of(stage: &Stage) -> impl Iterator<Item = String> + '_ {
    let places = stage.templates().into_iter().flat_map(Template::places);
    let odd = places.filter(|place| place.path.iter().any(|key| key.contains('|')));
    odd.map(|place| {
        format!(
            "stage `{}` looks for a key with a `|` at `{place}`; a text for where nothing is, is in quotes: \
             {{{{input.lang | \"en\"}}}}",
            stage.name
        )
    })
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
    use super::*;
    use crate::workflow::keys::tests::parse;
    use crate::workflow::limits::Limits;

    #[test]
    fn a_join_that_may_be_too_large_is_noted_and_one_by_file_is_not() {
        let notes = |inputs: &str| {
            let file = format!(
                "name = \"n\"\n[stages.page]\ncommand = [\"a\"]\nfor_each = \"input\"\n\
                 [stages.book]\ncommand = [\"b\"]\nneeds = [\"page\"]\n{inputs}"
            );
            Workflow::parse("f.toml", file.as_bytes(), &Limits::default()).expect("a workflow").notes()
        };
        let [note] = notes("").try_into().expect("one note");
        assert!(note.starts_with("stage `book` gets the outputs of all items of `page` as one value"), "{note}");
        assert_eq!(notes("inputs = \"file\"\n"), [""; 0]);
    }

    #[test]
    fn retries_that_are_never_reached_are_noted() {
        let said = |text: &str| parse(text).expect("a workflow").notes().join("\n");
        let file = |rules: &str| format!("name = 'a'\n[stages.a]\nrust = 'a'\nretry = {rules}");
        insta::assert_snapshot!(said(&file("{ max_retries = 10, rate_limited = { max_retries = 20 } }")), @"stage `a`: the job's `max_retries = 10` ends its retries before the 20 of rate_limited are used up; raise or remove it, or lower those of rate_limited");
        assert_eq!(said(&file("{ rate_limited = { max_retries = 20 } }")), "");
        assert_eq!(said(&file("{ max_retries = 20, rate_limited = { max_retries = 20 } }")), "");
        let of_workflow =
            "name = 'a'\nretry = { max_retries = 0, unknown = { max_retries = 1 } }\n[stages.a]\nrust = 'a'";
        assert!(said(of_workflow).starts_with("the workflow: the job's `max_retries = 0` ends"));
    }
}
