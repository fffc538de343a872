//! A stage that begins with the first of its needs: the others are stopped, and whoever was first is decided once.

use piton::testing::crash_at_every_commit;
use piton::{App, Failure, Input, StageContext};
use serde_json::{Value, json};

use crate::harness::{SOON, World, stdout, until};
use crate::redo::{begun, fails, retry};

/// `slow` leads to `late` alone.
const FIND: &str = r#"
name = "find"
[stages.plan]
rust = "node"
[stages.near]
rust = "node"
needs = ["plan"]
[stages.slow]
rust = "node"
needs = ["plan"]
[stages.late]
rust = "node"
needs = ["slow"]
[stages.pick]
command = ["cat"]
needs = ["near", "late"]
first = 1
[stages.close]
rust = "node"
needs = ["pick"]
"#;

fn input(slow: &Value) -> String {
    json!({"items": [], "say": "old", "slow": slow}).to_string()
}

fn stages(world: &World, run: &str) -> Vec<(String, String, Option<String>)> {
    let report = stdout(&world.command(["show", run, "--json"]).output().unwrap());
    let report: Value = serde_json::from_str(&report).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let stages = report["stages"].as_array().unwrap().iter();
    stages.map(|s| (text(&s["stage"]).unwrap(), text(&s["state"]).unwrap(), text(&s["skip_reason"]))).collect()
}

fn states(world: &World, run: &str) -> String {
    stages(world, run).into_iter().map(|(stage, state, _)| format!("{stage} {state}")).collect::<Vec<_>>().join(", ")
}

/// What the stage that began got of each that raced.
async fn got(world: &World, run: &str, stage: &str) -> Value {
    let got: String = sqlx::query_scalar(
        "select k.output::text from piton.checkpoints k join piton.runs r on r.id = k.run_id
         join piton.workflow_versions v on v.id = r.version_id
         where r.uuid = $1::uuid and v.stage_names[k.stage + 1] = $2",
    )
    .bind(run)
    .bind(stage)
    .fetch_one(&world.pool)
    .await
    .unwrap();
    serde_json::from_str(&got).unwrap()
}

async fn letter(world: &World, stage: &str) -> String {
    sqlx::query_scalar(
        "select id::text from piton.dead_letters_overview where stage = $1 order by dead_at desc limit 1",
    )
    .bind(stage)
    .fetch_one(&world.pool)
    .await
    .unwrap()
}

async fn is_whole(world: &World) {
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());
}

#[tokio::test]
async fn a_stage_begins_with_the_first_and_the_others_are_stopped_with_what_leads_to_them() {
    let world = World::with(&[FIND]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("find", &input(&json!({"slow": 600_000})));
    assert_eq!(world.ended(&run).await, "done");
    let expected = "plan done, near done, slow skipped, late skipped, pick done, close done";
    assert_eq!(states(&world, &run), expected);
    assert_eq!(stages(&world, &run)[3].2.as_deref(), Some("another was first: `near`"));
    let pick = got(&world, &run, "pick").await;
    assert!(pick["near"].is_object() && pick["late"].is_null(), "{pick}");
    until(SOON, "what was cancelled has stopped", async || {
        world.count("select count(*) from piton.attempts where outcome = 'cancelled'").await == 1
    })
    .await;
    is_whole(&world).await;

    // The other way round; what raced is done again from the stage before it, and from the one that was first.
    let run = world.start("find", &input(&json!({"near": 600_000})));
    assert_eq!(world.ended(&run).await, "done");
    let expected = "plan done, near skipped, slow done, late done, pick done, close done";
    assert_eq!(states(&world, &run), expected);
    is_whole(&world).await;
}

#[tokio::test]
async fn a_racer_that_is_given_up_is_tolerated_while_others_can_win() {
    let world = World::with(&[FIND]).await;
    let _worker = world.worker("w1", &[]);
    fails(&world, &["near -1"]);
    let run = world.start("find", &input(&json!({"late": 1000})));
    assert_eq!(world.ended(&run).await, "done");
    let expected = "plan done, near skipped, slow done, late done, pick done, close done";
    assert_eq!(states(&world, &run), expected);
    assert_eq!(world.count("select tolerated from piton.runs_overview").await, 1, "it is degraded");
    let lost = world.command(["dead-letter", "retry", &letter(&world, "near").await]).output().unwrap();
    let said = String::from_utf8_lossy(&lost.stderr).into_owned();
    assert!(!lost.status.success() && said.contains(r#"stage "pick" began with "late""#), "{said}");
    is_whole(&world).await;

    // Where none is left, the last one blocks the run, and a retry of it brings the run back.
    fails(&world, &["near -1", "late -1"]);
    let run = world.start("find", &input(&json!({})));
    assert_eq!(world.ended(&run).await, "blocked");
    let pending = "select count(*) from piton.dead_letters where resolution = 'pending'";
    assert_eq!(world.count(pending).await, 1);
    fails(&world, &[]);
    retry(&world, &["--run", &run]);
    assert_eq!(world.ended(&run).await, "done");
    is_whole(&world).await;
}

#[tokio::test]
async fn what_blocked_a_run_and_is_not_needed_any_more_blocks_it_no_longer() {
    let world = World::with(&[FIND]).await;
    let _worker = world.worker("w1", &[]);
    fails(&world, &["slow -1"]);
    let run = world.start("find", &input(&json!({"near": 1500})));
    until(SOON, "it is blocked", async || world.state(&run).await == "blocked").await;
    let done = async || world.state(&run).await == "done";
    until(SOON, "the other one has won", done).await;
    assert_eq!(states(&world, &run), "plan done, near done, slow skipped, late skipped, pick done, close done");
    let resolution: String =
        sqlx::query_scalar("select resolution from piton.dead_letters").fetch_one(&world.pool).await.unwrap();
    assert_eq!(resolution, "tolerated");
    is_whole(&world).await;
}

#[tokio::test]
async fn a_redo_has_the_same_winner_and_refuses_a_loser() {
    let world = World::with(&[FIND]).await;
    let _worker = world.worker("w1", &[]);
    fails(&world, &["close -1"]);
    let run = world.start("find", &input(&json!({"slow": 600_000})));
    assert_eq!(world.ended(&run).await, "blocked");
    let id = letter(&world, "close").await;
    fails(&world, &[]);
    for loser in ["late", "slow"] {
        let refused = world.command(["dead-letter", "retry", &id, "--from", loser]).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(r#"stage "pick" began with "near""#), "{said}");
    }
    let before = world.journal().len();
    retry(&world, &[&id, "--from", "near"]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(begun(&world, before), "close near");
    assert_eq!(states(&world, &run), "plan done, near done, slow skipped, late skipped, pick done, close done");
    is_whole(&world).await;

    fails(&world, &["close -1"]);
    let run = world.start("find", &input(&json!({"slow": 600_000})));
    assert_eq!(world.ended(&run).await, "blocked");
    fails(&world, &[]);
    let before = world.journal().len();
    retry(&world, &["--run", &run, "--from", "plan"]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(begun(&world, before), "close near plan slow");
    is_whole(&world).await;
}

/// Two of three; and a race that nobody can win.
const SKIPS: &str = r#"
name = "skips"
[stages.a]
rust = "node"
[stages.b]
rust = "node"
[stages.c]
rust = "node"
when = "input.say == 'never'"
[stages.two]
command = ["cat"]
needs = ["a", "b", "c"]
first = 2
[stages.d]
rust = "node"
when = "input.say == 'never'"
[stages.e]
rust = "node"
[stages.f]
rust = "node"
when = "input.say == 'never'"
[stages.none]
command = ["cat"]
needs = ["d", "e", "f"]
first = 2
"#;

#[tokio::test]
async fn a_skip_is_not_among_the_first_and_a_race_that_cannot_be_won_is_skipped() {
    let world = World::with(&[SKIPS]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("skips", &input(&json!({"a": 300, "e": 600_000})));
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(
        states(&world, &run),
        "a done, b done, c skipped, two done, d skipped, e skipped, f skipped, none skipped"
    );
    let two = got(&world, &run, "two").await;
    assert!(two["a"].is_object() && two["b"].is_object() && two["c"].is_null(), "{two}");
    let stages = stages(&world, &run);
    assert_eq!(stages[5].2.as_deref(), Some("too few of those that race with it are left"));
    assert_eq!(
        stages[7].2.as_deref(),
        Some("it begins with the first 2 of what it needs, and these were skipped: `d`, `e`, `f`")
    );
    is_whole(&world).await;
}

/// Both are done at about the same time, again and again; each run has one winner.
#[tokio::test]
async fn of_those_that_are_done_at_once_one_is_first() {
    let workflow = r#"
        name = "photo"
        [stages.a]
        rust = "node"
        [stages.b]
        rust = "node"
        [stages.c]
        rust = "node"
        [stages.pick]
        command = ["cat"]
        needs = ["a", "b", "c"]
        first = 1
    "#;
    let world = World::with(&[workflow]).await;
    let _one = world.worker("w1", &["--slots", "16"]);
    let _two = world.worker("w2", &["--slots", "16"]);
    let mut runs = Vec::new();
    for _ in 0..40 {
        runs.push(world.start("photo", &input(&json!({}))));
    }
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
        let pick = got(&world, run, "pick").await;
        let won = ["a", "b", "c"].into_iter().filter(|racer| pick[racer].is_object()).count();
        assert_eq!(won, 1, "{pick}");
    }
    let done = "select count(*) from piton.checkpoints where stage < 3 and skipped is null";
    assert_eq!(world.count(done).await, 40, "one is done of each run, and the others are skipped");
    is_whole(&world).await;
}

const ALL: &str = r#"
name = "all"
[stages.no]
rust = "no"
[stages.long]
rust = "long"
[stages.before]
rust = "echo"
[stages.quick]
rust = "echo"
needs = ["before"]
[stages.pick]
rust = "echo"
needs = ["no", "long", "quick"]
first = 1
"#;

#[tokio::test]
async fn a_race_has_the_same_winner_after_a_kill_at_every_commit() {
    async fn echo(Input(input): Input<Value>) -> Result<Value, Failure> {
        Ok(input)
    }
    async fn no() -> Result<Value, Failure> {
        Err(Failure::invalid_input("no"))
    }
    async fn long(context: StageContext) -> Result<Value, Failure> {
        context.cancelled().await;
        Err(Failure::network_timeout("stopped"))
    }
    async fn app(_: String) -> Result<App, std::convert::Infallible> {
        Ok(App::new().workflow("all.toml", ALL).handler("echo", echo).handler("no", no).handler("long", long))
    }
    let report = crash_at_every_commit(app).run("all", &json!({})).await.unwrap();
    assert_eq!((&report.output["no"], &report.output["long"]), (&Value::Null, &Value::Null));
    assert!(report.output["quick"].is_object());
    assert!(report.kills >= 4, "{report:?}");
}
