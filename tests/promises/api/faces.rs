//! One verb through any face: the same rows afterwards, and the same in the audit.

use serde_json::{Value, json};
use sqlx::types::Uuid;

use super::client::Api;
use crate::harness::{SOON, World, stdout, until};
use crate::workflows::{CHAIN, WORK};

const STEPS: &str = "name = 'steps'\n[stages.first]\nrust = 'echo'\n[stages.second]\nrust = 'misbehave'\nneeds = ['first']\n\
                     [stages.third]\nrust = 'echo'\nneeds = ['second']\n";
const FAILS: &str = r#"{"how": "fail", "times": 99, "class": "auth_failure"}"#;
const GOES_WELL: &str = r#"{"how": "fail", "times": 0, "class": "unknown"}"#;

/// Everything that verbs change, without ids and times.
const ALL: &str = r"
    select regexp_replace(line, '[0-9a-f]{8}-[0-9a-f-]{27}', 'ID', 'g') from (
        select concat_ws(' ', 'run', id, state, priority, input, redone, failed_stage, failure_class, failure_message) from piton.runs
        union all select concat_ws(' ', 'letter', run_id, stage, item, attempt, rank, class, message, fingerprint, resolution,
                                   resolved_by, note, done_again, input_before) from piton.dead_letters
        union all select concat_ws(' ', 'job', run_id, stage, item, until, state, deaths, attempt, rank) from piton.jobs
        union all select concat_ws(' ', 'join', run_id, stage, missing) from piton.joins
        union all select concat_ws(' ', 'checkpoint', run_id, stage, item, attempt) from piton.checkpoints
        union all select concat_ws(' ', 'past', run_id, stage, item, attempt) from piton.past_checkpoints
        union all select concat_ws(' ', 'attempt', run_id, stage, item, attempt, outcome, class, message) from piton.attempts
        union all select concat_ws(' ', 'past attempt', run_id, stage, item, attempt, outcome) from piton.past_attempts
        union all select concat_ws(' ', 'audit', actor, verb, subject_kind, detail) from piton.audit) as lines (line)
    order by 1";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Face {
    Sql,
    Cli,
    Api,
}

/// Anna, who asks through one face.
struct Anna<'w> {
    world: &'w World,
    face: Face,
    api: Api,
}

impl Anna<'_> {
    async fn of(world: &World, face: Face) -> Anna<'_> {
        Anna { world, face, api: Api::of(world).await }
    }

    async fn sql(&self, statement: &'static str, texts: &[&str]) {
        let asked = texts.iter().fold(sqlx::query(statement), |asked, text| asked.bind(*text));
        asked.execute(&self.world.pool).await.unwrap();
    }

    fn cli(&self, arguments: &[&str]) {
        stdout(&self.world.command(arguments).output().unwrap());
    }

    async fn start(&self, input: &str) {
        let given: Value = serde_json::from_str(input).unwrap();
        match self.face {
            Face::Sql => {
                self.sql("select piton.start_run('steps', $1::json, priority => 7)", &[&given.to_string()]).await
            }
            Face::Cli => {
                let (file, folder) = (self.world.path("given.json"), self.world.path("workflows"));
                std::fs::write(&file, given.to_string()).unwrap();
                let (file, folder) = (file.to_str().unwrap(), folder.to_str().unwrap());
                self.cli(&["start", "steps", "--priority", "7", "--input", file, "--workflows", folder]);
            }
            Face::Api => {
                self.api.post("/runs", &json!({"workflow": "steps", "input": given, "priority": 7})).good();
            }
        }
    }

    async fn retry(&self, id: &str) {
        match self.face {
            Face::Sql => self.sql("select piton.retry_dead_letter($1::uuid, 'anna', 'it is back')", &[id]).await,
            Face::Cli => self.cli(&["dead-letter", "retry", id, "--by", "anna", "--note", "it is back"]),
            Face::Api => {
                self.api.post(&format!("/dead-letters/{id}/retry"), &json!({"note": "it is back"})).good();
            }
        }
    }

    async fn retry_corrected(&self, id: &str) {
        let input: Value = serde_json::from_str(GOES_WELL).unwrap();
        match self.face {
            Face::Sql => {
                let sql = "select piton.retry_dead_letter($1::uuid, 'anna', from_stage => 'first', input => $2::json)";
                self.sql(sql, &[id, &input.to_string()]).await;
            }
            Face::Cli => {
                let file = self.world.path("corrected.json");
                std::fs::write(&file, input.to_string()).unwrap();
                let file = file.to_str().unwrap();
                self.cli(&["dead-letter", "retry", id, "--by", "anna", "--from", "first", "--input", file]);
            }
            Face::Api => {
                let body = json!({"from_stage": "first", "input": input});
                self.api.post(&format!("/dead-letters/{id}/retry"), &body).good();
            }
        }
    }

    async fn retry_from_beginning(&self, id: &str) {
        match self.face {
            Face::Sql => {
                self.sql("select piton.retry_dead_letter($1::uuid, 'anna', from_beginning => true)", &[id]).await
            }
            Face::Cli => self.cli(&["dead-letter", "retry", id, "--by", "anna", "--from-beginning"]),
            Face::Api => {
                self.api.post(&format!("/dead-letters/{id}/retry"), &json!({"from_beginning": true})).good();
            }
        }
    }

    /// Through the API, as a checkpoint that is deleted.
    async fn do_again(&self, run: &str, id: &str) {
        match self.face {
            Face::Sql => {
                self.sql("select piton.retry_dead_letter($1::uuid, 'anna', from_stage => 'first')", &[id]).await
            }
            Face::Cli => self.cli(&["dead-letter", "retry", "--run", run, "--by", "anna", "--from", "first"]),
            Face::Api => {
                let done = self.api.send("DELETE", &format!("/runs/{run}/checkpoints/first"), &json!({})).good();
                assert_eq!(done["dead_letter"], id);
            }
        }
    }

    async fn dismiss(&self, id: &str) {
        match self.face {
            Face::Sql => self.sql("select piton.dismiss_dead_letter($1::uuid, 'no use', 'anna')", &[id]).await,
            Face::Cli => self.cli(&["dead-letter", "dismiss", id, "--by", "anna", "--reason", "no use"]),
            Face::Api => {
                self.api.post(&format!("/dead-letters/{id}/dismiss"), &json!({"reason": "no use"})).good();
            }
        }
    }

    async fn force(&self, run: &str) {
        match self.face {
            Face::Sql => {
                self.sql("select piton.force_dead_letter($1::uuid, 'second', 'it hangs', actor => 'anna')", &[run])
                    .await;
            }
            Face::Cli => self.cli(&["dead-letter", "force", run, "second", "--reason", "it hangs", "--by", "anna"]),
            Face::Api => {
                let body = json!({"run": run, "stage": "second", "reason": "it hangs"});
                self.api.post("/dead-letters/force", &body).good();
            }
        }
    }

    async fn retry_those(&self) {
        match self.face {
            Face::Sql => {
                let sql = "select piton.retry_dead_letters(array(select id from piton.dead_letters_overview
                           where resolution = 'pending' and workflow = 'steps' and class = 'unknown'), 'anna')";
                self.sql(sql, &[]).await;
            }
            Face::Cli => {
                self.cli(&["dead-letter", "retry", "--workflow", "steps", "--class", "unknown", "--by", "anna"]);
            }
            Face::Api => {
                let body = json!({"filter": {"workflow": "steps", "class": "unknown"}});
                assert_eq!(self.api.post("/dead-letters/retry", &body).good(), json!({"retried": 1}));
            }
        }
    }

    /// SQL has none for many.
    async fn dismiss_those(&self, id: &str) {
        match self.face {
            Face::Sql => self.dismiss(id).await,
            Face::Cli => self.cli(&["dead-letter", "dismiss", "--all", "--by", "anna", "--reason", "no use"]),
            Face::Api => {
                let body = json!({"all": true, "reason": "no use"});
                assert_eq!(self.api.post("/dead-letters/dismiss", &body).good(), json!({"dismissed": 1}));
            }
        }
    }
}

/// What is decided about runs and queues.
impl Anna<'_> {
    async fn cancel(&self, run: &str) {
        match self.face {
            Face::Sql => self.sql("select piton.cancel_run($1::uuid, 'no use', 'anna')", &[run]).await,
            Face::Cli => self.cli(&["cancel", run, "--by", "anna", "--reason", "no use"]),
            Face::Api => {
                self.api.post(&format!("/runs/{run}/cancel"), &json!({"reason": "no use"})).good();
            }
        }
    }

    async fn pause(&self) {
        match self.face {
            Face::Sql => {
                self.sql("select piton.pause('it is down', 'steps', 'second', 'anna')", &[]).await;
                self.sql("select piton.pause('all of it', actor => 'anna')", &[]).await;
            }
            Face::Cli => {
                self.cli(&["pause", "steps", "--stage", "second", "--by", "anna", "--reason", "it is down"]);
                self.cli(&["pause", "--everything", "--by", "anna", "--reason", "all of it"]);
            }
            Face::Api => {
                let one = json!({"workflow": "steps", "stage": "second", "reason": "it is down"});
                self.api.post("/pauses", &one).good();
                let all = self.api.post("/pauses", &json!({"reason": "all of it"})).good();
                assert_eq!(all["pauses"].as_array().unwrap().len(), 2);
            }
        }
    }

    async fn resume(&self) {
        match self.face {
            Face::Sql => self.sql("select piton.resume('steps', 'second', 'anna')", &[]).await,
            Face::Cli => self.cli(&["resume", "steps", "--stage", "second", "--by", "anna"]),
            Face::Api => {
                self.api.post("/pauses/resume", &json!({"workflow": "steps", "stage": "second"})).good();
            }
        }
    }

    async fn hold(&self, run: &str) {
        match self.face {
            Face::Sql => self.sql("select piton.hold_run($1::uuid, 'evidence', 'anna')", &[run]).await,
            Face::Cli => self.cli(&["cleanup", "hold", run, "--by", "anna", "--reason", "evidence"]),
            Face::Api => {
                self.api.post(&format!("/runs/{run}/hold"), &json!({"reason": "evidence"})).good();
            }
        }
    }

    async fn release(&self, run: &str) {
        match self.face {
            Face::Sql => self.sql("select piton.release_run($1::uuid, 'anna')", &[run]).await,
            Face::Cli => self.cli(&["cleanup", "release", run, "--by", "anna"]),
            Face::Api => {
                self.api.send("DELETE", &format!("/runs/{run}/hold"), &json!({})).good();
            }
        }
    }

    async fn keep(&self) {
        match self.face {
            Face::Sql => {
                self.sql("select piton.keep('runs', 'done', interval '30 days', 'steps', 'anna')", &[]).await;
                self.sql("select piton.keep('artifacts', 'frames', null, actor => 'anna')", &[]).await;
            }
            Face::Cli => {
                self.cli(&["cleanup", "keep", "runs", "done", "30d", "--workflow", "steps", "--by", "anna"]);
                self.cli(&["cleanup", "keep", "artifacts", "frames", "forever", "--by", "anna"]);
            }
            Face::Api => {
                let rule = json!({"what": "runs", "type": "done", "keep": "30d", "workflow": "steps"});
                self.api.post("/cleanup/rules", &rule).good();
                let rule = json!({"what": "artifacts", "type": "frames", "keep": "forever"});
                let rules = self.api.post("/cleanup/rules", &rule).good();
                assert_eq!(self.api.get("/cleanup/rules").good(), rules);
            }
        }
    }

    /// In SQL the batches are asked for one by one, as a worker does.
    async fn clean_up(&self) {
        match self.face {
            Face::Sql => {
                let sql = "do $$ declare plan uuid := piton.plan_cleanup(); begin
                           perform piton.begin_cleanup(plan, 'anna'); perform piton.clean_runs(plan, 1000);
                           update piton.cleanups set state = 'done', ended_at = now() where id = plan; end $$";
                self.sql(sql, &[]).await;
            }
            Face::Cli => self.cli(&["cleanup", "run", "--by", "anna"]),
            Face::Api => {
                let preview = self.api.post("/cleanup/preview", &json!({})).good();
                let done = self.api.post("/cleanup/run", &json!({"plan": preview["plan"]})).good();
                assert_eq!(done["deleted"][0]["deleted"], 1, "{done}");
            }
        }
    }

    /// What waits, as anybody may ask.
    async fn why(&self, run: &str) -> Vec<String> {
        let told = |rows: &Value| -> Vec<String> {
            let row = |row: &Value| format!("{} {} {}", row["stage"], row["reason"], row["moves"]);
            rows.as_array().unwrap().iter().map(row).collect()
        };
        let mut rows = match self.face {
            Face::Sql => {
                let sql = "select concat('\"', stage, '\" \"', reason, '\" \"', moves, '\"') from piton.why_waiting
                           where run = $1::uuid";
                sqlx::query_scalar(sql).bind(run).fetch_all(&self.world.pool).await.unwrap()
            }
            Face::Cli => {
                let output = self.world.command(["why", run, "--json"]).output().unwrap();
                told(&serde_json::from_str(&stdout(&output)).unwrap())
            }
            Face::Api => told(&self.api.get(&format!("/runs/{run}/why")).good()["waits"]),
        };
        rows.sort();
        rows
    }
}

async fn control_by(face: Face) -> (Vec<String>, Vec<String>) {
    let world = World::with(&[STEPS]).await;
    let anna = Anna::of(&world, face).await;
    world.start("steps", FAILS);
    for _ in 0..2 {
        anna.start(FAILS).await;
    }
    let runs: Vec<String> =
        sqlx::query_scalar("select uuid::text from piton.runs order by id").fetch_all(&world.pool).await.unwrap();
    anna.pause().await;
    let mut why = anna.why(&runs[2]).await;
    anna.resume().await;
    anna.cancel(&runs[0]).await;
    anna.cancel(&runs[1]).await;
    anna.hold(&runs[0]).await;
    anna.hold(&runs[1]).await;
    anna.release(&runs[1]).await;
    anna.keep().await;
    sqlx::query("update piton.runs set finished_at = now() - interval '91 days' where state = 'cancelled'")
        .execute(&world.pool)
        .await
        .unwrap();
    anna.clean_up().await;
    why.extend(anna.why(&runs[2]).await);
    let faces: Vec<String> =
        sqlx::query_scalar("select distinct face from piton.audit").fetch_all(&world.pool).await.unwrap();
    assert_eq!(faces, [format!("{face:?}").to_lowercase()]);
    let lines = " union all select concat_ws(' ', 'pause', workflow_id, stage, reason, paused_by) from piton.pauses
                 union all select concat_ws(' ', 'cancelled', run_id, reason, cancelled_by) from piton.cancellations
                 union all select concat_ws(' ', 'hold', run_id, reason, held_by) from piton.run_holds
                 union all select concat_ws(' ', 'kept', workflow_id, what, type, keep, set_by) from piton.retentions
                 union all select concat_ws(' ', 'cleaned', what, type, deleted_at is not null, error) from piton.cleanup_items
                 ) as lines (line)";
    let all = ALL.replace(") as lines (line)", lines);
    (sqlx::query_scalar(sqlx::AssertSqlSafe(all)).fetch_all(&world.pool).await.unwrap(), why)
}

#[tokio::test]
async fn runs_and_queues_are_decided_about_in_the_same_way_through_every_face() {
    let (by_sql, why) = control_by(Face::Sql).await;
    let verbs = ["cancel", "pause", "resume", "hold", "release", "keep", "clean_up"];
    let with = |verb: &str| by_sql.iter().filter(|line| line.starts_with(&format!("audit anna {verb} "))).count();
    assert_eq!(verbs.map(with), [2, 2, 1, 2, 1, 2, 1], "{by_sql:#?}");
    assert!(by_sql.iter().any(|line| line.starts_with("run 1 cancelled")), "it is held: {by_sql:#?}");
    assert!(!by_sql.iter().any(|line| line.starts_with("run 2 ")), "it is cleaned up: {by_sql:#?}");
    assert!(why.iter().any(|row| row.contains("paused")), "{why:?}");
    for face in [Face::Cli, Face::Api] {
        assert_eq!(control_by(face).await, (by_sql.clone(), why.clone()), "{face:?}");
    }
}

/// What is decided about batches.
impl Anna<'_> {
    async fn start_batch(&self, name: &str, cap: i32) {
        let inputs: Vec<Value> = (0..6).map(|_| serde_json::from_str(FAILS).unwrap()).collect();
        match self.face {
            Face::Sql => {
                let sql = "select piton.start_batch($1, 'steps', array(select json_array_elements($2::json)), $3::int, 7, 'anna')";
                self.sql(sql, &[name, &json!(inputs).to_string(), &cap.to_string()]).await;
            }
            Face::Cli => {
                let (file, folder) = (self.world.path("inputs.jsonl"), self.world.path("workflows"));
                std::fs::write(&file, inputs.iter().map(|input| format!("{input}\n")).collect::<String>()).unwrap();
                let (file, folder, cap) = (file.to_str().unwrap(), folder.to_str().unwrap(), cap.to_string());
                let options =
                    ["--input", file, "--cap", &cap, "--priority", "7", "--by", "anna", "--workflows", folder];
                self.cli(&[&["batch", "start", name, "steps"], &options[..]].concat());
            }
            Face::Api => {
                let new = json!({"name": name, "workflow": "steps", "inputs": inputs, "cap": cap, "priority": 7});
                let started = self.api.post("/batches", &new).good();
                assert_eq!((&started["items"], &started["name"]), (&json!(6), &json!(name)), "{started}");
            }
        }
    }

    async fn retry_batch(&self, name: &str) {
        match self.face {
            Face::Sql => self.sql("select piton.retry_batch($1, 'auth_failure', 'anna', 'it is back')", &[name]).await,
            Face::Cli => {
                self.cli(&["batch", "retry", name, "--class", "auth_failure", "--by", "anna", "--note", "it is back"]);
            }
            Face::Api => {
                let body = json!({"class": "auth_failure", "note": "it is back"});
                assert_eq!(self.api.post(&format!("/batches/{name}/retry"), &body).good(), json!({"retried": 2}));
            }
        }
    }

    async fn cancel_batch(&self, name: &str) {
        match self.face {
            Face::Sql => self.sql("select piton.cancel_batch($1, 'no use', 'anna')", &[name]).await,
            Face::Cli => self.cli(&["batch", "cancel", name, "--by", "anna", "--reason", "no use"]),
            Face::Api => {
                let ended = self.api.post(&format!("/batches/{name}/cancel"), &json!({"reason": "no use"})).good();
                assert_eq!(ended, json!({"discarded": false, "cancelled": 2, "never_started": 4}));
            }
        }
    }

    /// What is told of all of them, and of the items of one.
    async fn batches(&self, name: &str) -> (Vec<String>, Vec<String>) {
        let told = |rows: &Value| -> Vec<String> {
            let row = |row: &Value| format!("{} {} {} {}", row["name"], row["state"], row["items"], row["not_started"]);
            rows.as_array().unwrap().iter().map(row).collect()
        };
        let items = |rows: &[Value]| rows.iter().map(|row| format!("{} {}", row["item"], row["state"])).collect();
        let json = |arguments: &[&str]| stdout(&self.world.command(arguments).output().unwrap());
        match self.face {
            Face::Sql => {
                let batches = "select concat('\"', name, '\" \"', state, '\" ', items, ' ', not_started)
                               from piton.batches_overview order by batch desc";
                let results = "select concat(item, ' \"', state, '\"') from piton.batch_results($1)";
                let batches = sqlx::query_scalar(batches).fetch_all(&self.world.pool).await.unwrap();
                (batches, sqlx::query_scalar(results).bind(name).fetch_all(&self.world.pool).await.unwrap())
            }
            Face::Cli => {
                let batches = serde_json::from_str(&json(&["batch", "list", "--json"])).unwrap();
                let lines = json(&["batch", "results", name]);
                let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                (told(&batches), items(&rows))
            }
            Face::Api => {
                let first = self.api.get("/batches?limit=1").good();
                let more = format!("/batches?limit=1&after={}", first["next"].as_str().unwrap());
                let mut batches = told(&first["batches"]);
                batches.extend(told(&self.api.get(&more).good()["batches"]));
                let page = |after: i64| self.api.get(&format!("/batches/{name}/results?limit=4&after={after}")).good();
                let (one, two) = (page(0), page(4));
                assert_eq!((&one["next"], &two["next"]), (&json!(4), &Value::Null));
                let rows = [&one, &two].map(|page| page["results"].as_array().unwrap().clone()).concat();
                (batches, items(&rows))
            }
        }
    }
}

async fn batches_by(face: Face) -> (Vec<String>, (Vec<String>, Vec<String>)) {
    let world = World::with(&[STEPS]).await;
    let mut worker = world.worker("w1", &[]);
    worker.says("worker_started").await;
    let anna = Anna::of(&world, face).await;
    anna.start_batch("one", 2).await;
    let blocked = async || world.count("select count(*) from piton.runs where state = 'blocked'").await == 2;
    until(SOON, "its first runs are blocked", blocked).await;
    worker.signal("TERM");
    worker.exit_code().await;
    anna.retry_batch("one").await;
    anna.start_batch("other", 6).await;
    let told = anna.batches("one").await;
    anna.cancel_batch("one").await;
    let faces: Vec<String> =
        sqlx::query_scalar("select distinct face from piton.audit").fetch_all(&world.pool).await.unwrap();
    assert_eq!(faces, [format!("{face:?}").to_lowercase()]);
    assert_eq!(world.unexplained().await, [""; 0]);
    let lines = " union all select concat_ws(' ', 'batch', name, workflow_id, cap, priority, items, started, state, created_by,
                                             cancelled_by, cancel_reason) from piton.batches
                 union all select concat_ws(' ', 'item', (select b.name from piton.batches b where b.id = i.batch_id), number, run is null)
                 from piton.batch_items i) as lines (line)";
    let all = ALL.replace(") as lines (line)", lines);
    (sqlx::query_scalar(sqlx::AssertSqlSafe(all)).fetch_all(&world.pool).await.unwrap(), told)
}

#[tokio::test]
async fn batches_are_started_and_decided_about_in_the_same_way_through_every_face() {
    let by_sql = batches_by(Face::Sql).await;
    let (rows, (batches, items)) = &by_sql;
    assert_eq!(batches, &[r#""other" "running" 6 0"#, r#""one" "running" 6 4"#]);
    assert_eq!(items[1..3], [r#"2 "running""#, r#"3 "not_started""#]);
    let audited = |verb: &str| rows.iter().filter(|line| line.starts_with(&format!("audit anna {verb} "))).count();
    assert_eq!(["retry", "cancel"].map(audited), [2, 3], "{rows:#?}");
    for face in [Face::Cli, Face::Api] {
        assert_eq!(batches_by(face).await, by_sql, "{face:?}");
    }
}

/// What is decided about versions of workflows.
impl Anna<'_> {
    async fn deploy(&self, version: &str) {
        match self.face {
            Face::Sql => {
                self.sql("select piton.deploy_workflow('steps', $1, 'it is better', 'anna')", &[version]).await
            }
            Face::Cli => self.cli(&[
                "workflows",
                "deploy",
                "steps",
                "--digest",
                version,
                "--reason",
                "it is better",
                "--by",
                "anna",
            ]),
            Face::Api => {
                let body = json!({"version": version, "reason": "it is better"});
                let deployed = self.api.post("/workflows/steps/deploy", &body).good();
                assert!(deployed["version"].as_str().unwrap().starts_with(version), "{deployed}");
            }
        }
    }

    async fn roll_back(&self, to: Option<&str>) {
        match (self.face, to) {
            (Face::Sql, None) => self.sql("select piton.rollback_workflow('steps', actor => 'anna')", &[]).await,
            (Face::Sql, Some(to)) => {
                self.sql("select piton.rollback_workflow('steps', $1, actor => 'anna')", &[to]).await
            }
            (Face::Cli, None) => self.cli(&["workflows", "rollback", "steps", "--by", "anna"]),
            (Face::Cli, Some(to)) => self.cli(&["workflows", "rollback", "steps", "--to", to, "--by", "anna"]),
            (Face::Api, to) => {
                let body = to.map_or(json!({}), |to| json!({"version": to}));
                self.api.post("/workflows/steps/rollback", &body).good();
            }
        }
    }

    /// Versions, whether they are current, and what they replaced, as anybody may ask.
    async fn versions(&self) -> Vec<String> {
        let told = |rows: &Value| -> Vec<String> {
            let row = |row: &Value| format!("{} {} {}", row["version"], row["current"], row["replaced"]);
            rows.as_array().unwrap().iter().map(row).collect()
        };
        match self.face {
            Face::Sql => {
                let sql = "select concat(to_json(version), ' ', current::text, ' ', coalesce(to_json(replaced)::text, 'null'))
                           from piton.versions_overview where workflow = 'steps' order by registered_at desc";
                sqlx::query_scalar(sql).fetch_all(&self.world.pool).await.unwrap()
            }
            Face::Cli => {
                let output = self.world.command(["workflows", "versions", "steps", "--json"]).output().unwrap();
                told(&serde_json::from_str(&stdout(&output)).unwrap())
            }
            Face::Api => told(&self.api.get("/workflows/steps/versions").good()["versions"]),
        }
    }
}

async fn deploys_by(face: Face) -> (Vec<String>, Vec<String>) {
    let world = World::with(&[STEPS]).await;
    let anna = Anna::of(&world, face).await;
    world.start("steps", FAILS);
    world.write_workflows(&[&STEPS.replace("[stages.third]", "[stages.last]")]);
    world.start("steps", FAILS);
    let newest = "select digest from piton.versions_overview order by registered_at desc";
    let digests: Vec<String> = sqlx::query_scalar(newest).fetch_all(&world.pool).await.unwrap();
    anna.roll_back(None).await;
    anna.deploy(&digests[0]).await;
    anna.deploy(&digests[0][..12]).await;
    anna.roll_back(Some(&digests[1][..6])).await;
    let versions = anna.versions().await;
    let audit = "select concat_ws(' ', actor, face = $1, verb, subject, detail) from piton.audit where actor = 'anna' order by id";
    let face = format!("{face:?}").to_lowercase();
    (versions, sqlx::query_scalar(audit).bind(face).fetch_all(&world.pool).await.unwrap())
}

#[tokio::test]
async fn versions_are_deployed_and_rolled_back_in_the_same_way_through_every_face() {
    let by_sql = deploys_by(Face::Sql).await;
    let (versions, audit) = &by_sql;
    assert_eq!(versions.len(), 2);
    assert!(versions[0].contains(" false ") && versions[1].ends_with(" true null"), "{versions:?}");
    let verbs: Vec<&str> = audit.iter().map(|line| line.split(' ').nth(2).unwrap()).collect();
    assert_eq!(verbs, ["rollback", "deploy", "rollback"], "{audit:#?}");
    assert!(audit.iter().all(|line| line.starts_with("anna t ")), "{audit:#?}");
    for face in [Face::Cli, Face::Api] {
        assert_eq!(deploys_by(face).await, by_sql, "{face:?}");
    }
}

/// The pending dead letter of each run, in the order of their starts.
async fn letters(world: &World) -> Vec<(String, String)> {
    let sql = "select run::text, id::text from piton.dead_letters_overview where resolution = 'pending' order by run_started_at";
    sqlx::query_as(sql).fetch_all(&world.pool).await.unwrap()
}

async fn everything_by(face: Face) -> Vec<String> {
    let world = World::with(&[STEPS]).await;
    let mut worker = world.worker("w1", &[]);
    worker.says("worker_started").await;
    let anna = Anna::of(&world, face).await;
    for _ in 0..6 {
        anna.start(FAILS).await;
    }
    let blocked = async || world.count("select count(*) from piton.runs where state = 'blocked'").await == 6;
    until(SOON, "all are blocked", blocked).await;
    worker.signal("TERM");
    worker.exit_code().await;
    let letters = letters(&world).await;
    let (run, id) = &letters[0];
    anna.retry(id).await;
    anna.force(run).await;
    anna.retry_those().await;
    anna.retry_corrected(&letters[1].1).await;
    anna.retry_from_beginning(&letters[2].1).await;
    anna.do_again(&letters[3].0, &letters[3].1).await;
    anna.dismiss(&letters[4].1).await;
    anna.dismiss_those(&letters[5].1).await;
    let faces: Vec<String> =
        sqlx::query_scalar("select distinct face from piton.audit").fetch_all(&world.pool).await.unwrap();
    assert_eq!(faces, [format!("{face:?}").to_lowercase()]);
    assert_eq!(world.count("select count(*) from piton.audit where role <> session_user").await, 0);
    assert_eq!(world.unexplained().await, [""; 0]);
    sqlx::query_scalar(ALL).fetch_all(&world.pool).await.unwrap()
}

#[tokio::test]
async fn a_verb_has_the_same_effect_through_every_face() {
    let by_sql = everything_by(Face::Sql).await;
    let audited: Vec<&String> = by_sql.iter().filter(|line| line.starts_with("audit ")).collect();
    let with = |verb: &str| audited.iter().filter(|line| line.starts_with(&format!("audit anna {verb} "))).count();
    let verbs = ["retry", "redo", "correct_input", "dismiss", "force"].map(with);
    assert_eq!(verbs, [5, 3, 1, 2, 1], "{audited:#?}");
    for face in [Face::Cli, Face::Api] {
        assert_eq!(everything_by(face).await, by_sql, "{face:?}");
    }
}

#[tokio::test]
async fn recovery_by_hand_is_the_same_and_is_on_record() {
    let mut told = Vec::new();
    for face in ["cli", "api"] {
        let world = World::with(&[WORK]).await;
        let worker = world.worker("w1", &[]);
        world.start("work", r#"{"work_ms": 60000}"#);
        until(SOON, "it runs", async || world.journal().len() == 1).await;
        let api = Api::of(&world).await;
        assert_eq!(api.get("/recovery/jobs").good(), json!({"jobs": []}), "it lives");
        worker.kill();
        let seen = async || api.get("/recovery").good()["gone"].as_array().is_some_and(|gone| gone.len() == 1);
        until(SOON, "its session has ended", seen).await;
        let jobs = api.get("/recovery/jobs").good();
        assert_eq!((&jobs["jobs"][0]["stage"], &jobs["jobs"][0]["worker"]), (&json!("work"), &json!("w1")), "{jobs}");
        let answer = match face {
            "cli" => serde_json::from_str(&stdout(
                &world.command(["recover", "--json"]).env("USER", "anna").output().unwrap(),
            ))
            .unwrap(),
            _ => api.post("/recovery", &json!({})).good(),
        };
        assert_eq!(
            world.count("select count(*) from piton.jobs where state = 'suspect' and worker_id is null").await,
            1
        );
        let audit: Vec<String> = sqlx::query_scalar(
            "select concat_ws(' ', a.actor, a.face = $1, a.verb, a.subject_kind, a.subject = w.boot_id::text, a.detail)
             from piton.audit a cross join piton.workers w",
        )
        .bind(face)
        .fetch_all(&world.pool)
        .await
        .unwrap();
        told.push((answer, audit));
    }
    assert_eq!(told[0].1.len(), 1);
    assert!(told[0].1[0].starts_with("anna t recover worker t {\"jobs\": 1, "), "{told:?}");
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn the_audit_is_kept_as_it_was_written_and_tells_nothing_that_did_not_happen() {
    let world = World::with(&[CHAIN]).await;
    let run: Uuid = world.start("chain", "{}").parse().unwrap();
    let force = "select piton.force_dead_letter($1, 'first', 'x')";
    let mut transaction = world.pool.begin().await.unwrap();
    sqlx::query(force).bind(run).execute(&mut *transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(world.count("select count(*) from piton.audit").await, 0);
    sqlx::query(force).bind(run).execute(&world.pool).await.unwrap();
    for statement in ["update piton.audit set actor = 'x'", "delete from piton.audit", "truncate piton.audit"] {
        let error = sqlx::query(statement).execute(&world.pool).await.unwrap_err();
        assert!(error.to_string().contains("never changed or taken away"), "{error}");
    }
    assert_eq!(world.count("select count(*) from piton.audit where face = 'sql' and actor = session_user").await, 1);
}
