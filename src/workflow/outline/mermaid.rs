//! The graph of a workflow for Mermaid, which many Markdown pages draw.

use super::{Edge, edges, starts};
use crate::workflow::definition::{StageIndex, Workflow};

impl Workflow {
    /// One node for each stage, an edge for each need. A stage that is fanned out is doubly framed and says over what;
    /// the edge that its items come along is thick. A condition stands below the name, and the edge from a
    /// stage that may have been skipped is dotted.
    pub(crate) fn graph_mermaid(&self) -> String {
        let mut text = String::from("flowchart TD\n");
        for index in self.topological() {
            let Some(stage) = self.stage(index) else { continue };
            let name = escaped(stage.name.as_str());
            let (over, asks) = (self.fans_out(stage), self.asks(stage));
            let starts = starts(stage);
            let below = [starts.as_str(), &over, &asks].into_iter().filter(|words| !words.is_empty());
            let label: String = [name].into_iter().chain(below.map(escaped)).collect::<Vec<_>>().join("<br>");
            text += &match over.is_empty() {
                true => format!("  {}[\"{label}\"]\n", id(index)),
                false => format!("  {}[[\"{label}\"]]\n", id(index)),
            };
        }
        for (from, to, edge) in edges(self) {
            let arrow = match edge {
                Edge::Plain => "-->",
                Edge::Items => "==>",
                Edge::Accepted => "-.->",
                Edge::Failure => "-. on failure .->",
                Edge::Again => "-. again .->",
            };
            text += &format!("  {} {arrow} {}\n", id(from), id(to));
        }
        text
    }
}

/// Names such as `style` mean something to Mermaid, so they stand in labels only.
fn id(index: StageIndex) -> String {
    format!("s{}", index.at())
}

/// Whatever may mean something in a label, as Mermaid's entities.
fn escaped(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '.' | '-' | '_');
    text.chars().map(|c| if plain(c) { c.to_string() } else { format!("#{};", u32::from(c)) }).collect()
}

#[cfg(test)]
mod tests {
    use crate::workflow::outline::tests::{choices, odd, story};

    #[test]
    fn a_graph_is_nodes_and_edges_for_mermaid() {
        insta::assert_snapshot!(story().graph_mermaid(), @r#"
        flowchart TD
          s1["script"]
          s2[["check<br>for each of input.drafts"]]
          s3["critic"]
          s4[["narration<br>for each of critic.scenes"]]
          s5[["picture<br>for each of narration"]]
          s0["assembly"]
          s2 --> s3
          s1 --> s3
          s3 ==> s4
          s3 --> s5
          s4 ==> s5
          s3 --> s0
          s4 --> s0
          s5 --> s0
          s1 --> s0
          s2 --> s0
        "#);
    }

    #[test]
    fn conditions_stand_in_nodes_and_accepted_skips_are_dotted() {
        insta::assert_snapshot!(choices().graph_mermaid(), @r#"
        flowchart TD
          s0["check"]
          s1["subtitles<br>when check.score #62;#61; 0.8 #38;#38; input.lang in #91;#34;de#34;#44; #34;en#34;#93;"]
          s2[["page<br>for each of check.pages<br>when item.words #62; 0"]]
          s3["report"]
          s0 --> s1
          s0 ==> s2
          s0 --> s3
          s1 -.-> s3
          s2 --> s3
        "#);
    }

    #[test]
    fn nothing_in_a_name_means_anything_to_mermaid() {
        insta::assert_snapshot!(odd().graph_mermaid(), @r#"
        flowchart TD
          s0["style"]
          s1[["node<br>for each of style.a#92;b#60;c#62;#35;d#59;#38;#96;e#96;é"]]
          s0 ==> s1
        "#);
    }
}
