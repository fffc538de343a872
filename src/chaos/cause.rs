//! Whether an attempt that was taken from its worker was taken for a reason. Pure.

use chrono::TimeDelta;

use super::inject::Event;
use super::plan::Kind;
use crate::store::chaos::Loss;

/// A worker that is cut off is noticed later, and what was in flight ends later still.
const AFTERMATH: TimeDelta = TimeDelta::seconds(5);

/// Its worker had been killed, frozen, cut off or stopped since it started; or its job kills whoever runs it.
pub(crate) fn is_known(loss: &Loss, events: &[Event]) -> bool {
    let worker = place_in_fleet(&loss.worker);
    let befell = |event: &Event| {
        event.kind.is_none_or(Kind::may_lose_attempts)
            && event.worker == worker
            && event.at <= loss.lost_at
            && event.until + AFTERMATH >= loss.booted_at
    };
    loss.convicted || events.iter().any(befell)
}

/// From a name such as `w2`, `w2-1` or `w2-1/alone-4711`.
fn place_in_fleet(name: &str) -> Option<usize> {
    let digits: String = name.strip_prefix('w')?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn a_loss_has_a_cause_only_in_what_befell_its_own_worker() {
        let at = |s| DateTime::from_timestamp(s, 0).unwrap_or_default();
        let loss = |worker: &str| Loss {
            worker: worker.to_owned(),
            booted_at: at(100),
            lost_at: at(160),
            message: String::new(),
            place: String::new(),
            convicted: false,
        };
        let event = |kind, worker| Event { kind: Some(kind), at: at(150), until: at(151), worker, process: None };
        assert!(is_known(&loss("w2-1/alone-4711"), &[event(Kind::Kill, Some(2))]));
        assert!(!is_known(&loss("w2"), &[event(Kind::Kill, Some(1)), event(Kind::Outage, None)]));
        assert!(!is_known(&loss("w2"), &[event(Kind::Delay, Some(2))]));
        assert!(is_known(&Loss { convicted: true, ..loss("w2") }, &[]));
    }
}
