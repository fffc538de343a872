//! What was checkpointed is what is read back, and a schema that does not fit is refused.

use crate::harness::{SOON, World, stdout, until};
use crate::workflows::CHAIN;

#[tokio::test]
async fn a_checkpoint_that_was_changed_is_never_passed_on() {
    let world = World::with(&[CHAIN]).await;
    let run = world.start("chain", r#"{"work_ms": 0}"#);
    let mut first = world.worker("w1", &["--slots", "1"]);
    until(SOON, "the first stage is done", async || world.count("select count(*) from piton.checkpoints").await > 0)
        .await;
    // Whatever ran by now is done; the next worker reads the last checkpoint.
    first.signal("TERM");
    first.exit_code().await;
    if world.state(&run).await == "done" {
        // Too quick to be caught between two stages: put the last one back into the queue.
        sqlx::query(
            "with run as (update piton.runs set state = 'running', finished_at = null returning id, version_id),
             gone as (delete from piton.checkpoints where stage = 2)
             insert into piton.jobs (run_id, workflow_id, version_id, stage, state)
             select run.id, v.workflow_id, v.id, 2, 'ready' from run join piton.workflow_versions v on v.id = run.version_id",
        )
        .execute(&world.pool)
        .await
        .unwrap();
    }
    sqlx::query("update piton.checkpoints set output = '\"forged\"'").execute(&world.pool).await.unwrap();
    let _second = world.worker("w2", &[]);
    assert_eq!(world.ended(&run).await, "blocked");
    let (class, detail): (String, String) =
        sqlx::query_as("select class, detail::text from piton.attempts where outcome = 'failed'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(class, "corrupt_checkpoint");
    assert!(detail.contains("expected_sha256") && detail.contains("found_sha256"), "{detail}");
}

#[tokio::test]
async fn a_schema_newer_than_the_binary_is_refused_with_both_versions() {
    let world = World::with(&[CHAIN]).await;
    sqlx::query(
        "insert into piton.migrations (version, description, success, checksum, execution_time)
         values (9999, 'from the future', true, '\\x00', 0)",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    sqlx::query("update piton.function_set set oldest_binary = 9000").execute(&world.pool).await.unwrap();
    let output = world.command(["runs"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let newest: i64 = sqlx::query_scalar("select max(version) from piton.migrations where version < 9999")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(
        said.trim_end(),
        format!(
            "error: the schema is at version 9999 and needs a Piton that knows version 9000, this one knows versions up to {newest}: start a newer Piton"
        )
    );
}

#[tokio::test]
async fn every_table_view_and_column_is_commented() {
    let world = World::with(&[]).await;
    let bare: Vec<String> = sqlx::query_scalar(
        "select c.relname || coalesce('.' || a.attname, '')
         from pg_class c
         left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
         where c.relnamespace = 'piton'::regnamespace and c.relkind in ('r', 'v') and c.relname <> 'migrations'
           and (col_description(c.oid, a.attnum) is null or obj_description(c.oid, 'pg_class') is null)
         order by 1",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert!(bare.is_empty(), "without a comment: {bare:?}");
}

#[tokio::test]
async fn the_tables_refuse_states_that_are_none() {
    let world = World::with(&[CHAIN]).await;
    let run = world.start("chain", "{}");
    let nonsense = [
        "update piton.runs set state = 'paused'",
        "update piton.runs set finished_at = now()",
        "update piton.runs set state = 'failed', finished_at = now()",
        "update piton.runs set failure_class = 'unknown'",
        "update piton.runs set priority = 1001",
        "update piton.runs set started_at = '1969-12-31T23:59:59Z'",
        "update piton.runs set traceparent = 'x'",
        "update piton.runs set tracestate = 'a=b'",
        "update piton.jobs set state = 'running'",
        "update piton.jobs set state = 'limited'",
        "update piton.jobs set state = 'suspect'",
        "update piton.jobs set state = 'running', worker_id = 1",
        "update piton.jobs set worker_id = 1",
        "update piton.jobs set attempt = -1",
        "update piton.jobs set deaths = -1",
        "update piton.jobs set group_deaths = -1",
        "update piton.jobs set stage = -1",
        "update piton.jobs set item = -2",
        "update piton.jobs set due_at = '10000-01-01T00:00:00Z'",
        "update piton.jobs set until = 1",
        "update piton.jobs set item = 3, until = 3",
        "update piton.jobs set item = 3, until = 5, state = 'scheduled'",
        "insert into piton.joins select id, 1, 0 from piton.runs",
        "insert into piton.attempts (run_id, stage, item, attempt, outcome, worker_id, started_at)
         values (1, 0, -1, 1, 'failed', 1, now())",
    ];
    for statement in nonsense {
        let refused = sqlx::query(statement).execute(&world.pool).await.unwrap_err();
        let code = refused.as_database_error().and_then(|e| e.code().map(|c| c.into_owned()));
        assert_eq!(code.as_deref(), Some("23514"), "{statement}: {refused}");
    }
    assert_eq!(world.state(&run).await, "running");
    stdout(&world.command(["show", &run]).output().unwrap());
}

#[tokio::test]
async fn inputs_that_the_database_refuses_are_a_failure_and_not_a_stuck_claim() {
    let world = World::with(&[CHAIN]).await;
    let run = world.start("chain", "{}");
    sqlx::query("alter table piton.runs rename column input to hidden").execute(&world.pool).await.unwrap();
    let _worker = world.worker("w1", &[]);
    let failed = async || world.count("select count(*) from piton.attempts where class = 'unknown'").await == 1;
    until(SOON, "the attempt failed", failed).await;
    sqlx::query("alter table piton.runs rename column hidden to input").execute(&world.pool).await.unwrap();
    assert_eq!(world.ended(&run).await, "done");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn verify_finds_what_is_not_as_it_was_committed() {
    let world = World::with(&[crate::workflows::SQUARES]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("squares", r#"{"items": 5}"#);
    assert_eq!(world.ended(&run).await, "done");
    let verify = |arguments: &[&str]| -> (Option<i32>, Vec<String>) {
        let output = world.command(["verify"].iter().chain(arguments)).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), said.lines().map(|line| line.replace(&run, "RUN")).collect())
    };
    assert_eq!(verify(&["--all"]), (Some(0), vec!["8 checkpoints, 0 mismatches".to_owned()]));
    for harm in [
        "update piton.checkpoints set output = '7' where item = 2",
        "update piton.checkpoints set bytes = 9 where item = 3",
        "update piton.checkpoints set finished_at = '2000-01-01' where stage = 0",
        "update piton.checkpoints set stage = 9 where stage = 2",
        "delete from piton.checkpoints where item = 4",
    ] {
        sqlx::query(harm).execute(&world.pool).await.unwrap();
    }
    let (code, said) = verify(&[&run]);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(said.join("\n"), @r"
    RUN  numbers: it is of 2000-01-01 00:00:00 UTC, before its run was started
    RUN  square[2]: its output has the digest 7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451, and 4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a was committed
    RUN  square[3]: its output has 1 bytes, and 9 were committed
    RUN  #9: its stage is not in the workflow version
    RUN  square: its run is done, and 4 of its 5 items have checkpoints
    RUN  sum: its run is done, and it has no checkpoint
    7 checkpoints, 6 mismatches
    ");
}

#[tokio::test]
async fn verify_reads_large_outputs_a_few_at_a_time_and_leaves_none_out() {
    let world = World::with(&[crate::workflows::SQUARES]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("squares", r#"{"items": 5}"#);
    assert_eq!(world.ended(&run).await, "done");
    // As if each were more than what is read at once.
    sqlx::query("update piton.checkpoints set bytes = 64 << 20").execute(&world.pool).await.unwrap();
    let said = String::from_utf8(world.command(["verify", "--all"]).output().unwrap().stdout).unwrap();
    assert_eq!(said.matches("and 67108864 were committed").count(), 8, "{said}");
    assert!(said.ends_with("8 checkpoints, 8 mismatches\n"), "{said}");
}
