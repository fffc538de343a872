//! Artifacts in a bucket: kept, handed on, got, verified, scanned and deleted as those in a folder are.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{World, stdout};
use crate::s3_server::S3Server;

/// A program makes a file of more than one part, and a handler keeps a file of its own.
const FILMS: &str = r#"
name = "films"
[stages.film]
command = ["sh", "-c", "head -c 12M /dev/urandom > \"$PITON_ARTIFACTS/film.bin\"; printf 1 > \"$PITON_ARTIFACTS/a b+1.srt\""]
output = "text"
[stages.copy]
rust = "copy"
needs = ["film"]
"#;

/// Keeps a file, and reads it again.
const COPY: &str = "name = 'copy'\n[stages.copy]\nrust = 'copy'";

async fn world(bucket: &S3Server, workflows: &[&str]) -> World {
    let mut world = World::with(workflows).await;
    world.environment = bucket.environment();
    world
}

async fn addresses(world: &World) -> Vec<String> {
    let sql = "select 'films/' || address from piton.artifacts";
    let mut found: Vec<String> = sqlx::query_scalar(sql).fetch_all(&world.pool).await.unwrap();
    found.sort();
    found
}

fn get(world: &World, run: &str, name: &str) -> (Option<i32>, String) {
    let output = world.command(["artifacts", "get", run, name]).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn file(world: &World, name: &str, bytes: u64) -> String {
    let path = world.path(name);
    std::fs::File::create(&path).unwrap().set_len(bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn files_are_kept_in_a_bucket_and_got_from_it_as_they_were() {
    let bucket = S3Server::start();
    let world = world(&bucket, &[FILMS]).await;
    let worker = world.worker("w1", &[]);
    let run = world.start("films", &json!({"path": file(&world, "source", 7 << 20)}).to_string());
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!((bucket.keys(), bucket.half_done()), (addresses(&world).await, 0));
    assert_eq!(bucket.keys().len(), 4);
    for name in ["film.bin", "a b+1.srt"] {
        let (code, said) = get(&world, &run, name);
        assert_eq!(code, Some(0), "{said}");
        let key = bucket.keys().into_iter().find(|key| Path::new(key).ends_with(name)).unwrap();
        assert!(std::fs::read(world.path(name)).unwrap() == bucket.object(&key).unwrap(), "{name} is another one");
        bucket.put(&key, b"changed");
        std::fs::remove_file(world.path(name)).unwrap();
        let (code, said) = get(&world, &run, name);
        assert!(code == Some(1) && said.contains("corrupt_checkpoint"), "{said}");
    }
    assert!(!worker.log().contains("a-secret"), "{}", worker.log());
}

#[tokio::test]
async fn a_bucket_that_refuses_for_a_while_costs_no_retry_and_no_run() {
    let bucket = S3Server::start();
    let world = world(&bucket, &[COPY]).await;
    let worker = world.worker("w1", &[]);
    worker.says("worker started").await;
    bucket.set_down(true);
    let run = world.start("copy", &json!({"path": file(&world, "source", 6 << 20)}).to_string());
    worker.says("lacks the artifact store").await;
    bucket.set_down(false);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(world.count("select count(*) from piton.attempts where outcome = 'failed'").await, 0);
    let whole = "select count(*) from piton.artifacts where type = 'output'";
    assert_eq!((world.count(whole).await, bucket.half_done()), (1, 0));
}

#[tokio::test]
async fn a_bucket_is_scanned_and_cleaned_up() {
    let bucket = S3Server::start();
    let world = world(&bucket, &[COPY]).await;
    let worker = world.worker("w1", &[]);
    let run = world.start("copy", &json!({"path": file(&world, "source", 100)}).to_string());
    assert_eq!(world.ended(&run).await, "done");
    worker.kill();
    let says = |arguments: &[&str]| stdout(&world.command([&["cleanup"], arguments].concat()).output().unwrap());
    let scan = |more: &[&str]| -> Value { serde_json::from_str(&says(&[&["scan", "--json"], more].concat())).unwrap() };
    let owner: String = sqlx::query_scalar("select piton.store_owner()").fetch_one(&world.pool).await.unwrap();
    let lost = format!(
        "films/runs/db-{owner}/{}",
        "01890a5d-ac96-774b-bcce-b302099a8057/copy/-/1-01890a5d-ac96-774b-bcce-b302099a8058/file"
    );
    let of_another = lost.replace(&owner, &"0".repeat(32));
    bucket.put(&lost, b"bytes");
    bucket.put(&of_another, b"bytes");
    bucket.put("films/runs/stray/file", b"bytes");
    bucket.put("another/of/somebody", b"else");
    let found = scan(&["--delete"]);
    assert_eq!((&found["unknown_files"], &found["missing_files"]), (&1.into(), &0.into()), "{found}");
    assert_eq!(found["foreign_files"], 2, "{found}");
    assert_eq!(bucket.object(&lost), None);
    for left in [&of_another, "films/runs/stray/file"] {
        assert!(bucket.object(left).is_some(), "{left}");
    }
    assert!(bucket.object("another/of/somebody").is_some(), "what is beside the prefix is somebody else's");

    says(&["keep", "artifacts", "output", "1h"]);
    let aged = "update piton.artifacts set created_at = created_at - interval '2 hours'";
    sqlx::query(aged).execute(&world.pool).await.unwrap();
    says(&["run"]);
    assert_eq!(bucket.keys(), ["another/of/somebody", &of_another, "films/runs/stray/file"]);
    assert_eq!(world.count("select count(*) from piton.artifacts").await, 0);
}
