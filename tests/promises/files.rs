//! Files travel: what a stage keeps is a file on the disk of the stage that names it, the very bytes, wherever that runs.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{SOON, World, stdout, until};

/// Makes files, and hands them on in every way there is.
const TRAVEL: &str = r#"
name = "travel"
[stages.render]
command = ["sh", "-c", 'printf video > "$1"; printf one > "$2"; printf two > "$PITON_ARTIFACTS/pages/2.txt"', "render", "{{out:video.mp4}}", "{{out:pages/1.txt}}"]
[stages.read]
command = ["sh", "-c", 'cat "$@" "$VIDEO"; cd "$PITON_INPUTS"; find . -type f | sort', "read", "{{file:render/pages/*}}"]
env = { VIDEO = "{{file:render/video.mp4}}" }
needs = ["render"]
output = "text"
[stages.each]
command = ["sh", "-c", 'tr a-z A-Z < "$1" > "$2"', "each", "{{file:item}}", "{{out:loud}}"]
needs = ["render"]
for_each = "render.files"
[stages.again]
command = ["sh", "-c", 'printf "$PITON_ITEM" | cat "$1" - > "$2"', "again", "{{file:each/loud}}", "{{out:loud}}"]
needs = ["each"]
for_each = "each"
[stages.all]
command = ["sh", "-c", 'cat "$@"; cd "$PITON_INPUTS"; find . -type f | sort', "all", "{{file:again/loud}}"]
needs = ["again"]
output = "text"
[stages.typed]
rust = "texts"
needs = ["render"]
[stages.kept]
rust = "keep"
[stages.reference]
command = ["cat", "{{file:kept}}", "{{file:kept.0}}"]
needs = ["kept"]
output = "text"
"#;

async fn output(world: &World, run: &str, stage: i16) -> Value {
    let sql = "select k.output from piton.checkpoints k join piton.runs r on r.id = k.run_id
               where r.uuid = $1::uuid and k.stage = $2 and k.item = -1";
    sqlx::query_scalar(sql).bind(run).bind(stage).fetch_one(&world.pool).await.unwrap()
}

fn stored(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(stored(&path, name));
        } else if path.file_name().is_some_and(|found| found == name) {
            found.push(path);
        }
    }
    found
}

/// Its own folder for temporary files, so that a test sees what is in it.
async fn world(workflow: &str) -> World {
    let mut world = World::with(&[workflow]).await;
    let temporary = world.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    world.environment.push(("TMPDIR", temporary.to_str().unwrap().to_owned()));
    world
}

#[tokio::test]
async fn files_are_handed_on_between_stages_of_every_kind() {
    let world = world(TRAVEL).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("travel", &json!({"files": "render/**", "names": ["a.txt"]}).to_string());
    assert_eq!(world.ended(&run).await, "done");
    let made = output(&world, &run, 0).await;
    let names: Vec<&str> =
        made["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["pages/1.txt", "pages/2.txt", "video.mp4"]);
    assert_eq!(made["files"][2]["bytes"], 5);
    let read = output(&world, &run, 1).await;
    assert_eq!(read, "onetwovideo./render/pages/1.txt\n./render/pages/2.txt\n./render/video.mp4");
    let all = output(&world, &run, 4).await;
    assert_eq!(all, "ONE0TWO1VIDEO2./again/0/loud\n./again/1/loud\n./again/2/loud", "item by item, in their order");
    assert_eq!(
        output(&world, &run, 5).await,
        json!(["pages/1.txt: one", "pages/2.txt: two", "video.mp4: video"]),
        "a handler reads what programs made"
    );
    assert_eq!(output(&world, &run, 7).await, "a.txt of attempt 1a.txt of attempt 1");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_told_with_those_that_are() {
    let workflow = TRAVEL.replace("{{file:render/video.mp4}}", "{{file:render/vidoe.mp4}}");
    let world = world(&workflow).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("travel", &json!({"files": "render/*", "names": ["a.txt"]}).to_string());
    assert_eq!(world.ended(&run).await, "blocked");
    let said: String = sqlx::query_scalar("select message from piton.attempts where class = 'invalid_input'")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    insta::assert_snapshot!(said, @"there is no file `vidoe.mp4`: stage `render` has kept `pages/1.txt`, `pages/2.txt`, `video.mp4`");
}

/// A file that all items need, and may spoil. Each waits for the one before it, so that the cache is used again and again.
const SHARED: &str = r#"
name = "shared"
[stages.model]
command = ["sh", "-c", 'head -c 3000000 /dev/zero > "$1"', "model", "{{out:weights}}"]
[stages.use]
command = ["sh", "-c", '''sha256sum < "$1" | cut -c 1-8; if [ "$2" = spoil ]; then chmod 600 "$1"; echo x >> "$1"; fi''', "use", "{{file:model/weights}}", "{{item}}"]
needs = ["model"]
for_each = "input.items"
output = "text"
concurrency = 1
retry = { max_retries = 0 }
"#;

#[tokio::test]
async fn a_file_that_many_items_need_is_fetched_once_and_shared() {
    let world = world(SHARED).await;
    let worker = world.worker("w1", &[]);
    let run = world.start("shared", &json!({"items": vec!["read"; 40]}).to_string());
    // Whatever of it the first item was given, the others do not open it again.
    let model = |world: &World| stored(&world.path("artifacts"), "weights");
    until(SOON, "the first item is done", async || {
        world.count("select count(*) from piton.checkpoints where item = 0").await == 1
    })
    .await;
    std::fs::remove_file(&model(&world)[0]).unwrap();
    assert_eq!(world.ended(&run).await, "done");
    let outputs = "select count(distinct output::text) from piton.checkpoints where stage = 1 and item >= 0";
    assert_eq!(world.count(outputs).await, 1);
    // Nothing of it is left with the worker.
    worker.signal("TERM");
    until(SOON, "its folders are gone", async || std::fs::read_dir(world.path("tmp")).unwrap().count() == 0).await;
}

#[tokio::test]
async fn a_cached_file_that_a_program_has_changed_is_never_passed_on() {
    let world = world(SHARED).await;
    let _worker = world.worker("w1", &[]);
    let run = world.start("shared", &json!({"items": ["read", "spoil", "read", "spoil", "read"]}).to_string());
    assert_eq!(world.ended(&run).await, "blocked");
    let right = "select count(*) from piton.checkpoints where stage = 1 and item in (0, 2, 4)
                 and output::text = (select output::text from piton.checkpoints where stage = 1 and item = 0)";
    assert_eq!(world.count(right).await, 3, "the others got the file as it was made");
    let told = "select count(*) from piton.attempts where message like 'an input file was written into while%'";
    assert_eq!(world.count(told).await, 2);
}

/// What the first stage makes is used once the gate is open.
const GATED: &str = r#"
name = "gated"
[stages.make]
command = ["sh", "-c", 'echo right > "$1"', "make", "{{out:a.txt}}"]
[stages.gate]
rust = "node"
needs = ["make"]
[stages.use]
command = ["cat", "{{file:make/a.txt}}"]
needs = ["make", "gate"]
output = "text"
"#;

#[tokio::test]
async fn a_file_that_was_changed_or_is_gone_is_made_anew_by_a_retry() {
    for gone in [false, true] {
        let world = world(GATED).await;
        let _worker = world.worker("w1", &[]);
        let run = world.start("gated", &json!({"slow": {"gate": 1500}}).to_string());
        let file = || stored(&world.path("artifacts"), "a.txt");
        until(SOON, "the file is made", async || {
            world.count("select count(*) from piton.artifacts where type = 'output'").await == 1
        })
        .await;
        if gone {
            std::fs::remove_file(&file()[0]).unwrap();
        } else {
            std::fs::write(&file()[0], "wrong").unwrap();
        }
        assert_eq!(world.ended(&run).await, "blocked");
        let detail: Value = sqlx::query_scalar("select detail from piton.attempts where class = 'corrupt_checkpoint'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        assert_eq!(
            (&detail["stage"], &detail["artifact"], &detail["expected_bytes"]),
            (&json!("make"), &json!("a.txt"), &json!(6))
        );
        stdout(&world.command(["dead-letter", "retry", &world.dead_letter().await]).output().unwrap());
        assert_eq!(world.ended(&run).await, "done", "made anew");
        assert_eq!(output(&world, &run, 2).await, "right");
    }
}

/// One worker makes what the other one needs.
const APART: &str = r#"
name = "apart"
[stages.make]
command = ["sh", "-c", 'head -c 7000000 /dev/urandom > "$1"; sha256sum < "$1" > "$PITON_ARTIFACTS/sum"', "make", "{{out:data}}"]
env = { ONLY = "${MAKES}" }
[stages.check]
command = ["sh", "-c", 'sha256sum < "$1" | cmp - "$2" && echo same', "check", "{{file:make/data}}", "{{file:make/sum}}"]
env = { ONLY = "${CHECKS}" }
needs = ["make"]
output = "text"
"#;

#[tokio::test]
async fn workers_that_share_no_folder_hand_files_on_through_a_bucket() {
    let bucket = crate::s3_server::S3Server::start();
    let mut world = World::with(&[APART]).await;
    world.environment = bucket.environment();
    let mut workers = Vec::new();
    for (name, does) in [("maker", "MAKES"), ("checker", "CHECKS")] {
        let temporary = world.path(name);
        std::fs::create_dir(&temporary).unwrap();
        let before = world.environment.clone();
        world.environment.extend([(does, "1".to_owned()), ("TMPDIR", temporary.to_str().unwrap().to_owned())]);
        workers.push(world.worker(name, &[]));
        world.environment = before;
    }
    let run = world.start("apart", "{}");
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(output(&world, &run, 1).await, "same");
    let who = "select count(distinct worker_id) from piton.checkpoints";
    assert_eq!(world.count(who).await, 2);
}

/// A service gets the file that a program made, and what it answers is the file of the next program.
const SERVICE: &str = r#"
name = "service"
[stages.narrate]
command = ["sh", "-c", 'printf hello > "$1"', "narrate", "{{out:takes/voice.txt}}"]
[stages.louder]
http = "${API}/louder"
files = { audio = "file:narrate/takes/voice.txt" }
needs = ["narrate"]
output = "file"
file = "loud.bin"
[stages.count]
command = ["wc", "-c", "{{file:louder/loud.bin}}"]
needs = ["louder"]
output = "text"
"#;

#[tokio::test]
async fn a_service_gets_files_and_answers_with_files_of_any_size() {
    const BYTES: usize = 3 << 20;
    let server = crate::http_server::HttpServer::start(|_, wire| {
        wire.answer(200, &["content-type: audio/x-loud"], "x".repeat(BYTES))
    });
    let mut world = World::with(&[SERVICE]).await;
    world.environment.push(("API", server.url()));
    let _worker = world.worker("w1", &[]);
    let run = world.start("service", "{}");
    assert_eq!(world.ended(&run).await, "done");
    let sent = server.requests()[0].text().to_owned();
    assert!(sent.contains("name=\"audio\"; filename=\"voice.txt\"") && sent.contains("\r\n\r\nhello\r\n"), "{sent}");
    let kept = output(&world, &run, 1).await;
    assert_eq!((&kept["files"][0]["name"], &kept["files"][0]["bytes"]), (&json!("loud.bin"), &json!(BYTES)));
    let counted = output(&world, &run, 2).await;
    assert!(counted.as_str().unwrap().starts_with(&format!("{BYTES} ")), "{counted}");
    let of_type = "select count(*) from piton.artifacts where content_type = 'audio/x-loud' and type = 'output'";
    assert_eq!(world.count(of_type).await, 1);
}

/// Each of its stages names a file that it cannot have.
const WRONG: &str = r#"
name = "wrong"
[stages.a]
command = ["cat", "{{file:b/x.txt}}", "--all={{file:c/*.txt}}", "{{file:}}"]
env = { ALL = "{{file:c/*.txt}}", OUT = "{{out:../x}}" }
dir = "{{out:x}}"
needs = ["c"]
[stages.b]
http = "https://example.com/{{file:c/x}}"
files = { audio = "file:c/" }
file = "x"
output = "text"
needs = ["c"]
[stages.c]
command = ["cat", "{{file:item/x}}", "{{file:c/x}}", "{{file:item}}", "{{file:d/x}}"]
[stages.e]
command = ["{{file:c/run.sh}}", "{{files:c/x.txt}}", "{{c/x.txt}}"]
needs = ["c"]
"#;

#[tokio::test]
async fn a_check_tells_of_files_that_cannot_be_there_and_how_to_name_them() {
    let world = World::with(&[WRONG]).await;
    let program = Path::new(env!("CARGO_BIN_EXE_piton"));
    let checked = world.command_of(program, ["workflows", "check", "workflows/0.toml"]).output().unwrap();
    insta::assert_snapshot!(String::from_utf8_lossy(&checked.stderr), @r##"
    error: stage `a` reads a file of `b`, which is not among its needs
     --> workflows/0.toml:4:19
      |
    4 | command = ["cat", "{{file:b/x.txt}}", "--all={{file:c/*.txt}}", "{{file:}}"]
      |                   ^^^^^^^^^^^^^^^^^^
      |
      = help: add "b" to needs

    error: `{{file:c/*.txt}}` may be several files
     --> workflows/0.toml:4:39
      |
    4 | command = ["cat", "{{file:b/x.txt}}", "--all={{file:c/*.txt}}", "{{file:}}"]
      |                                       ^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: let it stand alone in its quotes: it becomes one argument for each file

    error: `command` cannot be filled in
     --> workflows/0.toml:4:65
      |
    4 | command = ["cat", "{{file:b/x.txt}}", "--all={{file:c/*.txt}}", "{{file:}}"]
      |                                                                 ^^^^^^^^^^^
      |
      = help: `file:` names no file; write {{file:STAGE/NAME}} such as {{file:render/video.mp4}}, or {{file:item.picture}} for what the input refers to

    error: `{{file:c/*.txt}}` may be several files, and a variable holds one
     --> workflows/0.toml:5:15
      |
    5 | env = { ALL = "{{file:c/*.txt}}", OUT = "{{out:../x}}" }
      |               ^^^^^^^^^^^^^^^^^^
      |
      = help: name one; a program finds all that its arguments name below $PITON_INPUTS

    error: `env` cannot be filled in
     --> workflows/0.toml:5:41
      |
    5 | env = { ALL = "{{file:c/*.txt}}", OUT = "{{out:../x}}" }
      |                                         ^^^^^^^^^^^^^^
      |
      = help: `out:../x` is no name for a file that is made; write one such as {{out:final.mp4}}

    error: `{{out:x}}` cannot stand in `dir`
     --> workflows/0.toml:6:7
      |
    6 | dir = "{{out:x}}"
      |       ^^^^^^^^^^^
      |
      = help: remove it; only programs make files (`command`, `env`)

    error: `{{file:c/x}}` cannot stand in `http`
     --> workflows/0.toml:9:8
      |
    9 | http = "https://example.com/{{file:c/x}}"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: files are for programs (`command`, `env`); a request sends them in a form: files = { audio = "file:narrate/voice.wav" }

    error: `file:c/` names no file
      --> workflows/0.toml:10:19
       |
    10 | files = { audio = "file:c/" }
       |                   ^^^^^^^^^
       |
       = help: write a stage and a name, such as "file:narrate/voice.wav", or a place, such as "file:item"

    error: the answer of this stage becomes no file
      --> workflows/0.toml:11:8
       |
    11 | file = "x"
       |        ^^^
       |
       = help: add output = "file", or remove the line

    error: `{{file:item/x}}`: an item keeps no files
      --> workflows/0.toml:15:19
       |
    15 | command = ["cat", "{{file:item/x}}", "{{file:c/x}}", "{{file:item}}", "{{file:d/x}}"]
       |                   ^^^^^^^^^^^^^^^^^
       |
       = help: write {{file:item}}, or the place in the item, for what it refers to; or name the stage

    error: stage `c` takes its own files
      --> workflows/0.toml:15:38
       |
    15 | command = ["cat", "{{file:item/x}}", "{{file:c/x}}", "{{file:item}}", "{{file:d/x}}"]
       |                                      ^^^^^^^^^^^^^^
       |
       = help: name the stage before it; what a program makes itself is {{out:NAME}}

    error: `c` has no `item`: it is not fanned out
      --> workflows/0.toml:15:54
       |
    15 | command = ["cat", "{{file:item/x}}", "{{file:c/x}}", "{{file:item}}", "{{file:d/x}}"]
       |                                                      ^^^^^^^^^^^^^^^
       |
       = help: add for_each = "…", the place of an array, or read from `input`

    error: `d` is in no input of stage `c`
      --> workflows/0.toml:15:71
       |
    15 | command = ["cat", "{{file:item/x}}", "{{file:c/x}}", "{{file:item}}", "{{file:d/x}}"]
       |                                                                       ^^^^^^^^^^^^^^
       |
       = help: a place begins with `input`, `item` or a stage that is needed

    error: `{{file:c/run.sh}}` cannot be the program: files that stages make are not executable
      --> workflows/0.toml:17:12
       |
    17 | command = ["{{file:c/run.sh}}", "{{files:c/x.txt}}", "{{c/x.txt}}"]
       |            ^^^^^^^^^^^^^^^^^^^
       |
       = help: name a program that reads it, such as command = ["sh", "{{file:build/run.sh}}"]

    error: `files:c/x.txt` is in no input of stage `e`
      --> workflows/0.toml:17:33
       |
    17 | command = ["{{file:c/run.sh}}", "{{files:c/x.txt}}", "{{c/x.txt}}"]
       |                                 ^^^^^^^^^^^^^^^^^^^
       |
       = help: did you mean `file:c/x.txt`?

    error: `c/x.txt` is in no input of stage `e`
      --> workflows/0.toml:17:54
       |
    17 | command = ["{{file:c/run.sh}}", "{{files:c/x.txt}}", "{{c/x.txt}}"]
       |                                                      ^^^^^^^^^^^^^
       |
       = help: write `file:c/x.txt` for a file that a stage has kept

    16 mistakes in `workflows/0.toml`
    "##);
}

/// A run that begins on files.
const BEGIN: &str = r#"
name = "begin"
[stages.one]
command = ["cat", "{{file:input/talk.txt}}"]
output = "text"
[stages.all]
command = ["sh", "-c", 'cat "$@"; cd "$PITON_INPUTS"; find . -type f | sort', "all", "{{file:input/**}}"]
needs = ["one"]
output = "text"
[stages.each]
command = ["wc", "-c", "{{file:item}}"]
for_each = "input.files"
output = "text"
"#;

#[tokio::test]
async fn a_run_may_begin_on_files_which_are_kept_for_as_long_as_it_needs_them() {
    let world = World::with(&[BEGIN]).await;
    std::fs::write(world.path("mine.bin"), "hello").unwrap();
    std::fs::write(world.path("more.txt"), "more").unwrap();
    let file = world.path("mine.bin");
    let (mine, more) = (format!("talk.txt={}", file.display()), world.path("more.txt"));
    let folder = world.path("workflows");
    let start = |more: &[&str]| {
        let all = [&["start", "begin", "--workflows", folder.to_str().unwrap()], more].concat();
        world.command(all).output().unwrap()
    };
    let run = stdout(&start(&["--set", "n=1", "--file", &mine, "--file", more.to_str().unwrap()])).trim().to_owned();
    // What happens to the file on this machine does not matter any more.
    std::fs::write(&file, "other").unwrap();
    let listed: Value =
        serde_json::from_slice(&world.command(["artifacts", "list", &run, "--json"]).output().unwrap().stdout).unwrap();
    assert_eq!((&listed[0]["stage"], &listed[0]["name"]), (&json!("input"), &json!("more.txt")));
    // Its run is not done.
    sqlx::query("update piton.artifacts set created_at = now() - interval '20 years'")
        .execute(&world.pool)
        .await
        .unwrap();
    for kind in ["output", "temp"] {
        stdout(&world.command(["cleanup", "keep", "artifacts", kind, "1s"]).output().unwrap());
    }
    stdout(&world.command(["cleanup", "run"]).output().unwrap());
    assert_eq!(stored(&world.path("artifacts"), "talk.txt").len(), 1);
    let _worker = world.worker("w1", &[]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(output(&world, &run, 0).await, "hello");
    assert_eq!(output(&world, &run, 1).await, "hellomore./input/more.txt\n./input/talk.txt");
    // Afterwards it goes like every artifact.
    stdout(&world.command(["cleanup", "run"]).output().unwrap());
    assert_eq!(stored(&world.path("artifacts"), "talk.txt").len(), 0);
    for (arguments, said) in [
        (&["--set", "files=1", "--file", &mine][..], "the run's input must be an object without the key `files`"),
        (&["--file", &mine, "--file", &mine][..], "two files are named `talk.txt`"),
        (&["--file", "/nowhere/x"][..], "cannot read /nowhere/x: No such file"),
        (&["--file", "a/../b=/dev/null"][..], "an artifact cannot be named"),
        (&["--key", "k", "--file", &mine][..], "cannot be used with"),
    ] {
        let refused = start(arguments);
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && told.contains(said), "{told}");
    }
    assert_eq!(world.count("select count(*) from piton.runs").await, 1, "nothing was started");
}

#[tokio::test]
async fn run_begins_on_files_in_one_go() {
    let world = World::with(&[BEGIN]).await;
    std::fs::write(world.path("talk.txt"), "hello").unwrap();
    let (file, folder) = (world.path("talk.txt"), world.path("workflows"));
    let all = ["run", "begin", "--workflows", folder.to_str().unwrap(), "--file", file.to_str().unwrap()];
    let told = stdout(&world.command(all).output().unwrap());
    assert!(told.contains("hello./input/talk.txt"), "{told}");
}
