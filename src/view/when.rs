//! Times as people read them.

use chrono::{DateTime, Local, Utc};

/// Local time of day, with the date when it is not today.
pub(crate) fn clock(at: DateTime<Utc>) -> String {
    let local = at.with_timezone(&Local);
    let today = Local::now().date_naive() == local.date_naive();
    local.format(if today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" }).to_string()
}

/// A span: milliseconds under a second, tenths under a minute.
pub(crate) fn span(span: chrono::TimeDelta) -> String {
    let ms = span.num_milliseconds().max(0);
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {:02} s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{} h {:02} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn spans_read_well() {
        let said = |ms| span(TimeDelta::milliseconds(ms));
        assert_eq!(
            [said(7), said(1_250), said(61_000), said(3_720_000)],
            ["7 ms", "1.2 s", "1 min 01 s", "1 h 02 min"]
        );
    }
}
