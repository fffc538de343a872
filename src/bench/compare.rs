//! Compares figures with an earlier report's. Pure.

use super::numbers::grouped;
use super::result::{Figure, Measured, Report};

/// The lines that say a measure: each figure, and its ratio to the earlier one where there is one.
pub(crate) fn lines(measured: &Measured, earlier: Option<&Measured>) -> Vec<String> {
    let before: Vec<Figure> = earlier.map(Measured::figures).unwrap_or_default();
    let figures = measured.figures();
    let said: Vec<(String, String)> = figures
        .iter()
        .map(|figure| {
            let old = before.iter().find(|old| old.name == figure.name && old.value > 0.0);
            let ratio = old.map(|old| format!("  ({:.2} of {})", figure.value / old.value, number(old.value)));
            (number(figure.value), ratio.unwrap_or_default())
        })
        .collect();
    let wide = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or_default();
    let name = wide(&mut figures.iter().map(|f| f.name.len()));
    let value = wide(&mut said.iter().map(|(value, _)| value.len()));
    let line = |(figure, (said, ratio)): (&Figure, &(String, String))| {
        format!("  {:<name$}  {said:>value$}{ratio}", figure.name)
    };
    figures.iter().zip(&said).map(line).collect()
}

/// Large numbers need no fraction, small ones do.
fn number(value: f64) -> String {
    match value.abs() {
        1000.0.. => grouped(value, 0),
        100.0.. => grouped(value, 1),
        _ => grouped(value, 2),
    }
}

/// The measure of the report that can be compared with this one.
pub(crate) fn matching<'r>(report: &'r Report, measured: &Measured) -> Option<&'r Measured> {
    report.results.iter().find(|old| old.matches(measured))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::case::{Case, Shape};
    use crate::bench::proof::Proof;

    fn measured(payload_bytes: usize, stages_per_s: f64) -> Measured {
        let case = Case {
            shape: Shape::Sequential,
            runs: 20_000,
            stages: 5,
            items: 0,
            payload_bytes,
            workers: 1,
            slots: 512,
            backlog: 0,
            hold_snapshot: false,
            offered: None,
            starts: None,
        };
        let proof = Proof { runs_done: 20_000, runs_waiting: 0, checkpoints: 100_000 };
        let measured = Measured::of(&case, proof);
        let stages_per_s = Some(stages_per_s);
        Measured { stages_per_s, starts_per_s: 950.5, worker_peak_memory_bytes: Some(12 << 20), ..measured }
    }

    #[test]
    fn figures_stand_beside_those_of_the_matching_measure() {
        let results = vec![measured(1000, 7.0), measured(200, 58_900.0)];
        let machine = crate::bench::machine::Machine {
            cores: 2,
            memory_bytes: None,
            postgres: "15.1".to_owned(),
            fsync: true,
            synchronous_commit: "on".to_owned(),
        };
        let report = Report { piton: "0.1.0".to_owned(), machine, results };
        let now = measured(200, 61_200.0);
        let said = lines(&now, matching(&report, &now)).join("\n");
        insta::assert_snapshot!(said, @r"
        stages/s                      61,200  (1.04 of 58,900)
        starts/s                       950.5  (1.00 of 950.5)
        largest worker's memory, MiB      12  (1.00 of 12)
        ");
        assert_eq!(matching(&report, &measured(64, 1.0)), None);
    }
}
