//! The dead letters of one cause, instead of the panels.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Text};

use super::columns::{Choice, Column, Rows};
use super::detail::count;
use super::state::{CauseName, OpenCause, Top};
use super::text::wrapped;
use crate::store::top::PendingLetter;
use crate::view::when;

pub(super) fn letters(frame: &mut Frame, area: Rect, top: &Top, open: &OpenCause) {
    let title = wrapped(&title(top, open), usize::from(area.width));
    let lines = u16::try_from(title.len()).unwrap_or(u16::MAX);
    let [head, body] = Layout::vertical([Constraint::Length(lines), Constraint::Fill(1)]).areas(area);
    frame.render_widget(Text::from_iter(title).bold(), head);
    let Some(letters) = &open.letters else {
        frame.render_widget(Line::from("  asking the database"), body);
        return;
    };
    let item = |letter: &PendingLetter| letter.item.map_or_else(|| "-".to_owned(), |item| item.to_string());
    let of = |text: fn(&PendingLetter) -> String| letters.iter().map(text);
    let columns = vec![
        Column::name("run", of(|letter| letter.run.to_string())),
        Column::number("item", letters.iter().map(item)),
        Column::number("tries", of(|letter| letter.attempts.to_string())),
        Column::number("dead for", letters.iter().map(|letter| when::span(top.since(letter.dead_at)))),
        Column::message("message", of(|letter| letter.message.clone())),
    ];
    let choice = Choice { place: open.letter.place(), is_used: true };
    Rows { columns, choice: Some(choice), style: &|_| Style::new() }.draw(frame, body);
}

/// How many there are, also of those that are not listed.
fn title(top: &Top, open: &OpenCause) -> String {
    let CauseName { workflow, stage, fingerprint } = &open.name;
    let cause = top.causes().iter().find(|cause| CauseName::of(cause) == open.name);
    let Some(cause) = cause else { return format!("{workflow}, {stage}: no dead letter of this cause waits any more") };
    let shown = open.letters.as_ref().map_or(0, Vec::len);
    let newest = if i64::try_from(shown).is_ok_and(|shown| shown < cause.letters) {
        format!(", the newest {shown}")
    } else {
        String::new()
    };
    let letters = count(cause.letters, "dead letter");
    format!("{workflow}, {stage}: {letters} after {}, cause {fingerprint}{newest}", cause.class)
}
