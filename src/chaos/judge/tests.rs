//! The judge finds what is wrong, and nothing when all is well.

use std::time::Duration;

use chrono::DateTime;
use uuid::Uuid;

use super::super::workload::Given;
use super::*;

/// A seed whose jobs all finish, and one of which an item of two dies.
fn seed(item_dies: bool) -> u64 {
    let dies = |seed, stage, item| matches!(fate::of(seed, stage, item).fate, Fate::Dies(_));
    let fits = |seed: &u64| {
        let others = ["list", "steps", "total", "spare"].iter().any(|stage| dies(*seed, stage, None));
        !others && dies(*seed, "part", Some(1)) == item_dies && !dies(*seed, "part", Some(0))
    };
    (0..).find(fits).expect("there are many")
}

struct Record {
    run: RunEnd,
    attempts: Vec<AttemptEnd>,
    deaths: Vec<Death>,
    kept: Vec<Kept>,
    sent: Vec<u32>,
    taken: Vec<u32>,
}

impl Record {
    /// A run of two items as it should end, whose signal was answered.
    fn of(seed: u64, item_dies: bool) -> Record {
        let input = RunInput { seed, items: 2, slow: false };
        let given = Given { input, list: Output { attempt: 1, value: 0, items: vec![0, 1], steps: Vec::new() } };
        let input = serde_json::to_string(&input).expect("JSON");
        let state = if item_dies { "blocked" } else { "done" };
        let run = RunEnd { id: 1, uuid: Uuid::from_u128(seed.into()), state: state.to_owned(), input, parent: None };
        let (sent, taken) = (vec![1], vec![1]);
        let mut record = Record { run, attempts: Vec::new(), deaths: Vec::new(), kept: Vec::new(), sent, taken };
        let value = |stage: &str, item| fate::of(seed, stage, item).value;
        let whole = ["total", "steps", "spare"].map(|stage| value(stage, None));
        let total = whole.iter().sum::<u64>() + value("part", Some(0)) + value("part", Some(1));
        let output = |value: u64, items: &[u32], steps: &[u32]| {
            let steps = steps.iter().map(|attempt| Step { seed, attempt: *attempt }).collect();
            let output = Output { attempt: 1, value, items: items.to_vec(), steps };
            serde_json::to_string(&output).expect("JSON")
        };
        let list = Output { value: value("list", None), ..given.list };
        let said = Said { attempt: 1, run: record.run.uuid, given: Given { list, ..given }, in_hand: None };
        let warm = Said { in_hand: Some(seed), ..said.clone() };
        record.done(LIST, NO_ITEM, output(value("list", None), &[0, 1], &[]));
        record.done(PART, NO_ITEM, "2".to_owned());
        record.done(PART, 0, output(value("part", Some(0)), &[], &[]));
        record.done(STEPS, NO_ITEM, output(value("steps", None), &[], &[1, 1, 1]));
        record.done(PROGRAM, NO_ITEM, serde_json::to_string(&said).expect("JSON"));
        let loaded = Loaded { run: record.run.uuid, attempt: 1, seed };
        record.done(LOAD, NO_ITEM, serde_json::to_string(&loaded).expect("JSON"));
        let picture = digest::of(&workload::picture(record.run.uuid, 1));
        let seen = digest::hex(&picture);
        record.done(DRAW, NO_ITEM, format!("{{\"files\":[{{\"digest\":\"{seen}\"}}]}}"));
        let looked = Looked { attempt: 1, seen };
        record.done(LOOK, NO_ITEM, serde_json::to_string(&looked).expect("JSON"));
        record.done(WARM, NO_ITEM, serde_json::to_string(&warm).expect("JSON"));
        record.done(NAP, NO_ITEM, slept(workload::NAP));
        record.done(APPROVAL, NO_ITEM, r#"{"by":1}"#.to_owned());
        record.done(SOME, NO_ITEM, "null".to_owned());
        record.last().skipped = Some("`size(list.items) >= 4` is false".to_owned());
        record.done(SPARE, NO_ITEM, output(value("spare", None), &[], &[]));
        record.done(ASK, NO_ITEM, r#"{"by":1}"#.to_owned());
        record.done(CHILD, NO_ITEM, output(value("leaf", None), &[], &[]));
        record.done(DRAFT, NO_ITEM, drafted(seed, workload::ROUNDS));
        let digest = digest::of(&workload::drawn(seed, 1)).to_vec();
        record.kept.push(Kept { run_id: 1, stage: STEPS, item: NO_ITEM, attempt: 1, digest });
        let digest = picture.to_vec();
        record.kept.push(Kept { run_id: 1, stage: DRAW, item: NO_ITEM, attempt: 1, digest });
        if item_dies {
            let Fate::Dies(stumble) = fate::of(seed, "part", Some(1)).fate else { unreachable!("it was chosen so") };
            record.dead(PART, 1, stumble.class());
        } else {
            record.done(PART, 1, output(value("part", Some(1)), &[], &[]));
            record.done(TOTAL, NO_ITEM, output(total, &[], &[]));
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
            skipped: None,
            waited_since: started_at,
            started_at,
            ended_at,
        });
        self.last()
    }

    fn last(&mut self) -> &mut AttemptEnd {
        self.attempts.last_mut().expect("there is one")
    }

    fn of_stage(&mut self, stage: i16) -> &mut AttemptEnd {
        self.attempts.iter_mut().find(|a| a.stage == stage).expect("it is there")
    }

    /// The signal came to that, after so many seconds.
    fn approved(&mut self, by: u32, seconds: u64) {
        let done = self.of_stage(APPROVAL);
        done.output = Some(format!(r#"{{"by":{by}}}"#));
        done.ended_at = done.started_at + Duration::from_secs(seconds);
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
        self.judged_where(false)
    }

    fn judged_where(&self, loses_commits: bool) -> Vec<&'static str> {
        let case = Case {
            run: &self.run,
            attempts: self.attempts.iter().collect(),
            deaths: self.deaths.iter().collect(),
            kept: self.kept.iter().collect(),
            signals: Sent { all: self.sent.clone(), taken: self.taken.clone() },
            callbacks: Sent { all: vec![1], taken: vec![1] },
            loses_commits,
        };
        judge(&case).into_iter().map(|(what, _)| what).collect()
    }
}

fn drafted(seed: u64, round: u32) -> String {
    let seen = round.checked_sub(1).filter(|seen| *seen > 0);
    serde_json::to_string(&Drafted { seed, attempt: 1, round, seen }).expect("JSON")
}

/// What a sleep of that length comes to.
fn slept(length: Duration) -> String {
    let since = DateTime::UNIX_EPOCH;
    serde_json::to_string(&Slept { since, until: since + length, woken: false }).expect("JSON")
}

const NOT_RIGHT: &str = "outputs that are not of the attempt that committed them, or not right";

#[test]
fn an_answer_that_counts_is_the_output_and_a_timeout_comes_in_its_time() {
    // What was sent, what was said to count, what came of it after how many seconds, and whether that is right.
    type Told = (&'static [u32], &'static [u32], u32, u64, bool);
    let told: [Told; 9] = [
        (&[1], &[1], 1, 9, true),
        (&[1], &[], 1, 9, true),
        (&[1], &[], 0, 9, true),
        (&[], &[], 0, 9, true),
        (&[], &[], 0, 1, false),
        (&[1], &[1], 0, 9, false),
        (&[1, 2], &[2], 1, 9, false),
        (&[1, 2], &[1, 2], 1, 9, false),
        (&[], &[], 1, 9, false),
    ];
    for (sent, taken, by, seconds, is_right) in told {
        let mut record = Record::of(seed(false), false);
        (record.sent, record.taken) = (sent.to_vec(), taken.to_vec());
        record.approved(by, seconds);
        let wrong: &[&str] = if is_right { &[] } else { &[NOT_RIGHT] };
        assert_eq!(record.judged(), wrong, "{sent:?} {taken:?} {by} {seconds}");
    }
}

#[test]
fn an_optional_stage_that_is_given_up_leaves_a_skip_and_the_run_goes_on() {
    let mut record = Record::of(seed(false), false);
    let spare_dies = |seed: &u64| {
        let dies = |stage, item| matches!(fate::of(*seed, stage, item).fate, Fate::Dies(_));
        let parts = (0..2).any(|item| dies("part", Some(item)));
        dies("spare", None) && !parts && !["list", "steps", "total"].iter().any(|stage| dies(stage, None))
    };
    let found = (0..).find(spare_dies).expect("there are many");
    assert_eq!(record.judged(), Vec::<&str>::new());
    record = Record::of(found, false);
    record.attempts.retain(|a| a.stage != SPARE && a.stage != TOTAL);
    let Fate::Dies(stumble) = fate::of(found, "spare", None).fate else { unreachable!("it was chosen so") };
    record.dead(SPARE, NO_ITEM, stumble.class());
    let failures = record.attempts.iter().filter(|a| a.stage == SPARE).count();
    let value = |stage: &str, item| fate::of(found, stage, item).value;
    let total = value("total", None) + value("steps", None) + value("part", Some(0)) + value("part", Some(1));
    record.put(SPARE, NO_ITEM, failures as i32 + 1, "done").skipped = Some("given up".to_owned());
    let output = Output { attempt: 1, value: total, items: Vec::new(), steps: Vec::new() };
    record.done(TOTAL, NO_ITEM, serde_json::to_string(&output).expect("JSON"));
    assert_eq!(record.judged(), Vec::<&str>::new());
    record.attempts.retain(|a| (a.stage, a.outcome.as_str()) != (SPARE, "done"));
    let wrong = "checkpoints of jobs that never finish, or none where the run is to go on";
    assert_eq!(record.judged(), [wrong]);
}

#[test]
fn what_ended_as_it_should_is_not_complained_of() {
    assert_eq!(Record::of(seed(false), false).judged(), Vec::<&str>::new());
    assert_eq!(Record::of(seed(true), true).judged(), Vec::<&str>::new());
}

#[test]
fn a_step_that_runs_again_before_those_that_are_read_back_was_lost_in_a_failover() {
    let mut record = Record::of(seed(false), false);
    let steps = record.attempts.iter().position(|a| a.stage == STEPS).expect("it is there");
    let mut first = record.attempts[steps].clone();
    (first.outcome, first.output) = ("lost".to_owned(), None);
    let second = &mut record.attempts[steps];
    second.attempt = 2;
    let text = second.output.take().expect("it is done");
    let mut output: Output = serde_json::from_str(&text).expect("JSON");
    output.attempt = 2;
    output.steps[0].attempt = 2;
    second.output = Some(serde_json::to_string(&output).expect("JSON"));
    record.attempts.insert(steps, first);
    assert!(record.judged_where(false).contains(&NOT_RIGHT));
    assert!(!record.judged_where(true).contains(&NOT_RIGHT));
}

#[test]
fn what_is_wrong_is_found() {
    type Harm = fn(&mut Record);
    let harms: [(Harm, &str); 13] = [
        (|r| r.of_stage(DRAFT).output = Some(drafted(seed(false), 1)), NOT_RIGHT),
        (|r| r.of_stage(ASK).output = Some(r#"{"by":0}"#.to_owned()), NOT_RIGHT),
        (|r| r.of_stage(NAP).output = Some(slept(workload::NAP / 2)), NOT_RIGHT),
        (|r| r.of_stage(SOME).skipped = None, "stages that were skipped, or not, against their conditions"),
        (
            |r| {
                let warm = r.of_stage(WARM);
                let text = warm.output.take().expect("it is done");
                warm.output = Some(text.replace("\"in_hand\":", "\"in_hand\":1"));
            },
            NOT_RIGHT,
        ),
        (|r| r.attempts.retain(|a| a.stage != PROGRAM), "jobs that have not exactly one checkpoint"),
        (|r| r.done(STEPS, 3, String::new()), "jobs that should never have begun"),
        (|r| r.run.state = "blocked".to_owned(), "runs that did not end as they should"),
        (|r| r.attempts[0].attempt = 2, NOT_RIGHT),
        (|r| r.attempts[2].output = r.attempts[0].output.clone(), NOT_RIGHT),
        (
            |r| {
                let later = r#""attempt":2"#;
                r.attempts[5].output =
                    r.attempts[5].output.take().map(|output| output.replace(r#""attempt":1"#, later));
            },
            NOT_RIGHT,
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
    what_is_another_run_s_is_found();
    let mut record = Record::of(seed(true), true);
    record.attempts.pop();
    assert_eq!(record.judged(), ["jobs that had more or fewer tries than their retries allow"]);
    record.deaths.clear();
    assert!(record.judged().contains(&"jobs that were not given up once, for the cause that was injected"));
}

/// Of another run, and right there: each output, step and artifact.
fn what_is_another_run_s_is_found() {
    let own = seed(false);
    let other = Record::of(own + 1, false);
    for place in 0..other.attempts.len() {
        let mut record = Record::of(own, false);
        // How many items there are is the same, and these say nothing of their run.
        let (stage, item) = (record.attempts[place].stage, record.attempts[place].item);
        if (stage, item) == (PART, NO_ITEM) || [NAP, APPROVAL, SOME, ASK].contains(&stage) {
            continue;
        }
        record.attempts[place].output = other.attempts[place].output.clone();
        assert_eq!(record.judged(), [NOT_RIGHT], "{place}");
    }
    let mut record = Record::of(own, false);
    let steps = record.attempts.iter_mut().find(|a| a.stage == STEPS).and_then(|a| a.output.as_mut());
    let steps = steps.expect("there is one");
    *steps = steps.replacen(&format!("\"seed\":{own}"), &format!("\"seed\":{}", own + 1), 1);
    assert_eq!(record.judged(), [NOT_RIGHT]);
    let mut record = Record::of(own, false);
    record.kept[0].digest = other.kept[0].digest.clone();
    assert_eq!(record.judged(), ["artifacts that are not of their own run and attempt"]);
}
