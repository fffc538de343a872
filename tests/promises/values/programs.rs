//! What programs print, as it is documented.

use serde_json::json;

use super::{Expected, outputs, start};
use crate::harness::World;

const PRINTS: &str = r#"
name = "json"
[stages.script]
command = ["sh", "-c", "{{input}}"]
"#;

/// What a program prints, by its script: the output that is JSON, and the one that is text.
const PRINTED: [(&str, Expected, Expected); 14] = [
    ("printf ' [1.10,\\n -0]\\n'", Ok("[1.10,\n -0]"), Ok(r#"" [1.10,\n -0]""#)),
    // Windows.
    (r#"printf '{"a": "b"}\r\n'"#, Ok(r#"{"a": "b"}"#), Ok(r#""{\"a\": \"b\"}""#)),
    ("printf 'a\\r\\nb\\r\\n'", Err("which is not JSON"), Ok(r#""a\r\nb""#)),
    ("printf '\\357\\273\\2771'", Ok("1"), Ok("\"1\"")),
    ("printf '\\357\\273\\277'", Err("the command printed nothing"), Ok("\"\"")),
    ("printf '\\377\\376\\061\\000'", Err("not UTF-8: it is UTF-16"), Err("not UTF-8: it is UTF-16")),
    // A file's name in Latin-1, and the first half of a character.
    ("printf 'a.ogg\\ncaf\\351.ogg\\n'", Err("byte 10, on line 2, is 0xE9"), Err("byte 10, on line 2, is 0xE9")),
    ("printf '\"\\303'", Err("byte 2 is 0xC3"), Err("byte 2 is 0xC3")),
    ("printf '\"\\000\"'", Err("which is not JSON"), Err("the string (character 4) holds a NUL character")),
    // Numbers, a line each.
    ("seq 3", Err("more than one JSON value (`1 2 3`)"), Ok(r#""1\n2\n3""#)),
    ("seq 1", Ok("1"), Ok("\"1\"")),
    ("echo 007", Err("which is not JSON"), Ok("\"007\"")),
    ("echo '{\"ratio\": NaN}'", Err("which is not JSON"), Ok(r#""{\"ratio\": NaN}""#)),
    ("true", Err("the command printed nothing"), Ok("\"\"")),
];

#[tokio::test]
async fn what_a_program_prints_is_its_output_or_is_refused_for_what_it_is() {
    let text = PRINTS.replace("\"json\"", "\"text\"") + "output = \"text\"\n";
    let world = World::with(&[PRINTS, &text]).await;
    ["json", "text"].iter().for_each(|workflow| world.deploy(workflow));
    let mut runs = Vec::new();
    for (script, ..) in PRINTED {
        let input = json!(script).to_string();
        runs.push((start(&world, "json", &input).await, start(&world, "text", &input).await));
    }
    let _worker = world.worker("w1", &[]);
    for ((script, as_json, as_text), (json, text)) in PRINTED.iter().zip(&runs) {
        for (run, expected) in [(json, as_json), (text, as_text)] {
            match expected {
                Ok(output) => {
                    assert_eq!(world.ended(run).await, "done", "{script}");
                    assert_eq!(outputs(&world, run, 0).await, [*output], "{script}");
                }
                Err(said) => {
                    assert_eq!(world.ended(run).await, "blocked", "{script}");
                    let message = refusal(&world, run).await;
                    assert!(message.starts_with("invalid_input: ") && message.contains(said), "{script}: {message}");
                }
            }
        }
    }
}

/// Class and message of a run's only failure.
pub(super) async fn refusal(world: &World, run: &str) -> String {
    let sql = "select a.class || ': ' || a.message from piton.attempts a join piton.runs r on r.id = a.run_id
               where r.uuid = $1::uuid";
    sqlx::query_scalar(sql).bind(run).fetch_one(&world.pool).await.unwrap()
}
