//! Services that are asked again: what their answers mean, and when to ask the next time. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::model::failure::Failure;
use crate::model::json::{self, Object};
use crate::model::payload::Payload;
use crate::model::times::later;
use crate::model::wait::{AskedService, EndedWait, NewWait, WaitKind};
use crate::workflow::condition::{Condition, Decision};
use crate::workflow::service::PollDoor;

/// After polls that failed, the service is asked at least that often, unless it is asked more seldom anyway.
const SELDOM: Duration = Duration::from_secs(300);

/// What a service answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Polled {
    Done(Payload),
    Failed(Failure),
    Working,
}

/// What an answer means, which is JSON.
pub(crate) fn decide(poll: &PollDoor, answer: &str, most_bytes: usize) -> Result<Polled, Failure> {
    let Some(object) = Object::read(answer) else {
        return Err(Failure::invalid_input(
            "the service answered a poll with JSON that is no object, and `done` reads its keys",
        ));
    };
    if holds(&poll.done, "done", &object)?.is_none() {
        let Some(output) = json::at(answer, &poll.output) else {
            let place = poll.output.join(".");
            return Err(Failure::invalid_input(format!("the service is done, and `{place}` is not in its answer")));
        };
        return Payload::parse(output, most_bytes).map(Polled::Done).map_err(super::own_rows::refused);
    }
    let Some(failed) = &poll.failed else { return Ok(Polled::Working) };
    match holds(failed, "failed", &object)? {
        Some(_) => Ok(Polled::Working),
        None => {
            let said = json::compact(answer);
            let message = format!("the service says that it has failed: {}", super::answer::quoted(&said));
            Ok(Polled::Failed(Failure::new(poll.class, message)))
        }
    }
}

/// `None` where it holds, else the reason.
fn holds(condition: &Condition, key: &str, answer: &Object<'_>) -> Result<Option<String>, Failure> {
    // As in the names of stages, a `_` stands for a `-`.
    let find = |name: &str| answer.get(name).or_else(|| answer.get(&name.replace('_', "-")));
    match condition.decide(find) {
        Ok(Decision::Holds) => Ok(None),
        Ok(Decision::Fails(reason)) => Ok(Some(reason)),
        Err(undecided) => Err(Failure::invalid_input(format!(
            "`{key}` cannot be decided on what the service answered a poll with: {undecided}"
        ))),
    }
}

/// The wait goes on at that time, which is the database's, until the next poll. `trouble` is what was wrong with this one, `again`
/// when the service wants to be asked.
pub(crate) fn goes_on(
    poll: &PollDoor,
    wait: &EndedWait,
    service: &AskedService,
    now: DateTime<Utc>,
    (trouble, again): (Option<String>, Option<Duration>),
) -> NewWait {
    let misses = if trouble.is_some() { service.misses.saturating_add(1) } else { 0 };
    let seldom = poll.every.saturating_mul(1 << misses.min(16)).min(SELDOM.max(poll.every));
    let next = again.unwrap_or_default().max(seldom);
    let deadline = later(now, next).min(service.latest);
    let service = AskedService { misses, trouble, ..service.clone() };
    let since = wait.since.unwrap_or(now);
    NewWait {
        kind: WaitKind::Poll,
        name: None,
        since,
        deadline: Some(deadline),
        child: None,
        service: Some(Box::new(service)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::failure::FailureClass;
    use crate::model::wait::WaitOutcome;
    use crate::workflow::template::Template;

    fn door(output: &[&str]) -> PollDoor {
        PollDoor {
            url: Template::parse("https://a.example/").expect("a template"),
            headers: BTreeMap::new(),
            every: Duration::from_secs(10),
            done: Condition::parse("status == 'done'").expect("a condition"),
            failed: Some(Condition::parse("status == 'failed'").expect("a condition")),
            output: output.iter().map(|key| (*key).to_owned()).collect(),
            class: FailureClass::InvalidInput,
        }
    }

    fn said(answer: &str, output: &[&str]) -> String {
        match decide(&door(output), answer, 1000) {
            Ok(Polled::Done(payload)) => format!("done {}", payload.as_str()),
            Ok(Polled::Working) => "working".to_owned(),
            Ok(Polled::Failed(failure)) => format!("failed {failure}"),
            Err(failure) => format!("error {failure}"),
        }
    }

    #[test]
    fn an_answer_is_done_failed_or_neither() {
        assert_eq!(said(r#"{"status": "done", "result": {"n": 1.10}}"#, &["result"]), r#"done {"n": 1.10}"#);
        assert_eq!(said(r#"{"status": "done"}"#, &[]), r#"done {"status": "done"}"#);
        assert_eq!(said(r#"{"status": "queued"}"#, &[]), "working");
        insta::assert_snapshot!(said(r#"{"status": "failed", "why": "no fuel"}"#, &[]), @r#"failed invalid_input: the service says that it has failed: {"status":"failed","why":"no fuel"}"#);
        insta::assert_snapshot!(said(r#"{"status": "done"}"#, &["result", "url"]), @"error invalid_input: the service is done, and `result.url` is not in its answer");
        assert!(
            said("[1]", &[])
                .starts_with("error invalid_input: the service answered a poll with JSON that is no object")
        );
        assert!(said("{}", &[]).starts_with("error invalid_input: `done` cannot be decided"), "{}", said("{}", &[]));
    }

    #[test]
    fn a_service_that_does_not_answer_is_asked_ever_more_seldom_and_when_it_says() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let latest = now + chrono::TimeDelta::hours(2);
        let service = |misses| AskedService { handle: "1".into(), latest, silence: None, misses, trouble: None };
        let wait = EndedWait {
            kind: WaitKind::Poll,
            outcome: WaitOutcome::Due,
            since: Some(now),
            deadline: Some(now),
            ended_at: now,
            answer: None,
            service: None,
        };
        let next = |misses, trouble: Option<&str>, again: Option<u64>| {
            let said = (trouble.map(str::to_owned), again.map(Duration::from_secs));
            let wait = goes_on(&door(&[]), &wait, &service(misses), now, said);
            wait.deadline.map(|at| (at - now).num_seconds())
        };
        assert_eq!(next(0, None, None), Some(10));
        assert_eq!([0, 1, 2].map(|misses| next(misses, Some("down"), None)), [Some(20), Some(40), Some(80)]);
        assert_eq!(next(30, Some("down"), None), Some(300));
        assert_eq!(next(5, None, None), Some(10), "an answer ends that");
        assert_eq!((next(0, None, Some(60)), next(0, None, Some(5))), (Some(60), Some(10)));
        assert_eq!(next(0, None, Some(100_000)), Some(7200), "and the timeout ends all");
    }
}
