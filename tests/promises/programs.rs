//! Which program a command stage runs, what it reads, and what its end means, where the file says so.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Process, SOON, World, until};

/// A worker of the plain binary, with these variables.
fn worker(world: &World, name: &str, variables: &[(&str, &str)]) -> Process {
    let folder = world.path("workflows");
    let arguments = ["worker", "--name", name, "--workflows", folder.to_str().unwrap()];
    let mut command = world.command_of(Path::new(env!("CARGO_BIN_EXE_piton")), arguments);
    command.envs(variables.iter().copied());
    Process::spawn(command, world.path(&format!("{name}.log")))
}

/// The output of the last stage of a run that is done.
async fn output(world: &World, run: &str) -> Value {
    assert_eq!(world.ended(run).await, "done");
    sqlx::query_scalar(
        "select k.output from piton.checkpoints k join piton.runs r on r.id = k.run_id where r.uuid = $1::uuid
         order by k.stage desc, k.item desc limit 1",
    )
    .bind(run)
    .fetch_one(&world.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_file_may_say_what_an_exit_code_means() {
    let ends = r#"
        name = "ends"
        [stages.ends]
        for_each = "input.scripts"
        command = ["sh", "-c", "{{item}}"]
        classes = { 3 = "rate_limited", 65 = "resource_unavailable", 137 = "unknown", 255 = "auth_failure" }
        retry = { max_retries = 0 }
    "#;
    let world = World::with(&[ends]).await;
    let _worker = worker(&world, "w1", &[]);
    let expected = [
        ("echo slower >&2; exit 3", "rate_limited", "`sh` ended with exit status 3: slower"),
        ("exit 65", "resource_unavailable", "`sh` ended with exit status 65"),
        ("exit 66", "invalid_input", "`sh` ended with exit status 66 (EX_NOINPUT: no input file)"),
        ("kill -KILL $$", "unknown", "`sh` was killed by SIGKILL"),
        ("exit 137", "unknown", "`sh` was killed by SIGKILL"),
        ("exit 255", "auth_failure", "`sh` ended with exit status 255"),
        ("echo '{\"class\": \"invalid_input\", \"message\": \"m\"}' >&2; exit 3", "invalid_input", "m"),
    ];
    let scripts = expected.map(|(script, ..)| script);
    let run = world.start("ends", &json!({"scripts": scripts}).to_string());
    until(SOON, "all have failed", async || {
        world.count("select count(*) from piton.dead_letters").await == i64::try_from(scripts.len()).unwrap()
    })
    .await;
    let failed: Vec<(String, String)> = sqlx::query_as(
        "select a.class, a.message from piton.attempts a join piton.runs r on r.id = a.run_id
         where r.uuid = $1::uuid order by a.item",
    )
    .bind(&run)
    .fetch_all(&world.pool)
    .await
    .unwrap();
    for ((script, class, message), failed) in expected.into_iter().zip(&failed) {
        assert_eq!((failed.0.as_str(), failed.1.as_str()), (class, message), "{script}");
    }
}

#[tokio::test]
async fn a_program_that_takes_commands_from_standard_input_is_not_given_the_input() {
    let reads = |name: &str, key: &str| {
        format!("name = '{name}'\n[stages.reads]\ncommand = ['sh', '-c', 'cat; echo {{{{input.lang}}}}']\noutput = 'text'\n{key}\n")
    };
    let world = World::with(&[&reads("none", "stdin = 'none'"), &reads("input", "")]).await;
    let _worker = worker(&world, "w1", &[]);
    let [none, input] = ["none", "input"].map(|workflow| world.start(workflow, r#"{"lang":"en"}"#));
    assert_eq!(output(&world, &none).await, json!("en"));
    assert_eq!(output(&world, &input).await, json!(r#"{"input":{"lang":"en"}}en"#));
}
