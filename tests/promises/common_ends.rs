//! The statement for common ends does what the one for all ends does.

use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use crate::harness::World;
use crate::workflows::CHAIN;

const ANY: &str = include_str!("../../src/store/sql/commit.sql");
const COMMON: &str = include_str!("../../src/store/sql/commit_common.sql");
/// For a batch of one.
const HAND_OFF: &str = include_str!("../../src/store/sql/commit_hand_off.sql");
const LAST: &str = include_str!("../../src/store/sql/commit_last.sql");
/// Everything that an end may touch.
const TABLES: [&str; 7] = ["jobs", "checkpoints", "runs", "attempts", "joins", "dead_letters", "artifacts"];

/// How one attempt ends.
#[derive(Clone, Copy)]
enum End {
    /// Its branch stays for that stage, item and end of its lane.
    Stays(i16, i32, i32),
    /// Its branch ends, and its run with it or not.
    Over { ends_run: bool },
}

/// An end of the job of that number, from 1.
#[derive(Clone, Copy)]
struct Case {
    job: usize,
    end: End,
    /// It names another token than the job has.
    is_fenced: bool,
}

const fn case(job: usize, end: End) -> Case {
    Case { job, end, is_fenced: false }
}

const NEXT_STAGE: End = End::Stays(2, -1, 0);
const END_OF_RUN: End = End::Over { ends_run: true };
const END_OF_BRANCH: End = End::Over { ends_run: false };

/// What is sent, and how many of it land.
fn batches() -> Vec<(&'static str, Vec<Case>, usize)> {
    let fenced = |case: Case| Case { is_fenced: true, ..case };
    vec![
        ("one goes on to the next stage", vec![case(1, NEXT_STAGE)], 1),
        ("one goes on to the next item", vec![case(1, End::Stays(1, 1, 4))], 1),
        ("one ends its run", vec![case(1, END_OF_RUN)], 1),
        ("one ends its branch", vec![case(1, END_OF_BRANCH)], 1),
        ("one was a suspect, with progress", vec![case(3, NEXT_STAGE)], 1),
        ("one ends a run that is blocked", vec![case(4, END_OF_RUN)], 1),
        ("one is fenced", vec![fenced(case(1, NEXT_STAGE))], 0),
        ("one that would end its run is fenced", vec![fenced(case(1, END_OF_RUN))], 0),
        (
            "several of every kind",
            vec![
                case(1, NEXT_STAGE),
                case(2, END_OF_RUN),
                fenced(case(3, NEXT_STAGE)),
                case(4, END_OF_BRANCH),
                case(5, End::Stays(1, 2, 3)),
                fenced(case(6, END_OF_RUN)),
            ],
            4,
        ),
    ]
}

/// A claimed job.
#[derive(sqlx::FromRow)]
struct Job {
    run_id: i64,
    id: i64,
    workflow_id: i64,
    version_id: i64,
    worker_id: i64,
}

/// Six runs whose second stage runs; the third was a suspect and tells of progress, and the fourth's run is blocked.
async fn running(world: &World) -> Vec<Job> {
    world.start("chain", "{}");
    sqlx::raw_sql("truncate piton.jobs, piton.joins, piton.checkpoints, piton.runs")
        .execute(&world.pool)
        .await
        .unwrap();
    sqlx::raw_sql(
        "with worker as (
             insert into piton.workers (boot_id, name, host, pid) values (gen_random_uuid(), 'filler', 'h', 1) returning id),
         run as (
             insert into piton.runs (uuid, version_id, input)
             select gen_random_uuid(), v.id, '{}' from piton.workflow_versions v, generate_series(1, 6) returning id)
         insert into piton.jobs (run_id, workflow_id, version_id, stage, state, attempt, worker_id, token, due_at, since)
         select run.id, v.workflow_id, v.id, 1, 'running', 3, worker.id, 7, now() - interval '1 hour', now() - interval '1 minute'
         from run, worker, piton.workflow_versions v;
         update piton.jobs set deaths = 2, progress_done = 1, progress_of = 2, progress_note = 'half'
         where id = (select id from piton.jobs order by run_id, id offset 2 limit 1);
         update piton.runs set state = 'blocked' where id = (select id from piton.runs order by id offset 3 limit 1);",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    sqlx::query_as("select run_id, id, workflow_id, version_id, worker_id from piton.jobs order by run_id, id")
        .fetch_all(&world.pool)
        .await
        .unwrap()
}

fn array<T: std::fmt::Display>(cases: &[Case], of: impl Fn(&Case) -> T) -> String {
    let values: Vec<String> = cases.iter().map(|case| of(case).to_string()).collect();
    format!("'{{{}}}'", values.join(","))
}

/// The batch as calls of both statements.
fn calls(cases: &[Case], jobs: &[Job]) -> [String; 2] {
    let job = |case: &Case| &jobs[case.job - 1];
    let (run, id) = (array(cases, |c| job(c).run_id), array(cases, |c| job(c).id));
    let (one, zero) = (array(cases, |_| 1), array(cases, |_| 0));
    let (item, attempt) = (array(cases, |_| -1), array(cases, |_| 3));
    let worker = array(cases, |c| job(c).worker_id);
    let token = array(cases, |c| if c.is_fenced { 8 } else { 7 });
    let spot = |c: &Case| match c.end {
        End::Stays(stage, item, until) => (stage, item, until, 1),
        End::Over { .. } => (0, 0, 0, 0),
    };
    let stays = |c: &Case| matches!(c.end, End::Stays(..));
    let becomes = array(cases, |c| if stays(c) { "running" } else { "null" });
    let new_stage = array(cases, |c| spot(c).0);
    let stage_or_none = array(cases, |c| if stays(c) { spot(c).0.to_string() } else { "null".to_owned() });
    let (new_item, new_until) = (array(cases, |c| spot(c).1), array(cases, |c| spot(c).2));
    let new_attempt = array(cases, |c| spot(c).3);
    let output = array(cases, |c| format!("\"{{\\\"of\\\": {}}}\"", c.job));
    let digest = array(cases, |c| format!("\"\\\\x{}\"", format!("{:02x}", c.job).repeat(32)));
    let ends_run = array(cases, |c| matches!(c.end, End::Over { ends_run: true }));
    let (workflow, version) = (array(cases, |c| job(c).workflow_id), array(cases, |c| job(c).version_id));
    let now = array(cases, |_| "2026-01-01");
    [
        format!(
            "execute any_end({run}, {id}, {one}, {item}, {attempt}, {worker}, {now}, {becomes}, {new_stage}, {new_item}, {new_until}, \
             {new_attempt}, {item}, {output}, {digest}, {workflow}, {version}, {zero}, {now}, {token}, {ends_run}, '{{}}')"
        ),
        format!(
            "execute common_end({run}, {id}, {one}, {item}, {attempt}, {worker}, {token}, {stage_or_none}, {new_item}, {new_until}, \
             {now}, {output}, {digest}, {ends_run})"
        ),
    ]
}

/// One end as a call of the statement that is for it alone.
fn call_alone(case: &Case, job: &Job) -> String {
    let Job { run_id, id, worker_id, .. } = job;
    let token = if case.is_fenced { 8 } else { 7 };
    let (name, then) = match case.end {
        End::Stays(stage, item, until) => ("hand_off", format!("{stage}, {item}, {until}")),
        End::Over { ends_run } => ("last", ends_run.to_string()),
    };
    let digest = format!("{:02x}", case.job).repeat(32);
    format!(
        "execute {name}({run_id}, {id}, 1, -1, 3, {worker_id}, {token}, {then}, '2026-01-01', '{{\"of\": {}}}', '\\x{digest}')",
        case.job
    )
}

/// All rows after that call, and its answer; then the call has never been.
async fn rows_after(connection: &mut PgConnection, call: &str) -> (Vec<(i64, bool, bool)>, Vec<Value>) {
    connection.execute("savepoint before").await.unwrap();
    let mut answer: Vec<(i64, bool, bool)> = Vec::new();
    for row in connection.fetch_all(AssertSqlSafe(call.to_owned())).await.unwrap() {
        use sqlx::Row;
        match row.try_get::<Vec<i64>, _>("landed") {
            // Common ends wake nobody, and come in one row.
            Ok(landed) => {
                let ended: Vec<i64> = row.get("ended_runs");
                answer.extend(landed.into_iter().map(|ord| (ord, false, ended.contains(&ord))));
            }
            Err(_) => answer.push((row.get("ord"), row.get("woke"), row.get("ended_run"))),
        }
    }
    answer.sort_unstable();
    let mut tables = Vec::new();
    for table in TABLES {
        let sql =
            format!("select coalesce(jsonb_agg(to_jsonb(t) order by to_jsonb(t)::text), '[]') from piton.{table} t");
        tables.push(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await.unwrap());
    }
    connection.execute("rollback to before").await.unwrap();
    (answer, tables)
}

#[tokio::test]
async fn common_ends_leave_the_same_rows_and_answers_as_any_other_way_to_commit_them() {
    let world = World::with(&[CHAIN]).await;
    let jobs = running(&world).await;
    let mut connection = world.pool.acquire().await.unwrap().detach();
    for (name, text) in [("any_end", ANY), ("common_end", COMMON), ("hand_off", HAND_OFF), ("last", LAST)] {
        connection.execute(AssertSqlSafe(format!("prepare {name} as {text}"))).await.unwrap();
    }
    // In one transaction, so that all have the same now().
    connection.execute("begin").await.unwrap();
    let (_, untouched) = rows_after(&mut connection, "select 0::int8 as ord, false as woke, false as ended_run").await;
    for (what, cases, landed) in batches() {
        let [any, common] = calls(&cases, &jobs);
        let (any, common) = (rows_after(&mut connection, &any).await, rows_after(&mut connection, &common).await);
        assert_eq!(any.0.len(), landed, "{what}");
        assert_eq!(landed > 0, any.1 != untouched, "{what}");
        assert_eq!(any.0, common.0, "{what}: the answers");
        for (table, (any, common)) in TABLES.iter().zip(any.1.iter().zip(&common.1)) {
            assert_eq!(any, common, "{what}: piton.{table}");
        }
        if let [case] = cases.as_slice() {
            let alone = rows_after(&mut connection, &call_alone(case, &jobs[case.job - 1])).await;
            assert_eq!(common, alone, "{what}, alone");
        }
    }
}
