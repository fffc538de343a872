//! Which program a command stage runs, what it reads, and what its end means, where the file says so.

use std::path::Path;

use serde_json::json;

use crate::commands::output;
use crate::harness::{Process, SOON, World, until};
use crate::scrape::{Scrape, until_scraped};

/// A worker of the plain binary, with these variables.
fn worker(world: &World, name: &str, variables: &[(&str, &str)]) -> Process {
    let folder = world.path("workflows");
    let arguments = ["worker", "--name", name, "--workflows", folder.to_str().unwrap()];
    let mut command = world.command_of(Path::new(env!("CARGO_BIN_EXE_piton")), arguments);
    command.envs(variables.iter().copied());
    Process::spawn(command, world.path(&format!("{name}.log")))
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
        format!(
            "name = '{name}'\n[stages.reads]\ncommand = ['sh', '-c', 'cat; echo {{{{input.lang}}}}']\noutput = 'text'\n{key}\n"
        )
    };
    let world = World::with(&[&reads("none", "stdin = 'none'"), &reads("input", "")]).await;
    let _worker = worker(&world, "w1", &[]);
    let [none, input] = ["none", "input"].map(|workflow| world.start(workflow, r#"{"lang":"en"}"#));
    assert_eq!(output(&world, &none).await, json!("en"));
    assert_eq!(output(&world, &input).await, json!(r#"{"input":{"lang":"en"}}en"#));
}

/// Makes a program of this script.
fn install(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_program_is_looked_for_in_the_stage_s_own_path() {
    let finds = r#"
        name = "finds"
        [stages.own]
        command = ["only-there"]
        env = { PATH = "${TOOLS}:${PATH}" }
        output = "text"
        [stages.relative]
        needs = ["own"]
        dir = "${TOOLS}"
        command = ["only-there"]
        env = { PATH = ".:/bin" }
        output = "text"
        [stages.variable]
        needs = ["relative"]
        command = ["${TOOLS}/only-there"]
        output = "text"
    "#;
    let world = World::with(&[finds]).await;
    let tools = world.path("tools");
    install(&tools.join("only-there"), "echo found");
    let worker = worker(&world, "w1", &[("TOOLS", tools.to_str().unwrap())]);
    let run = world.start("finds", "{}");
    assert_eq!(output(&world, &run).await, json!("found"));
    assert!(!worker.log().contains("lack something here"), "{}", worker.log());
}

#[tokio::test]
async fn a_worker_without_the_program_leaves_the_stage_to_others_and_looks_again() {
    let needs = r#"
        name = "needs"
        [stages.tool]
        for_each = "input.items"
        command = ["the-tool"]
        env = { PATH = "${TOOLS}:/bin:/usr/bin" }
        output = "text"
    "#;
    let world = World::with(&[needs]).await;
    let [without, with] = ["without", "with"].map(|name| world.path(name));
    std::fs::create_dir_all(&without).unwrap();
    // It is there, and nobody may run it.
    std::fs::write(without.join("the-tool"), "").unwrap();
    install(&with.join("the-tool"), "echo $PITON_WORKER");
    let poor = worker(&world, "poor", &[("TOOLS", without.to_str().unwrap())]);
    poor.says("stages that lack something here: tool (program \"the-tool\")").await;
    let items = json!({"items": vec![0; 40]}).to_string();
    let run = world.start("needs", &items);
    let why = "select count(*) from piton.why_waiting where reason = 'no_handler'";
    until(SOON, "it is said what is missing", async || world.count(why).await > 0).await;
    let rich = worker(&world, "rich", &[("TOOLS", with.to_str().unwrap())]);
    assert_eq!(world.ended(&run).await, "done");
    rich.kill();
    assert_eq!(
        world.count("select count(*) from piton.attempts").await,
        0,
        "nothing failed, and nothing was handed back"
    );
    let outputs = "select count(*) from piton.checkpoints where output #>> '{}' = 'rich'";
    assert_eq!(world.count(outputs).await, 40);
    let run = world.start("needs", r#"{"items": [0]}"#);
    install(&without.join("the-tool"), "echo $PITON_WORKER");
    assert_eq!(world.ended(&run).await, "done");
    poor.says("what this stage needs is here now").await;
    // And it may go again: what fails then is one attempt, and the rest is left.
    std::fs::remove_file(without.join("the-tool")).unwrap();
    world.start("needs", &items);
    poor.says("left for a worker that has it: program \"the-tool\"").await;
    until(SOON, "it is said what is missing", async || world.count(why).await > 0).await;
    assert!(world.count("select count(*) from piton.attempts where outcome = 'failed'").await <= 40);
}

#[tokio::test]
async fn a_worker_without_a_tool_or_a_place_that_a_stage_requires_leaves_it_to_others_and_looks_again() {
    let requires = r#"
        name = "requires"
        [stages.reads]
        for_each = "input.items"
        command = ["sh", "-c", "echo $PITON_WORKER"]
        env = { PATH = "${TOOLS}:/bin:/usr/bin" }
        requires = ["the-tool", "${INBOX}"]
        output = "text"
    "#;
    let world = World::with(&[requires]).await;
    let [without, with] = ["without", "with"].map(|name| world.path(name));
    let [gone, inbox] = ["gone", "inbox"].map(|name| world.path(name));
    for folder in [&without, &inbox] {
        std::fs::create_dir_all(folder).unwrap();
    }
    install(&with.join("the-tool"), "true");
    let variables = |tools: &Path, inbox: &Path| {
        [("TOOLS", tools.to_str().unwrap().to_owned()), ("INBOX", inbox.to_str().unwrap().to_owned())]
    };
    let start = |name: &str, tools: &Path, inbox: &Path| {
        let variables = variables(tools, inbox);
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        worker(&world, name, &variables)
    };
    let poor = start("poor", &without, &gone);
    poor.says("stages that lack something here: reads (\"the-tool\" and \"${INBOX}\", which it requires)").await;
    let counted = |scrape: &Scrape| scrape.sum("piton_stages_missing", &[("workflow", "requires")]) == 1.0;
    until_scraped(&poor, "the stage is counted", counted).await;
    let items = json!({"items": vec![0; 20]}).to_string();
    let run = world.start("requires", &items);
    let why = "select count(*) from piton.why_waiting where reason = 'no_handler'
               and why like '%or what it requires (the-tool, ${INBOX})%'";
    until(SOON, "it is said what is missing", async || world.count(why).await > 0).await;
    let rich = start("rich", &with, &inbox);
    assert_eq!(world.ended(&run).await, "done");
    rich.kill();
    assert_eq!(world.count("select count(*) from piton.attempts").await, 0, "nothing failed, nothing was handed back");
    assert_eq!(world.count("select count(*) from piton.checkpoints where output #>> '{}' = 'rich'").await, 20);
    // Both have to come.
    install(&without.join("the-tool"), "true");
    let run = world.start("requires", r#"{"items": [0]}"#);
    std::fs::create_dir_all(&gone).unwrap();
    assert_eq!(world.ended(&run).await, "done");
    poor.says("what this stage needs is here now").await;
    // And they may go again.
    std::fs::remove_dir(&gone).unwrap();
    poor.says("left for a worker that has it: \"${INBOX}\", which it requires").await;
}

#[tokio::test]
async fn an_attempt_is_told_of_itself_in_the_texts_of_its_stage() {
    let told = r#"
        name = "told"
        [stages.told]
        for_each = "input.items"
        command = ["sh", "-c", "echo \"$@\" > \"$0\"; echo made > \"$1\"/film.txt", "{{run.output}}", "{{run.artifacts}}",
                   "{{run.id}}", "{{run.workflow}}", "{{run.stage}}", "{{run.item}}", "{{run.attempt}}", "{{run.worker}}",
                   "{{run.idempotency_key}}", "{{item.lang | 'en'}}"]
        output = "text"
    "#;
    let world = World::with(&[told]).await;
    let _worker = worker(&world, "w1", &[]);
    let run = world.start("told", r#"{"items": [{"lang": "de"}, {"lang": null}]}"#);
    let last = output(&world, &run).await;
    let (folder, rest) = last.as_str().unwrap().split_once(' ').unwrap();
    assert!(Path::new(folder).is_absolute(), "{folder}");
    assert_eq!(rest, format!("{run} told told 1 1 w1 {run}:told:1 en"));
    let kept = "select count(*) from piton.artifacts_overview where name = 'film.txt'";
    assert_eq!(world.count(kept).await, 2);
}

#[tokio::test]
async fn a_class_may_be_retried_more_often_than_a_job_is_by_default() {
    let often = r#"
        name = "often"
        [stages.often]
        command = ["sh", "-c", "exit 3"]
        classes = { 3 = "rate_limited" }
        retry = { rate_limited = { max_retries = 12, base = "1ms", cap = "1ms" } }
    "#;
    let world = World::with(&[often]).await;
    let _worker = worker(&world, "w1", &[]);
    let run = world.start("often", "{}");
    assert_eq!(world.ended(&run).await, "blocked");
    assert_eq!(world.count("select count(*) from piton.attempts where outcome = 'failed'").await, 13);
}

#[tokio::test]
async fn piton_within_a_stage_uses_the_database_of_its_worker_or_none() {
    let piton = env!("CARGO_BIN_EXE_piton");
    let stage = |name: &str, keys: &str| {
        format!(
            "name = '{name}'\n[stages.asks]\ncommand = ['{piton}', 'runs', '--json']\nretry = {{ max_retries = 0 }}\n{keys}\n"
        )
    };
    let asks = [
        stage("forgets", ""),
        stage("passes", "pass_env = ['DATABASE_URL']"),
        stage("names", "env = { DATABASE_URL = '${DATABASE_URL}' }"),
        stage("warm", "warm = {}"),
    ];
    let world = World::with(&asks.each_ref().map(String::as_str)).await;
    let home = world.path("home");
    std::fs::create_dir(&home).unwrap();
    let folder = world.path("workflows");
    // The worker was told by an argument: its environment names no database.
    let arguments = ["worker", "--name", "w1", "--workflows", folder.to_str().unwrap(), "--database-url", &world.url];
    let mut command = world.command_of(Path::new(piton), arguments);
    command.env_remove("DATABASE_URL").env("HOME", &home).env_remove("XDG_DATA_HOME");
    let _worker = Process::spawn(command, world.path("w1.log"));
    let run = world.start("forgets", "{}");
    assert_eq!(world.ended(&run).await, "blocked");
    let detail: String =
        sqlx::query_scalar("select detail ->> 'stderr' from piton.attempts").fetch_one(&world.pool).await.unwrap();
    assert_eq!(
        detail,
        "error: stage `asks` of a run called this program and no database is named; a private one would not be that of the \
         run. Add pass_env = [\"DATABASE_URL\"] to the stage: it gets the database of its worker then\n"
    );
    // A warm program is told of no job when it starts.
    let run = world.start("warm", "{}");
    assert_eq!(world.ended(&run).await, "blocked");
    let told = "select count(*) from piton.attempts where detail ->> 'stderr' like
                'error: a warm stage of a worker called this program and no database is named; %pass_env = [\"DATABASE_URL\"]%'";
    assert_eq!(world.count(told).await, 1);
    assert_eq!(std::fs::read_dir(&home).unwrap().count(), 0, "no second Postgres was made");
    for workflow in ["passes", "names"] {
        let run = world.start(workflow, "{}");
        let output = output(&world, &run).await.to_string();
        assert!(output.contains(&run), "{workflow}: {output}");
    }
}

#[tokio::test]
async fn a_script_whose_interpreter_is_not_there_says_so() {
    let mut world = World::with(&[
        "name = 'path'\n[stages.one]\ncommand = ['./script']\ndir = '${SCRIPTS}'\nretry = { max_retries = 0 }",
        "name = 'found'\n[stages.one]\ncommand = ['script-in-path']\nenv = { PATH = '${SCRIPTS}' }\nretry = { max_retries = 0 }",
        "name = 'none'\n[stages.one]\ncommand = ['./{{input.name}}']\ndir = '${SCRIPTS}'\nretry = { max_retries = 0 }",
    ])
    .await;
    let scripts = world.path("scripts");
    std::fs::create_dir(&scripts).unwrap();
    for name in ["script", "script-in-path"] {
        std::fs::write(scripts.join(name), "#! /nowhere/python3 -u\nprint(1)\n").unwrap();
        std::fs::set_permissions(scripts.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    world.environment.push(("SCRIPTS", scripts.to_str().unwrap().to_owned()));
    let _worker = worker(&world, "w1", &[]);
    for (workflow, says) in [("path", true), ("found", true), ("none", false)] {
        let run = world.start(workflow, r#"{"name": "none"}"#);
        assert_eq!(world.ended(&run).await, "blocked");
        let sql = "select a.class || ': ' || a.message from piton.attempts a join piton.runs r on r.id = a.run_id where r.uuid = $1::uuid";
        let said: String = sqlx::query_scalar(sql).bind(&run).fetch_one(&world.pool).await.unwrap();
        assert!(said.starts_with("resource_unavailable: cannot start `"), "{said}");
        let asks = said.contains("its first line asks for `/nowhere/python3`, which is not there: No such file");
        assert_eq!(asks, says, "{said}");
    }
}
