//! Items that are made of several arrays: flattened, or a product.

use serde_json::{Value, json};

use crate::harness::{World, stdout};
use crate::redo::{fails, retry};

async fn output(world: &World, run: &str, stage: &str) -> Value {
    let output: Vec<String> = sqlx::query_scalar(
        "select k.output::text from piton.checkpoints k join piton.runs r on r.id = k.run_id
         join piton.workflow_versions v on v.id = r.version_id
         where r.uuid = $1::uuid and v.stage_names[k.stage + 1] = $2 and k.item >= 0 order by k.item",
    )
    .bind(run)
    .bind(stage)
    .fetch_all(&world.pool)
    .await
    .unwrap();
    output.iter().map(|text| serde_json::from_str::<Value>(text).unwrap()).collect()
}

const BOOK: &str = r#"
name = "book"
[stages.scan]
for_each = "input.books"
at_least = 0.5
command = ["jq", "if .item.bad then halt_error(65) else .item end"]
[stages.read]
needs = ["scan"]
for_each = "scan[*].pages"
when = "parent.title != 'none' && index[1] < 3"
command = ["sh", "-c", 'printf "\"%s of %s, %s\"" "$1" "$2" "$3"', "read", "{{item.text}}", "{{parent.title}}", "{{index.0}}.{{index.1}}"]
[stages.words]
needs = ["read"]
for_each = "read"
command = ["jq", ".item"]
[stages.last]
rust = "node"
needs = ["words"]
"#;

#[tokio::test]
async fn arrays_in_an_array_are_flattened_and_each_item_knows_its_parent() {
    let world = World::with(&[BOOK]).await;
    let _worker = world.worker("w1", &[]);
    let page = |text: &str| json!({"text": text});
    let books = json!([
        {"title": "A", "pages": [page("one"), page("two")]},
        {"bad": true},
        {"title": "none", "pages": [page("three")]},
        {"title": "B", "pages": []},
        {"title": "C", "pages": [page("4"), page("5"), page("6"), page("7")]},
    ]);
    fails(&world, &["last -1"]);
    let run = world.start("book", &json!({"books": books, "items": [], "say": "x"}).to_string());
    assert_eq!(world.ended(&run).await, "blocked");
    let expected = json!(["one of A, 0.0", "two of A, 0.1", null, "4 of C, 4.0", "5 of C, 4.1", "6 of C, 4.2", null]);
    assert_eq!(output(&world, &run, "read").await, expected);
    assert_eq!(output(&world, &run, "words").await, expected, "item follows item");
    fails(&world, &[]);
    retry(&world, &["--run", &run, "--from", "read"]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(output(&world, &run, "words").await, expected);
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());
    let tried = stdout(&world.command(["try", &run, "read[1]"]).output().unwrap());
    assert!(tried.contains("two of A, 0.1"), "{tried}");
}

const MEDIA: &str = r#"
name = "media"
[stages.probe]
for_each = "input.files"
command = ["jq", "{name: .item}"]
[stages.encode]
needs = ["probe"]
for_each = ["probe", "input.renditions"]
command = ["jq", "-c", "[.item.probe.name, .item.renditions, .index, .input.quality, has(\"probe\")]"]
[stages.pack]
needs = ["encode"]
command = ["jq", ".encode | length"]
"#;

#[tokio::test]
async fn a_product_has_an_item_for_each_element_with_each_of_the_others() {
    let world = World::with(&[MEDIA]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("media", r#"{"files": ["a", "b"], "renditions": [480, 720, 1080], "quality": 9}"#);
    assert_eq!(world.ended(&run).await, "done");
    let expected = json!([
        ["a", 480, [0, 0], 9, false],
        ["a", 720, [0, 1], 9, false],
        ["a", 1080, [0, 2], 9, false],
        ["b", 480, [1, 0], 9, false],
        ["b", 720, [1, 1], 9, false],
        ["b", 1080, [1, 2], 9, false],
    ]);
    assert_eq!(output(&world, &run, "encode").await, expected);
    let none = world.start("media", r#"{"files": [], "renditions": [480], "quality": 9}"#);
    assert_eq!(world.ended(&none).await, "done");
    assert_eq!(output(&world, &none, "encode").await, json!([]));
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());
}

/// Thousands of items share lanes; each has its own elements all the same.
#[tokio::test]
async fn a_large_product_is_never_made_as_a_whole() {
    let workflow = r#"
        name = "grid"
        [stages.cell]
        rust = "same"
        for_each = ["input.rows", "input.columns"]
    "#;
    let world = World::with(&[workflow]).await;
    let _worker = world.worker("w1", &[]);
    let rows: Vec<u32> = (0..50).collect();
    let columns: Vec<u32> = (0..60).collect();
    let run = world.start("grid", &json!({"rows": rows, "columns": columns}).to_string());
    assert_eq!(world.ended(&run).await, "done");
    let cells = output(&world, &run, "cell").await;
    let cells = cells.as_array().unwrap();
    assert_eq!(cells.len(), 3000);
    for (at, cell) in cells.iter().enumerate() {
        assert_eq!(*cell, json!({"rows": at / 60, "columns": at % 60}));
    }
    let limit = world.start("grid", &json!({"rows": vec![0; 400], "columns": vec![0; 400]}).to_string());
    assert_eq!(world.ended(&limit).await, "blocked");
    let message: String =
        sqlx::query_scalar("select message from piton.dead_letters").fetch_one(&world.pool).await.unwrap();
    assert_eq!(message, "stage `cell` would fan out to 160000 items, over the limit of 100000");
}
