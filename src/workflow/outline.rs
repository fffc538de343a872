//! The graph of a workflow as text for a terminal.

mod dot;
mod mermaid;

use super::condition::Condition;
use super::definition::{ForEach, Source, Stage, StageIndex, StageKind, Workflow};
use super::quorum::{Quorum, Rest};

/// Needs that a line names; the rest is counted.
const NAMED: usize = 4;

impl Workflow {
    /// One line per stage, needs first: what it comes after, what it is fanned out over, and on which condition.
    pub(crate) fn graph_text(&self) -> String {
        let rows: Vec<[String; 3]> = self
            .topological()
            .into_iter()
            .filter_map(|index| self.stage(index))
            .map(|stage| {
                let notes = [starts(stage), self.fans_out(stage), self.asks(stage)];
                [stage.name.to_string(), self.comes_after(stage), runs(&notes)]
            })
            .collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (name, after) = (width(0), width(1));
        let line = |[n, a, f]: &[String; 3]| format!("{n:name$}  {a:after$}  {f}").trim_end().to_owned() + "\n";
        rows.iter().map(line).collect()
    }

    fn comes_after(&self, stage: &Stage) -> String {
        let named: Vec<String> = stage.needs.iter().take(NAMED).map(|need| self.needed(stage, *need)).collect();
        match stage.needs.len() {
            0 => "first".to_owned(),
            count if count > NAMED => format!("after {} and {} more", named.join(", "), count - NAMED),
            _ => format!("after {}", named.join(", ")),
        }
    }

    /// As it stands in the file.
    pub(super) fn needed(&self, stage: &Stage, need: StageIndex) -> String {
        if stage.on_failure_of == Some(need) {
            return format!("the failure of {}", self.named(need));
        }
        let mark = if stage.accepts_skipped.contains(&need) { "?" } else { "" };
        format!("{}{mark}", self.named(need))
    }

    fn fans_out(&self, stage: &Stage) -> String {
        stage
            .for_each
            .as_ref()
            .map_or_else(String::new, |for_each| format!("for each of {}", self.places_of(for_each).join(" × ")))
    }

    /// The condition of a stage in a line, whether its run goes on without it, and until when it is done again; empty where there
    /// is nothing to say.
    fn asks(&self, stage: &Stage) -> String {
        let optional = if stage.optional { "optional".to_owned() } else { String::new() };
        let condition = stage.when.as_ref().map(|when| format!("when {}", in_a_line(when)));
        let repeat = stage.repeat.as_ref().map(|repeat| {
            let (from, until) = (self.named(repeat.from), in_a_line(&repeat.until));
            format!("again from {from} until {until}, at most {} rounds", repeat.at_most)
        });
        let quorum = stage.quorum.as_ref().map_or_else(String::new, quorum_in_words);
        let race = stage.first.map_or_else(String::new, |first| format!("begins with the first {first}"));
        runs(&[race, condition.unwrap_or_default(), optional, quorum, repeat.unwrap_or_default()])
    }

    /// As they stand in the file, one or several.
    pub(super) fn places_of(&self, for_each: &ForEach) -> Vec<String> {
        let ForEach { source, path, within, times } = for_each;
        let place = |source: &Source, path: &[String]| {
            let source = match source {
                Source::Input => "input".to_owned(),
                Source::Stage(index) => self.named(*index),
            };
            [&[source], path].concat().join(".")
        };
        let keys = |keys: &Vec<String>| keys.iter().map(|key| format!(".{key}")).collect::<String>();
        let within = within.as_ref().map_or_else(String::new, |within| format!("[*]{}", keys(within)));
        let first = place(source, path) + &within;
        [first].into_iter().chain(times.iter().map(|factor| place(&factor.source, &factor.path))).collect()
    }

    pub(super) fn named(&self, index: StageIndex) -> String {
        self.stage(index).map_or_else(String::new, |stage| stage.name.to_string())
    }
}

/// The workflow that the stage starts a run of; empty where it starts none.
fn starts(stage: &Stage) -> String {
    match &stage.kind {
        StageKind::Run(run) if run.detached => format!("starts {} and goes on", run.workflow),
        StageKind::Run(run) => format!("runs {}", run.workflow),
        _ => String::new(),
    }
}

fn quorum_in_words(quorum: &Quorum) -> String {
    let rest = if quorum.rest == Rest::Cancel { ", then the rest is cancelled" } else { "" };
    format!("{}{rest}", quorum.at_least.in_words())
}

/// A condition in a line.
fn in_a_line(condition: &Condition) -> String {
    condition.as_str().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Those of them that say something.
fn runs(words: &[String]) -> String {
    words.iter().filter(|words| !words.is_empty()).cloned().collect::<Vec<_>>().join(", ")
}

/// How a need leads to a stage.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Edge {
    Plain,
    /// Items come along it.
    Items,
    /// The stage runs without it, too.
    Accepted,
    /// The stage runs only if that one is given up.
    Failure,
    /// Another round begins with that stage.
    Again,
}

/// What each stage needs, and how; in the order in which stages can run.
fn edges(workflow: &Workflow) -> Vec<(StageIndex, StageIndex, Edge)> {
    let into = |to: StageIndex| {
        let stage = workflow.stage(to)?;
        let brings_items = move |need: StageIndex| {
            stage
                .for_each
                .as_ref()
                .is_some_and(|for_each| for_each.sources().any(|source| source == Source::Stage(need)))
        };
        let edge = move |need: StageIndex| match stage.accepts(need) {
            true if stage.on_failure_of == Some(need) => Edge::Failure,
            true => Edge::Accepted,
            false if brings_items(need) => Edge::Items,
            false => Edge::Plain,
        };
        Some(stage.needs.iter().map(move |need| (*need, to, edge(*need))))
    };
    let again = |index: StageIndex| Some((index, workflow.stage(index)?.repeat.as_ref()?.from, Edge::Again));
    let order = workflow.topological();
    order.iter().copied().filter_map(into).flatten().chain(order.iter().copied().filter_map(again)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::limits::Limits;

    fn parse(text: &str) -> Workflow {
        Workflow::parse("story.toml", text.as_bytes(), &Limits::default()).expect("a workflow")
    }

    pub(super) fn story() -> Workflow {
        parse(
            "name = 'story'
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
            for_each = 'narration'",
        )
    }

    /// With conditions, and needs that are accepted without an output.
    pub(super) fn choices() -> Workflow {
        parse(
            r#"name = 'choices'
            [stages.check]
            rust = 'check'
            [stages.subtitles]
            rust = 'subtitles'
            needs = ['check']
            when = """check.score >= 0.8 &&
                input.lang in ["de", "en"]"""
            [stages.page]
            rust = 'page'
            needs = ['check']
            for_each = 'check.pages'
            when = 'item.words > 0'
            [stages.report]
            rust = 'report'
            needs = ['check', 'subtitles?', 'page']"#,
        )
    }

    /// Whatever a file can hold that means something elsewhere.
    pub(super) fn odd() -> Workflow {
        parse(
            r"name = 'graph'
            [stages.style]
            rust = 'style'
            [stages.node]
            rust = 'node'
            needs = ['style']
            for_each = 'style.a\b<c>#d;&`e`é'",
        )
    }

    #[test]
    fn conditions_and_accepted_skips_stand_in_the_graph() {
        insta::assert_snapshot!(choices().graph_text(), @r#"
        check      first
        subtitles  after check                    when check.score >= 0.8 && input.lang in ["de", "en"]
        page       after check                    for each of check.pages, when item.words > 0
        report     after check, subtitles?, page
        "#);
    }

    #[test]
    fn flattened_arrays_and_products_stand_in_the_graph() {
        let workflow = parse(
            "name = 'media'
            [stages.probe]
            rust = 'probe'
            for_each = 'input.files[*].parts'
            [stages.encode]
            rust = 'encode'
            needs = ['probe']
            for_each = ['probe', 'input.renditions']",
        );
        insta::assert_snapshot!(workflow.graph_text(), @r"
        probe   first        for each of input.files[*].parts
        encode  after probe  for each of probe × input.renditions
        ");
        assert!(workflow.graph_mermaid().contains("s0 ==> s1"), "{}", workflow.graph_mermaid());
    }

    #[test]
    fn a_quorum_stands_in_the_graph() {
        let workflow = parse(
            "name = 'film'
            [stages.render]
            rust = 'render'
            for_each = 'input.scenes'
            at_least = 0.9
            rest = 'cancel'
            [stages.check]
            rust = 'check'
            for_each = 'render'
            needs = ['render']
            at_least = 3",
        );
        insta::assert_snapshot!(workflow.graph_text(), @r"
        render  first         for each of input.scenes, at least 90 %, then the rest is cancelled
        check   after render  for each of render, at least 3
        ");
        let mermaid = workflow.graph_mermaid();
        assert!(mermaid.contains("<br>at least 90 #37;#44; then the rest is cancelled"), "{mermaid}");
    }

    #[test]
    fn a_graph_is_one_aligned_line_per_stage() {
        insta::assert_snapshot!(story().graph_text(), @r"
        script     first
        check      first                                                for each of input.drafts
        critic     after check, script
        narration  after critic                                         for each of critic.scenes
        picture    after critic, narration                              for each of narration
        assembly   after critic, narration, picture, script and 1 more
        ");
    }
}
