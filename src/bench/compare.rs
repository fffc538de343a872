//! Figures beside those of an earlier report. Pure.

use super::result::{Figure, Measured, Report, grouped};

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
