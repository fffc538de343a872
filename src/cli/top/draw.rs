//! Draws the whole screen, from the state alone.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Text};

use super::state::{Ask, Many, Over, Said, Top};
use super::text::{start, width, wrapped};
use super::{detail, open, over, panels};
use crate::view::when;

/// What keys do on the panels, and among the letters of a cause: the longest that fits.
const PANELS: [&str; 3] = [
    "q quit  ? help  Tab other table  Enter letters of the cause  r retry all  d dismiss all  p pause  u resume",
    "q quit  ? help  Tab table  Enter open  r retry  d dismiss  p pause  u resume",
    "q quit  ? help",
];
const LETTERS: [&str; 3] = [
    "Esc back  ? help  up, down choose  Enter what its run waits for  r retry  d dismiss  c cancel its run",
    "Esc back  ? help  Enter why  r retry  d dismiss  c cancel run",
    "Esc back  ? help",
];
/// From that width on two tables have room side by side, where they have none one under the other.
const WIDE: u16 = 150;
/// Lines from which on tables stand apart.
const ROOMY: u16 = 24;
/// Lines of what is said at the foot.
const SAID: usize = 4;

pub(super) fn draw(frame: &mut Frame, top: &Top) {
    let area = frame.area();
    let room = usize::from(area.width);
    let (head, said, keys) = (head(top, room), said(top, room), keys(top, room));
    // A third of the screen is for what is chosen; of a letter, half.
    let most = usize::from(area.height) / if top.open.is_some() { 2 } else { 4 };
    let chosen: Vec<Line> = detail::lines(top, room, most.max(3)).into_iter().map(Line::from).collect();
    use Constraint::{Fill, Length};
    let lines = |text: &[Line]| Length(u16::try_from(text.len()).unwrap_or(u16::MAX));
    let rows = [lines(&head), Fill(1), lines(&chosen), lines(&said), Length(1)];
    let [head_area, body, chosen_area, said_area, keys_area] = Layout::vertical(rows).areas(area);
    frame.render_widget(Text::from(head), head_area);
    match &top.open {
        Some(open) => open::letters(frame, body, top, open),
        None => tables(frame, body, top),
    }
    frame.render_widget(Text::from(chosen), chosen_area);
    frame.render_widget(Text::from(said), said_area);
    frame.render_widget(keys.dim(), keys_area);
    match &top.over {
        Over::Help => over::help(frame),
        Over::Why(why) => over::why(frame, why),
        Over::Nothing | Over::Prompt { .. } | Over::Confirm(_) => {}
    }
}

/// One under the other, so that sentences have all of the width; or the workers beside what they run.
fn tables(frame: &mut Frame, area: Rect, top: &Top) {
    if top.look.is_none() {
        return;
    }
    let [flow, queue, causes, workers] = panels::wanted(top);
    // In a small terminal a blank line between two tables is one row less.
    let gap = u16::from(area.height >= ROOMY);
    let gaps = usize::from(gap) * if flow == 0 { 2 } else { 3 };
    let room = usize::from(area.height).saturating_sub(gaps);
    use Constraint::{Fill, Length};
    if area.width >= WIDE && flow + queue + causes + workers > room {
        let wanted = heights(room + usize::from(gap), [flow, queue.max(workers), causes]);
        let [flow, upper, lower] = stacked(area, gap, wanted);
        let beside = u16::try_from(panels::width_of_workers(top)).unwrap_or(u16::MAX).min(area.width / 3);
        let [left, right] = Layout::horizontal([Fill(1), Length(beside)]).spacing(2).areas(upper);
        panels::flow(frame, flow, top);
        panels::queue(frame, left, top);
        panels::workers(frame, right, top);
        panels::causes(frame, lower, top);
    } else {
        let [flow, queue, causes, workers] = stacked(area, gap, heights(room, [flow, queue, causes, workers]));
        panels::flow(frame, flow, top);
        panels::queue(frame, queue, top);
        panels::causes(frame, causes, top);
        panels::workers(frame, workers, top);
    }
}

/// Areas of these heights one under the other; what has none has no gap.
fn stacked<const N: usize>(area: Rect, gap: u16, heights: [u16; N]) -> [Rect; N] {
    let mut y = area.y;
    heights.map(|height| {
        let all = Rect { y, height, ..area };
        y = y.saturating_add(height).saturating_add(if height == 0 { 0 } else { gap });
        all.intersection(area)
    })
}

/// Lines for each table: what it wants where there is room, and else the longest give way.
fn heights<const N: usize>(room: usize, mut wanted: [usize; N]) -> [u16; N] {
    while wanted.iter().sum::<usize>() > room {
        let Some(longest) = wanted.iter_mut().max().filter(|lines| **lines > 2) else { break };
        *longest -= 1;
    }
    wanted.map(|lines| u16::try_from(lines).unwrap_or(u16::MAX))
}

/// How much there is.
fn head(top: &Top, room: usize) -> Vec<Line<'static>> {
    let Some(look) = &top.look else { return vec![Line::from("Piton").bold()] };
    let workers = panels::workers_of(top);
    let of = |state: &str| workers.iter().filter(|worker| worker.state == state).count();
    let at_work = || workers.iter().filter(|worker| matches!(worker.state.as_str(), "alive" | "stopping"));
    let busy: i64 = at_work().map(|worker| worker.busy).sum();
    let slots: i64 = at_work().filter_map(|worker| worker.slots).map(i64::from).sum();
    let mut fleet = format!("workers: {} alive", of("alive"));
    for state in ["stopping", "silent", "lost"] {
        match of(state) {
            0 => {}
            some => fleet += &format!(", {some} {state}"),
        }
    }
    let mut runs = format!("Piton  runs: {} running, {} blocked", look.runs.running, look.runs.blocked);
    if look.runs.scheduled > 0 {
        runs += &format!(", {} scheduled", look.runs.scheduled);
    }
    let mut parts = vec![runs, format!("slots: {busy} of {slots} busy"), fleet];
    match look.pauses.as_slice() {
        [] => {}
        pauses if pauses.iter().any(|pause| pause.workflow.is_none()) => parts.push("everything is paused".to_owned()),
        pauses => parts.push(format!("pauses: {}", pauses.len())),
    }
    side_by_side(&parts, room).into_iter().map(|line| Line::from(line).bold()).collect()
}

/// As many in a line as there is room for, each of them whole.
fn side_by_side(parts: &[String], room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if width(line) + width(part) + 3 <= room => *line += &format!(" · {part}"),
            Some(_) | None => lines.push(part.clone()),
        }
    }
    lines
}

/// A question, what became of the last key, or what is wrong: whole, on lines of its own.
fn said(top: &Top, room: usize) -> Vec<Line<'static>> {
    let (text, style) = match (&top.over, &top.said, &top.trouble) {
        (Over::Prompt { ask, text }, ..) => return typed(ask, text, room),
        (Over::Confirm(many), ..) => (retried(many), Style::new().bold()),
        (_, Some(Said::Done(said)), _) => (said.clone(), Style::new().fg(Color::Green)),
        (_, Some(Said::Refused(said)), _) => (said.clone(), Style::new().fg(Color::Red)),
        (_, None, Some(trouble)) => (away(top, trouble), Style::new().fg(Color::Red)),
        (_, None, None) => (alone(top), Style::new().fg(Color::Yellow)),
    };
    let mut lines = wrapped(&text, room);
    if lines.len() > SAID {
        let rest = lines.split_off(SAID - 1).join(" ");
        lines.push(start(&rest, room));
    }
    lines.resize(lines.len().max(1), String::new());
    lines.into_iter().map(|line| Line::styled(line, style)).collect()
}

fn away(top: &Top, trouble: &str) -> String {
    let age = when::span(chrono::TimeDelta::from_std(top.age).unwrap_or(chrono::TimeDelta::MAX));
    if top.look.is_some() { format!("As it was {age} ago: {trouble}") } else { format!("{trouble}; asked again") }
}

/// Nobody is there to do what waits.
fn alone(top: &Top) -> String {
    match &top.look {
        None => "Asking the database.".to_owned(),
        Some(look) if look.workers.iter().any(|worker| worker.state == "alive") => String::new(),
        Some(_) => format!("No worker is alive, so nothing begins. Start one: {} worker", top.program),
    }
}

fn retried(many: &Many) -> String {
    let Many { cause, letters, runs } = many;
    let (letters, runs) = (detail::count(*letters, "dead letter"), detail::count(*runs, "run"));
    format!("Retry {letters} of {runs}: all of {}, {}, cause {}? y / n", cause.workflow, cause.stage, cause.fingerprint)
}

/// Who types sees the end of a long reason, and all of the question.
fn typed(ask: &Ask, text: &str, room: usize) -> Vec<Line<'static>> {
    let asked = match ask {
        Ask::Dismiss { run, .. } => format!("Dismiss, and end run {run} as failed. Why?"),
        Ask::DismissAll(Many { cause, letters, runs }) => {
            let (letters, runs) = (detail::count(*letters, "dead letter"), detail::count(*runs, "run"));
            format!("Dismiss {letters} of {}, {}, and end {runs} as failed. Why?", cause.workflow, cause.stage)
        }
        Ask::Cancel { run } => format!("Cancel run {run}. Why?"),
        Ask::Pause { workflow } => format!("Pause workflow {workflow}. Why?"),
    };
    let mut lines: Vec<Line> = wrapped(&asked, room).into_iter().map(|line| Line::from(line).bold()).collect();
    let text = format!("{text}_");
    let before = width(&text).saturating_sub(room);
    lines.push(Line::from(text.chars().skip(before).collect::<String>()));
    lines
}

fn keys(top: &Top, room: usize) -> Line<'static> {
    let texts = if top.open.is_some() { LETTERS } else { PANELS };
    Line::from(texts.into_iter().find(|text| width(text) <= room).unwrap_or(texts[texts.len() - 1]))
}
