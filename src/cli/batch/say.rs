//! Batches as people and programs read them.

use std::fmt::Write;

use crate::cli::args::Global;
use crate::cli::output::{out, outln};
use crate::config;
use crate::store::batches::{BatchRow, ClassCount};
use crate::view::batch::BatchReport;
use crate::view::when;
use chrono::TimeDelta;

pub(super) fn started(global: &Global, row: &BatchRow) -> anyhow::Result<()> {
    if global.json {
        outln!("{}", serde_json::to_string(row)?);
        return Ok(());
    }
    let begun = row.items - row.not_started;
    outln!("Batch {} of {}: {} items, {begun} of them started.", row.name, row.workflow, row.items);
    if let Some(waits) = &row.waits {
        outln!("The others wait: {waits}.");
    }
    outln!("See how it is doing with:  {} batch show {}", config::program(), row.name);
    Ok(())
}

pub(super) fn list(global: &Global, rows: &[BatchRow]) -> anyhow::Result<()> {
    if global.json {
        outln!("{}", serde_json::to_string(rows)?);
        return Ok(());
    }
    if rows.is_empty() {
        outln!("No batches. Start one with:  {} batch start NAME WORKFLOW --input FILE.jsonl", config::program());
        return Ok(());
    }
    outln!(
        "{:<30}  {:<20}  {:<9}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}",
        "batch",
        "workflow",
        "state",
        "items",
        "waiting",
        "running",
        "blocked",
        "done",
        "ended"
    );
    for row in rows {
        let BatchRow { name, workflow, state, items, running, blocked, done, .. } = row;
        let waiting = if state == "cancelled" { 0 } else { row.not_started };
        // In other ways than done.
        let ended = row.failed + row.cancelled + row.gone;
        outln!(
            "{name:<30}  {workflow:<20}  {state:<9}  {items:>9}  {waiting:>9}  {running:>9}  {blocked:>9}  {done:>9}  {ended:>9}"
        );
    }
    Ok(())
}

pub(super) fn show(global: &Global, report: &BatchReport) -> anyhow::Result<()> {
    if global.json {
        outln!("{}", serde_json::to_string(report)?);
    } else {
        out!("{}", text(&report.row, &report.dead_letter_classes));
    }
    Ok(())
}

fn text(row: &BatchRow, letters: &[ClassCount]) -> String {
    let mut text = format!("Batch {} of {}: {}\n\n", row.name, row.workflow, row.state);
    let mut line = |name: &str, value: &str| {
        // Writing into a string cannot fail.
        writeln!(text, "  {name:<12} {value}").ok();
    };
    line("id", &row.batch.to_string());
    line("started", &format!("{} by {}", when::clock(row.created_at), row.created_by));
    if let Some(cap) = row.cap {
        line("cap", &format!("{cap} runs that are not finished"));
    }
    line("items", &row.items.to_string());
    for (name, count) in [
        ("not started", i64::from(row.not_started)),
        ("running", row.running),
        ("blocked", row.blocked),
        ("done", row.done),
        ("failed", row.failed),
        ("cancelled", row.cancelled),
        ("cleaned up", row.gone),
    ] {
        if count > 0 {
            line(name, &count.to_string());
        }
    }
    if let (Some(rate), Some(left)) = (row.per_minute, row.left_seconds) {
        let left = when::span(TimeDelta::seconds(left as i64));
        let ended = match row.ended_last_minute {
            0 => "no run".to_owned(),
            1 => "1 run".to_owned(),
            many => format!("{many} runs"),
        };
        let rate = if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
        line("rate", &format!("{ended} ended in the last minute; at {rate} a minute the rest takes {left}"));
    }
    if let Some(at) = row.finished_at {
        line("finished", &when::clock(at));
    }
    if let (Some(by), Some(at), Some(why)) = (&row.cancelled_by, row.cancelled_at, &row.cancel_reason) {
        line("cancelled", &format!("{} by {by}: {why}", when::clock(at)));
    }
    text + &waits(row) + &dead_letters(row, letters)
}

fn waits(row: &BatchRow) -> String {
    let (Some(waits), Some(moves)) = (&row.waits, &row.moves) else { return String::new() };
    let what = match row.state.as_str() {
        "filling" => "Nothing of it has begun".to_owned(),
        _ => format!("{} items wait", row.not_started),
    };
    format!("\n{what}: {}.\nWhat would move that: {moves}\n", when::here(waits))
}

fn dead_letters(row: &BatchRow, letters: &[ClassCount]) -> String {
    let [first, ..] = letters else { return String::new() };
    let mut text = String::from("\nDead letters that wait for a decision:\n");
    for ClassCount { class, count } in letters {
        writeln!(text, "  {count:>7}  {class}").ok();
    }
    let (program, name) = (config::program(), &row.name);
    writeln!(text, "\nTry them again with:  {program} batch retry {name} [--class {}]", first.class).ok();
    text
}

pub(super) fn retried(global: &Global, count: usize) {
    if global.json {
        outln!("{}", serde_json::json!({"retried": count}));
    } else if count == 0 {
        outln!("No dead letter was retried: none of that batch is pending, or none of that class.");
    } else {
        outln!(
            "Dead letters that were retried: {count}. Their jobs go on from the last checkpoints when a worker is free."
        );
    }
}

pub(super) fn cancelled(global: &Global, row: &BatchRow, runs: usize) {
    let BatchRow { name, not_started, .. } = row;
    if global.json {
        outln!("{}", serde_json::json!({"batch": row.batch, "cancelled": runs, "never_started": not_started}));
    } else {
        outln!("Batch {name} is cancelled: {runs} runs were ended, and {not_started} items never start.");
        outln!("What was finished is kept:  {} batch results {name}", config::program());
    }
}

pub(super) fn discarded(global: &Global, name: &str) {
    if global.json {
        outln!("{}", serde_json::json!({"discarded": name}));
    } else {
        outln!("Batch {name} was incomplete, and nothing of it had begun: it is discarded, and its name is free.");
    }
}
