//! A service that a stage has asked calls back: its answer counts once, whenever it comes, and nobody is asked twice for one answer.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use piton::testing::{TestPiton, crash_at_every_commit};
use piton::{App, Failure, Input, StageContext, State, Wait, WaitError};
use serde_json::{Value, json};
use sqlx::{Executor, PgPool};

use crate::harness::{Process, SOON, World, stdout, until};
use crate::http_server::{HttpServer, Request};

/// Sends a body to a URL, and reads status and answer.
pub(crate) fn post(url: &str, body: &str) -> (u16, String) {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let length = body.len();
    write!(stream, "POST /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default(), body.to_owned())
}

/// An address that nobody listens at.
pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A render farm: takes jobs under their keys, and answers early where the input says so.
fn farm() -> HttpServer {
    HttpServer::start(|request, wire| {
        let input = request.json();
        let url = request.header("piton-callback").unwrap().to_owned();
        match input["input"]["answer"].as_str() {
            Some("early") => assert_eq!(post(&url, r#"{"film": "early"}"#).0, 204),
            Some("early_failure") => {
                let said = r#"{"class": "invalid_input", "message": "no such scene"}"#;
                assert_eq!(post(&format!("{url}/failure"), said).0, 204);
            }
            Some("busy_once") if input["input"]["tries"].is_null() && request.header("x-try") == Some("1") => {
                return wire.answer(503, &[], "busy");
            }
            _ => {}
        }
        wire.answer(202, &[], r#"{"id": "job-7"}"#)
    })
}

fn film(farm: &HttpServer, keys: &str) -> String {
    format!(
        "name = \"film\"\n[stages.render]\nhttp = \"{}/jobs\"\nheaders = {{ x-try = \"{{{{run.attempt}}}}\" }}\n\
         wait = {{ for = \"callback\", timeout = \"2h\"{keys} }}\n\
         [stages.cut]\nneeds = [\"render\"]\ncommand = [\"cat\"]\n",
        farm.url()
    )
}

fn callback_of(request: &Request) -> String {
    request.header("piton-callback").unwrap().to_owned()
}

impl World {
    /// A worker that answers services.
    fn called_back(&self, name: &str) -> Process {
        self.worker(name, &["--callbacks", &free_address()])
    }

    async fn asked(&self, farm: &HttpServer, times: usize) -> Request {
        until(SOON, "the service is asked", async || farm.requests().len() >= times).await;
        farm.requests()[times - 1].clone()
    }

    async fn waits_for_it(&self) {
        until(SOON, "the job waits", async || {
            self.count("select count(*) from piton.waits where outcome is null and kind in ('callback', 'poll')").await
                > 0
        })
        .await;
    }

    async fn rendered(&self) -> Value {
        sqlx::query_scalar("select output from piton.checkpoints where stage = 0 order by run_id desc limit 1")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    async fn letter(&self) -> String {
        let sql = "select class || ': ' || message from piton.dead_letters order by dead_at desc limit 1";
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }
}

#[tokio::test]
async fn a_service_calls_back_once_and_a_second_answer_is_told_so() {
    let farm = farm();
    let world = World::with(&[&film(&farm, "")]).await;
    let _worker = world.called_back("w1");
    let run = world.start("film", "{}");
    let request = world.asked(&farm, 1).await;
    assert!(request.header("idempotency-key").unwrap().ends_with(":render"));
    world.waits_for_it().await;
    assert_eq!(world.unexplained().await, [""; 0]);
    assert_eq!(world.count("select count(*) from piton.jobs where state = 'running'").await, 0);
    let handle: String =
        sqlx::query_scalar("select handle::text from piton.waits").fetch_one(&world.pool).await.unwrap();
    assert_eq!(handle, r#"{"id": "job-7"}"#, "it is on record with the wait");
    let url = callback_of(&request);
    let (base, token) = url.rsplit_once('/').unwrap();
    let mut wrong = token.to_owned();
    let last = wrong.pop().unwrap();
    wrong.push(if last == '0' { '1' } else { '0' });
    let unknown = post(&format!("{base}/{wrong}"), "1");
    assert_eq!(unknown.0, 404);
    assert_eq!(post(&format!("{base}/nonsense"), "1"), unknown, "of no token anything is said");
    assert_eq!(post(&url, "not JSON").0, 422);
    assert_eq!(post(&url, r#"{"n": 1.10, "b": 1, "a": 2}"#).0, 204);
    let (status, said) = post(&url, "false");
    assert!(status == 409 && said.contains("this was answered by a service at 127.0.0.1 at "), "{status} {said}");
    assert_eq!(world.ended(&run).await, "done");
    let text: String = sqlx::query_scalar("select output::text from piton.checkpoints where stage = 0")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(text, r#"{"n": 1.10, "b": 1, "a": 2}"#, "it is passed on as it was written");
    assert_eq!(post(&url, "1"), unknown, "what is over says no more than what never was");
    assert_eq!(farm.requests().len(), 1);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn an_answer_that_comes_before_the_wait_begins_is_kept_and_wins() {
    let farm = farm();
    let world = World::with(&[&film(&farm, "")]).await;
    let _worker = world.called_back("w1");
    let run = world.start("film", r#"{"answer": "early"}"#);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.rendered().await, json!({"film": "early"}));
    let failed = world.start("film", r#"{"answer": "early_failure"}"#);
    assert_eq!(world.ended(&failed).await, "blocked");
    assert_eq!(world.letter().await, "invalid_input: no such scene");
    assert_eq!(farm.requests().len(), 2);
}

#[tokio::test]
async fn a_failure_by_callback_is_retried_with_the_same_key_and_a_new_token() {
    let farm = farm();
    let file = film(&farm, "")
        .replace("[stages.cut]", "retry = { rate_limited = { base = \"1ms\", cap = \"1s\" } }\n[stages.cut]");
    let world = World::with(&[&file]).await;
    let _worker = world.called_back("w1");
    let run = world.start("film", "{}");
    let first = world.asked(&farm, 1).await;
    world.waits_for_it().await;
    let url = callback_of(&first);
    let said = r#"{"class": "rate_limited", "message": "queue is full", "retry_after": 0.001}"#;
    assert_eq!(post(&format!("{url}/failure"), said).0, 204);
    let second = world.asked(&farm, 2).await;
    assert_eq!(second.header("idempotency-key"), first.header("idempotency-key"));
    assert_ne!(callback_of(&second), url, "it is a new wait");
    world.waits_for_it().await;
    assert_eq!(post(&url, "\"old\"").0, 404);
    assert_eq!(post(&callback_of(&second), "\"new\"").0, 204);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.rendered().await, json!("new"));
    let attempts: String =
        sqlx::query_scalar("select class || ': ' || message from piton.attempts").fetch_one(&world.pool).await.unwrap();
    assert_eq!(attempts, "rate_limited: queue is full");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_request_that_is_sent_again_carries_the_same_token() {
    let farm = farm();
    let file = film(&farm, "")
        .replace("[stages.cut]", "retry = { resource_unavailable = { base = \"1ms\", cap = \"1s\" } }\n[stages.cut]");
    let world = World::with(&[&file]).await;
    let _worker = world.called_back("w1");
    let run = world.start("film", r#"{"answer": "busy_once"}"#);
    let (first, second) = (world.asked(&farm, 1).await, world.asked(&farm, 2).await);
    assert_eq!(callback_of(&first), callback_of(&second));
    assert_eq!(first.header("idempotency-key"), second.header("idempotency-key"));
    world.waits_for_it().await;
    assert_eq!(post(&callback_of(&first), "1").0, 204);
    assert_eq!(world.ended(&run).await, "done");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_service_that_never_answers_fails_the_stage_and_a_late_answer_is_there_for_the_retry() {
    let farm = farm();
    let world = World::with(&[&film(&farm, "")]).await;
    let _worker = world.called_back("w1");
    let run = world.start("film", "{}");
    let url = callback_of(&world.asked(&farm, 1).await);
    world.waits_for_it().await;
    let late = "update piton.waits set deadline = now() - interval '1 second', latest = now() - interval '1 second'";
    world.pool.execute(late).await.unwrap();
    world.pool.execute("select pg_notify('piton_jobs', '')").await.unwrap();
    assert_eq!(world.ended(&run).await, "blocked");
    let letter = world.letter().await;
    assert!(letter.starts_with("wait_timeout: the service did not answer before "), "{letter}");
    assert_eq!(post(&url, "\"late\"").0, 204);
    let letter = world.dead_letter().await;
    stdout(&world.command(["dead-letter", "retry", &letter]).output().unwrap());
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!((world.rendered().await, farm.requests().len()), (json!("late"), 1), "nobody is asked again");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_service_has_to_be_heard_of_where_the_file_says_so() {
    let farm = farm();
    let world = World::with(&[&film(&farm, ", heartbeat = \"2s\", on_timeout = \"silent\"")]).await;
    let _worker = world.called_back("w1");
    let run = world.start("film", "{}");
    let url = callback_of(&world.asked(&farm, 1).await);
    world.waits_for_it().await;
    for frame in 1..=6 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(post(&format!("{url}/heartbeat"), &format!(r#"{{"frame": {frame}}}"#)).0, 204);
    }
    let progress: Value = sqlx::query_scalar("select progress from piton.waits").fetch_one(&world.pool).await.unwrap();
    assert_eq!(progress, json!({"frame": 6}));
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.rendered().await, json!("silent"));
    assert_eq!(post(&format!("{url}/heartbeat"), "").0, 404, "the service can stop working");
}

const PROGRAMS: &str = r#"
name = "programs"
[stages.first]
command = ["sh", "-c", 'echo "asking $PITON_IDEMPOTENCY_KEY"; echo "$PITON_CALLBACK_TOKEN $PITON_CALLBACK_URL" > "$OUT"; printf "{\"wait\": {\"handle\": [1.10]}}\n"']
env = { OUT = "${TMPDIR}/first" }
wait = { for = "callback", timeout = "1h" }
[stages.at-once]
needs = ["first"]
command = ["echo", "7"]
wait = { for = "callback", timeout = "1h" }
[stages.each]
needs = ["at-once"]
for_each = "input.items"
command = ["sh", "-c", 'echo "$PITON_CALLBACK_TOKEN" > "$TMPDIR/each-$PITON_ITEM"; echo "{\"wait\": {\"handle\": null}}"']
wait = { for = "callback", timeout = "1h" }
"#;

#[tokio::test]
async fn a_program_asks_a_service_and_its_last_line_says_that_it_is_waited_for() {
    let world = World::with(&[PROGRAMS]).await;
    let _worker = world.worker("w1", &["--callback-url", "https://piton.example/"]);
    let run = world.start("programs", r#"{"items": ["a", "b"]}"#);
    world.waits_for_it().await;
    let told = std::fs::read_to_string(world.path("first")).unwrap();
    let (token, url) = told.trim().split_once(' ').unwrap();
    assert_eq!(url, format!("https://piton.example/v1/callbacks/{token}"));
    let handle: String =
        sqlx::query_scalar("select handle::text from piton.waits").fetch_one(&world.pool).await.unwrap();
    assert_eq!(handle, "[1.10]");
    let why = stdout(&world.command(["why", &run]).output().unwrap());
    assert!(why.contains("waiting for a service to call back ([1.10]) until "), "{why}");
    assert!(why.contains(&format!("complete --run {run} --stage first --set …")), "{why}");
    let wrong = world.command(["complete", "1.0.-1.00000000000000000000000000000000"]).output().unwrap();
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && said.contains("this token opens nothing"), "{said}");
    stdout(&world.command(["complete", token, "--set", "film=1"]).output().unwrap());
    let again = world.command(["complete", token]).output().unwrap();
    assert!(String::from_utf8_lossy(&again.stderr).contains("this was answered by "));
    for item in ["0", "1"] {
        let written = world.path(&format!("each-{item}"));
        until(SOON, "the item asks", async || written.exists()).await;
    }
    until(SOON, "both items wait", async || {
        world.count("select count(*) from piton.waits where outcome is null").await == 2
    })
    .await;
    stdout(
        &world.command(["complete", "--run", &run, "--stage", "each", "--item", "1", "--set", "n=1"]).output().unwrap(),
    );
    let token = std::fs::read_to_string(world.path("each-0")).unwrap();
    let refused = world.command(["fail", token.trim(), "--class", "crashed"]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is no class of failures"));
    stdout(&world.command(["fail", token.trim(), "--class", "auth_failure", "--message", "no key"]).output().unwrap());
    assert_eq!(world.ended(&run).await, "blocked");
    assert_eq!(world.letter().await, "auth_failure: no key");
    let outputs: Vec<String> =
        sqlx::query_scalar("select output::text from piton.checkpoints where item <> 0 order by stage, item")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(outputs, [r#"{"film":1}"#, "7", "2", r#"{"n":1}"#]);
}

#[tokio::test]
async fn cancelling_pausing_and_doing_again_see_to_the_wait_and_its_token() {
    let farm = farm();
    let world = World::with(&[&film(&farm, "")]).await;
    let _worker = world.called_back("w1");
    let cancelled = world.start("film", "{}");
    let url = callback_of(&world.asked(&farm, 1).await);
    world.waits_for_it().await;
    stdout(&world.command(["cancel", &cancelled, "--reason", "enough"]).output().unwrap());
    assert_eq!(post(&url, "1").0, 404);
    let paused = world.start("film", "{}");
    let url = callback_of(&world.asked(&farm, 2).await);
    world.waits_for_it().await;
    stdout(&world.command(["pause", "film", "--reason", "lunch"]).output().unwrap());
    assert_eq!(post(&url, "\"first\"").0, 204, "the wait goes on, and ends");
    assert_eq!(world.unexplained().await, [""; 0]);
    assert_eq!(world.count("select count(*) from piton.checkpoints").await, 0);
    stdout(&world.command(["resume", "film"]).output().unwrap());
    assert_eq!(world.ended(&paused).await, "done");
    let given_up = world.start("film", "{}");
    let url = callback_of(&world.asked(&farm, 3).await);
    world.waits_for_it().await;
    let said = r#"{"class": "invalid_input", "message": "no such scene"}"#;
    assert_eq!(post(&format!("{url}/failure"), said).0, 204);
    assert_eq!(world.ended(&given_up).await, "blocked");
    let letter = world.dead_letter().await;
    stdout(&world.command(["dead-letter", "retry", &letter, "--from-beginning"]).output().unwrap());
    let again = world.asked(&farm, 4).await;
    assert!(callback_of(&again) != url && again.header("idempotency-key").unwrap().ends_with(":again-1"));
    world.waits_for_it().await;
    assert_eq!(post(&url, "1").0, 404);
    assert_eq!(post(&callback_of(&again), "\"again\"").0, 204);
    assert_eq!(world.ended(&given_up).await, "done");
    world
        .pool
        .execute(
            "update piton.runs set finished_at = now() - interval '10 years', started_at = now() - interval '10 years'",
        )
        .await
        .unwrap();
    stdout(&world.command(["cleanup", "run"]).output().unwrap());
    let left = "select (select count(*) from piton.waits) + (select count(*) from piton.callbacks)";
    assert_eq!(world.count(left).await, 0, "nothing is kept");
}

const ASKS: &str = r#"
name = "asks"
[stages.early]
rust = "early"
wait = { for = "callback", timeout = "1h" }
[stages.render]
needs = ["early"]
rust = "render"
wait = { for = "callback", timeout = "1h", heartbeat = "30m" }
[stages.service]
rust = "service"
[stages.last]
needs = ["render", "service"]
rust = "last"
"#;

/// Answers itself before it waits; a later attempt finds that it did.
async fn early(context: StageContext, pool: State<PgPool>) -> Result<Wait<i32>, Failure> {
    let token = context.callback().unwrap().token().to_owned();
    let answered = sqlx::query("select piton.complete($1, '{\"n\": 1}')").bind(token).execute(&*pool).await;
    match answered {
        Ok(_) => Ok(Wait::callback(1)),
        Err(error) if error.as_database_error().is_some_and(|said| said.code().as_deref() == Some("55000")) => {
            Ok(Wait::callback(1))
        }
        Err(error) => Err(Failure::resource_unavailable(error.to_string())),
    }
}

/// Notes who asked, and with which token; the work of one key is paid for once.
async fn render(context: StageContext, pool: State<PgPool>) -> Result<Wait<String>, Failure> {
    let callback = context.callback().unwrap();
    let asked = sqlx::query("insert into asked (key, token) values ($1, $2) on conflict do nothing")
        .bind(context.idempotency_key())
        .bind(callback.token());
    asked.execute(&*pool).await.map_err(|error| Failure::resource_unavailable(error.to_string()))?;
    Ok(Wait::callback(format!("job of {}", context.idempotency_key())))
}

/// Answers whoever waits.
async fn service(pool: State<PgPool>) -> Result<&'static str, Failure> {
    let lost = |error: sqlx::Error| Failure::resource_unavailable(error.to_string());
    loop {
        let waits = "select a.token from asked a where exists (select from piton.waits where kind = 'callback' and outcome is null)";
        let token: Option<String> = sqlx::query_scalar(waits).fetch_optional(&*pool).await.map_err(lost)?;
        if let Some(token) = token {
            sqlx::query("select piton.heartbeat($1, '{\"frame\": 1}')")
                .bind(&token)
                .execute(&*pool)
                .await
                .map_err(lost)?;
            sqlx::query("select piton.complete($1, '\"a film\"')").bind(&token).execute(&*pool).await.map_err(lost)?;
            return Ok("answered");
        }
        let answered = "select count(*) from piton.waits where stage = 1 and outcome = 'answered'";
        if sqlx::query_scalar::<_, i64>(answered).fetch_one(&*pool).await.map_err(lost)? == 1 {
            return Ok("answered");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn last(Input(input): Input<Value>) -> Result<Value, Failure> {
    Ok(input["render"].clone())
}

#[tokio::test]
async fn a_kill_at_any_commit_of_a_callback_changes_nothing() {
    let app = |url: String| async move {
        let app = App::new().workflow("asks.toml", ASKS).state(PgPool::connect_lazy(&url)?);
        let app = app.handler("early", early).handler("render", render).handler("service", service);
        Ok::<_, sqlx::Error>(app.handler("last", last))
    };
    let report = crash_at_every_commit(app)
        .set_up(|pool| async move {
            sqlx::raw_sql("create table asked (key text, token text, primary key (key, token))")
                .execute(&pool)
                .await
                .map(|_| ())
        })
        .check(|turn| async move {
            let asked: i64 = sqlx::query_scalar("select count(*) from asked").fetch_one(turn.pool()).await.unwrap();
            assert_eq!(asked, 1, "every attempt carries the same key and the same token");
            let outcomes = "select string_agg(kind || ' ' || outcome, ', ' order by stage) from piton.waits";
            let outcomes: Option<String> = sqlx::query_scalar(outcomes).fetch_one(turn.pool()).await.unwrap();
            assert_eq!(outcomes.as_deref(), Some("callback answered, callback answered"));
            let left = "select (select count(*) from piton.jobs) + (select count(*) from piton.unexplained_jobs)";
            let left: i64 = sqlx::query_scalar(left).fetch_one(turn.pool()).await.unwrap();
            assert_eq!(left, 0);
        })
        .run("asks", &json!({}))
        .await
        .unwrap();
    assert!(report.kills >= 16, "before and after each of four stages, two tokens and two waits at least: {report:?}");
}

#[tokio::test]
async fn a_program_answers_with_the_library() {
    let file = "name = \"one\"\n[stages.ask]\nrust = \"ask\"\nwait = { for = \"callback\", timeout = \"1h\" }\n";
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let ask = move |context: StageContext| {
        let tell = tell.clone();
        async move {
            let token = context.callback().ok_or_else(|| Failure::unknown("no callback"))?.token().to_owned();
            tell.send(token).map_err(|_| Failure::unknown("nobody listens"))?;
            Ok::<_, Failure>(Wait::callback("job-1"))
        }
    };
    let piton = TestPiton::new(App::new().workflow("one.toml", file).handler("ask", ask)).await.unwrap();
    let run = piton.piton().start("one", &json!({})).await.unwrap();
    let token = told.recv().await.unwrap();
    piton.piton().heartbeat(&token, &json!({"done": 1})).await.unwrap();
    piton.piton().complete(&token, &json!({"n": 7})).await.unwrap();
    let late = piton.piton().fail(&token, &Failure::unknown("late")).await.unwrap_err();
    assert!(matches!(late, WaitError::Over(_) | WaitError::NotFound(_)), "{late}");
    assert_eq!(run.result::<Value>().await.unwrap(), json!({"n": 7}));
    assert!(matches!(piton.piton().complete("nonsense", &1).await, Err(WaitError::NotFound(_))));
}
