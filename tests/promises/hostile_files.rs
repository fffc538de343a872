//! Files of odd names, programs that spoil what they share, and disks and caches that are too small.

use serde_json::{Value, json};

use crate::harness::{SOON, World, until};
use crate::scrape::Scrape;

async fn output(world: &World, run: &str, stage: i16) -> String {
    let sql = "select k.output #>> '{}' from piton.checkpoints k join piton.runs r on r.id = k.run_id
               where r.uuid = $1::uuid and k.stage = $2 and k.item = -1";
    sqlx::query_scalar(sql).bind(run).bind(stage).fetch_one(&world.pool).await.unwrap()
}

/// Its own folder for temporary files, so that a test sees what is in it.
async fn world(workflow: &str) -> World {
    let mut world = World::with(&[workflow]).await;
    let temporary = world.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    world.environment.push(("TMPDIR", temporary.to_str().unwrap().to_owned()));
    world
}

const ODD: &str = r#"
name = "odd"
[stages.make]
command = ["python3", "-c", '''
import os
os.chdir(os.environ["PITON_ARTIFACTS"])
os.makedirs("a b/c")
for name in [b"two\nlines", b"-rf", b"x" * 255, "\u00e9".encode(), "e\u0301".encode(), b"\xff" * 100, b"a b/c/{" b"{out:x}}", b"a b/*"]:
    with open(name, "wb") as file:
        file.write(name)
os.symlink("/etc/passwd", "link")
os.symlink("..", "a b/above")
os.mkfifo("a b/fifo")
''']
[stages.read]
command = ["python3", "-c", '''
import os, sys
inputs = os.path.join(os.environ["PITON_INPUTS"], "make")
for path in sys.argv[1:]:
    assert os.path.abspath(path).startswith(inputs + "/") and not os.path.islink(path), path
    with open(path, "rb") as file:
        read = file.read()
    print(ascii(os.path.relpath(path, inputs)[-30:]), len(read))
''', "{{file:make/**}}"]
needs = ["make"]
output = "text"
"#;

#[tokio::test]
async fn files_of_any_name_travel_and_links_do_not() {
    let world = world(ODD).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("odd", "{}");
    assert_eq!(world.ended(&run).await, "done");
    insta::assert_snapshot!(output(&world, &run, 1).await, @r"
    '-rf' 3
    'ff\\xff\\xff\\xff\\xff\\xff\\xff\\xff' 100
    'a b/*' 5
    'a b/c/{{out:x}}' 15
    'e\u0301' 3
    'two\nlines' 9
    'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' 255
    '\xe9' 2
    ");
}

/// A file that all items share, and that some write into without a trace in its size and time of modification.
const FORGED: &str = r#"
name = "forged"
[stages.model]
command = ["sh", "-c", 'head -c 300000 /dev/zero > "$1"', "model", "{{out:weights}}"]
[stages.use]
command = ["sh", "-c", '''
sha256sum < "$1" | cut -c 1-8
if [ "$2" = forge ]; then
    sleep 0.05
    chmod 600 "$1"
    printf forged | dd of="$1" conv=notrunc 2>/dev/null
    touch -d @1000000000 "$1"
    chmod 444 "$1"
fi
''', "use", "{{file:model/weights}}", "{{item}}"]
needs = ["model"]
for_each = "input.items"
output = "text"
concurrency = 1
retry = { max_retries = 0 }
"#;

#[tokio::test]
async fn a_program_that_sets_times_back_spoils_its_own_attempt_and_no_other() {
    let world = world(FORGED).await;
    let worker = world.worker("w1", &[]);
    let run = world.start("forged", &json!({"items": ["read", "forge", "read", "forge", "read", "read"]}).to_string());
    assert_eq!(world.ended(&run).await, "blocked");
    let right = "select count(*) from piton.checkpoints where stage = 1 and item in (0, 2, 4, 5)
                 and output::text = (select output::text from piton.checkpoints where stage = 1 and item = 0)";
    assert_eq!(world.count(right).await, 4, "the others got the file as it was made");
    let told = "select count(*) from piton.attempts where message like 'an input file was written into while%'";
    assert_eq!(world.count(told).await, 2);
    let scrape = Scrape::of(&worker).await;
    let [hits, misses] = ["hit", "miss"].map(|how| scrape.sum("piton_file_cache_requests_total", &[("result", how)]));
    // Fetched anew where the file system has no clones, and read again for nothing otherwise.
    assert!(hits + misses == 6.0 && (1.0..=3.0).contains(&misses), "{hits} hits, {misses} misses");
}

/// Ten files of 300 kB, each of which every item reads.
const MANY: &str = r#"
name = "many"
[stages.make]
command = ["sh", "-c", 'for n in 0 1 2 3 4 5 6 7 8 9; do yes "$n" | head -c 300000 > "$PITON_ARTIFACTS/$n"; done']
[stages.use]
command = ["sh", "-c", 'cat "$@" | cksum', "use", "{{file:make/*}}"]
needs = ["make"]
for_each = "input.items"
output = "text"
"#;

#[tokio::test]
async fn a_cache_of_any_size_gives_the_same_files_and_keeps_to_its_size() {
    for (size, fetched) in [("0", 80.0..=80.0), ("1MiB", 10.0..=80.0), ("64MiB", 10.0..=10.0)] {
        let world = world(MANY).await;
        let worker = world.worker("w1", &["--file-cache", size]);
        let run = world.start("many", &json!({"items": vec![0; 8]}).to_string());
        assert_eq!(world.ended(&run).await, "done", "{size}");
        let outputs = "select count(distinct output::text) from piton.checkpoints where stage = 1 and item >= 0";
        assert_eq!(world.count(outputs).await, 1, "{size}");
        let scrape = Scrape::of(&worker).await;
        let misses = scrape.sum("piton_file_cache_requests_total", &[("result", "miss")]);
        assert!(fetched.contains(&misses), "{size}: {misses} were fetched");
        assert_eq!(scrape.sum("piton_file_cache_fetched_bytes_total", &[]), misses * 300_000.0);
        let kept = scrape.sum("piton_file_cache_bytes", &[]);
        let evicted = scrape.sum("piton_file_cache_evicted_total", &[]);
        match size {
            "0" => assert_eq!((kept, evicted), (0.0, 0.0)),
            "1MiB" => {
                assert!(kept > 0.0 && kept <= 900_000.0 && evicted == misses - kept / 300_000.0, "{kept} {evicted}")
            }
            _ => assert_eq!((kept, evicted), (3_000_000.0, 0.0)),
        }
    }
}

const ONE: &str = r#"
name = "one"
[stages.make]
command = ["sh", "-c", 'echo right > "$1"', "make", "{{out:a.txt}}"]
[stages.gate]
rust = "node"
needs = ["make"]
[stages.use]
command = ["cat", "{{file:make/a.txt}}"]
needs = ["make", "gate"]
output = "text"
retry = { max_retries = 0 }
"#;

#[tokio::test]
async fn a_file_that_the_disk_has_no_room_for_is_not_begun_and_the_cure_is_told() {
    let world = world(ONE).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("one", &json!({"slow": {"gate": 1000}}).to_string());
    until(SOON, "the file is made", async || {
        world.count("select count(*) from piton.artifacts where type = 'output'").await == 1
    })
    .await;
    let larger = "update piton.artifacts set bytes = 1::int8 << 60";
    sqlx::query(larger).execute(&world.pool).await.unwrap();
    assert_eq!(world.ended(&run).await, "blocked");
    let (class, said): (String, String) =
        sqlx::query_as("select class, message from piton.attempts").fetch_one(&world.pool).await.unwrap();
    assert_eq!(class, "resource_unavailable");
    assert!(said.starts_with("artifact `a.txt` has no room on the disk of "), "{said}");
    assert!(said.contains("it has 1152921504606846976 bytes; let TMPDIR name a folder with more room"), "{said}");
}

#[tokio::test]
async fn a_file_that_was_cut_short_in_the_store_is_made_anew() {
    let world = world(ONE).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("one", &json!({"slow": {"gate": 1000}}).to_string());
    until(SOON, "the file is made", async || {
        world.count("select count(*) from piton.artifacts where type = 'output'").await == 1
    })
    .await;
    let address: String =
        sqlx::query_scalar("select address from piton.artifacts").fetch_one(&world.pool).await.unwrap();
    std::fs::write(world.path("artifacts").join(address), "ri").unwrap();
    assert_eq!(world.ended(&run).await, "blocked");
    let (class, detail): (String, Value) =
        sqlx::query_as("select class, detail from piton.attempts").fetch_one(&world.pool).await.unwrap();
    assert_eq!(
        (class.as_str(), &detail["found_bytes"], &detail["stage"]),
        ("corrupt_checkpoint", &json!(2), &json!("make"))
    );
    let letter = world.dead_letter().await;
    crate::harness::stdout(&world.command(["dead-letter", "retry", &letter]).output().unwrap());
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(output(&world, &run, 2).await, "right");
}

#[tokio::test]
async fn workers_of_one_folder_for_temporary_files_do_not_take_each_other_s() {
    let world = world(MANY).await;
    let first = world.worker("w1", &[]);
    let run = world.start("many", &json!({"items": vec![0; 4]}).to_string());
    assert_eq!(world.ended(&run).await, "done");
    let _second = world.worker("w2", &[]);
    let run = world.start("many", &json!({"items": vec![0; 4]}).to_string());
    assert_eq!(world.ended(&run).await, "done");
    first.signal("TERM");
    let run = world.start("many", &json!({"items": vec![0; 4]}).to_string());
    assert_eq!(world.ended(&run).await, "done");
    let outputs = "select count(distinct output::text) from piton.checkpoints where stage = 1 and item >= 0";
    assert_eq!(world.count(outputs).await, 1);
}

/// A program goes step by step where no path leads any more.
const DEEP: &str = r#"
name = "deep"
[stages.dig]
command = ["python3", "-c", '''
import os, sys
os.chdir(os.environ["PITON_ARTIFACTS"])
open("kept.txt", "w").write("kept")
for _ in range(25):
    os.mkdir("d" * 250)
    os.chdir("d" * 250)
open("lost.txt", "w").write("lost")
if sys.argv[1] == "fails":
    sys.exit(65)
''', "{{input.how}}"]
"#;

#[tokio::test]
async fn a_file_that_no_path_leads_to_fails_its_attempt_once_and_the_others_are_kept() {
    let world = world(DEEP).await;
    let _worker = world.worker("w1", &[]);
    let attempt = async |how: &str| -> (i64, String, String, String) {
        let run = world.start("deep", &json!({"how": how}).to_string());
        assert_eq!(world.ended(&run).await, "blocked");
        let sql = "select count(*) over (), a.class, a.message, coalesce(a.detail::text, '') from piton.attempts a
                   join piton.runs r on r.id = a.run_id where r.uuid = $1::uuid";
        sqlx::query_as(sql).bind(&run).fetch_one(&world.pool).await.unwrap()
    };
    let cure = format!("it begins with `{}`; nest fewer folders", "d".repeat(100));
    let (attempts, class, message, _) = attempt("well").await;
    assert_eq!((attempts, class.as_str()), (1, "invalid_input"));
    assert!(message.contains(&cure), "{message}");
    let (attempts, class, message, detail) = attempt("fails").await;
    assert_eq!((attempts, class.as_str()), (1, "invalid_input"));
    assert!(
        message.contains("EX_DATAERR") && detail.contains("1 of 1 files are kept: ") && detail.contains(&cure),
        "{message} {detail}"
    );
    let kept = "select count(*) from piton.artifacts where name = 'kept.txt' and bytes = 4";
    assert_eq!(world.count(kept).await, 2);
    until(SOON, "no folder of an attempt is left", async || {
        std::fs::read_dir(world.path("tmp"))
            .unwrap()
            .flatten()
            .all(|entry| !entry.file_name().to_string_lossy().starts_with("piton-command-"))
    })
    .await;
}
