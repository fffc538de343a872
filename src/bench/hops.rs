//! Where the time of a run goes: from its start to its first handler, from handler to handler, to the last one. Pure.

use std::collections::HashMap;

use super::spread::Spread;
use crate::model::id::RunKey;
use crate::store::bench::HandlerRow;

/// When a client asked for a run, and when it was answered: microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct StartTimes {
    pub(super) asked: i64,
    pub(super) answered: i64,
}

/// Times on the way of many runs through a chain.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Hops {
    /// From asking for the start to its answer.
    pub(super) start_ms: Option<Spread>,
    /// From asking for the start.
    pub(super) asked_to_first_handler_ms: Option<Spread>,
    /// From the answer to the start.
    pub(super) first_handler_ms: Option<Spread>,
    /// From one handler to the next, stage by stage.
    pub(super) between_ms: Vec<Spread>,
    /// From asking for the start.
    pub(super) asked_to_last_handler_ms: Option<Spread>,
    /// From the answer to the start.
    pub(super) last_handler_ms: Option<Spread>,
}

impl Hops {
    /// `handlers` is when each handler began.
    pub(super) fn of(starts: &HashMap<RunKey, StartTimes>, handlers: &[HandlerRow], stages: u16) -> Hops {
        let began: HashMap<(i64, i16), i64> = handlers.iter().map(|row| ((row.run_id, row.stage), row.at)).collect();
        let at = |run: &RunKey, stage: u16| began.get(&(run.0, i16::try_from(stage).ok()?)).copied();
        let since = |of: fn(&StartTimes) -> i64, stage: u16| {
            let times = starts.iter().filter_map(|(run, start)| Some(milliseconds(at(run, stage)? - of(start))));
            Spread::of(times.collect())
        };
        let (asked, answered) = (|start: &StartTimes| start.asked, |start: &StartTimes| start.answered);
        let hop = |stage: u16| {
            let times = starts.keys().filter_map(|run| Some(milliseconds(at(run, stage)? - at(run, stage - 1)?)));
            Spread::of(times.collect())
        };
        Hops {
            start_ms: Spread::of(starts.values().map(|start| milliseconds(start.answered - start.asked)).collect()),
            asked_to_first_handler_ms: since(asked, 0),
            first_handler_ms: since(answered, 0),
            between_ms: (1..stages).filter_map(hop).collect(),
            asked_to_last_handler_ms: since(asked, stages - 1),
            last_handler_ms: since(answered, stages - 1),
        }
    }
}

/// A handler may begin before the starter has read its answer: then it did not wait.
pub(super) fn milliseconds(us: i64) -> f64 {
    us.max(0) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_is_what_lies_between_two_handlers_of_the_same_run() {
        let start = |asked, answered| StartTimes { asked, answered };
        let starts = HashMap::from([(RunKey(1), start(9_000, 10_000)), (RunKey(2), start(45_000, 50_000))]);
        let row = |run_id, stage, at| HandlerRow { run_id, stage, at };
        let handlers = [
            row(1, 0, 12_000),
            row(1, 1, 15_000),
            row(1, 2, 16_000),
            // Before its answer was read.
            row(2, 0, 49_000),
            row(2, 1, 59_000),
            row(2, 2, 61_000),
        ];
        let hops = Hops::of(&starts, &handlers, 3);
        let ends = |spread: Spread| (spread.p50, spread.max);
        assert_eq!(hops.start_ms.map(ends), Some((1.0, 5.0)));
        assert_eq!(hops.asked_to_first_handler_ms.map(ends), Some((3.0, 4.0)));
        assert_eq!(hops.asked_to_last_handler_ms.map(ends), Some((7.0, 16.0)));
        assert_eq!(hops.first_handler_ms.map(ends), Some((0.0, 2.0)));
        assert_eq!(hops.between_ms.into_iter().map(ends).collect::<Vec<_>>(), [(3.0, 10.0), (1.0, 2.0)]);
        assert_eq!(hops.last_handler_ms.map(ends), Some((6.0, 11.0)));
    }
}
