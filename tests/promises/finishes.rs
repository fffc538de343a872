//! Programs that end their attempt with `piton.finish`: their rows and the checkpoint land together, or neither does.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row};

use crate::harness::{SOON, World, stdout, until};
use crate::pgbouncer::{self, PgBouncer};
use crate::scrape::Scrape;
use crate::server::Server;

/// A stage that is a shell script with this world's database; `$1` is the item, where there is one.
fn load(script: &str, keys: &str) -> String {
    format!(
        "name = \"load\"\n[stages.load]\n{keys}\ncommand = [\"sh\", \"-c\", '''\n\
         say() {{ psql -X -q -A -t -v ON_ERROR_STOP=1 \"$TARGET\" -c \"$1\"; }}\n{script}\n''', \"load\"]\n\
         pass_env = [\"TARGET\"]\nfinish = true\n\
         retry = {{ unknown = {{ base = \"1ms\" }}, resource_unavailable = {{ base = \"1ms\", max_retries = 50 }} }}\n"
    )
}

const FINISHES: &str = "piton_program_finishes_total";

/// Row and output in one transaction.
const TOGETHER: &str = r#"say "begin; insert into public.loaded values ('$PITON_RUN', coalesce(nullif('$PITON_ITEM', ''), '-1')::int, $PITON_ATTEMPT);
select piton.finish('$PITON_ATTEMPT_TOKEN', json_build_object('attempt', $PITON_ATTEMPT)); commit""#;

async fn world(workflow: &str) -> World {
    let mut world = World::with(&[workflow]).await;
    world.pool.execute("create table public.loaded (run uuid, item int, attempt int)").await.unwrap();
    world.environment.push(("TARGET", world.url.clone()));
    world
}

impl World {
    /// Rows without their result, results without their row, and what is there twice.
    async fn apart(&self) -> i64 {
        self.count(
            "select count(*)
             from (select r.uuid, f.item, (f.output->>'attempt')::int, count(*)
                   from piton.finishes f join piton.runs r on r.id = f.run_id
                   where f.output is not null group by 1, 2, 3) as result (run, item, attempt, n)
             full join (select run, item, attempt, count(*) from public.loaded group by 1, 2, 3) as row (run, item, attempt, n)
                 using (run, item, attempt, n)
             where result.n is null or row.n is null or row.n > 1",
        )
        .await
    }

    async fn loaded(&self) -> i64 {
        self.count("select count(*) from public.loaded").await
    }

    async fn result(&self) -> Value {
        sqlx::query_scalar("select output from piton.checkpoints").fetch_one(&self.pool).await.unwrap()
    }

    async fn said(&self) -> Vec<String> {
        sqlx::query_scalar(
            "select class || ': ' || message from piton.attempts where outcome = 'failed' order by attempt",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn rows_and_result_of_a_program_agree_wherever_its_worker_or_itself_is_killed() {
    const SEEDS: u64 = 15;
    let script = format!("sleep 0.0$(($$ % 5))\n{TOGETHER}\nsleep 0.0$(($$ % 7))");
    let world = world(&load(&script, "for_each = \"input\"")).await;
    let run = world.start("load", &json!((0..60).collect::<Vec<_>>()).to_string());
    for seed in 0..SEEDS {
        let before = world.loaded().await;
        let victim = world.worker("w1", &["--slots", "4"]);
        until(SOON, "a row is there", async || {
            world.loaded().await > before || world.count("select count(*) from piton.jobs").await == 0
        })
        .await;
        let mut dice = StdRng::seed_from_u64(seed);
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..80))).await;
        // Also the programs alone, by the sessions that they have.
        if seed % 3 == 0 {
            world.cut_sessions().await;
            tokio::time::sleep(Duration::from_millis(dice.random_range(0..80))).await;
        }
        victim.kill();
        assert_eq!(world.apart().await, 0, "killed with seed {seed}");
    }
    let _worker = world.worker("w1", &["--slots", "4"]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!((world.loaded().await, world.apart().await), (60, 0));
    let differ = "select count(*) from piton.checkpoints k left join piton.finishes f using (run_id, stage, item)
                  where k.item >= 0 and (f.output is null or f.output::text <> k.output::text or f.digest <> k.digest)";
    assert_eq!(world.count(differ).await, 0, "every checkpoint is what its program finished with");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn what_a_program_finished_with_counts_however_it_ends_and_it_is_never_started_again() {
    for (after, told) in
        [("true", false), ("printf '{\"other\": 1}'", true), ("exit 3", true), ("kill -9 $$", true), ("sleep 60", true)]
    {
        let world = world(&load(&format!("{TOGETHER}\n{after}"), "timeout = \"4s\"")).await;
        let worker = world.worker("w1", &[]);
        let run = world.start("load", "{}");
        assert_eq!(world.ended(&run).await, "done", "{after}: {:?}", world.said().await);
        assert_eq!((world.result().await, world.loaded().await), (json!({"attempt": 1}), 1), "{after}");
        assert_eq!(world.said().await, [""; 0], "{after}");
        assert_eq!(worker.log().contains("the program called piton.finish and"), told, "{after}: {}", worker.log());
    }
}

#[tokio::test]
async fn a_program_that_was_killed_with_its_worker_after_its_commit_is_not_started_again() {
    let world = world(&load(&format!("{TOGETHER}\nsleep 60"), "")).await;
    let victim = world.worker("w1", &[]);
    let run = world.start("load", "{}");
    until(SOON, "its row is there", async || world.loaded().await == 1).await;
    victim.kill();
    let _heir = world.worker("w2", &[]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!((world.result().await, world.loaded().await), (json!({"attempt": 1}), 1));
    let attempt = "select attempt from piton.checkpoints";
    assert_eq!(world.count("select count(*) from piton.attempts where outcome = 'lost'").await, 1);
    assert_eq!(sqlx::query_scalar::<_, i32>(attempt).fetch_one(&world.pool).await.unwrap(), 2, "the next one took it");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn an_attempt_that_is_over_finishes_nothing_and_keeps_no_row() {
    // It waits for the file before it calls.
    let script = format!(
        "echo $PITON_ATTEMPT_TOKEN > \"$GATE/token\"\nwhile [ ! -e \"$GATE/go\" ]; do sleep 0.02; done\n{TOGETHER}"
    );
    let workflow = load(&script, "").replace("[\"TARGET\"]", "[\"TARGET\", \"GATE\"]");
    let mut world = world(&workflow).await;
    let gate = world.path("gate");
    std::fs::create_dir(&gate).unwrap();
    world.environment.push(("GATE", gate.display().to_string()));
    let _worker = world.worker("w1", &[]);
    let run = world.start("load", "{}");
    until(SOON, "it has its token", async || gate.join("token").exists()).await;
    let token = async || std::fs::read_to_string(gate.join("token")).unwrap().trim().to_owned();
    until(SOON, "and has written it", async || !token().await.is_empty()).await;
    let token = token().await;
    // A token that is nearly right, none, and no output.
    let other = format!("{}0", &token[..token.len() - 1]);
    let other = if other == token { format!("{}1", &token[..token.len() - 1]) } else { other };
    for (token, output, said) in [
        (other.as_str(), "'1'", "this attempt is over"),
        ("x", "'1'", "this is no token of an attempt"),
        (token.as_str(), "null", "not the NULL of SQL"),
        (token.as_str(), r#"'"\u0000"'"#, "a string in the output holds a NUL character"),
        (token.as_str(), "to_json(repeat('x', 1048576))", "over the limit of 1048576"),
    ] {
        let call = format!("select piton.finish('{token}', {output})");
        let error = world.pool.execute(AssertSqlSafe(call)).await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    // Twice in one transaction, which then has no effect.
    let mut transaction = world.pool.begin().await.unwrap();
    let call = format!("select piton.finish('{token}', '1')");
    transaction.execute(AssertSqlSafe(call.clone())).await.unwrap();
    let twice = transaction.execute(AssertSqlSafe(call.clone())).await.unwrap_err().to_string();
    assert!(twice.contains("has finished already"), "{twice}");
    transaction.rollback().await.unwrap();
    // Its run is cancelled under it.
    sqlx::query("select piton.cancel_run($1::uuid, 'test')").bind(&run).execute(&world.pool).await.unwrap();
    let error = world.pool.execute(AssertSqlSafe(call)).await.unwrap_err().to_string();
    assert!(error.contains("this attempt is over"), "{error}");
    std::fs::write(gate.join("go"), "").unwrap();
    assert_eq!(world.state(&run).await, "cancelled");
    assert_eq!((world.loaded().await, world.count("select count(*) from piton.checkpoints").await), (0, 0));
}

#[tokio::test]
async fn a_program_that_neither_finishes_nor_returns_anything_has_failed() {
    let world = world(&load("say 'begin; insert into public.loaded values (null, 0, 0)'", "")).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("load", "{}");
    assert_eq!(world.ended(&run).await, "blocked");
    assert!(
        world.said().await[0].starts_with("unknown: the command ended without an output"),
        "{:?}",
        world.said().await
    );
    assert_eq!((world.loaded().await, world.count("select count(*) from piton.finishes").await), (0, 0));
    // Done again, it starts from nothing; and what it prints is its output, as always.
    world.write_workflows(&[&load("echo 5", "")]);
    let _second = world.worker("w2", &[]);
    let run = world.start("load", "{}");
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.result().await, json!(5));
}

#[tokio::test]
async fn a_stage_that_is_done_again_finishes_again() {
    let script = format!("{TOGETHER}\n[ -e \"$GATE\" ] || exit 0");
    let workflow = load(&script, "").replace("[\"TARGET\"]", "[\"TARGET\", \"GATE\"]")
        + "[stages.after]\ncommand = [\"sh\", \"-c\", \"exit 65\"]\nneeds = [\"load\"]\n";
    let world = world(&workflow).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("load", "{}");
    assert_eq!(world.ended(&run).await, "blocked");
    assert_eq!(world.loaded().await, 1);
    let letter = world.dead_letter().await;
    sqlx::query("select piton.retry_dead_letter($1::uuid, from_beginning => true)")
        .bind(letter)
        .execute(&world.pool)
        .await
        .unwrap();
    until(SOON, "it was loaded again", async || world.loaded().await == 2).await;
    assert_eq!(world.ended(&run).await, "blocked");
}

#[tokio::test]
async fn the_token_of_an_attempt_is_neither_stored_nor_logged() {
    let world = world(&load(
        "echo \"$PITON_ATTEMPT_TOKEN\" >&2; echo \"$PITON_ATTEMPT_TOKEN\" > \"$PITON_ARTIFACTS/token\"; exit 65",
        "",
    ))
    .await;
    let worker = world.worker("w1", &[]);
    let run = world.start("load", "{}");
    assert_eq!(world.ended(&run).await, "blocked");
    let detail: Value = sqlx::query_scalar("select detail from piton.attempts").fetch_one(&world.pool).await.unwrap();
    assert!(detail.to_string().contains("${PITON_ATTEMPT_TOKEN}"), "{detail}");
    assert!(world.said().await[0].contains("${PITON_ATTEMPT_TOKEN}"), "{:?}", world.said().await);
    assert!(!worker.log().contains(".0.-1."), "{}", worker.log());
}

#[tokio::test]
async fn a_member_of_piton_stage_can_finish_and_do_nothing_else() {
    let mut world = world(&load(TOGETHER, "")).await;
    let role = format!("loader_{}", world.database().0);
    let grants = format!("create role {role} login in role piton_stage; grant insert on public.loaded to {role}");
    sqlx::raw_sql(AssertSqlSafe(grants)).execute(&world.pool).await.unwrap();
    let url = world.url.replace("user=piton", &format!("user={role}"));
    assert_ne!(url, world.url);
    world.environment = vec![("TARGET", url)];
    let _worker = world.worker("w1", &[]);
    let run = world.start("load", "{}");
    assert_eq!(world.ended(&run).await, "done", "{:?}", world.said().await);
    assert_eq!((world.result().await, world.loaded().await), (json!({"attempt": 1}), 1));
}

#[tokio::test]
async fn that_a_program_has_finished_and_still_runs_is_shown() {
    let world = world(&load(&format!("{TOGETHER}\nsleep 60"), "")).await;
    let worker = world.worker("w1", &[]);
    let run = world.start("load", "{}");
    until(SOON, "its row is there", async || world.loaded().await == 1).await;
    let told = |command: &str| stdout(&world.command([command, &run]).output().unwrap());
    let (shown, why_it_runs) = (told("show"), told("why"));
    assert!(shown.contains("The program of load committed its result with piton.finish at "), "{shown}");
    assert!(why_it_runs.contains("; piton.finish committed its result "), "{why_it_runs}");
    assert!(why_it_runs.contains(" ago, and its program still runs"), "{why_it_runs}");
    let why = "select count(*) from piton.why_waiting where reason = 'running' and why like 'running on w1 for % ago, and its program still runs'";
    assert_eq!(world.count(why).await, 1);
    // The heir takes the result, and counts it.
    worker.kill();
    let heir = world.worker("w2", &["--metrics", "127.0.0.1:0"]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(Scrape::of(&heir).await.sum(FINISHES, &[("outcome", "taken_over")]), 1.0);
    assert_eq!(world.count(why).await, 0);
}

#[tokio::test]
async fn how_programs_finish_is_counted() {
    for (script, outcome) in [
        (TOGETHER.to_owned(), "finished"),
        (format!("{TOGETHER}\nexit 3"), "finished_then_failed"),
        ("echo 5".to_owned(), "returned"),
        ("exit 65".to_owned(), "failed"),
    ] {
        let world = world(&load(&script, "")).await;
        let worker = world.worker("w1", &["--metrics", "127.0.0.1:0"]);
        let run = world.start("load", "{}");
        world.ended(&run).await;
        let scrape = Scrape::of(&worker).await;
        assert_eq!(
            scrape.sum(FINISHES, &[("workflow", "load"), ("stage", "load"), ("outcome", outcome)]),
            1.0,
            "{script}"
        );
        assert_eq!(scrape.sum(FINISHES, &[]), 1.0, "{script}");
    }
}

/// The token is all that `piton.finish` goes by: nothing of it is left to the session.
#[tokio::test]
async fn a_program_finishes_through_a_pooler_in_transaction_mode() {
    let Some(program) = pgbouncer::find(false).or_else(|| pgbouncer::find(true)) else { return };
    let server = Server::start().await;
    // One connection of the server's for all of them: whatever one leaves behind, the next one would meet.
    let bouncer = PgBouncer::start(&program, &server, "transaction\ndefault_pool_size = 1").await;
    let mut world = World::on(&server, &[&load(TOGETHER, "for_each = \"input\"")]).await;
    world.pool.execute("create table public.loaded (run uuid, item int, attempt int)").await.unwrap();
    world.environment.push(("TARGET", bouncer.url()));
    let _worker = world.worker("w1", &["--slots", "4"]);
    let run = world.start("load", &json!((0..20).collect::<Vec<_>>()).to_string());
    assert_eq!(world.ended(&run).await, "done", "{:?}", world.said().await);
    assert_eq!((world.loaded().await, world.apart().await), (20, 0));
    assert_eq!(world.said().await, [""; 0]);
    // A token that is over is refused there, too, and its rows with it.
    let late =
        format!("{}; echo late", TOGETHER.replace("$PITON_ATTEMPT_TOKEN", "1.0.-1.00000000000000000000000000000000"));
    world.write_workflows(&[&load(&format!("{late}\nexit 65"), "")]);
    let _second = world.worker("w2", &["--slots", "4"]);
    let run = world.start("load", "{}");
    assert_eq!(world.ended(&run).await, "blocked");
    assert_eq!((world.loaded().await, world.apart().await), (20, 0));
    // The 5 s in which a session must go on behind the call end with its transaction.
    let left = "select count(*) from pg_stat_activity where state like 'idle in transaction%'";
    assert_eq!(world.count(left).await, 0);
    let mut client =
        bouncer.url().parse::<PgConnectOptions>().unwrap().extra_float_digits(None).connect().await.unwrap();
    let row = sqlx::raw_sql("show idle_in_transaction_session_timeout").fetch_one(&mut client).await.unwrap();
    assert_eq!(row.get::<String, _>(0), "0");
}

/// Between reading what a program has finished with and making the checkpoint of it, the worker may come to another server.
#[tokio::test]
async fn a_result_whose_commit_a_failover_loses_gets_no_checkpoint_and_its_program_runs_again() {
    let script = format!("{TOGETHER}\nwhile [ ! -e \"$GATE\" ]; do sleep 0.02; done");
    let workflow = load(&script, "").replace("[\"TARGET\"]", "[\"TARGET\", \"GATE\"]");
    let mut world = world(&workflow).await;
    let gate = world.path("gate");
    world.environment.push(("GATE", gate.display().to_string()));
    let worker = world.worker("w1", &[]);
    let run = world.start("load", "{}");
    until(SOON, "its row is there", async || world.loaded().await == 1).await;
    // The worker reads on a connection that it has, and needs a new one to commit.
    let mut held = world.pool.acquire().await.unwrap();
    let closed = "update pg_database set datallowconn = false where datname = current_database()";
    held.execute(closed).await.unwrap();
    std::fs::write(gate, "").unwrap();
    worker.says("a transaction of the stage").await;
    let rewound =
        "delete from public.loaded; update piton.finishes set output = null, digest = null, finished_at = null;
        update pg_database set datallowconn = true where datname = current_database()";
    sqlx::raw_sql(rewound).execute(&mut *held).await.unwrap();
    drop(held);
    assert_eq!(world.ended(&run).await, "done", "{:?}", world.said().await);
    assert_eq!((world.result().await, world.loaded().await, world.apart().await), (json!({"attempt": 2}), 1, 0));
    let said = world.said().await;
    assert!(
        said.len() == 1 && said[0].starts_with("unknown: what the program committed with piton.finish is gone"),
        "{said:?}"
    );
}
