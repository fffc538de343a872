//! What cannot be done again is refused.

use sqlx::postgres::PgDatabaseError;
use sqlx::types::Uuid;

use crate::harness::World;
use crate::redo::{GRAPH, dead, fails, retry};

/// What a person sees in psql.
async fn refused(world: &World, id: &str, arguments: &str) -> String {
    let sql = sqlx::AssertSqlSafe(format!("select piton.retry_dead_letter($1, {arguments})"));
    let id: Uuid = id.parse().unwrap();
    let error = sqlx::query(sql).bind(id).execute(&world.pool).await.unwrap_err().into_database_error().unwrap();
    let error = error.downcast::<PgDatabaseError>();
    let mut said = format!("{} {}", error.code(), error.message());
    for (label, text) in [("DETAIL", error.detail()), ("HINT", error.hint())] {
        said += &text.map_or(String::new(), |text| format!("\n  {label}: {text}"));
    }
    said.replace(&id.to_string(), "ID")
}

#[tokio::test]
async fn what_cannot_be_done_again_is_refused_with_the_cure_and_nothing_is_half_done() {
    let over_input = GRAPH.replace("\"first.items\"", "\"input.items\"").replace("name = \"graph\"", "name = \"over\"");
    let world = World::with(&[GRAPH, &over_input]).await;
    let _worker = world.worker("w1", &[]);
    let (run, id) = dead(&world).await;
    let mut said = Vec::new();
    for arguments in [
        "from_stage => 'lats'",
        "from_stage => 'close'",
        "from_stage => 'beside'",
        "from_stage => 'last', from_beginning => true",
        r#"input => '["\u0000"]'"#,
        "input => to_json(repeat('x', 1048576))",
    ] {
        said.push(refused(&world, &id, arguments).await);
    }
    sqlx::query("delete from piton.checkpoints where stage = 0").execute(&world.pool).await.unwrap();
    said.push(refused(&world, &id, "from_stage => 'middle'").await);
    retry(&world, &[&id, "--from-beginning", "--by", "USER"]);
    assert_eq!(world.ended(&run).await, "done");
    said.push(refused(&world, &id, "from_stage => 'last'").await);

    // One item of an array that a corrected input may not have any more.
    fails(&world, &["part 1"]);
    let run = world.start("over", r#"{"items": [0, 1]}"#);
    assert_eq!(world.ended(&run).await, "blocked");
    let item = world.dead_letter().await;
    said.push(refused(&world, &item, r#"input => '{"items": []}'"#).await);
    fails(&world, &[]);
    std::fs::write(world.path("better.json"), r#"{"items": [5, 6, 7]}"#).unwrap();
    retry(&world, &[&item, "--from", "part", "--input", world.path("better.json").to_str().unwrap()]);
    assert_eq!(world.ended(&run).await, "done");
    world.assert_nothing_is_left().await;
    insta::assert_snapshot!(said.join("\n"), @r##"
42704 the workflow of dead letter ID has no stage "lats"
  DETAIL: It has: first, beside, middle, part, last, close.
  HINT: Name one of them, or say from_beginning => true.
22023 dead letter ID is of stage "last", which does not come after stage "close"
  DETAIL: It can be retried from: first, middle, part, last.
  HINT: Name one of them, or say from_beginning => true.
22023 dead letter ID is of stage "last", which does not come after stage "beside"
  DETAIL: It can be retried from: first, middle, part, last.
  HINT: Name one of them, or say from_beginning => true.
22023 a dead letter is retried from a stage or from the beginning, not from both
  HINT: Leave from_stage or from_beginning out.
22P05 a string in the run's input holds a NUL character (\u0000) at character 3, which Postgres cannot keep
  HINT: Remove or encode it.
54000 the run's input has 1048578 bytes, over the limit of 1048576
  HINT: Keep big things in files and hand on their names.
55000 stage "middle" cannot be done again: what it needs is not done
  DETAIL: Without their checkpoints: first.
  HINT: Name one of those, or say from_beginning => true.
55000 dead letter ID was retried by USER already
  HINT: A new failure of the job is a new dead letter.
55000 stage "part" is half done with the items of the input that the run had: retry it from stage "part", or from the beginning
  HINT: from_stage => 'part', or from_beginning => true.
"##);
}
