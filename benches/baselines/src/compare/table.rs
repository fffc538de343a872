//! The outcome as Markdown, to be pasted into a README. Pure.

use std::fmt::Write;

use crate::bounds::BOUNDS;
use crate::machine::Machine;
use crate::samples::Samples;

/// What was promised beside what was measured, and the medians that it follows from.
pub(crate) fn markdown(samples: &Samples, machine: &Machine, rounds: u32) -> String {
    let mut text = String::from("| bound | measured | promised | holds |\n|---|---|---|---|\n");
    // Writing to a String cannot fail.
    for bound in BOUNDS {
        if let Some(verdict) = bound.verdict(samples) {
            let (what, measured, promised) = (bound.what, verdict.measured, verdict.promised);
            writeln!(text, "| {what} | {measured} | {promised} | {} |", verdict.holds).unwrap_or_default();
        }
    }
    text.push_str("\n| | per second | from | to | log per stage |\n|---|--:|--:|--:|--:|\n");
    for case in samples.cases() {
        let rates = samples.figures(case, case.rate());
        let lowest = rates.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = rates.iter().copied().fold(0.0, f64::max);
        let median = samples.median(case, case.rate()).unwrap_or_default();
        let log = samples.median(case, "/wal_bytes_per_stage").map_or_else(String::new, |log| format!("{log:.0} B"));
        let figures = [median, lowest, highest].map(|rate| thousands(rate.round()));
        let title = case.title();
        writeln!(text, "| {title} | {} | {log} |", figures.join(" | ")).unwrap_or_default();
    }
    let many = if rounds == 1 { "one round".to_owned() } else { format!("medians of {rounds} rounds") };
    writeln!(text, "\n{machine}; {many} in alternation on one private server.").unwrap_or_default();
    text
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut said = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::case::Case;

    #[test]
    fn the_table_tells_ratios_rates_and_where() {
        let mut samples = Samples::default();
        samples.add(Case::Floor, json!({"stages_per_s": 100_000.0, "wal_bytes_per_stage": 700}));
        samples.add(Case::Piton, json!({"stages_per_s": 61_234.0, "wal_bytes_per_stage": 801.5}));
        let machine = Machine {
            cores: 2,
            memory_gib: Some(8),
            postgres: "15.1".into(),
            date: "2026-01-02".into(),
            command: "cargo run".into(),
        };
        assert_eq!(
            markdown(&samples, &machine, 1),
            "| bound | measured | promised | holds |\n|---|---|---|---|\n\
             | Piton / hand-written loop | 0.61 | at least 0.50 | yes |\n\
             | write-ahead log per stage | 802 B | below 1000 B | yes |\n\
             \n| | per second | from | to | log per stage |\n|---|--:|--:|--:|--:|\n\
             | hand-written loop, 200 B | 100,000 | 100,000 | 100,000 | 700 B |\n\
             | Piton, 200 B | 61,234 | 61,234 | 61,234 | 802 B |\n\
             \n2 cores, 8 GiB of memory, Postgres 15.1, 2026-01-02, `cargo run`; one round in alternation on one private \
             server.\n"
        );
    }
}
