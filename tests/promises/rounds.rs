//! Stages are done again until they are good enough: round after round, each with all that was done in the one before.

mod kinds;
mod maze;

use piton::testing::crash_at_every_commit;
use piton::{App, Failure, Input, StageContext};
use serde_json::{Value, json};

use crate::harness::{World, stdout};

/// A draft is a number, one more than that of the round before; the critic scores it as that.
fn essay(repeat: &str) -> String {
    format!(
        r#"
name = "essay"
[stages.outline]
command = ["echo", "1"]
[stages.draft]
needs = ["outline"]
command = ["sh", "-c", 'echo $(($1 + 1))', "sh", "{{{{previous.draft | \"0\"}}}}"]
[stages.critic]
needs = ["draft"]
command = ["sh", "-c", 'printf "{{\"score\": %s, \"key\": \"%s\"}}" $1 $PITON_IDEMPOTENCY_KEY', "sh", "{{{{draft}}}}"]
repeat = {{ from = "draft", until = "critic.score >= input.wanted", {repeat} }}
[stages.print]
needs = ["critic", "draft"]
command = ["cat"]
"#
    )
}

async fn printed(world: &World) -> Value {
    let sql = "select output from piton.checkpoints where stage = 3";
    sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap()
}

/// Rounds that count, with why they were not good enough.
async fn rounds(world: &World) -> Vec<(i32, String)> {
    sqlx::query_as("select round, why from piton.rounds where dead_letter is null order by round")
        .fetch_all(&world.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn rounds_follow_each_other_until_one_is_good_enough_and_each_sees_the_one_before() {
    let world = World::with(&[&essay("at_most = 5")]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("essay", r#"{"wanted": 3}"#);
    assert_eq!(world.ended(&run).await, "done");
    let output = printed(&world).await;
    assert_eq!((&output["draft"], &output["critic"]["score"]), (&json!(3), &json!(3)));
    assert_eq!(output["critic"]["key"], format!("{run}:critic:again-2"), "each round is other work");
    let why = |score: u8| format!("`critic.score >= input.wanted` is false: critic.score = {score}, input.wanted = 3");
    assert_eq!(rounds(&world).await, [(1, why(1)), (2, why(2))]);
    assert_eq!(world.count("select count(*) from piton.round_checkpoints").await, 4);
    assert_eq!(world.count("select count(*) from piton.checkpoints where attempt <> 1").await, 0);
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());
}

#[tokio::test]
async fn the_last_round_is_kept_where_the_file_says_so() {
    let world = World::with(&[&essay("at_most = 2, then = \"keep\"")]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("essay", r#"{"wanted": 9}"#);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(printed(&world).await["draft"], json!(2));
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn rounds_that_are_used_up_leave_a_dead_letter_whose_retry_does_one_more() {
    let world = World::with(&[&essay("at_most = 2")]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("essay", r#"{"wanted": 4}"#);
    for (round, of) in [(2, " of 2"), (3, "")] {
        assert_eq!(world.ended(&run).await, "blocked");
        let id = world.dead_letter().await;
        let sql = "select class || ': ' || message from piton.dead_letters where id = $1::uuid";
        let said: String = sqlx::query_scalar(sql).bind(&id).fetch_one(&world.pool).await.unwrap();
        let why = format!("`critic.score >= input.wanted` is false: critic.score = {round}, input.wanted = 4");
        assert_eq!(said, format!("not_good_enough: after round {round}{of}: {why}"));
        assert_eq!(world.unexplained().await, [""; 0]);
        stdout(&world.command(["dead-letter", "retry", &id]).output().unwrap());
    }
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(printed(&world).await["draft"], json!(4));
    assert_eq!(rounds(&world).await.len(), 3);
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());
}

#[tokio::test]
async fn rounds_begin_anew_behind_a_stage_before_them_and_go_on_behind_one_of_their_own() {
    let world = World::with(&[&essay("at_most = 2")]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("essay", r#"{"wanted": 3}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    let retry = async |from: &str| {
        stdout(&world.command(["dead-letter", "retry", &world.dead_letter().await, "--from", from]).output().unwrap());
        assert_eq!(world.ended(&run).await, "blocked");
    };
    retry("outline").await;
    assert_eq!(rounds(&world).await.len(), 1, "the first one again, and then the second");
    assert_eq!(world.count("select count(*) from piton.rounds").await, 2, "what was before is kept");
    retry("draft").await;
    assert_eq!(rounds(&world).await.len(), 1, "the second one again");
    retry("critic").await;
    assert_eq!(rounds(&world).await.len(), 1);
    stdout(&world.command(["dead-letter", "retry", &world.dead_letter().await]).output().unwrap());
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(printed(&world).await["draft"], json!(3));
    world.assert_nothing_is_left().await;
}

const FILM: &str = r#"
name = "film"
[stages.topic]
rust = "topic"
[stages.draft]
needs = ["topic"]
rust = "draft"
[stages.scene]
needs = ["draft"]
for_each = "draft.scenes"
rust = "scene"
[stages.music]
needs = ["draft"]
rust = "music"
[stages.critic]
needs = ["scene", "music", "topic"]
rust = "critic"
repeat = { from = "draft", until = "critic.score >= 3", at_most = 5 }
[stages.cut]
needs = ["critic", "scene"]
rust = "cut"
"#;

async fn topic() -> Result<String, Failure> {
    Ok("tides".to_owned())
}

/// Each round has one scene more.
async fn draft(Input(input): Input<Value>, context: StageContext) -> Result<Value, Failure> {
    let before = input["previous"]["scene"].as_array().map_or(0, Vec::len);
    let scenes: Vec<usize> = (0..=before).collect();
    Ok(json!({"scenes": scenes, "round": context.round()}))
}

async fn scene(Input(input): Input<Value>) -> Result<Value, Failure> {
    Ok(json!([input["item"], input["draft"]["round"]]))
}

async fn music(context: StageContext) -> Result<Value, Failure> {
    let key = context.idempotency_key();
    Ok(json!(key.split_once(':').map(|(_, key)| key)))
}

async fn critic(Input(input): Input<Value>) -> Result<Value, Failure> {
    Ok(
        json!({"score": input["scene"].as_array().map(Vec::len), "music": input["music"], "previous": input["previous"]["critic"]["score"]}),
    )
}

async fn cut(Input(input): Input<Value>) -> Result<Value, Failure> {
    Ok(json!([input["critic"], input["scene"]]))
}

#[tokio::test]
async fn a_kill_at_any_commit_of_a_round_changes_nothing() {
    let app = |_: String| async move {
        let app = App::new().workflow("film.toml", FILM).handler("topic", topic).handler("draft", draft);
        let app = app.handler("scene", scene).handler("music", music).handler("critic", critic).handler("cut", cut);
        Ok::<_, std::convert::Infallible>(app)
    };
    let report = crash_at_every_commit(app)
        .check(|turn| async move {
            let rounds = "select string_agg(round::text, ' ' order by round) from piton.rounds where dead_letter is null";
            let rounds: Option<String> = sqlx::query_scalar(rounds).fetch_one(turn.pool()).await.unwrap();
            assert_eq!(rounds.as_deref(), Some("1 2"));
            let cut: Value =
                sqlx::query_scalar("select output from piton.checkpoints where stage = 5").fetch_one(turn.pool()).await.unwrap();
            let critic = json!({"score": 3, "music": "music:again-2", "previous": 2});
            assert_eq!(cut, json!([critic, [[0, 3], [1, 3], [2, 3]]]));
            let left = "select (select count(*) from piton.jobs) + (select count(*) from piton.joins) + (select count(*) from piton.unexplained_jobs)";
            let left: i64 = sqlx::query_scalar(left).fetch_one(turn.pool()).await.unwrap();
            assert_eq!(left, 0);
        })
        .run("film", &json!({}))
        .await
        .unwrap();
    assert!(report.kills >= 30, "before and after each stage of three rounds: {report:?}");
}
