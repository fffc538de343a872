//! The graph of a workflow in DOT, which Graphviz draws.

use super::{Edge, edges, starts};
use crate::workflow::definition::Workflow;

impl Workflow {
    /// One node for each stage, an edge for each need. A stage that is fanned out is doubly framed and says over what;
    /// the edge that its items come along is bold. A condition stands below the name, and the edge from a
    /// stage that may have been skipped is dashed.
    pub(crate) fn graph_dot(&self) -> String {
        let mut text =
            format!("digraph {} {{\n  node [shape=box, fontname=\"sans-serif\"];\n", quoted(self.name.as_str()));
        for stage in self.topological().into_iter().filter_map(|index| self.stage(index)) {
            let name = quoted(stage.name.as_str());
            let (over, asks) = (self.fans_out(stage), self.asks(stage));
            let starts = starts(stage);
            let below: Vec<&str> =
                [starts.as_str(), &over, &asks].into_iter().filter(|words| !words.is_empty()).collect();
            let label = quoted(&format!("{}\n{}", stage.name, below.join("\n")));
            text += &match (over.is_empty(), below.is_empty()) {
                (_, true) => format!("  {name};\n"),
                (true, false) => format!("  {name} [label={label}];\n"),
                (false, false) => format!("  {name} [label={label}, peripheries=2];\n"),
            };
        }
        for (from, to, edge) in edges(self) {
            let style = match edge {
                Edge::Plain => "",
                Edge::Items => " [style=bold]",
                Edge::Accepted => " [style=dashed]",
                Edge::Failure => " [style=dashed, label=\"on failure\"]",
                Edge::Again => " [style=dotted, constraint=false, label=again]",
            };
            text += &format!("  {} -> {}{style};\n", quoted(&self.named(from)), quoted(&self.named(to)));
        }
        text + "}\n"
    }
}

/// A string of DOT; in a label, a backslash begins an escape.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n"))
}

#[cfg(test)]
mod tests {
    use crate::workflow::outline::tests::{choices, odd, story};

    #[test]
    fn a_graph_is_nodes_and_edges_for_graphviz() {
        insta::assert_snapshot!(story().graph_dot(), @r#"
        digraph "story" {
          node [shape=box, fontname="sans-serif"];
          "script";
          "check" [label="check\nfor each of input.drafts", peripheries=2];
          "critic";
          "narration" [label="narration\nfor each of critic.scenes", peripheries=2];
          "picture" [label="picture\nfor each of narration", peripheries=2];
          "assembly";
          "check" -> "critic";
          "script" -> "critic";
          "critic" -> "narration" [style=bold];
          "critic" -> "picture";
          "narration" -> "picture" [style=bold];
          "critic" -> "assembly";
          "narration" -> "assembly";
          "picture" -> "assembly";
          "script" -> "assembly";
          "check" -> "assembly";
        }
        "#);
    }

    #[test]
    fn conditions_stand_in_nodes_and_accepted_skips_are_dashed() {
        insta::assert_snapshot!(choices().graph_dot(), @r#"
        digraph "choices" {
          node [shape=box, fontname="sans-serif"];
          "check";
          "subtitles" [label="subtitles\nwhen check.score >= 0.8 && input.lang in [\"de\", \"en\"]"];
          "page" [label="page\nfor each of check.pages\nwhen item.words > 0", peripheries=2];
          "report";
          "check" -> "subtitles";
          "check" -> "page" [style=bold];
          "check" -> "report";
          "subtitles" -> "report" [style=dashed];
          "page" -> "report";
        }
        "#);
    }

    #[test]
    fn nothing_in_a_name_means_anything_to_graphviz() {
        insta::assert_snapshot!(odd().graph_dot(), @r#"
        digraph "graph" {
          node [shape=box, fontname="sans-serif"];
          "style";
          "node" [label="node\nfor each of style.a\\b<c>#d;&`e`é", peripheries=2];
          "style" -> "node" [style=bold];
        }
        "#);
    }
}
