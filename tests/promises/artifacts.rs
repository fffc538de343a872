//! Files of stages: visible with the checkpoint of the attempt that made them and with no other, and read back as they were.

use std::fs::Permissions;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::harness::{Process, SOON, World, stdout, until};

/// Keeps texts, then reads them.
const KEEP: &str = r#"
name = "keep"
[stages.keep]
rust = "keep"
retry = { network_timeout = { base = "1ms" }, resource_unavailable = { base = "200ms", cap = "200ms", max_retries = 200 }, max_retries = 200 }
[stages.read]
rust = "read"
needs = ["keep"]
"#;

/// Runs the script that its input names, once.
const SCRIPT: &str = r#"
name = "script"
[stages.script]
command = ["sh", "-c", "{{input.script}}"]
output = "text"
retry = { max_retries = 0 }
"#;

/// Name and type of every artifact on record, in the order in which they were announced.
async fn kept(world: &World) -> Vec<(String, String)> {
    let sql = "select name, type from piton.artifacts_overview order by artifact";
    sqlx::query_as(sql).fetch_all(&world.pool).await.unwrap()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, r#type)| ((*name).to_owned(), (*r#type).to_owned())).collect()
}

async fn only(world: &World, column: &str) -> String {
    let sql = format!("select {column}::text from piton.artifacts_overview");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&world.pool).await.unwrap()
}

async fn output(world: &World, run: &str) -> Value {
    assert_eq!(world.ended(run).await, "done");
    sqlx::query_scalar(
        "select k.output from piton.checkpoints k join piton.runs r on r.id = k.run_id where r.uuid = $1::uuid
         order by k.stage desc limit 1",
    )
    .bind(run)
    .fetch_one(&world.pool)
    .await
    .unwrap()
}

fn say(world: &World, arguments: &[&str]) -> Output {
    world.command(["artifacts"].iter().chain(arguments)).output().unwrap()
}

fn refused(world: &World, arguments: &[&str]) -> String {
    let output = say(world, arguments);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

/// Files in the store, but for what health checks leave.
fn stored(world: &World) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&world.path("artifacts").join("runs"), &mut found);
    found
}

/// Peak memory of a process, in MiB.
fn peak_mib(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[tokio::test]
async fn a_file_is_handed_on_by_its_reference_and_visible_with_its_checkpoint() {
    let world = World::with(&[KEEP]).await;
    let _worker = world.worker("w1", &[]);
    let input = json!({"names": ["a.txt", "b 2.txt"], "type": "preview", "content_type": "text/plain"});
    let run = world.start("keep", &input.to_string());
    assert_eq!(output(&world, &run).await, json!(["a.txt of attempt 1", "b 2.txt of attempt 1"]));
    assert_eq!(kept(&world).await, pairs(&[("a.txt", "preview"), ("b 2.txt", "preview")]));
    let references: Value = sqlx::query_scalar("select output from piton.checkpoints where stage = 0")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    let listed: Value = serde_json::from_slice(&say(&world, &["list", &run, "--json"]).stdout).unwrap();
    for at in [0, 1] {
        for key in ["artifact", "name", "bytes", "digest"] {
            assert_eq!(references[at][key], listed[at][key], "{key}");
        }
        assert_eq!((&listed[at]["content_type"], &listed[at]["stage"]), (&json!("text/plain"), &json!("keep")));
        let address = listed[at]["address"].as_str().unwrap();
        let id = listed[at]["artifact"].as_str().unwrap();
        let name = listed[at]["name"].as_str().unwrap();
        let owner: String = sqlx::query_scalar("select piton.store_owner()").fetch_one(&world.pool).await.unwrap();
        assert_eq!(address, format!("runs/db-{owner}/{run}/keep/-/1-{id}/{name}"));
        assert!(world.path("artifacts").join(address).is_file());
    }
    let told = stdout(&world.command(["show", &run]).output().unwrap());
    assert!(told.contains("It has 2 artifacts") && told.contains(&format!("artifacts list {run}")), "{told}");
}

#[tokio::test]
async fn the_files_of_a_command_are_kept_with_its_checkpoint() {
    let world = World::with(&[SCRIPT]).await;
    let _worker = world.worker("w1", &[]);
    let nothing = world.start("script", &json!({"script": "echo nothing"}).to_string());
    assert_eq!(output(&world, &nothing).await, json!("nothing"));
    assert_eq!(kept(&world).await, []);
    let script = "cd \"$PITON_ARTIFACTS\"; mkdir -p pages/empty; echo 1 > pages/1.txt; : > none; ln -s /etc/passwd link; \
                  ln -s / folder; mkfifo pipe; echo done";
    let run = world.start("script", &json!({"script": script}).to_string());
    assert_eq!(output(&world, &run).await, json!("done"));
    assert_eq!(kept(&world).await, pairs(&[("none", "output"), ("pages/1.txt", "output")]));
    assert_eq!(stdout(&say(&world, &["get", &run, "pages/1.txt", "--to", "-"])), "1\n");
    assert_eq!(stdout(&say(&world, &["get", &run, "none", "--to", "-"])), "");
}

#[tokio::test]
async fn no_result_is_thrown_away_for_the_name_of_a_file() {
    let world = World::with(&[SCRIPT]).await;
    let _worker = world.worker("w1", &[]);
    let long = "é".repeat(127);
    let names = ["ü.txt", " a ", "...", "-", "a\nb", "\u{1b}[2Jx", "100%", "{x} \\ \"y\" #1", "a/ü/b c.txt", &long];
    let mut script = "cd \"$PITON_ARTIFACTS\"; mkdir -p ./a/ü; ".to_owned();
    for name in names {
        script += &format!("printf %s '{name}' > './{name}'; ");
    }
    // Two that are no UTF-8, and one that is called as the first of them is shown.
    script += r#"printf 1 > "$(printf 'n\377')"; printf 2 > "$(printf 'n\376')"; printf 3 > 'n\xff'; echo done"#;
    let run = world.start("script", &json!({"script": script}).to_string());
    assert_eq!(output(&world, &run).await, json!("done"));
    let kept: Vec<String> = kept(&world).await.into_iter().map(|(name, _)| name).collect();
    for name in names {
        assert!(kept.iter().any(|kept| kept == name), "{name:?} is none of {kept:?}");
        assert_eq!(stdout(&say(&world, &["get", &run, "--to", "-", "--", name])), name);
    }
    let mut odd: Vec<String> =
        [r"n\xff", r"n\xfe", r"n\xff (2)"].map(|name| stdout(&say(&world, &["get", &run, name, "--to", "-"]))).into();
    odd.sort();
    assert_eq!((odd, kept.len()), (vec!["1".to_owned(), "2".to_owned(), "3".to_owned()], names.len() + 3));
    let listed = stdout(&say(&world, &["list", &run]));
    assert!(listed.contains("  a\\nb\n") && !listed.contains('\u{1b}'), "{listed}");
    assert!(stored(&world).iter().all(|path| path.to_str().is_some_and(str::is_ascii)), "{:?}", stored(&world));
    let found: Value =
        serde_json::from_str(&stdout(&world.command(["cleanup", "scan", "--json"]).output().unwrap())).unwrap();
    assert_eq!((&found["missing_files"], &found["unknown_files"]), (&json!(0), &json!(0)), "{found}");
}

#[tokio::test]
async fn a_folder_that_is_no_folder_any_more_is_not_followed() {
    let world = World::with(&[SCRIPT]).await;
    let _worker = world.worker("w1", &[]);
    let script = "rmdir \"$PITON_ARTIFACTS\"; ln -s /etc \"$PITON_ARTIFACTS\"; echo done";
    let run = world.start("script", &json!({"script": script}).to_string());
    assert_eq!(output(&world, &run).await, json!("done"));
    assert_eq!(kept(&world).await, []);
}

#[tokio::test]
async fn a_large_file_goes_through_a_worker_and_is_never_in_its_memory() {
    const COPY: &str = "name = 'copy'\n[stages.copy]\nrust = 'copy'";
    let world = World::with(&[SCRIPT, COPY]).await;
    let worker = world.worker("w1", &[]);
    let mib =
        |count: u64| json!({"script": format!("head -c {count}M /dev/zero > \"$PITON_ARTIFACTS/big\"; echo done")});
    let copied = async |bytes: u64| {
        let path = world.path("big");
        std::fs::File::create(&path).unwrap().set_len(bytes).unwrap();
        let run = world.start("copy", &json!({"path": path}).to_string());
        assert_eq!(output(&world, &run).await, json!({"bytes": bytes, "same": true}));
    };
    for count in [1, 200] {
        let before = peak_mib(&worker);
        let run = world.start("script", &mib(count).to_string());
        assert_eq!(output(&world, &run).await, json!("done"));
        copied(count << 20).await;
        let grown = peak_mib(&worker) - before;
        println!("{count} MiB twice, and once more to copy it: {grown} MiB more memory");
        assert!(grown < 60, "{grown} MiB");
    }
    assert_eq!(world.count("select count(*) from piton.artifacts where bytes = 209715200").await, 3);
    assert_eq!(world.count("select count(distinct digest) from piton.artifacts where bytes = 209715200").await, 1);
}

#[tokio::test]
async fn what_a_failed_attempt_kept_is_failed_and_the_retry_s_is_the_output() {
    let world = World::with(&[KEEP]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("keep", &json!({"names": ["a.txt"], "fails": 2}).to_string());
    assert_eq!(output(&world, &run).await, json!(["a.txt of attempt 3"]));
    assert_eq!(kept(&world).await, pairs(&[("a.txt", "failed"), ("a.txt", "failed"), ("a.txt", "output")]));
    assert_eq!(stdout(&say(&world, &["get", &run, "a.txt", "--to", "-"])), "a.txt of attempt 3");
    let failed: Vec<String> =
        sqlx::query_scalar("select artifact::text from piton.artifacts_overview where not visible order by 1")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    let told = stdout(&say(&world, &["get", &run, &failed[0], "--to", "-"]));
    assert_eq!(told, "a.txt of attempt 1", "by its id");
}

#[tokio::test]
async fn what_a_failed_program_left_is_failed_up_to_a_hundred_files() {
    let world = World::with(&[SCRIPT]).await;
    let _worker = world.worker("w1", &[]);
    let script = "cd \"$PITON_ARTIFACTS\"; for i in $(seq 100 219); do echo $i > $i; done; echo why >&2; exit 65";
    let run = world.start("script", &json!({"script": script}).to_string());
    assert_eq!(world.ended(&run).await, "blocked");
    assert_eq!(world.count("select count(*) from piton.artifacts where type = 'failed'").await, 100);
    assert_eq!(world.count("select count(*) from piton.artifacts").await, 100);
    let (class, note): (String, String) = sqlx::query_as("select class, detail ->> 'artifacts' from piton.attempts")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(class, "invalid_input", "the program's own failure");
    insta::assert_snapshot!(note, @"100 of 120 files are kept: no more than 100 files and 1 GiB are kept of an attempt that failed");
}

#[tokio::test]
async fn the_artifacts_of_a_killed_worker_are_orphans_and_one_is_visible() {
    let world = World::with(&[KEEP]).await;
    let victim = world.worker("w1", &[]);
    let run = world.start("keep", &json!({"names": ["a.txt"], "work_ms": 600_000}).to_string());
    until(SOON, "it is kept", async || world.journal().len() == 1).await;
    assert_eq!(kept(&world).await, pairs(&[("a.txt", "pending")]));
    let told = stdout(&say(&world, &["list", &run]));
    insta::assert_snapshot!(told, @"The run has no artifacts. Those of attempts that came to nothing: --all.");
    victim.kill();
    let _heir = world.worker("w2", &[]);
    assert_eq!(output(&world, &run).await, json!(["a.txt of attempt 2"]));
    assert_eq!(kept(&world).await, pairs(&[("a.txt", "orphan"), ("a.txt", "output")]));
    assert_eq!(world.count("select count(*) from piton.artifacts_overview where visible").await, 1);
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn the_artifacts_of_an_attempt_that_was_handed_back_are_orphans() {
    let world = World::with(&[KEEP]).await;
    let mut leaving = world.worker("w1", &["--grace", "1ms"]);
    let run = world.start("keep", &json!({"names": ["a.txt"], "work_ms": 600_000}).to_string());
    until(SOON, "it is kept", async || world.journal().len() == 1).await;
    leaving.signal("TERM");
    assert_eq!(leaving.exit_code().await, Some(0));
    assert_eq!(kept(&world).await, pairs(&[("a.txt", "orphan")]));
    let _heir = world.worker("w2", &[]);
    assert_eq!(output(&world, &run).await, json!(["a.txt of attempt 2"]));
    assert_eq!(kept(&world).await, pairs(&[("a.txt", "orphan"), ("a.txt", "output")]));
}

#[tokio::test]
async fn the_artifacts_of_a_frozen_worker_are_orphans_also_when_it_wakes() {
    let world = World::with(&[KEEP]).await;
    let frozen = world.worker("w1", &["--lease", "2s"]);
    let run = world.start("keep", &json!({"names": ["a.txt"], "work_ms": 3000}).to_string());
    until(SOON, "it is kept", async || world.journal().len() == 1).await;
    frozen.signal("STOP");
    let _heir = world.worker("w2", &["--lease", "2s"]);
    assert_eq!(output(&world, &run).await, json!(["a.txt of attempt 2"]));
    frozen.signal("CONT");
    frozen.says("attempt_fenced").await;
    assert_eq!(kept(&world).await, pairs(&[("a.txt", "orphan"), ("a.txt", "output")]));
}

#[tokio::test]
async fn the_artifacts_of_a_run_that_was_dismissed_are_orphans_where_they_were_under_way() {
    let both = "name = 'both'\n[stages.first]\nrust = 'keep'\n[stages.fails]\nrust = 'misbehave'\nneeds = ['first']\n\
                [stages.slow]\nneeds = ['first']\ncommand = ['sh', '-c', 'echo 1 > $PITON_ARTIFACTS/x; sleep 600']\n\
                [stages.keeps]\nneeds = ['first']\nrust = 'keep'";
    let world = World::with(&[both]).await;
    let _worker = world.worker("w1", &[]);
    // The first one ends at its first attempt; the fourth stage is at its first one for long.
    let input = json!({"names": ["a.txt"], "work_ms": 2000, "how": "fail", "times": 9, "class": "invalid_input"});
    let run = world.start("both", &input.to_string());
    until(SOON, "two are kept", async || kept(&world).await.len() == 2).await;
    let dead = "select count(*) from piton.dead_letters where resolution = 'pending'";
    until(SOON, "one is given up", async || world.count(dead).await == 1).await;
    let letter = world.dead_letter().await;
    stdout(&world.command(["dead-letter", "dismiss", &letter, "--reason", "enough"]).output().unwrap());
    assert_eq!(world.state(&run).await, "failed");
    assert_eq!(kept(&world).await, pairs(&[("a.txt", "output"), ("a.txt", "orphan")]));
}

#[tokio::test]
async fn the_artifacts_of_a_job_that_is_given_up_by_hand_are_failed() {
    let world = World::with(&[KEEP]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("keep", &json!({"names": ["a.txt"], "work_ms": 600_000}).to_string());
    until(SOON, "it is kept", async || world.journal().len() == 1).await;
    stdout(&world.command(["dead-letter", "force", &run, "keep", "--reason", "enough"]).output().unwrap());
    assert_eq!(kept(&world).await, pairs(&[("a.txt", "failed")]));
}

#[tokio::test]
async fn an_attempt_that_lost_its_job_makes_orphans_of_its_artifacts_itself() {
    let world = World::with(&[KEEP]).await;
    // Nobody looks at what is pending meanwhile.
    let worker = world.worker("w1", &["--lease", "2s", "--snapshot-every", "1h"]);
    world.start("keep", &json!({"names": ["a.txt"], "work_ms": 600_000}).to_string());
    until(SOON, "it is kept", async || world.journal().len() == 1).await;
    sqlx::query("delete from piton.jobs").execute(&world.pool).await.unwrap();
    worker.says("attempt_fenced").await;
    assert_eq!(kept(&world).await, pairs(&[("a.txt", "orphan")]));
}

#[tokio::test]
async fn a_put_waits_for_a_database_that_is_away_for_a_moment() {
    let world = World::with(&[KEEP]).await;
    let _worker = world.worker("w1", &[]);
    let names: Vec<String> = (0..300).map(|number| format!("{number}.txt")).collect();
    let run = world.start("keep", &json!({"names": names}).to_string());
    for cut in 1..=3 {
        until(SOON, "it goes on", async || kept(&world).await.len() > cut * 50).await;
        world.cut_sessions().await;
    }
    assert_eq!(output(&world, &run).await.as_array().unwrap().len(), 300);
    assert_eq!(world.count("select count(*) from piton.attempts").await, 0);
    assert_eq!(world.count("select count(*) from piton.artifacts where type = 'output'").await, 300);
    assert_eq!(world.count("select count(*) from piton.artifacts").await, 300, "none was announced twice");
}

#[tokio::test]
async fn a_stage_that_is_done_again_has_new_artifacts_and_the_old_ones_are_failed() {
    let again = "name = 'again'\n[stages.keep]\nrust = 'keep'\n[stages.fails]\nrust = 'node'\nneeds = ['keep']";
    let world = World::with(&[again]).await;
    let _worker = world.worker("w1", &[]);
    std::fs::write(world.path("journal.fails"), "fails -1").unwrap();
    let run = world.start("again", &json!({"names": ["a.txt"]}).to_string());
    assert_eq!(world.ended(&run).await, "blocked");
    assert_eq!(kept(&world).await, pairs(&[("a.txt", "output")]));
    std::fs::write(world.path("journal.fails"), "").unwrap();
    let letter = world.dead_letter().await;
    stdout(&world.command(["dead-letter", "retry", &letter, "--from", "keep"]).output().unwrap());
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(kept(&world).await, pairs(&[("a.txt", "failed"), ("a.txt", "output")]));
}

#[tokio::test]
async fn names_and_types_that_are_none_are_refused_and_nothing_is_written() {
    let world = World::with(&[KEEP]).await;
    let _worker = world.worker("w1", &[]);
    for (names, r#type) in [
        (json!(["../../x"]), "output"),
        (json!(["/etc/passwd"]), "output"),
        (json!(["a/b"]), "output"),
        (json!([".."]), "output"),
        (json!([""]), "output"),
        (json!(["x".repeat(256)]), "output"),
        (json!(["a.txt"]), "orphan"),
        (json!(["a.txt"]), "Preview"),
    ] {
        let run = world.start("keep", &json!({"names": names, "type": r#type}).to_string());
        assert_eq!(world.ended(&run).await, "blocked", "{names}");
    }
    assert_eq!(stored(&world), [""; 0].map(PathBuf::from));
    assert_eq!(kept(&world).await, []);
    let run = world.start("keep", &json!({"names": ["a.txt", "a.txt"]}).to_string());
    assert_eq!(world.ended(&run).await, "blocked");
    let messages: Vec<String> = sqlx::query_scalar("select message from piton.attempts order by ended_at")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    assert_eq!(messages.len(), 9);
    assert!(messages[..6].iter().all(|m| m.starts_with("an artifact cannot be named ")), "{messages:#?}");
    assert!(messages[6..8].iter().all(|m| m.starts_with("an artifact cannot be of the type ")), "{messages:#?}");
    insta::assert_snapshot!(messages[8], @"two artifacts of one attempt are named `a.txt`; give each a name of its own");
    let invalid = "select count(*) from piton.attempts where class = 'invalid_input'";
    assert_eq!(world.count(invalid).await, 9);
}

#[tokio::test]
async fn an_artifact_that_was_changed_is_never_passed_on_and_is_made_anew() {
    let gated = KEEP
        .replace("[stages.read]", "[stages.gate]\nrust = \"node\"\nneeds = [\"keep\"]\n[stages.read]")
        .replace("rust = \"read\"\nneeds = [\"keep\"]", "rust = \"read\"\nneeds = [\"keep\", \"gate\"]");
    let world = World::with(&[&gated]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("keep", &json!({"names": ["a.txt"], "slow": {"gate": 2000}}).to_string());
    until(SOON, "it is visible", async || kept(&world).await == pairs(&[("a.txt", "output")])).await;
    std::fs::write(&stored(&world)[0], "a.txt of attempt 7").unwrap();
    assert_eq!(world.ended(&run).await, "blocked");
    let detail: Value = sqlx::query_scalar("select detail from piton.attempts where class = 'corrupt_checkpoint'")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!((&detail["stage"], &detail["artifact"]), (&json!("keep"), &json!("a.txt")));
    assert_ne!(detail["expected_sha256"], detail["found_sha256"]);
    stdout(&world.command(["dead-letter", "retry", &world.dead_letter().await]).output().unwrap());
    assert_eq!(output(&world, &run).await, json!(["a.txt of attempt 1"]));
    assert_eq!(kept(&world).await, pairs(&[("a.txt", "failed"), ("a.txt", "output")]));
}

#[tokio::test]
async fn getting_an_artifact_verifies_it_and_says_what_to_type() {
    let two = "name = 'two'\n[stages.one]\nrust = 'keep'\n[stages.other]\nrust = 'keep'\nfor_each = 'input.names'";
    let world = World::with(&[two]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("two", &json!({"names": ["a.txt"]}).to_string());
    // An item's input has no names left: its array was taken out.
    assert_eq!(world.ended(&run).await, "blocked");
    let folder = world.path("out");
    std::fs::create_dir(&folder).unwrap();
    let get = |arguments: &[&str]| {
        let mut command = world.command(["artifacts", "get", &run].iter().chain(arguments));
        let output = command.current_dir(&folder).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap().replace(&run, "RUN");
        let program = crate::harness::example("test-worker");
        (output.status.code(), said.replace(program.to_str().unwrap(), "piton"))
    };
    let file = folder.join("a.txt");
    assert_eq!(get(&["a.txt"]), (Some(0), "a.txt of one, 18 B: into a.txt\n".to_owned()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a.txt of attempt 1");
    insta::assert_snapshot!(get(&["a.txt"]).1, @"error: there is a file `a.txt` here; name another one, or this one, with --to FILE (- prints it)");
    insta::assert_snapshot!(get(&["b.txt", "--stage", "one"]).1, @"error: the run has no artifact `b.txt` of stage `one`; `piton artifacts list RUN` lists those there are, and those of attempts that came to nothing with --all: name them by their ids");
    let said = get(&["a.txt", "--to", "-", "--artifacts", "/nowhere"]).1;
    assert!(said.starts_with("error: artifact `a.txt` cannot be read from /nowhere: "), "{said}");
    assert!(said.ends_with("\nName the artifact store of the workers with --artifacts STORE\n"), "{said}");
    std::fs::write(&stored(&world)[0], "a.txt of attempt 2").unwrap();
    let (code, said) = get(&["a.txt", "--to", "a.txt"]);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(said, @"error: corrupt_checkpoint: artifact `a.txt` is not what was committed");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a.txt of attempt 1", "as it was before");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    let nobody = refused(&world, &["list", "01a20b0a-30d3-7295-8a1e-18acb1a0cd85"]);
    assert!(nobody.contains("there is no run 01a20b0a") && nobody.contains("runs` lists"), "{nobody}");
}

#[tokio::test]
async fn a_name_is_got_as_it_is_listed_and_an_empty_file_name_is_refused() {
    let odd = "name = 'odd'\n[stages.odd]\ncommand = ['sh', '-c', 'printf odd > \"$PITON_ARTIFACTS/$(printf \"nl\\nx.txt\")\"']\noutput = 'text'";
    let world = World::with(&[odd]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("odd", "{}");
    assert_eq!(world.ended(&run).await, "done");
    let list = stdout(&world.command(["artifacts", "list", &run]).output().unwrap());
    assert!(list.ends_with("  nl\\nx.txt\n"), "{list}");
    for name in ["nl\\nx.txt", "nl\nx.txt"] {
        assert_eq!(stdout(&world.command(["artifacts", "get", &run, name, "--to", "-"]).output().unwrap()), "odd");
    }
    let refused = world.command(["artifacts", "get", &run, "nl\\nx.txt", "--to", ""]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && said.contains("name a file, or - for standard output"), "{said}");
}

#[tokio::test]
async fn what_nobody_settled_is_settled_by_the_one_that_looks() {
    let world = World::with(&[KEEP]).await;
    let _worker = world.worker("w1", &["--snapshot-every", "1s"]);
    let run = world.start("keep", &json!({"names": ["a.txt"]}).to_string());
    output(&world, &run).await;
    let live = world.start("keep", &json!({"names": ["b.txt"], "work_ms": 600_000}).to_string());
    until(SOON, "it is kept", async || world.journal().len() == 3).await;
    // As what an attempt leaves running would write it, behind its end.
    sqlx::query("update piton.artifacts set type = 'pending' where name = 'a.txt'").execute(&world.pool).await.unwrap();
    until(SOON, "it is an orphan", async || kept(&world).await[0].1 == "orphan").await;
    assert_eq!(kept(&world).await, pairs(&[("a.txt", "orphan"), ("b.txt", "pending")]), "{live} is under way");
}

#[tokio::test]
async fn a_file_is_there_before_nobody_knows_of_it() {
    let world = World::with(&[SCRIPT]).await;
    let worker = world.worker("w1", &["--slots", "1"]);
    let script = "head -c 300M /dev/zero > \"$PITON_ARTIFACTS/big\"";
    let run = world.start("script", &json!({"script": script}).to_string());
    until(SOON, "it is being written", async || !stored(&world).is_empty()).await;
    assert_eq!(only(&world, "type").await, "pending");
    worker.kill();
    let left = stored(&world);
    let address = only(&world, "address").await;
    let half_done = world.path("artifacts").join(&address);
    assert!(left.iter().all(|path| path.parent() == half_done.parent()), "{left:?} is found by {address}");
    stdout(&world.command(["recover"]).output().unwrap());
    until(SOON, "it is an orphan", async || {
        stdout(&world.command(["recover"]).output().unwrap());
        only(&world, "type").await == "orphan"
    })
    .await;
    assert_eq!(world.state(&run).await, "running");
}

/// Modes of a file and of the folders that lead to it, below the store's own.
fn modes(world: &World, file: &Path) -> Vec<u32> {
    let store = world.path("artifacts");
    let way = file.ancestors().take_while(|path| *path != store.parent().unwrap());
    way.map(|path| std::fs::metadata(path).unwrap().mode() & 0o777).collect()
}

#[tokio::test]
async fn nobody_else_on_the_machine_reads_what_a_stage_makes() {
    let world = World::with(&[SCRIPT]).await;
    // As an older release has left it, under the usual umask.
    let store = world.path("artifacts");
    for folder in [store.join("runs"), store.join("runs/older")] {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::set_permissions(&store, Permissions::from_mode(0o755)).unwrap();
    let _worker = world.worker("w1", &[]);
    let script = "umask 022; cd \"$PITON_ARTIFACTS\"; stat -c %a . .. ../*; mkdir sub; echo 1 > sub/small; head -c 6M /dev/zero > large";
    let run = world.start("script", &json!({"script": script}).to_string());
    let told = output(&world, &run).await;
    assert!(told.as_str().unwrap().split('\n').all(|mode| matches!(mode, "700" | "600")), "of its own folder: {told}");
    let files = stored(&world);
    assert_eq!(files.len(), 2);
    for file in &files {
        let modes = modes(&world, file);
        assert_eq!(
            (modes[0], &modes[1..modes.len() - 1]),
            (0o600, &[0o700; 7][..modes.len() - 2]),
            "{}",
            file.display()
        );
    }
    assert_eq!(modes(&world, &store.join("runs")), [0o700, 0o755], "the store's own is whose it was");

    // A folder that a group may write into is meant for that group.
    std::fs::remove_dir_all(&store).unwrap();
    std::fs::create_dir(&store).unwrap();
    std::fs::set_permissions(&store, Permissions::from_mode(0o2770)).unwrap();
    let run = world.start("script", &json!({"script": script}).to_string());
    output(&world, &run).await;
    for file in &stored(&world) {
        let modes = modes(&world, file);
        assert_eq!((modes[0], &modes[1..]), (0o640, &[0o770; 8][..modes.len() - 1]), "{}", file.display());
    }
    std::fs::remove_dir_all(&store).unwrap();
    let run = world.start("script", &json!({"script": script}).to_string());
    output(&world, &run).await;
    assert_eq!(modes(&world, &store), [0o700], "one that Piton makes");
}

#[tokio::test]
async fn getting_an_artifact_replaces_neither_a_device_nor_a_link() {
    let world = World::with(&[SCRIPT]).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("script", &json!({"script": "printf captions > \"$PITON_ARTIFACTS/a.srt\""}).to_string());
    assert_eq!(world.ended(&run).await, "done");
    let at = |name: &str| world.path(name);
    let get = |to: &str| say(&world, &["get", &run, "a.srt", "--to", to]);
    assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    std::fs::write(at("file"), "before").unwrap();
    std::os::unix::fs::symlink("file", at("link")).unwrap();
    std::os::unix::fs::symlink("/dev/null", at("device")).unwrap();
    std::os::unix::fs::symlink("nothing", at("nowhere")).unwrap();
    assert_eq!(stdout(&get("/dev/stdout")), "captions");
    stdout(&get("/dev/null"));
    assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    stdout(&get(at("device").to_str().unwrap()));
    stdout(&get(at("link").to_str().unwrap()));
    assert_eq!(std::fs::read_to_string(at("file")).unwrap(), "captions");
    for link in ["link", "device", "nowhere"] {
        assert!(at(link).is_symlink(), "{link}");
    }
    let pipe = at("pipe");
    let reader = std::thread::spawn(move || std::fs::read_to_string(pipe).unwrap());
    stdout(&get(at("pipe").to_str().unwrap()));
    assert_eq!(reader.join().unwrap(), "captions");
    assert!(std::fs::metadata(at("pipe")).unwrap().file_type().is_fifo());
    for (to, said) in [("nowhere", "is a link that leads nowhere"), ("workflows", "is a folder; name a file in it")] {
        let refused = String::from_utf8(get(at(to).to_str().unwrap()).stderr).unwrap();
        assert!(refused.contains(said), "{refused}");
    }
    // Without a name for it, nothing that is there is touched, be it a link that leads nowhere.
    std::os::unix::fs::symlink("nothing", at("a.srt")).unwrap();
    let refused = refused(&world, &["get", &run, "a.srt"]);
    assert!(refused.contains("there is a file `a.srt` here") && at("a.srt").is_symlink(), "{refused}");
}
