//! SQL and Rust draw the same line between strings that a program can read and those that none can.

use super::post;
use crate::api::client::Api;
use crate::harness::World;
use crate::workflows::WORK;

/// Stretches of a JSON string.
const PIECES: [&str; 9] = [r"\ud83d", r"\uDE00", r"\u0000", r"\\", "ud83d", r"\n", r"\u00e9", "é", r"\uD7FF"];

/// Every string of up to three of them.
fn strings() -> Vec<String> {
    let mut strings = vec![String::new()];
    for _ in 0..3 {
        let longer = strings.iter().flat_map(|string| PIECES.map(|piece| format!("{string}{piece}")));
        strings = [strings.clone(), longer.collect()].concat();
        strings.sort();
        strings.dedup();
    }
    strings
}

#[tokio::test]
async fn a_string_is_refused_exactly_when_no_program_could_read_it() {
    let world = World::with(&[WORK]).await;
    world.deploy("work");
    let api = Api::of(&world).await;
    let is_read =
        |string: &str| serde_json::from_str::<String>(&format!("\"{string}\"")).is_ok_and(|read| !read.contains('\0'));
    sqlx::raw_sql(
        "create function takes(input text) returns boolean language plpgsql as $$
         begin perform piton.check_input(input::json); return true;
         exception when untranslatable_character then return false; end $$",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let strings = strings();
    assert_eq!(strings.len(), 1 + 9 + 81 + 729);
    let quoted: Vec<String> = strings.iter().map(|string| format!("[\"{string}\"]")).collect();
    let taken: Vec<bool> =
        sqlx::query_scalar("select takes(input) from unnest($1::text[]) with ordinality as i (input, n) order by n")
            .bind(&quoted)
            .fetch_all(&world.pool)
            .await
            .unwrap();
    for (string, taken) in strings.iter().zip(&taken) {
        assert_eq!(*taken, is_read(string), "SQL: {string}");
    }
    // Those of up to two: each is a request.
    for string in strings.iter().filter(|string| string.len() <= 12) {
        let answer = post(&api, "/runs", &format!(r#"{{"workflow": "work", "input": "{string}"}}"#));
        assert_eq!(answer.status, if is_read(string) { 201 } else { 422 }, "{string}: {}", answer.body);
    }
}
