//! What is no mistake of a workflow, and may surprise its author. Pure.

use super::definition::{InputForm, Source, Stage, StageKind, Workflow};

impl Workflow {
    /// A sentence for each.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.stages.iter().flat_map(|stage| self.joins_of(stage)).collect()
    }

    /// All items are paid for before their outputs turn out to be too much for one value.
    fn joins_of<'w>(&'w self, stage: &'w Stage) -> impl Iterator<Item = String> + 'w {
        let source = stage.for_each.as_ref().map(|for_each| for_each.source);
        let as_values = stage
            .needs
            .iter()
            .filter(move |need| stage.inputs == InputForm::Value && source != Some(Source::Stage(**need)));
        let joined = as_values.filter_map(|need| self.stage(*need).filter(|need| need.for_each.is_some()));
        let cure = match stage.kind {
            StageKind::Http(_) => "a command with inputs = \"file\" before it",
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

#[cfg(test)]
mod tests {
    use super::*;
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
}
