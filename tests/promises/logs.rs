//! Whatever happens is told once, under the same names, as docs/logs.md has it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value};

use crate::harness::{Process, SOON, World, stdout, until};
use crate::workflows::{SQUARES, WORK};

/// Fails as it is told to, and is retried at once.
const FAILS: &str = r#"
name = "fails"
[stages.misbehave]
rust = "misbehave"
retry = { network_timeout = { base = "10ms" } }
"#;

/// A stage that is given up at once, beside one that works for long.
const TORN: &str = r#"
name = "torn"
[stages.gives-up]
rust = "misbehave"
[stages.works]
rust = "work"
"#;

/// A stage that is given up and not needed, and one that is skipped.
const SPARE: &str = r#"
name = "spare"
[stages.may-fail]
rust = "misbehave"
optional = true
[stages.asks]
rust = "misbehave"
when = "input.how == 'never'"
"#;

/// Programs that stay: one that dies after its first job, and one that does not start.
const STAYS: &str = concat!(
    "name = \"stays\"\n[stages.dies]\ncommand = [\"python3\", \"",
    env!("CARGO_MANIFEST_DIR"),
    "/tests/promises/warm/program.py\"]\nwarm = {}\nenv = { NOTES = \"/dev/null\" }\n\
     [stages.starts-not]\ncommand = [\"sh\", \"-c\", \"exit 65\"]\nwarm = {}\n"
);

/// Stages that wait for somebody.
const OUTSIDE: &str = "name = \"outside\"\n[stages.nap]\nsleep = \"6h\"\n[stages.go]\n\
                       wait = { for = \"signal\", name = \"go\", timeout = \"72h\" }\n";

/// A stage whose second round is good enough.
const AGAIN: &str = "name = \"again\"\n[stages.count]\ncommand = [\"sh\", \"-c\", \"echo $PITON_ROUND\"]\n\
                     repeat = { until = \"count > 1\", at_most = 2 }\n";

/// Neither a log nor a label holds what this stands in.
const PAYLOAD: &str = "the-payload-of-a-run";

type Event = Map<String, Value>;

/// A row of the list: level and fields, those with a `?` left to chance.
struct Listed {
    level: String,
    always: BTreeSet<String>,
    sometimes: BTreeSet<String>,
}

fn listed() -> BTreeMap<String, Listed> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/logs.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| event |")).skip(2);
    let row = |line: &str| -> (String, Listed) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let fields: Vec<&str> = cells[4].split_whitespace().map(|field| field.trim_matches('`')).collect();
        let (sometimes, always) = fields.into_iter().partition::<Vec<&str>, _>(|field| field.ends_with('?'));
        let sometimes = sometimes.into_iter().map(|field| field.trim_end_matches('?').to_owned()).collect();
        let always = always.into_iter().map(str::to_owned).collect();
        (cells[1].trim_matches('`').to_owned(), Listed { level: cells[2].to_uppercase(), always, sometimes })
    };
    rows.take_while(|line| line.starts_with('|')).map(row).collect()
}

/// Names of events in the source.
fn written() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/events");
    let texts = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let names = |text: String| -> Vec<String> {
        let words = text.split('"').skip(1).step_by(2).map(str::to_owned);
        words.filter(|word| word.contains('_') && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')).collect()
    };
    texts.flat_map(names).collect()
}

#[test]
fn the_list_of_events_is_that_of_the_source() {
    assert_eq!(listed().into_keys().collect::<BTreeSet<_>>(), written());
}

/// Workers and commands whose logs are read afterwards.
struct Told<'w> {
    world: &'w World,
    logs: BTreeSet<String>,
}

impl Told<'_> {
    fn worker(&mut self, name: &str, arguments: &[&str]) -> Process {
        self.logs.insert(name.to_owned());
        let all = [&["--log", "debug", "--log-format", "json"], arguments].concat();
        self.world.worker(name, &all)
    }

    /// Without handlers, on the files of that folder.
    fn of_program(&mut self, program: &Path, name: &str, folder: &Path) -> Process {
        self.logs.insert(name.to_owned());
        let arguments = ["worker", "--name", name, "--workflows", folder.to_str().unwrap()];
        let mut command = self.world.command_of(program, arguments);
        command.args(["--log", "debug", "--log-format", "json"]);
        Process::spawn(command, self.world.path(&format!("{name}.log")))
    }

    /// A command of a person.
    fn decides(&mut self, arguments: &[&str]) {
        let mut command = self.world.command(arguments);
        command.args(["--log", "piton::events=debug", "--log-format", "json"]);
        let output = command.output().unwrap();
        let name = format!("command-{}", self.logs.len());
        std::fs::write(self.world.path(&format!("{name}.log")), &output.stderr).unwrap();
        stdout(&output);
        self.logs.insert(name);
    }

    /// All that was told, and that nothing of it is a payload.
    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for name in &self.logs {
            let text = std::fs::read_to_string(self.world.path(&format!("{name}.log"))).unwrap();
            assert!(!text.contains(PAYLOAD), "a payload is in the log of {name}");
            for line in text.lines() {
                let Value::Object(line) = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line} is no JSON"))
                else {
                    panic!("{line} is no object")
                };
                if line.contains_key("event") {
                    events.push(line);
                }
            }
        }
        events
    }
}

fn input(how: &str, more: &str) -> String {
    format!(r#"{{"how": "{how}", "note": "{PAYLOAD}"{more}}}"#)
}

#[tokio::test]
async fn every_change_of_a_state_is_told_once_and_as_it_is_listed() {
    let world = World::with(&[SQUARES, WORK, FAILS, TORN, SPARE, STAYS, DECLARED, OUTSIDE, AGAIN]).await;
    let mut told = Told { world: &world, logs: BTreeSet::new() };
    let worker = deaths(&world, &mut told).await;
    let traced = a_trace(&world).await;
    let spare = world.start("spare", &input("fail", r#", "times": 9, "class": "invalid_input""#));
    assert_eq!(world.ended(&spare).await, "done");
    let again = world.start("again", "{}");
    assert_eq!(world.ended(&again).await, "done");
    waits_outside(&world, &mut told).await;
    decisions(&world, &mut told, &worker).await;
    stop(worker).await;
    a_frozen_worker(&world, &mut told).await;
    a_name_of_two(&world, &mut told).await;
    left_to_others(&world, &mut told).await;
    an_ailing_component(&world, &mut told).await;
    programs_that_stay(&world, &mut told).await;
    schedules(&world, &mut told).await;

    let events = told.events();
    as_listed(&events);
    as_in_the_tables(&world, &events).await;
    for event in events.iter().filter(|event| event.get("run").and_then(Value::as_str) == Some(&traced)) {
        let trace = event.get("trace").and_then(Value::as_str);
        assert_eq!(trace, Some("4bf92f3577b34da6a3ce929d0e0e4736"), "{event:?}");
    }
}

#[tokio::test]
async fn what_a_program_says_forges_no_line() {
    let says = r#"{"class": "CLASS", "message": "broken\n2026-11-29T00:00:00Z ERROR forged"}"#;
    let stage = |name: &str, class: &str| {
        let says = says.replace("CLASS", class);
        format!(
            "[stages.{name}]\ncommand = [\"sh\", \"-c\", 'printf \"%s\" \"$1\" >&2; exit 1', \"x\", '''{says}''']\n"
        )
    };
    let retry = "retry = { network_timeout = { max_retries = 1, base = \"1ms\" } }\n";
    let stages = stage("given-up", "invalid_input") + &stage("retried", "network_timeout") + retry;
    let world = World::with(&[&format!("name = \"forger\"\n{stages}")]).await;
    let worker = world.worker("w1", &[]);
    let run = world.start("forger", "{}");
    assert_eq!(world.ended(&run).await, "blocked");
    let told = async || worker.log().matches(r"broken\n2026-11-29T00:00:00Z ERROR forged").count() == 3;
    until(SOON, "both failures and the end of the second are told", told).await;
    assert!(!worker.log().lines().any(|line| line.starts_with("2026-11-29T00:00:00Z")), "{}", worker.log());
}

/// Asks it to stop, and waits for its end.
async fn stop(mut worker: Process) {
    worker.signal("TERM");
    assert_eq!(worker.exit_code().await, Some(0));
}

/// A job that kills whatever runs it, and a worker that comes back under its name.
async fn deaths(world: &World, told: &mut Told<'_>) -> Process {
    let poison = world.start("fails", &input("abort", r#", "times": 9"#));
    let mut first = told.worker("w1", &["--slots", "4"]);
    assert_eq!(first.exit_code().await, None, "it dies by a signal");
    let worker = told.worker("w1", &["--slots", "4"]);
    until(SOON * 2, "it is convicted", async || world.state(&poison).await == "blocked").await;
    told.decides(&["dead-letter", "dismiss", "--run", &poison, "--reason", "it kills"]);
    worker
}

/// Items, some of which fail once, in a run that is a part of a trace.
async fn a_trace(world: &World) -> String {
    let folder = world.path("workflows");
    let mut command = world.command(["start", "squares", "--workflows", folder.to_str().unwrap()]);
    command.args(["--set", "items=8", "--set", "fails_once_every=5", "--set", &format!("note={PAYLOAD}")]);
    command.args(["--traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]);
    let run = stdout(&command.output().unwrap()).trim().to_owned();
    assert_eq!(world.ended(&run).await, "done");
    run
}

/// Stages that wait for somebody.
async fn waits_outside(world: &World, told: &mut Told<'_>) {
    let run = world.start("outside", "{}");
    let waiting = "select count(*) from piton.jobs where state = 'waiting'";
    until(SOON, "both wait", async || world.count(waiting).await == 2).await;
    told.decides(&["wake", &run, "nap"]);
    told.decides(&["signal", &run, "go", "--set", "approved=true"]);
    assert_eq!(world.ended(&run).await, "done");
}

/// What people decide about: jobs that were given up, and one that waits.
async fn decisions(world: &World, told: &mut Told<'_>, worker: &Process) {
    let refused = world.start("fails", &input("fail", r#", "times": 9, "class": "auth_failure""#));
    let waits = world.start("fails", &input("fail", r#", "times": 9, "class": "rate_limited""#));
    let torn = input("fail", r#", "times": 9, "class": "invalid_input", "work_ms": 60000"#);
    let torn = world.start("torn", &torn);
    assert_eq!(world.ended(&refused).await, "blocked");
    let letters = async || world.count("select count(*) from piton.dead_letters").await;
    let before = letters().await;
    told.decides(&["dead-letter", "retry", "--run", &refused]);
    until(SOON, "it is given up again", async || letters().await > before).await;

    let scheduled = "select count(*) from piton.jobs where state = 'scheduled'";
    until(SOON, "a job waits", async || world.count(scheduled).await == 1).await;
    told.decides(&["dead-letter", "force", &waits, "misbehave", "--reason", "nobody needs it"]);

    let running = "select count(*) from piton.jobs where state = 'running'";
    until(SOON, "a branch is blocked, and the other one runs", async || {
        world.state(&torn).await == "blocked" && world.count(running).await == 1
    })
    .await;
    told.decides(&["dead-letter", "dismiss", "--run", &torn, "--reason", "not needed"]);
    let held = world.start("fails", &input("hang", ""));
    let running = "select count(*) from piton.jobs where state = 'running'";
    until(SOON, "it hangs", async || world.count(running).await == 1).await;
    told.decides(&["pause", "fails", "--reason", "nothing is to begin"]);
    let (file, folder) = (world.path("night.jsonl"), world.path("workflows"));
    std::fs::write(&file, "{}\n{}\n").unwrap();
    let (file, folder) = (file.to_str().unwrap(), folder.to_str().unwrap());
    told.decides(&["batch", "start", "night", "fails", "--input", file, "--workflows", folder]);
    told.decides(&["batch", "cancel", "night", "--reason", "nobody needs it"]);
    told.decides(&["cancel", &held, "--reason", "nobody needs it"]);
    told.decides(&["resume", "fails"]);
    let other = world.path("other.toml");
    std::fs::write(&other, FAILS.replace("10ms", "20ms")).unwrap();
    told.decides(&["workflows", "deploy", other.to_str().unwrap()]);
    told.decides(&["workflows", "rollback", "fails", "--reason", "it was better before"]);
    worker.says("attempt_cancelled").await;
}

/// One that is only slow is given up by the others, and goes on.
async fn a_frozen_worker(world: &World, told: &mut Told<'_>) {
    let frozen = told.worker("frozen", &["--lease", "2s"]);
    let before = world.journal().len();
    let run = world.start("work", r#"{"work_ms": 300}"#);
    until(SOON, "it runs", async || world.journal().len() > before).await;
    frozen.signal("STOP");
    let other = told.worker("other", &["--lease", "2s"]);
    assert_eq!(world.ended(&run).await, "done");
    frozen.signal("CONT");
    frozen.says("attempt_fenced").await;
    frozen.says("worker_given_up").await;
    stop(frozen).await;
    stop(other).await;
}

/// A second one of its name waits; and the database forgets the boot of the first one, as where it is set back.
async fn a_name_of_two(world: &World, told: &mut Told<'_>) {
    let first = told.worker("twin", &[]);
    first.says("worker_started").await;
    let second = told.worker("twin", &[]);
    second.says("worker_waits").await;
    stop(second).await;
    sqlx::query("update piton.workers set id = 4711 where name = 'twin' and stopped_at is null")
        .execute(&world.pool)
        .await
        .unwrap();
    first.says("worker_unknown").await;
    first.says("worker_given_up").await;
    stop(first).await;
}

/// One has a stage of that name that is another one; the next has it, and must go before it is done.
async fn left_to_others(world: &World, told: &mut Told<'_>) {
    let run = world.start("work", r#"{"work_ms": 60000}"#);
    let folder = world.path("other");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("work.toml"), "name = \"work\"\n[stages.work]\ncommand = [\"true\"]\n").unwrap();
    let stranger = told.of_program(Path::new(env!("CARGO_BIN_EXE_piton")), "stranger", &folder);
    stranger.says("claim_returned").await;
    stop(stranger).await;

    let last = told.worker("last", &["--grace", "100ms"]);
    let held = "select count(*) from piton.jobs where state = 'running'";
    until(SOON, "it runs", async || world.count(held).await == 1).await;
    stop(last).await;
    assert_eq!(world.state(&run).await, "running");
}

/// The artifact store is away for a while.
async fn an_ailing_component(world: &World, told: &mut Told<'_>) {
    let worker = told.worker("watchful", &["--health-every", "50ms"]);
    let store = world.path("artifacts");
    until(SOON, "the store was used", async || store.is_dir()).await;
    std::fs::rename(&store, world.path("moved")).unwrap();
    std::fs::write(&store, "").unwrap();
    worker.says("component_not_healthy").await;
    std::fs::remove_file(&store).unwrap();
    worker.says("component_recovered").await;
    worker.says("worker_has_again").await;
    stop(worker).await;
}

/// One dies, one does not start, and one ends with its worker.
async fn programs_that_stay(world: &World, told: &mut Told<'_>) {
    let worker = told.worker("warm", &[]);
    let run = world.start("stays", r#"{"do": "die_after"}"#);
    assert_eq!(world.ended(&run).await, "blocked", "its other program does not start");
    worker.says("program_broken").await;
    let run = world.start("stays", "{}");
    assert_eq!(world.ended(&run).await, "blocked");
    worker.says("program_started").await;
    stop(worker).await;
}

/// A workflow that starts on nothing without a topic.
const DECLARED: &str = "name = 'declared'\n[input]\ntopic = 'string'\n[stages.a]\nrust = 'work'\n";

/// One that starts its run, one that is refused, and one that cannot be read; and what people do to them.
async fn schedules(world: &World, told: &mut Told<'_>) {
    let worker = told.worker("scheduling", &[]);
    worker.says("worker_started").await;
    let all = "select piton.set_schedule('work', 'often', '{\"every\": \"1h\", \"input\": {\"work_ms\": 0}}'),
                      piton.set_schedule('work', 'broken', '{\"cron\": \"61 * * * *\"}'),
                      piton.set_schedule('declared', 'lacks', '{\"every\": \"1h\"}')";
    sqlx::query(all).execute(&world.pool).await.unwrap();
    let earlier = "update piton.schedules set anchor_at = anchor_at - interval '1 hour', settled_until = settled_until - interval '1 hour',
                                              look_at = now() where paused_at is null";
    sqlx::query(earlier).execute(&world.pool).await.unwrap();
    for event in ["schedule_started_run", "schedule_refused", "schedule_stopped"] {
        worker.says(event).await;
    }
    let again = "update piton.schedules set settled_until = settled_until - interval '1 minute', look_at = now() where name = 'often'";
    sqlx::query(again).execute(&world.pool).await.unwrap();
    worker.says("schedule_started_none").await;
    told.decides(&["schedules", "trigger", "work", "often"]);
    told.decides(&["schedules", "pause", "work", "often", "--reason", "enough"]);
    told.decides(&["schedules", "resume", "work", "often"]);
    let open =
        "select count(*) from piton.schedule_runs s join piton.runs r on r.id = s.run_id where r.state = 'running'";
    until(SOON, "its runs are done", async || world.count(open).await == 0).await;
    stop(worker).await;
}

fn as_listed(events: &[Event]) {
    let listed = listed();
    for event in events {
        let row = &listed[event["event"].as_str().unwrap()];
        let told = ["timestamp", "level", "message", "event"];
        let fields: BTreeSet<String> = event.keys().filter(|key| !told.contains(&key.as_str())).cloned().collect();
        let missing: Vec<&String> = row.always.difference(&fields).collect();
        let known: BTreeSet<String> = row.always.union(&row.sometimes).cloned().collect();
        let unknown: Vec<&String> = fields.difference(&known).collect();
        assert!(missing.is_empty() && unknown.is_empty(), "{event:?} lacks {missing:?}, and has {unknown:?}");
        assert_eq!(event["level"], row.level, "{event:?}");
        assert!(event["message"].as_str().is_some_and(|text| text.contains(' ')), "{event:?}");
    }
    let seen: BTreeSet<String> = events.iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(seen, listed.into_keys().collect(), "all of them happened");
}

/// An attempt's event, as far as it says which one: event, run, stage, item, attempt.
type Told5 = (String, String, String, i64, i64);

async fn as_in_the_tables(world: &World, events: &[Event]) {
    let names = ["attempt_started", "attempt_done", "attempt_retried", "job_given_up", "attempt_released"];
    let names = [&names[..], &["attempt_cancelled", "attempt_lost", "attempt_skipped", "job_tolerated", "round_begun"]]
        .concat();
    let text = |event: &Event, field: &str| event[field].as_str().unwrap().to_owned();
    let number = |event: &Event, field: &str| event.get(field).map_or(-1, |number| number.as_i64().unwrap());
    let mut told: Vec<Told5> = events
        .iter()
        .filter(|event| names.contains(&event["event"].as_str().unwrap()))
        .map(|e| (text(e, "event"), text(e, "run"), text(e, "stage"), number(e, "item"), number(e, "attempt")))
        .collect();
    told.sort();
    let ended: Vec<Told5> = sqlx::query_as(
        "with ended as (
             select run_id, stage, item, attempt, case when skipped is null then 'attempt_done' else 'attempt_skipped' end as event
             from piton.checkpoints k
             -- Behind what is tolerated there is no attempt.
             where not exists (select from piton.dead_letters d where d.run_id = k.run_id and d.stage = k.stage and d.item = k.item
                               and d.attempt = k.attempt - 1 and d.resolution = 'tolerated')
             union all
             select run_id, stage, item, attempt, 'round_begun' from piton.round_checkpoints
             union all
             select a.run_id, a.stage, a.item, a.attempt,
                    case when d.resolution = 'tolerated' then 'job_tolerated' when d.id is not null then 'job_given_up' when a.outcome = 'failed' then 'attempt_retried'
                         else 'attempt_' || a.outcome end
             from piton.attempts a
             left join piton.dead_letters d on d.run_id = a.run_id and d.stage = a.stage and d.item = a.item
                 and d.attempt = a.attempt and a.retry_at is null
             where a.message is null or a.message not like 'given up by %')
         select e.event, r.uuid::text, v.definition -> 'stages' -> e.stage::int ->> 'name', e.item::int8, e.attempt::int8
         from (select * from ended union all select run_id, stage, item, attempt, 'attempt_started' from ended) as e
         join piton.runs r on r.id = e.run_id join piton.workflow_versions v on v.id = r.version_id",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    let mut expected = ended;
    expected.sort();
    let beyond = |some: &[Told5], others: &[Told5]| -> Vec<Told5> {
        let others: BTreeSet<&Told5> = others.iter().collect();
        some.iter().filter(|one| !others.contains(one)).cloned().collect()
    };
    let (too_much, too_little) = (beyond(&told, &expected), beyond(&expected, &told));
    assert!(too_much.is_empty() && too_little.is_empty(), "told and not so: {too_much:?}\nnot told: {too_little:?}");
    assert_eq!(told.len(), expected.len(), "something is told twice");

    let told = |event: &str| -> i64 { events.iter().filter(|e| e["event"] == event).count().try_into().unwrap() };
    for (event, rows) in [
        ("run_started", "select count(*) from piton.runs"),
        ("run_done", "select count(*) from piton.runs where state = 'done'"),
        ("dead_letter_retried", "select count(*) from piton.dead_letters where resolution = 'retried'"),
        ("dead_letter_dismissed", "select count(*) from piton.dead_letters where resolution = 'dismissed'"),
        ("worker_lost", "select count(*) from piton.workers where stop_reason = 'lost'"),
        ("worker_superseded", "select count(*) from piton.workers where stop_reason = 'superseded'"),
        ("worker_stopped", "select count(*) from piton.workers where stop_reason = 'drained'"),
        ("worker_stopping", "select count(*) from piton.workers where stop_reason = 'drained'"),
    ] {
        assert_eq!(told(event), world.count(rows).await, "{event}");
    }
    let letters = world.count("select count(*) from piton.dead_letters").await;
    assert_eq!(told("job_given_up") + told("job_tolerated") + told("dead_letter_forced"), letters);
    let boots = world.count("select count(*) from piton.workers").await;
    assert_eq!(told("worker_started") + told("worker_given_up"), boots);
    assert_eq!((told("attempt_fenced"), told("claim_returned"), told("dead_letter_forced")), (1, 1, 1));
}
