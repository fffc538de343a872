//! What changed is one list, with who and why.

use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::Executor;

use crate::harness::{SOON, World, stdout, until};
use crate::workflows::{MISBEHAVE, WORK};

fn says(world: &World, arguments: &[&str]) -> String {
    stdout(&world.command(arguments).env("TZ", "UTC").output().unwrap())
}

/// Each change on a line: kind, workflow, how many, what, who, face, why.
async fn told(world: &World, since: &str, workflow: Option<&str>) -> Vec<String> {
    let sql =
        "select concat_ws(' | ', kind, coalesce(workflow, '-'), times, what, coalesce(who, '-'), coalesce(face, '-'),
                                coalesce(why, '-'))
               from piton.changes($1::timestamptz, $2)";
    let lines: Vec<String> = sqlx::query_scalar(sql).bind(since).bind(workflow).fetch_all(&world.pool).await.unwrap();
    let digits = |line: String| {
        let is_digest = |word: &str| word.len() >= 8 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let hidden = |word: &str| {
            let bare = word.trim_end_matches(',');
            if is_digest(bare) { word.replace(bare, "X") } else { word.to_owned() }
        };
        let line = line.split(' ').map(hidden).collect::<Vec<_>>().join(" ");
        // When the program was written.
        match line.split_once("written ").and_then(|(before, at)| Some((before, at.split_once("Z:")?.1))) {
            Some((before, behind)) => format!("{before}written Y:{behind}"),
            None => line,
        }
    };
    lines.into_iter().map(digits).collect()
}

#[tokio::test]
async fn what_changed_since_a_time_is_one_list_with_who_and_why() {
    let narrow = |limits: &str| format!("name = \"narrow\"\n[stages.call]\nrust = \"work\"\n{limits}");
    let world = World::with(&[&narrow("concurrency = 1\n"), MISBEHAVE, WORK]).await;
    let worker = world.worker("w1", &[]);
    worker.says("worker_started").await;
    let old = world.start("misbehave", r#"{"how": "fail", "times": 9, "class": "invalid_input"}"#);
    assert_eq!(world.ended(&old).await, "blocked");
    world.start("work", "{}");
    let since: String = sqlx::query_scalar("select clock_timestamp()::text").fetch_one(&world.pool).await.unwrap();
    assert_eq!(told(&world, &since, None).await, [""; 0], "nothing has changed yet");
    assert!(
        says(&world, &["changes", "--since", &since.replace(' ', "T").replace("+00", "Z")])
            .starts_with("Nothing has changed since 20")
    );

    world.write_workflows(&[&narrow("rate = \"10/m\"\n"), MISBEHAVE, WORK]);
    let folder = world.path("workflows");
    let files = ["--workflows", folder.to_str().unwrap()];
    says(
        &world,
        &[&["workflows", "deploy", "narrow", "--reason", "the provider counts", "--by", "anna"], &files[..]].concat(),
    );
    says(&world, &["workflows", "rollback", "narrow", "--reason", "too slow", "--by", "bea"]);
    says(&world, &["pause", "narrow", "--stage", "call", "--reason", "provider down", "--by", "anna"]);
    says(&world, &["resume", "narrow", "--stage", "call", "--reason", "it is back", "--by", "bea"]);
    // The cause of before comes again, and another one that is new.
    for class in ["invalid_input", "auth_failure"] {
        let input = serde_json::json!({"how": "fail", "times": 9, "class": class});
        let run = world.start("misbehave", &input.to_string());
        assert_eq!(world.ended(&run).await, "blocked");
    }
    says(&world, &["dead-letter", "retry", "--all", "--note", "they mended it", "--by", "cleo"]);
    until(SOON, "they are given up again", async || {
        world.count("select count(*) from piton.dead_letters where resolution = 'pending'").await == 3
    })
    .await;
    says(&world, &["cancel", &old, "--reason", "it is old", "--by", "cleo"]);
    world.pool.execute("insert into piton.migrations (version, description, success, checksum, execution_time) values (9001, 'a', true, '', 0), (9002, 'b', true, '', 0)").await.unwrap();
    worker.signal("TERM");
    until(SOON, "the worker is gone", async || {
        world.count("select count(*) from piton.workers where stopped_at is null").await == 0
    })
    .await;

    let host =
        sqlx::query_scalar::<_, String>("select host from piton.workers limit 1").fetch_one(&world.pool).await.unwrap();
    let lines = told(&world, &since, None).await.join("\n").replace(&host, "HOST");
    insta::assert_snapshot!(lines);
    let of_work = told(&world, &since, Some("work")).await.join("\n");
    assert!(of_work.lines().all(|line| line.starts_with("schema") || line.starts_with("build")), "{of_work}");

    let shown = says(&world, &["changes", "--since", "today", "--workflow", "narrow"]);
    assert!(shown.starts_with("Since 20") && shown.contains("00:00:00Z, times in UTC:\n"), "{shown}");
    assert!(shown.contains("narrow: stage call was paused; by anna (cli): provider down\n"), "{shown}");
    let json: Value = serde_json::from_str(&says(&world, &["changes", "--limit", "1", "--json"])).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 1);
    assert_eq!(json[0]["kind"], "build", "the newest is left");
    assert!(json[0]["at"].as_str().unwrap().ends_with('Z'), "{json}");
    let unknown = world.command(["changes", "--workflow", "nope"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no workflow `nope`; there is: "));
}

#[tokio::test]
async fn who_deployed_the_first_version_is_told_also_when_it_is_no_longer_current() {
    let version = |handler: &str| format!("name = \"story\"\n[stages.write]\nrust = \"{handler}\"\n");
    let world = World::with(&[&version("work")]).await;
    let folder = world.path("workflows");
    let files = ["--workflows", folder.to_str().unwrap()];
    says(&world, &[&["workflows", "deploy", "story", "--by", "anna"], &files[..]].concat());
    let first = async || -> Vec<String> {
        let sql = "select what || '; by ' || coalesce(who, '-') from piton.changes() where what like '%the first one%'";
        let told: Vec<String> = sqlx::query_scalar(sql).fetch_all(&world.pool).await.unwrap();
        told.into_iter().map(|line| line.split_once("the first").unwrap().1.to_owned()).collect()
    };
    assert_eq!(first().await, [" one, was deployed; by anna"]);
    world.write_workflows(&[&version("misbehave")]);
    says(&world, &[&["workflows", "deploy", "story", "--by", "bea"], &files[..]].concat());
    assert_eq!(first().await, [" one, was deployed; by anna"], "another one is current");
    says(&world, &["workflows", "rollback", "story", "--reason", "x", "--by", "cleo"]);
    assert_eq!(first().await, [" one, was deployed; by anna"], "who rolled back to it did not deploy it");
    let listed = says(&world, &["workflows", "versions", "story"]);
    assert!(listed.contains("was current, deployed ") && listed.contains(" by bea"), "{listed}");
    let by = "select count(*) from piton.versions_overview where deployed_by in ('anna', 'bea')";
    assert_eq!(world.count(by).await, 2);
}

#[tokio::test]
async fn each_line_shows_its_own_zone_where_clocks_were_changed_between_them() {
    let world = World::with(&[]).await;
    let added = "insert into piton.audit (at, actor, verb, subject_kind, subject, detail)
                 select at::timestamptz, 'anna', 'pause', 'queue', 'everything', '{\"reason\": \"x\"}'
                 from unnest(array['2025-07-01 12:00:00Z', '2025-12-01 12:00:00Z']) as a (at)";
    world.pool.execute(added).await.unwrap();
    let here = |since: &str, limit: &str| {
        let asked = ["changes", "--since", since, "--limit", limit];
        stdout(&world.command(asked).env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3").output().unwrap())
    };
    let all = here("2025-06-01", "1000");
    assert!(all.starts_with("Since 2025-06-01 00:00:00+02:00, each time with its zone:\n"), "{all}");
    assert!(
        all.contains("\n2025-07-01 14:00:00+02:00  pause ") && all.contains("\n2025-12-01 13:00:00+01:00  pause "),
        "{all}"
    );
    world.pool.execute("delete from piton.migrations; delete from piton.workers").await.unwrap();
    let of_winter = here("2025-11-01", "1000");
    assert!(of_winter.starts_with("Since 2025-11-01 00:00:00+01:00, times in UTC+01:00:\n"), "{of_winter}");
    assert!(of_winter.contains("\n2025-12-01 13:00:00  pause "), "{of_winter}");
}

#[tokio::test]
async fn every_decision_on_record_is_told_in_words() {
    let world = World::with(&[]).await;
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/functions")).unwrap();
    let mut verbs = std::collections::BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for insert in text.split("insert into piton.audit (actor, verb").skip(1) {
            let values = insert.split_once(if insert.contains("values (") { "values (" } else { "select " }).unwrap().1;
            let verb = values.split(',').nth(1).unwrap().trim().trim_matches('\'');
            if !verb.contains('.') {
                verbs.insert(verb.to_owned());
            }
        }
    }
    verbs.extend(["deploy", "rollback", "recover"].map(str::to_owned));
    assert!(verbs.len() >= 15 && verbs.contains("force"), "{verbs:?}");
    let changes = include_str!("../../migrations/functions/changes.sql");
    for verb in verbs.iter().filter(|verb| !["clean_up", "forget"].contains(&verb.as_str())) {
        assert!(changes.contains(&format!("when '{verb}' then")), "{verb} has no words of its own");
    }
    world.pool.close().await;
}

#[tokio::test]
async fn a_build_comes_and_goes_once_however_often_its_workers_restart() {
    let world = World::with(&[]).await;
    world
        .pool
        .execute(
            "insert into piton.workers (id, boot_id, name, host, pid, started_at, last_seen, stopped_at, stop_reason, build, lease)
             select n, gen_random_uuid(), 'w' || n, 'host', 1, now() - began * interval '1 minute', now() - ended * interval '1 minute',
                    case when how is not null then now() - ended * interval '1 minute' end, how, build, '15 s'
             from (values (1, 300, 200, 'lost', '1.0'), (2, 199, 120, 'drained', '1.0'), (3, 121, 119, 'superseded', '1.0'),
                          (4, 118, 60, 'drained', '2.0'), (5, 59, 30, null, '2.0'), (6, 20, 0, null, '3.0')
                  ) as v (n, began, ended, how, build)",
        )
        .await
        .unwrap();
    let sql = "select what from piton.changes(now() - interval '10 hours') where kind = 'build'";
    let said: Vec<String> = sqlx::query_scalar(sql).fetch_all(&world.pool).await.unwrap();
    assert_eq!(
        said,
        [
            "a build came, 1.0: its first worker is w1 on host",
            "a build went, 1.0: its last worker, w3, was replaced",
            "a build came, 2.0: its first worker is w4 on host",
            "a build went, 2.0: its last worker, w5, is silent",
            "a build came, 3.0: its first worker is w6 on host",
        ]
    );
}

#[tokio::test]
async fn many_decisions_are_a_few_lines() {
    let world = World::with(&[MISBEHAVE]).await;
    world.deploy("misbehave");
    world
        .pool
        .execute(
            "insert into piton.runs (uuid, version_id, state, input)
             select gen_random_uuid(), v.id, 'blocked', '{}' from piton.workflow_versions v, generate_series(1, 20000);
             insert into piton.dead_letters (id, run_id, workflow_id, version_id, stage, item, attempt, rank, class, message, fingerprint,
                                             worker_id, dead_at)
             select gen_random_uuid(), r.id, v.workflow_id, v.id, 0, -1, 1, 0, 'unknown', 'm',
                    lpad(to_hex(r.id % 3), 16, '0'), 1, now() - interval '1 hour'
             from piton.runs r join piton.workflow_versions v on v.id = r.version_id;
             insert into piton.audit (at, actor, verb, subject_kind, subject, detail)
             select date_trunc('minute', now()), 'anna', 'retry', 'dead_letter', d.id, jsonb_build_object('note', 'again')
             from piton.dead_letters d;
             analyze piton.runs; analyze piton.dead_letters; analyze piton.audit",
        )
        .await
        .unwrap();
    let began = Instant::now();
    let sql = "select concat_ws(' ', kind, times) from piton.changes('yesterday') where kind in ('cause', 'decision')";
    let said: Vec<String> = sqlx::query_scalar(sql).fetch_all(&world.pool).await.unwrap();
    assert_eq!(said, ["cause 6666", "cause 6667", "cause 6667", "decision 20000"]);
    // By look-ups: a walk over all of them for each takes a minute.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
