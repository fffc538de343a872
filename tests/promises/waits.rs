//! What a job waits for, in every combination of what can keep it: the one that somebody must act on first is named first, the
//! others are mentioned, and nothing else is.

use sqlx::{Postgres, Transaction};

use crate::harness::World;

const LIMITED: &str = "name = \"media\"\n[stages.render]\nrust = \"work\"\nconcurrency = 1\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    None,
    Stage,
    Workflow,
    Everything,
    /// The stage, and everything.
    Twice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    None,
    Concurrency,
    Rate,
    PerWorker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Workers {
    None,
    Alive,
    Silent,
    Stopping,
    /// One lives, and lacks the handler.
    Lacking,
    /// One lives, and serves another workflow.
    Elsewhere,
    LackingAndSilent,
    ElsewhereAndStopping,
    /// Of many that live a few are named.
    Five,
    /// One that runs suspects for a worker that is gone.
    Runner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    Ready,
    Limited,
    Suspect,
    Later,
    Retry,
    Due,
}

const PAUSES: [Pause; 5] = [Pause::None, Pause::Stage, Pause::Workflow, Pause::Everything, Pause::Twice];
const LIMITS: [Limit; 4] = [Limit::None, Limit::Concurrency, Limit::Rate, Limit::PerWorker];
const WORKERS: [Workers; 10] = [
    Workers::None,
    Workers::Alive,
    Workers::Silent,
    Workers::Stopping,
    Workers::Lacking,
    Workers::Elsewhere,
    Workers::LackingAndSilent,
    Workers::ElsewhereAndStopping,
    Workers::Five,
    Workers::Runner,
];
const JOBS: [Job; 6] = [Job::Ready, Job::Limited, Job::Suspect, Job::Later, Job::Retry, Job::Due];

#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
struct Told {
    reason: String,
    why: String,
    moves: String,
}

/// A worker of that name: its row, with so many seconds of silence.
async fn worker(at: &mut Transaction<'_, Postgres>, name: &str, silence: i32, what: &str) {
    let sql = "insert into piton.workers (id, boot_id, name, host, pid, slots, last_seen, serves, lacks_versions, lacks_stages,
                                          stopping_at, stopped_at, stop_reason, parent)
               select hashtext($1), gen_random_uuid(), $1, 'h', 1, 8, now() - $2 * interval '1 second',
                      case when $3 = 'elsewhere' then '{}'::int8[] else array[v.workflow_id] end,
                      case when $3 = 'lacks' then array[v.id] else '{}' end,
                      case when $3 = 'lacks' then '{0}'::int2[] else '{}' end,
                      case when $3 = 'stops' then now() end, case when $3 = 'gone' then now() end,
                      case when $3 = 'gone' then 'lost' end, case when $3 = 'runner' then 1 end
               from piton.workflow_versions v";
    sqlx::query(sql).bind(name).bind(silence).bind(what).execute(&mut **at).await.unwrap();
}

async fn arrange(at: &mut Transaction<'_, Postgres>, pause: Pause, limit: Limit, workers: Workers, job: Job) {
    let all: &[(&str, i32, &str)] = match workers {
        Workers::None => &[],
        Workers::Alive => &[("w1", 1, "")],
        Workers::Silent => &[("w1", 78, "")],
        Workers::Stopping => &[("w1", 1, "stops")],
        Workers::Lacking => &[("w1", 1, "lacks")],
        Workers::Elsewhere => &[("w1", 1, "elsewhere")],
        Workers::LackingAndSilent => &[("w1", 1, "lacks"), ("w2", 78, "")],
        Workers::ElsewhereAndStopping => &[("w1", 1, "elsewhere"), ("w2", 1, "stops")],
        Workers::Five => &[("w1", 1, ""), ("w2", 1, ""), ("w3", 1, ""), ("w4", 1, ""), ("w5", 1, "")],
        Workers::Runner => &[("w1/alone", 1, "runner")],
    };
    for (name, silence, what) in all {
        worker(at, name, *silence, what).await;
    }
    // The limit's holder is a boot that has ended, and keeps no one from being the last worker.
    worker(at, "holder", 1, "gone").await;
    let limit = match limit {
        Limit::None => "delete from piton.jobs where run_id = (select max(id) from piton.runs)",
        Limit::Concurrency => {
            "update piton.jobs set state = 'running', attempt = 1, worker_id = hashtext('holder'),
                                   limit_id = (select id from piton.stage_limits)
             where run_id = (select max(id) from piton.runs)"
        }
        Limit::Rate => {
            "with gone as (delete from piton.jobs where run_id = (select max(id) from piton.runs))
             update piton.stage_limits set concurrency = null, rate_attempts = 2, rate_period = '1 hour',
                                           next_at = '2040-01-01 00:00:00+00'"
        }
        // Of several workers one has room.
        Limit::PerWorker => {
            "with limits as (update piton.stage_limits set concurrency = null, per_worker = 1 returning id)
             update piton.jobs set state = 'running', attempt = 1, worker_id = hashtext('w1'), limit_id = limits.id
             from limits where run_id = (select max(id) from piton.runs)"
        }
    };
    sqlx::query(limit).execute(&mut **at).await.unwrap();
    let state = match job {
        Job::Ready => "state = 'ready'",
        Job::Limited => "state = 'limited', limit_id = (select id from piton.stage_limits)",
        Job::Suspect => "state = 'suspect', deaths = 1, attempt = 1",
        Job::Later => "state = 'scheduled', due_at = '2040-01-01 00:00:00+00'",
        Job::Retry => "state = 'scheduled', attempt = 1, due_at = '2040-01-01 00:00:00+00'",
        Job::Due => "state = 'scheduled', attempt = 1, due_at = '2020-01-01 00:00:00+00'",
    };
    let sql = format!(
        "update piton.jobs set since = now() - interval '10 s', {state} where run_id = (select min(id) from piton.runs)"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut **at).await.unwrap();
    let failed = "insert into piton.attempts (run_id, stage, item, attempt, outcome, class, message, worker_id, started_at)
                  select min(id), 0, -1, 1, 'failed', 'rate_limited', 'slow down', hashtext('holder'), now() from piton.runs";
    if matches!(job, Job::Retry | Job::Due) {
        sqlx::query(failed).execute(&mut **at).await.unwrap();
    }
    let pauses: &[&str] = match pause {
        Pause::None => &[],
        Pause::Stage => &["select piton.pause('costs', 'media', 'render', 'anna')"],
        Pause::Workflow => &["select piton.pause('costs', 'media', null, 'anna')"],
        Pause::Everything => &["select piton.pause('costs', null, null, 'anna')"],
        Pause::Twice => &[
            "select piton.pause('costs', 'media', 'render', 'anna')",
            "select piton.pause('night', null, null, 'ben')",
        ],
    };
    for pause in pauses {
        sqlx::query(*pause).execute(&mut **at).await.unwrap();
    }
}

/// What is said of the first run's job: one by one, counted of it, and counted of all. All of them agree.
async fn told(at: &mut Transaction<'_, Postgres>) -> (Told, Told) {
    let first = "(select uuid from piton.runs order by id limit 1)";
    let one = format!("select reason, why, moves from piton.why_waiting where run = {first}");
    let one: Vec<Told> = sqlx::query_as(sqlx::AssertSqlSafe(one)).fetch_all(&mut **at).await.unwrap();
    let counted = format!("select reason, why, moves from piton.live_waits({first})");
    let counted: Vec<Told> = sqlx::query_as(sqlx::AssertSqlSafe(counted)).fetch_all(&mut **at).await.unwrap();
    let run = format!("select reason, why, moves from piton.run_waits({first})");
    let run: Vec<Told> = sqlx::query_as(sqlx::AssertSqlSafe(run)).fetch_all(&mut **at).await.unwrap();
    let all: Vec<Told> = sqlx::query_as("select reason, why, moves from piton.waiting_overview where reason = $1")
        .bind(&one[0].reason)
        .fetch_all(&mut **at)
        .await
        .unwrap();
    let ([one], [counted]) = (one.as_slice(), counted.as_slice()) else { panic!("{one:?} {counted:?}") };
    assert_eq!(run, std::slice::from_ref(one), "of a run whose jobs wait for one thing each it is told whole");
    assert_eq!((&one.reason, &one.moves), (&counted.reason, &counted.moves));
    assert_eq!(all, std::slice::from_ref(counted));
    (one.clone(), counted.clone())
}

async fn begin(world: &World) -> Transaction<'static, Postgres> {
    let mut transaction = world.pool.begin().await.unwrap();
    // To compile so large a statement takes seconds.
    sqlx::query("set local jit = off").execute(&mut *transaction).await.unwrap();
    transaction
}

async fn case(world: &World, pause: Pause, limit: Limit, workers: Workers, job: Job) -> (Told, Told) {
    let mut transaction = begin(world).await;
    arrange(&mut transaction, pause, limit, workers, job).await;
    let told = told(&mut transaction).await;
    transaction.rollback().await.unwrap();
    told
}

/// What the state of the job and all around it come to, by the order in which somebody must act.
fn reason(pause: Pause, limit: Limit, workers: Workers, job: Job) -> &'static str {
    match (job, workers) {
        (Job::Later, _) => "later",
        (Job::Retry, _) => "retry",
        _ if pause != Pause::None => "paused",
        (_, Workers::None | Workers::Silent | Workers::Stopping | Workers::Runner) => "no_worker",
        (_, Workers::Lacking | Workers::Elsewhere | Workers::LackingAndSilent | Workers::ElsewhereAndStopping) => {
            "no_handler"
        }
        (Job::Due, _) => "due",
        (_, Workers::Five) if limit == Limit::PerWorker => "slot",
        _ if limit != Limit::None => "limit",
        (Job::Suspect, _) => "suspect",
        _ => "slot",
    }
}

/// Words, and whether they are to be there.
fn words(pause: Pause, limit: Limit, workers: Workers, job: Job) -> Vec<(&'static str, bool)> {
    use Workers::{ElsewhereAndStopping, Five, Lacking, LackingAndSilent, Runner, Silent, Stopping};
    let claimable = matches!(job, Job::Ready | Job::Limited | Job::Suspect);
    let free = pause == Pause::None && matches!(workers, Workers::Alive | Five) && limit == Limit::None;
    vec![
        ("the stage is paused by anna: \"costs\"", matches!(pause, Pause::Stage | Pause::Twice)),
        ("the workflow is paused by anna: \"costs\"", pause == Pause::Workflow),
        ("everything is paused by anna: \"costs\"", pause == Pause::Everything),
        ("everything is paused by ben: \"night\"", pause == Pause::Twice),
        ("no worker is alive", matches!(workers, Workers::None | Silent | Runner)),
        ("no worker is alive: w1 has been silent for 1 min 18 s", workers == Silent),
        ("no worker takes jobs: w1 is stopping", workers == Stopping),
        (
            "no live worker has what it needs: w1 lacks the handler \"work\"",
            matches!(workers, Lacking | LackingAndSilent),
        ),
        (
            "no live worker has what it needs: w1 serves other workflows, and would need the file of this one and the handler \"work\"",
            matches!(workers, Workers::Elsewhere | ElsewhereAndStopping),
        ),
        ("; w2, which has it, has been silent for 1 min 18 s", workers == LackingAndSilent),
        ("; w2, which has it, is stopping", workers == ElsewhereAndStopping),
        ("1 of 1 attempts run, on holder", claimable && limit == Limit::Concurrency),
        (
            "1 on each worker, and as many run on w1",
            claimable && limit == Limit::PerWorker && workers == Workers::Alive,
        ),
        ("the next at 2040-01-01 00:00:00 +00", claimable && limit == Limit::Rate),
        ("a process died under it", job == Job::Suspect),
        ("waiting for a free slot of", free && matches!(job, Job::Ready | Job::Limited)),
        ("waiting to run alone on", free && job == Job::Suspect),
        ("w1, w2, w3 and 2 more", free && claimable && workers == Five),
    ]
}

/// What has to be typed, in its order.
fn typed(pause: Pause, workers: Workers) -> Vec<&'static str> {
    let mut typed: Vec<&str> = match pause {
        Pause::None => vec![],
        Pause::Stage => vec!["piton resume media --stage render"],
        Pause::Workflow => vec!["piton resume media"],
        Pause::Everything => vec!["piton resume --everything"],
        Pause::Twice => vec!["piton resume media --stage render", "piton resume --everything"],
    };
    typed.extend(match workers {
        Workers::None | Workers::Silent | Workers::Stopping | Workers::Runner => Some("piton worker"),
        Workers::Lacking | Workers::LackingAndSilent => Some("piton worker, where there is the handler \"work\""),
        Workers::Elsewhere | Workers::ElsewhereAndStopping => {
            Some("piton worker --workflows FOLDER, with the file of its workflow and the handler \"work\"")
        }
        Workers::Alive | Workers::Five => None,
    });
    typed
}

#[tokio::test]
async fn whatever_keeps_a_job_is_named_and_first_what_somebody_must_act_on_first() {
    let world = World::with(&[LIMITED]).await;
    world.start("media", "{}");
    world.start("media", "{}");
    let mut wrong = Vec::new();
    let mut cases = 0;
    for (pause, limit) in PAUSES.iter().flat_map(|pause| LIMITS.map(|limit| (*pause, limit))) {
        for (workers, job) in WORKERS.iter().flat_map(|workers| JOBS.map(|job| (*workers, job))) {
            // The other pauses and limits differ in their own words alone.
            let is_common = matches!((pause, limit), (Pause::None, Limit::None) | (Pause::Twice, Limit::Concurrency));
            if !is_common && (workers, job) != (Workers::Alive, Job::Suspect) {
                continue;
            }
            cases += 1;
            let (one, counted) = case(&world, pause, limit, workers, job).await;
            let what = format!("{pause:?} {limit:?} {workers:?} {job:?}");
            if one.reason != reason(pause, limit, workers, job) {
                wrong.push(format!("{what}: {}", one.reason));
            }
            for (words, expected) in words(pause, limit, workers, job) {
                for told in [&one.why, &counted.why] {
                    if told.contains(words) != expected {
                        wrong.push(format!("{what}: {words}: {told}"));
                    }
                }
            }
            let typed = typed(pause, workers).join(", then ");
            let moves = match job {
                Job::Later | Job::Retry if typed.is_empty() => "the due time".to_owned(),
                Job::Later | Job::Retry => format!("the due time, then {typed}"),
                _ => typed,
            };
            if !moves.is_empty() && one.moves != moves || one.moves.is_empty() {
                wrong.push(format!("{what}: moved by {}", one.moves));
            }
        }
    }
    assert_eq!(cases, 2 * WORKERS.len() * JOBS.len() + 18);
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(12)]);
}

#[tokio::test]
async fn what_keeps_a_job_reads_well() {
    let world = World::with(&[LIMITED]).await;
    world.start("media", "{}");
    world.start("media", "{}");
    let mut text = String::new();
    for (pause, limit, workers, job) in [
        (Pause::None, Limit::None, Workers::Alive, Job::Ready),
        (Pause::None, Limit::None, Workers::None, Job::Ready),
        (Pause::None, Limit::None, Workers::Silent, Job::Ready),
        (Pause::None, Limit::Concurrency, Workers::Alive, Job::Limited),
        (Pause::None, Limit::Rate, Workers::Five, Job::Limited),
        (Pause::None, Limit::PerWorker, Workers::Alive, Job::Limited),
        (Pause::None, Limit::PerWorker, Workers::Five, Job::Limited),
        (Pause::Stage, Limit::PerWorker, Workers::Alive, Job::Suspect),
        (Pause::Stage, Limit::Concurrency, Workers::Alive, Job::Limited),
        (Pause::Twice, Limit::None, Workers::LackingAndSilent, Job::Ready),
        (Pause::None, Limit::None, Workers::ElsewhereAndStopping, Job::Ready),
        (Pause::None, Limit::None, Workers::Alive, Job::Suspect),
        (Pause::Workflow, Limit::Rate, Workers::Stopping, Job::Suspect),
        (Pause::None, Limit::None, Workers::Alive, Job::Later),
        (Pause::Stage, Limit::None, Workers::None, Job::Later),
        (Pause::None, Limit::None, Workers::Alive, Job::Retry),
        (Pause::None, Limit::None, Workers::Silent, Job::Retry),
        (Pause::None, Limit::None, Workers::Alive, Job::Due),
        (Pause::None, Limit::None, Workers::None, Job::Due),
    ] {
        let (one, counted) = case(&world, pause, limit, workers, job).await;
        text.push_str(&format!("{}: {}\n    1 {}\n    -> {}\n", one.reason, one.why, counted.why, one.moves));
    }
    insta::assert_snapshot!(text, @r#"
    slot: ready for 10 s, waiting for a free slot of w1
        1 waiting for a free slot of w1
        -> a free slot: more workers, or more slots for each
    no_worker: ready for 10 s, waiting: no worker is alive
        1 waiting: no worker is alive
        -> piton worker
    no_worker: ready for 10 s, waiting: no worker is alive: w1 has been silent for 1 min 18 s
        1 waiting: no worker is alive: w1 has been silent for 1 min 18 s
        -> piton worker
    limit: ready for 10 s, waiting for the stage's limit: 1 of 1 attempts run, on holder
        1 waiting for the stage's limit: 1 of 1 attempts run, on holder
        -> the end of one of those that run
    limit: ready for 10 s, waiting for the stage's limit: 2 attempts in 1 h, the next at 2040-01-01 00:00:00 +00:00
        1 waiting for the stage's limit: 2 attempts in 1 h, the next at 2040-01-01 00:00:00 +00:00
        -> the time that the rate allows
    limit: ready for 10 s, waiting for the stage's limit: 1 on each worker, and as many run on w1
        1 waiting for the stage's limit: 1 on each worker, and as many run on w1
        -> the end of one of those that run, or another worker
    slot: ready for 10 s, waiting for a free slot of w1, w2, w3 and 2 more
        1 waiting for a free slot of w1, w2, w3 and 2 more
        -> a free slot: more workers, or more slots for each
    paused: ready for 10 s, waiting: the stage is paused by anna: "costs"; also the stage's limit is reached: 1 on each worker, and as many run on w1; also a process died under it, so it runs alone
        1 waiting: the stage is paused by anna: "costs"; also the stage's limit is reached: 1 on each worker, and as many run on w1; also a process died under it, so it runs alone
        -> piton resume media --stage render
    paused: ready for 10 s, waiting: the stage is paused by anna: "costs"; also the stage's limit is reached: 1 of 1 attempts run, on holder
        1 waiting: the stage is paused by anna: "costs"; also the stage's limit is reached: 1 of 1 attempts run, on holder
        -> piton resume media --stage render
    paused: ready for 10 s, waiting: the stage is paused by anna: "costs"; also everything is paused by ben: "night"; also no live worker has what it needs: w1 lacks the handler "work"; w2, which has it, has been silent for 1 min 18 s
        1 waiting: the stage is paused by anna: "costs"; also everything is paused by ben: "night"; also no live worker has what it needs: w1 lacks the handler "work"; w2, which has it, has been silent for 1 min 18 s
        -> piton resume media --stage render, then piton resume --everything, then piton worker, where there is the handler "work"
    no_handler: ready for 10 s, waiting: no live worker has what it needs: w1 serves other workflows, and would need the file of this one and the handler "work"; w2, which has it, is stopping
        1 waiting: no live worker has what it needs: w1 serves other workflows, and would need the file of this one and the handler "work"; w2, which has it, is stopping
        -> piton worker --workflows FOLDER, with the file of its workflow and the handler "work"
    suspect: ready for 10 s, waiting to run alone on w1: a process died under it
        1 waiting to run alone on w1: a process died under it
        -> a slot for a process of its own
    paused: ready for 10 s, waiting: the workflow is paused by anna: "costs"; also no worker takes jobs: w1 is stopping; also the stage's limit is reached: 2 attempts in 1 h, the next at 2040-01-01 00:00:00 +00:00; also a process died under it, so it runs alone
        1 waiting: the workflow is paused by anna: "costs"; also no worker takes jobs: w1 is stopping; also the stage's limit is reached: 2 attempts in 1 h, the next at 2040-01-01 00:00:00 +00:00; also a process died under it, so it runs alone
        -> piton resume media, then piton worker
    later: starts at 2040-01-01 00:00:00 +00:00
        1 starting later, at 2040-01-01 00:00:00 +00:00
        -> the due time
    later: starts at 2040-01-01 00:00:00 +00:00; also the stage is paused by anna: "costs"; also no worker is alive
        1 starting later, at 2040-01-01 00:00:00 +00:00; also the stage is paused by anna: "costs"; also no worker is alive
        -> the due time, then piton resume media --stage render, then piton worker
    retry: due at 2040-01-01 00:00:00 +00:00, attempt 1 failed: rate_limited: slow down
        1 waiting for a retry after rate_limited, at 2040-01-01 00:00:00 +00:00
        -> the due time
    retry: due at 2040-01-01 00:00:00 +00:00, attempt 1 failed: rate_limited: slow down; also no worker is alive: w1 has been silent for 1 min 18 s
        1 waiting for a retry after rate_limited, at 2040-01-01 00:00:00 +00:00; also no worker is alive: w1 has been silent for 1 min 18 s
        -> the due time, then piton worker
    due: due since 2020-01-01 00:00:00 +00:00
        1 due
        -> the next look of a worker, about a second
    no_worker: due since 2020-01-01 00:00:00 +00:00, waiting: no worker is alive
        1 waiting: no worker is alive
        -> piton worker
    "#);
}

/// A worker that serves other workflows may lack more than the file.
#[tokio::test]
async fn all_that_a_stage_needs_is_named_at_once_whatever_its_kind() {
    let world = World::with(&[LIMITED]).await;
    world.start("media", "{}");
    let file = "piton worker --workflows FOLDER, with the file of its workflow";
    for (kind, needs) in [
        (r#"{"rust": {"handler": "render"}}"#, " and the handler \"render\""),
        (r#"{"command": {"argv": ["ffmpeg"]}}"#, " and the program \"ffmpeg\""),
        (
            r#"{"command": {"argv": ["ffmpeg", "${KEY}"]}}"#,
            ", the program \"ffmpeg\" and the variables that it is given",
        ),
        (r#"{"http": {"url": "https://example.org"}}"#, ""),
        (r#"{"http": {"url": "https://example.org/${KEY}"}}"#, " and the variables that its request is made of"),
    ] {
        let mut at = begin(&world).await;
        worker(&mut at, "w1", 1, "elsewhere").await;
        let sql = "update piton.workflow_versions set definition =
                       jsonb_set(definition::jsonb, '{stages,0,kind}', $1::jsonb)::text::json";
        sqlx::query(sql).bind(kind).execute(&mut *at).await.unwrap();
        let (one, _) = told(&mut at).await;
        assert!(
            one.why.ends_with(&format!("other workflows, and would need the file of this one{needs}")),
            "{}",
            one.why
        );
        assert_eq!(one.moves, format!("{file}{needs}"));
        at.rollback().await.unwrap();
    }
}

/// Its own worker is what an attempt that runs depends on.
#[tokio::test]
async fn of_an_attempt_that_runs_it_is_told_whether_its_worker_lives_and_who_takes_over() {
    let world = World::with(&[LIMITED]).await;
    world.start("media", "{}");
    let mut text = String::new();
    for (own, silence, what, other) in [
        ("w1", 1, "", None),
        ("w1", 1, "stops", None),
        ("w1", 78, "", None),
        ("w1", 78, "", Some("w2")),
        ("w1", 1, "gone", None),
        ("w1", 1, "gone", Some("w2")),
        ("w1/alone", 1, "runner", None),
    ] {
        let mut at = begin(&world).await;
        worker(&mut at, own, silence, what).await;
        if what == "runner" {
            worker(&mut at, "w1", 1, "").await;
            sqlx::query("update piton.workers set parent = hashtext('w1') where name = $1")
                .bind(own)
                .execute(&mut *at)
                .await
                .unwrap();
        }
        if let Some(other) = other {
            worker(&mut at, other, 1, "").await;
        }
        let runs = "update piton.jobs set state = 'running', attempt = 1, worker_id = hashtext($1), since = now() - interval '2 min'";
        sqlx::query(runs).bind(own).execute(&mut *at).await.unwrap();
        let (one, counted) = told(&mut at).await;
        text.push_str(&format!("{}: {}\n    1 {}\n    -> {}\n", one.reason, one.why, counted.why, one.moves));
        at.rollback().await.unwrap();
    }
    insta::assert_snapshot!(text, @r#"
    running: running on w1 for 2 min
        1 running on w1
        -> the end of the attempt, or its time limit
    running: running on w1 for 2 min, which is stopping
        1 running on w1
        -> the end of the attempt, or its time limit
    silent: running on w1, which has been silent for 1 min 18 s; nobody is left to take over: start a worker
        1 running on w1, which has been silent for 1 min 18 s; nobody is left to take over: start a worker
        -> piton worker
    silent: running on w1, which has been silent for 1 min 18 s
        1 running on w1, which has been silent for 1 min 18 s
        -> the next look of a worker, about a second
    recovery: running on w1, which is gone; nobody is left to take over: start a worker
        1 running on w1, which is gone; nobody is left to take over: start a worker
        -> piton worker
    recovery: running on w1, which is gone
        1 running on w1, which is gone
        -> the next look of a worker, about a second
    running: running on w1, alone in a process of its own, for 2 min
        1 running on w1
        -> the end of the attempt, or its time limit
    "#);
}
