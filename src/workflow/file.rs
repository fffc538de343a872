//! A workflow file: from its bytes to the definition, or to every mistake in it.

use super::check::check;
use super::children::ChildMistake;
use super::definition::Workflow;
use super::draft;
use super::keys;
use super::limits::{Limits, MOST_STAGES};
use super::mistake::{Mistake, Mistakes};
use super::name::WorkflowName;
use super::syntax::Syntax;

impl Workflow {
    /// Reads a workflow file; `file` is what it is called in messages. Either the definition is right, or every mistake
    /// is told at once. Nothing outside is touched.
    pub(crate) fn parse(file: &str, bytes: &[u8], limits: &Limits) -> Result<Workflow, Mistakes> {
        let text = decoded(file, bytes, limits)?;
        read(text, limits).map_err(|list| Mistakes::new(file, text, list))
    }
}

/// The text of a file that is not too large and is UTF-8.
pub(super) fn decoded<'b>(file: &str, bytes: &'b [u8], limits: &Limits) -> Result<&'b str, Mistakes> {
    if bytes.len() > limits.max_file_bytes {
        return Err(Mistakes::new(file, "", vec![too_large(limits.max_file_bytes)]));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        // Up to the first bad byte, this text and the file are the same.
        let text = String::from_utf8_lossy(bytes);
        Mistakes::new(file, &*text, vec![not_utf8(bytes, error.valid_up_to())])
    })
}

impl Mistakes {
    /// The file cannot be read.
    pub(crate) fn unreadable(file: &str, error: &std::io::Error) -> Mistakes {
        let title = format!("the file cannot be read: {error}");
        let mistake = Mistake::new(0..0, title, "", "name a file that is there and that you may read");
        Mistakes::new(file, "", vec![mistake])
    }

    /// The file holds tests, and no workflow.
    pub(crate) fn test_file(file: &str) -> Mistakes {
        let title = "the file holds tests of a workflow, by its name";
        let help = "check and run them with `workflows test`, or give a workflow's file another name";
        Mistakes::new(file, "", vec![Mistake::new(0..0, title, "", help)])
    }

    /// The file is right by itself, and another one has the same name.
    pub(crate) fn same_name(file: &str, bytes: &[u8], name: &WorkflowName, other: &str) -> Mistakes {
        let text = String::from_utf8_lossy(bytes);
        let tree = toml::de::DeTable::parse(&text).ok();
        let span = tree.and_then(|tree| Some(tree.get_ref().get(keys::NAME.name)?.span())).unwrap_or_default();
        let title = format!("there are two workflows `{name}`");
        let label = format!("the other one is in {other}");
        Mistakes::new(file, text.clone(), vec![Mistake::new(span, title, label, "give one of them another name")])
    }

    /// The file is right by itself, and its stages start runs of other workflows that do not fit.
    pub(crate) fn of_children(file: &str, bytes: &[u8], children: &[&ChildMistake]) -> Mistakes {
        let text = String::from_utf8_lossy(bytes);
        let tree = toml::de::DeTable::parse(&text).ok();
        let span_of = |stage: &str| {
            let stages = tree.as_ref()?.get_ref().get(keys::STAGES.name)?.get_ref().as_table()?;
            Some(stages.get(stage)?.get_ref().as_table()?.get(keys::WORKFLOW.name)?.span())
        };
        let list = children
            .iter()
            .map(|child| Mistake::new(span_of(&child.stage).unwrap_or_default(), child.title.clone(), "", child.help));
        Mistakes::new(file, text.clone(), list.collect())
    }
}

fn read(text: &str, limits: &Limits) -> Result<Workflow, Vec<Mistake>> {
    let (tree, syntax) = Syntax::read(text);
    if syntax.damaged && text.trim_start().starts_with('{') {
        return Err(vec![json(text)]);
    }
    if tree.is_empty() && syntax.mistakes.is_empty() {
        return Err(vec![empty()]);
    }
    let mut found = Vec::new();
    let draft = draft::read(&tree, limits.max_stages.min(MOST_STAGES), &mut found);
    if syntax.damaged {
        // What the damaged tree lacks may stand in the file: nothing is said about how the stages fit together.
        found.retain(|mistake| !syntax.covers(&mistake.span));
        found.extend(syntax.mistakes);
        return Err(found);
    }
    found.extend(syntax.mistakes);
    let workflow = check(draft, limits, &mut found);
    workflow.ok_or(found)
}

fn too_large(limit: usize) -> Mistake {
    // No more of it was read.
    let title = format!("the file has more than {limit} bytes");
    Mistake::new(
        0..0,
        title,
        "",
        "a workflow file holds the graph only; keep data in the run's input, and that of tests in JSON files",
    )
}

fn not_utf8(bytes: &[u8], at: usize) -> Mistake {
    let byte = bytes.get(at).copied().unwrap_or_default();
    let label = format!("byte 0x{byte:02X}");
    let help = match bytes {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "the file looks like UTF-16; save it as UTF-8",
        _ => "save the file as UTF-8",
    };
    Mistake::new(at..at + 1, "the file is not UTF-8", label, help)
}

fn empty() -> Mistake {
    let help = "write name = \"story\", then [stages.first] and below it command = [\"program\", \"argument\"]";
    Mistake::new(0..0, "the file holds no workflow", "", help)
}

fn json(text: &str) -> Mistake {
    let at = text.len() - text.trim_start().len();
    let help = "workflow files are TOML: write name = \"story\", and [stages.first] for a stage";
    Mistake::new(at..at + 1, "this looks like JSON", "", help)
}

#[cfg(test)]
mod tests;
