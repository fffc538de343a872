//! The four tables.

use chrono::{DateTime, Utc};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::widgets::{Block, HighlightSpacing, Row, Table, TableState};

use super::state::{Panel, Top};
use crate::view::when;

pub(super) fn queue(frame: &mut Frame, area: Rect, top: &Top) {
    let rows = top.groups().iter().map(|group| {
        let since = group.oldest_since.map_or_else(String::new, |since| age(top, since));
        let row = Row::new([
            plain(&group.workflow),
            plain(&group.stage),
            plain(&group.reason),
            group.jobs.to_string(),
            since,
        ]);
        // What stands still until somebody does something.
        let stands = matches!(group.reason.as_str(), "paused" | "no_worker" | "no_handler" | "decision");
        if stands { row.yellow() } else { row }
    });
    use Constraint::{Fill, Length};
    let table = Table::new(rows, [Fill(3), Fill(3), Length(10), Length(8), Length(12)])
        .header(header(["workflow", "stage", "reason", "jobs", "oldest"]));
    let is_used = top.panel == Panel::Queue;
    choice(frame, area, table.block(block("What waits and what runs", is_used)), top.group.place(), is_used);
}

pub(super) fn letters(frame: &mut Frame, area: Rect, top: &Top) {
    let rows = top.letters().iter().map(|letter| {
        let item = letter.item.map_or_else(String::new, |item| format!("[{item}]"));
        Row::new([
            age(top, letter.dead_at),
            plain(&letter.workflow),
            plain(&format!("{}{item}", letter.stage)),
            plain(&letter.class),
            letter.attempts.to_string(),
            plain(&letter.message),
        ])
    });
    use Constraint::{Fill, Length};
    let table = Table::new(rows, [Length(12), Fill(2), Fill(2), Length(20), Length(5), Fill(5)])
        .header(header(["for", "workflow", "stage", "class", "tries", "message"]));
    let is_used = top.panel == Panel::Letters;
    let title = "Dead letters that wait for a decision, the newest first";
    choice(frame, area, table.block(block(title, is_used)), top.letter.place(), is_used);
}

pub(super) fn workers(frame: &mut Frame, area: Rect, top: &Top) {
    let workers = top.look.as_ref().map_or(&[][..], |look| &look.workers);
    let rows = workers.iter().map(|worker| {
        let slots = worker.slots.map_or_else(|| "?".to_owned(), |slots| slots.to_string());
        Row::new([plain(&worker.name), format!("{} of {slots}", worker.busy), age(top, worker.last_seen)])
    });
    use Constraint::{Fill, Length};
    let table = Table::new(rows, [Fill(1), Length(12), Length(12)]).header(header(["name", "busy", "seen ago"]));
    frame.render_widget(table.block(block("Workers", false)), area);
}

pub(super) fn failures(frame: &mut Frame, area: Rect, top: &Top) {
    let failures = top.look.as_ref().map_or(&[][..], |look| &look.failures);
    let rows = failures
        .iter()
        .map(|failure| Row::new([plain(&failure.class), failure.failures.to_string(), age(top, failure.last_at)]));
    use Constraint::{Fill, Length};
    let table = Table::new(rows, [Fill(1), Length(12), Length(12)]).header(header(["class", "at least", "last ago"]));
    frame.render_widget(table.block(block("Failures of the last hour", false)), area);
}

fn header<const N: usize>(names: [&'static str; N]) -> Row<'static> {
    Row::new(names).dim()
}

fn block(title: &'static str, is_used: bool) -> Block<'static> {
    let block = Block::bordered().title(title);
    if is_used { block.border_style(Style::new().bold()) } else { block.border_style(Style::new().dim()) }
}

fn choice(frame: &mut Frame, area: Rect, table: Table<'_>, place: Option<usize>, is_used: bool) {
    let style = if is_used { Style::new().reversed() } else { Style::new() };
    let table = table
        .row_highlight_style(style)
        .highlight_spacing(HighlightSpacing::Always)
        .highlight_symbol(if is_used { "> " } else { "  " });
    frame.render_stateful_widget(table, area, &mut TableState::new().with_selected(place));
}

/// By the database's clock, as both ends are.
fn age(top: &Top, since: DateTime<Utc>) -> String {
    top.look.as_ref().map_or_else(String::new, |look| when::span(look.runs.at - since))
}

/// On one line; what else moves a cursor is left out where text is drawn.
pub(super) fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}
