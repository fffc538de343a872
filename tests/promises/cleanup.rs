//! Cleanup deletes what is due and nothing that is protected, exactly as its preview says, also when it is killed midway.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use sqlx::types::Uuid;

use crate::harness::{Process, SOON, World, stdout, until};
use crate::workflows::{CHAIN, WORK};

const DAY: i64 = 86_400;

/// A run of a history, and what was made for it.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    pub(crate) run: Uuid,
    is_chain: bool,
    state: &'static str,
    /// Seconds since its end.
    age: i64,
    held: bool,
    pub(crate) artifacts: Vec<Made>,
}

#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) id: Uuid,
    kind: &'static str,
    age: i64,
}

/// For how long the rules of these tests keep what, in seconds: the defaults, but for what `rules` says.
fn keep(past: &Past, what: &str, kind: &str) -> Option<i64> {
    match (what, kind) {
        ("runs", "done") if past.is_chain => Some(10 * DAY),
        ("runs", "failed") => None,
        ("runs", _) => Some(90 * DAY),
        (_, "output") if past.is_chain => Some(DAY),
        (_, "output" | "frames") => None,
        (_, "preview") => Some(DAY),
        (_, "temp" | "orphan") => Some(3600),
        (_, "failed") => Some(7 * DAY),
        other => panic!("{other:?}"),
    }
}

async fn rules(world: &World) {
    let rules = "select piton.keep('runs', 'done', '10 days', 'chain'), piton.keep('runs', 'failed', null),
                        piton.keep('artifacts', 'output', '24 hours', 'chain')";
    sqlx::query(rules).execute(&world.pool).await.unwrap();
}

fn says(world: &World, arguments: &[&str]) -> String {
    stdout(&world.command(arguments).output().unwrap())
}

fn is_protected(past: &Past) -> bool {
    past.held || matches!(past.state, "running" | "blocked")
}

/// What is to be left of the artifacts, and whether the run is to be left, after as many cleanups as it takes.
pub(crate) fn expected(past: &Past) -> (BTreeSet<Uuid>, bool) {
    let due =
        |made: &&Made| !is_protected(past) && keep(past, "artifacts", made.kind).is_some_and(|keep| made.age >= keep);
    let left: BTreeSet<Uuid> = past.artifacts.iter().filter(|made| !due(made)).map(|made| made.id).collect();
    let run_is_due = !is_protected(past) && keep(past, "runs", past.state).is_some_and(|keep| past.age >= keep);
    let stays = !run_is_due || !left.is_empty();
    (left, stays)
}

pub(crate) fn history(dice: &mut StdRng, runs: usize) -> Vec<Past> {
    // A minute off every limit: a test takes its time.
    let ages = [0, 3500, 3700, 23 * 3600, 25 * 3600, 6 * DAY, 8 * DAY, 11 * DAY, 89 * DAY, 91 * DAY];
    let past = |_| Past {
        run: Uuid::from_u128(dice.random()),
        is_chain: dice.random(),
        state: ["running", "blocked", "done", "done", "failed", "cancelled"][dice.random_range(0..6)],
        age: ages[dice.random_range(0..ages.len())],
        held: dice.random_range(0..6) == 0,
        artifacts: (0..dice.random_range(0..3))
            .map(|_| Made {
                id: Uuid::from_u128(dice.random()),
                kind: ["output", "preview", "temp", "failed", "orphan", "frames"][dice.random_range(0..6)],
                age: ages[dice.random_range(0..ages.len())],
            })
            .collect(),
    };
    (0..runs).map(past).collect()
}

/// Puts it into the tables, and its files into the store.
async fn write(world: &World, history: &[Past]) {
    for past in history {
        let ended = !matches!(past.state, "running" | "blocked");
        let key: i64 = sqlx::query_scalar(
            "insert into piton.runs (uuid, version_id, input, state, started_at, finished_at, failed_stage, failure_class,
                                     failure_message)
             select $1, w.current_version_id, '{}', $2, now() - ($3 + 10) * interval '1 second',
                    case when $4 then now() - $3 * interval '1 second' end, case when $2 = 'failed' then 0 end,
                    case when $2 = 'failed' then 'unknown' end, case when $2 = 'failed' then 'it failed' end
             from piton.workflows w where w.name = $5 returning id",
        )
        .bind(past.run)
        .bind(past.state)
        .bind(past.age)
        .bind(ended)
        .bind(if past.is_chain { "chain" } else { "work" })
        .fetch_one(&world.pool)
        .await
        .unwrap();
        sqlx::query(
            "insert into piton.checkpoints (run_id, stage, item, attempt, worker_id, started_at, bytes, digest, output)
             values ($1, 0, -1, 1, 1, now(), 4, sha256('null'), 'null')",
        )
        .bind(key)
        .execute(&world.pool)
        .await
        .unwrap();
        if past.held {
            let hold = sqlx::query("select piton.hold_run($1, 'evidence', 'anna')").bind(past.run);
            hold.execute(&world.pool).await.unwrap();
        }
        for made in &past.artifacts {
            let address = format!("runs/{}/{}", past.run, made.id);
            let file = world.path("artifacts").join(&address);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "bytes").unwrap();
            sqlx::query(
                "insert into piton.artifacts (id, run_id, job_id, stage, item, attempt, worker_id, name, type, declared,
                                              address, bytes, digest, created_at)
                 values ($1, $2, 1, 0, -1, 1, 1, 'file', $3, case when $3 in ('failed', 'orphan') then 'output' else $3 end,
                         $4, 5, sha256('bytes'), now() - $5 * interval '1 second')",
            )
            .bind(made.id)
            .bind(key)
            .bind(made.kind)
            .bind(address)
            .bind(made.age)
            .execute(&world.pool)
            .await
            .unwrap();
        }
    }
}

pub(crate) async fn world_of(history: &[Past]) -> World {
    let world = World::with(&[WORK, CHAIN]).await;
    // Whoever starts one makes no other known.
    world.deploy("chain");
    world.start("work", "{}");
    sqlx::raw_sql("truncate piton.runs, piton.jobs, piton.joins").execute(&world.pool).await.unwrap();
    rules(&world).await;
    write(&world, history).await;
    world
}

pub(crate) async fn left(world: &World, sql: &'static str) -> BTreeSet<Uuid> {
    sqlx::query_scalar(sql).fetch_all(&world.pool).await.unwrap().into_iter().collect()
}

/// Catalogue, store and runs are what is expected, and nothing hangs on a run that is gone.
pub(crate) async fn assert_cleaned(world: &World, history: &[Past]) {
    let runs = left(world, "select uuid from piton.runs").await;
    let artifacts = left(world, "select id from piton.artifacts").await;
    for past in history {
        let (left, stays) = expected(past);
        assert_eq!(runs.contains(&past.run), stays, "{past:?}");
        for made in &past.artifacts {
            assert_eq!(artifacts.contains(&made.id), left.contains(&made.id), "{made:?} of {past:?}");
            let file = world.path("artifacts").join(format!("runs/{}/{}", past.run, made.id));
            assert_eq!(file.exists(), left.contains(&made.id), "the file of {made:?} of {past:?}");
        }
    }
    for table in ["checkpoints", "run_holds", "artifacts"] {
        let sql = format!(
            "select count(*) from piton.{table} t where not exists (select from piton.runs where id = t.run_id)"
        );
        let loose: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&world.pool).await.unwrap();
        assert_eq!(loose, 0, "{table}");
    }
}

fn json(world: &World, arguments: &[&str]) -> Value {
    serde_json::from_str(&says(world, &[arguments, &["--json"]].concat())).unwrap()
}

fn sum(groups: &Value, field: &str) -> i64 {
    groups.as_array().unwrap().iter().map(|group| group[field].as_i64().unwrap()).sum()
}

#[tokio::test]
async fn what_is_due_goes_what_is_protected_stays_and_the_preview_says_so() {
    for seed in 0..4 {
        let history = history(&mut StdRng::seed_from_u64(seed), 60);
        let world = world_of(&history).await;
        // Artifacts in the first, runs that had some in the second.
        for round in 0..3 {
            let preview = json(&world, &["cleanup", "preview"]);
            let plan = preview["plan"].as_str().unwrap();
            let run = json(&world, &["cleanup", "run", "--plan", plan]);
            let (shown, deleted) = (&preview["deletes"], &run["deleted"]);
            assert_eq!(sum(shown, "items"), sum(deleted, "deleted"), "seed {seed}, round {round}");
            assert_eq!(sum(deleted, "errors"), 0, "{deleted}");
            assert!(preview["refuses"].as_array().unwrap().iter().all(|group| group["refused"].is_string()));
        }
        assert_cleaned(&world, &history).await;
        assert_eq!(sum(&json(&world, &["cleanup", "preview"])["deletes"], "items"), 0);
    }
}

#[tokio::test]
async fn a_plan_is_refused_when_the_world_has_changed() {
    let history = history(&mut StdRng::seed_from_u64(9), 40);
    let world = world_of(&history).await;
    let preview = json(&world, &["cleanup", "preview"]);
    let plan = preview["plan"].as_str().unwrap();
    let due = sqlx::query_scalar("select run from piton.cleanup_items order by number limit 1");
    let run: Uuid = due.fetch_one(&world.pool).await.unwrap();
    says(&world, &["cleanup", "hold", &run.to_string(), "--reason", "it is needed"]);
    let before = left(&world, "select uuid from piton.runs").await;
    let output = world.command(["cleanup", "run", "--plan", plan]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("much has changed since") && said.contains("of its items"), "{said}");
    assert_eq!(left(&world, "select uuid from piton.runs").await, before, "nothing was deleted");
    let again = json(&world, &["cleanup", "preview"]);
    says(&world, &["cleanup", "run", "--plan", again["plan"].as_str().unwrap()]);
    assert!(left(&world, "select uuid from piton.runs").await.contains(&run), "it is held");
    says(&world, &["cleanup", "release", &run.to_string()]);
    let done = world.command(["cleanup", "run", "--plan", again["plan"].as_str().unwrap()]).output().unwrap();
    assert!(String::from_utf8_lossy(&done.stderr).contains("is done already"));
}

#[tokio::test]
async fn a_cleanup_that_is_killed_midway_is_finished_by_the_next_one() {
    let history = history(&mut StdRng::seed_from_u64(5), 400);
    let world = world_of(&history).await;
    let mut dice = StdRng::seed_from_u64(6);
    let mut killed = 0;
    for round in 0..20 {
        let running = Process::spawn(world.command(["cleanup", "run"]), world.path(&format!("cleanup-{round}.log")));
        // The moment is the point: somewhere between its start and its end.
        tokio::time::sleep(std::time::Duration::from_millis(dice.random_range(30..120))).await;
        let mut running = running;
        if running.is_running() {
            killed += 1;
        }
        running.kill();
    }
    assert!(killed >= 3, "{killed} were killed");
    // Orphans that were taken out of sight a moment ago are as old as they were made.
    let _worker = world.worker("w1", &["--cleanup-every", "1s"]);
    let through = "select count(*) from piton.cleanups where state = 'running'";
    until(SOON, "nothing is due any more", async || {
        world.count("select count(*) from piton.cleanup_due where refused is null").await == 0
            && world.count(through).await == 0
    })
    .await;
    let runs = left(&world, "select uuid from piton.runs").await;
    for past in &history {
        let (_, stays) = expected(past);
        assert!(!stays || runs.contains(&past.run), "{past:?} was protected, or not due");
    }
    // An artifact that was taken and not deleted is an orphan, and goes by the rule of orphans.
    for past in &history {
        let (left_over, _) = expected(past);
        for made in &past.artifacts {
            let file = world.path("artifacts").join(format!("runs/{}/{}", past.run, made.id));
            if left_over.contains(&made.id) {
                assert!(file.exists(), "{made:?} of {past:?}");
            }
        }
    }
    let without_file: Vec<String> =
        sqlx::query_scalar("select address from piton.artifacts").fetch_all(&world.pool).await.unwrap();
    for address in without_file {
        assert!(world.path("artifacts").join(&address).exists(), "{address} has a row and no file");
    }
}

/// An address of this database, of a run that it does not know.
async fn lost(world: &World, name: &str) -> String {
    let owner: String = sqlx::query_scalar("select piton.store_owner()").fetch_one(&world.pool).await.unwrap();
    format!("runs/db-{owner}/{}/work/-/1-{}/{name}", Uuid::now_v7(), Uuid::now_v7())
}

/// Puts a file there that was written two hours ago.
fn old_file(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    std::fs::write(path, "bytes").unwrap();
    std::fs::File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
}

/// Makes all files of a store as old.
fn age(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path);
        } else {
            let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        }
    }
}

#[tokio::test]
async fn a_scan_deletes_only_what_its_own_database_made() {
    const KEEP: &str = "name = 'keep'\n[stages.keep]\ncommand = ['sh', '-c', 'echo 1 > $PITON_ARTIFACTS/a; echo null']";
    let (ours, theirs) = (World::with(&[KEEP]).await, World::with(&[KEEP]).await);
    let store = ours.path("artifacts");
    let beside = |world: &World, arguments: &[&str]| {
        let mut command = world.command(arguments.iter().copied());
        command.env("PITON_ARTIFACT_STORE", &store).output().unwrap()
    };
    let kept = async |world: &World| {
        let folder = world.path("workflows");
        let mut command = world.command(["run", "keep", "--workflows", folder.to_str().unwrap()]);
        stdout(&command.env("PITON_ARTIFACT_STORE", &store).output().unwrap());
        let sql = "select address from piton.artifacts where type = 'output'";
        let address: String = sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap();
        store.join(address)
    };
    let (own, other) = (kept(&ours).await, kept(&theirs).await);
    // Theirs as an older release has addressed it: nothing there says whose it is.
    let run: Uuid = sqlx::query_scalar("select uuid from piton.runs").fetch_one(&theirs.pool).await.unwrap();
    let old_run: Uuid = sqlx::query_scalar("select uuid from piton.runs").fetch_one(&ours.pool).await.unwrap();
    let older = |run: Uuid| store.join(format!("runs/{run}/keep/-/1-{run}/a"));
    let elsewhere = ours.path("elsewhere");
    let strays = [store.join(lost(&ours, "a").await), older(old_run)];
    let others = [
        older(run),
        store.join(lost(&theirs, "a").await),
        store.join("runs/stray/file"),
        store.join("notes.txt"),
        elsewhere.join(lost(&ours, "a").await),
        elsewhere.join(format!("runs/{old_run}/keep/-/1-{old_run}/b")),
    ];
    strays.iter().chain(&others).for_each(|path| old_file(path));
    // Links out of the store: a folder of this database's, a run, a file.
    let owner: String = sqlx::query_scalar("select piton.store_owner()").fetch_one(&ours.pool).await.unwrap();
    let link = |to: &Path, at: PathBuf| std::os::unix::fs::symlink(to, at).unwrap();
    let run_elsewhere = Uuid::now_v7();
    link(&elsewhere.join(format!("runs/{old_run}")), store.join(format!("runs/db-{owner}/{run_elsewhere}")));
    link(&elsewhere.join(format!("runs/db-{owner}")), store.join("runs/linked"));
    link(&others[5], older(old_run).with_file_name("link"));
    age(&store);

    let output = beside(&ours, &["cleanup", "scan", "--delete", "--json"]);
    let found: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&found["unknown_files"], &found["missing_files"]), (&2.into(), &0.into()), "{found}");
    assert_eq!((&found["foreign_files"], &found["foreign_bytes"]), (&4.into(), &17.into()), "{found}");
    for path in &strays {
        assert!(!path.exists(), "{}", path.display());
    }
    for path in others.iter().chain([&own, &other]) {
        assert!(path.exists(), "{}", path.display());
    }
    let said = stdout(&beside(&ours, &["cleanup", "scan"]));
    assert!(said.contains("4 files of other databases, or not made by Piton: 17 B, left alone"), "{said}");
    assert!(said.starts_with("0 files that nobody knows of"), "{said}");
}

#[tokio::test]
async fn a_scan_tells_files_that_nobody_knows_of_and_artifacts_whose_file_is_gone() {
    let history = history(&mut StdRng::seed_from_u64(3), 20);
    let world = world_of(&history).await;
    let scan = |more: &[&str], code: i32| -> Value {
        let output = world.command([&["cleanup", "scan", "--json"], more].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let clean = scan(&[], 0);
    assert_eq!((&clean["unknown_files"], &clean["missing_files"]), (&0.into(), &0.into()), "{clean}");
    // What a database that lost its last transactions has forgotten.
    let stray = world.path("artifacts").join(lost(&world, "file").await);
    std::fs::create_dir_all(stray.parent().unwrap()).unwrap();
    std::fs::write(&stray, "bytes").unwrap();
    assert_eq!(scan(&[], 0)["unknown_files"], 0, "it is too young to tell");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    std::fs::File::options().write(true).open(&stray).unwrap().set_modified(long_ago).unwrap();
    let found = scan(&[], 0);
    assert_eq!((&found["unknown_files"], &found["unknown_bytes"]), (&1.into(), &5.into()), "{found}");
    scan(&["--delete"], 0);
    assert!(!stray.exists());
    let kept = sqlx::query_scalar("select address from piton.artifacts where type = 'frames' limit 1");
    let address: String = kept.fetch_one(&world.pool).await.unwrap();
    std::fs::remove_file(world.path("artifacts").join(&address)).unwrap();
    let missing = scan(&[], 1);
    assert_eq!(
        (&missing["missing_files"], &missing["addresses"][0]),
        (&1.into(), &address.as_str().into()),
        "{missing}"
    );
    // Opening what somebody put into its place would wait for ever.
    let fifo = std::process::Command::new("mkfifo").arg(world.path("artifacts").join(&address)).status().unwrap();
    assert!(fifo.success() && scan(&[], 1) == missing);
}

#[tokio::test]
async fn a_batch_goes_when_its_time_is_over_and_the_last_of_its_runs_is_gone() {
    let world = World::with(&[WORK]).await;
    let worker = world.worker("w1", &[]);
    let (file, folder) = (world.path("inputs.jsonl"), world.path("workflows"));
    std::fs::write(&file, "{}\n{}\n{}\n").unwrap();
    let (file, folder) = (file.to_str().unwrap(), folder.to_str().unwrap());
    for name in ["old", "young", "kept"] {
        says(&world, &["batch", "start", name, "work", "--input", file, "--workflows", folder]);
    }
    until(SOON, "all are done", async || {
        world.count("select count(*) from piton.runs where state = 'done'").await == 9
    })
    .await;
    worker.kill();
    let aged = "update piton.batches set created_at = created_at - interval '91 days', sealed_at = sealed_at - interval '91 days'
                where name <> 'young'";
    sqlx::query(aged).execute(&world.pool).await.unwrap();
    let run = says(&world, &["runs", "--json"]);
    let run: Value = serde_json::from_str(&run).unwrap();
    says(&world, &["cleanup", "hold", run[0]["run"].as_str().unwrap(), "--reason", "evidence"]);
    sqlx::query("update piton.runs set finished_at = now() - interval '91 days'").execute(&world.pool).await.unwrap();

    let preview = says(&world, &["cleanup", "preview"]);
    assert!(preview.contains("2 batches of work, ended") && preview.contains("its runs are kept"), "{preview}");
    says(&world, &["cleanup", "run"]);
    assert_eq!(world.count("select count(*) from piton.batches").await, 3, "with its runs, and not before");
    let preview = says(&world, &["cleanup", "preview"]);
    assert!(preview.contains("Would delete:\n  1 batches of work, ended"), "{preview}");
    let plan: Value = serde_json::from_str(&says(&world, &["cleanup", "preview", "--json"])).unwrap();
    says(&world, &["cleanup", "run", "--plan", plan["plan"].as_str().unwrap()]);
    let left: Vec<String> =
        sqlx::query_scalar("select name from piton.batches order by name").fetch_all(&world.pool).await.unwrap();
    assert_eq!(left, ["kept", "young"], "one is held by a run, the other is too young");
    assert_eq!(world.count("select count(*) from piton.batch_items").await, 6);
    let batches = "select count(*) from piton.cleanup_items where what = 'batches' and batch is not null and deleted_at is not null";
    assert_eq!(world.count(batches).await, 1, "it is on record");
    says(&world, &["batch", "start", "old", "work", "--input", file, "--workflows", folder]);
}

#[tokio::test]
async fn a_rule_that_cannot_be_kept_is_refused_by_every_word_of_it() {
    let world = World::with(&[WORK]).await;
    for (rule, words) in [
        (["runs", "running", "1d"], "runs that are running are never deleted"),
        (["batches", "done", "1d"], "batches that are done are never deleted"),
        (["artifacts", "Not A Type", "1d"], "is no type of artifacts"),
        (["runs", "done", "4000000000d"], "is no time for which things are kept: up to 100 years, or for ever"),
        (["runs", "done", "soon"], "or forever"),
    ] {
        let output = world.command([&["cleanup", "keep"], &rule[..]].concat()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(words), "{rule:?}: {said}");
    }
    assert_eq!(world.count("select count(*) from piton.retentions").await, 0);
}

#[tokio::test]
async fn workers_and_versions_that_nothing_refers_to_are_deleted_and_the_others_stay() {
    let world = World::with(&[WORK, CHAIN]).await;
    // Both workflows are registered twice, so that their first versions are old ones; one of these has a run.
    let kept = world.start("work", "{}");
    world.deploy("chain");
    world.write_workflows(&[
        "name = 'work'\ndescription = 'newer'\n[stages.work]\nrust = 'work'\n",
        "name = 'chain'\ndescription = 'newer'\n[stages.first]\nrust = 'work'\n",
    ]);
    world.start("work", "{}");
    world.deploy("chain");
    sqlx::raw_sql(
        "update piton.workflow_versions set registered_at = now() - interval '91 days';
         update piton.runs set started_at = now() - interval '100 days' where id = (select min(id) from piton.runs);
         insert into piton.workers (id, boot_id, name, host, pid, started_at, last_seen, stopped_at, stop_reason, cleared)
         select n, gen_random_uuid(), 'w' || n, 'h', 1, now() - interval '300 days', now() - age, now() - age, 'drained', n <> 3
         from (values (1, interval '101 days'), (2, interval '99 days'), (3, interval '200 days'), (4, interval '89 days'))
              as w (n, age)",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let preview = stdout(&world.command(["cleanup", "preview"]).output().unwrap());
    for line in
        ["1 workers, ended: 0 B", "1 versions of chain, unused: 0 B", "1 workers, ended: runs of its time are kept"]
    {
        assert!(preview.contains(line), "{line}: {preview}");
    }
    assert!(preview.contains("1 versions of work, unused: its runs are kept"), "{preview}");
    stdout(&world.command(["cleanup", "run"]).output().unwrap());
    let workers: Vec<i64> =
        sqlx::query_scalar("select id from piton.workers order by id").fetch_all(&world.pool).await.unwrap();
    assert_eq!(workers, [2, 3, 4], "the run is 100 days old, 3 is still to be recovered, 4 is kept for one day more");
    let versions: Vec<(String, i64)> = sqlx::query_as(
        "select w.name, count(*) from piton.workflow_versions v join piton.workflows w on w.id = v.workflow_id
         group by 1 order by 1",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert_eq!(versions, [("chain".to_owned(), 1), ("work".to_owned(), 2)]);
    let told =
        "select count(*) from piton.cleanup_items where what in ('workers', 'versions') and deleted_at is not null";
    assert_eq!(world.count(told).await, 2, "what was deleted is on record");
    // When the run is gone, what it kept may go; and a rule of one's own counts.
    sqlx::raw_sql("delete from piton.jobs; delete from piton.runs; select piton.keep('workers', 'ended', '88 days')")
        .execute(&world.pool)
        .await
        .unwrap();
    stdout(&world.command(["cleanup", "run"]).output().unwrap());
    assert_eq!(world.count("select count(*) from piton.workers").await, 1);
    assert_eq!(world.count("select count(*) from piton.workflow_versions").await, 2);
    let refused = world.command(["cleanup", "keep", "workers", "ended", "1d", "--workflow", "work"]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("ended workers of a workflow"), "{refused:?}");
    drop(kept);
    // An old file that comes back is not new, though nothing but the record knows of it any more.
    let current = async || -> String {
        let sql = "select encode(v.digest, 'hex') from piton.workflow_versions v
                   join piton.workflows w on w.current_version_id = v.id where w.name = 'chain'";
        sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap()
    };
    let before = current().await;
    world.write_workflows(&[WORK, CHAIN]);
    world.start("chain", "{}");
    assert_eq!(world.count("select count(*) from piton.workflow_versions").await, 3);
    assert_eq!(current().await, before);
}
