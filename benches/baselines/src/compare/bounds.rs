//! What Piton promises itself about its speed, as relations between measurements. Pure.

use crate::case::Case;
use crate::samples::Samples;

/// A figure of a measurement, by its place in the JSON that tells it.
#[derive(Debug, Clone, Copy)]
struct Figure(Case, &'static str);

/// What is bounded.
#[derive(Debug, Clone, Copy)]
enum Quantity {
    /// One figure over another.
    Ratio(Figure, Figure),
    /// A figure in its unit.
    Plain(Figure, &'static str),
}

#[derive(Debug, Clone, Copy)]
enum Limit {
    AtLeast(f64),
    Below(f64),
    /// Told, not promised.
    None,
}

/// One line of the promise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) what: &'static str,
    quantity: Quantity,
    limit: Limit,
}

/// A bound beside what was measured, in words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) measured: String,
    pub(crate) promised: String,
    pub(crate) holds: &'static str,
}

const RATE: &str = "/stages_per_s";

const fn ratio(what: &'static str, of: Figure, over: Figure, limit: Limit) -> Bound {
    Bound { what, quantity: Quantity::Ratio(of, over), limit }
}

const fn rates(what: &'static str, of: Case, over: Case, limit: Limit) -> Bound {
    ratio(what, Figure(of, RATE), Figure(over, RATE), limit)
}

/// Two figures of one measurement.
const fn within(case: Case, what: &'static str, of: &'static str, over: &'static str, limit: Limit) -> Bound {
    ratio(what, Figure(case, of), Figure(case, over), limit)
}

const fn plain(what: &'static str, figure: Figure, unit: &'static str, limit: f64) -> Bound {
    Bound { what, quantity: Quantity::Plain(figure, unit), limit: Limit::Below(limit) }
}

const fn told(what: &'static str, figure: Figure, unit: &'static str) -> Bound {
    Bound { what, quantity: Quantity::Plain(figure, unit), limit: Limit::None }
}

/// A time of a run that is offered.
const fn against_sqlxmq(what: &'static str, place: &'static str, limit: Limit) -> Bound {
    ratio(what, Figure(Case::PitonOffered, place), Figure(Case::SqlxmqOffered, place), limit)
}

/// All of them; those whose cases were not measured say nothing.
pub(crate) const BOUNDS: &[Bound] = &[
    rates("Piton / apalis-workflow", Case::Piton, Case::Apalis, Limit::AtLeast(12.0)),
    rates("Piton / sqlxmq", Case::Piton, Case::Sqlxmq, Limit::AtLeast(5.0)),
    rates("Piton / hand-written loop", Case::Piton, Case::Floor, Limit::AtLeast(0.5)),
    rates("the same with 1 KiB outputs", Case::PitonKib, Case::FloorKib, Limit::AtLeast(0.6)),
    rates("two workers / one worker", Case::PitonTwoWorkers, Case::Piton, Limit::AtLeast(1.0)),
    rates("fan-out / chain, per stage", Case::PitonFanOut, Case::Piton, Limit::AtLeast(0.6)),
    plain("write-ahead log per stage", Figure(Case::Piton, "/wal_bytes_per_stage"), "B", 1000.0),
    rates("a million runs behind / none", Case::PitonBacklog, Case::Piton50k, Limit::AtLeast(0.85)),
    rates("old snapshot held / not held", Case::PitonSnapshot, Case::Piton200k, Limit::AtLeast(0.7)),
    within(
        Case::Piton200k,
        "last tenth / first tenth of 200,000 runs",
        "/last_tenth_stages_per_s",
        "/first_tenth_stages_per_s",
        Limit::None,
    ),
    rates("runs of one stage / jobs of graphile_worker", Case::PitonOneStage, Case::Graphile, Limit::None),
    rates(
        "runs of one stage, two workers / one",
        Case::PitonOneStageTwoWorkers,
        Case::PitonOneStage,
        Limit::AtLeast(1.15),
    ),
    within(
        Case::PitonStarts,
        "starts by 32 clients / by one",
        "/results/4/starts_per_s",
        "/results/1/starts_per_s",
        Limit::AtLeast(1.8),
    ),
    within(
        Case::PitonStarts,
        "starts by 32 clients / the same without NOTIFY",
        "/results/4/starts_per_s",
        "/results/3/starts_per_s",
        Limit::AtLeast(0.9),
    ),
    within(
        Case::PitonCommands,
        "programs / the same by xargs -P 32",
        RATE,
        "/xargs/programs_per_s",
        Limit::AtLeast(0.45),
    ),
    plain("worker's CPU per program", Figure(Case::PitonCommands, "/worker_cpu_us_per_stage"), "us", 3000.0),
    against_sqlxmq("start to first handler, p50, Piton / sqlxmq", "/asked_to_first_handler_ms/p50", Limit::Below(1.0)),
    against_sqlxmq("start to first handler, p99, Piton / sqlxmq", "/asked_to_first_handler_ms/p99", Limit::Below(1.0)),
    against_sqlxmq("start to last handler, p50, Piton / sqlxmq", "/asked_to_last_handler_ms/p50", Limit::None),
    against_sqlxmq("start to last handler, p99, Piton / sqlxmq", "/asked_to_last_handler_ms/p99", Limit::None),
    told("300 runs/s: worker's CPU per stage", Figure(Case::PitonSteady, "/worker_cpu_us_per_stage"), "us"),
    told("300 runs/s: Postgres' CPU per stage", Figure(Case::PitonSteady, "/postgres_cpu_us_per_stage"), "us"),
    plain("start to first handler, p50", Figure(Case::PitonOffered, "/first_handler_ms/p50"), "ms", 3.0),
    plain("start to first handler, p99", Figure(Case::PitonOffered, "/first_handler_ms/p99"), "ms", 15.0),
    plain("start to durable result, p99", Figure(Case::PitonOffered, "/result_durable_ms/p99"), "ms", 40.0),
];

impl Bound {
    /// Nothing if its cases were not measured.
    pub(crate) fn verdict(&self, samples: &Samples) -> Option<Verdict> {
        let median = |Figure(case, place)| samples.median(case, place);
        let (value, unit) = match self.quantity {
            Quantity::Ratio(of, over) => (median(of)? / median(over)?, ""),
            Quantity::Plain(figure, unit) => (median(figure)?, unit),
        };
        let said = |value: f64| said(value, unit);
        let (promised, holds) = match self.limit {
            Limit::AtLeast(limit) => (format!("at least {}", said(limit)), Some(value >= limit)),
            Limit::Below(limit) => (format!("below {}", said(limit)), Some(value < limit)),
            Limit::None => (String::new(), None),
        };
        let holds = holds.map_or("", |holds| if holds { "yes" } else { "**no**" });
        Some(Verdict { measured: said(value), promised, holds })
    }
}

fn said(value: f64, unit: &str) -> String {
    let text = if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    };
    format!("{text} {unit}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn verdict(what: &str, samples: &[(Case, serde_json::Value)]) -> Option<Verdict> {
        let mut all = Samples::default();
        for (case, sample) in samples {
            all.add(*case, sample.clone());
        }
        BOUNDS.iter().find(|bound| bound.what == what).and_then(|bound| bound.verdict(&all))
    }

    #[test]
    fn a_ratio_of_medians_is_held_against_its_bound() {
        let rate = |rate: f64| json!({"stages_per_s": rate});
        let apalis = (Case::Apalis, rate(2000.0));
        let rounds =
            [(Case::Piton, rate(20_000.0)), (Case::Piton, rate(90_000.0)), (Case::Piton, rate(30_000.0)), apalis];
        let expected = Verdict { measured: "15.0".into(), promised: "at least 12.0".into(), holds: "yes" };
        assert_eq!(verdict("Piton / apalis-workflow", &rounds), Some(expected));
        assert_eq!(verdict("Piton / hand-written loop", &rounds), None);
    }

    #[test]
    fn a_latency_over_its_bound_is_said_to_be() {
        let slow = (Case::PitonOffered, json!({"first_handler_ms": {"p50": 3.2}}));
        let expected = Verdict { measured: "3.20 ms".into(), promised: "below 3.00 ms".into(), holds: "**no**" };
        assert_eq!(verdict("start to first handler, p50", &[slow]), Some(expected));
    }
}
