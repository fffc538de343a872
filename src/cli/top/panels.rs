//! The tables of the main screen.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Style, Stylize};
use ratatui::text::Line;

use super::columns::{self, Choice, Column, Rows};
use super::state::{Panel, Top, stands};
use crate::store::throughput::Outlook;
use crate::store::top::{Cause, FleetWorker};
use crate::store::warm::WarmPrograms;
use crate::store::why::WaitingGroup;
use crate::view::throughput::{held_by, rate, seconds};
use crate::view::when;

const NOBODY: &str = "No worker has registered.";

/// Rows that each of them would take with its header, or with what it says where there is nothing: the flow of the workflows,
/// what waits, causes and workers. Where nothing flows, that takes none.
pub(super) fn wanted(top: &Top) -> [usize; 4] {
    let table = |rows: usize| rows.max(1) + 1;
    let flow = flow_of(top).len();
    let flow = if flow == 0 { 0 } else { table(flow) };
    [flow, table(top.groups().len()), table(top.causes().len()), table(workers_of(top).len())]
}

/// How much, how fast, better or worse, and how long: a line for each workflow.
pub(super) fn flow(frame: &mut Frame, area: Rect, top: &Top) {
    let flow = flow_of(top);
    let of = |text: fn(&Outlook) -> String| flow.iter().map(text);
    let columns = vec![
        Column::name("workflow", of(|flow| flow.workflow.clone())),
        Column::number("jobs left", of(jobs_left)),
        Column::number("done/min", of(|flow| rate(flow.done_per_minute))),
        Column::number("before", of(|flow| flow.done_per_minute_before.map_or_else(|| "-".to_owned(), rate))),
        Column::short("trend", of(trend)),
        Column::number("empty in", of(empty_in)),
        Column::name("bottleneck", of(|flow| flow.bottleneck.clone().unwrap_or_else(|| "-".to_owned()))),
        Column::sentence("because", of(because)),
    ];
    let style = |place: usize| {
        let stands = flow.get(place).is_some_and(|flow| flow.why_not_empty.is_some());
        if stands { Style::new().yellow() } else { Style::new() }
    };
    Rows { columns, choice: None, style: &style }.draw(frame, area);
}

fn jobs_left(flow: &Outlook) -> String {
    let about = if flow.is_estimate { "~" } else { "" };
    format!("{about}{}", flow.waiting + flow.running + flow.to_come)
}

/// Against ten minutes ago.
fn trend(flow: &Outlook) -> String {
    if matches!(flow.trend.as_str(), "unknown" | "empty") { "-".to_owned() } else { flow.trend.clone() }
}

fn empty_in(flow: &Outlook) -> String {
    match (&flow.why_not_empty, flow.empty_seconds) {
        (Some(_), _) | (None, None) => "never".to_owned(),
        (None, Some(left)) if left > 0.0 => seconds(left),
        (None, Some(_)) => "-".to_owned(),
    }
}

fn because(flow: &Outlook) -> String {
    flow.why_not_empty.clone().unwrap_or_else(|| held_by(flow).unwrap_or_default().to_owned())
}

fn flow_of(top: &Top) -> &[Outlook] {
    top.look.as_ref().map_or(&[][..], |look| &look.flow)
}

pub(super) fn queue(frame: &mut Frame, area: Rect, top: &Top) {
    let groups = top.groups();
    if groups.is_empty() {
        return nothing(frame, area, "Nothing waits, and nothing runs.");
    }
    let of = |text: fn(&WaitingGroup) -> String| groups.iter().map(text);
    let oldest = |group: &WaitingGroup| group.oldest_since.map_or_else(String::new, |at| when::span(top.since(at)));
    let columns = vec![
        Column::name("workflow", of(|group| group.workflow.clone())),
        Column::name("stage", of(|group| group.stage.clone())),
        Column::short("state", of(|group| group.reason.clone())),
        Column::number("jobs", of(|group| group.jobs.to_string())),
        Column::number("oldest", groups.iter().map(oldest)),
        Column::sentence("why", of(|group| when::here(&group.why))),
    ];
    let style = |place: usize| if groups.get(place).is_some_and(stands) { Style::new().yellow() } else { Style::new() };
    let choice = Choice { place: top.group.place(), is_used: top.panel == Panel::Queue };
    Rows { columns, choice: Some(choice), style: &style }.draw(frame, area);
}

pub(super) fn causes(frame: &mut Frame, area: Rect, top: &Top) {
    let causes = top.causes();
    if causes.is_empty() {
        return nothing(frame, area, "No dead letter waits for a decision.");
    }
    let of = |text: fn(&Cause) -> String| causes.iter().map(text);
    let columns = vec![
        Column::number("letters", of(|cause| cause.letters.to_string())),
        Column::number("runs", of(|cause| cause.runs.to_string())),
        Column::name("workflow", of(|cause| cause.workflow.clone())),
        Column::name("stage", of(|cause| cause.stage.clone())),
        Column::name("class", of(|cause| cause.class.clone())),
        Column::number("last, ago", causes.iter().map(|cause| when::span(top.since(cause.last_at)))),
        Column::message("cause, by an example", of(|cause| cause.example.clone())),
    ];
    let choice = Choice { place: top.cause.place(), is_used: top.panel == Panel::Causes };
    Rows { columns, choice: Some(choice), style: &|_| Style::new() }.draw(frame, area);
}

pub(super) fn workers(frame: &mut Frame, area: Rect, top: &Top) {
    let workers = workers_of(top);
    if workers.is_empty() {
        return nothing(frame, area, NOBODY);
    }
    let style = |place: usize| match workers.get(place).map_or("", |worker| worker.state.as_str()) {
        "silent" | "lost" => Style::new().red(),
        "stopping" => Style::new().yellow(),
        _ => Style::new(),
    };
    Rows { columns: columns_of_workers(top), choice: None, style: &style }.draw(frame, area);
}

/// Columns of the terminal that the workers would take.
pub(super) fn width_of_workers(top: &Top) -> usize {
    columns::whole(&columns_of_workers(top)).max(NOBODY.len() + 2)
}

fn columns_of_workers(top: &Top) -> Vec<Column> {
    let workers = workers_of(top);
    let state = |worker: &FleetWorker| match worker.state.as_str() {
        "silent" => format!("silent for {}", when::span(top.since(worker.last_seen))),
        "lost" => format!("lost {} ago", when::span(top.since(worker.last_seen))),
        state => state.to_owned(),
    };
    let slots = |worker: &FleetWorker| worker.slots.map_or_else(|| "?".to_owned(), |slots| slots.to_string());
    let mut columns = vec![
        Column::name("worker", workers.iter().map(|worker| worker.name.clone())),
        Column::short("state", workers.iter().map(state)),
        Column::number("busy", workers.iter().map(|worker| format!("{} of {}", worker.busy, slots(worker)))),
    ];
    if workers.iter().any(|worker| !worker.warm.is_empty()) {
        columns.push(Column::short("warm", workers.iter().map(warm)));
    }
    columns.extend([
        Column::extra("build", workers.iter().map(|worker| worker.build.clone().unwrap_or_else(|| "?".to_owned()))),
        Column::extra("host", workers.iter().map(|worker| worker.host.clone())),
    ]);
    columns
}

/// How many warm programs it keeps, and how many of them have a job or are not ready yet.
fn warm(worker: &FleetWorker) -> String {
    let sum = |of: fn(&WarmPrograms) -> i64| worker.warm.iter().map(of).sum::<i64>();
    match (sum(WarmPrograms::all), sum(|programs| programs.busy), sum(|programs| programs.starting)) {
        (0, ..) => "-".to_owned(),
        (all, busy, 0) => format!("{busy} of {all}"),
        (all, busy, starting) => format!("{busy} of {all}, {starting} starting"),
    }
}

pub(super) fn workers_of(top: &Top) -> &[FleetWorker] {
    top.look.as_ref().map_or(&[][..], |look| &look.workers)
}

/// Where a table would be empty. Before the first look nothing is known.
fn nothing(frame: &mut Frame, area: Rect, sentence: &'static str) {
    frame.render_widget(Line::from(format!("  {sentence}")).dim(), area);
}
