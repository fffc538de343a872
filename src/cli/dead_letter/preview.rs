//! The preview of a retry, as people and programs read it.

use std::time::Duration;

use chrono::TimeDelta;
use serde::Serialize;

use super::causes::many;
use crate::cli::args::Global;
use crate::cli::output::outln;
use crate::store::retry_preview::PreviewRow;
use crate::view::when;

/// The shape of `dead-letter retry --dry-run --json`.
#[derive(Serialize)]
struct Report<'r> {
    letters: i64,
    again: i64,
    kept: i64,
    attempts: i64,
    seconds: f64,
    stages: &'r [PreviewRow],
}

pub(super) fn say(global: &Global, rows: &[PreviewRow], has_input: bool) -> anyhow::Result<()> {
    let sum = |of: fn(&PreviewRow) -> i64| rows.iter().map(of).sum::<i64>();
    let (letters, again, kept) = (sum(|row| row.letters), sum(|row| row.again), sum(|row| row.kept));
    let (attempts, seconds) = (sum(|row| row.attempts), rows.iter().map(|row| row.seconds).sum::<f64>());
    if global.json {
        outln!("{}", serde_json::to_string(&Report { letters, again, kept, attempts, seconds, stages: rows })?);
        return Ok(());
    }
    if letters == 0 {
        outln!("No dead letter would be retried: none that is pending was chosen.");
        return Ok(());
    }
    outln!("{:<30}  {:>6}  {:>6}  {:>8}  {:>8}  {:>9}  limit", "stage", "kept", "again", "to come", "attempts", "took");
    for row in rows {
        let place = format!("{}/{}", row.workflow, row.stage);
        let (tries, took) = match row.attempts {
            0 => ("-".to_owned(), "-".to_owned()),
            attempts => (attempts.to_string(), span(row.seconds)),
        };
        let (kept, again, to_come) = (row.kept, row.again, row.first_time);
        outln!("{place:<30}  {kept:>6}  {again:>6}  {to_come:>8}  {tries:>8}  {took:>9}  {}", limit(row));
    }
    outln!(
        "\nNothing was changed. A retry lets {} go on and keeps {}.",
        many(letters, "dead letter"),
        many(kept, "checkpoint")
    );
    let verb = if again == 1 { "It had" } else { "They had" };
    outln!(
        "{} would run again. {verb} {} so far, {} of work.",
        many(again, "job"),
        many(attempts, "attempt"),
        span(seconds)
    );
    for row in rows.iter().filter(|row| row.paused && row.again > 0) {
        outln!("Stage {} of {} is paused: nothing of it begins before it is resumed.", row.stage, row.workflow);
    }
    if has_input {
        outln!("The run would go on with the input that was given, which fits it.");
    }
    outln!("Do it with the same command without --dry-run.");
    Ok(())
}

fn limit(row: &PreviewRow) -> String {
    let least = row.least_seconds.filter(|_| row.again > 0).map(|least| format!("at least {}", span(least)));
    let paused = row.paused.then(|| "paused".to_owned());
    let parts: Vec<String> = [row.limits.clone(), least, paused].into_iter().flatten().collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join("; ") }
}

/// Times on record may add up to more than any span.
fn span(seconds: f64) -> String {
    let span = Duration::try_from_secs_f64(seconds.max(0.0)).ok().and_then(|span| TimeDelta::from_std(span).ok());
    span.map_or_else(|| "-".to_owned(), when::span)
}
