//! What lies over the panels: help, and what one run waits for.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Stylize;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph};

use super::panels::plain;
use super::state::WhyRun;

const HELP: &str = "\
up, down      choose a row (or k, j)
Tab           the other panel: dead letters, or what waits
Enter         what the run of the chosen dead letter waits for
r             retry the chosen dead letter from the last checkpoint
d             dismiss it: its run has failed; asks why
c             cancel its run; asks why
p, u          pause the workflow of the chosen row, asks why; resume
q, Esc        quit; in a window or at a question, only leave that
Ctrl-C        quit

A row that goes away takes the choice with it: choose again.
Failures are those of runs under way, given up or new: there
may be more. What is typed here is also a command; see --help.";

pub(super) fn help(frame: &mut Frame) {
    let lines = u16::try_from(HELP.lines().count()).unwrap_or(u16::MAX);
    let area = window(frame, 70, lines.saturating_add(2));
    frame.render_widget(Paragraph::new(HELP).block(Block::bordered().title("Help")), area);
}

pub(super) fn why(frame: &mut Frame, why: &WhyRun) {
    let lines: Vec<Line> = match &why.rows {
        None => vec!["asks the database".into()],
        Some(rows) if rows.is_empty() => vec!["It waits for nothing: it is over.".into()],
        Some(rows) => rows
            .iter()
            .flat_map(|row| {
                let item = row.item.map_or_else(String::new, |item| format!("[{item}]"));
                let what = Line::from(plain(&format!("{}{item}: {}", row.stage, row.why)));
                [what, Line::from(plain(&format!("    moved by: {}", row.moves))).dim()]
            })
            .collect(),
    };
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let area = window(frame, u16::MAX, height);
    let block = Block::bordered().title(format!("What run {} waits for", why.run));
    frame.render_widget(Paragraph::new(lines).scroll((why.above, 0)).block(block), area);
}

/// In the middle of the screen, and cleared.
fn window(frame: &mut Frame, width: u16, height: u16) -> Rect {
    let area = frame.area().centered(Constraint::Max(width), Constraint::Max(height));
    frame.render_widget(Clear, area);
    area
}
