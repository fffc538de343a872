//! Programs report how far they are in a file, whatever they make of it; and an attempt that reports nothing for too long is ended.

use std::time::Duration;

use piton::testing::TestPiton;
use piton::{App, Failure, StageContext};
use serde_json::{Value, json};

use crate::harness::{SOON, World, stdout, until};
use crate::warm::warm;

fn shell(name: &str, script: &str, keys: &str) -> String {
    format!(
        "name = \"{name}\"\n[stages.work]\ncommand = [\"sh\", \"-c\", '''{script}''']\npass_env = [\"API_KEY\"]\n\
         retry = {{ max_retries = 0 }}\n{keys}\n"
    )
}

impl World {
    async fn failed_with(&self, run: &str) -> (String, f64) {
        let (said, seconds) = sqlx::query_as(
            "select a.class || ': ' || a.message, extract(epoch from a.ended_at - a.started_at)::float8
             from piton.attempts a join piton.runs r on r.id = a.run_id where r.uuid = $1::uuid",
        )
        .bind(run)
        .fetch_one(&self.pool)
        .await
        .unwrap();
        (said, seconds)
    }
}

#[tokio::test]
async fn what_a_program_reports_is_shown_while_it_runs_without_its_secrets() {
    let script = "echo '{\"done\": 1, \"of\": 5}' > $PITON_PROGRESS; \
                  echo \"{\\\"done\\\": 2, \\\"of\\\": 5, \\\"note\\\": \\\"page two of $API_KEY\\\"}\" >> $PITON_PROGRESS; \
                  until [ -e $PITON_GO ]; do sleep 0.05; done; echo 7";
    let mut world = World::with(&[]).await;
    let go = world.path("go");
    world.write_workflows(&[&shell("pages", &script.replace("$PITON_GO", go.to_str().unwrap()), "")]);
    world.environment.push(("API_KEY", "s3cr3t-value".to_owned()));
    let _worker = world.worker("w1", &[]);
    let run = world.start("pages", "{}");
    until(SOON, "it is on record", async || {
        world.count("select count(*) from piton.jobs where progress_done = 2 and progress_of = 5").await == 1
    })
    .await;
    let shown = stdout(&world.command(["show", &run]).output().unwrap());
    assert!(shown.contains("2 of 5 · page two of ${API_KEY}"), "{shown}");
    let why = stdout(&world.command(["why", &run]).output().unwrap());
    assert!(why.contains("2 of 5") && !why.contains("s3cr3t"), "{why}");
    std::fs::write(go, "").unwrap();
    assert_eq!(world.ended(&run).await, "done");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_program_without_progress_is_ended_at_its_stall_and_one_with_it_goes_on() {
    let hangs = shell("hangs", "echo begun >&2; sleep 600", "stall = \"1s\"");
    // Reports the same thing for three times as long.
    let script =
        "for i in 1 2 3 4 5 6 7 8 9 10; do echo '{\"done\": 1, \"of\": 2}' > $PITON_PROGRESS; sleep 0.3; done; echo 7";
    let world = World::with(&[&hangs, &shell("goes-on", script, "stall = \"1s\"")]).await;
    let _worker = world.worker("w1", &[]);
    let (hangs, goes_on) = (world.start("hangs", "{}"), world.start("goes-on", "{}"));
    assert_eq!(world.ended(&hangs).await, "blocked");
    let (said, seconds) = world.failed_with(&hangs).await;
    assert_eq!(said, "network_timeout: the stage reported no progress for 1 s, its `stall`");
    assert!(seconds < 20.0, "{seconds}");
    let stderr: String =
        sqlx::query_scalar("select detail ->> 'stderr' from piton.attempts").fetch_one(&world.pool).await.unwrap();
    assert!(stderr.contains("begun"), "what it said is kept: {stderr}");
    assert_eq!(world.ended(&goes_on).await, "done");
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn whatever_a_program_makes_of_the_file_is_ignored_with_one_warning() {
    let hostile = [
        ("fifo", "mkfifo $PITON_PROGRESS; sleep 2; echo 7", "it is a FIFO and no regular file"),
        ("link", "ln -s /dev/zero $PITON_PROGRESS; sleep 2; echo 7", "it is a link and no regular file"),
        ("folder", "mkdir $PITON_PROGRESS; sleep 2; echo 7", "it is a folder and no regular file"),
        (
            "long",
            "head -c 20000000 /dev/zero | tr '\\\\0' x > $PITON_PROGRESS; sleep 2; echo 7",
            "a line has more than 16384 bytes",
        ),
        (
            "deep",
            "i=0; while [ $i -lt 20 ]; do head -c 15000 /dev/zero | tr '\\\\0' '['; echo; i=$((i+1)); sleep 0.1; done > $PITON_PROGRESS; echo 7",
            "a line is not",
        ),
        (
            "odd",
            "for n in -1 1e99 '\"x\"' null; do echo \"{\\\"done\\\": $n, \\\"of\\\": 3}\" >> $PITON_PROGRESS; sleep 0.6; done; echo 7",
            "a line is not",
        ),
    ];
    let files: Vec<String> = hostile.iter().map(|(name, script, _)| shell(name, script, "")).collect();
    let world = World::with(&files.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let worker = world.worker("w1", &[]);
    let runs: Vec<String> = hostile.iter().map(|(name, ..)| world.start(name, "{}")).collect();
    for run in &runs {
        assert_eq!(world.ended(run).await, "done");
    }
    drop(worker);
    let log = std::fs::read_to_string(world.path("w1.log")).unwrap();
    for (name, _, said) in hostile {
        let warnings: Vec<&str> = log
            .lines()
            .filter(|line| {
                line.contains("$PITON_PROGRESS is ignored") && line.contains(&format!("workflow=\"{name}\""))
            })
            .collect();
        assert!(warnings.len() == 1 && warnings[0].contains(said), "{name}: {warnings:#?}");
    }
    assert_eq!(world.count("select count(*) from piton.checkpoints where output::text = '7'").await, 6);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_warm_program_that_reports_nothing_is_ended_at_its_stall() {
    let mut world = World::with(&[]).await;
    world.write_workflows(&[&warm("silent", "", "stall = \"1s\"\nretry = { max_retries = 0 }")]);
    world.environment.push(("NOTES", world.path("notes").to_str().unwrap().to_owned()));
    let _worker = world.worker("w1", &[]);
    let run = world.start("silent", r#"{"do": "never"}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    let (said, _) = world.failed_with(&run).await;
    assert_eq!(said, "network_timeout: the stage reported no progress for 1 s, its `stall`");
    let again = world.start("silent", "{}");
    assert_eq!(world.ended(&again).await, "done", "another process does the next job");
    world.assert_nothing_is_left().await;
}

async fn slow(context: StageContext) -> Result<u32, Failure> {
    for step in 0..8 {
        context.progress(step, 8, "on");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(7)
}

async fn hangs() -> Result<u32, Failure> {
    std::future::pending().await
}

#[tokio::test]
async fn a_handler_without_progress_is_ended_at_its_stall() {
    let file = "name = \"a\"\n[stages.slow]\nrust = \"slow\"\nstall = \"700ms\"\n\
                [stages.hangs]\nneeds = [\"slow\"]\nrust = \"hangs\"\nstall = \"700ms\"\nretry = { max_retries = 0 }\n";
    let app = App::new().workflow("a.toml", file).handler("slow", slow).handler("hangs", hangs);
    let piton = TestPiton::new(app).await.unwrap();
    let run = piton.piton().start("a", &json!({})).await.unwrap();
    let error = run.result::<Value>().await.unwrap_err().to_string();
    assert!(error.contains("the stage reported no progress for 700 ms, its `stall`"), "{error}");
    let done: i64 = sqlx::query_scalar("select count(*) from piton.checkpoints").fetch_one(piton.pool()).await.unwrap();
    assert_eq!(done, 1, "the one that reports went on");
}
