//! A tick starts one run, however many workers look, whatever the clock does; and what people and files say about schedules holds.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::api::client::Api;
use crate::harness::{SOON, World, stdout, until};
use crate::workflows::{MISBEHAVE, WORK};

const RUNS: &str = "select count(*) from piton.schedule_runs";

fn says(world: &World, arguments: &[&str]) -> String {
    stdout(&world.command(arguments).output().unwrap())
}

fn refused(world: &World, arguments: &[&str]) -> String {
    let output = world.command(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

async fn set(world: &World, workflow: &str, schedule: &str, definition: Value) {
    let sql = "select piton.set_schedule($1, $2, $3::json)";
    let asked = sqlx::query(sql).bind(workflow).bind(schedule).bind(definition.to_string());
    asked.execute(&world.pool).await.unwrap();
}

/// So much time passes for these schedules; what they have started is as much older, so that their next ticks are others.
async fn pass(world: &World, schedules: &str, span: &str) {
    let mut transaction = world.pool.begin().await.unwrap();
    let all = [
        // Workers that decide at this moment come to their end first.
        "lock table piton.schedules in exclusive mode".to_owned(),
        format!(
            "update piton.schedules
             set anchor_at = anchor_at - interval '{span}', settled_until = settled_until - interval '{span}', look_at = now(),
                 failures_since = failures_since - interval '{span}'
             where name like '{schedules}' and paused_at is null"
        ),
        format!("update piton.schedule_runs set tick = tick - interval '{span}' where schedule like '{schedules}'"),
        "update piton.run_keys set key = 'older/' || gen_random_uuid() where key like 'schedule/%'".to_owned(),
    ];
    for sql in all {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

/// A column of a schedule's overview.
async fn of(world: &World, schedule: &str, column: &str) -> String {
    let sql =
        format!("select coalesce(({column})::text, '') from piton.schedules_overview where schedule = '{schedule}'");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&world.pool).await.unwrap()
}

async fn runs_of(world: &World, schedule: &str) -> i64 {
    let sql = "select count(*) from piton.schedule_runs where schedule = $1";
    sqlx::query_scalar(sql).bind(schedule).fetch_one(&world.pool).await.unwrap()
}

/// Until a worker has decided about everything that is due.
async fn decided(world: &World) {
    let due = "select count(*) from piton.schedules where paused_at is null and look_at <= now()";
    until(SOON, "every schedule that is due is decided about", async || world.count(due).await == 0).await;
}

#[tokio::test]
async fn a_tick_starts_one_run_however_many_workers_look_and_die() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    let many = "select piton.set_schedule('work', 's' || n, '{\"every\": \"1h\", \"overlap\": \"allow\", \"input\": {\"work_ms\": 0}}')
                from generate_series(1, 600) n";
    sqlx::query(many).execute(&world.pool).await.unwrap();
    let mut workers: Vec<_> = (1..=4).map(|n| world.worker(&format!("w{n}"), &[])).collect();
    for round in 1..=3 {
        pass(&world, "s%", "1 hour").await;
        // One of them dies while it starts runs, if it does.
        until(SOON, "runs start", async || world.count(RUNS).await > (round - 1) * 600).await;
        workers.remove(0).kill();
        workers.push(world.worker(&format!("w{}", round + 4), &[]));
        until(SOON * 2, "every tick has its run", async || world.count(RUNS).await >= round * 600).await;
        decided(&world).await;
        assert_eq!(world.count(RUNS).await, round * 600);
    }
    let twice =
        "select count(*) from (select from piton.schedule_runs group by schedule, tick having count(*) > 1) as t";
    assert_eq!(world.count(twice).await, 0, "a tick started two runs");
    assert_eq!(world.count("select count(*) from piton.runs").await, 1_800, "runs that are of no tick");
    // A look that the clock, or a restored row, takes back: those ticks have their runs.
    let back = "update piton.schedules set settled_until = settled_until - interval '2 hours', look_at = now()";
    sqlx::query(back).execute(&world.pool).await.unwrap();
    decided(&world).await;
    assert_eq!(world.count("select count(*) from piton.schedules where last_outcome = 'known'").await, 600);
    assert_eq!(world.count("select count(*) from piton.runs").await, 1_800, "a tick that came again started a run");
    until(SOON * 2, "all runs are done", async || world.count("select count(*) from piton.jobs").await == 0).await;
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn after_the_clock_went_back_schedules_go_on_and_no_tick_comes_twice() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    set(&world, "work", "often", json!({"every": "1s", "input": {"work_ms": 0}})).await;
    let _worker = world.worker("w1", &[]);
    until(SOON, "it ticks", async || runs_of(&world, "often").await > 0).await;
    let ahead = "update piton.schedules set settled_until = now() + interval '1 year', anchor_at = date_trunc('second', now() + interval '1 year'),
                 next_tick = now() + interval '1 year', look_at = now() + interval '1 year'";
    sqlx::query(ahead).execute(&world.pool).await.unwrap();
    let before = runs_of(&world, "often").await;
    until(SOON, "it ticks again", async || runs_of(&world, "often").await > before + 1).await;
    let twice =
        "select count(*) from (select from piton.schedule_runs group by schedule, tick having count(*) > 1) as t";
    assert_eq!(world.count(twice).await, 0);
}

#[tokio::test]
async fn of_missed_ticks_those_start_that_the_schedule_says() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    let input = json!({"work_ms": 0});
    set(&world, "work", "last", json!({"every": "1h", "input": input})).await;
    set(&world, "work", "last-within", json!({"every": "1h", "input": input, "within": "10m"})).await;
    set(&world, "work", "none", json!({"every": "1h", "input": input, "missed": "none"})).await;
    set(&world, "work", "all", json!({"every": "1h", "input": input, "missed": "all", "overlap": "allow"})).await;
    let within = json!({"every": "1h", "input": input, "missed": "all", "overlap": "allow", "within": "2h30m"});
    set(&world, "work", "all-within", within).await;
    set(&world, "work", "many", json!({"every": "1m", "input": input, "missed": "all", "overlap": "allow"})).await;
    // Nobody looked: five ticks, of which the last one was 15 minutes ago.
    pass(&world, "%", "5 hours 15 minutes").await;
    let _worker = world.worker("w1", &[]);
    decided(&world).await;
    for (schedule, runs) in [("last", 1), ("last-within", 0), ("none", 0), ("all", 5), ("all-within", 3), ("many", 315)]
    {
        assert_eq!(runs_of(&world, schedule).await, runs, "{schedule}");
    }
    assert_eq!(of(&world, "last-within", "last_outcome").await, "missed");
    assert_eq!(of(&world, "last", "next_tick > now()").await, "true");
    // Each tick once, and each run is told of the one before.
    let told = "select count(*) from (
                    select r.input #>> '{tick,previous}' as previous, lag(r.input #>> '{tick,at}') over (order by s.tick) as before
                    from piton.schedule_runs s join piton.runs r on r.id = s.run_id where s.schedule = 'many') as t
                where previous is distinct from before";
    assert_eq!(world.count(told).await, 0);
    until(SOON * 2, "all runs are done", async || world.count("select count(*) from piton.jobs").await == 0).await;
}

#[tokio::test]
async fn a_tick_that_meets_a_run_does_what_the_schedule_says() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    for overlap in ["skip", "queue_one", "allow", "cancel"] {
        let long = json!({"every": "1h", "input": {"work_ms": 60000}, "overlap": overlap});
        set(&world, "work", &overlap.replace('_', "-"), long).await;
    }
    pass(&world, "%", "1 hour").await;
    let _worker = world.worker("w1", &["--slots", "20"]);
    let running = "select count(*) from piton.jobs where state = 'running'";
    until(SOON, "the first runs work", async || world.count(running).await == 4).await;
    pass(&world, "%", "1 hour").await;
    decided(&world).await;
    assert_eq!(of(&world, "skip", "last_outcome").await, "skipped");
    assert_eq!(of(&world, "queue-one", "last_outcome").await, "queued");
    for (schedule, runs) in [("skip", 1), ("queue-one", 1), ("allow", 2), ("cancel", 2)] {
        assert_eq!(runs_of(&world, schedule).await, runs, "{schedule}");
    }
    let cancelled = "select count(*) from piton.cancellations c join piton.schedule_runs s on s.run_id = c.run_id
                     where s.schedule = 'cancel' and c.reason like 'the next tick of its schedule came%' and c.cancelled_by = 'piton'";
    assert_eq!(world.count(cancelled).await, 1);
    // Two more ticks: of those that wait, the last one stays, and starts when the run has ended.
    pass(&world, "queue-one", "2 hours").await;
    let newest = "select count(*) from piton.schedules where name = 'queue-one' and queued_tick = settled_until";
    until(SOON, "it is decided", async || world.count(newest).await == 1).await;
    assert_eq!(runs_of(&world, "queue-one").await, 1);
    let run = of(&world, "queue-one", "last_run").await;
    says(&world, &["cancel", &run, "--reason", "it takes long"]);
    until(SOON, "what waited starts", async || runs_of(&world, "queue-one").await == 2).await;
    assert_eq!(of(&world, "queue-one", "queued_tick").await, "");
    assert_eq!(of(&world, "queue-one", "running").await, "1");
}

const NIGHTLY: &str =
    "\n[schedules.nightly]\ncron = \"30 2 * * *\"\nzone = \"Europe/Berlin\"\n[schedules.often]\nevery = \"6h\"\n";

#[tokio::test]
async fn the_schedules_of_a_workflow_are_those_of_its_current_version() {
    let file = |more: &str| format!("{WORK}{more}");
    let world = World::with(&[&file(NIGHTLY)]).await;
    world.deploy("work");
    let place = "select settled_until::text || ' ' || anchor_at::text from piton.schedules where name = 'often'";
    let before: String = sqlx::query_scalar(place).fetch_one(&world.pool).await.unwrap();
    says(&world, &["schedules", "pause", "work", "nightly", "--reason", "holidays", "--by", "anna"]);
    // Another version with the same times: nothing is counted from anew, and what somebody paused stays paused.
    let folder = world.path("workflows");
    let _worker = world.worker("w1", &[]);
    world.write_workflows(&[&file(&NIGHTLY.replace("\"6h\"", "\"6h\"\ninput = { a = 1.10 }"))]);
    world.deploy("work");
    let after: String = sqlx::query_scalar(place).fetch_one(&world.pool).await.unwrap();
    assert_eq!(after, before, "a deploy moved its ticks");
    assert_eq!(of(&world, "nightly", "paused_by").await, "anna");
    assert_eq!(of(&world, "often", "definition ->> 'input'").await, r#"{"a":1.10}"#);
    // A version that is registered by an old worker changes nothing; one that is deployed without them pauses and tells.
    let shown = says(&world, &["workflows", "show", "work", "--workflows", folder.to_str().unwrap()]);
    assert!(shown.contains("[schedules.nightly]") && shown.contains("Europe/Berlin"), "{shown}");
    world.write_workflows(&[&file("")]);
    world.deploy("work");
    assert_eq!(of(&world, "often", "state || ' ' || paused_because").await, "paused file");
    let told = says(&world, &["changes"]);
    assert!(told.contains("schedule work/often was paused"), "{told}");
    assert!(says(&world, &["schedules", "list"]).contains("the current version of its workflow does not have it"));
    // A worker that restarts on the file of before turns nothing back.
    world.write_workflows(&[&file(NIGHTLY)]);
    let old = world.worker("w2", &[]);
    old.says("worker_started").await;
    assert_eq!(of(&world, "often", "state || ' ' || paused_because").await, "paused file");
    let resume = refused(&world, &["schedules", "resume", "work", "often"]);
    assert!(resume.contains("no longer in the current version"), "{resume}");
    // Back with the version before, as it was; anna's pause is hers to end.
    says(&world, &["workflows", "rollback", "work", "--reason", "it is needed"]);
    assert_eq!(of(&world, "often", "state").await, "active");
    assert_eq!(of(&world, "nightly", "pause_reason").await, "holidays");
    says(&world, &["schedules", "resume", "work", "nightly", "--by", "anna"]);
    until(SOON, "a worker computes its tick", async || !of(&world, "nightly", "next_tick").await.is_empty()).await;
    let tick = of(&world, "nightly", "to_char(next_tick at time zone 'Europe/Berlin', 'HH24:MI')").await;
    assert_eq!(tick, "02:30");
}

#[tokio::test]
async fn a_schedule_that_cannot_start_stops_no_other() {
    let declared = "name = 'declared'\n[input]\ntopic = 'string'\n[stages.a]\nrust = 'echo'\n";
    let world = World::with(&[WORK, declared]).await;
    world.deploy("work");
    world.deploy("declared");
    set(&world, "work", "a-broken", json!({"cron": "61 * * * *"})).await;
    set(&world, "work", "a-zone", json!({"cron": "1 * * * *", "zone": "Mars/Olympus"})).await;
    set(&world, "work", "a-word", json!({"every": "1h", "overlap": "perhaps", "pause_after_failures": "x"})).await;
    set(&world, "declared", "lacks", json!({"every": "1h"})).await;
    set(&world, "declared", "gives-up", json!({"every": "1h", "pause_after_failures": 2})).await;
    set(&world, "declared", "fits", json!({"every": "1h", "input": {"topic": "tides"}})).await;
    set(&world, "work", "good", json!({"every": "1h", "input": {"work_ms": 0}})).await;
    pass(&world, "%", "1 hour").await;
    let worker = world.worker("w1", &[]);
    until(SOON, "the good ones start", async || {
        runs_of(&world, "good").await == 1 && runs_of(&world, "fits").await == 1
    })
    .await;
    decided(&world).await;
    for (broken, said) in
        [("a-broken", "the first field is the minute"), ("a-zone", "`zone`"), ("a-word", "definition")]
    {
        assert_eq!(of(&world, broken, "state || ' ' || paused_because").await, "paused definition");
        let why = of(&world, broken, "pause_reason").await;
        assert!(why.contains(said), "{why}");
    }
    let why = of(&world, "lacks", "last_error").await;
    assert!(why.contains("\"topic\" is missing"), "{why}");
    assert_eq!(of(&world, "lacks", "state || ' ' || last_outcome || ' ' || failures").await, "active refused 1");
    worker.says("schedule_refused").await;
    pass(&world, "%", "1 hour").await;
    decided(&world).await;
    assert_eq!(of(&world, "gives-up", "state || ' ' || paused_because").await, "paused failures");
    assert_eq!(of(&world, "lacks", "failures").await, "2");
    assert_eq!(runs_of(&world, "good").await, 2);
    // The input of a declared workflow has no key that it does not declare.
    assert_eq!(world.count("select count(*) from piton.runs where input -> 'tick' is not null").await, 2);
    // Nobody writes a time that cannot be reckoned with.
    let far = sqlx::query("update piton.schedules set look_at = 'infinity'").execute(&world.pool).await;
    assert!(far.unwrap_err().to_string().contains("schedules_times_check"));
    let stopped = "select value::int8 from piton.state(0) where metric = 'piton_schedules' and label_1 = 'stopped'";
    assert_eq!(world.count(stopped).await, 4);
}

#[tokio::test]
async fn a_schedule_whose_runs_fail_is_paused_and_blocked_runs_do_not_hold_it_up() {
    let world = World::with(&[MISBEHAVE]).await;
    world.deploy("misbehave");
    let fails = json!({"how": "fail", "times": 9, "class": "invalid_input"});
    set(&world, "misbehave", "fails", json!({"every": "1h", "input": fails, "pause_after_failures": 2})).await;
    let _worker = world.worker("w1", &[]);
    for round in 1..=2 {
        pass(&world, "fails", "1 hour").await;
        until(SOON, "it starts a run", async || runs_of(&world, "fails").await == round).await;
        let run = of(&world, "fails", "last_run").await;
        assert_eq!(world.ended(&run).await, "blocked");
        assert_eq!(of(&world, "fails", "failures").await, round.to_string());
    }
    pass(&world, "fails", "1 hour").await;
    until(SOON, "it is paused", async || of(&world, "fails", "state").await == "paused").await;
    assert_eq!(
        of(&world, "fails", "paused_by || ': ' || pause_reason").await,
        "piton: its last 2 runs have failed or are blocked"
    );
    assert_eq!(runs_of(&world, "fails").await, 2);
    let shown = says(&world, &["schedules", "show", "misbehave", "fails"]);
    assert!(shown.contains("schedules resume misbehave fails"), "{shown}");
    // From now on: neither the tick of before, nor the failures of before count.
    says(&world, &["schedules", "resume", "misbehave", "fails"]);
    decided(&world).await;
    assert_eq!(of(&world, "fails", "state || ' ' || failures").await, "active 0");
    pass(&world, "fails", "1 hour").await;
    until(SOON, "it starts a run", async || runs_of(&world, "fails").await == 3).await;
}

#[tokio::test]
async fn what_is_paused_starts_nothing_and_makes_up_for_it_as_for_what_was_missed() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    set(&world, "work", "hourly", json!({"every": "1h", "input": {"work_ms": 0}})).await;
    says(&world, &["pause", "work", "--reason", "the provider is down"]);
    pass(&world, "hourly", "3 hours").await;
    let _worker = world.worker("w1", &[]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(runs_of(&world, "hourly").await, 0);
    assert_eq!(of(&world, "hourly", "state").await, "held");
    says(&world, &["resume", "work"]);
    until(SOON, "the last tick is made up for", async || runs_of(&world, "hourly").await == 1).await;
    // A schedule by itself: from now on.
    says(&world, &["schedules", "pause", "work", "hourly", "--reason", "x"]);
    let passed = "update piton.schedules set anchor_at = anchor_at - interval '2 hours', settled_until = settled_until - interval '2 hours'";
    sqlx::query(passed).execute(&world.pool).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    says(&world, &["schedules", "resume", "work", "hourly"]);
    decided(&world).await;
    assert_eq!(runs_of(&world, "hourly").await, 1);
}

#[tokio::test]
async fn people_trigger_and_backfill_a_schedule_through_every_face() {
    let world = World::with(&[&format!(
        "{WORK}[schedules.nightly]\ncron = '30 2 * * *'\nzone = 'Europe/Berlin'\ninput = {{ work_ms = 0 }}\n"
    )])
    .await;
    // Whatever the zone of the database.
    sqlx::query(
        "do $$ begin execute format('alter database %I set timezone = ''Asia/Kathmandu''', current_database()); end $$",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    world.deploy("work");
    let _worker = world.worker("w1", &[]);
    let api = Api::of(&world).await;
    let next = says(&world, &["schedules", "next", "work", "nightly", "--count", "2", "--json"]);
    let next: Value = serde_json::from_str(&next).unwrap();
    assert_eq!(next[0]["text"].as_str().unwrap().get(11..16), Some("02:30"), "{next}");
    let shown = api.get("/schedules/work/nightly").good();
    assert_eq!(
        (shown["at"].as_str(), shown["next_ticks"][0].clone()),
        (Some("30 2 * * * in Europe/Berlin"), next[0].clone())
    );
    let by_cli: Value =
        serde_json::from_str(&says(&world, &["schedules", "trigger", "work", "nightly", "--json"])).unwrap();
    let by_api = api.post("/schedules/work/nightly/trigger", &json!({"reason": "once more"})).good();
    sqlx::query("select piton.trigger_schedule('work', 'nightly', 'anna')").execute(&world.pool).await.unwrap();
    for run in [&by_cli["run"], &by_api["run"]] {
        let run = run.as_str().unwrap();
        assert_eq!(world.ended(run).await, "done");
        assert!(says(&world, &["show", run]).contains("Schedule nightly was triggered by hand"));
        assert_eq!(api.get(&format!("/runs/{run}")).good()["schedule"]["is_triggered"], json!(true));
    }
    let triggered = "select count(*) from piton.audit where verb = 'trigger_schedule' and subject = 'work/nightly' and face in ('cli', 'api', 'sql')";
    assert_eq!(world.count(triggered).await, 3);
    // The night when clocks went forward, and those around it; what has a run is left out.
    let nights = json!({"from": "2026-03-28T00:00:00Z", "to": "2026-03-30T23:00:00Z", "cap": 2, "name": "spring"});
    assert_eq!(api.post("/schedules/work/nightly/backfill", &nights).good()["items"], json!(3));
    let told = "select string_agg(input #>> '{tick,at}' || ' after ' || (input #>> '{tick,previous}'), ', ' order by id) from piton.runs
                where input #>> '{tick,at}' like '2026-03%'";
    let inputs = async || {
        sqlx::query_scalar::<_, Option<String>>(told).fetch_one(&world.pool).await.unwrap().unwrap_or_default()
    };
    until(SOON, "all of them have started", async || inputs().await.matches("after").count() == 3).await;
    assert_eq!(
        inputs().await,
        "2026-03-28T02:30:00+01:00 after 2026-03-27T02:30:00+01:00, 2026-03-29T03:00:00+02:00 after 2026-03-28T02:30:00+01:00, \
         2026-03-30T02:30:00+02:00 after 2026-03-29T03:00:00+02:00"
    );
    let none = refused(
        &world,
        &["schedules", "backfill", "work", "nightly", "--from", "2026-03-28T03:00:00Z", "--to", "2026-03-28T04:00:00Z"],
    );
    assert!(none.contains("has no tick between"), "{none}");
    assert!(
        refused(&world, &["schedules", "pause", "work", "nigthly", "--reason", "x"])
            .contains("has no schedule \"nigthly\"")
    );
    assert_eq!(api.get("/schedules/work/nigthly").status, 404);
    assert_eq!(api.post("/schedules/work/nightly/resume", &json!({})).status, 409);
    until(SOON * 2, "all runs are done", async || world.count("select count(*) from piton.jobs").await == 0).await;
    world.assert_nothing_is_left().await;
}
