//! A signal is answered once, by the first who does; an answer that comes early is kept; and no answer and no timeout is ever lost.

use std::time::Duration;

use piton::testing::{TestPiton, crash_at_every_commit};
use piton::{App, Failure, Input, StageContext, State};
use serde_json::{Value, json};
use sqlx::{Executor, PgPool};

use crate::harness::{SOON, World, stdout, until};

fn approval(keys: &str) -> String {
    format!(
        "name = \"film\"\n[stages.approval]\nwait = {{ for = \"signal\", name = \"go\", timeout = \"72h\"{keys} }}\n\
         [stages.cut]\nneeds = [\"approval\"]\ncommand = [\"cat\"]\n"
    )
}

impl World {
    async fn answer(&self, run: &str, payload: &str, by: &str) -> Result<(), String> {
        let sql = "select piton.signal($1::uuid, 'go', $2::json, $3)";
        let answered = sqlx::query(sql).bind(run).bind(payload).bind(by).execute(&self.pool).await;
        answered.map(|_| ()).map_err(|error| error.to_string())
    }

    async fn awaits(&self) {
        until(SOON, "a job waits", async || {
            self.count("select count(*) from piton.jobs where state = 'waiting'").await > 0
        })
        .await;
    }

    async fn approved(&self) -> Value {
        // Of the run that was started first.
        let sql = "select output from piton.checkpoints where stage = 0 order by run_id limit 1";
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    async fn time_out(&self) {
        self.pool
            .execute("update piton.waits set deadline = now() - interval '1 second' where outcome is null")
            .await
            .unwrap();
        self.pool.execute("select pg_notify('piton_jobs', '')").await.unwrap();
    }
}

#[tokio::test]
async fn the_first_answer_counts_and_a_second_one_is_told_who_gave_it() {
    let world = World::with(&[&approval("")]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", "{}");
    world.awaits().await;
    assert_eq!(world.unexplained().await, [""; 0]);
    assert_eq!(world.answer(&run, r#"{"n": 1.10, "b": 1, "a": 2}"#, "anna").await, Ok(()));
    let second = world.answer(&run, "false", "ben").await.unwrap_err();
    assert!(second.contains("was answered by anna at "), "{second}");
    assert_eq!(world.ended(&run).await, "done");
    let text: String = sqlx::query_scalar("select output::text from piton.checkpoints where stage = 0")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(text, r#"{"n": 1.10, "b": 1, "a": 2}"#, "it is passed on as it was written");
    let over = world.answer(&run, "true", "ben").await.unwrap_err();
    assert!(over.contains("is done already"), "{over}");
    let audited =
        "select count(*) from piton.audit where verb = 'signal' and actor = 'anna' and detail->>'stage' = 'approval'";
    assert_eq!(world.count(audited).await, 1);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn an_answer_that_comes_early_is_kept_and_one_that_is_rolled_back_never_was() {
    let world = World::with(&[&approval("")]).await;
    world.deploy("film");
    let run = world.start("film", "{}");
    let mut transaction = world.pool.begin().await.unwrap();
    let signal = "select piton.signal($1::uuid, 'go', 'false'::json, 'ben')";
    sqlx::query(signal).bind(&run).execute(&mut *transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(world.answer(&run, "true", "anna").await, Ok(()));
    assert!(world.answer(&run, "false", "ben").await.is_err());
    assert_eq!(world.unexplained().await, [""; 0]);
    let _worker = world.worker("w1", &[]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.approved().await, json!(true));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn an_answer_in_an_open_transaction_holds_up_its_own_job_alone() {
    let world = World::with(&[&approval(""), "name = \"other\"\n[stages.work]\nrust = \"work\"\n"]).await;
    world.deploy("film");
    let run = world.start("film", "{}");
    let mut transaction = world.pool.begin().await.unwrap();
    let signal = "select piton.signal($1::uuid, 'go', 'true'::json, 'anna')";
    sqlx::query(signal).bind(&run).execute(&mut *transaction).await.unwrap();
    let _worker = world.worker("w1", &[]);
    until(SOON, "the job is claimed", async || {
        world.count("select count(*) from piton.jobs where state = 'running'").await == 1
    })
    .await;
    // Its worker has to wait with it; with other runs it goes on.
    for _ in 0..5 {
        let other = world.start("other", "{}");
        assert_eq!(world.ended(&other).await, "done");
    }
    assert_eq!(world.count("select count(*) from piton.jobs where state = 'waiting'").await, 0);
    transaction.commit().await.unwrap();
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.approved().await, json!(true));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn of_many_answers_that_race_with_each_other_and_with_the_timeout_one_counts() {
    let world = World::with(&[&approval(", on_timeout = \"late\"")]).await;
    let _worker = world.worker("w1", &["--slots", "4"]);
    for round in 0..12 {
        let run = world.start("film", "{}");
        world.awaits().await;
        let answers = async {
            let (one, other) =
                tokio::join!(world.answer(&run, "\"one\"", "anna"), world.answer(&run, "\"other\"", "ben"));
            [one.is_ok(), other.is_ok()]
        };
        let timeout = async {
            tokio::time::sleep(Duration::from_millis(round)).await;
            world.time_out().await;
        };
        let (answered, ()) = tokio::join!(answers, timeout);
        assert_eq!(world.ended(&run).await, "done");
        let output: Value = sqlx::query_scalar(
            "select k.output from piton.checkpoints k join piton.runs r on r.id = k.run_id where k.stage = 0 and r.uuid = $1::uuid",
        )
        .bind(&run)
        .fetch_one(&world.pool)
        .await
        .unwrap();
        let expected = match answered {
            [true, false] => "one",
            [false, true] => "other",
            [false, false] => "late",
            [true, true] => panic!("both were told that they count"),
        };
        assert_eq!(output, json!(expected), "round {round}");
    }
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_timeout_without_a_value_fails_and_an_answer_that_comes_then_is_there_for_the_retry() {
    let world = World::with(&[&approval("")]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", "{}");
    world.awaits().await;
    world.time_out().await;
    assert_eq!(world.ended(&run).await, "blocked");
    let said: String = sqlx::query_scalar("select class || ': ' || message from piton.dead_letters")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert!(said.starts_with("wait_timeout: nobody answered before "), "{said}");
    assert_eq!(world.answer(&run, "\"late\"", "anna").await, Ok(()));
    let letter = world.dead_letter().await;
    stdout(&world.command(["dead-letter", "retry", &letter]).output().unwrap());
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.approved().await, json!("late"));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_retried_timeout_waits_once_more() {
    let file = approval("")
        .replace("[stages.cut]", "retry = { wait_timeout = { max_retries = 1, base = \"1ms\" } }\n[stages.cut]");
    let world = World::with(&[&file]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", "{}");
    world.awaits().await;
    world.time_out().await;
    until(SOON, "it waits once more", async || {
        world.count("select count(*) from piton.waits where outcome is null and attempt = 2").await == 1
    })
    .await;
    assert_eq!(world.count("select count(*) from piton.attempts where class = 'wait_timeout'").await, 1);
    assert_eq!(world.answer(&run, "1", "anna").await, Ok(()));
    assert_eq!(world.ended(&run).await, "done");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn no_answer_is_lost_wherever_its_worker_is_killed() {
    let world = World::with(&[&approval("")]).await;
    world.deploy("film");
    let runs: Vec<String> = (0..36).map(|_| world.start("film", "{}")).collect();
    for (seed, three) in runs.chunks(3).enumerate() {
        let victim = world.worker("w1", &["--slots", "4"]);
        victim.says("worker started").await;
        for run in three {
            tokio::time::sleep(Duration::from_millis(seed as u64 * 3)).await;
            assert_eq!(world.answer(run, &format!("\"{run}\""), "anna").await, Ok(()));
        }
        victim.kill();
        assert_eq!(world.unexplained().await, [""; 0], "killed with seed {seed}");
    }
    let _worker = world.worker("w1", &["--slots", "4"]);
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    let own = "select count(*) from piton.checkpoints k join piton.runs r on r.id = k.run_id where k.stage = 0 and k.output #>> '{}' = r.uuid::text";
    assert_eq!(world.count(own).await, 36, "each has its own answer");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_refused_where_it_is_given() {
    let keys =
        ", payload = { approved = \"boolean\", note = { type = \"string\", default = \"none\" } }, not_starter = true";
    let world = World::with(&[&approval(keys)]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", "{}");
    let own = world.answer(&run, r#"{"approved": true}"#, "anna").await.unwrap_err();
    assert!(own.contains("is not for whoever started the run, and that was "), "{own}");
    world.pool.execute("update piton.runs set started_by = 'somebody else'").await.unwrap();
    let odd = world.answer(&run, r#"{"approved": "yes", "more": 1}"#, "anna").await.unwrap_err();
    assert!(
        odd.contains(r#"the payload of the signal "go" does not fit its workflow"#)
            && odd.contains(r#""approved" is a string: make it true or false"#)
            && odd.contains(r#""more" is not declared: remove it, or declare it under `payload` of its stage"#),
        "{odd}"
    );
    let unknown =
        sqlx::query("select piton.signal($1::uuid, 'stop', 'true'::json)").bind(&run).execute(&world.pool).await;
    let unknown = unknown.unwrap_err().to_string();
    assert!(unknown.contains(r#"waits for no signal "stop""#), "{unknown}");
    let by_hand = ["signal", &run, "go", "--set", "approved=true", "--by", "anna"];
    assert!(stdout(&world.command(by_hand).output().unwrap()).contains("has its answer to go"));
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.approved().await, json!({"approved": true, "note": "none"}));
}

#[tokio::test]
async fn who_waits_is_listed_oldest_first_with_what_to_type() {
    let world = World::with(&[&approval("")]).await;
    let _worker = world.worker("w1", &[]);
    let runs = [world.start("film", "{}"), world.start("film", "{}")];
    until(SOON, "both wait", async || world.count("select count(*) from piton.waits_overview").await == 2).await;
    let listed = stdout(&world.command(["waits"]).output().unwrap());
    assert!(
        listed.contains("film, approval, since ") && listed.contains("waiting for the signal \"go\" until "),
        "{listed}"
    );
    for run in &runs {
        assert!(listed.contains(&format!("signal {run} go --set …")), "{listed}");
        let why = stdout(&world.command(["why", run]).output().unwrap());
        assert!(why.contains(&format!("signal {run} go --set …")), "{why}");
        let shown = stdout(&world.command(["show", run]).output().unwrap());
        assert!(shown.contains("waiting for the signal \"go\""), "{shown}");
    }
    let json: Value =
        serde_json::from_str(&stdout(&world.command(["waits", "--json", "--run", &runs[0]]).output().unwrap()))
            .unwrap();
    assert_eq!(
        (json.as_array().map(Vec::len), &json[0]["kind"], &json[0]["name"]),
        (Some(1), &json!("signal"), &json!("go"))
    );
    assert_eq!(world.answer(&runs[0], "1", "anna").await, Ok(()));
    assert_eq!(world.answer(&runs[1], "1", "anna").await, Ok(()));
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    assert!(stdout(&world.command(["waits"]).output().unwrap()).contains("Nothing waits"));
}

const ASKS: &str = r#"
name = "asks"
[stages.ask]
rust = "ask"
[stages.approval]
wait = { for = "signal", name = "go", timeout = "72h" }
[stages.nap]
needs = ["approval"]
sleep = "1h"
jitter = "1m"
[stages.last]
needs = ["ask", "nap"]
rust = "last"
"#;

/// Answers its own run; a later attempt finds that it did.
async fn ask(context: StageContext, pool: State<PgPool>) -> Result<bool, Failure> {
    let signal = sqlx::query("select piton.signal($1::uuid, 'go', '{\"approved\": true}'::json, 'a stage')");
    match signal.bind(context.run().to_string()).execute(&*pool).await {
        Ok(_) => Ok(true),
        Err(error) if error.as_database_error().is_some_and(|said| said.code().as_deref() == Some("55000")) => Ok(true),
        Err(error) => Err(Failure::resource_unavailable(error.to_string())),
    }
}

async fn last(Input(input): Input<Value>) -> Result<Value, Failure> {
    Ok(input["nap"]["woken"].clone())
}

#[tokio::test]
async fn a_kill_at_any_commit_of_a_wait_changes_nothing() {
    let app = |url: String| async move {
        let pool = PgPool::connect_lazy(&url)?;
        Ok::<_, sqlx::Error>(
            App::new().workflow("asks.toml", ASKS).handler("ask", ask).handler("last", last).state(pool),
        )
    };
    let report = crash_at_every_commit(app)
        .normalize(|stage, output| {
            if stage == "nap" {
                *output = output["woken"].clone();
            }
        })
        .check(|turn| async move {
            let outcomes = "select string_agg(kind || ' ' || outcome, ', ' order by stage) from piton.waits";
            let outcomes: Option<String> = sqlx::query_scalar(outcomes).fetch_one(turn.pool()).await.unwrap();
            assert_eq!(outcomes.as_deref(), Some("signal answered, sleep timed_out"));
            let left = "select (select count(*) from piton.jobs) + (select count(*) from piton.unexplained_jobs)";
            let left: i64 = sqlx::query_scalar(left).fetch_one(turn.pool()).await.unwrap();
            assert_eq!(left, 0);
        })
        .run("asks", &json!({}))
        .await
        .unwrap();
    assert!(report.kills >= 8, "before and after each of four stages and of a wait at least: {report:?}");
}

#[tokio::test]
async fn a_test_lets_the_time_of_a_wait_go_by() {
    let file = "name = \"nap\"\n[stages.nap]\nsleep = \"2h\"\n";
    let piton = TestPiton::new(App::new().workflow("nap.toml", file)).await.unwrap();
    let run = piton.piton().start("nap", &json!({})).await.unwrap();
    let open = async || -> i64 {
        let sql = "select count(*) from piton.waits where outcome is null";
        sqlx::query_scalar(sql).fetch_one(piton.pool()).await.unwrap()
    };
    until(SOON, "it sleeps", async || open().await == 1).await;
    piton.advance("1h59m").await.unwrap();
    assert_eq!(open().await, 1);
    piton.advance("2m").await.unwrap();
    let output: Value = run.result().await.unwrap();
    assert_eq!(output["woken"], json!(false));
}
