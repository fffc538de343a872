//! The judge finds what is wrong, and nothing where all is well.

use std::time::Duration;

use chrono::DateTime;
use uuid::Uuid;

use super::*;

/// A seed whose jobs all finish, and one of which an item of two dies.
fn seed(item_dies: bool) -> u64 {
    let dies = |seed, stage, item| matches!(fate::of(seed, stage, item).fate, Fate::Dies(_));
    let fits = |seed: &u64| {
        let others = ["list", "steps", "total"].iter().any(|stage| dies(*seed, stage, None));
        !others && dies(*seed, "part", Some(1)) == item_dies && !dies(*seed, "part", Some(0))
    };
    (0..).find(fits).expect("there are many")
}

struct Record {
    run: RunEnd,
    attempts: Vec<AttemptEnd>,
    deaths: Vec<Death>,
}

impl Record {
    /// A run of two items as it should end.
    fn of(seed: u64, item_dies: bool) -> Record {
        let input = serde_json::to_string(&RunInput { seed, items: 2 }).expect("JSON");
        let state = if item_dies { "blocked" } else { "done" };
        let run = RunEnd { id: 1, uuid: Uuid::nil(), state: state.to_owned(), input };
        let mut record = Record { run, attempts: Vec::new(), deaths: Vec::new() };
        let value = |stage: &str, item| fate::of(seed, stage, item).value;
        let total = value("total", None) + value("part", Some(0)) + value("part", Some(1)) + value("steps", None);
        let output = |value: u64, steps: &[u32]| {
            let output = Output { attempt: 1, value, items: Vec::new(), steps: steps.to_vec() };
            serde_json::to_string(&output).expect("JSON")
        };
        record.done(LIST, NO_ITEM, output(value("list", None), &[]));
        record.done(PART, NO_ITEM, "2".to_owned());
        record.done(PART, 0, output(value("part", Some(0)), &[]));
        record.done(STEPS, NO_ITEM, output(value("steps", None), &[1, 1, 1]));
        record.done(PROGRAM, NO_ITEM, "1".to_owned());
        if item_dies {
            let Fate::Dies(stumble) = fate::of(seed, "part", Some(1)).fate else { unreachable!("it was chosen so") };
            record.dead(PART, 1, stumble.class());
        } else {
            record.done(PART, 1, output(value("part", Some(1)), &[]));
            record.done(TOTAL, NO_ITEM, output(total, &[]));
        }
        record
    }

    fn put(&mut self, stage: i16, item: i32, attempt: i32, outcome: &str) -> &mut AttemptEnd {
        let started_at = DateTime::UNIX_EPOCH + Duration::from_secs(10 * self.attempts.len() as u64);
        let (outcome, ended_at) = (outcome.to_owned(), started_at + Duration::from_secs(9));
        let (class, output) = (None, None);
        self.attempts.push(AttemptEnd {
            run_id: 1,
            stage,
            item,
            attempt,
            outcome,
            class,
            output,
            started_at,
            ended_at,
        });
        self.attempts.last_mut().expect("it was just put there")
    }

    fn done(&mut self, stage: i16, item: i32, output: String) {
        self.put(stage, item, 1, "done").output = Some(output);
    }

    fn dead(&mut self, stage: i16, item: i32, class: FailureClass) {
        let failures = if class == FailureClass::Crashed { 0 } else { workload::retries(class) as i32 + 1 };
        for attempt in 1..=failures {
            self.put(stage, item, attempt, "failed").class = Some(class.as_str().to_owned());
        }
        self.deaths.push(Death { run_id: 1, stage, item, class: class.as_str().to_owned() });
    }

    fn judged(&self) -> Vec<&'static str> {
        let case =
            Case { run: &self.run, attempts: self.attempts.iter().collect(), deaths: self.deaths.iter().collect() };
        judge(&case).into_iter().map(|(what, _)| what).collect()
    }
}

#[test]
fn what_ended_as_it_should_is_not_complained_of() {
    assert_eq!(Record::of(seed(false), false).judged(), Vec::<&str>::new());
    assert_eq!(Record::of(seed(true), true).judged(), Vec::<&str>::new());
}

#[test]
fn what_is_wrong_is_found() {
    type Harm = fn(&mut Record);
    let harms: [(Harm, &str); 7] = [
        (|r| r.attempts.retain(|a| a.stage != PROGRAM), "jobs that have not exactly one checkpoint"),
        (|r| r.done(STEPS, 3, String::new()), "jobs that should never have begun"),
        (|r| r.run.state = "blocked".to_owned(), "runs that did not end as they should"),
        (|r| r.attempts[0].attempt = 2, "outputs that are not of the attempt that committed them, or not right"),
        (
            |r| r.attempts[2].output = r.attempts[0].output.clone(),
            "outputs that are not of the attempt that committed them, or not right",
        ),
        (|r| r.attempts[4].started_at = DateTime::UNIX_EPOCH, "attempts that began before their turn"),
        (
            |r| r.deaths.push(Death { run_id: 1, stage: LIST, item: NO_ITEM, class: "unknown".to_owned() }),
            "jobs that were given up although they can finish",
        ),
    ];
    for (harm, what) in harms {
        let mut record = Record::of(seed(false), false);
        harm(&mut record);
        assert!(record.judged().contains(&what), "{what}: {:?}", record.judged());
    }
    let mut record = Record::of(seed(true), true);
    record.attempts.pop();
    assert_eq!(record.judged(), ["jobs that had more or fewer tries than their retries allow"]);
    record.deaths.clear();
    assert!(record.judged().contains(&"jobs that were not given up once, for the cause that was injected"));
}
