//! Joins of any size: inputs as files, and a limit that can be raised.

use serde_json::{Value, json};

use crate::harness::{SOON, World, stdout, until};

/// More than fits into one value by default.
const ITEMS: usize = 70;
const BYTES: usize = 1 << 20;

const JOINS: &str = r#"
name = "joins"
[stages.make]
command = ["sh", "-c", "seq 0 69 | sed '1s/^/[/;$!s/$/,/;$s/$/]/'"]
[stages.blob]
rust = "blob"
needs = ["make"]
for_each = "make"
[stages.rust]
rust = "lengths"
needs = ["blob"]
inputs = "file"
[stages.command]
command = ["sh", "-c", "wc -l < \"$1\"; wc -c < \"$1\"; stat -c %a \"$(dirname \"$1\")\"/*.json*; ls \"$(dirname \"$1\")\"; cat", "sh", "{{blob}}"]
needs = ["blob", "make"]
inputs = "file"
output = "text"
"#;

const BY_VALUE: &str = r#"
name = "by-value"
[stages.make]
command = ["sh", "-c", "seq 0 69 | sed '1s/^/[/;$!s/$/,/;$s/$/]/'"]
[stages.blob]
rust = "blob"
needs = ["make"]
for_each = "make"
[stages.join]
command = ["wc", "-c"]
needs = ["blob"]
output = "text"
"#;

/// Bytes that a process has had in memory at once.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

async fn output(world: &World, run: &str, stage: &str) -> Value {
    let shown: Value =
        serde_json::from_str(&stdout(&world.command(["show", run, "--json"]).output().unwrap())).unwrap();
    shown["output"][stage].clone()
}

#[tokio::test]
async fn a_join_of_any_size_comes_as_a_file() {
    let world = World::with(&[JOINS]).await;
    let worker = world.worker("w1", &["--slots", "4"]);
    let run = world.start("joins", &json!({"bytes": BYTES - 10}).to_string());
    assert_eq!(world.ended(&run).await, "done", "{}", worker.log());
    // Numbers of one digit and of two, and a space.
    let texts = ITEMS * (BYTES - 10) + 10 * 2 + 60 * 3;
    let rust = output(&world, &run, "rust").await;
    assert_eq!(rust["items"], ITEMS);
    assert_eq!((&rust["bytes"], &rust["in_order"]), (&json!(texts), &json!(true)));
    let command = output(&world, &run, "command").await;
    let said: Vec<&str> = command.as_str().unwrap().lines().collect();
    // Beside each text two quotes and a line end.
    let (lines, bytes) = (ITEMS.to_string(), (texts + 3 * ITEMS).to_string());
    assert_eq!(said[..7], [lines.as_str(), &bytes, "600", "600", "blob.jsonl", "lock", "make.json"]);
    let input: Value = serde_json::from_str(said[7]).unwrap();
    assert_eq!(input["input"], json!({"bytes": BYTES - 10}), "the run's input is a value");
    let file = input["blob"].as_str().unwrap();
    assert!(file.ends_with("/blob.jsonl") && input["make"].as_str().unwrap().ends_with("/make.json"), "{input}");
    for gone in [file, rust["file"].as_str().unwrap()] {
        assert!(!std::path::Path::new(gone).exists(), "{gone} is gone with its attempt");
    }
    // Four outputs of a megabyte at a time, and pieces of the files; never all of it.
    assert!(peak(worker.id()) < 160 << 20, "{} bytes", peak(worker.id()));
}

#[tokio::test]
async fn a_join_over_the_limit_is_saved_by_a_worker_with_a_higher_one() {
    let world = World::with(&[BY_VALUE]).await;
    let worker = world.worker("w1", &["--slots", "4"]);
    let run = world.start("by-value", &json!({"bytes": BYTES - 10}).to_string());
    assert_eq!(world.ended(&run).await, "blocked");
    let message: String =
        sqlx::query_scalar("select message from piton.dead_letters").fetch_one(&world.pool).await.unwrap();
    assert!(message.starts_with("the inputs of stage `join` come to 73"), "{message}");
    assert!(message.contains("inputs = \"file\"") && message.contains("--input-limit"), "{message}");
    worker.kill();
    let _larger = world.worker("w1", &["--slots", "4", "--input-limit", "128MiB"]);
    stdout(&world.command(["dead-letter", "retry", &world.dead_letter().await]).output().unwrap());
    assert_eq!(world.ended(&run).await, "done");
    let blobs = world.journal().iter().filter(|line| line.starts_with("blob ")).count();
    assert_eq!(blobs, ITEMS, "what was paid is not paid again");
}

#[tokio::test]
async fn an_item_that_was_changed_in_the_database_reaches_no_file() {
    let world = World::with(&[JOINS]).await;
    let folder = world.path("workflows");
    let pause = ["pause", "joins", "--stage", "rust", "--reason", "x"];
    let worker = world.worker("w1", &["--slots", "4"]);
    until(SOON, "it is registered", async || world.count("select count(*) from piton.workflows").await == 1).await;
    stdout(&world.command(pause).args(["--workflows", folder.to_str().unwrap()]).output().unwrap());
    let run = world.start("joins", &json!({"bytes": 10}).to_string());
    until(SOON, "the command is done", async || {
        world.count("select count(*) from piton.checkpoints where stage = 3").await == 1
    })
    .await;
    let changed = "update piton.checkpoints set output = '\"7 other\"' where stage = 1 and item = 7";
    assert_eq!(sqlx::query(changed).execute(&world.pool).await.unwrap().rows_affected(), 1);
    stdout(&world.command(["resume", "joins", "--stage", "rust"]).output().unwrap());
    assert_eq!(world.ended(&run).await, "blocked", "{}", worker.log());
    let (class, detail): (String, Value) = sqlx::query_as(
        "select class, detail from piton.attempts where class = 'corrupt_checkpoint' order by ended_at desc limit 1",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!((class.as_str(), &detail["stage"], &detail["item"]), ("corrupt_checkpoint", &json!("blob"), &json!(7)));
    assert!(!world.journal().iter().any(|line| line.starts_with("rust ")), "the handler saw nothing of it");
}

/// A hundred thousand items of a kilobyte.
#[tokio::test]
#[ignore = "some minutes; cargo test --release --test promises -- --ignored --nocapture a_join_of_100_000"]
async fn a_join_of_100_000_items_costs_bounded_memory() {
    let file = JOINS.replace("seq 0 69", "seq 0 99999");
    let world = World::with(&[&file]).await;
    let worker = world.worker("w1", &["--slots", "256"]);
    let run = world.start("joins", &json!({"bytes": 1024}).to_string());
    until(SOON * 20, "it is done", async || world.state(&run).await == "done").await;
    assert_eq!(output(&world, &run, "rust").await["items"], 100_000);
    println!("peak {} MiB", peak(worker.id()) >> 20);
    assert!(peak(worker.id()) < 200 << 20);
}
