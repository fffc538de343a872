//! What `show` says of the runs above and below one.

use crate::config;
use crate::model::id::RunId;
use crate::store::family::{ChildRow, Family, ParentRow};

/// Runs below it that are named.
pub(super) const NAMED: i64 = 30;

/// Whose stage started it, and what its own stages have started; nothing for most runs.
pub(super) fn family(run: RunId, family: &Family) -> String {
    let mut text = family.parent.as_ref().map_or_else(String::new, started_by);
    let count = family.count();
    if count == 0 {
        return text;
    }
    let states: Vec<String> = family.counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let (runs, states) = (if count == 1 { "1 run" } else { &format!("{count} runs") }, states.join(", "));
    text.push_str(&format!("It has started {runs}: {states}\n"));
    let named = |child: &ChildRow| format!("{}{}", child.stage, item(child.item));
    let indented = |child: &ChildRow| "  ".repeat(child.depth.unsigned_abs() as usize) + &named(child);
    let width = family.children.iter().map(|child| indented(child).len()).max().unwrap_or(0);
    for child in &family.children {
        let detached = if child.detached { ", detached" } else { "" };
        text.push_str(&format!(
            "{:<width$}  {}  {}  {}{detached}\n",
            indented(child),
            child.run,
            child.workflow,
            child.state
        ));
    }
    let shown = family.children.iter().filter(|child| child.depth == 1).count();
    if i64::try_from(shown).is_ok_and(|shown| shown < count)
        || i64::try_from(family.children.len()).is_ok_and(|all| all >= NAMED)
    {
        text.push_str(&format!("See more of them with:  {} runs --parent {run}\n", config::program()));
    }
    text
}

fn started_by(parent: &ParentRow) -> String {
    let ParentRow { run, workflow, stage, item: number, detached } = parent;
    let waits = if *detached { ", and does not wait for it" } else { "" };
    format!("Stage {stage}{} of run {run} of {workflow} started it{waits}.\n", item(*number))
}

fn item(item: Option<i32>) -> String {
    item.map_or_else(String::new, |item| format!("[{item}]"))
}
