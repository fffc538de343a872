//! Whether there was a reason to take an attempt from its worker. Pure.

use std::time::Duration;

use chrono::TimeDelta;

use super::inject::Event;
use super::plan::Kind;
use crate::store::chaos::Loss;

/// A worker that is cut off is noticed later, and what was in flight ends later still.
const AFTERMATH: TimeDelta = TimeDelta::seconds(5);
/// Boots that had ended may live again in what a failover kept, and are noticed when nothing is heard of them.
const AFTERMATH_OF_A_REWIND: TimeDelta = TimeDelta::seconds(20);
/// A worker that was told to shut down that long ago has put it on record, also on a busy machine.
const ON_RECORD_AFTER: Duration = Duration::from_millis(700);

/// Its worker had been killed, frozen, cut off or stopped since it started; or its job kills whoever runs it; or the
/// database has lost what became of it.
pub(crate) fn is_known(loss: &Loss, events: &[Event]) -> bool {
    let worker = place_in_fleet(&loss.worker);
    let befell = |event: &Event| {
        event.kind.is_none_or(Kind::may_lose_attempts)
            && event.worker == worker
            && event.at <= loss.lost_at
            && event.until + AFTERMATH >= loss.booted_at
    };
    let was_rewound = |event: &Event| {
        event.kind == Some(Kind::Rewind)
            && event.at <= loss.lost_at
            && loss.lost_at <= event.until + AFTERMATH_OF_A_REWIND
    };
    loss.convicted || events.iter().any(|event| befell(event) || was_rewound(event))
}

/// Its worker had been told to shut down and was cut short, which is no evidence; and yet its job is suspected.
pub(crate) fn is_suspected_for_a_stop(loss: &Loss, events: &[Event]) -> bool {
    let is_suspected = loss.next_worker.as_deref().is_some_and(runs_suspects) && !runs_suspects(&loss.worker);
    let worker = place_in_fleet(&loss.worker);
    let cut_it_short = |event: &&Event| {
        event.announced.is_some_and(|announced| announced >= ON_RECORD_AFTER)
            && event.worker == worker
            && loss.booted_at < event.at
            && event.at <= loss.lost_at
            && loss.lost_at <= event.until + AFTERMATH
    };
    let Some(stop) = events.iter().find(cut_it_short) else { return false };
    // What could have kept it from saying so, or made another boot of it.
    let hindered = |event: &Event| {
        let is_of_the_database = event.kind.is_some_and(|kind| !kind.is_of_one_worker());
        let is_another = event.worker == worker && event != stop;
        (is_of_the_database || is_another) && event.at <= stop.until && event.until + AFTERMATH >= stop.at
    };
    is_suspected && !events.iter().any(hindered)
}

/// From a name such as `w2-1/alone-4711`.
fn runs_suspects(name: &str) -> bool {
    name.contains("/alone-")
}

/// From a name such as `w2`, `w2-1` or `w2-1/alone-4711`.
fn place_in_fleet(name: &str) -> Option<usize> {
    let digits: String = name.strip_prefix('w')?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    fn at(s: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(s, 0).unwrap_or_default()
    }

    fn event(kind: Kind, worker: Option<usize>) -> Event {
        Event { kind: Some(kind), at: at(150), until: at(151), worker, process: None, announced: None, served_at: None }
    }

    #[test]
    fn a_stop_that_was_cut_short_is_no_evidence() {
        let loss = |worker: &str, next: &str| Loss {
            worker: worker.to_owned(),
            booted_at: at(100),
            lost_at: at(152),
            message: String::new(),
            place: String::new(),
            convicted: false,
            next_worker: Some(next.to_owned()),
        };
        let stop = |ms| Event { announced: Some(Duration::from_millis(ms)), ..event(Kind::TermThenKill, Some(2)) };
        let suspected = loss("w2", "w1/alone-17-0");
        assert!(is_suspected_for_a_stop(&suspected, &[stop(800)]));
        assert!(!is_suspected_for_a_stop(&loss("w2", "w1"), &[stop(800)]));
        assert!(!is_suspected_for_a_stop(&suspected, &[stop(100)]), "it may not have got to say so");
        assert!(!is_suspected_for_a_stop(&suspected, &[stop(800), event(Kind::Outage, None)]));
        assert!(!is_suspected_for_a_stop(&loss("w2/alone-16-0", "w1/alone-17-0"), &[stop(800)]), "it was one before");
        assert!(is_known(&suspected, &[stop(800)]));
    }

    #[test]
    fn what_a_failover_brings_back_may_be_lost_soon_after_it() {
        let loss = |lost_at| Loss {
            worker: "w2".to_owned(),
            booted_at: at(100),
            lost_at: at(lost_at),
            message: String::new(),
            place: String::new(),
            convicted: false,
            next_worker: None,
        };
        let rewind = [event(Kind::Rewind, None)];
        assert_eq!([149, 160, 200].map(|lost_at| is_known(&loss(lost_at), &rewind)), [false, true, false]);
    }

    #[test]
    fn a_loss_has_a_cause_only_in_what_befell_its_own_worker() {
        let loss = |worker: &str| Loss {
            worker: worker.to_owned(),
            booted_at: at(100),
            lost_at: at(160),
            message: String::new(),
            place: String::new(),
            convicted: false,
            next_worker: None,
        };
        assert!(is_known(&loss("w2-1/alone-4711"), &[event(Kind::Kill, Some(2))]));
        assert!(!is_known(&loss("w2"), &[event(Kind::Kill, Some(1)), event(Kind::Outage, None)]));
        assert!(!is_known(&loss("w2"), &[event(Kind::Delay, Some(2))]));
        assert!(is_known(&Loss { convicted: true, ..loss("w2") }, &[]));
    }
}
