//! The selected row in full, since tables cut it; and the whole command that is about it.

use super::state::{OpenCause, Top};
use super::text::{plain, start, wrapped};
use crate::store::top::Cause;
use crate::store::why::WaitingGroup;
use crate::view::when;

/// At most that many lines of that width about the chosen row: what is said is cut, and the command never.
pub(super) fn lines(top: &Top, room: usize, most: usize) -> Vec<String> {
    let (said, command) = match (&top.open, top.chosen_group(), top.chosen_cause()) {
        (Some(open), ..) => of_letter(open, &top.program),
        (None, Some(group), _) => of_group(group, &top.program),
        (None, None, Some(cause)) => of_cause(top, cause),
        (None, None, None) => (String::new(), String::new()),
    };
    let command = wrapped(&command, room);
    let mut lines = wrapped(&said, room);
    let left = most.saturating_sub(command.len()).max(1);
    if lines.len() > left {
        let rest = lines.split_off(left - 1).join(" ");
        lines.push(start(&rest, room));
    }
    lines.extend(command);
    lines
}

fn of_group(group: &WaitingGroup, program: &str) -> (String, String) {
    let WaitingGroup { workflow, stage, jobs, why, moves, .. } = group;
    let said = format!("{workflow}, {stage}: {jobs} {}.", when::here(why));
    // A command is said as it is typed here.
    let typed = moves.replace("piton ", &format!("{program} "));
    match moves.find("piton ") {
        // With words behind it, it is no command as it stands.
        Some(0) if !moves.contains(", ") => (said, format!("Type: {typed}")),
        Some(_) => (said, format!("Moved by: {typed}")),
        None => (format!("{said} Moved by: {moves}."), format!("Type: {program} why --workflow {workflow}")),
    }
}

fn of_cause(top: &Top, cause: &Cause) -> (String, String) {
    let Cause { workflow, stage, class, fingerprint, first_at, example, .. } = cause;
    let letters = count(cause.letters, "dead letter");
    let (runs, first) = (count(cause.runs, "run"), when::span(top.since(*first_at)));
    let said = format!("{workflow}, {stage}: {letters} of {runs}, the first {first} ago. {class}: {example}");
    let which = format!("--workflow {workflow} --stage {stage} --fingerprint {fingerprint}");
    (said, format!("Type: {} dead-letter retry {which}", top.program))
}

fn of_letter(open: &OpenCause, program: &str) -> (String, String) {
    let Some(letter) = open.chosen() else { return (String::new(), String::new()) };
    let said = format!("Run {}: {}", letter.run, plain(&letter.message));
    (said, format!("Type: {program} dead-letter show {}", letter.id))
}

/// "1 run", "2 runs".
pub(super) fn count(number: i64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
