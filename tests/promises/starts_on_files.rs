//! Runs begin on files through every face: uploaded, or kept by a stage of another run, which cleanup then leaves alone.

use piton::{App, Artifact, Piton, StartError};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::api::client::Api;
use crate::harness::{World, stdout};

const MAKE: &str = r#"
name = "make"
[stages.make]
command = ["sh", "-c", 'printf hello > "$1"; printf two > "$2"', "make", "{{out:talk.txt}}", "{{out:b/two.txt}}"]
"#;

const READ: &str = r#"
name = "read"
[stages.one]
command = ["cat", "{{file:input/talk.txt}}"]
output = "text"
[stages.all]
command = ["sh", "-c", 'cat "$@"; cd "$PITON_INPUTS"; find . -type f | sort', "all", "{{file:input/**}}"]
output = "text"
"#;

/// What a stage of another run has kept, as that run's output refers to it.
async fn made(world: &World) -> Vec<Artifact> {
    let run = world.start("make", "{}");
    assert_eq!(world.ended(&run).await, "done");
    let output: Value =
        sqlx::query_scalar("select k.output from piton.checkpoints k where stage = 0 order by run_id desc limit 1")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    serde_json::from_value(output["files"].clone()).unwrap()
}

async fn outputs(world: &World, run: &str) -> Vec<String> {
    let sql = "select k.output #>> '{}' from piton.checkpoints k join piton.runs r on r.id = k.run_id
               where r.uuid = $1::uuid order by k.stage";
    sqlx::query_scalar(sql).bind(run).fetch_all(&world.pool).await.unwrap()
}

async fn by_sql(world: &World, call: String) -> Result<(String, bool, bool), String> {
    let sql = format!("select run::text, is_new, is_other_input from piton.start_run_on_files({call})");
    let asked = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&world.pool).await;
    asked.map_err(|error| error.to_string())
}

async fn library(world: &World) -> Piton {
    let store = world.path("artifacts");
    Piton::builder(App::new(), &world.pool).artifacts(store.to_str().unwrap()).build().await.unwrap()
}

#[tokio::test]
async fn a_run_begins_on_what_another_run_has_kept_through_every_face() {
    let world = World::with(&[MAKE, READ]).await;
    let _worker = world.worker("w1", &[]);
    world.deploy("read");
    let made = made(&world).await;
    let [two, talk] = [made[0].id(), made[1].id()];
    let api = Api::of(&world).await;
    let piton = library(&world).await;
    let by_sql_alone = by_sql(&world, format!("'read', '[\"{talk}\", \"{two}\"]', '{{ \"n\": 1.0 }} '")).await.unwrap();
    assert_eq!((by_sql_alone.1, by_sql_alone.2), (true, false));
    let by_api = api.post("/runs", &json!({"workflow": "read", "files": [talk, two]})).good();
    let by_library =
        piton.start("read", &json!({})).artifact("talk.txt", &made[1]).artifact("b/two.txt", &made[0]).await.unwrap();
    let listed: String = sqlx::query_scalar("select input::text from piton.runs where uuid = $1::uuid")
        .bind(&by_sql_alone.0)
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert!(listed.starts_with("{ \"n\": 1.0,\"files\":[{\"artifact\":\""), "what was given stays as it was: {listed}");
    for run in [&by_sql_alone.0, by_api["run"].as_str().unwrap(), &by_library.id().to_string()] {
        assert_eq!(world.ended(run).await, "done");
        assert_eq!(outputs(&world, run).await, ["hello", "hellotwo./input/b/two.txt\n./input/talk.txt"]);
    }
    // Under names of their own.
    let renamed = json!({"talk.txt": two, "x/y.txt": talk});
    let run = api.post("/runs", &json!({"workflow": "read", "files": renamed})).good();
    let run = run["run"].as_str().unwrap();
    assert_eq!(world.ended(run).await, "done");
    assert_eq!(outputs(&world, run).await, ["two", "twohello./input/talk.txt\n./input/x/y.txt"]);
    // Under a key there is one.
    let keyed = format!("'read', '[\"{talk}\"]', key => 'k1'");
    let first = by_sql(&world, keyed.clone()).await.unwrap();
    assert_eq!(by_sql(&world, keyed).await.unwrap(), (first.0.clone(), false, false));
    let other = json!({"workflow": "read", "key": "k1", "files": {"talk.txt": two}});
    let other = api.post("/runs", &other).good();
    assert_eq!((&other["run"], &other["is_other_input"]), (&json!(first.0), &json!(true)));
}

#[tokio::test]
async fn a_program_uploads_files_and_starts_a_run_on_them_or_neither() {
    let world = World::with(&[MAKE, READ]).await;
    let _worker = world.worker("w1", &[]);
    world.deploy("read");
    std::fs::write(world.path("mine.bin"), "hello").unwrap();
    std::fs::write(world.path("more.bin"), "more").unwrap();
    let piton = library(&world).await;
    let start = || piton.start("read", &json!({})).file("talk.txt", world.path("mine.bin"));
    let run = start().file("d/more.txt", world.path("more.bin")).await.unwrap();
    assert_eq!(run.result::<Value>().await.unwrap()["all"], "hellomore./input/d/more.txt\n./input/talk.txt");
    let mut transaction = world.pool.begin().await.unwrap();
    start().in_transaction(&mut transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    let mut transaction = world.pool.begin().await.unwrap();
    let kept = start().in_transaction(&mut transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(kept.result::<Value>().await.unwrap()["one"], "hello");
    assert_eq!(world.count("select count(*) from piton.artifacts where stage = -1").await, 3);
    // What the one that was rolled back has uploaded is found to be nobody's once it is old enough.
    assert_eq!(walk(&world.path("artifacts")).iter().filter(|name| *name == "talk.txt").count(), 3);
    age(&world.path("artifacts"));
    let scanned = stdout(&world.command(["cleanup", "scan"]).output().unwrap());
    assert!(
        scanned.contains("1 file that nobody knows of") || scanned.contains("1 files that nobody knows of"),
        "{scanned}"
    );
    let made = made(&world).await;
    for (wrong, said) in [
        (start().key("k"), "a start on files of this machine goes neither with a key nor with artifacts of other runs"),
        (start().artifact("a", &made[0]), "a start on files of this machine goes neither with a key nor"),
        (start().file("talk.txt", "/dev/null"), "two files are named `talk.txt`"),
        (start().file("../x", "/dev/null"), "an artifact cannot be named \"../x\": a name is the path of a file below"),
        (start().file(&"x".repeat(256), "/dev/null"), "parts of 1 to 255 bytes"),
        (piton.start("read", &json!([])).file("a", "/dev/null"), "the run's input must be an object without the key"),
        (
            piton.start("read", &json!({"files": 1})).artifact("a", &made[0]),
            "the run's input must be an object without",
        ),
    ] {
        let error = wrong.await.unwrap_err();
        assert!(matches!(&error, StartError::Invalid(why) if why.contains(said)), "{error:?}");
    }
    let gone = start().file("b", "/nowhere/b").await.unwrap_err();
    assert!(matches!(&gone, StartError::File(why) if why.contains("cannot read /nowhere/b: No such file")), "{gone:?}");
    assert_eq!(world.count("select count(*) from piton.runs_overview where workflow = 'read'").await, 2);
}

#[tokio::test]
async fn a_run_begins_on_all_files_of_a_folder_by_their_names_in_it() {
    let world = World::with(&[READ]).await;
    let _worker = world.worker("w1", &[]);
    let folder = world.path("talks");
    std::fs::create_dir_all(folder.join("b/c")).unwrap();
    std::fs::create_dir(world.path("empty")).unwrap();
    for (name, text) in [("talk.txt", "hello"), ("b/c/two.txt", "two"), ("b/a b.txt", "one")] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", folder.join("b/link")).unwrap();
    let workflows = world.path("workflows");
    let start = |file: &str| {
        let arguments = ["start", "read", "--workflows", workflows.to_str().unwrap(), "--file", file];
        world.command(arguments).output().unwrap()
    };
    let run = stdout(&start(folder.to_str().unwrap())).trim().to_owned();
    assert_eq!(world.ended(&run).await, "done");
    let all = &outputs(&world, &run).await[1];
    assert_eq!(all, "onetwohello./input/b/a b.txt\n./input/b/c/two.txt\n./input/talk.txt", "and no link");
    let piton = library(&world).await;
    let by_name = piton.start("read", &json!({})).file("d", &folder).file("talk.txt", folder.join("talk.txt")).await;
    let by_name = by_name.unwrap().result::<Value>().await.unwrap();
    assert!(by_name["all"].as_str().unwrap().contains("./input/d/b/c/two.txt"), "{by_name}");
    for (file, said) in [
        (world.path("empty").to_str().unwrap(), "there is no file in "),
        ("/nowhere/x", "cannot read /nowhere/x: No such file"),
        ("x=", "write FILE or NAME=FILE"),
        ("=x", "write FILE or NAME=FILE"),
        ("/=/etc/hostname", "an artifact cannot be named"),
    ] {
        let refused = start(file);
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && told.contains(said), "{file}: {told}");
    }
}

#[tokio::test]
async fn a_start_on_what_is_no_file_is_refused_with_the_cure() {
    let world = World::with(&[MAKE, READ]).await;
    let _worker = world.worker("w1", &[]);
    world.deploy("read");
    let made = made(&world).await;
    let [two, talk] = [made[0].id(), made[1].id()];
    sqlx::query("update piton.artifacts set type = 'failed' where id = $1::uuid")
        .bind(&two)
        .execute(&world.pool)
        .await
        .unwrap();
    let api = Api::of(&world).await;
    for (files, input, said) in [
        (
            json!("x"),
            json!({}),
            "the files that a run is started on are an array of artifact ids, or an object with a name for each",
        ),
        (json!(["x"]), json!({}), "\"x\" is no id of an artifact"),
        (json!([null]), json!({}), "\"null\" is no id of an artifact"),
        (json!([two]), json!({}), "does not count, because its attempt came to nothing"),
        (
            json!(["01900000-0000-7000-8000-000000000000"]),
            json!({}),
            "there is no artifact 01900000-0000-7000-8000-000000000000: it was deleted",
        ),
        (json!([talk, talk]), json!({}), "two files are named \"talk.txt\""),
        (json!({"a/../b": talk}), json!({}), "an artifact cannot be named \"a/../b\""),
        (json!({"": talk}), json!({}), "an artifact cannot be named \"\""),
        (json!({"/etc/x": talk}), json!({}), "an artifact cannot be named \"/etc/x\""),
        (json!({"x".repeat(256): talk}), json!({}), "an artifact cannot be named \"xxx"),
        (
            json!([talk]),
            json!({"files": []}),
            "the run's input must be an object without the key \"files\", under which its files are listed",
        ),
        (json!([talk]), json!([]), "the run's input must be an object without the key \"files\""),
    ] {
        let in_sql = by_sql(&world, format!("'read', '{files}', '{input}'")).await.unwrap_err();
        assert!(in_sql.contains(said), "{files}: {in_sql}");
        let asked = api.post("/runs", &json!({"workflow": "read", "files": files, "input": input}));
        assert_eq!(asked.status, 422, "{asked:?}");
        assert!(asked.problem_text().contains(said), "{files}: {asked:?}");
    }
    let nothing = by_sql(&world, format!("'raed', '[\"{talk}\"]'")).await.unwrap_err();
    assert!(nothing.contains("there is no workflow \"raed\""), "{nothing}");
    let known = "select count(*) from piton.runs_overview where workflow = 'read'";
    assert_eq!(world.count(known).await, 0, "nothing was started");
}

#[tokio::test]
async fn what_a_run_was_started_on_is_kept_until_it_is_over() {
    let world = World::with(&[MAKE, READ]).await;
    let mut worker = world.worker("w1", &[]);
    world.deploy("read");
    let made = made(&world).await;
    worker.signal("TERM");
    worker.exit_code().await;
    let (run, ..) = by_sql(&world, format!("'read', '[\"{}\"]'", made[1].id())).await.unwrap();
    let files = || walk(&world.path("artifacts"));
    let age = "update piton.artifacts set created_at = now() - interval '20 years'";
    let end = "update piton.runs set finished_at = now() - interval '20 years' where finished_at is not null";
    for what in [["artifacts", "output"], ["runs", "done"]] {
        stdout(&world.command([["cleanup", "keep"].as_slice(), &what, &["1s"]].concat()).output().unwrap());
    }
    for sql in [age, end] {
        sqlx::query(sql).execute(&world.pool).await.unwrap();
    }
    let refused: Vec<String> =
        sqlx::query_scalar("select refused from piton.cleanup_due where refused is not null order by 1")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(refused, ["a run that was started on it is not over, or held", "its artifacts are kept"]);
    stdout(&world.command(["cleanup", "run"]).output().unwrap());
    assert_eq!(files(), ["talk.txt"], "what nobody needs has gone");
    let mut worker = world.worker("w1", &[]);
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(outputs(&world, &run).await[0], "hello");
    worker.signal("TERM");
    worker.exit_code().await;
    sqlx::query(end).execute(&world.pool).await.unwrap();
    for _ in 0..2 {
        stdout(&world.command(["cleanup", "run"]).output().unwrap());
    }
    assert_eq!(files(), [""; 0]);
    assert_eq!(world.count("select count(*) from piton.run_files").await, 0);
    assert_eq!(world.count("select count(*) from piton.runs").await, 0);
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found
}

/// As if all of it had been written long ago.
fn age(folder: &std::path::Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path);
        } else {
            let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(20 * 86_400);
            std::fs::File::open(&path).unwrap().set_modified(long_ago).unwrap();
        }
    }
}
