//! A service that is asked again until it is done: by one worker at a time, when it wants to be, and never asked to begin twice.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use piton::App;
use piton::testing::crash_at_every_commit;
use serde_json::{Value, json};
use sqlx::Executor;

use crate::harness::{SOON, World, stdout, until};
use crate::http_server::{HttpServer, Request, Wire};

/// A render farm that is asked again: what it says to the n-th poll of a job, from 1.
type Says = dyn Fn(usize, &Request, &mut Wire) -> io::Result<()> + Send + Sync;

/// Jobs by their keys, and how often each was polled.
#[derive(Default)]
struct Farm {
    jobs: BTreeMap<String, String>,
    polls: BTreeMap<String, usize>,
}

fn farm(says: impl Fn(usize, &Request, &mut Wire) -> io::Result<()> + Send + Sync + 'static) -> HttpServer {
    let (farm, says): (_, Box<Says>) = (Arc::new(Mutex::new(Farm::default())), Box::new(says));
    HttpServer::start(move |request, wire| {
        if request.method == "POST" {
            let mut farm = farm.lock().unwrap();
            let next = format!("job-{}", farm.jobs.len() + 1);
            let key = request.header("idempotency-key").unwrap().to_owned();
            let id = farm.jobs.entry(key).or_insert(next).clone();
            drop(farm);
            return wire.answer(202, &[], format!(r#"{{"id": "{id}"}}"#));
        }
        let number = {
            let mut farm = farm.lock().unwrap();
            let polls = farm.polls.entry(request.target.clone()).or_default();
            *polls += 1;
            *polls
        };
        says(number, request, wire)
    })
}

fn film(farm: &HttpServer, every: &str, keys: &str) -> String {
    let url = farm.url();
    format!(
        "name = \"film\"\n[stages.render]\nhttp = \"{url}/jobs\"\nheaders = {{ x-who = \"piton\" }}\n\
         retry = {{ resource_unavailable = {{ base = \"1ms\", cap = \"1s\" }} }}\n\
         [stages.render.wait]\nfor = \"poll\"\nurl = \"{url}/jobs/{{{{answer.id}}}}?of={{{{input.film}}}}\"\nevery = \"{every}\"\n\
         done = \"status == 'succeeded'\"\nfailed = \"status == 'failed'\"\noutput = \"result\"\ntimeout = \"2h\"\n{keys}\n\
         [stages.cut]\nneeds = [\"render\"]\ncommand = [\"cat\"]\n"
    )
}

fn done(wire: &mut Wire) -> io::Result<()> {
    wire.answer(200, &[], r#"{"status": "succeeded", "result": {"n": 1.10}}"#)
}

fn working(wire: &mut Wire) -> io::Result<()> {
    wire.answer(200, &[], r#"{"status": "rendering"}"#)
}

impl World {
    async fn polled(&self, farm: &HttpServer, times: usize) {
        until(SOON, "the service is polled", async || farm.requests_to("/jobs/").len() >= times).await;
    }

    async fn poll_now(&self) {
        self.pool.execute("update piton.waits set deadline = now() where outcome is null").await.unwrap();
        self.pool.execute("select pg_notify('piton_jobs', '')").await.unwrap();
    }
}

#[tokio::test]
async fn a_service_is_asked_until_it_is_done_and_holds_nothing_between() {
    let farm = farm(|poll, _, wire| if poll < 3 { working(wire) } else { done(wire) });
    let world = World::with(&[&film(&farm, "1h", "")]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", r#"{"film": "a/b"}"#);
    for polls in 0..3i32 {
        until(SOON, "it waits for the next poll", async || {
            let sql = "select count(*) from piton.waits where outcome is null and polls = $1";
            sqlx::query_scalar::<_, i64>(sql).bind(polls).fetch_one(&world.pool).await.unwrap() == 1
        })
        .await;
        assert_eq!(world.count("select count(*) from piton.jobs where state = 'waiting'").await, 1);
        assert_eq!(world.unexplained().await, [""; 0]);
        if polls == 2 {
            let listed = stdout(&world.command(["waits"]).output().unwrap());
            assert!(listed.contains("asking a service until it is done ({\"id\": \"job-1\"}) until "), "{listed}");
            assert!(listed.contains("; asked 2 times, the next time at "), "{listed}");
        }
        world.poll_now().await;
    }
    assert_eq!(world.ended(&run).await, "done");
    let output: String = sqlx::query_scalar("select output::text from piton.checkpoints where stage = 0")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(output, r#"{"n": 1.10}"#);
    let polls = farm.requests_to("/jobs/");
    assert_eq!((polls.len(), farm.requests().len()), (3, 4));
    assert_eq!(polls[0].target, "/jobs/job%2D1?of=a%2Fb");
    assert_eq!((polls[0].method.as_str(), polls[0].header("x-who")), ("GET", Some("piton")));
    assert_eq!(world.count("select count(*) from piton.attempts").await, 0, "it was one attempt");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_poll_that_fails_is_no_failure_of_the_job() {
    let farm = farm(|poll, _, wire| match poll {
        1 => wire.answer(503, &[], "down"),
        2 => wire.answer(200, &[], "<html>"),
        3 => wire.hang_up(),
        _ => done(wire),
    });
    let world = World::with(&[&film(&farm, "1ms", "")]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", r#"{"film": 1}"#);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.count("select count(*) from piton.attempts").await, 0);
    assert_eq!(farm.requests_to("/jobs/").len(), 4);
}

#[tokio::test]
async fn a_service_says_when_it_wants_to_be_asked() {
    let farm = farm(|poll, _, wire| match poll {
        1 => wire.answer(429, &["Retry-After: 3000"], "slower"),
        _ => wire.answer(200, &["Retry-After: 6000"], r#"{"status": "rendering"}"#),
    });
    let world = World::with(&[&film(&farm, "1ms", "")]).await;
    let _worker = world.worker("w1", &[]);
    world.start("film", r#"{"film": 1}"#);
    let in_seconds = async || {
        let sql = "select extract(epoch from deadline - now())::int8 from piton.waits where outcome is null";
        sqlx::query_scalar::<_, i64>(sql).fetch_optional(&world.pool).await.unwrap().unwrap_or_default()
    };
    until(SOON, "it waits as long as it was told", async || (2900..=3000).contains(&in_seconds().await)).await;
    let trouble: String = sqlx::query_scalar("select trouble from piton.waits").fetch_one(&world.pool).await.unwrap();
    assert!(trouble.starts_with("rate_limited: "), "{trouble}");
    world.poll_now().await;
    until(SOON, "and so after an answer", async || (5900..=6000).contains(&in_seconds().await)).await;
    assert_eq!(world.count("select count(*) from piton.waits where trouble is null and misses = 0").await, 1);
}

#[tokio::test]
async fn a_service_that_fails_fails_the_job_and_one_that_lost_the_work_is_asked_anew() {
    let farm = farm(|_, request, wire| match request.target.split('?').next() {
        Some("/jobs/job%2D1") => wire.answer(410, &[], "gone"),
        _ => wire.answer(200, &[], r#"{"status": "failed", "why": "no fuel"}"#),
    });
    // Under another key it is another job there.
    let file = film(&farm, "1ms", "").replace("x-who", "x-other");
    let world = World::with(&[&file]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", r#"{"film": 1}"#);
    until(SOON, "it is asked anew", async || {
        farm.requests().iter().filter(|request| request.method == "POST").count() >= 2
    })
    .await;
    let other = world.start("film", r#"{"film": 2}"#);
    assert_eq!(world.ended(&other).await, "blocked");
    let failed = "select class || ': ' || message from piton.dead_letters d join piton.runs r on r.id = d.run_id where r.uuid = $1::uuid";
    let failed: String = sqlx::query_scalar(failed).bind(&other).fetch_one(&world.pool).await.unwrap();
    assert_eq!(failed, r#"invalid_input: the service says that it has failed: {"status":"failed","why":"no fuel"}"#);
    let gone = "select min(message) from piton.attempts a join piton.runs r on r.id = a.run_id where r.uuid = $1::uuid and class = 'resource_unavailable'";
    let gone: Option<String> = sqlx::query_scalar(gone).bind(&run).fetch_one(&world.pool).await.unwrap();
    assert!(gone.is_some_and(|gone| gone.starts_with("the service knows nothing of the work any more: ")));
}

#[tokio::test]
async fn a_handle_that_is_known_is_asked_first_wherever_the_worker_dies() {
    let farm = farm(|poll, _, wire| {
        std::thread::sleep(Duration::from_millis(20));
        if poll < 8 { working(wire) } else { done(wire) }
    });
    let world = World::with(&[&film(&farm, "1ms", "")]).await;
    let runs: Vec<String> = (0..3).map(|film| world.start("film", &format!(r#"{{"film": {film}}}"#))).collect();
    for seed in 0..6 {
        let victim = world.worker("w1", &["--slots", "4"]);
        victim.says("worker started").await;
        tokio::time::sleep(Duration::from_millis(20 + seed * 17)).await;
        victim.kill();
        assert_eq!(world.unexplained().await, [""; 0], "killed with seed {seed}");
    }
    let _workers = [world.worker("w1", &[]), world.worker("w2", &[])];
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    let jobs: std::collections::BTreeSet<String> =
        farm.requests_to("/jobs/").iter().map(|request| request.target.clone()).collect();
    assert_eq!(jobs.len(), 3, "each film is one job there: {jobs:?}");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_cannot_be_decided_is_loud_and_the_handle_is_kept_for_the_retry() {
    let farm = farm(|poll, _, wire| if poll == 1 { wire.answer(200, &[], r#"{"state": 1}"#) } else { done(wire) });
    let world = World::with(&[&film(&farm, "1ms", "")]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", r#"{"film": 1}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    let letter = world.dead_letter().await;
    stdout(&world.command(["dead-letter", "retry", &letter]).output().unwrap());
    assert_eq!(world.ended(&run).await, "done");
    let output: Value = sqlx::query_scalar("select output from piton.checkpoints where stage = 0")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(output, json!({"n": 1.10}));
    assert_eq!(farm.requests().iter().filter(|request| request.method == "POST").count(), 1);
}

#[tokio::test]
async fn a_service_that_is_never_done_times_out_with_what_was_wrong_last() {
    let farm = farm(|_, _, wire| wire.answer(500, &[], "still down"));
    let world = World::with(&[&film(&farm, "1h", "")]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("film", r#"{"film": 1}"#);
    until(SOON, "it waits", async || world.count("select count(*) from piton.waits where outcome is null").await == 1)
        .await;
    world.poll_now().await;
    world.polled(&farm, 1).await;
    until(SOON, "it waits", async || {
        world.count("select count(*) from piton.waits where outcome is null and misses = 1").await == 1
    })
    .await;
    world.pool.execute("update piton.waits set deadline = now(), latest = now()").await.unwrap();
    world.pool.execute("select pg_notify('piton_jobs', '')").await.unwrap();
    assert_eq!(world.ended(&run).await, "blocked");
    let letter: String = sqlx::query_scalar("select class || ': ' || message from piton.dead_letters")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert!(letter.starts_with("wait_timeout: the service was not done before "), "{letter}");
    assert!(
        letter.ends_with(
            "the last poll failed: resource_unavailable: the server answered 500 Internal Server Error: still down"
        ),
        "{letter}"
    );
}

#[tokio::test]
async fn a_kill_at_any_commit_of_a_poll_changes_nothing() {
    // Three polls of each job; every turn is another job.
    let server = farm(|poll, _, wire| if poll < 3 { working(wire) } else { done(wire) });
    let file = film(&server, "1ms", "").split("[stages.cut]").next().unwrap().to_owned();
    let app = move |_: String| {
        let app = App::new().workflow("film.toml", &file);
        async move { Ok::<_, std::convert::Infallible>(app) }
    };
    let report = crash_at_every_commit(app)
        .check(|turn| async move {
            let waits = "select string_agg(kind || ' ' || outcome, ', ') from piton.waits";
            let waits: Option<String> = sqlx::query_scalar(waits).fetch_one(turn.pool()).await.unwrap();
            assert_eq!(waits.as_deref(), Some("poll due"), "what it was done with is the checkpoint");
            let left = "select (select count(*) from piton.jobs) + (select count(*) from piton.unexplained_jobs)";
            let left: i64 = sqlx::query_scalar(left).fetch_one(turn.pool()).await.unwrap();
            assert_eq!(left, 0);
        })
        .run("film", &json!({"film": 1}))
        .await
        .unwrap();
    assert!(report.kills >= 8, "{report:?}");
    let keys: std::collections::BTreeSet<String> = server
        .requests()
        .iter()
        .filter(|request| request.method == "POST")
        .map(|request| request.header("idempotency-key").unwrap().to_owned())
        .collect();
    let asked = server
        .requests_to("/jobs/")
        .iter()
        .map(|request| request.target.clone())
        .collect::<std::collections::BTreeSet<_>>();
    assert_eq!(asked.len(), keys.len(), "each run is one job there");
}
