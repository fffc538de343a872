//! The graph of a workflow as text for a terminal.

use super::definition::{Source, Stage, StageIndex, Workflow};

/// Needs that a line names; the rest is counted.
const NAMED: usize = 4;

impl Workflow {
    /// One line per stage, needs first: what it comes after, and what it is fanned out over.
    pub(crate) fn graph_text(&self) -> String {
        let rows: Vec<[String; 3]> = self
            .topological()
            .into_iter()
            .filter_map(|index| self.stage(index))
            .map(|stage| [stage.name.to_string(), self.comes_after(stage), self.fans_out(stage)])
            .collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (name, after) = (width(0), width(1));
        let line = |[n, a, f]: &[String; 3]| format!("{n:name$}  {a:after$}  {f}").trim_end().to_owned() + "\n";
        rows.iter().map(line).collect()
    }

    fn comes_after(&self, stage: &Stage) -> String {
        let named: Vec<String> = stage.needs.iter().take(NAMED).map(|need| self.named(*need)).collect();
        match stage.needs.len() {
            0 => "first".to_owned(),
            count if count > NAMED => format!("after {} and {} more", named.join(", "), count - NAMED),
            _ => format!("after {}", named.join(", ")),
        }
    }

    fn fans_out(&self, stage: &Stage) -> String {
        let Some(for_each) = &stage.for_each else { return String::new() };
        let source = match for_each.source {
            Source::Input => "input".to_owned(),
            Source::Stage(index) => self.named(index),
        };
        format!("for each of {}", [&[source], for_each.path.as_slice()].concat().join("."))
    }

    fn named(&self, index: StageIndex) -> String {
        self.stage(index).map_or_else(String::new, |stage| stage.name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::limits::Limits;

    #[test]
    fn a_graph_is_one_aligned_line_per_stage() {
        let text = "name = 'story'
            [stages.assembly]
            rust = 'assembly'
            needs = ['critic', 'narration', 'picture', 'script', 'check']
            [stages.script]
            rust = 'script'
            [stages.check]
            rust = 'check'
            for_each = 'input.drafts'
            [stages.critic]
            rust = 'critic'
            needs = ['check', 'script']
            [stages.narration]
            rust = 'narration'
            needs = ['critic']
            for_each = 'critic.scenes'
            [stages.picture]
            rust = 'picture'
            needs = ['critic', 'narration']
            for_each = 'narration'";
        let workflow = Workflow::parse("story.toml", text.as_bytes(), &Limits::default()).expect("a workflow");
        insta::assert_snapshot!(workflow.graph_text(), @r"
        script     first
        check      first                                                for each of input.drafts
        critic     after check, script
        narration  after critic                                         for each of critic.scenes
        picture    after critic, narration                              for each of narration
        assembly   after critic, narration, picture, script and 1 more
        ");
    }
}
