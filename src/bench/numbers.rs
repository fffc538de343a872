//! Numbers as files have them and people read them. Pure.

/// Rounded to so many decimal places, so that files say no more than was measured.
pub(crate) fn rounded(value: f64, places: i32) -> f64 {
    let scale = 10f64.powi(places);
    (value * scale).round() / scale
}

/// A number with its thousands apart, and at most so many decimal places; those that are zero are left out.
pub(crate) fn grouped(value: f64, places: usize) -> String {
    let text = format!("{:.places$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits = whole.len();
    let mut said = if value < 0.0 { "-".to_owned() } else { String::new() };
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (digits - at).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        said.push('.');
        said.push_str(fraction);
    }
    said
}

/// A number of things, in words.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(number as f64, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let said = [(0.0, 0), (999.0, 0), (1000.0, 0), (1_234_567.8, 1), (12.5, 2), (0.004, 2), (-1500.0, 0)];
        let said = said.map(|(value, places)| grouped(value, places));
        assert_eq!(said, ["0", "999", "1,000", "1,234,567.8", "12.5", "0", "-1,500"]);
    }
}
