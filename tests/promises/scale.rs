//! The questions of the night, where there is very much.

use std::time::{Duration, Instant};

use sqlx::Executor;

use crate::harness::World;

const RENDER: &str = r#"
name = "render"
[stages.plan]
command = ["true"]
[stages.shot]
command = ["true"]
needs = ["plan"]
for_each = "plan"
[stages.mux]
command = ["true"]
needs = ["shot"]
"#;

fn in_a_row(name: &str) -> String {
    format!(
        "name = \"{name}\"\n[stages.fetch]\ncommand = [\"true\"]\n[stages.parse]\ncommand = [\"true\"]\nneeds = [\"fetch\"]\n\
         concurrency = 5\n[stages.load]\ncommand = [\"true\"]\nneeds = [\"parse\"]\n"
    )
}

/// What is asked, and a word of its answer.
const QUESTIONS: [(&[&str], &str); 12] = [
    (&["why"], "given up: invalid_input"),
    (&["workers"], "alive"),
    (&["throughput"], "bottleneck"),
    (&["changes", "--since", "yesterday"], "new cause"),
    (&["runs", "--state", "blocked"], "blocked"),
    (&["runs", "--where", "input.tenant=t7"], "render"),
    (&["dead-letter", "stats"], "cause a"),
    (&["dead-letter", "stats", "--by", "input.tenant"], "t7"),
    (&["dead-letter", "stats", "--where", "input.tenant=t7"], "cause"),
    (&["dead-letter", "list"], "no row"),
    (&["dead-letter", "retry", "--class", "invalid_input", "--dry-run"], "3000 dead letters"),
    (
        &["dead-letter", "retry", "--class", "invalid_input", "--where", "input.tenant=t7", "--dry-run"],
        "75 dead letters",
    ),
];

#[tokio::test]
#[ignore = "a million runs, for a quiet machine"]
async fn each_question_of_the_night_is_answered_within_moments_however_much_there_is() {
    let world = World::with(&[RENDER, &in_a_row("etl"), &in_a_row("docs")]).await;
    ["render", "etl", "docs"].iter().for_each(|workflow| world.deploy(workflow));
    world.pool.execute(include_str!("scale.sql")).await.unwrap();
    world.pool.execute("vacuum analyze").await.unwrap();
    let blocked: String = sqlx::query_scalar("select uuid::text from piton.runs where state = 'blocked' limit 1")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    let of_a_run: [(&[&str], &str); 2] = [(&["show", &blocked], "dead-letter retry"), (&["why", &blocked], "given up")];
    for (question, word) in QUESTIONS.into_iter().chain(of_a_run) {
        world.pool.execute("update piton.workers set last_seen = now() where stopped_at is null").await.unwrap();
        let begun = Instant::now();
        let output = world.command(question).output().unwrap();
        let (took, answer) = (begun.elapsed(), String::from_utf8_lossy(&output.stdout).into_owned());
        println!("{:.2} s  {}", took.as_secs_f64(), question.join(" "));
        assert!(output.status.success() && answer.contains(word), "{question:?}: {output:?}");
        // Promised is a second; a busy machine may take ten.
        assert!(took < Duration::from_secs(10), "{question:?} took {took:?}");
    }
}
