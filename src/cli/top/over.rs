//! Windows over the panels: help, and what one run waits for.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Stylize;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph};

use super::state::WhyRun;
use super::text::wrapped;
use crate::cli::why::in_words;

const HELP: &str = "\
up, down   choose a row (or k, j)
Tab        the other table: what waits and runs, or causes of dead letters
Enter      the dead letters of the chosen cause; there, what a run waits for
r          retry from the last checkpoint: all of the cause (asks), or the one
d          dismiss, so that the runs fail: all of the cause, or the one
           (asks why)
c          cancel the run of the chosen dead letter (asks why)
p, u       pause the workflow of the chosen row (asks why); resume what is
           paused there
q, Esc     back, or quit; Ctrl-C quits from anywhere

A row that goes away takes the choice with it: choose again.
Each key is also a command: the last lines say which.";

pub(super) fn help(frame: &mut Frame) {
    let lines = u16::try_from(HELP.lines().count()).unwrap_or(u16::MAX);
    let area = window(frame, 80, lines.saturating_add(2));
    frame.render_widget(Paragraph::new(HELP).block(Block::bordered().title("Help")), area);
}

pub(super) fn why(frame: &mut Frame, why: &WhyRun) {
    let room = usize::from(frame.area().width.saturating_sub(2));
    let lines: Vec<Line> = match &why.rows {
        None => vec!["asking the database".into()],
        Some(rows) if rows.is_empty() => vec!["It waits for nothing: it is over.".into()],
        Some(rows) => rows
            .iter()
            .skip(why.above)
            .flat_map(|wait| {
                let told = in_words(wait);
                let (what, moves) = told.split_once("\n    ").unwrap_or((told.as_str(), ""));
                let what = wrapped(what, room).into_iter().map(Line::from);
                let moves = wrapped(moves, room.saturating_sub(4)).into_iter();
                what.chain(moves.map(|line| Line::from(format!("    {line}")).dim())).collect::<Vec<_>>()
            })
            .collect(),
    };
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let area = window(frame, u16::MAX, height);
    let block = Block::bordered().title(format!("What run {} waits for", why.run));
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// In the middle of the screen, and cleared.
fn window(frame: &mut Frame, width: u16, height: u16) -> Rect {
    let area = frame.area().centered(Constraint::Max(width), Constraint::Max(height));
    frame.render_widget(Clear, area);
    area
}
