//! Schedules as people and programs read them.

use std::fmt::Write;

use super::args::NamedArgs;
use crate::cli::args::Global;
use crate::cli::output::{out, outln};
use crate::config;
use crate::store::batches::BatchRow;
use crate::store::schedules::ScheduleRow;
use crate::view::when;
use crate::workflow::schedule::outlook::Tick;

pub(super) fn list(global: &Global, rows: &[ScheduleRow]) -> anyhow::Result<()> {
    if global.json {
        outln!("{}", serde_json::to_string(rows)?);
        return Ok(());
    }
    if rows.is_empty() {
        outln!("No schedules. Add one to a workflow file: [schedules.nightly] and below it cron = \"30 2 * * *\".");
        return Ok(());
    }
    outln!("{:<30}  {:<28}  {:<7}  {:<28}  last", "schedule", "at", "state", "next");
    for row in rows {
        let name = format!("{}/{}", row.workflow, row.schedule);
        let (at, next) = (row.at.as_deref().unwrap_or("-"), row.next_tick.map_or("-".to_owned(), when::clock));
        outln!("{name:<30}  {at:<28}  {:<7}  {next:<28}  {}", row.state, last(row));
    }
    for row in rows {
        if let (Some(by), Some(reason)) = (&row.paused_by, &row.pause_reason) {
            outln!("{}/{} was paused by {by}: {reason}", row.workflow, row.schedule);
        }
    }
    Ok(())
}

/// What became of its last tick.
fn last(row: &ScheduleRow) -> String {
    match (row.last_outcome.as_deref(), row.last_tick) {
        (Some("started"), Some(tick)) => when::clock(tick),
        (Some(outcome), Some(tick)) => format!("{outcome}; the last run was for {}", when::clock(tick)),
        (Some(outcome), None) => outcome.to_owned(),
        (None, _) => "-".to_owned(),
    }
}

pub(super) fn show(global: &Global, row: &ScheduleRow, next: &[Tick]) -> anyhow::Result<()> {
    if global.json {
        let mut all = serde_json::to_value(row)?;
        all["definition"] = serde_json::from_str(&row.definition)?;
        all["next_ticks"] = serde_json::to_value(next)?;
        outln!("{all}");
    } else {
        out!("{}", text(row, next));
    }
    Ok(())
}

fn text(row: &ScheduleRow, next: &[Tick]) -> String {
    let mut text = format!("Schedule {} of workflow {}: {}\n\n", row.schedule, row.workflow, row.state);
    let mut line = |name: &str, value: &str| {
        // Writing into a string cannot fail.
        writeln!(text, "  {name:<12} {value}").ok();
    };
    line("at", row.at.as_deref().unwrap_or("-"));
    for (number, tick) in next.iter().enumerate() {
        line(if number == 0 { "next" } else { "" }, &format!("{}  ({})", tick.text, when::clock(tick.at)));
    }
    line("last", &last(row));
    if let Some(run) = row.last_run {
        line("last run", &run.to_string());
    }
    line("running", &row.running.to_string());
    if row.failures > 0 {
        line("failures", &format!("its last {} in a row failed, are blocked or could not start", row.failures));
    }
    if let Some(tick) = row.queued_tick {
        line("queued", &format!("the tick of {} starts when the run that works has ended", when::clock(tick)));
    }
    if let (Some(error), Some(at)) = (&row.last_error, row.last_error_at) {
        line("could not", &format!("start at {}: {error}", when::clock(at)));
    }
    if row.overdue_seconds >= 1.0 {
        line("overdue", &format!("{:.0} s: no worker of this workflow looks", row.overdue_seconds));
    }
    let source = if row.source == "sql" { "set in SQL" } else { "in the workflow's file" };
    line("source", &format!("{source}, since {} by {}", when::clock(row.changed_at), row.changed_by));
    if let (Some(at), Some(by), Some(reason)) = (row.paused_at, &row.paused_by, &row.pause_reason) {
        line("paused", &format!("{} by {by}: {reason}", when::clock(at)));
        writeln!(text, "\n{}", cure(row)).ok();
    }
    text
}

/// What to type, or to change.
fn cure(row: &ScheduleRow) -> String {
    let program = config::program();
    let ScheduleRow { workflow, schedule, .. } = row;
    match row.paused_because.as_deref() {
        Some("file") => format!("Put it back into the file of {workflow} and deploy that, or leave it."),
        Some("definition") if row.source == "sql" => "Set it again with piton.set_schedule.".to_owned(),
        _ => format!("Let it go on with:  {program} schedules resume {workflow} {schedule}"),
    }
}

pub(super) fn ticks(global: &Global, ticks: &[Tick]) -> anyhow::Result<()> {
    if global.json {
        outln!("{}", serde_json::to_string(ticks)?);
        return Ok(());
    }
    if ticks.is_empty() {
        outln!("It has no tick any more.");
    }
    for tick in ticks {
        outln!("{}", tick.text);
    }
    Ok(())
}

pub(super) fn paused(global: &Global, what: &NamedArgs) {
    let NamedArgs { workflow, schedule } = what;
    if global.json {
        outln!("{}", serde_json::json!({"paused": {"workflow": workflow, "schedule": schedule}}));
    } else {
        outln!("Schedule {schedule} of workflow {workflow} is paused. Runs that it has started go on.");
        outln!("Let it go on with:  {} schedules resume {workflow} {schedule}", config::program());
    }
}

pub(super) fn backfilled(global: &Global, row: &BatchRow) -> anyhow::Result<()> {
    if global.json {
        outln!("{}", serde_json::to_string(row)?);
        return Ok(());
    }
    outln!("Batch {} of {}: {} runs, one for each tick.", row.name, row.workflow, row.items);
    outln!("See how it is doing with:  {} batch show {}", config::program(), row.name);
    Ok(())
}
