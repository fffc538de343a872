//! Holds what became of a run against the fates of its jobs. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::fate::{self, Fate};
use super::workload::{self, Output, RunInput};
use crate::model::failure::FailureClass;
use crate::model::id::NO_ITEM;
use crate::store::chaos::{AttemptEnd, Death, RunEnd};

/// Something that should not be, and where.
pub(crate) type Wrong = (&'static str, String);

/// A time on record is the begin of the transaction that wrote it, and that of a claim may have begun before the one that
/// made the job claimable has ended.
const INACCURACY: TimeDelta = TimeDelta::seconds(1);

/// The stages, in the order of the file.
const STAGES: [&str; 5] = ["list", "part", "steps", "program", "total"];
const LIST: i16 = 0;
const PART: i16 = 1;
const STEPS: i16 = 2;
const PROGRAM: i16 = 3;
const TOTAL: i16 = 4;

/// A run with all that is on record about it.
pub(crate) struct Case<'r> {
    pub(crate) run: &'r RunEnd,
    pub(crate) attempts: Vec<&'r AttemptEnd>,
    pub(crate) deaths: Vec<&'r Death>,
}

/// A job's place in its run.
type Place = (i16, i32);

/// What is wrong with a run of the campaign's own workflow.
pub(crate) fn judge(case: &Case<'_>) -> Vec<Wrong> {
    let Ok(input) = serde_json::from_str::<RunInput>(&case.run.input) else {
        return vec![("inputs that are not what was started", case.run.uuid.to_string())];
    };
    let mut judge = Judge { case, input, jobs: BTreeMap::new(), wrong: Vec::new() };
    for attempt in &case.attempts {
        judge.jobs.entry((attempt.stage, attempt.item)).or_default().push(attempt);
    }
    judge.run();
    judge.wrong
}

struct Judge<'r> {
    case: &'r Case<'r>,
    input: RunInput,
    jobs: BTreeMap<Place, Vec<&'r AttemptEnd>>,
    wrong: Vec<Wrong>,
}

impl Judge<'_> {
    /// Every job in turn, in the order of the graph.
    fn run(&mut self) {
        let items = 0..i32::try_from(self.input.items).unwrap_or(i32::MAX);
        let mut expected = vec![(LIST, NO_ITEM)];
        if self.finishes((LIST, NO_ITEM)) {
            expected.extend([(PART, NO_ITEM), (STEPS, NO_ITEM), (PROGRAM, NO_ITEM)]);
            expected.extend(items.map(|item| (PART, item)));
        }
        let total_is_reached = expected.len() > 1 && expected.iter().all(|place| self.finishes(*place));
        if total_is_reached {
            expected.push((TOTAL, NO_ITEM));
        }
        for place in &expected {
            self.job(*place);
        }
        let unexpected: Vec<Place> = self.jobs.keys().filter(|place| !expected.contains(place)).copied().collect();
        for place in unexpected {
            self.say("jobs that should never have begun", place);
        }
        let state = if total_is_reached && self.finishes((TOTAL, NO_ITEM)) { "done" } else { "blocked" };
        if self.case.run.state != state {
            self.wrong.push(("runs that did not end as they should", format!("{} {}", self.case.run.uuid, state)));
        }
    }

    fn fate(&self, (stage, item): Place) -> Fate {
        match (stage, item) {
            // The split, and the program, have none of their own.
            (PART, NO_ITEM) | (PROGRAM, _) => Fate::Finishes(Vec::new()),
            (stage, item) => fate::of(self.input.seed, name(stage), u32::try_from(item).ok()).fate,
        }
    }

    fn finishes(&self, place: Place) -> bool {
        matches!(self.fate(place), Fate::Finishes(_))
    }

    fn job(&mut self, place: Place) {
        let attempts = self.jobs.get(&place).cloned().unwrap_or_default();
        let deaths: Vec<&str> =
            self.case.deaths.iter().filter(|d| (d.stage, d.item) == place).map(|d| d.class.as_str()).collect();
        let done: Vec<&AttemptEnd> = attempts.iter().filter(|a| a.outcome == "done").copied().collect();
        match self.fate(place) {
            Fate::Finishes(_) => {
                let [done] = done.as_slice() else {
                    return self.say("jobs that have not exactly one checkpoint", place);
                };
                if !deaths.is_empty() {
                    self.say("jobs that were given up although they can finish", place);
                }
                self.output(place, done);
            }
            Fate::Dies(stumble) => {
                if !done.is_empty() {
                    self.say("checkpoints of jobs that never finish", place);
                }
                if deaths != [stumble.class().as_str()] {
                    self.say("jobs that were not given up once, for the cause that was injected", place);
                }
                self.budget(place, &attempts, stumble.class());
            }
        }
        self.order(place, &attempts);
    }

    /// A job that was given up has spent its retries, and not more.
    fn budget(&mut self, place: Place, attempts: &[&AttemptEnd], class: FailureClass) {
        let failed = attempts.iter().filter(|a| a.outcome == "failed" && a.class.as_deref() == Some(class.as_str()));
        let allowed = if class == FailureClass::Crashed { 0 } else { workload::retries(class) as usize + 1 };
        if failed.count() != allowed {
            self.say("jobs that had more or fewer tries than their retries allow", place);
        }
    }

    /// What was committed is what that attempt returned.
    fn output(&mut self, place: Place, done: &AttemptEnd) {
        let text = done.output.as_deref().unwrap_or_default();
        let attempt = done.attempt.unsigned_abs();
        let right = match place {
            (PART, NO_ITEM) => text == self.input.items.to_string(),
            (PROGRAM, _) => text == attempt.to_string(),
            _ => serde_json::from_str(text).is_ok_and(|output: Output| self.is_right(place, &output, attempt)),
        };
        if !right {
            self.say("outputs that are not of the attempt that committed them, or not right", place);
        }
    }

    fn is_right(&self, (stage, item): Place, output: &Output, attempt: u32) -> bool {
        let own = |stage, item| fate::of(self.input.seed, name(stage), item).value;
        let value = match stage {
            TOTAL => {
                let parts: u64 = (0..self.input.items).map(|item| own(PART, Some(item))).sum();
                own(TOTAL, None) + parts + own(STEPS, None)
            }
            stage => own(stage, u32::try_from(item).ok()),
        };
        // A step runs in one attempt, and is read back by those after it.
        let steps = stage != STEPS
            || output.steps.len() == workload::STEPS
                && output.steps.is_sorted()
                && output.steps.last() <= Some(&attempt);
        output.attempt == attempt && output.value == value && steps
    }

    /// Attempts follow one another, and none begins before what its stage needs is done.
    fn order(&mut self, place: Place, attempts: &[&AttemptEnd]) {
        let mut attempts = attempts.to_vec();
        attempts.sort_by_key(|a| a.attempt);
        let ended = |need| self.jobs.get(&need)?.iter().map(|a| a.ended_at).max();
        let ready = self.needs(place).into_iter().filter_map(ended).max();
        let before = |early: DateTime<Utc>, late: DateTime<Utc>| early + INACCURACY < late;
        let too_early =
            ready.is_some_and(|ready| attempts.first().is_some_and(|first| before(first.started_at, ready)));
        if too_early || attempts.windows(2).any(|pair| before(pair[1].started_at, pair[0].ended_at)) {
            self.say("attempts that began before their turn", place);
        }
    }

    fn needs(&self, (stage, item): Place) -> Vec<Place> {
        match (stage, item) {
            (LIST, _) => Vec::new(),
            (TOTAL, _) => self.jobs.keys().filter(|(stage, _)| *stage != TOTAL).copied().collect(),
            (PART, 0..) => vec![(PART, NO_ITEM)],
            _ => vec![(LIST, NO_ITEM)],
        }
    }

    fn say(&mut self, what: &'static str, (stage, item): Place) {
        self.wrong.push((what, format!("run {} stage {} item {item}", self.case.run.uuid, name(stage))));
    }
}

fn name(stage: i16) -> &'static str {
    usize::try_from(stage).ok().and_then(|stage| STAGES.get(stage)).copied().unwrap_or("?")
}

#[cfg(test)]
mod tests {
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
                let Fate::Dies(stumble) = fate::of(seed, "part", Some(1)).fate else {
                    unreachable!("it was chosen so")
                };
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
}
