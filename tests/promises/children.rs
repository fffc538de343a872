//! A stage that starts a run waits for its end, and gets its output: once, whatever dies meanwhile. Never two runs for one item, and none lost.

use std::time::Duration;

use piton::testing::{TestPiton, crash_at_every_commit};
use piton::{App, Committed, Failure, Input, StageContext};
use serde_json::{Value, json};
use sqlx::Executor;

use crate::harness::{SOON, World, stdout, until};

const CHILD: &str = r#"
name = "captions"
[stages.transcribe]
command = ["cat"]
[stages.number]
needs = ["transcribe"]
command = ["sh", "-c", "echo 12345678901234567890.10"]
"#;

/// Goes on for as long as nobody wakes it.
const SLEEPER: &str = "name = \"captions\"\n[stages.nap]\nsleep = \"2h\"\n";

fn parent(keys: &str) -> String {
    format!(
        "name = \"film\"\n[stages.captions]\nworkflow = \"captions\"\n{keys}\n[stages.burn]\nneeds = [\"captions\"]\n\
         command = [\"cat\"]\n"
    )
}

const CHILDREN: &str = "select count(*) from piton.runs where parent_id is not null";

impl World {
    async fn text(&self, sql: &'static str) -> String {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    async fn child(&self) -> String {
        self.text("select uuid::text from piton.runs where parent_id is not null order by id desc limit 1").await
    }

    async fn children(&self, count: i64) {
        until(SOON, "the children begin", async || self.count(CHILDREN).await == count).await;
    }
}

#[tokio::test]
async fn the_output_of_a_run_is_that_of_the_stage_which_started_it() {
    let world = World::with(&[&parent("input = { file = \"{{input.file}}\", n = 1.50 }"), CHILD]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", r#"{"file": "a.mp4", "more": 1}"#);
    assert_eq!(world.ended(&run).await, "done");
    let output = world
        .text(
            "select k.output::text from piton.checkpoints k join piton.runs r on r.id = k.run_id
             where r.parent_id is null and k.stage = 0",
        )
        .await;
    assert_eq!(output, "12345678901234567890.10", "with every digit");
    let given = world.text("select input::text from piton.runs where parent_id is not null").await;
    assert_eq!(given, r#"{"file":"a.mp4","n":1.50}"#);
    let one = "select count(*) from piton.runs c join piton.runs p on p.id = c.parent_id
               where c.parent_stage = 0 and c.parent_item = -1 and not c.detached and c.state = 'done'";
    assert_eq!(world.count(one).await, 1);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn of_fifty_children_one_is_dismissed_and_the_others_are_kept() {
    let child = "name = \"captions\"\ninput = { n = \"integer\" }\n[stages.count]\n\
                 command = [\"sh\", \"-c\", \"[ -e $1/fixed ] || [ $2 != 7 ] || exit 65; echo $2\", \"count\", \"HOME\", \"{{input.n}}\"]\n";
    let world = World::with(&[]).await;
    let child = child.replace("HOME", world.path("").to_str().unwrap());
    world.write_workflows(&[&parent("for_each = \"input.items\"\ninput = { n = \"{{item}}\" }"), &child]);
    let _worker = world.worker("w1", &[]);
    let items: Vec<i32> = (0..50).collect();
    let run = world.start("film", &json!({"items": items}).to_string());
    until(SOON * 2, "all others are done", async || {
        world.count("select count(*) from piton.checkpoints k join piton.runs r on r.id = k.run_id where r.parent_id is null and k.item >= 0").await == 49
    })
    .await;
    until(SOON, "its child is blocked", async || {
        world.count("select count(*) from piton.runs where state = 'blocked'").await == 1
    })
    .await;
    // One letter, that of the child; the parent says whose.
    assert_eq!(world.count("select count(*) from piton.dead_letters").await, 1);
    assert_eq!(world.state(&run).await, "running");
    let blocked = world.text("select uuid::text from piton.runs where state = 'blocked'").await;
    let why = stdout(&world.command(["why", &run]).output().unwrap());
    assert!(why.contains(&format!("waiting for run {blocked} of captions, which is blocked")), "{why}");
    assert!(why.contains(&format!("piton dead-letter list --run {blocked}").replace("piton ", "")), "{why}");
    let letter = world.dead_letter().await;
    stdout(&world.command(["dead-letter", "dismiss", &letter, "--reason", "no such film"]).output().unwrap());
    assert_eq!(world.ended(&run).await, "blocked");
    let said = world.text("select class || ': ' || message from piton.dead_letters where resolution = 'pending'").await;
    assert!(said.starts_with(&format!("child_failed: run {blocked} of captions failed: invalid_input: ")), "{said}");
    // To try it again is to start another run.
    std::fs::write(world.path("fixed"), "").unwrap();
    let letter = world.dead_letter().await;
    stdout(&world.command(["dead-letter", "retry", &letter]).output().unwrap());
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.count(CHILDREN).await, 51);
    let outputs = "select count(*) from piton.checkpoints k join piton.runs r on r.id = k.run_id
                   where r.parent_id is null and k.item >= 0 and k.output::text = k.item::text";
    assert_eq!(world.count(outputs).await, 50, "each item has the output of its own run");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn cancel_goes_down_and_never_up() {
    let retry = "retry = { child_failed = { max_retries = 1, base = \"1ms\" } }";
    let world = World::with(&[&parent(retry), SLEEPER]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", "{}");
    world.children(1).await;
    let first = world.child().await;
    stdout(&world.command(["cancel", &first, "--reason", "a wrong take"]).output().unwrap());
    world.children(2).await;
    assert_eq!(world.state(&run).await, "running", "its stage tries once more, with another run");
    let second = world.child().await;
    assert_ne!(first, second);
    let said = world.text("select class || ': ' || message from piton.attempts where outcome = 'failed'").await;
    assert_eq!(said, format!("child_failed: run {first} of captions was cancelled: a wrong take"));
    stdout(&world.command(["cancel", &run, "--reason", "no film"]).output().unwrap());
    assert_eq!(world.ended(&second).await, "cancelled");
    let reason = world.text("select reason from piton.cancellations order by run_id desc limit 1").await;
    assert_eq!(reason, format!("run {run}, which started it, does not wait for it any more"));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_passed_deadline_goes_down_too_and_what_a_run_has_its_children_have() {
    let world = World::with(&[&parent(""), SLEEPER]).await;
    let _worker = world.worker("w1", &[]);
    world.deploy("film");
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let run: String = sqlx::query_scalar(
        "select piton.start_run('film', '{}', priority => 7, deadline => now() + interval '1 hour', traceparent => $1)::text",
    )
    .bind(trace)
    .fetch_one(&world.pool)
    .await
    .unwrap();
    world.children(1).await;
    let same = "select count(*) from piton.runs c join piton.runs p on p.id = c.parent_id
                join piton.deadlines d on d.run_id = c.id join piton.deadlines o on o.run_id = p.id and o.at = d.at
                where c.priority = 7 and c.traceparent = p.traceparent and c.started_by = p.started_by";
    assert_eq!(world.count(same).await, 1);
    world.pool.execute("update piton.deadlines set at = now() - interval '1 second'").await.unwrap();
    assert_eq!(world.ended(&run).await, "cancelled");
    assert_eq!(world.ended(&world.child().await).await, "cancelled");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_detached_run_outlives_whoever_started_it() {
    let file = parent("detached = true").replace("[stages.burn]", "[stages.more]\nsleep = \"2h\"\n[stages.burn]");
    let world = World::with(&[&file, SLEEPER]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", "{}");
    until(SOON, "the stage is done", async || {
        world.count("select count(*) from piton.checkpoints where stage = 0").await == 1
    })
    .await;
    let child = world.child().await;
    let output = world.text("select output ->> 'run' from piton.checkpoints where stage = 0").await;
    assert_eq!(output, child);
    stdout(&world.command(["cancel", &run, "--reason", "no film"]).output().unwrap());
    assert_eq!(world.state(&child).await, "running");
    until(SOON, "it sleeps", async || {
        world.count("select count(*) from piton.waits where kind = 'sleep' and outcome is null").await == 1
    })
    .await;
    stdout(&world.command(["wake", &child, "nap"]).output().unwrap());
    assert_eq!(world.ended(&child).await, "done");
    assert_eq!(world.count(CHILDREN).await, 1);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_is_given_up_by_hand_or_done_again_ends_its_run_and_begins_another() {
    let world = World::with(&[&parent(""), SLEEPER]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", "{}");
    world.children(1).await;
    let first = world.child().await;
    let by_hand = "select piton.force_dead_letter($1::uuid, 'captions', 'it hangs')";
    sqlx::query(by_hand).bind(&run).execute(&world.pool).await.unwrap();
    assert_eq!(world.ended(&first).await, "cancelled");
    let letter = world.dead_letter().await;
    stdout(&world.command(["dead-letter", "retry", &letter, "--from-beginning"]).output().unwrap());
    world.children(2).await;
    let second = world.child().await;
    until(SOON, "it sleeps", async || {
        world.count("select count(*) from piton.waits where kind = 'sleep' and outcome is null").await == 1
    })
    .await;
    stdout(&world.command(["wake", &second, "nap"]).output().unwrap());
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.count(CHILDREN).await, 2);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_cannot_start_says_why_and_starts_once_it_can() {
    let child = "name = \"captions\"\ninput = { file = \"string\" }\n[stages.cut]\ncommand = [\"cat\"]\n";
    let retry = "retry = { resource_unavailable = { max_retries = 100, base = \"200ms\", cap = \"200ms\" } }";
    let world = World::with(&[&parent(&format!("input = {{ file = \"{{{{input.file}}}}\" }}\n{retry}"))]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", r#"{"file": "a.mp4"}"#);
    until(SOON, "it fails", async || {
        world.count("select count(*) from piton.attempts where class = 'resource_unavailable'").await > 0
    })
    .await;
    let said = world.text("select message from piton.attempts limit 1").await;
    assert!(said.contains("no run of `captions` could be started: there is no workflow \"captions\""), "{said}");
    world.write_workflows(&[child]);
    let _other = world.worker("w2", &[]);
    assert_eq!(world.ended(&run).await, "done");
    let odd = world.start_in_sql("film", r#"{"file": 7}"#).await;
    assert_eq!(world.ended(&odd).await, "blocked");
    let said = world.text("select class || ': ' || message from piton.dead_letters").await;
    assert!(
        said.starts_with("invalid_input: no run of `captions` could be started: ") && said.contains("make it a string"),
        "{said}"
    );
    assert_eq!(world.count(CHILDREN).await, 1);
}

impl World {
    async fn start_in_sql(&self, workflow: &str, input: &str) -> String {
        let started = sqlx::query_scalar("select piton.start_run($1, $2::json)::text").bind(workflow).bind(input);
        started.fetch_one(&self.pool).await.unwrap()
    }
}

#[tokio::test]
async fn runs_below_each_other_end_at_the_sixteenth() {
    let to = |name: &str, other: &str| format!("name = \"{name}\"\n[stages.next]\nworkflow = \"{other}\"\ninput = 1\n");
    let leaf = "name = \"b\"\n[stages.next]\nsleep = \"1ms\"\n";
    let world = World::with(&[&to("a", "b"), leaf]).await;
    let _one = world.worker("w1", &[]);
    until(SOON, "it is there", async || {
        world.count("select count(*) from piton.workflows where current_version_id is not null").await == 2
    })
    .await;
    // No folder has both of these files: each is right by itself.
    std::fs::remove_dir_all(world.path("workflows")).unwrap();
    world.write_workflows(&[&to("b", "a")]);
    world.deploy("b");
    let run = world.start_in_sql("a", "1").await;
    until(SOON * 2, "the last one is refused", async || {
        world.count("select count(*) from piton.dead_letters").await == 1
    })
    .await;
    let said = world.text("select class || ': ' || message from piton.dead_letters").await;
    assert!(said.contains("would be the 17th run below another, over the limit of 16"), "{said}");
    assert_eq!(world.count(CHILDREN).await, 16);
    stdout(&world.command(["cancel", &run, "--reason", "a circle"]).output().unwrap());
    assert_eq!(world.count("select count(*) from piton.runs where state = 'cancelled'").await, 17);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn no_child_is_lost_or_doubled_wherever_its_worker_is_killed() {
    let world = World::with(&[&parent("for_each = \"input\"\ninput = { n = \"{{item}}\" }"), CHILD]).await;
    world.deploy("film");
    world.deploy("captions");
    let runs: Vec<String> = (0..12).map(|_| world.start("film", "[1, 2, 3, 4]")).collect();
    for seed in 0..16 {
        let victim = world.worker("w1", &["--slots", "8"]);
        victim.says("worker started").await;
        tokio::time::sleep(Duration::from_millis(seed * 7)).await;
        victim.kill();
        assert_eq!(world.unexplained().await, [""; 0], "killed with seed {seed}");
    }
    let _worker = world.worker("w1", &["--slots", "8"]);
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    assert_eq!(world.count(CHILDREN).await, 48);
    let items = "select count(distinct (parent_id, parent_item)) from piton.runs where parent_id is not null and state = 'done'";
    assert_eq!(world.count(items).await, 48);
    world.assert_nothing_is_left().await;
}

const SCENES: &str = r#"
name = "scenes"
[stages.each]
workflow = "scene"
for_each = "input"
input = { scene = "{{item}}" }
[stages.let-go]
workflow = "scene"
detached = true
input = { scene = 7 }
[stages.sum]
needs = ["each", "let-go"]
rust = "sum"
"#;
const SCENE: &str = r#"
name = "scene"
input = { scene = "integer" }
[stages.cut]
rust = "cut"
[stages.sound]
rust = "cut"
[stages.mix]
needs = ["cut", "sound"]
rust = "mix"
"#;

async fn cut(Input(input): Input<Value>) -> Result<Value, Failure> {
    Ok(input["input"]["scene"].clone())
}

/// Ends its run with a row of its own.
async fn mix(Input(input): Input<Value>, context: StageContext) -> Result<Committed<Value>, Failure> {
    let scene = input["cut"].as_i64().unwrap_or_default();
    context
        .commit(async |mut rows| {
            let mixed = sqlx::query("insert into public.mixed (scene) values ($1)").bind(scene);
            mixed.execute(&mut *rows).await?;
            Ok(json!(scene * 10))
        })
        .await
}

async fn sum(Input(input): Input<Value>) -> Result<Value, Failure> {
    Ok(input["each"].clone())
}

#[tokio::test]
async fn a_kill_at_any_commit_of_a_parent_or_its_children_changes_nothing() {
    let app = |_: String| async move {
        let app = App::new().workflow("scenes.toml", SCENES).workflow("scene.toml", SCENE);
        Ok::<_, sqlx::Error>(app.handler("cut", cut).handler("mix", mix).handler("sum", sum))
    };
    let report = crash_at_every_commit(app)
        .set_up(|pool| async move {
            sqlx::raw_sql("create table public.mixed (scene int)").execute(&pool).await.map(|_| ())
        })
        .normalize(|stage, output| {
            if stage == "let-go" {
                *output = json!(output["run"].is_string());
            }
        })
        .check(|turn| async move {
            let of = |sql: &'static str| {
                let pool = turn.pool().clone();
                async move { sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool).await.unwrap() }
            };
            assert_eq!(of("select count(*) from piton.runs where parent_id is not null").await, 3);
            assert_eq!(
                of("select count(distinct (parent_stage, parent_item)) from piton.runs where parent_id is not null")
                    .await,
                3
            );
            assert_eq!(of("select count(*) from piton.unexplained_jobs").await, 0);
            assert_eq!(of("select count(*) from public.mixed where scene < 7").await, 2);
        })
        .run("scenes", &json!([1, 2]))
        .await
        .unwrap();
    assert!(report.kills >= 16, "{report:?}");
}

#[tokio::test]
async fn a_child_that_an_older_worker_ended_is_found() {
    let world = World::with(&[&parent(""), SLEEPER]).await;
    let worker = world.worker("w1", &["--snapshot-every", "1s"]);
    let run = world.start("film", "{}");
    world.children(1).await;
    until(SOON, "it sleeps", async || world.count("select count(*) from piton.waits where kind = 'sleep'").await == 1)
        .await;
    // As its last commit would have left it: nobody tells the parent.
    let end = "with gone as (delete from piton.jobs j using piton.runs r where j.run_id = r.id and r.parent_id is not null returning j.run_id),
                    over as (update piton.waits w set outcome = 'woken', ended_at = now() where w.kind = 'sleep')
               update piton.runs set state = 'done', finished_at = now() where id in (select run_id from gone)";
    world.pool.execute(end).await.unwrap();
    assert_eq!(world.ended(&run).await, "done");
    drop(worker);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_child_is_kept_while_its_parent_is_there() {
    let world = World::with(&[&parent(""), CHILD]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", "{}");
    assert_eq!(world.ended(&run).await, "done");
    world.pool.execute("select piton.keep('runs', 'done', '1 second')").await.unwrap();
    world.pool.execute("update piton.runs set started_at = started_at - interval '1 day', finished_at = finished_at - interval '1 day'").await.unwrap();
    let refused = "select count(*) from piton.cleanup_due d join piton.runs r on r.id = d.run_id
                   where d.what = 'runs' and r.parent_id is not null and d.refused = 'the run that started it is kept'";
    assert_eq!(world.count(refused).await, 1);
    for left in [1, 0] {
        stdout(&world.command(["cleanup", "run"]).output().unwrap());
        assert_eq!(world.count("select count(*) from piton.runs").await, left);
    }
}

#[tokio::test]
async fn parents_and_children_are_shown_on_every_face() {
    let world = World::with(&[&parent("for_each = \"input\"\ninput = { n = \"{{item}}\" }"), SLEEPER]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", "[1, 2]");
    world.children(2).await;
    let child = world.text("select uuid::text from piton.runs where parent_item = 1").await;
    let shown = stdout(&world.command(["show", &run]).output().unwrap());
    assert!(
        shown.contains("It has started 2 runs:") && shown.contains(&format!("captions[1]  {child}  captions  running")),
        "{shown}"
    );
    let of_child = stdout(&world.command(["show", &child]).output().unwrap());
    assert!(of_child.contains(&format!("Stage captions[1] of run {run} of film started it")), "{of_child}");
    let listed = stdout(&world.command(["runs", "--parent", &run, "--json"]).output().unwrap());
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let parents = listed.as_array().unwrap().iter().filter(|row| row["parent"] == json!(run)).count();
    assert_eq!(parents, 2, "{listed}");
    let full: Value =
        serde_json::from_str(&stdout(&world.command(["show", &run, "--json"]).output().unwrap())).unwrap();
    let children = full["children"].as_array().unwrap();
    assert_eq!(
        children.iter().filter(|row| row["run"] == json!(child) && row["item"] == json!(1)).count(),
        1,
        "{full}"
    );
    let why = stdout(&world.command(["why", &run]).output().unwrap());
    assert!(why.contains("2 items waiting for runs of captions"), "{why}");
    let overview = world.text("select parent::text from piton.runs_overview where parent is not null limit 1").await;
    assert_eq!(overview, run);
}

#[tokio::test]
async fn the_library_walks_up_and_down() {
    let app = App::new().workflow("scenes.toml", SCENES).workflow("scene.toml", SCENE);
    let piton = TestPiton::new(app.handler("cut", cut).handler("mix", mix).handler("sum", sum)).await.unwrap();
    piton.pool().execute("create table public.mixed (scene int)").await.unwrap();
    let run = piton.piton().start("scenes", &json!([1, 2])).await.unwrap();
    let output: Value = run.result().await.unwrap();
    assert_eq!(output, json!([10, 20]));
    let children = run.children().await.unwrap();
    assert_eq!(children.len(), 3);
    let mut outputs: Vec<Value> = Vec::new();
    for child in &children {
        outputs.push(child.result().await.unwrap());
    }
    assert!(
        outputs.contains(&json!(10)) && outputs.contains(&json!(20)) && outputs.contains(&json!(70)),
        "{outputs:?}"
    );
    for child in &children {
        assert_eq!(child.parent().await.unwrap().map(|parent| parent.id()), Some(run.id()));
    }
    assert!(run.parent().await.unwrap().is_none());
}
