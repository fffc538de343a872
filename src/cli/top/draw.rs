//! The whole picture, from the state alone.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::over;
use super::panels;
use super::state::{Ask, Over, Panel, Said, Top};
use crate::view::when;

/// The last of them go first where the terminal is narrow.
const KEYS: &str = "q quit  ? help  Tab panel  r retry  d dismiss  c cancel run  Enter why  p pause  u resume";

pub(super) fn draw(frame: &mut Frame, top: &Top) {
    use Constraint::{Fill, Length};
    let [head, upper, lower, detail, line, keys] =
        Layout::vertical([Length(1), Fill(1), Fill(1), Length(2), Length(1), Length(1)]).areas(frame.area());
    let [left, right] = Layout::horizontal([Fill(3), Fill(2)]).areas(upper);
    let [workers, failures] = Layout::vertical([Fill(1), Fill(1)]).areas(right);
    frame.render_widget(header(top), head);
    panels::queue(frame, left, top);
    panels::workers(frame, workers, top);
    panels::failures(frame, failures, top);
    panels::letters(frame, lower, top);
    frame.render_widget(Paragraph::new(panels::plain(&chosen(top))).wrap(Wrap { trim: true }), detail);
    last_line(frame, line, top);
    frame.render_widget(Line::from(KEYS).dim(), keys);
    match &top.over {
        Over::Help => over::help(frame),
        Over::Why(why) => over::why(frame, why),
        Over::Nothing | Over::Prompt { .. } => {}
    }
}

/// How much there is, or that the database is away.
fn header(top: &Top) -> Line<'static> {
    let title = Span::from("Piton  ").bold();
    let age = when::span(chrono::TimeDelta::from_std(top.age).unwrap_or(chrono::TimeDelta::MAX));
    match (&top.trouble, &top.look) {
        (Some(trouble), None) => Line::from(vec![title, format!("{trouble}; asked again").red()]),
        (Some(trouble), Some(_)) => Line::from(vec![title, format!("as it was {age} ago: {trouble}").red()]),
        (None, None) => Line::from(vec![title, "asks the database".into()]),
        (None, Some(look)) => {
            let busy: i64 = look.workers.iter().map(|worker| worker.busy).sum();
            let slots: i64 = look.workers.iter().filter_map(|worker| worker.slots).map(i64::from).sum();
            let mut text = format!("runs: {} running, {} blocked", look.runs.running, look.runs.blocked);
            text += &format!(" · workers: {}, {busy} of {slots} slots busy", look.workers.len());
            match look.pauses.as_slice() {
                [] => {}
                pauses if pauses.iter().any(|pause| pause.workflow.is_none()) => text += " · everything is paused",
                pauses => text += &format!(" · pauses: {}", pauses.len()),
            }
            Line::from(vec![title, text.into()])
        }
    }
}

/// All of what is chosen, for the tables cut it off.
fn chosen(top: &Top) -> String {
    match top.panel {
        Panel::Queue => top.chosen_group().map_or_else(String::new, |group| {
            format!("{}, {}: {} {}. Moved by: {}", group.workflow, group.stage, group.jobs, group.why, group.moves)
        }),
        Panel::Letters => top.chosen_letter().map_or_else(String::new, |letter| {
            format!("Dead letter {} of run {}: {}", letter.id, letter.run, letter.message)
        }),
    }
}

/// A reason that is being typed, or what became of the last key.
fn last_line(frame: &mut Frame, area: Rect, top: &Top) {
    if let Over::Prompt { ask, text } = &top.over {
        let asked = match ask {
            Ask::Dismiss { run, .. } => format!("Dismiss, and end run {run}. Why? "),
            Ask::Cancel { run } => format!("Cancel run {run}. Why? "),
            Ask::Pause { workflow } => format!("Pause workflow {workflow}. Why? "),
        };
        // Who types sees the end of a long reason.
        let line = Line::from(vec![asked.bold(), Span::from(text.as_str()), Span::from("_")]);
        let before = line.width().saturating_sub(usize::from(area.width));
        let before = u16::try_from(before).unwrap_or(u16::MAX);
        frame.render_widget(Paragraph::new(line).scroll((0, before)), area);
        return;
    }
    let (text, style) = match &top.said {
        Some(Said::Done(text)) => (text.as_str(), Style::new().green()),
        Some(Said::Refused(text)) => (text.as_str(), Style::new().red()),
        None => ("", Style::new()),
    };
    frame.render_widget(Line::styled(text, style), area);
}
